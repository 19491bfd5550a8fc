/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of policy/sched.c: what a guarantee gives, and to whom, and how long one waits for it. */
#include "policy/sched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fake/sched_rig.h"

/* Nine tenths are promised to VMs that want everything and turn dear without notice, among others
 * that do too: each has its guarantee in every 50 ms, but for one bound and two services. */
static void test_guarantees_hold(void **state)
{
	struct sched_rig r;

	(void)state;
	sched_rig_open_erratic(&r, 3);
	for (uint16_t i = 0; i < 16; i++) {
		sched_rig_add(&r, i, i % 4, sched_rig_budget(100, i < 8 ? 25 * (i + 1) : 0, 200));
		r.dear[i] = i % 3 ? 0 : SLICE / 2;
	}
	sched_rig_run(&r, HZ / 10);
	assert_int_equal(r.idle, 0);
	for (int k = 0; k < 100; k++) {
		sched_rig_forget(&r);
		sched_rig_run(&r, 50000 * US);
		for (uint16_t i = 0; i < 8; i++) {
			uint64_t bound = sched_bound_tsc(r.s, i, r.longest_overrun);
			uint64_t granted = 50000 * US / 1000 * 25 * (i + 1u);

			assert_int_equal(bound, 8 * (SLICE + r.longest_overrun));
			assert_true(sched_rig_stats(&r, i).longest_funded_wait_tsc <= bound);
			assert_true(r.used[i] + bound + 2 * SLICE >= granted);
		}
		assert_int_equal(r.idle, 0);
	}
	sched_rig_close(&r);
}

/* What the worker does between services is waited for too, so it is in the bound; time when nobody
 * could be served is not. */
static void test_bound_counts_what_is_between_services(void **state)
{
	const uint64_t gap = 10 * US;
	struct budget limited = sched_rig_budget(100, 0, 10);
	struct sched_rig r;

	(void)state;
	sched_rig_open_erratic(&r, 3);
	sched_rig_add(&r, 0, 0, sched_rig_budget(100, 101, 10));
	assert_int_equal(sched_bound_tsc(r.s, 0, US), SLICE + US);
	sched_rig_add(&r, 1, 0, sched_rig_budget(100, 0, 10));
	for (unsigned i = 0; i < 10000; i++) {
		r.now += gap;
		sched_rig_step(&r, SLICE, 1);
	}
	assert_int_equal(sched_bound_tsc(r.s, 0, US), SLICE + US + gap);
	assert_in_range(sched_rig_stats(&r, 0).longest_funded_wait_tsc, SLICE + 1, SLICE + gap);
	sched_rig_close(&r);

	sched_rig_open_erratic(&r, 3);
	limited.limit_percent = 10;
	assert_int_equal(sched_add_tenant(r.s, 1, &limited), 0);
	sched_rig_add(&r, 0, 0, limited);
	sched_rig_add(&r, 1, 1, sched_rig_budget(100, 0, 10));
	sched_rig_run(&r, HZ / 10);
	assert_true(r.idle > HZ / 20);
	sched_sleep(r.s, 1);
	sched_remove_vm(r.s, 0);
	sched_rig_add(&r, 0, 0, sched_rig_budget(100, 100, 10));
	assert_int_equal(sched_bound_tsc(r.s, 0, 0), SLICE);
	assert_true(sched_rig_stats(&r, 1).longest_wait_tsc <= SLICE + r.longest_overrun);
	sched_rig_close(&r);
}

/* A tenant's guarantee is its VMs' together, whoever of them has work. */
static void test_tenant_guarantee(void **state)
{
	const struct budget b = sched_rig_budget(1, 400, 100);
	struct sched_rig r;

	(void)state;
	sched_rig_open_erratic(&r, 3);
	assert_int_equal(sched_add_tenant(r.s, 1, &b), 0);
	sched_rig_add(&r, 0, 1, sched_rig_budget(100, 0, 10));
	sched_rig_add(&r, 1, 1, sched_rig_budget(300, 0, 10));
	for (uint16_t i = 2; i < 10; i++)
		sched_rig_add(&r, i, 2, sched_rig_budget(10000, 0, 10));
	sched_rig_run(&r, HZ);
	assert_in_range(r.used[0] + r.used[1], HZ / 100 * 39, HZ / 100 * 41);
	assert_in_range(r.used[1], r.used[0] / 100 * 290, r.used[0] / 100 * 310);
	sched_rig_close(&r);
}

