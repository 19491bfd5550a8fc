/* SPDX-License-Identifier: BSD-3-Clause */
/* IP addresses: text, and what they can be. */
#include "base/ip_addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct known {
	const char *text; /* as it is formatted */
	bool is_v6, is_group, is_host;
};

static const struct known all[] = {
	{"0.0.0.0", false, false, false},
	{"0.1.2.3", false, false, false},
	{"1.0.0.1", false, false, true},
	{"10.0.0.1", false, false, true},
	{"126.255.255.255", false, false, true},
	{"127.0.0.1", false, false, false},
	{"128.0.0.1", false, false, true},
	{"223.255.255.254", false, false, true},
	{"224.0.0.1", false, true, false},
	{"239.255.255.255", false, true, false},
	{"240.0.0.1", false, false, false},
	{"255.255.255.255", false, false, false},
	{"::", true, false, false},
	{"::1", true, false, false},
	{"::10.0.0.1", true, false, false},
	{"::ffff:10.0.0.1", true, false, false},
	{"::1:0:0:1", true, false, true},
	{"64:ff9b::a00:1", true, false, true},
	{"2001:db8::1", true, false, true},
	{"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", true, false, true},
	{"fe80::1", true, false, true},
	{"feff::1", true, false, true},
	{"ff02::1", true, true, false},
	{"ff0e::1:2:3", true, true, false},
};

static void test_known(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		char text[IP_ADDR_TEXT_SIZE];
		struct ip_addr a;

		print_message("%s\n", all[i].text);
		memset(&a, 0xa5, sizeof(a));
		assert_true(ip_addr_parse(all[i].text, &a));
		ip_addr_format(&a, text);
		assert_string_equal(text, all[i].text);
		assert_int_equal(a.is_v6, all[i].is_v6);
		assert_int_equal(ip_addr_len(&a), all[i].is_v6 ? 16 : 4);
		assert_int_equal(ip_addr_is_group(&a), all[i].is_group);
		assert_int_equal(ip_addr_is_host(&a), all[i].is_host);
	}
}

static void test_equal(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		for (unsigned k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
			struct ip_addr a, b;

			assert_true(ip_addr_parse(all[i].text, &a));
			assert_true(ip_addr_parse(all[k].text, &b));
			assert_int_equal(ip_addr_equal(&a, &b), i == k);
		}
	}
}

/* The bytes behind an IPv4 address are 0, since addresses are compared and summed up whole. */
static void test_bytes(void **state)
{
	const struct ip_addr want = {.bytes = {192, 0, 2, 1}};
	struct ip_addr a;

	(void)state;
	memset(&a, 0xa5, sizeof(a));
	assert_true(ip_addr_parse("192.0.2.1", &a));
	assert_memory_equal(a.bytes, want.bytes, sizeof(a.bytes));
}

static void test_other_texts(void **state)
{
	static const char *const texts[] = {
		"",          " ",         "10.0.0",     "10.0.0.256", "10.0.0.1/24",  "10.0.0.1 ",
		" 10.0.0.1", "010.0.0.1", "10.0.0.1.1", "a",          "fe80::1%eth0", "::/0",
		"1::2::3",   "12345::",   "[::1]",      "localhost",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct ip_addr a;

		print_message("'%s'\n", texts[i]);
		assert_false(ip_addr_parse(texts[i], &a));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_other_texts),
	};

	return cmocka_run_group_tests_name("ip_addr", tests, NULL, NULL);
}
