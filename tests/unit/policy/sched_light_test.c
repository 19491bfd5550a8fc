/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of policy/sched.c: what a VM with little to do waits for, without any guarantee, whatever
 * the others do. */
#include "policy/sched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/fake/sched_rig.h"

#define PACKET  (US / 2)
#define NVMS    20
#define ENDLESS SCHED_RIG_ENDLESS

/* VMs whose packets come at times of their own. */
struct light {
	struct sched_rig rig;
	uint64_t next[NVMS];    /* when packets come again */
	uint64_t every[NVMS];   /* how far apart, 0: there are always some */
	uint32_t packets[NVMS]; /* how many come, at most */
	uint64_t since[NVMS];
	uint64_t longest_wait[NVMS];
};

static void open_light(struct light *l)
{
	*l = (struct light){0};
	sched_rig_open(&l->rig, SCHED_MODE_TIME);
}

static void add(struct light *l, uint16_t vm, uint16_t tenant, uint32_t weight, uint64_t every,
		uint32_t packets)
{
	struct budget b = budget_default();

	b.weight = weight;
	sched_rig_add(&l->rig, vm, tenant, b);
	l->rig.cost[vm] = PACKET;
	l->rig.backlog[vm] = 0;
	sched_sleep(l->rig.s, vm);
	l->every[vm] = every;
	l->packets[vm] = packets;
	l->next[vm] = l->rig.now;
}

static uint32_t some(struct light *l, uint32_t most)
{
	uint64_t random = sched_rig_random(&l->rig.seed);

	return most == ENDLESS ? most : 1 + (uint32_t)(random % most);
}

static void arrive(struct light *l)
{
	struct sched_rig *r = &l->rig;

	for (uint16_t i = 0; i < NVMS; i++) {
		if (l->packets[i] == 0 || l->next[i] > r->now)
			continue;
		if (r->backlog[i] == 0)
			l->since[i] = l->next[i];
		r->backlog[i] = some(l, l->packets[i]);
		l->next[i] = l->every[i] ? l->next[i] + l->every[i] : UINT64_MAX;
		sched_wake(r->s, i, r->now);
	}
}

static void serve(struct light *l, const struct sched_grant *g)
{
	uint64_t wait = l->rig.now - l->since[g->vm];

	if (wait > l->longest_wait[g->vm])
		l->longest_wait[g->vm] = wait;
	sched_rig_serve(&l->rig, g, 0);
	l->since[g->vm] = l->rig.now;
}

static void run_for(struct light *l, uint64_t tsc)
{
	struct sched_rig *r = &l->rig;
	struct sched_grant g;

	for (uint64_t end = r->now + tsc; r->now < end;) {
		uint64_t first = end;

		arrive(l);
		if (sched_pick(r->s, r->now, &g)) {
			serve(l, &g);
			continue;
		}
		for (uint16_t i = 0; i < NVMS; i++)
			if (l->packets[i] && l->next[i] < first)
				first = l->next[i];
		r->now = first;
	}
}

/* Runs until the scheduler knows the VMs, then measures. */
static void measure(struct light *l)
{
	run_for(l, HZ / 5);
	for (uint16_t i = 0; i < NVMS; i++)
		l->longest_wait[i] = 0;
	sched_rig_forget(&l->rig);
	run_for(l, HZ);
}

/* Among others that always want more it comes right after the service in progress. */
static void test_among_floods(void **state)
{
	struct light l;

	(void)state;
	open_light(&l);
	add(&l, 0, 0, 100, 211 * US, 1);
	for (uint16_t i = 1; i < NVMS; i++)
		add(&l, i, i % 2, 100, 0, ENDLESS);
	measure(&l);
	assert_in_range(l.longest_wait[0], 1, SLICE + PACKET);
	sched_rig_close(&l.rig);
}

/* Others that want less than their share, but a lot at a time and all at once, do not go first, be
 * they of its tenant or of others. */
static void test_among_bursts(void **state)
{
	(void)state;
	for (unsigned k = 0; k < 2; k++) {
		struct light l;

		open_light(&l);
		add(&l, 0, 0, 100, 211 * US, 1);
		for (uint16_t i = 1; i < NVMS; i++)
			add(&l, i, k ? i : 0, 100, 1000 * US, 40); /* up to 20 us of work */
		measure(&l);
		assert_in_range(l.longest_wait[0], 1, SLICE + PACKET);
		sched_rig_close(&l.rig);
	}
}

