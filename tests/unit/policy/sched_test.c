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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody),  cmocka_unit_test(test_none_is_round_robin),
		cmocka_unit_test(test_weights), cmocka_unit_test(test_two_levels),
		cmocka_unit_test(test_limit),   cmocka_unit_test(test_tenant_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
