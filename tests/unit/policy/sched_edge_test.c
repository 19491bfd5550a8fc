/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of policy/sched.c at the edges: clocks that wrap or stand still, numbers at their limits,
 * VMs that all misbehave at once. */
#include "policy/sched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HZ    2000000000ull
#define US    (HZ / 1000000)
#define SLICE (SCHED_DEFAULT_SLICE_US * US)
#define DEBT  (1000 * US)
#define NVMS  16

struct rig {
	struct sched *s;
	uint64_t now;
	uint64_t seed;
	uint64_t cost[NVMS]; /* cycles of a packet */
	uint64_t dear[NVMS]; /* 0, or what packets cost for a while */
	uint64_t served[NVMS];
	uint64_t used[NVMS];
	uint64_t idle;
	uint64_t longest_overrun;
};

static void setup(struct rig *r, uint64_t now)
{
	const struct sched_conf conf = {HZ, SCHED_DEFAULT_SLICE_US, SCHED_MODE_TIME};
	const struct budget plain = budget_default();

	*r = (struct rig){.s = sched_create(&conf), .now = now, .seed = 88172645463325252ull};
	assert_non_null(r->s);
	sched_tick(r->s, r->now);
	for (unsigned i = 0; i < NVMS; i++) {
		r->cost[i] = 200 + 150 * i;
		assert_int_equal(sched_add_tenant(r->s, (uint16_t)i, &plain), 0);
	}
}

static void add(struct rig *r, uint16_t vm, uint16_t tenant, struct budget b)
{
	assert_int_equal(budget_validate(&b, NULL), 0);
	assert_int_equal(sched_add_vm(r->s, vm, tenant, &b), 0);
	sched_wake(r->s, vm, r->now);
}

static struct budget budget(uint32_t weight, uint32_t guarantee_us, uint32_t burst_us)
{
	struct budget b = budget_default();

	b.weight = weight;
	b.guarantee_us = guarantee_us;
	b.burst_us = burst_us;
	return b;
}

static uint64_t rnd(struct rig *r)
{
	r->seed ^= r->seed << 13;
	r->seed ^= r->seed >> 7;
	r->seed ^= r->seed << 17;
	return r->seed;
}

/* Cheap and dear by turns of 50 packets; one in 200 takes as long as a slice or two. */
static uint64_t packet(struct rig *r, uint16_t vm)
{
	uint64_t cost = r->cost[vm];

	if (r->dear[vm] && r->served[vm] / 50 % 2)
		cost = r->dear[vm];
	r->served[vm]++;
	return rnd(r) % 200 ? cost : cost + rnd(r) % (2 * SLICE);
}

/* One service; `gap` cycles are lost in it. */
static uint64_t serve(struct rig *r, const struct sched_grant *g, uint64_t gap)
{
	uint64_t used = gap;
	uint32_t packets = 0;

	do {
		struct sched_limits l =
			sched_burst(r->s, g->vm, used < g->slice_tsc ? g->slice_tsc - used : 0);

		for (unsigned i = 0; i < l.packets; i++, packets++)
			used += packet(r, g->vm);
	} while (used < g->slice_tsc && sched_fits(r->s, g->vm, g->slice_tsc - used));
	r->now += used;
	r->used[g->vm] += used;
	if (used > SLICE + r->longest_overrun)
		r->longest_overrun = used - SLICE;
	sched_charge(r->s, g->vm, r->now, used, packets, packets * 64, packets);
	return used;
}

static void run_for(struct rig *r, uint64_t tsc)
{
	uint64_t start = r->now;
	struct sched_grant g;

	while (r->now - start < tsc) {
		uint64_t next, left;

		sched_tick(r->s, r->now);
		if (sched_pick(r->s, r->now, &g)) {
			serve(r, &g, 0);
			continue;
		}
		next = sched_next_tsc(r->s);
		left = tsc - (r->now - start);
		if (next != UINT64_MAX && next - r->now < left)
			left = next - r->now;
		assert_true(left > 0);
		r->idle += left;
		r->now += left;
	}
}

static struct sched_vm_stats stats(const struct rig *r, uint16_t vm)
{
	struct sched_vm_stats st;

	sched_get_stats(r->s, vm, &st);
	return st;
}

