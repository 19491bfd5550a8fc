/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of policy/budget.c: which budgets make sense, and which fit beside others. */
#include "policy/budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct budget granted(uint32_t guarantee_us, uint32_t period_us)
{
	struct budget b = budget_default();

	b.guarantee_us = guarantee_us;
	b.period_us = period_us;
	return b;
}

static void test_default_is_valid(void **state)
{
	const struct budget b = budget_default();
	struct err e = {0};

	(void)state;
	assert_int_equal(budget_validate(&b, &e), 0);
	assert_int_equal(b.guarantee_us, 0);
	assert_int_equal(b.limit_percent, 100);
}

/* Each number at both ends of its range, and just beyond. */
static void test_ranges(void **state)
{
	static const struct {
		size_t offset;
		uint32_t min, max;
		const char *field;
	} ranges[] = {
		{offsetof(struct budget, weight), 1, 10000, "weight"},
		{offsetof(struct budget, limit_percent), 1, 100, "limit_percent"},
		{offsetof(struct budget, period_us), 100, 1000000, "period_us"},
		{offsetof(struct budget, burst_us), 10, 1000000, "burst_us"},
		{offsetof(struct budget, guarantee_us), 0, 1000, "guarantee_us"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		const uint32_t good[] = {ranges[i].min, ranges[i].max};
		const uint32_t bad[] = {ranges[i].min - 1, ranges[i].max + 1};

		for (int k = 0; k < 2; k++) {
			struct budget b = budget_default();
			struct err e = {0};

			*(uint32_t *)(void *)((char *)&b + ranges[i].offset) = good[k];
			assert_int_equal(budget_validate(&b, &e), 0);
			*(uint32_t *)(void *)((char *)&b + ranges[i].offset) = bad[k];
			assert_true(budget_validate(&b, &e) < 0);
			assert_string_equal(e.field, ranges[i].field);
		}
	}
}

static void test_a_limit_below_the_guarantee(void **state)
{
	struct budget b = granted(100, 1000);
	struct err e = {0};

	(void)state;
	b.limit_percent = 10;
	assert_int_equal(budget_validate(&b, &e), 0);
	b.limit_percent = 9;
	assert_true(budget_validate(&b, &e) < 0);
	assert_string_equal(e.field, "guarantee_us");
	/* Nothing overflows at the largest numbers. */
	b = granted(1000000, 1000000);
	assert_int_equal(budget_validate(&b, &e), 0);
	b.limit_percent = 99;
	assert_true(budget_validate(&b, &e) < 0);
}

static void test_nine_tenths_can_be_granted(void **state)
{
	const struct budget a = granted(500, 1000), b = granted(60000, 200000);
	const struct budget *const others[] = {&a, &b};
	struct budget c = granted(10, 100);
	struct err e = {0};

	(void)state;
	assert_int_equal(budget_admit(others, 2, &c, 10, &e), 0);
	c = granted(11, 100);
	assert_int_equal(budget_admit(others, 2, &c, 10, &e), -ENOSPC);
	assert_string_equal(e.field, "guarantee_us");
	assert_non_null(strstr(e.text, "11.0 %"));
	assert_non_null(strstr(e.text, "10.0 %"));
	c = granted(10, 100);
	assert_int_equal(budget_admit(others, 2, &c, 11, &e), -ENOSPC);
	assert_non_null(strstr(e.text, "9.0 %"));
	assert_int_equal(budget_admit(others, 2, &c, 10, &e), 0);
	assert_int_equal(budget_granted_percent(others, 2), 80);
	c = granted(1000, 1000);
	assert_int_equal(budget_admit(NULL, 0, &c, 10, &e), -ENOSPC);
	c = granted(900, 1000);
	assert_int_equal(budget_admit(NULL, 0, &c, 10, &e), 0);
}

/* Who asks for nothing is never refused, however much the others have. */
static void test_no_guarantee_always_fits(void **state)
{
	const struct budget all = granted(1000, 1000), none = budget_default();
	const struct budget *const others[] = {&all, &all};
	struct err e = {0};

	(void)state;
	assert_int_equal(budget_admit(others, 2, &none, 10, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default_is_valid),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_a_limit_below_the_guarantee),
		cmocka_unit_test(test_nine_tenths_can_be_granted),
		cmocka_unit_test(test_no_guarantee_always_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
