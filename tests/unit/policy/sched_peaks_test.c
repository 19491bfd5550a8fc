/* SPDX-License-Identifier: BSD-3-Clause */
/* The longest times can be begun anew; everything else goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy/sched.h"

#define TSC_HZ 1000000000ULL /* a cycle is a nanosecond */
#define US     1000ULL
#define VM     7

static struct sched *s;
static uint64_t now = 1000 * US;

/* The VM has work, waits for so long, is served for so long and has no more. */
static void serve(uint64_t wait_us, uint64_t used_us)
{
	struct sched_grant g;

	sched_wake(s, VM, now);
	now += wait_us * US;
	assert_true(sched_pick(s, now, &g));
	assert_int_equal(g.vm, VM);
	now += used_us * US;
	sched_charge(s, VM, now,
		     &(struct use){.tsc = used_us * US, .packets = 10, .bytes = 640, .descs = 10},
		     false);
}

static void assert_peaks(uint64_t service_us, uint64_t overrun_us, uint64_t wait_us)
{
	struct sched_vm_stats st;

	sched_get_stats(s, VM, &st);
	assert_int_equal(st.longest_service_tsc, service_us * US);
	assert_int_equal(st.longest_overrun_tsc, overrun_us * US);
	assert_int_equal(st.longest_wait_tsc, wait_us * US);
	assert_int_equal(st.longest_funded_wait_tsc, wait_us * US);
	assert_int_equal(sched_longest_pause_tsc(s), wait_us * US);
}

static void test_peaks_begin_anew(void **state)
{
	const struct sched_conf conf = {.tsc_hz = TSC_HZ, .slice_us = 20, .mode = SCHED_MODE_TIME};
	struct budget budget = budget_default();
	struct sched_vm_stats st;

	(void)state;
	s = sched_create(&conf);
	assert_non_null(s);
	assert_int_equal(sched_add_tenant(s, 0, &budget), 0);
	budget.guarantee_us = 500;
	assert_int_equal(sched_add_vm(s, VM, 0, &budget), 0);

	serve(300, 90);
	assert_peaks(90, 70, 300);
	sched_reset_vm_peaks(s, VM);
	assert_int_equal(sched_longest_pause_tsc(s), 300 * US);
	sched_reset_peaks(s);
	assert_peaks(0, 0, 0);

	now += 1000 * US;
	serve(3, 25);
	assert_peaks(25, 5, 3);
	sched_get_stats(s, VM, &st);
	assert_int_equal(st.services, 2);
	assert_int_equal(st.overruns, 2);
	assert_int_equal(st.used_tsc, 115 * US);
	assert_int_equal(st.waited_tsc, 303 * US);
	assert_int_equal(sched_hist(s, VM, SCHED_HIST_SERVICE)->max, 90 * US);
	sched_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_peaks_begin_anew)};

	return cmocka_run_group_tests_name("peaks", tests, NULL, NULL);
}
