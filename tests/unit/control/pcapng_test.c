/* SPDX-License-Identifier: BSD-3-Clause */
/* pcapng: what is written is what libpcap reads. */
#include "control/pcapng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#define ROOM 65536

static uint8_t room[ROOM];

static pcap_t *read_back(const struct pcapng *f)
{
	char why[PCAP_ERRBUF_SIZE];
	FILE *file = fmemopen(f->to, f->used, "r");
	pcap_t *p;

	assert_non_null(file);
	p = pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, why);
	if (!p)
		fail_msg("%s", why);
	return p;
}

static void assert_packet(pcap_t *p, uint64_t ns, uint32_t len, uint32_t kept, uint8_t tag)
{
	struct pcap_pkthdr *h;
	const u_char *bytes;

	assert_int_equal(pcap_next_ex(p, &h, &bytes), 1);
	assert_int_equal(h->ts.tv_sec, ns / 1000000000);
	assert_int_equal(h->ts.tv_usec, ns % 1000000000);
	assert_int_equal(h->len, len);
	assert_int_equal(h->caplen, kept);
	for (uint32_t i = 0; i < kept; i++)
		assert_int_equal(bytes[i], tag);
}

static void assert_end(pcap_t *p)
{
	struct pcap_pkthdr *h;
	const u_char *bytes;
	int rc = pcap_next_ex(p, &h, &bytes);

	if (rc != PCAP_ERROR_BREAK)
		fail_msg("%d %s", rc, pcap_geterr(p));
	pcap_close(p);
}

static bool put_packet(struct pcapng *f, uint32_t interface, uint64_t ns, uint32_t len,
		       uint32_t kept, uint8_t tag, const char *comment)
{
	uint8_t bytes[2048];
	const struct pcapng_packet p = {.interface = interface,
					.ns = ns,
					.len = len,
					.kept = kept,
					.bytes = bytes,
					.is_sent = tag & 1,
					.comment = comment};

	assert_in_range(kept, 0, sizeof(bytes));
	memset(bytes, tag, kept);
	return pcapng_packet(f, &p);
}

static void begin(struct pcapng *f, const char *filter)
{
	const struct pcapng_interface i = {"web1-0", "port of vm web1", filter, 1500};

	*f = (struct pcapng){room, sizeof(room), 0};
	assert_true(pcapng_section(f, "a test"));
	assert_true(pcapng_interface(f, &i));
}

static void test_packets_come_back(void **state)
{
	static const uint64_t ns = 1796013730361715952ull;
	struct pcapng f;
	pcap_t *p;

	(void)state;
	begin(&f, NULL);
	/* Any length, so that any padding is needed. */
	for (uint32_t i = 0; i < 20; i++)
		assert_true(put_packet(&f, 0, ns + i, 1500, 60 + i, (uint8_t)i, NULL));
	p = read_back(&f);
	assert_int_equal(pcap_datalink(p), DLT_EN10MB);
	assert_int_equal(pcap_snapshot(p), 1500);
	for (uint32_t i = 0; i < 20; i++)
		assert_packet(p, ns + i, 1500, 60 + i, (uint8_t)i);
	assert_end(p);
}

static void test_interfaces_may_come_late(void **state)
{
	const struct pcapng_interface second = {"up0", "", NULL, 1500};
	struct pcapng f;
	pcap_t *p;

	(void)state;
	begin(&f, NULL);
	assert_true(put_packet(&f, 0, 1, 60, 60, 1, NULL));
	assert_true(pcapng_interface(&f, &second));
	assert_true(put_packet(&f, 1, 2, 60, 60, 2, NULL));
	assert_true(put_packet(&f, 0, 3, 60, 60, 3, NULL));
	p = read_back(&f);
	for (uint8_t i = 1; i <= 3; i++)
		assert_packet(p, i, 60, 60, i);
	assert_end(p);
}

/* Texts of any length keep the blocks in step. */
static void test_comments_filters_and_statistics_do_no_harm(void **state)
{
	char text[400];
	struct pcapng f;
	pcap_t *p;

	(void)state;
	for (size_t len = 0; len < sizeof(text); len += len < 10 ? 1 : 97) {
		memset(text, 'x', len);
		text[len] = '\0';
		begin(&f, text);
		assert_true(put_packet(&f, 0, 7, 60, 60, 1, text));
		assert_true(pcapng_statistics(
			&f, &(struct pcapng_statistics){.ns = 8, .dropped = 9, .comment = text}));
		assert_true(put_packet(&f, 0, 9, 60, 60, 2, NULL));
		p = read_back(&f);
		assert_packet(p, 7, 60, 60, 1);
		assert_packet(p, 9, 60, 60, 2);
		assert_end(p);
	}
}

/* The comment and the flags are where the specification says (4.3, 3.5.1). */
static void test_a_comment_is_an_option(void **state)
{
	static const uint8_t options[] = {2,   0,   4,   0,   2,   0, 0, 0, 1, 0, 5, 0,
					  'w', 'h', 'y', ' ', '!', 0, 0, 0, 0, 0, 0, 0};
	struct pcapng f;

	(void)state;
	begin(&f, NULL);
	assert_true(put_packet(&f, 0, 7, 60, 60, 1, "why !"));
	/* Behind it is the block's length. */
	assert_memory_equal(f.to + f.used - 4 - sizeof(options), options, sizeof(options));
}

static void test_a_block_without_room_is_left_out(void **state)
{
	struct pcapng f;
	size_t before;
	unsigned n = 0;
	pcap_t *p;

	(void)state;
	begin(&f, NULL);
	f.size = 3000;
	while (put_packet(&f, 0, 7, 1000, 1000, 1, "a comment"))
		n++;
	assert_int_equal(n, 2);
	before = f.used;
	for (f.size = f.used; f.size < before + 96; f.size++) {
		assert_false(put_packet(&f, 0, 7, 60, 60, 1, "why"));
		assert_int_equal(f.used, before);
	}
	f.size = sizeof(room);
	assert_true(put_packet(&f, 0, 8, 60, 60, 1, "why"));
	assert_int_equal(f.used, before + 112);
	p = read_back(&f);
	for (unsigned i = 0; i < n; i++)
		assert_packet(p, 7, 1000, 1000, 1);
	assert_packet(p, 8, 60, 60, 1);
	assert_end(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets_come_back),
		cmocka_unit_test(test_interfaces_may_come_late),
		cmocka_unit_test(test_comments_filters_and_statistics_do_no_harm),
		cmocka_unit_test(test_a_comment_is_an_option),
		cmocka_unit_test(test_a_block_without_room_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
