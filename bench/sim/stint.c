/* SPDX-License-Identifier: BSD-3-Clause */
/* The switch's own scheduler, as it is. */
#include "bench/sim/sim.h"

#include <stdlib.h>

#include "policy/sched.h"

static void *open(const struct sim_workload *w)
{
	const struct sched_conf conf = {SIM_HZ, SIM_SLICE_US, SCHED_MODE_TIME};
	struct sched *s = sched_create(&conf);
	struct budget b = budget_default();

	if (!s)
		abort();
	for (unsigned i = 0; i < w->n_vms; i++) {
		uint16_t tenant = (uint16_t)w->vm[i].tenant;

		b = budget_default();
		sched_add_tenant(s, tenant, &b);
		b.weight = w->vm[i].weight;
		b.guarantee_us = w->vm[i].guarantee_us;
		sched_add_vm(s, (uint16_t)i, tenant, &b);
	}
	return s;
}

static void close(void *self)
{
	sched_destroy(self);
}

static void wake(void *self, unsigned vm, uint64_t now)
{
	sched_wake(self, (uint16_t)vm, now);
}

static void sleep(void *self, unsigned vm)
{
	sched_sleep(self, (uint16_t)vm);
}

static bool pick(void *self, uint64_t now, struct sim_grant *g)
{
	struct sched_grant real;

	sched_tick(self, now);
	if (!sched_pick(self, now, &real))
		return false;
	*g = (struct sim_grant){real.vm, real.slice_tsc};
	return true;
}

static unsigned burst(void *self, unsigned vm, uint64_t left_tsc)
{
	return sched_burst(self, (uint16_t)vm, left_tsc).packets;
}

static void charge(void *self, unsigned vm, uint64_t now, uint64_t used, uint32_t packets)
{
	sched_charge(self, (uint16_t)vm, now, used, packets, packets * 64, packets);
}

const struct sim_algo sim_stint = {
	.name = "Stint",
	.text = "policy/sched.c: guarantees first come first served, the rest by virtual time",
	.open = open,
	.close = close,
	.wake = wake,
	.sleep = sleep,
	.pick = pick,
	.burst = burst,
	.charge = charge,
};
