/* SPDX-License-Identifier: BSD-3-Clause */
/* Limits of events per second. */
#include "policy/pps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#define HZ    1000000000ULL
#define BEGIN 5000000000ULL

/* How many of `tries`, evenly spread over a second from `begin` on, are taken. */
static uint32_t take_for_a_second(struct pps *p, uint64_t begin, uint32_t tries, uint32_t n)
{
	uint32_t taken = 0;

	for (uint32_t i = 0; i < tries; i++)
		taken += pps_take(p, n, begin + i * (HZ / tries), HZ) ? n : 0;
	return taken;
}

static void test_without_a_limit_all_pass(void **state)
{
	struct pps p = {0};

	(void)state;
	assert_int_equal(take_for_a_second(&p, BEGIN, 100000, 3), 300000);
}

static void test_as_many_pass_as_the_limit_says(void **state)
{
	static const uint32_t limits[] = {1, 10, 1000, 100000};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct pps p = {.limit = limits[i]};
		uint32_t burst = limits[i] / PPS_BURSTS_PER_S + 1;

		assert_in_range(take_for_a_second(&p, BEGIN, 1000000, 1), limits[i],
				limits[i] + burst);
		/* And again in each second that follows, without a burst. */
		for (unsigned s = 1; s < 4; s++)
			assert_in_range(take_for_a_second(&p, BEGIN + s * HZ, 1000000, 1),
					limits[i] - 1, limits[i] + 1);
	}
}

static void test_fewer_all_pass(void **state)
{
	struct pps p = {.limit = 1000};

	(void)state;
	for (unsigned s = 0; s < 5; s++)
		assert_int_equal(take_for_a_second(&p, BEGIN + s * HZ, 999, 1), 999);
}

/* After a rest, a tenth of a second's may come at once, and no more however long it was. */
static void test_a_burst_passes(void **state)
{
	struct pps p = {.limit = 1000};

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		uint64_t now = BEGIN + round * 100 * HZ;
		uint32_t n = 0;

		while (pps_take(&p, 1, now, HZ))
			n++;
		assert_in_range(n, 100, 101);
	}
}

/* What is more than fits is made up for afterwards. */
static void test_many_at_once_are_made_up_for(void **state)
{
	struct pps p = {.limit = 1000};

	(void)state;
	assert_true(pps_take(&p, 1100, BEGIN, HZ));
	assert_false(pps_take(&p, 1, BEGIN + HZ - 1, HZ));
	assert_true(pps_take(&p, 1, BEGIN + HZ, HZ));
}

/* A limit that is lowered or taken away counts from then on. */
static void test_a_limit_changes(void **state)
{
	struct pps p = {.limit = 100000};
	uint64_t now = BEGIN + HZ;

	(void)state;
	take_for_a_second(&p, BEGIN, 1000000, 1);
	pps_set(&p, 10);
	assert_in_range(take_for_a_second(&p, now, 1000000, 1), 9, 12);
	assert_true(pps_take(&p, 1000, now + HZ, HZ));
	assert_false(pps_take(&p, 1, now + 2 * HZ, HZ));
	pps_set(&p, 10); /* as it was */
	assert_false(pps_take(&p, 1, now + 2 * HZ, HZ));
	pps_set(&p, 11);
	assert_true(pps_take(&p, 1, now + 2 * HZ, HZ));
	pps_set(&p, 0);
	assert_int_equal(take_for_a_second(&p, now + 2 * HZ, 1000, 1), 1000);
}

#define THREADS 4
#define TRIES   200000

static struct pps shared = {.limit = 1000};

static void *take_many(void *arg)
{
	_Atomic uint32_t *taken = arg;

	for (unsigned i = 0; i < TRIES; i++)
		if (pps_take(&shared, 1, BEGIN + i % 1000, HZ))
			atomic_fetch_add(taken, 1);
	return NULL;
}

/* Threads that take at the same time get no more than one would. */
static void test_threads_share_a_limit(void **state)
{
	_Atomic uint32_t taken = 0;
	pthread_t t[THREADS];

	(void)state;
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, take_many, &taken), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	assert_in_range(taken, 100, 102);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_limit_all_pass),
		cmocka_unit_test(test_as_many_pass_as_the_limit_says),
		cmocka_unit_test(test_fewer_all_pass),
		cmocka_unit_test(test_a_burst_passes),
		cmocka_unit_test(test_many_at_once_are_made_up_for),
		cmocka_unit_test(test_a_limit_changes),
		cmocka_unit_test(test_threads_share_a_limit),
	};

	return cmocka_run_group_tests_name("pps", tests, NULL, NULL);
}
