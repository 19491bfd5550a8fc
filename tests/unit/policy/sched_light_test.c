/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of policy/sched.c: what a VM with little to do waits for, without any guarantee, whatever
 * the others do. */
#include "policy/sched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define HZ      2000000000ull
#define US      (HZ / 1000000)
#define SLICE   (SCHED_DEFAULT_SLICE_US * US)
#define PACKET  (US / 2)
#define NVMS    20
#define ENDLESS UINT32_MAX

struct rig {
	struct sched *s;
	uint64_t now;
	uint64_t seed;
	uint32_t backlog[NVMS];
	uint64_t next[NVMS];    /* when packets come again */
	uint64_t every[NVMS];   /* how far apart, 0: there are always some */
	uint32_t packets[NVMS]; /* how many come, at most */
	uint64_t since[NVMS];
	uint64_t longest_wait[NVMS];
	uint64_t used[NVMS];
};

static void setup(struct rig *r)
{
	const struct sched_conf conf = {HZ, SCHED_DEFAULT_SLICE_US, SCHED_MODE_TIME};

	*r = (struct rig){.s = sched_create(&conf), .now = 12345, .seed = 88172645463325252ull};
	assert_non_null(r->s);
	sched_tick(r->s, r->now);
}

static void add(struct rig *r, uint16_t vm, uint16_t tenant, uint32_t weight, uint64_t every,
		uint32_t packets)
{
	struct budget b = budget_default();

	sched_add_tenant(r->s, tenant, &b);
	b.weight = weight;
	assert_int_equal(budget_validate(&b, NULL), 0);
	assert_int_equal(sched_add_vm(r->s, vm, tenant, &b), 0);
	r->every[vm] = every;
	r->packets[vm] = packets;
	r->next[vm] = r->now;
}

static uint32_t some(struct rig *r, uint32_t most)
{
	r->seed ^= r->seed << 13;
	r->seed ^= r->seed >> 7;
	r->seed ^= r->seed << 17;
	return most == ENDLESS ? most : 1 + (uint32_t)(r->seed % most);
}

static void arrive(struct rig *r)
{
	for (uint16_t i = 0; i < NVMS; i++) {
		if (r->packets[i] == 0 || r->next[i] > r->now)
			continue;
		if (r->backlog[i] == 0)
			r->since[i] = r->next[i];
		r->backlog[i] = some(r, r->packets[i]);
		r->next[i] = r->every[i] ? r->next[i] + r->every[i] : UINT64_MAX;
		sched_wake(r->s, i, r->now);
	}
}

static void serve(struct rig *r, const struct sched_grant *g)
{
	uint64_t used = 0, wait = r->now - r->since[g->vm];
	uint32_t packets = 0;

	if (wait > r->longest_wait[g->vm])
		r->longest_wait[g->vm] = wait;
	do {
		struct sched_limits l = sched_burst(r->s, g->vm, g->slice_tsc - used);

		for (unsigned i = 0; i < l.packets && r->backlog[g->vm]; i++) {
			r->backlog[g->vm] -= r->backlog[g->vm] != ENDLESS;
			used += PACKET;
			packets++;
		}
	} while (r->backlog[g->vm] && used < g->slice_tsc &&
		 sched_fits(r->s, g->vm, g->slice_tsc - used));
	r->now += used;
	r->used[g->vm] += used;
	r->since[g->vm] = r->now;
	sched_charge(r->s, g->vm, r->now, used, packets, packets * 64, packets);
	if (r->backlog[g->vm] == 0)
		sched_sleep(r->s, g->vm);
}

static void run_for(struct rig *r, uint64_t tsc)
{
	struct sched_grant g;

	for (uint64_t end = r->now + tsc; r->now < end;) {
		uint64_t first = end;

		arrive(r);
		if (sched_pick(r->s, r->now, &g)) {
			serve(r, &g);
			continue;
		}
		for (uint16_t i = 0; i < NVMS; i++)
			if (r->packets[i] && r->next[i] < first)
				first = r->next[i];
		r->now = first;
	}
}

/* Runs until the scheduler knows the VMs, then measures. */
static void measure(struct rig *r)
{
	run_for(r, HZ / 5);
	for (uint16_t i = 0; i < NVMS; i++)
		r->longest_wait[i] = r->used[i] = 0;
	run_for(r, HZ);
}

