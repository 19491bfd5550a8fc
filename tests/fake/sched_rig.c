/* SPDX-License-Identifier: BSD-3-Clause */
/* A scheduler with VMs that it serves. Failures end the test, as cmocka's do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/fake/sched_rig.h"

#include <string.h>

#include "policy/cost.h"

void sched_rig_open_at(struct sched_rig *r, enum sched_mode mode, uint64_t now)
{
	const struct sched_conf conf = {HZ, SCHED_DEFAULT_SLICE_US, mode};

	*r = (struct sched_rig){
		.s = sched_create(&conf),
		.now = now,
		.seed = 88172645463325252ull,
	};
	assert_non_null(r->s);
	sched_tick(r->s, r->now);
	for (unsigned i = 0; i < SCHED_RIG_VMS; i++) {
		r->cost[i] = 200;
		r->bytes[i] = 64;
		r->backlog[i] = SCHED_RIG_ENDLESS;
	}
}

void sched_rig_open(struct sched_rig *r, enum sched_mode mode)
{
	sched_rig_open_at(r, mode, 12345);
}

uint64_t sched_rig_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static uint64_t erratic_packet(struct sched_rig *r, uint16_t vm)
{
	uint64_t cost = r->cost[vm];

	if (r->dear[vm] && r->sent[vm] / 50 % 2)
		cost = r->dear[vm];
	if (sched_rig_random(&r->seed) % 200 == 0)
		cost += sched_rig_random(&r->seed) % (2 * SLICE);
	return cost;
}

void sched_rig_open_erratic(struct sched_rig *r, uint64_t now)
{
	sched_rig_open_at(r, SCHED_MODE_TIME, now);
	r->packet = erratic_packet;
	for (unsigned i = 0; i < SCHED_RIG_VMS; i++)
		r->cost[i] = 200 + 150 * i;
}

void sched_rig_close(struct sched_rig *r)
{
	sched_destroy(r->s);
	r->s = NULL;
}

void sched_rig_add(struct sched_rig *r, uint16_t vm, uint16_t tenant, struct budget b)
{
	const struct budget plain = budget_default();

	assert_int_equal(budget_validate(&b, NULL), 0);
	sched_add_tenant(r->s, tenant, &plain);
	assert_int_equal(sched_add_vm(r->s, vm, tenant, &b), 0);
	sched_wake(r->s, vm, r->now);
}

struct budget sched_rig_budget(uint32_t weight, uint32_t guarantee_us, uint32_t burst_us)
{
	struct budget b = budget_default();

	b.weight = weight;
	b.guarantee_us = guarantee_us;
	b.burst_us = burst_us;
	return b;
}

/* One burst as a ring gives it, which stops after the packet that reaches a limit. */
static uint32_t take(struct sched_rig *r, uint16_t vm, uint64_t left, uint64_t *used)
{
	struct sched_limits l = sched_burst(r->s, vm, left);
	uint32_t n = 0;

	assert_true(l.packets >= 1 && l.packets <= COST_MAX_PACKETS && l.bytes >= 1 &&
		    l.descs >= 1);
	do {
		*used += r->packet ? r->packet(r, vm) : r->cost[vm];
		r->sent[vm]++;
		r->backlog[vm] -= r->backlog[vm] != SCHED_RIG_ENDLESS;
		n++;
	} while (r->backlog[vm] && n < l.packets && n * r->bytes[vm] < l.bytes && n < l.descs);
	return n;
}

void sched_rig_serve(struct sched_rig *r, const struct sched_grant *g, uint64_t gap)
{
	const uint16_t vm = g->vm;
	uint64_t used = gap;
	uint32_t packets = 0;

	do {
		packets += take(r, vm, used < g->slice_tsc ? g->slice_tsc - used : 0, &used);
	} while (r->backlog[vm] && used < g->slice_tsc &&
		 sched_fits(r->s, vm, g->slice_tsc - used));
	r->now += used;
	r->used[vm] += used;
	r->packets[vm] += packets;
	if (packets > r->longest[vm])
		r->longest[vm] = packets;
	if (used > SLICE + r->longest_overrun)
		r->longest_overrun = used - SLICE;
	sched_charge(r->s, vm, r->now,
		     &(struct use){.tsc = used,
				   .packets = packets,
				   .bytes = packets * r->bytes[vm],
				   .descs = packets},
		     r->backlog[vm] > 0);
}

struct sched_grant sched_rig_step(struct sched_rig *r, uint64_t used, uint32_t packets)
{
	struct sched_grant g;

	assert_true(sched_pick(r->s, r->now, &g));
	r->now += used;
	r->used[g.vm] += used;
	sched_charge(r->s, g.vm, r->now,
		     &(struct use){.tsc = used,
				   .packets = packets,
				   .bytes = packets * r->bytes[g.vm],
				   .descs = packets},
		     true);
	return g;
}

void sched_rig_run(struct sched_rig *r, uint64_t tsc)
{
	uint64_t start = r->now;
	struct sched_grant g;

	/* The clock may wrap. */
	while (r->now - start < tsc) {
		uint64_t left = tsc - (r->now - start), next;

		sched_tick(r->s, r->now);
		if (sched_pick(r->s, r->now, &g)) {
			sched_rig_serve(r, &g, 0);
			continue;
		}
		next = sched_next_tsc(r->s);
		if (next != UINT64_MAX && next - r->now < left)
			left = next - r->now;
		assert_true(left > 0);
		r->idle += left;
		r->now += left;
	}
}

void sched_rig_forget(struct sched_rig *r)
{
	memset(r->used, 0, sizeof(r->used));
	memset(r->packets, 0, sizeof(r->packets));
	memset(r->longest, 0, sizeof(r->longest));
	r->idle = 0;
}

struct sched_vm_stats sched_rig_stats(const struct sched_rig *r, uint16_t vm)
{
	struct sched_vm_stats st;

	sched_get_stats(r->s, vm, &st);
	return st;
}
