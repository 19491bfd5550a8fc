/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of policy/sched.c: one property each, with a clock of our own. The long random simulation
 * is sched_sim_test.c. */
#include "policy/cost.h"
#include "policy/sched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define HZ   2000000000ull
#define US   (HZ / 1000000)
#define NVMS 16

/* A worker with VMs that always have work; each packet of VM i costs cost[i] cycles. */
struct rig {
	struct sched *s;
	uint64_t now;
	uint64_t cost[NVMS];
	uint64_t used[NVMS];
	uint64_t services[NVMS];
	uint64_t idle;
};

static void setup(struct rig *r, enum sched_mode mode)
{
	const struct sched_conf conf = {HZ, SCHED_DEFAULT_SLICE_US, mode};

	*r = (struct rig){.s = sched_create(&conf), .now = 12345};
	assert_non_null(r->s);
	sched_tick(r->s, r->now);
	for (int i = 0; i < NVMS; i++)
		r->cost[i] = 200;
}

static void add(struct rig *r, uint16_t vm, uint16_t tenant, struct budget b)
{
	const struct budget plain = budget_default();

	assert_int_equal(budget_validate(&b, NULL), 0);
	sched_add_tenant(r->s, tenant, &plain);
	assert_int_equal(sched_add_vm(r->s, vm, tenant, &b), 0);
	sched_wake(r->s, vm, r->now);
}

static struct budget with_weight(uint32_t weight)
{
	struct budget b = budget_default();

	b.weight = weight;
	return b;
}

static struct budget with_guarantee(uint32_t us)
{
	struct budget b = budget_default();

	b.guarantee_us = us;
	b.burst_us = 200;
	return b;
}

/* One service as the loop does it: bursts until the slice is used up. */
static void serve(struct rig *r, const struct sched_grant *g)
{
	uint64_t used = 0;
	uint32_t packets = 0;

	do {
		struct sched_limits l = sched_burst(r->s, g->vm, g->slice_tsc - used);

		assert_true(l.packets >= 1 && l.packets <= COST_MAX_PACKETS && l.bytes >= 1 &&
			    l.descs >= 1);
		used += l.packets * r->cost[g->vm];
		packets += l.packets;
	} while (used < g->slice_tsc && sched_fits(r->s, g->vm, g->slice_tsc - used));
	r->now += used;
	r->used[g->vm] += used;
	r->services[g->vm]++;
	sched_charge(r->s, g->vm, r->now, used, packets, packets * 64, packets);
}

static void run_for(struct rig *r, uint64_t tsc)
{
	uint64_t end = r->now + tsc;
	struct sched_grant g;

	while (r->now < end) {
		sched_tick(r->s, r->now);
		if (sched_pick(r->s, r->now, &g)) {
			serve(r, &g);
		} else {
			uint64_t next = sched_next_tsc(r->s);

			next = next < end ? next : end;
			assert_true(next > r->now);
			r->idle += next - r->now;
			r->now = next;
		}
	}
}

/* Percent of the time that vm used, in hundredths. */
static int share(const struct rig *r, uint16_t vm)
{
	uint64_t all = r->idle;

	for (int i = 0; i < NVMS; i++)
		all += r->used[i];
	return (int)(r->used[vm] * 10000 / all);
}

static void forget(struct rig *r)
{
	for (int i = 0; i < NVMS; i++)
		r->used[i] = r->services[i] = 0;
	r->idle = 0;
}

static void test_nobody(void **state)
{
	struct sched_grant g;
	struct rig r;

	(void)state;
	for (int mode = 0; mode < SCHED_MODE_COUNT; mode++) {
		setup(&r, (enum sched_mode)mode);
		assert_false(sched_pick(r.s, r.now, &g));
		assert_true(sched_next_tsc(r.s) == UINT64_MAX);
		sched_destroy(r.s);
	}
	sched_destroy(NULL);
}

static void test_none_is_round_robin(void **state)
{
	struct sched_grant g;
	struct rig r;

	(void)state;
	setup(&r, SCHED_MODE_NONE);
	for (uint16_t i = 0; i < 4; i++)
		add(&r, i, 0, with_weight(1 + i * 1000));
	for (int i = 0; i < 40; i++) {
		assert_true(sched_pick(r.s, r.now, &g));
		assert_int_equal(g.vm, i % 4);
		assert_int_equal(g.slice_tsc, SCHED_DEFAULT_SLICE_US * US);
		assert_int_equal(sched_burst(r.s, g.vm, 1).packets, COST_MAX_PACKETS);
		serve(&r, &g);
	}
	sched_destroy(r.s);
}

/* Shares of time follow weights, whatever a packet costs. */
static void test_weights(void **state)
{
	struct rig r;

	(void)state;
	setup(&r, SCHED_MODE_TIME);
	add(&r, 0, 0, with_weight(100));
	add(&r, 1, 0, with_weight(200));
	add(&r, 2, 0, with_weight(400));
	r.cost[0] = 20000;
	r.cost[1] = 150;
	r.cost[2] = 1500;
	run_for(&r, HZ / 10);
	assert_in_range(share(&r, 0), 1414, 1443);
	assert_in_range(share(&r, 1), 2828, 2886);
	assert_in_range(share(&r, 2), 5657, 5771);
	assert_int_equal(r.idle, 0);
	sched_destroy(r.s);
}

/* One tenant with one VM against one with three: half each. */
static void test_two_levels(void **state)
{
	struct rig r;

	(void)state;
	setup(&r, SCHED_MODE_TIME);
	for (uint16_t i = 0; i < 4; i++)
		add(&r, i, i > 0, with_weight(100));
	run_for(&r, HZ / 10);
	assert_in_range(share(&r, 0), 4950, 5050);
	for (uint16_t i = 1; i < 4; i++)
		assert_in_range(share(&r, i), 1650, 1684);
	sched_destroy(r.s);
}

static void test_limit(void **state)
{
	struct budget b = budget_default();
	struct rig r;

	(void)state;
	setup(&r, SCHED_MODE_TIME);
	b.limit_percent = 10;
	add(&r, 0, 0, b);
	r.cost[0] = 700;
	run_for(&r, HZ / 10);
	assert_in_range(share(&r, 0), 950, 1050);
	add(&r, 1, 1, with_weight(1));
	forget(&r);
	run_for(&r, HZ / 10);
	assert_in_range(share(&r, 0), 950, 1050);
	assert_int_equal(r.idle, 0);
	sched_destroy(r.s);
}

/* A tenant's ceiling holds for its VMs together, guarantees or not. */
static void test_tenant_limit(void **state)
{
	struct budget b = budget_default();
	struct rig r;

	(void)state;
	setup(&r, SCHED_MODE_TIME);
	b.limit_percent = 30;
	assert_int_equal(sched_add_tenant(r.s, 5, &b), 0);
	for (uint16_t i = 0; i < 3; i++)
		add(&r, i, 5, i == 0 ? with_guarantee(50) : budget_default());
	run_for(&r, HZ / 10);
	assert_in_range(share(&r, 0) + share(&r, 1) + share(&r, 2), 2900, 3100);
	sched_destroy(r.s);
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