static void add_mixture(struct rig *r)
{
	struct budget limited = budget(300, 0, 1000);

	limited.limit_percent = 15;
	add(r, 0, 0, budget(100, 100, 500));
	add(r, 1, 0, budget(200, 0, 1000));
	add(r, 2, 1, budget(400, 250, 100));
	add(r, 3, 1, limited);
	add(r, 4, 2, budget(1, 0, 1000));
}

/* The same VMs on a clock that is far from wrapping and on one that wraps in the middle. */
static void test_tsc_wraps(void **state)
{
	struct rig plain, wrapping;

	(void)state;
	setup(&plain, 1000 * HZ);
	setup(&wrapping, UINT64_MAX - 5 * HZ / 4);
	add_mixture(&plain);
	add_mixture(&wrapping);
	run_for(&plain, 2 * HZ);
	run_for(&wrapping, 2 * HZ);
	assert_true(wrapping.now < HZ);
	assert_int_equal(plain.idle, wrapping.idle);
	for (uint16_t i = 0; i < 5; i++) {
		struct sched_vm_stats a = stats(&plain, i), b = stats(&wrapping, i);

		assert_int_equal(plain.used[i], wrapping.used[i]);
		assert_memory_equal(&a, &b, sizeof(a));
	}
	sched_destroy(plain.s);
	sched_destroy(wrapping.s);
}

/* Virtual time moves fastest for the lowest weight and wraps within ten minutes of its use. */
static void test_virtual_time_wraps(void **state)
{
	const uint64_t each = HZ / 1000;
	uint64_t used[2] = {0};
	struct sched_grant g;
	struct rig r;

	(void)state;
	setup(&r, 77);
	assert_int_equal(sched_set_conf(r.s, SCHED_MODE_TIME, 1000), 0);
	add(&r, 0, 0, budget(1, 0, 1000));
	add(&r, 1, 0, budget(1, 0, 1000));
	for (uint64_t passed = 0; passed < 4000 * HZ; passed += each) {
		assert_true(sched_pick(r.s, r.now, &g));
		r.now += each;
		used[g.vm] += each;
		sched_charge(r.s, g.vm, r.now, each, 1, 64, 1);
		assert_true(used[0] <= used[1] + each && used[1] <= used[0] + each);
	}
	sched_destroy(r.s);
}

/* However long a VM has slept, and however far virtual time moved in the meantime, it owes nothing:
 * it is served next. */
static void test_wakes_after_long_sleeps(void **state)
{
	const uint64_t each = HZ / 1000;
	const struct budget least = budget(1, 0, 1000);
	struct sched_grant g;
	struct rig r;

	(void)state;
	setup(&r, 77);
	assert_int_equal(sched_set_conf(r.s, SCHED_MODE_TIME, 1000), 0);
	for (uint16_t i = 0; i < 3; i++) {
		assert_int_equal(sched_set_tenant(r.s, i / 2, &least), 0);
		add(&r, i, i / 2, least);
		if (i > 0)
			sched_sleep(r.s, i);
	}
	for (uint64_t nap = HZ; nap < 700 * HZ; nap += 43 * HZ) {
		for (uint64_t passed = 0; passed < nap; passed += each) {
			assert_true(sched_pick(r.s, r.now, &g));
			assert_int_equal(g.vm, 0);
			r.now += each;
			sched_charge(r.s, g.vm, r.now, each, 1, 64, 1);
		}
		for (uint16_t i = 1; i < 3; i++) {
			sched_wake(r.s, i, r.now);
			assert_true(sched_pick(r.s, r.now, &g));
			assert_int_equal(g.vm, i);
			r.now += US;
			sched_charge(r.s, i, r.now, US, 1, 64, 1);
			sched_sleep(r.s, i);
		}
	}
	sched_destroy(r.s);
}

