/* SPDX-License-Identifier: BSD-3-Clause */
/* Filters: what is compiled, what is refused, and how far they look. */
#include "control/capture_filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <pcap/bpf.h>

static void assert_refused(const char *text, const char *because)
{
	struct bpf_insn *program;
	struct err e = {0};
	uint32_t reach;

	assert_int_equal(capture_filter_compile(text, &program, &reach, &e), -EINVAL);
	assert_null(program);
	assert_string_equal(e.field, "filter");
	if (!strstr(e.text, because))
		fail_msg("%s: %s", text, e.text);
}

/* Compiles; returns how far it looks. */
static uint32_t compile(const char *text, struct bpf_insn **program)
{
	struct err e = {0};
	uint32_t reach;

	if (capture_filter_compile(text, program, &reach, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	return reach;
}

static void test_filters_match_what_they_say(void **state)
{
	/* UDP from 10.0.0.1 to port 53. */
	uint8_t frame[60] = {2, 0, 0,  0,  0, 1, 2,  0, 0, 0, 0,  2, 8, 0, 0x45, 0,    0, 46, 0, 0,
			     0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x30, 0x39, 0, 53};
	struct bpf_insn *program;

	(void)state;
	compile("udp port 53 and src host 10.0.0.1", &program);
	assert_true(bpf_filter(program, frame, sizeof(frame), sizeof(frame)) > 0);
	frame[29] = 9;
	assert_int_equal(bpf_filter(program, frame, sizeof(frame), sizeof(frame)), 0);
	free(program);
}

static void test_an_empty_filter_matches_everything(void **state)
{
	struct bpf_insn *program;

	(void)state;
	assert_int_equal(compile("", &program), 0);
	assert_null(program);
	assert_int_equal(compile("  ", &program), 0);
	assert_null(program);
}

static void test_what_libpcap_says_is_passed_on(void **state)
{
	(void)state;
	assert_refused("tcp port", "syntax error");
	assert_refused("port 99999999999", "");
	assert_refused("host 300.1.2.3", "300.1.2.3");
}

/* The name would have to be asked for; in a file it is not. */
static void test_names_are_not_asked_for(void **state)
{
	(void)state;
	capture_filter_init();
	assert_refused("host stint-capture-test.invalid", "unknown host");
}

/* What the kernel knows of packets beside their bytes is not known here. */
static void test_looks_beyond_packets_are_refused(void **state)
{
	(void)state;
	assert_refused("inbound", "beyond");
	assert_refused("ether[70000] = 1", "beyond");
}

/* libpcap makes loops of it, which bpf_validate() accepts. */
static void test_loops_are_refused(void **state)
{
	(void)state;
	assert_refused("ip6 protochain 6", "loops");
}

static void test_long_programs_are_refused(void **state)
{
	char text[4096] = "host 10.0.0.1";
	size_t len = strlen(text);
	struct bpf_insn *program;

	(void)state;
	for (int i = 0; len < CAPTURE_FILTER_SIZE - 30; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, " or ip[%d]=ip[%d]", 2 * i,
					2 * i + 1);
	assert_refused(text, "instructions");
	memset(text, ' ', CAPTURE_FILTER_SIZE);
	memcpy(text + CAPTURE_FILTER_SIZE, "ip", 3);
	assert_refused(text, "more than 1023 bytes");
	compile("tcp port 80 or tcp port 443", &program);
	free(program);
}

static void test_how_far_it_looks(void **state)
{
	static const struct {
		const char *text;
		uint32_t least, most;
	} filters[] = {
		{"ip", 14, 14},
		{"ether src 02:00:00:00:00:01", 12, 12},
		{"ether[200:4] = 1", 204, 204},
		/* Behind an IPv4 header, which may have 60 bytes, or an IPv6 header. */
		{"tcp port 80", 58, 78},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		struct bpf_insn *program;

		assert_in_range(compile(filters[i].text, &program), filters[i].least,
				filters[i].most);
		free(program);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filters_match_what_they_say),
		cmocka_unit_test(test_an_empty_filter_matches_everything),
		cmocka_unit_test(test_what_libpcap_says_is_passed_on),
		cmocka_unit_test(test_names_are_not_asked_for),
		cmocka_unit_test(test_looks_beyond_packets_are_refused),
		cmocka_unit_test(test_loops_are_refused),
		cmocka_unit_test(test_long_programs_are_refused),
		cmocka_unit_test(test_how_far_it_looks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
