/* SPDX-License-Identifier: BSD-3-Clause */
/* Deficit round robin over CPU cycles: whoever comes round gets a quantum, by weight, on top of
 * what it has left or less what it owes, and is served in slices until that is used up. Bursts are
 * sized by the same learned cost as policy/sched.c's; services do not end early for want of room
 * for a packet, since what is left would be served packet by packet. */
#include "bench/sim/queued.h"

struct drr {
	struct queued queue;
	bool visited; /* the first in the queue has had its quantum */
	uint64_t quantum[SIM_MAX_VMS];
	int64_t deficit[SIM_MAX_VMS];
};

static void *open(const struct sim_workload *w)
{
	struct drr *d = queued_open(w, sizeof(*d));
	const double *share = d->queue.share;
	const uint64_t slice = SIM_SLICE;
	double least = 1;

	for (unsigned i = 0; i < w->n_vms; i++)
		least = share[i] < least ? share[i] : least;
	for (unsigned i = 0; i < w->n_vms; i++)
		d->quantum[i] = (uint64_t)((double)slice * share[i] / least);
	return d;
}

static void sleep(void *self, unsigned vm)
{
	struct drr *d = self;

	if (d->queue.n && d->queue.vm[0] == vm)
		d->visited = false;
	queued_sleep(&d->queue, vm);
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
		queued_requeue(&d->queue, vm);
		d->visited = false;
	}
	return false;
}

static unsigned burst(void *self, unsigned vm, uint64_t left_tsc)
{
	struct drr *d = self;

	return (unsigned)cost_limits(&d->queue.cost[vm], left_tsc).packets;
}

static void charge(void *self, unsigned vm, uint64_t now, uint64_t used, uint32_t packets)
{
	struct drr *d = self;

	(void)now;
	d->deficit[vm] -= (int64_t)used;
	queued_learn(&d->queue, vm, used, packets);
}

static const struct sim_ops ops = {
	.close = queued_close,
	.wake = queued_wake,
	.sleep = sleep,
	.pick = pick,
	.burst = burst,
	.charge = charge,
};

const struct sim_algo sim_drr = {
	.name = "deficit round robin",
	.text = "quanta of one slice for the least share, in proportion for the others",
	.open = open,
	.ops = &ops,
};