/* Charges and gaps of any length: debt and credit stay clamped, and all goes on as before. */
static void test_overflow(void **state)
{
	static const uint64_t charges[] = {0, DEBT, 3600 * HZ, (uint64_t)1 << 62, UINT64_MAX};
	struct budget most = budget(10000, 300000, 1000000);
	struct sched_grant g;
	struct rig r;

	(void)state;
	setup(&r, 0);
	most.period_us = 1000000;
	most.limit_percent = 99;
	most.rate_bps = 1000000000000;
	most.rate_pps = 1000000000;
	add(&r, 0, 0, most);
	add(&r, 1, 0, budget(1, 100, 10));
	add(&r, 2, 1, budget(10000, 0, 10));
	for (unsigned k = 0; k < 200; k++) {
		uint64_t charge = charges[k % 5];

		r.now += rnd(&r) % HZ;
		sched_tick(r.s, r.now);
		if (!sched_pick(r.s, r.now, &g))
			continue;
		sched_charge(r.s, g.vm, r.now, charge, UINT32_MAX, UINT32_MAX, UINT32_MAX);
		sched_charge_other(r.s, (uint16_t)(k % 3), charges[(k + 2) % 5]);
		for (uint16_t i = 0; i < 3; i++) {
			assert_true(stats(&r, i).balance_tsc >= -(int64_t)DEBT);
			assert_true(stats(&r, i).balance_tsc <= (int64_t)(1000000 * US));
		}
	}
	memset(r.used, 0, sizeof(r.used));
	run_for(&r, HZ);
	for (uint16_t i = 0; i < 3; i++)
		assert_true(r.used[i] > HZ / 10000);
	sched_destroy(r.s);
}

/* The machine takes the worker away for 50 ms while VM 0 is served: VM 0 pays, within the clamp;
 * the others wait no longer than the bound after that, and nobody is paid for more than its cap. */
static void test_descheduled(void **state)
{
	const uint64_t gap = 50000 * US;
	struct sched_grant g;
	struct rig r;

	(void)state;
	setup(&r, 5);
	add(&r, 0, 0, budget(100, 200, 300));
	add(&r, 1, 1, budget(100, 200, 300));
	add(&r, 2, 2, budget(100, 0, 10));
	add(&r, 3, 3, budget(100, 300, 300));
	run_for(&r, HZ / 100);
	sched_sleep(r.s, 3);
	do {
		assert_true(sched_pick(r.s, r.now, &g));
		serve(&r, &g, g.vm == 0 && g.funded ? gap : 0);
	} while (g.vm != 0 || !g.funded);
	sched_tick(r.s, r.now);
	assert_in_range(-stats(&r, 0).balance_tsc, 0, DEBT);
	assert_true(stats(&r, 3).balance_tsc <= (int64_t)(300 * US));
	memset(r.used, 0, sizeof(r.used));
	run_for(&r, 100 * 1000 * US);
	/* A fifth of the time is its guarantee; of that, at most the debt and what the others had
	 * saved up while they waited is gone. */
	assert_true(r.used[0] > 15 * 1000 * US);
	assert_true(r.used[1] > 20 * 1000 * US);
	assert_true(r.used[2] > 10 * 1000 * US);
	sched_destroy(r.s);
}

static void test_weights_at_their_limits(void **state)
{
	struct budget b = budget(0, 0, 10);
	struct rig r;

	(void)state;
	assert_true(budget_validate(&b, NULL) < 0);
	b.weight = 10001;
	assert_true(budget_validate(&b, NULL) < 0);
	setup(&r, 9);
	for (uint16_t i = 0; i < 3; i++)
		add(&r, i, 0, budget(10000, 0, 10));
	add(&r, 3, 0, budget(1, 0, 10));
	run_for(&r, 20 * HZ);
	for (uint16_t i = 0; i < 3; i++) /* a third less one in 30001 */
		assert_in_range(r.used[i], 20 * HZ / 3 / 100 * 99, 20 * HZ / 3 / 100 * 101);
	/* 1.33 ms of 20 s, in services of a slice: within 1 % and one service. */
	assert_in_range(r.used[3], 20 * HZ / 30001 - SLICE * 4, 20 * HZ / 30001 + SLICE * 4);
	sched_destroy(r.s);
}

/* Nine tenths are promised to VMs that want everything and turn dear without notice, among others
 * that do too: each has its guarantee in every 50 ms, but for one bound and two services. */
static void test_guarantees_hold(void **state)
{
	struct rig r;

	(void)state;
	setup(&r, 3);
	for (uint16_t i = 0; i < NVMS; i++) {
		add(&r, i, i % 4, budget(100, i < 8 ? 25 * (i + 1) : 0, 200));
		r.dear[i] = i % 3 ? 0 : SLICE / 2;
	}
	run_for(&r, HZ / 10);
	for (int k = 0; k < 100; k++) {
		memset(r.used, 0, sizeof(r.used));
		run_for(&r, 50000 * US);
		for (uint16_t i = 0; i < 8; i++) {
			uint64_t bound = sched_bound_tsc(r.s, i, r.longest_overrun);
			uint64_t granted = 50000 * US / 1000 * 25 * (i + 1u);

			assert_int_equal(bound, 8 * (SLICE + r.longest_overrun));
			assert_true(stats(&r, i).longest_funded_wait_tsc <= bound);
			assert_true(r.used[i] + bound + 2 * SLICE >= granted);
		}
		assert_int_equal(r.idle, 0);
	}
	sched_destroy(r.s);
}