/* Among others that always want more it comes right after the service in progress. */
static void test_among_floods(void **state)
{
	struct rig r;

	(void)state;
	setup(&r);
	add(&r, 0, 0, 100, 211 * US, 1);
	for (uint16_t i = 1; i < NVMS; i++)
		add(&r, i, i % 2, 100, 0, ENDLESS);
	measure(&r);
	assert_in_range(r.longest_wait[0], 1, SLICE + PACKET);
	sched_destroy(r.s);
}

/* Others that want less than their share, but a lot at a time and all at once, do not go first, be
 * they of its tenant or of others. */
static void test_among_bursts(void **state)
{
	(void)state;
	for (unsigned k = 0; k < 2; k++) {
		struct rig r;

		setup(&r);
		add(&r, 0, 0, 100, 211 * US, 1);
		for (uint16_t i = 1; i < NVMS; i++)
			add(&r, i, k ? i : 0, 100, 1000 * US, 40); /* up to 20 us of work */
		measure(&r);
		assert_in_range(r.longest_wait[0], 1, SLICE + PACKET);
		sched_destroy(r.s);
	}
}

/* A sibling that uses up the tenant's share does not make it wait for all other tenants. */
static void test_beside_a_flooding_sibling(void **state)
{
	struct rig r;

	(void)state;
	setup(&r);
	add(&r, 0, 0, 100, 211 * US, 1);
	for (uint16_t i = 1; i < NVMS; i++)
		add(&r, i, i - 1, 100, 0, ENDLESS);
	measure(&r);
	assert_in_range(r.longest_wait[0], 1, 2 * (SLICE + PACKET));
	sched_destroy(r.s);
}

/* Nor does it matter how much more of the spare time others are to have. */
static void test_with_the_least_weight(void **state)
{
	static const uint32_t weights[][2] = {{1, 100}, {100, 10000}, {1, 10000}};

	(void)state;
	for (unsigned k = 0; k < 3; k++) {
		struct rig r;

		setup(&r);
		add(&r, 0, 0, weights[k][0], 300011 * US, 1);
		for (uint16_t i = 1; i < NVMS; i++)
			add(&r, i, 0, weights[k][1], 0, ENDLESS);
		measure(&r);
		assert_in_range(r.longest_wait[0], 1, SLICE + PACKET);
		sched_destroy(r.s);
	}
}

/* Asking for little at a time, but again and again, gets nobody more than its share, whether the
 * others have limits and guarantees of their own or not. */
static void test_little_by_little(void **state)
{
	struct budget limited = budget_default(), granted = budget_default();

	(void)state;
	limited.limit_percent = 99;
	granted.guarantee_us = 10;
	granted.burst_us = 10;
	for (unsigned k = 0; k < 8; k++) {
		struct rig r;

		setup(&r);
		for (uint16_t i = 0; i < 10; i++) {
			add(&r, i, i % 3, 100, i < 7 ? 3 * US : 0, i < 7 ? 2 : ENDLESS);
			if (i >= 7 && k & 1)
				assert_int_equal(sched_set_vm(r.s, i, &limited), 0);
			if (i >= 7 && k & 4)
				assert_int_equal(sched_set_vm(r.s, i, &granted), 0);
			if (k & 2)
				assert_int_equal(sched_set_tenant(r.s, i % 3, &limited), 0);
		}
		measure(&r);
		/* Three tenants with a third each: VMs 0, 3, 6 and 9; 1, 4 and 7; 2, 5 and 8. */
		for (uint16_t i = 0; i < 10; i++) {
			uint64_t spare = k & 4 ? HZ / 100 * 97 : HZ;
			uint64_t due = spare / (i % 3 ? 9 : 12);

			if (i >= 7 && k & 4)
				due += HZ / 100;
			if (i < 7)
				assert_in_range(r.used[i], due / 100 * 95, due / 100 * 101);
			else
				assert_in_range(r.used[i], due / 100 * 99, due / 100 * 105);
		}
		sched_destroy(r.s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_among_floods),
		cmocka_unit_test(test_among_bursts),
		cmocka_unit_test(test_beside_a_flooding_sibling),
		cmocka_unit_test(test_with_the_least_weight),
		cmocka_unit_test(test_little_by_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
