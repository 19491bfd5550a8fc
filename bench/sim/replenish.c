/* SPDX-License-Identifier: BSD-3-Clause */
/* Replenished budgets, as Virtuoso has them (arXiv 2309.14016): every 100 us each VM, busy or not,
 * gets its part of 94 % of the time that passed, up to a cap of 100 us; debt has no floor. VMs with
 * a positive balance are served in turn; when none of them has work the others are, uncharged. The
 * replenisher is taken to be always in time. Once with batches of 16 packets, and once with bursts
 * sized by the same learned cost as policy/sched.c's, to tell the two ideas apart. */
#include "bench/sim/queue.h"

#include <stdlib.h>

#define PERIOD (100 * SIM_US)
#define CAP    ((int64_t)(100 * SIM_US))
#define BOOST  0.94
#define BATCH  16

struct replenish {
	struct vm_queue queue; /* those with work, in turn */
	unsigned n_vms;
	bool funded; /* the service in progress is charged */
	uint64_t refilled;
	double share[SIM_MAX_VMS];
	int64_t balance[SIM_MAX_VMS];
	struct cost cost[SIM_MAX_VMS];
};

static void *open(const struct sim_workload *w)
{
	struct replenish *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	r->n_vms = w->n_vms;
	for (unsigned i = 0; i < w->n_vms; i++) {
		r->share[i] = sim_share(w, i);
		r->balance[i] = CAP;
		cost_reset(&r->cost[i]);
	}
	return r;
}

static void close(void *self)
{
	free(self);
}

static void wake(void *self, unsigned vm, uint64_t now)
{
	struct replenish *r = self;

	(void)now;
	vm_queue_push(&r->queue, vm);
}

static void sleep(void *self, unsigned vm)
{
	struct replenish *r = self;

	vm_queue_remove(&r->queue, vm);
}

static void refill(struct replenish *r, uint64_t now)
{
	double total = BOOST * (double)(now - r->refilled);

	if (now - r->refilled < PERIOD)
		return;
	r->refilled = now;
	for (unsigned i = 0; i < r->n_vms; i++) {
		r->balance[i] += (int64_t)(total * r->share[i]);
		if (r->balance[i] > CAP)
			r->balance[i] = CAP;
	}
}

static bool pick_vm(struct replenish *r, uint64_t now, unsigned *vm)
{
	refill(r, now);
	if (r->queue.n == 0)
		return false;
	*vm = r->queue.vm[0];
	r->funded = false;
	for (unsigned i = 0; i < r->queue.n && !r->funded; i++) {
		if (r->balance[r->queue.vm[i]] <= 0)
			continue;
		*vm = r->queue.vm[i];
		r->funded = true;
	}
	return true;
}

/* One batch, whatever it costs. */
static bool pick_batch(void *self, uint64_t now, struct sim_grant *g)
{
	g->slice_tsc = 1;
	return pick_vm(self, now, &g->vm);
}

static bool pick_slice(void *self, uint64_t now, struct sim_grant *g)
{
	g->slice_tsc = SIM_SLICE;
	return pick_vm(self, now, &g->vm);
}

static unsigned burst_batch(void *self, unsigned vm, uint64_t left_tsc)
{
	(void)self;
	(void)vm;
	(void)left_tsc;
	return BATCH;
}

static unsigned burst_sized(void *self, unsigned vm, uint64_t left_tsc)
{
	struct replenish *r = self;

	return sized_burst(&r->cost[vm], left_tsc);
}

static void charge(void *self, unsigned vm, uint64_t now, uint64_t used, uint32_t packets)
{
	struct replenish *r = self;

	(void)now;
	if (r->funded)
		r->balance[vm] -= (int64_t)used;
	cost_learn(&r->cost[vm], used, packets, packets * 64, packets);
	vm_queue_remove(&r->queue, vm);
	vm_queue_push(&r->queue, vm);
}

const struct sim_algo sim_replenish = {
	.name = "replenished",
	.text = "budgets refilled every 100 us, batches of 16 packets",
	.open = open,
	.close = close,
	.wake = wake,
	.sleep = sleep,
	.pick = pick_batch,
	.burst = burst_batch,
	.charge = charge,
};

const struct sim_algo sim_replenish_sized = {
	.name = "replenished, sized",
	.text = "budgets refilled every 100 us, bursts sized by learned cost",
	.open = open,
	.close = close,
	.wake = wake,
	.sleep = sleep,
	.pick = pick_slice,
	.burst = burst_sized,
	.charge = charge,
};
