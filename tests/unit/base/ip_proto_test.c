/* SPDX-License-Identifier: BSD-3-Clause */
/* Protocols above IP, by their names. */
#include "base/ip_proto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static const struct {
	const char *text;
	uint8_t number;
	bool has_ports, is_icmp;
} known[] = {
	{"any", 0, false, false},   {"tcp", 6, true, false},       {"udp", 17, true, false},
	{"icmp", 1, false, true},   {"icmpv6", 58, false, true},   {"sctp", 132, true, false},
	{"dccp", 33, true, false},  {"udplite", 136, true, false}, {"gre", 47, false, false},
	{"esp", 50, false, false},  {"ah", 51, false, false},      {"2", 2, false, false},
	{"255", 255, false, false},
};

static void test_names_and_numbers(void **state)
{
	struct err e;
	uint8_t any;

	(void)state;
	assert_true(ip_proto_parse("p", "nonsense", &any, &e) < 0);
	assert_string_equal(e.field, "p");
	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		char text[IP_PROTO_TEXT_SIZE];
		uint8_t number;

		assert_int_equal(ip_proto_parse("p", known[i].text, &number, NULL), 0);
		assert_int_equal(number, known[i].number);
		assert_int_equal(ip_proto_has_ports(number), known[i].has_ports);
		assert_int_equal(ip_proto_is_icmp(number), known[i].is_icmp);
		ip_proto_format(number, text);
		assert_string_equal(text, known[i].text);
		if (known[i].text[0] > '9')
			assert_non_null(strstr(e.text, known[i].text));
	}
}

static void test_numbers_of_protocols_with_names(void **state)
{
	uint8_t number;

	(void)state;
	assert_int_equal(ip_proto_parse("p", "6", &number, NULL), 0);
	assert_int_equal(number, 6);
	assert_int_equal(ip_proto_parse("p", "006", &number, NULL), 0);
	assert_int_equal(number, 6);
}

static void test_anything_else_is_refused(void **state)
{
	static const char *const bad[] = {"",    "0",  "256", "1000", "-1",      "tc",
					  "TCP", "6 ", " 6",  "6x",   "tcp,udp", "99999999999"};
	uint8_t number;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_true(ip_proto_parse("p", bad[i], &number, NULL) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_and_numbers),
		cmocka_unit_test(test_numbers_of_protocols_with_names),
		cmocka_unit_test(test_anything_else_is_refused),
	};

	return cmocka_run_group_tests_name("ip_proto", tests, NULL, NULL);
}
