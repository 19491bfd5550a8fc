/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of base/hist.c. */
#include "base/hist.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct hist a, b;

/* Each value falls between its bucket's ends, buckets are adjacent and at most a sixteenth wide. */
static void test_buckets(void **state)
{
	(void)state;
	for (unsigned i = 0; i + 1 < HIST_BUCKETS; i++) {
		uint64_t low = hist_low(i), next = hist_low(i + 1);

		assert_true(low < next);
		assert_int_equal(hist_index(low), i);
		assert_int_equal(hist_index(next - 1), i);
		assert_true(next - low == 1 || (next - low) * HIST_SUB <= low);
	}
	assert_int_equal(hist_index(UINT64_MAX), HIST_BUCKETS - 1);
	assert_int_equal(hist_index((uint64_t)1 << HIST_MAX_BITS), HIST_BUCKETS - 1);
}

static void test_quantiles(void **state)
{
	(void)state;
	hist_reset(&a);
	assert_int_equal(hist_quantile(&a, 99, 100), 0);
	for (uint64_t i = 1; i <= 1000; i++)
		hist_record(&a, i * 100);
	assert_int_equal(a.count, 1000);
	assert_int_equal(a.max, 100000);
	assert_in_range(hist_quantile(&a, 1, 2), 50000, 50000 + 50000 / HIST_SUB);
	assert_in_range(hist_quantile(&a, 99, 100), 99000, 100000);
	assert_int_equal(hist_quantile(&a, 1, 1), 100000);
	assert_true(hist_quantile(&a, 0, 1) >= 100);
}

static void test_extremes(void **state)
{
	(void)state;
	hist_reset(&a);
	hist_record(&a, 0);
	assert_int_equal(hist_quantile(&a, 1, 1), 0);
	hist_record(&a, UINT64_MAX);
	assert_true(hist_quantile(&a, 1, 1) == UINT64_MAX);
	assert_int_equal(hist_quantile(&a, 1, 2), 0);
}

static void test_merge(void **state)
{
	(void)state;
	hist_reset(&a);
	hist_reset(&b);
	hist_record(&a, 10);
	hist_record(&b, 5000);
	hist_merge(&a, &b);
	assert_int_equal(a.count, 2);
	assert_int_equal(a.sum, 5010);
	assert_int_equal(a.max, 5000);
	assert_int_equal(a.bucket[hist_index(5000)], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_merge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
