/* SPDX-License-Identifier: BSD-3-Clause */
/* The switch's own scheduler, as it is. */
#include "bench/sim/sim.h"

#include <stdlib.h>

#include "policy/sched.h"

/* As vswitch/loop.c has it. */
#define BURSTS_PER_SLICE 5

struct stint {
	struct sched *sched;
	bool has_guarantees;
	bool funded; /* the service in progress */
};

static void *open(const struct sim_workload *w)
{
	const struct sched_conf conf = {SIM_HZ, SIM_SLICE_US, SCHED_MODE_TIME};
	struct stint *self = calloc(1, sizeof(*self));
	struct sched *s = sched_create(&conf);
	struct budget b = budget_default();

	if (!self || !s)
		abort();
	self->sched = s;
	for (unsigned i = 0; i < w->n_vms; i++) {
		uint16_t tenant = (uint16_t)w->vm[i].tenant;

		b = budget_default();
		sched_add_tenant(s, tenant, &b);
		b.weight = w->vm[i].weight;
		b.guarantee_us = w->vm[i].guarantee_us;
		self->has_guarantees |= b.guarantee_us > 0;
		sched_add_vm(s, (uint16_t)i, tenant, &b);
	}
	return self;
}

static void close(void *self)
{
	struct stint *s = self;

	sched_destroy(s->sched);
	free(s);
}

static void wake(void *self, unsigned vm, uint64_t now)
{
	struct stint *s = self;

	sched_wake(s->sched, (uint16_t)vm, now);
}

static void sleep(void *self, unsigned vm)
{
	struct stint *s = self;

	sched_sleep(s->sched, (uint16_t)vm);
}

static bool pick(void *self, uint64_t now, struct sim_grant *g)
{
	struct stint *s = self;
	struct sched_grant real;

	sched_tick(s->sched, now);
	if (!sched_pick(s->sched, now, &real))
		return false;
	s->funded = real.funded;
	*g = (struct sim_grant){real.vm, real.slice_tsc};
	return true;
}

static unsigned burst(void *self, unsigned vm, uint64_t left_tsc)
{
	struct stint *s = self;

	if (!sched_fits(s->sched, (uint16_t)vm, left_tsc))
		return 0;
	if (s->has_guarantees && !s->funded && left_tsc > SIM_SLICE / BURSTS_PER_SLICE)
		left_tsc = SIM_SLICE / BURSTS_PER_SLICE;
	return (unsigned)sched_burst(s->sched, (uint16_t)vm, left_tsc).packets;
}

static bool yields(void *self)
{
	struct stint *s = self;

	return !s->funded && sched_funded_waits(s->sched);
}

static void charge(void *self, unsigned vm, uint64_t now, uint64_t used, uint32_t packets)
{
	struct stint *s = self;

	sched_charge(
		s->sched, (uint16_t)vm, now,
		&(struct use){
			.tsc = used, .packets = packets, .bytes = packets * 64, .descs = packets},
		true);
}

static const struct sim_ops ops = {
	.close = close,
	.wake = wake,
	.sleep = sleep,
	.pick = pick,
	.burst = burst,
	.yields = yields,
	.charge = charge,
};

const struct sim_algo sim_stint = {
	.name = "Stint",
	.text = "policy/sched.c: guarantees first come first served, the rest by virtual time",
	.open = open,
	.ops = &ops,
};
