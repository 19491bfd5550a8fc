/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of policy/sched.c: clocks that wrap or stand still, sleeps, charges and gaps of any length.
 */
#include "policy/sched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fake/sched_rig.h"

static void add_mixture(struct sched_rig *r)
{
	struct budget limited = sched_rig_budget(300, 0, 1000);

	limited.limit_percent = 15;
	sched_rig_add(r, 0, 0, sched_rig_budget(100, 100, 500));
	sched_rig_add(r, 1, 0, sched_rig_budget(200, 0, 1000));
	sched_rig_add(r, 2, 1, sched_rig_budget(400, 250, 100));
	sched_rig_add(r, 3, 1, limited);
	sched_rig_add(r, 4, 2, sched_rig_budget(1, 0, 1000));
}

/* The same VMs on a clock that is far from wrapping and on one that wraps in the middle. */
static void test_tsc_wraps(void **state)
{
	struct sched_rig plain, wrapping;

	(void)state;
	sched_rig_open_erratic(&plain, 1000 * HZ);
	sched_rig_open_erratic(&wrapping, UINT64_MAX - 5 * HZ / 4);
	add_mixture(&plain);
	add_mixture(&wrapping);
	sched_rig_run(&plain, 2 * HZ);
	sched_rig_run(&wrapping, 2 * HZ);
	assert_true(wrapping.now < HZ);
	assert_int_equal(plain.idle, wrapping.idle);
	for (uint16_t i = 0; i < 5; i++) {
		struct sched_vm_stats a = sched_rig_stats(&plain, i),
				      b = sched_rig_stats(&wrapping, i);

		assert_int_equal(plain.used[i], wrapping.used[i]);
		assert_memory_equal(&a, &b, sizeof(a));
	}
	sched_rig_close(&plain);
	sched_rig_close(&wrapping);
}

/* Virtual time moves fastest for the lowest weight and wraps within ten minutes of its use. */
static void test_virtual_time_wraps(void **state)
{
	const uint64_t each = HZ / 1000;
	struct sched_rig r;

	(void)state;
	sched_rig_open_erratic(&r, 77);
	assert_int_equal(sched_set_conf(r.s, SCHED_MODE_TIME, 1000), 0);
	sched_rig_add(&r, 0, 0, sched_rig_budget(1, 0, 1000));
	sched_rig_add(&r, 1, 0, sched_rig_budget(1, 0, 1000));
	for (uint64_t passed = 0; passed < 4000 * HZ; passed += each) {
		sched_rig_step(&r, each, 1);
		assert_true(r.used[0] <= r.used[1] + each && r.used[1] <= r.used[0] + each);
	}
	sched_rig_close(&r);
}

/* However long a VM has slept, and however far virtual time moved in the meantime, it owes nothing:
 * it is served next. */
static void test_wakes_after_long_sleeps(void **state)
{
	const uint64_t each = HZ / 1000;
	const struct budget least = sched_rig_budget(1, 0, 1000);
	struct sched_rig r;

	(void)state;
	sched_rig_open_erratic(&r, 77);
	assert_int_equal(sched_set_conf(r.s, SCHED_MODE_TIME, 1000), 0);
	for (uint16_t i = 0; i < 3; i++) {
		sched_rig_add(&r, i, i / 2, least);
		assert_int_equal(sched_set_tenant(r.s, i / 2, &least), 0);
		if (i > 0)
			sched_sleep(r.s, i);
	}
	for (uint64_t nap = HZ; nap < 700 * HZ; nap += 43 * HZ) {
		for (uint64_t passed = 0; passed < nap; passed += each)
			assert_int_equal(sched_rig_step(&r, each, 1).vm, 0);
		for (uint16_t i = 1; i < 3; i++) {
			sched_wake(r.s, i, r.now);
			assert_int_equal(sched_rig_step(&r, US, 1).vm, i);
			sched_sleep(r.s, i);
		}
	}
	sched_rig_close(&r);
}

