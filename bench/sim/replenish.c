/* SPDX-License-Identifier: BSD-3-Clause */
/* Replenished budgets, as Virtuoso has them (arXiv 2309.14016): every 100 us each VM, busy or not,
 * gets its part of 94 % of the time that passed, up to a cap of 100 us; debt has no floor. VMs with
 * a positive balance are served in turn; when none of them has work the others are, uncharged. The
 * replenisher is taken to be always in time. Once with batches of 16 packets, and once with bursts
 * sized by the same learned cost as policy/sched.c's, to tell the two ideas apart. */
#include "bench/sim/queued.h"

#define PERIOD (100 * SIM_US)
#define CAP    ((int64_t)(100 * SIM_US))
#define BOOST  0.94
#define BATCH  16

struct replenish {
	struct queued queue;
	unsigned n_vms;
	bool sized;  /* bursts are, by learned cost */
	bool funded; /* the service in progress is charged */
	uint64_t refilled;
	int64_t balance[SIM_MAX_VMS];
};

static void *open_batch(const struct sim_workload *w)
{
	struct replenish *r = queued_open(w, sizeof(*r));

	r->n_vms = w->n_vms;
	for (unsigned i = 0; i < w->n_vms; i++)
		r->balance[i] = CAP;
	return r;
}

static void *open_sized(const struct sim_workload *w)
{
	struct replenish *r = open_batch(w);

	r->sized = true;
	return r;
}

static void refill(struct replenish *r, uint64_t now)
{
	double total = BOOST * (double)(now - r->refilled);

	if (now - r->refilled < PERIOD)
		return;
	r->refilled = now;
	for (unsigned i = 0; i < r->n_vms; i++) {
		r->balance[i] += (int64_t)(total * r->queue.share[i]);
		if (r->balance[i] > CAP)
			r->balance[i] = CAP;
	}
}

static bool pick(void *self, uint64_t now, struct sim_grant *g)
{
	struct replenish *r = self;

	refill(r, now);
	if (r->queue.n == 0)
		return false;
	g->vm = r->queue.vm[0];
	g->slice_tsc = r->sized ? SIM_SLICE : 1; /* one batch, whatever it costs */
	r->funded = false;
	for (unsigned i = 0; i < r->queue.n && !r->funded; i++) {
		if (r->balance[r->queue.vm[i]] <= 0)
			continue;
		g->vm = r->queue.vm[i];
		r->funded = true;
	}
	return true;
}

static unsigned burst(void *self, unsigned vm, uint64_t left_tsc)
{
	struct replenish *r = self;

	return r->sized ? queued_burst(&r->queue, vm, left_tsc) : BATCH;
}

static void charge(void *self, unsigned vm, uint64_t now, uint64_t used, uint32_t packets)
{
	struct replenish *r = self;

	(void)now;
	if (r->funded)
		r->balance[vm] -= (int64_t)used;
	queued_learn(&r->queue, vm, used, packets);
	queued_requeue(&r->queue, vm);
}

static const struct sim_ops ops = {
	.close = queued_close,
	.wake = queued_wake,
	.sleep = queued_sleep,
	.pick = pick,
	.burst = burst,
	.charge = charge,
};

const struct sim_algo sim_replenish = {
	.name = "replenished",
	.text = "budgets refilled every 100 us, batches of 16 packets",
	.open = open_batch,
	.ops = &ops,
};

const struct sim_algo sim_replenish_sized = {
	.name = "replenished, sized",
	.text = "budgets refilled every 100 us, bursts sized by learned cost",
	.open = open_sized,
	.ops = &ops,
};
