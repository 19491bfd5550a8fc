/* SPDX-License-Identifier: BSD-3-Clause */
/* Services that are not all the VM's: the kernel took the core away, or another VM pays a part. */
#include "policy/sched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define HZ    1000000000ull
#define US    (HZ / 1000000)
#define SLICE (20 * US)
#define LONG  (4000 * US)

static struct sched *s;
static uint64_t now;

static int setup(void **state)
{
	const struct sched_conf conf = {HZ, 20, SCHED_MODE_TIME};
	struct budget b = budget_default();

	(void)state;
	s = sched_create(&conf);
	if (!s)
		return -1;
	now = LONG;
	sched_tick(s, now);
	sched_add_tenant(s, 0, &b);
	b.guarantee_us = 300;
	return sched_add_vm(s, 1, 0, &b);
}

static int teardown(void **state)
{
	(void)state;
	sched_destroy(s);
	return 0;
}

/* A service that begins `pause` after the VM woke up, and takes `used`. */
static void serve(uint64_t pause, bool cut_before, uint64_t used, bool cut_within)
{
	struct sched_grant g;

	sched_wake(s, 1, now);
	now += pause;
	assert_true(sched_pick(s, now, &g));
	if (cut_before)
		sched_interrupted(s, now);
	now += used;
	if (cut_within)
		sched_interrupted(s, now);
	sched_charge(s, 1, now,
		     &(struct use){.tsc = used, .packets = 10, .bytes = 640, .descs = 10}, false);
	now += 1000 * US;
}

static struct sched_vm_stats stats(void)
{
	struct sched_vm_stats st;

	sched_get_stats(s, 1, &st);
	return st;
}

static void test_an_interrupted_service_is_counted_apart(void **state)
{
	struct sched_limits before, after;

	(void)state;
	for (int i = 0; i < 300; i++)
		serve(US, false, 5 * US, false);
	before = sched_burst(s, 1, SLICE);
	for (int i = 0; i < 3; i++)
		serve(US, false, LONG, true);
	after = sched_burst(s, 1, SLICE);
	assert_int_equal(stats().services, 303);
	assert_int_equal(stats().interrupted, 3);
	assert_int_equal(stats().overruns, 0);
	assert_int_equal(stats().longest_service_tsc, 5 * US);
	assert_int_equal(sched_hist(s, 1, SCHED_HIST_SERVICE)->count, 300);
	assert_int_equal(before.packets, after.packets);
	assert_int_equal(stats().used_tsc, 300 * 5 * US + 3 * LONG);
}

static void test_one_that_was_not_is_an_overrun(void **state)
{
	(void)state;
	serve(US, true, LONG, false);
	assert_int_equal(stats().interrupted, 0);
	assert_int_equal(stats().overruns, 1);
	assert_int_equal(stats().longest_service_tsc, LONG);
}

static void test_an_interrupted_pause_is_not_kept(void **state)
{
	(void)state;
	serve(0, false, US, false);
	serve(2 * US, false, US, false);
	serve(LONG, true, US, false);
	assert_int_equal(sched_longest_pause_tsc(s), 2 * US);
	assert_int_equal(stats().longest_funded_wait_tsc, 2 * US);
	assert_int_equal(stats().longest_wait_tsc, LONG); /* which it did wait */
	serve(LONG, false, US, false);
	assert_int_equal(sched_longest_pause_tsc(s), LONG);
	assert_int_equal(stats().longest_funded_wait_tsc, LONG);
}

/* What another VM pays of a service lasts as long, but is not charged. */
static void test_a_part_of_a_service_is_paid_by_another(void **state)
{
	const struct budget b = budget_default();
	struct sched_vm_stats other;
	struct sched_grant g;

	(void)state;
	assert_int_equal(sched_add_vm(s, 2, 0, &b), 0);
	sched_wake(s, 1, now);
	assert_true(sched_pick(s, now, &g));
	sched_charge_instead(s, 2, 5 * US);
	now += 8 * US;
	sched_charge(s, 1, now, &(struct use){.tsc = 8 * US, .packets = 1, .bytes = 64, .descs = 1},
		     true);
	sched_get_stats(s, 2, &other);
	assert_int_equal(other.used_tsc, 5 * US);
	assert_int_equal(stats().used_tsc, 3 * US);
	assert_int_equal(stats().longest_service_tsc, 8 * US);
	/* Only that service. */
	sched_sleep(s, 1);
	serve(0, false, 4 * US, false);
	assert_int_equal(stats().used_tsc, 7 * US);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_an_interrupted_service_is_counted_apart),
		CASE(test_one_that_was_not_is_an_overrun),
		CASE(test_an_interrupted_pause_is_not_kept),
		CASE(test_a_part_of_a_service_is_paid_by_another),
	};

	return cmocka_run_group_tests_name("sched_parts", tests, NULL, NULL);
}
