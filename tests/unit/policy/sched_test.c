/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of policy/sched.c: one property each, with a clock of our own. The long random simulation
 * is sched_sim_test.c. */
#include "policy/sched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy/cost.h"
#include "tests/fake/sched_rig.h"

static struct budget with_weight(uint32_t weight)
{
	struct budget b = budget_default();

	b.weight = weight;
	return b;
}

/* Percent of the time that vm used, in hundredths. */
static int share(const struct sched_rig *r, uint16_t vm)
{
	uint64_t all = r->idle;

	for (int i = 0; i < SCHED_RIG_VMS; i++)
		all += r->used[i];
	return (int)(r->used[vm] * 10000 / all);
}

static void test_nobody(void **state)
{
	struct sched_grant g;
	struct sched_rig r;

	(void)state;
	for (int mode = 0; mode < SCHED_MODE_COUNT; mode++) {
		sched_rig_open(&r, (enum sched_mode)mode);
		assert_false(sched_pick(r.s, r.now, &g));
		assert_true(sched_next_tsc(r.s) == UINT64_MAX);
		sched_rig_close(&r);
	}
	sched_destroy(NULL);
}

static void test_none_is_round_robin(void **state)
{
	struct sched_grant g;
	struct sched_rig r;

	(void)state;
	sched_rig_open(&r, SCHED_MODE_NONE);
	for (uint16_t i = 0; i < 4; i++)
		sched_rig_add(&r, i, 0, with_weight(1 + i * 1000));
	for (int i = 0; i < 40; i++) {
		assert_true(sched_pick(r.s, r.now, &g));
		assert_int_equal(g.vm, i % 4);
		assert_int_equal(g.slice_tsc, SCHED_DEFAULT_SLICE_US * US);
		assert_int_equal(sched_burst(r.s, g.vm, 1).packets, COST_MAX_PACKETS);
		sched_rig_serve(&r, &g, 0);
	}
	sched_rig_close(&r);
}

/* Shares of time follow weights, whatever a packet costs. */
static void test_weights(void **state)
{
	struct sched_rig r;

	(void)state;
	sched_rig_open(&r, SCHED_MODE_TIME);
	sched_rig_add(&r, 0, 0, with_weight(100));
	sched_rig_add(&r, 1, 0, with_weight(200));
	sched_rig_add(&r, 2, 0, with_weight(400));
	r.cost[0] = 20000;
	r.cost[1] = 150;
	r.cost[2] = 1500;
	sched_rig_run(&r, HZ / 10);
	assert_in_range(share(&r, 0), 1414, 1443);
	assert_in_range(share(&r, 1), 2828, 2886);
	assert_in_range(share(&r, 2), 5657, 5771);
	assert_int_equal(r.idle, 0);
	sched_rig_close(&r);
}

static void test_weights_at_their_limits(void **state)
{
	struct budget b = sched_rig_budget(0, 0, 10);
	struct sched_rig r;

	(void)state;
	assert_true(budget_validate(&b, NULL) < 0);
	b.weight = 10001;
	assert_true(budget_validate(&b, NULL) < 0);
	sched_rig_open_erratic(&r, 9);
	for (uint16_t i = 0; i < 3; i++)
		sched_rig_add(&r, i, 0, sched_rig_budget(10000, 0, 10));
	sched_rig_add(&r, 3, 0, sched_rig_budget(1, 0, 10));
	sched_rig_run(&r, 20 * HZ);
	for (uint16_t i = 0; i < 3; i++) /* a third less one in 30001 */
		assert_in_range(r.used[i], 20 * HZ / 3 / 100 * 99, 20 * HZ / 3 / 100 * 101);
	/* 1.33 ms of 20 s, in services of a slice: within 1 % and one service. */
	assert_in_range(r.used[3], 20 * HZ / 30001 - SLICE * 4, 20 * HZ / 30001 + SLICE * 4);
	sched_rig_close(&r);
}