/* A sibling that uses up the tenant's share does not make it wait for all other tenants. */
static void test_beside_a_flooding_sibling(void **state)
{
	struct light l;

	(void)state;
	open_light(&l);
	add(&l, 0, 0, 100, 211 * US, 1);
	for (uint16_t i = 1; i < NVMS; i++)
		add(&l, i, i - 1, 100, 0, ENDLESS);
	measure(&l);
	assert_in_range(l.longest_wait[0], 1, 2 * (SLICE + PACKET));
	sched_rig_close(&l.rig);
}

/* Nor does it matter how much more of the spare time others are to have. */
static void test_with_the_least_weight(void **state)
{
	static const uint32_t weights[][2] = {{1, 100}, {100, 10000}, {1, 10000}};

	(void)state;
	for (unsigned k = 0; k < 3; k++) {
		struct light l;

		open_light(&l);
		add(&l, 0, 0, weights[k][0], 300011 * US, 1);
		for (uint16_t i = 1; i < NVMS; i++)
			add(&l, i, 0, weights[k][1], 0, ENDLESS);
		measure(&l);
		assert_in_range(l.longest_wait[0], 1, SLICE + PACKET);
		sched_rig_close(&l.rig);
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
		struct light l;

		open_light(&l);
		for (uint16_t i = 0; i < 10; i++) {
			add(&l, i, i % 3, 100, i < 7 ? 3 * US : 0, i < 7 ? 2 : ENDLESS);
			if (i >= 7 && k & 1)
				assert_int_equal(sched_set_vm(l.rig.s, i, &limited), 0);
			if (i >= 7 && k & 4)
				assert_int_equal(sched_set_vm(l.rig.s, i, &granted), 0);
			if (k & 2)
				assert_int_equal(sched_set_tenant(l.rig.s, i % 3, &limited), 0);
		}
		measure(&l);
		/* Three tenants with a third each: VMs 0, 3, 6 and 9; 1, 4 and 7; 2, 5 and 8. */
		for (uint16_t i = 0; i < 10; i++) {
			uint64_t spare = k & 4 ? HZ / 100 * 97 : HZ;
			uint64_t due = spare / (i % 3 ? 9 : 12);

			if (i >= 7 && k & 4)
				due += HZ / 100;
			if (i < 7)
				assert_in_range(l.rig.used[i], due / 100 * 95, due / 100 * 101);
			else
				assert_in_range(l.rig.used[i], due / 100 * 99, due / 100 * 105);
		}
		sched_rig_close(&l.rig);
	}
}

/* Wakes a VM up until it is served once; others take slices before it. */
static void serve_once(struct sched_rig *r, uint16_t vm, uint64_t used, uint32_t packets)
{
	struct sched_grant g;

	sched_wake(r->s, vm, r->now);
	while (sched_pick(r->s, r->now, &g) && g.vm != vm)
		sched_rig_step(r, SLICE, 10);
	assert_int_equal(sched_rig_step(r, used, packets).vm, vm);
	sched_sleep(r->s, vm);
}

/* Services that find nothing to take do not make a VM look as if it kept nobody waiting. */
static void test_empty_services_tell_nothing(void **state)
{
	struct sched_grant g;
	struct sched_rig r;

	(void)state;
	sched_rig_open_erratic(&r, 3);
	for (uint16_t i = 0; i < 3; i++) {
		sched_rig_add(&r, i, 0, sched_rig_budget(100, 0, 10));
		if (i < 2)
			sched_sleep(r.s, i);
	}
	for (unsigned k = 0; k < 100; k++) {
		serve_once(&r, 0, SLICE, 10);
		serve_once(&r, 1, US, 1);
	}
	for (unsigned k = 0; k < 100; k++)
		serve_once(&r, 0, US / 20, 0);
	sched_rig_run(&r, 10 * SLICE);
	sched_wake(r.s, 0, r.now);
	sched_wake(r.s, 1, r.now);
	assert_true(sched_pick(r.s, r.now, &g));
	assert_int_equal(g.vm, 1);
	sched_rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_among_floods),
		cmocka_unit_test(test_among_bursts),
		cmocka_unit_test(test_beside_a_flooding_sibling),
		cmocka_unit_test(test_with_the_least_weight),
		cmocka_unit_test(test_little_by_little),
		cmocka_unit_test(test_empty_services_tell_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