/* Charges and gaps of any length: debt and credit stay clamped, and all goes on as before. */
static void test_overflow(void **state)
{
	static const uint64_t charges[] = {0, DEBT, 3600 * HZ, (uint64_t)1 << 62, UINT64_MAX};
	struct budget most = sched_rig_budget(10000, 300000, 1000000);
	struct sched_grant g;
	struct sched_rig r;

	(void)state;
	sched_rig_open_erratic(&r, 0);
	most.period_us = 1000000;
	most.limit_percent = 99;
	most.rate_bps = 1000000000000;
	most.rate_pps = 1000000000;
	sched_rig_add(&r, 0, 0, most);
	sched_rig_add(&r, 1, 0, sched_rig_budget(1, 100, 10));
	sched_rig_add(&r, 2, 1, sched_rig_budget(10000, 0, 10));
	for (unsigned k = 0; k < 200; k++) {
		uint64_t charge = charges[k % 5];

		r.now += sched_rig_random(&r.seed) % HZ;
		sched_tick(r.s, r.now);
		if (!sched_pick(r.s, r.now, &g))
			continue;
		sched_charge(r.s, g.vm, r.now,
			     &(struct use){.tsc = charge,
					   .packets = UINT32_MAX,
					   .bytes = UINT32_MAX,
					   .descs = UINT32_MAX},
			     true);
		sched_charge_other(r.s, (uint16_t)(k % 3), charges[(k + 2) % 5]);
		for (uint16_t i = 0; i < 3; i++) {
			assert_true(sched_rig_stats(&r, i).balance_tsc >= -(int64_t)DEBT);
			assert_true(sched_rig_stats(&r, i).balance_tsc <= (int64_t)(1000000 * US));
		}
	}
	sched_rig_forget(&r);
	sched_rig_run(&r, HZ);
	for (uint16_t i = 0; i < 3; i++)
		assert_true(r.used[i] > HZ / 10000);
	sched_rig_close(&r);
}

/* The machine takes the worker away for 50 ms while VM 0 is served: VM 0 pays, within the clamp;
 * the others wait no longer than the bound after that, and nobody is paid for more than its cap. */
static void test_descheduled(void **state)
{
	const uint64_t gap = 50000 * US;
	struct sched_grant g;
	struct sched_rig r;

	(void)state;
	sched_rig_open_erratic(&r, 5);
	sched_rig_add(&r, 0, 0, sched_rig_budget(100, 200, 300));
	sched_rig_add(&r, 1, 1, sched_rig_budget(100, 200, 300));
	sched_rig_add(&r, 2, 2, sched_rig_budget(100, 0, 10));
	sched_rig_add(&r, 3, 3, sched_rig_budget(100, 300, 300));
	sched_rig_run(&r, HZ / 100);
	sched_sleep(r.s, 3);
	do {
		assert_true(sched_pick(r.s, r.now, &g));
		sched_rig_serve(&r, &g, g.vm == 0 && g.funded ? gap : 0);
	} while (g.vm != 0 || !g.funded);
	sched_tick(r.s, r.now);
	assert_in_range(-sched_rig_stats(&r, 0).balance_tsc, 0, DEBT);
	assert_true(sched_rig_stats(&r, 3).balance_tsc <= (int64_t)(300 * US));
	sched_rig_forget(&r);
	sched_rig_run(&r, 100 * 1000 * US);
	/* A fifth of the time is its guarantee; of that, at most the debt and what the others had
	 * saved up while they waited is gone. */
	assert_true(r.used[0] > 15 * 1000 * US);
	assert_true(r.used[1] > 20 * 1000 * US);
	assert_true(r.used[2] > 10 * 1000 * US);
	sched_rig_close(&r);
}

/* A service that took for ever is paid for up to the clamp only. */
static void test_endless_services_are_forgiven(void **state)
{
	struct sched_grant g;
	struct sched_rig r;

	(void)state;
	sched_rig_open_erratic(&r, 3);
	for (uint16_t i = 0; i < 3; i++)
		sched_rig_add(&r, i, i / 2, sched_rig_budget(100, 0, 10));
	for (unsigned i = 0; i < 3; i++) {
		assert_true(sched_pick(r.s, r.now, &g));
		r.now += HZ;
		sched_charge(r.s, g.vm, r.now,
			     &(struct use){.tsc = g.vm == 1 ? SLICE : 3600 * HZ,
					   .packets = 1,
					   .bytes = 64,
					   .descs = 1},
			     true);
	}
	sched_rig_run(&r, 8 * DEBT);
	for (uint16_t i = 0; i < 3; i++)
		assert_true(r.used[i] > DEBT);
	sched_rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tsc_wraps),
		cmocka_unit_test(test_virtual_time_wraps),
		cmocka_unit_test(test_wakes_after_long_sleeps),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_descheduled),
		cmocka_unit_test(test_endless_services_are_forgiven),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