/* One tenant with one VM against one with three: half each. */
static void test_two_levels(void **state)
{
	struct sched_rig r;

	(void)state;
	sched_rig_open(&r, SCHED_MODE_TIME);
	for (uint16_t i = 0; i < 4; i++)
		sched_rig_add(&r, i, i > 0, with_weight(100));
	sched_rig_run(&r, HZ / 10);
	assert_in_range(share(&r, 0), 4950, 5050);
	for (uint16_t i = 1; i < 4; i++)
		assert_in_range(share(&r, i), 1650, 1684);
	sched_rig_close(&r);
}

static void test_limit(void **state)
{
	struct budget b = budget_default();
	struct sched_rig r;

	(void)state;
	sched_rig_open(&r, SCHED_MODE_TIME);
	b.limit_percent = 10;
	sched_rig_add(&r, 0, 0, b);
	r.cost[0] = 700;
	sched_rig_run(&r, HZ / 10);
	assert_in_range(share(&r, 0), 950, 1050);
	sched_rig_add(&r, 1, 1, with_weight(1));
	sched_rig_forget(&r);
	sched_rig_run(&r, HZ / 10);
	assert_in_range(share(&r, 0), 950, 1050);
	assert_int_equal(r.idle, 0);
	sched_rig_close(&r);
}

/* A tenant's ceiling holds for its VMs together, guarantees or not. */
static void test_tenant_limit(void **state)
{
	struct budget b = budget_default();
	struct sched_rig r;

	(void)state;
	sched_rig_open(&r, SCHED_MODE_TIME);
	b.limit_percent = 30;
	assert_int_equal(sched_add_tenant(r.s, 5, &b), 0);
	for (uint16_t i = 0; i < 3; i++)
		sched_rig_add(&r, i, 5, i == 0 ? sched_rig_budget(100, 50, 200) : budget_default());
	sched_rig_run(&r, HZ / 10);
	assert_in_range(share(&r, 0) + share(&r, 1) + share(&r, 2), 2900, 3100);
	sched_rig_close(&r);
}

/* Also where the VM that used the limit up has nothing left itself. */
static void test_tenant_limit_holds_back_the_others(void **state)
{
	struct budget limited = sched_rig_budget(100, 0, 0);
	struct sched_grant g, other;
	struct sched_rig r;

	(void)state;
	limited.limit_percent = 10;
	sched_rig_open(&r, SCHED_MODE_TIME);
	assert_int_equal(sched_add_tenant(r.s, 1, &limited), 0);
	sched_rig_add(&r, 0, 1, budget_default());
	sched_rig_add(&r, 1, 1, budget_default());
	assert_true(sched_pick(r.s, r.now, &g));
	r.now += 1000 * SLICE;
	sched_charge(r.s, g.vm, r.now,
		     &(struct use){.tsc = 1000 * SLICE, .packets = 1, .bytes = 64, .descs = 1},
		     false);
	assert_false(sched_pick(r.s, r.now, &other));
	assert_int_not_equal(sched_next_tsc(r.s), UINT64_MAX);
	assert_true(sched_pick(r.s, sched_next_tsc(r.s), &other));
	assert_int_equal(other.vm, 1 - g.vm);
	sched_rig_close(&r);
}

/* Who has used up its limit goes on in the very cycle in which it has not any more. */
static void test_limits_hold_nobody_for_longer(void **state)
{
	struct budget b = sched_rig_budget(100, 0, 10);
	struct sched_grant g;
	struct sched_rig r;

	(void)state;
	sched_rig_open_erratic(&r, 3);
	b.limit_percent = 25;
	sched_rig_add(&r, 0, 0, b);
	assert_int_equal(sched_add_tenant(r.s, 1, &b), 0);
	sched_rig_add(&r, 1, 1, sched_rig_budget(100, 0, 10));
	for (unsigned i = 0; i < 2; i++)
		sched_rig_step(&r, 2 * SLICE, 1);
	/* A slice was saved up: each owes a slice, which takes four, and two of the first one's
	 * have passed. */
	assert_false(sched_pick(r.s, r.now, &g));
	assert_in_range(sched_next_tsc(r.s), r.now + 2 * SLICE, r.now + 2 * SLICE + 8);
	r.now = sched_next_tsc(r.s) - 1;
	assert_false(sched_pick(r.s, r.now, &g));
	r.now++;
	assert_true(sched_pick(r.s, r.now, &g));
	sched_rig_close(&r);
}