/* What the worker does between services is waited for too, so it is in the bound; time when nobody
 * could be served is not. */
static void test_bound_counts_what_is_between_services(void **state)
{
	const uint64_t gap = 10 * US;
	struct budget limited = budget(100, 0, 10);
	struct sched_grant g;
	struct rig r;

	(void)state;
	setup(&r, 3);
	add(&r, 0, 0, budget(100, 101, 10));
	assert_int_equal(sched_bound_tsc(r.s, 0, US), SLICE + US);
	add(&r, 1, 0, budget(100, 0, 10));
	for (unsigned i = 0; i < 10000; i++) {
		r.now += gap;
		assert_true(sched_pick(r.s, r.now, &g));
		r.now += SLICE;
		sched_charge(r.s, g.vm, r.now, SLICE, 1, 64, 1);
	}
	assert_int_equal(sched_bound_tsc(r.s, 0, US), SLICE + US + gap);
	assert_in_range(stats(&r, 0).longest_funded_wait_tsc, SLICE + 1, SLICE + gap);
	sched_destroy(r.s);

	setup(&r, 3);
	limited.limit_percent = 10;
	assert_int_equal(sched_set_tenant(r.s, 1, &limited), 0);
	add(&r, 0, 0, limited);
	add(&r, 1, 1, budget(100, 0, 10));
	run_for(&r, HZ / 10);
	assert_true(r.idle > HZ / 20);
	sched_sleep(r.s, 1);
	sched_remove_vm(r.s, 0);
	add(&r, 0, 0, budget(100, 100, 10));
	assert_int_equal(sched_bound_tsc(r.s, 0, 0), SLICE);
	assert_true(stats(&r, 1).longest_wait_tsc <= SLICE + r.longest_overrun);
	sched_destroy(r.s);
}

/* A tenant's guarantee is its VMs' together, whoever of them has work. */
static void test_tenant_guarantee(void **state)
{
	const struct budget b = budget(1, 400, 100);
	struct rig r;

	(void)state;
	setup(&r, 3);
	assert_int_equal(sched_set_tenant(r.s, 1, &b), 0);
	add(&r, 0, 1, budget(100, 0, 10));
	add(&r, 1, 1, budget(300, 0, 10));
	for (uint16_t i = 2; i < 10; i++)
		add(&r, i, 2, budget(10000, 0, 10));
	run_for(&r, HZ);
	assert_in_range(r.used[0] + r.used[1], HZ / 100 * 39, HZ / 100 * 41);
	assert_in_range(r.used[1], r.used[0] / 100 * 290, r.used[0] / 100 * 310);
	sched_destroy(r.s);
}

/* Time billed to a funded VM from elsewhere does not cost it its turn. */
static void test_charged_while_it_waits(void **state)
{
	struct sched_grant g;
	struct rig r;

	(void)state;
	setup(&r, 3);
	for (uint16_t i = 0; i < 4; i++)
		add(&r, i, 0, budget(100, 200, 1000));
	for (unsigned turn = 0; turn < 3; turn++) {
		assert_true(sched_pick(r.s, r.now, &g));
		assert_int_equal(g.vm, turn);
		r.now += SLICE;
		sched_charge(r.s, g.vm, r.now, SLICE, 1, 64, 1);
		sched_charge_other(r.s, 3, US);
	}
	assert_true(sched_pick(r.s, r.now, &g));
	assert_int_equal(g.vm, 3);
	assert_int_equal(stats(&r, 3).used_tsc, 3 * US);
	sched_destroy(r.s);
}

/* What is saved up while asleep is the VM's own burst, whatever others may save up. */
static void test_credit_is_the_own_burst(void **state)
{
	struct sched_grant g;
	uint64_t ahead = 0;
	struct rig r;

	(void)state;
	setup(&r, 3);
	add(&r, 0, 0, budget(100, 100, 50));
	add(&r, 1, 1, budget(100, 100, 1000000));
	add(&r, 2, 2, budget(100, 0, 10));
	for (uint16_t i = 0; i < 2; i++)
		sched_sleep(r.s, i);
	r.now += 10 * HZ;
	sched_tick(r.s, r.now);
	sched_wake(r.s, 0, r.now);
	for (;;) {
		assert_true(sched_pick(r.s, r.now, &g));
		if (!g.funded)
			break;
		assert_int_equal(g.vm, 0);
		ahead += SLICE;
		r.now += SLICE;
		sched_charge(r.s, g.vm, r.now, SLICE, 10, 640, 10);
	}
	/* 50 us, a tenth of the time that they took, and the rest of the last service. */
	assert_in_range(ahead, 50 * US, 50 * US / 9 * 10 + SLICE);
	sched_destroy(r.s);
}

