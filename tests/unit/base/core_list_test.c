/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists of cores. */
#include "base/core_list.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct seen {
	char text[256];
	unsigned refused; /* that one is refused; 0: none */
};

static int note(void *ctx, unsigned core, struct err *e)
{
	struct seen *s = ctx;
	size_t n = strlen(s->text);

	if (core == s->refused)
		return err_set(e, ERR_EXISTS, "mine", "core %u", core);
	snprintf(s->text + n, sizeof(s->text) - n, "%u ", core);
	return 0;
}

static void test_lists(void **state)
{
	static const struct {
		const char *text, *cores;
	} cases[] = {
		{"0", "0 "},   {"7", "7 "},           {"1,3-5", "1 3 4 5 "}, {"5,1", "5 1 "},
		{"2-2", "2 "}, {"1-3,2", "1 2 3 2 "}, {"1023", "1023 "},     {"007", "7 "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct seen s = {.refused = UINT32_MAX};
		struct err e;

		assert_int_equal(core_list_parse(cases[i].text, "f", note, &s, &e), 0);
		assert_string_equal(s.text, cases[i].cores);
	}
}

static void test_what_is_no_list(void **state)
{
	static const char *const bad[] = {
		"",      "x",    "1,",   ",1",   "1-",    "-1",     "3-1",
		"+1",    "1 ",   "0x1",  "1024", "99999", "1-2000", "1;2",
		"1-2-3", "1,,2", "1--2", "1-+2", "1- 2",  " 1",     "18446744073709551617"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct seen s = {.refused = UINT32_MAX};
		struct err e = {0};

		if (core_list_parse(bad[i], "f", note, &s, &e) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
		assert_string_equal(e.field, "f");
	}
}

static void test_a_refusal_ends_it(void **state)
{
	struct seen s = {.refused = 3};
	struct err e = {0};

	(void)state;
	assert_int_equal(core_list_parse("1-5", "f", note, &s, &e), -EEXIST);
	assert_string_equal(s.text, "1 2 ");
	assert_string_equal(e.field, "mine");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_what_is_no_list),
		cmocka_unit_test(test_a_refusal_ends_it),
	};

	return cmocka_run_group_tests_name("core_list", tests, NULL, NULL);
}