/* A tenant's ceiling is above what its VMs are guaranteed, whatever that is. */
static void test_tenant_limit_is_above_guarantees(void **state)
{
	struct budget limited = sched_rig_budget(100, 0, 10);
	struct sched_rig r;

	(void)state;
	sched_rig_open_erratic(&r, 3);
	limited.limit_percent = 10;
	assert_int_equal(sched_add_tenant(r.s, 1, &limited), 0);
	sched_rig_add(&r, 0, 1, sched_rig_budget(100, 500, 1000));
	sched_rig_add(&r, 1, 2, sched_rig_budget(100, 0, 10));
	sched_rig_run(&r, HZ);
	assert_in_range(r.used[0], HZ / 1000 * 95, HZ / 1000 * 105);
	assert_int_equal(r.idle, 0);
	sched_rig_close(&r);
}

/* Whoever is held back by a limit, its own or its tenant's, is seen to be. */
static void test_throttled_is_counted(void **state)
{
	struct budget b = sched_rig_budget(100, 0, 10);
	struct sched_rig r;

	(void)state;
	sched_rig_open_erratic(&r, 3);
	b.limit_percent = 20;
	sched_rig_add(&r, 0, 0, b);
	assert_int_equal(sched_add_tenant(r.s, 1, &b), 0);
	sched_rig_add(&r, 1, 1, sched_rig_budget(100, 0, 10));
	sched_rig_add(&r, 2, 2, sched_rig_budget(100, 0, 10));
	sched_rig_run(&r, HZ / 10);
	assert_in_range(r.used[0], HZ / 1000 * 19, HZ / 1000 * 21);
	assert_in_range(r.used[1], HZ / 1000 * 19, HZ / 1000 * 21);
	assert_true(sched_rig_stats(&r, 0).throttled > 100);
	assert_true(sched_rig_stats(&r, 1).throttled > 100);
	assert_int_equal(sched_rig_stats(&r, 2).throttled, 0);
	assert_int_equal(r.idle, 0);
	sched_rig_close(&r);
}

/* As many VMs as there may be, in as many tenants: each gets its turn. */
static void test_full_house(void **state)
{
	const struct sched_conf conf = {HZ, SCHED_DEFAULT_SLICE_US, SCHED_MODE_TIME};
	const struct budget plain = budget_default();
	static uint64_t used[SCHED_MAX_VMS];
	struct sched *s = sched_create(&conf);
	struct sched_grant g;
	uint64_t now = 1;

	(void)state;
	assert_non_null(s);
	for (unsigned t = 0; t < SCHED_MAX_TENANTS; t++)
		assert_int_equal(sched_add_tenant(s, (uint16_t)t, &plain), 0);
	for (unsigned i = 0; i < SCHED_MAX_VMS; i++) {
		assert_int_equal(
			sched_add_vm(s, (uint16_t)i, (uint16_t)(i % SCHED_MAX_TENANTS), &plain), 0);
		sched_wake(s, (uint16_t)i, now);
	}
	assert_true(sched_add_vm(s, SCHED_MAX_VMS, 0, &plain) < 0);
	assert_true(sched_add_tenant(s, SCHED_MAX_TENANTS, &plain) < 0);
	for (unsigned i = 0; i < 100 * SCHED_MAX_VMS; i++) {
		assert_true(sched_pick(s, now, &g));
		now += SLICE;
		used[g.vm] += SLICE;
		sched_charge(s, g.vm, now,
			     &(struct use){.tsc = SLICE, .packets = 4, .bytes = 256, .descs = 4},
			     true);
	}
	for (unsigned i = 0; i < SCHED_MAX_VMS; i++)
		assert_in_range(used[i], 99 * SLICE, 101 * SLICE);
	sched_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_none_is_round_robin),
		cmocka_unit_test(test_weights),
		cmocka_unit_test(test_weights_at_their_limits),
		cmocka_unit_test(test_two_levels),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_tenant_limit),
		cmocka_unit_test(test_tenant_limit_holds_back_the_others),
		cmocka_unit_test(test_limits_hold_nobody_for_longer),
		cmocka_unit_test(test_tenant_limit_is_above_guarantees),
		cmocka_unit_test(test_throttled_is_counted),
		cmocka_unit_test(test_full_house),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
