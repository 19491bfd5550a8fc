/* SPDX-License-Identifier: BSD-3-Clause */
/* Prefixes of IP addresses: text, and masks. */
#include "base/ip_prefix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_what_is_right(void **state)
{
	static const char *const texts[][2] = {
		{"10.1.0.5", "10.1.0.5"},
		{"10.1.0.5/32", "10.1.0.5"},
		{"10.1.0.0/24", "10.1.0.0/24"},
		{"10.1.0.4/31", "10.1.0.4/31"},
		{"128.0.0.0/1", "128.0.0.0/1"},
		{"0.0.0.0/0", "0.0.0.0/0"},
		{"2001:DB8::5/128", "2001:db8::5"},
		{"2001:db8::/33", "2001:db8::/33"},
		{"::/0", "::/0"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127",
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char text[IP_PREFIX_TEXT_SIZE];
		struct ip_prefix p, again;

		assert_null(ip_prefix_parse(texts[i][0], &p));
		ip_prefix_format(&p, text);
		assert_string_equal(text, texts[i][1]);
		assert_null(ip_prefix_parse(text, &again));
		assert_true(ip_prefix_equal(&p, &again));
	}
}

static void test_what_is_wrong(void **state)
{
	static const char *const texts[] = {
		"",
		"/",
		"/8",
		"10.1.0.0/",
		"10.1.0.0/33",
		"10.1.0.0/-1",
		"10.1.0.0/+8",
		"10.1.0.0/ 8",
		"10.1.0.0/8 ",
		"10.1.0.0/0x8",
		"10.1.0.0/15",
		"10.1.0.5/31",
		"10.1.0/24",
		"10.1.0.0/1/1",
		"2001:db8::/129",
		"2001:db8::/28",
		"2001:db8::1/127",
		"::1/0",
		"10.0.0.0/4294967304",
		"10.0.0.0/000008",
		"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255x",
	};
	struct ip_prefix p;

	(void)state;
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (!ip_prefix_parse(texts[i], &p))
			fail_msg("%s is taken", texts[i]);
}

static void test_masks(void **state)
{
	struct ip_prefix p = {.address.is_v6 = true};
	uint8_t mask[16];

	(void)state;
	for (unsigned bits = 0; bits <= 128; bits++) {
		p.bits = (uint8_t)bits;
		ip_prefix_mask(&p, mask);
		for (unsigned i = 0; i < 128; i++)
			assert_int_equal(mask[i / 8] >> (7 - i % 8) & 1, i < bits);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_right),
		cmocka_unit_test(test_what_is_wrong),
		cmocka_unit_test(test_masks),
	};

	return cmocka_run_group_tests_name("ip_prefix", tests, NULL, NULL);
}