/* Who has used up its limit goes on in the very cycle in which it has not any more. */
static void test_limits_hold_nobody_for_longer(void **state)
{
	struct budget b = budget(100, 0, 10);
	struct sched_grant g;
	struct rig r;

	(void)state;
	setup(&r, 3);
	b.limit_percent = 25;
	add(&r, 0, 0, b);
	assert_int_equal(sched_set_tenant(r.s, 1, &b), 0);
	add(&r, 1, 1, budget(100, 0, 10));
	for (unsigned i = 0; i < 2; i++) {
		assert_true(sched_pick(r.s, r.now, &g));
		r.now += 2 * SLICE;
		sched_charge(r.s, g.vm, r.now, 2 * SLICE, 1, 64, 1);
	}
	/* A slice was saved up: each owes a slice, which takes four, and two of the first one's
	 * have passed. */
	assert_false(sched_pick(r.s, r.now, &g));
	assert_in_range(sched_next_tsc(r.s), r.now + 2 * SLICE, r.now + 2 * SLICE + 8);
	r.now = sched_next_tsc(r.s) - 1;
	assert_false(sched_pick(r.s, r.now, &g));
	r.now++;
	assert_true(sched_pick(r.s, r.now, &g));
	sched_destroy(r.s);
}

/* A tenant's ceiling is above what its VMs are guaranteed, whatever that is. */
static void test_tenant_limit_is_above_guarantees(void **state)
{
	struct budget limited = budget(100, 0, 10);
	struct rig r;

	(void)state;
	setup(&r, 3);
	limited.limit_percent = 10;
	assert_int_equal(sched_set_tenant(r.s, 1, &limited), 0);
	add(&r, 0, 1, budget(100, 500, 1000));
	add(&r, 1, 2, budget(100, 0, 10));
	run_for(&r, HZ);
	assert_in_range(r.used[0], HZ / 1000 * 95, HZ / 1000 * 105);
	assert_int_equal(r.idle, 0);
	sched_destroy(r.s);
}

/* A service that took for ever is paid for up to the clamp only. */
static void test_endless_services_are_forgiven(void **state)
{
	struct sched_grant g;
	struct rig r;

	(void)state;
	setup(&r, 3);
	for (uint16_t i = 0; i < 3; i++)
		add(&r, i, i / 2, budget(100, 0, 10));
	for (unsigned i = 0; i < 3; i++) {
		assert_true(sched_pick(r.s, r.now, &g));
		r.now += HZ;
		sched_charge(r.s, g.vm, r.now, g.vm == 1 ? SLICE : 3600 * HZ, 1, 64, 1);
	}
	run_for(&r, 8 * DEBT);
	for (uint16_t i = 0; i < 3; i++)
		assert_true(r.used[i] > DEBT);
	sched_destroy(r.s);
}

/* Wakes a VM up until it is served once; others take slices before it. */
static void serve_once(struct rig *r, uint16_t vm, uint64_t used, uint32_t packets)
{
	struct sched_grant g;

	sched_wake(r->s, vm, r->now);
	for (;;) {
		assert_true(sched_pick(r->s, r->now, &g));
		if (g.vm == vm)
			break;
		r->now += SLICE;
		sched_charge(r->s, g.vm, r->now, SLICE, 10, 640, 10);
	}
	r->now += used;
	sched_charge(r->s, vm, r->now, used, packets, packets * 64, packets);
	sched_sleep(r->s, vm);
}

