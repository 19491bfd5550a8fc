/* SPDX-License-Identifier: BSD-3-Clause */
/* Deficit round robin over CPU cycles: whoever comes round gets a quantum, by weight, on top of
 * what it has left or less what it owes, and is served in slices until that is used up. Bursts are
 * sized by the same learned cost as policy/sched.c's; services do not end early for want of room
 * for a packet, since what is left would be served packet by packet. */
#include "bench/sim/queue.h"

#include <stdlib.h>

struct drr {
	struct vm_queue queue;
	bool visited; /* the first in the queue has had its quantum */
	uint64_t quantum[SIM_MAX_VMS];
	int64_t deficit[SIM_MAX_VMS];
	struct cost cost[SIM_MAX_VMS];
};

static void *open(const struct sim_workload *w)
{
	struct drr *d = calloc(1, sizeof(*d));
	const uint64_t slice = SIM_SLICE;
	double least = 1;

	if (!d)
		abort();
	for (unsigned i = 0; i < w->n_vms; i++)
		least = sim_share(w, i) < least ? sim_share(w, i) : least;
	for (unsigned i = 0; i < w->n_vms; i++) {
		d->quantum[i] = (uint64_t)((double)slice * sim_share(w, i) / least);
		cost_reset(&d->cost[i]);
	}
	return d;
}

static void close(void *self)
{
	free(self);
}

static void wake(void *self, unsigned vm, uint64_t now)
{
	struct drr *d = self;

	(void)now;
	vm_queue_push(&d->queue, vm);
}

static void sleep(void *self, unsigned vm)
{
	struct drr *d = self;

	if (d->queue.n && d->queue.vm[0] == vm)
		d->visited = false;
	vm_queue_remove(&d->queue, vm);
	if (d->deficit[vm] > 0)
		d->deficit[vm] = 0;
}

static bool pick(void *self, uint64_t now, struct sim_grant *g)
{
	struct drr *d = self;

	(void)now;
	while (d->queue.n) {
		unsigned vm = d->queue.vm[0];

		if (!d->visited)
			d->deficit[vm] += (int64_t)d->quantum[vm];
		d->visited = true;
		if (d->deficit[vm] > 0) {
			uint64_t left = (uint64_t)d->deficit[vm];

			*g = (struct sim_grant){vm, left < SIM_SLICE ? left : SIM_SLICE};
			return true;
		}
		vm_queue_remove(&d->queue, vm);
		vm_queue_push(&d->queue, vm);
		d->visited = false;
	}
	return false;
}

static unsigned burst(void *self, unsigned vm, uint64_t left_tsc)
{
	struct drr *d = self;

	return (unsigned)cost_limits(&d->cost[vm], left_tsc).packets;
}

static void charge(void *self, unsigned vm, uint64_t now, uint64_t used, uint32_t packets)
{
	struct drr *d = self;

	(void)now;
	d->deficit[vm] -= (int64_t)used;
	cost_learn(&d->cost[vm], used, packets, packets * 64, packets);
}

const struct sim_algo sim_drr = {
	.name = "deficit round robin",
	.text = "quanta of one slice for the least share, in proportion for the others",
	.open = open,
	.close = close,
	.wake = wake,
	.sleep = sleep,
	.pick = pick,
	.burst = burst,
	.charge = charge,
};
