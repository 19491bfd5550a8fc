/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of policy/rate.c: token buckets to the token and to the cycle. */
#include "policy/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint64_t seed = 88172645463325252ull;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* However often it is refilled, it yields the same. */
static void test_nothing_is_lost(void **state)
{
	(void)state;
	for (unsigned k = 0; k < 100; k++) {
		uint64_t tokens = 1 + rnd() % 1000, cycles = 1 + rnd() % 1000000, start = rnd();
		struct rate often = {0}, once = {0};
		uint64_t now = start;

		rate_set(&often, tokens, cycles, INT64_MAX / 2, -1000, start);
		rate_set(&once, tokens, cycles, INT64_MAX / 2, -1000, start);
		often.level = once.level = -1000;
		for (unsigned i = 0; i < 1000; i++) {
			now += rnd() % 100000;
			rate_refill(&often, now, often.cap);
		}
		rate_refill(&once, now, once.cap);
		assert_true(often.level == once.level);
		assert_true(often.frac == once.frac);
		/* Nor is it more or less than what was asked for, but for one token in 2^48. */
		assert_in_range(once.level + 1000, (now - start) * tokens / cycles - 1,
				(now - start) * tokens / cycles + 1);
	}
}

static void test_cap_and_floor(void **state)
{
	struct rate r = {0};

	(void)state;
	rate_set(&r, 1, 8, 500, -300, 0);
	assert_true(rate_in_use(&r));
	assert_int_equal(r.level, 500);
	rate_take(&r, 100);
	assert_int_equal(r.level, 400);
	rate_take(&r, UINT64_MAX);
	assert_int_equal(r.level, -300);
	rate_refill(&r, 800, r.cap);
	assert_int_equal(r.level, -200);
	rate_refill(&r, 800000, r.cap);
	assert_int_equal(r.level, 500);
	/* Who may not be blamed for it gets more; it does not go when the cap is lower again. */
	rate_refill(&r, 808000, 2000);
	assert_int_equal(r.level, 1500);
	rate_refill(&r, 816000, r.cap);
	assert_int_equal(r.level, 1500);
}

/* Ready means above 0: at that cycle, and not one before. */
static void test_ready_to_the_cycle(void **state)
{
	(void)state;
	for (unsigned k = 0; k < 10000; k++) {
		struct rate r = {0}, before;
		uint64_t now = rnd(), ready;

		rate_set(&r, 1 + rnd() % 1000, 1 + rnd() % 1000000, 1000000, -1000000, now);
		r.level = -(int64_t)(rnd() % 1000000);
		r.frac = rnd() >> (64 - RATE_FRAC_BITS);
		ready = rate_ready_tsc(&r);
		assert_true((int64_t)(ready - now) > 0);
		before = r;
		rate_refill(&before, ready - 1, r.cap);
		assert_true(before.level <= 0);
		rate_refill(&r, ready, r.cap);
		assert_true(r.level > 0);
		assert_true(rate_ready_tsc(&r) == ready);
	}
}

static void test_clocks_that_wrap_and_go_back(void **state)
{
	struct rate r = {0};

	(void)state;
	rate_set(&r, 1, 2, 1000, -1000, UINT64_MAX - 99);
	r.level = 0;
	rate_refill(&r, 100, r.cap);
	assert_int_equal(r.level, 100);
	rate_refill(&r, 100, r.cap);
	rate_refill(&r, 40, r.cap);
	assert_int_equal(r.level, 100);
	rate_refill(&r, 60, r.cap);
	assert_int_equal(r.level, 110);
}

static void test_changes(void **state)
{
	struct rate r = {0};

	(void)state;
	assert_false(rate_in_use(&r));
	rate_set(&r, 1, 10, 500, -300, 7);
	assert_int_equal(r.last_tsc, 7);
	rate_take(&r, 450);
	rate_set(&r, 3, 10, 600, -300, 7);
	assert_int_equal(r.level, 50);
	rate_set(&r, 3, 10, 20, -300, 7);
	assert_int_equal(r.level, 20);
	rate_take(&r, 1000);
	rate_set(&r, 3, 10, 20, -100, 7);
	assert_int_equal(r.level, -100);
	rate_set(&r, 0, 10, 20, -100, 7);
	assert_false(rate_in_use(&r));
	/* The slowest there is yields something at last, and its wait is no time that has passed.
	 */
	rate_set(&r, 1, UINT64_MAX, 20, -100, 7);
	assert_true(rate_in_use(&r));
	rate_take(&r, 1000);
	assert_true((int64_t)(rate_ready_tsc(&r) - 7) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_lost),
		cmocka_unit_test(test_cap_and_floor),
		cmocka_unit_test(test_ready_to_the_cycle),
		cmocka_unit_test(test_clocks_that_wrap_and_go_back),
		cmocka_unit_test(test_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
