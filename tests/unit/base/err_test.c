/* SPDX-License-Identifier: BSD-3-Clause */
/* Errors of control code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/err.h"

static void test_set_fills_and_answers_errno(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(err_set(&e, ERR_NOT_FOUND, "vm", "vm '%s' does not exist", "a"), -ENOENT);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_string_equal(e.field, "vm");
	assert_string_equal(e.text, "vm 'a' does not exist");
}

static void test_nobody_need_want_it(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, ERR_BUSY, NULL, "x"), -EBUSY);
}

static void test_a_field_is_named_once(void **state)
{
	struct err e;

	(void)state;
	err_set(&e, ERR_BUSY, NULL, "in use");
	err_name_field(&e, "port");
	assert_string_equal(e.field, "port");
	err_name_field(&e, "uplink");
	assert_string_equal(e.field, "port");
	err_name_field(NULL, "port");
}

static void test_long_text_is_cut(void **state)
{
	char text[1000];
	struct err e;

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	err_set(&e, ERR_INVALID, text, "%s", text);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	assert_int_equal(strlen(e.field), sizeof(e.field) - 1);
}

static void test_codes_differ(void **state)
{
	(void)state;
	for (int a = 1; a < ERR_COUNT; a++) {
		assert_true(strlen(err_code_text(a)) > 0);
		for (int b = a + 1; b < ERR_COUNT; b++)
			assert_int_not_equal(err_rpc_code(a), err_rpc_code(b));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_fills_and_answers_errno),
		cmocka_unit_test(test_nobody_need_want_it),
		cmocka_unit_test(test_a_field_is_named_once),
		cmocka_unit_test(test_long_text_is_cut),
		cmocka_unit_test(test_codes_differ),
	};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