/* Time billed to a funded VM from elsewhere does not cost it its turn. */
static void test_charged_while_it_waits(void **state)
{
	struct sched_grant g;
	struct sched_rig r;

	(void)state;
	sched_rig_open_erratic(&r, 3);
	for (uint16_t i = 0; i < 4; i++)
		sched_rig_add(&r, i, 0, sched_rig_budget(100, 200, 1000));
	for (unsigned turn = 0; turn < 3; turn++) {
		assert_int_equal(sched_rig_step(&r, SLICE, 1).vm, turn);
		sched_charge_other(r.s, 3, US);
	}
	assert_true(sched_pick(r.s, r.now, &g));
	assert_int_equal(g.vm, 3);
	assert_int_equal(sched_rig_stats(&r, 3).used_tsc, 3 * US);
	sched_rig_close(&r);
}

/* What is saved up while asleep is the VM's own burst, whatever others may save up. */
static void test_credit_is_the_own_burst(void **state)
{
	struct sched_grant g;
	uint64_t ahead = 0;
	struct sched_rig r;

	(void)state;
	sched_rig_open_erratic(&r, 3);
	sched_rig_add(&r, 0, 0, sched_rig_budget(100, 100, 50));
	sched_rig_add(&r, 1, 1, sched_rig_budget(100, 100, 1000000));
	sched_rig_add(&r, 2, 2, sched_rig_budget(100, 0, 10));
	for (uint16_t i = 0; i < 2; i++)
		sched_sleep(r.s, i);
	r.now += 10 * HZ;
	sched_tick(r.s, r.now);
	sched_wake(r.s, 0, r.now);
	for (g = sched_rig_step(&r, SLICE, 10); g.funded; g = sched_rig_step(&r, SLICE, 10)) {
		assert_int_equal(g.vm, 0);
		ahead += SLICE;
	}
	/* 50 us, a tenth of the time that they took, and the rest of the last service. */
	assert_in_range(ahead, 50 * US, 50 * US / 9 * 10 + SLICE);
	sched_rig_close(&r);
}

/* What lets the loop end a service from spare time early. */
static void test_funded_waits(void **state)
{
	const struct budget granted = sched_rig_budget(100, 100, 10);
	struct sched_grant g;
	struct sched_rig r;

	(void)state;
	sched_rig_open_erratic(&r, 3);
	sched_rig_add(&r, 0, 0, sched_rig_budget(100, 0, 10));
	sched_rig_add(&r, 1, 1, granted);
	sched_sleep(r.s, 1);
	assert_false(sched_has_guarantee(r.s, 0));
	assert_true(sched_has_guarantee(r.s, 1));
	assert_false(sched_funded_waits(r.s));
	assert_true(sched_pick(r.s, r.now, &g));
	assert_false(g.funded);
	sched_wake(r.s, 1, r.now + US);
	assert_true(sched_funded_waits(r.s));
	r.now += 2 * US;
	sched_charge(r.s, 0, r.now,
		     &(struct use){.tsc = 2 * US, .packets = 1, .bytes = 64, .descs = 1}, true);
	g = sched_rig_step(&r, SLICE, 1);
	assert_true(g.funded && g.vm == 1);
	/* Over its guarantee it waits like anybody else. */
	assert_false(sched_funded_waits(r.s));
	/* Its tenant's counts as well. */
	assert_int_equal(sched_set_tenant(r.s, 0, &granted), 0);
	assert_true(sched_has_guarantee(r.s, 0));
	assert_true(sched_funded_waits(r.s));
	assert_int_equal(sched_set_conf(r.s, SCHED_MODE_RATE, SCHED_DEFAULT_SLICE_US), 0);
	assert_false(sched_funded_waits(r.s));
	sched_rig_close(&r);
}

/* A VM that always has work and no limit is either served or waits, whatever happens to its
 * tenant's guarantee meanwhile. */
static void test_waits_are_recorded_whole(void **state)
{
	const struct budget granted = sched_rig_budget(100, 100, 100);
	const uint64_t elapsed = 50000 * US;
	struct sched_rig r;

	(void)state;
	sched_rig_open(&r, SCHED_MODE_TIME);
	for (uint16_t vm = 0; vm < 4; vm++)
		sched_rig_add(&r, vm, vm / 2, budget_default());
	assert_int_equal(sched_set_tenant(r.s, 0, &granted), 0);
	sched_rig_run(&r, elapsed);
	for (uint16_t vm = 0; vm < 4; vm++)
		assert_in_range(sched_rig_stats(&r, vm).waited_tsc + r.used[vm],
				elapsed - 10 * SLICE, elapsed + SLICE);
	sched_rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guarantees_hold),
		cmocka_unit_test(test_bound_counts_what_is_between_services),
		cmocka_unit_test(test_tenant_guarantee),
		cmocka_unit_test(test_charged_while_it_waits),
		cmocka_unit_test(test_credit_is_the_own_burst),
		cmocka_unit_test(test_funded_waits),
		cmocka_unit_test(test_waits_are_recorded_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
