/* SPDX-License-Identifier: BSD-3-Clause */
/* Token buckets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/pace.h"

#define MS 1000000u

static void a_burst_and_then_one_an_interval(void **state)
{
	uint64_t now = 5000 * (uint64_t)MS, left_out = 99;
	struct pace p;

	(void)state;
	pace_init(&p, 3, 100 * MS);
	for (int i = 0; i < 3; i++)
		assert_true(pace_allows(&p, now, &left_out));
	assert_int_equal(left_out, 0);
	for (int i = 0; i < 7; i++)
		assert_false(pace_allows(&p, now + 99 * MS, NULL));
	assert_int_equal(pace_next_ns(&p, now + 99 * MS), now + 100 * MS);
	assert_int_equal(pace_next_ns(&p, now + 100 * MS), 0);
	assert_true(pace_allows(&p, now + 100 * MS, &left_out));
	assert_int_equal(left_out, 7);
	assert_false(pace_allows(&p, now + 100 * MS, NULL));
	assert_true(pace_allows(&p, now + 10000 * (uint64_t)MS, &left_out));
	assert_int_equal(left_out, 1);
}

/* However long it was not used, no more than the burst comes at once. */
static void a_rested_bucket_holds_a_burst(void **state)
{
	uint64_t now = 1;
	struct pace p;
	int n = 0;

	(void)state;
	pace_init(&p, 5, 100 * MS);
	assert_true(pace_allows(&p, now, NULL));
	now += 1000000 * (uint64_t)MS;
	for (int i = 0; i < 50; i++)
		n += pace_allows(&p, now, NULL);
	assert_int_equal(n, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_and_then_one_an_interval),
		cmocka_unit_test(a_rested_bucket_holds_a_burst),
	};

	return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