/* Services that find nothing to take do not make a VM look as if it kept nobody waiting. */
static void test_empty_services_tell_nothing(void **state)
{
	struct sched_grant g;
	struct rig r;

	(void)state;
	setup(&r, 3);
	for (uint16_t i = 0; i < 3; i++) {
		add(&r, i, 0, budget(100, 0, 10));
		if (i < 2)
			sched_sleep(r.s, i);
	}
	for (unsigned k = 0; k < 100; k++) {
		serve_once(&r, 0, SLICE, 10);
		serve_once(&r, 1, US, 1);
	}
	for (unsigned k = 0; k < 100; k++)
		serve_once(&r, 0, US / 20, 0);
	run_for(&r, 10 * SLICE);
	sched_wake(r.s, 0, r.now);
	sched_wake(r.s, 1, r.now);
	assert_true(sched_pick(r.s, r.now, &g));
	assert_int_equal(g.vm, 1);
	sched_destroy(r.s);
}

/* What lets the loop end a service from spare time early. */
static void test_funded_waits(void **state)
{
	const struct budget granted = budget(100, 100, 10);
	struct sched_grant g;
	struct rig r;

	(void)state;
	setup(&r, 3);
	add(&r, 0, 0, budget(100, 0, 10));
	add(&r, 1, 1, granted);
	sched_sleep(r.s, 1);
	assert_false(sched_has_guarantee(r.s, 0));
	assert_true(sched_has_guarantee(r.s, 1));
	assert_false(sched_funded_waits(r.s));
	assert_true(sched_pick(r.s, r.now, &g));
	assert_false(g.funded);
	sched_wake(r.s, 1, r.now + US);
	assert_true(sched_funded_waits(r.s));
	r.now += 2 * US;
	sched_charge(r.s, 0, r.now, 2 * US, 1, 64, 1);
	assert_true(sched_pick(r.s, r.now, &g));
	assert_true(g.funded && g.vm == 1);
	/* Over its guarantee it waits like anybody else. */
	r.now += SLICE;
	sched_charge(r.s, 1, r.now, SLICE, 1, 64, 1);
	assert_false(sched_funded_waits(r.s));
	/* Its tenant's counts as well. */
	assert_int_equal(sched_set_tenant(r.s, 0, &granted), 0);
	assert_true(sched_has_guarantee(r.s, 0));
	assert_true(sched_funded_waits(r.s));
	assert_int_equal(sched_set_conf(r.s, SCHED_MODE_RATE, SCHED_DEFAULT_SLICE_US), 0);
	assert_false(sched_funded_waits(r.s));
	sched_destroy(r.s);
}

/* Whoever is held back by a limit, its own or its tenant's, is seen to be. */
static void test_throttled_is_counted(void **state)
{
	struct budget b = budget(100, 0, 10);
	struct rig r;

	(void)state;
	setup(&r, 3);
	b.limit_percent = 20;
	add(&r, 0, 0, b);
	assert_int_equal(sched_set_tenant(r.s, 1, &b), 0);
	add(&r, 1, 1, budget(100, 0, 10));
	add(&r, 2, 2, budget(100, 0, 10));
	run_for(&r, HZ / 10);
	assert_in_range(r.used[0], HZ / 1000 * 19, HZ / 1000 * 21);
	assert_in_range(r.used[1], HZ / 1000 * 19, HZ / 1000 * 21);
	assert_true(stats(&r, 0).throttled > 100);
	assert_true(stats(&r, 1).throttled > 100);
	assert_int_equal(stats(&r, 2).throttled, 0);
	assert_int_equal(r.idle, 0);
	sched_destroy(r.s);
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
		sched_charge(s, g.vm, now, SLICE, 4, 256, 4);
	}
	for (unsigned i = 0; i < SCHED_MAX_VMS; i++)
		assert_in_range(used[i], 99 * SLICE, 101 * SLICE);
	sched_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tsc_wraps),
		cmocka_unit_test(test_virtual_time_wraps),
		cmocka_unit_test(test_wakes_after_long_sleeps),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_descheduled),
		cmocka_unit_test(test_weights_at_their_limits),
		cmocka_unit_test(test_guarantees_hold),
		cmocka_unit_test(test_bound_counts_what_is_between_services),
		cmocka_unit_test(test_tenant_guarantee),
		cmocka_unit_test(test_charged_while_it_waits),
		cmocka_unit_test(test_credit_is_the_own_burst),
		cmocka_unit_test(test_limits_hold_nobody_for_longer),
		cmocka_unit_test(test_tenant_limit_is_above_guarantees),
		cmocka_unit_test(test_endless_services_are_forgiven),
		cmocka_unit_test(test_empty_services_tell_nothing),
		cmocka_unit_test(test_funded_waits),
		cmocka_unit_test(test_throttled_is_counted),
		cmocka_unit_test(test_full_house),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
