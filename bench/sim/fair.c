/* SPDX-License-Identifier: BSD-3-Clause */
/* Two schedulers by virtual time, flat, with guarantees made part of the shares. Bursts are sized
 * by the same learned cost as policy/sched.c's. Who sleeps keeps what it owes and nothing else.
 *
 * - Start-time fair queueing (Goyal, Vin and Cheng, 1996): who has used the least, in proportion to
 *   its share, goes first.
 * - Earliest eligible virtual deadline first (Stoica and Abdel-Wahab, 1995), as far as it applies
 * to services that cannot be interrupted: of those who have used no more than their share, whose
 * next slice would be due first. */
#include "bench/sim/queued.h"

struct fair {
	struct queued queue;
	bool by_deadline;
	double vtime;
	double start[SIM_MAX_VMS]; /* virtual time from which the next service counts */
};

static void *open_start(const struct sim_workload *w)
{
	return queued_open(w, sizeof(struct fair));
}

static void *open_deadline(const struct sim_workload *w)
{
	struct fair *f = open_start(w);

	f->by_deadline = true;
	return f;
}

static void wake(void *self, unsigned vm, uint64_t now)
{
	struct fair *f = self;

	if (f->start[vm] < f->vtime)
		f->start[vm] = f->vtime;
	queued_wake(&f->queue, vm, now);
}

static double deadline(const struct fair *f, unsigned vm)
{
	const uint64_t slice = SIM_SLICE;

	return f->start[vm] + (double)slice / f->queue.share[vm];
}

/* Rounding must not make the only one that is due ineligible. */
static bool is_eligible(const struct fair *f, unsigned vm)
{
	return f->start[vm] <= f->vtime + 1;
}

/* Whether `a` goes before `b`. */
static bool is_better(const struct fair *f, unsigned a, unsigned b)
{
	if (f->by_deadline && is_eligible(f, a) != is_eligible(f, b))
		return is_eligible(f, a);
	if (f->by_deadline && is_eligible(f, a))
		return deadline(f, a) < deadline(f, b);
	return f->start[a] < f->start[b];
}

static bool pick(void *self, uint64_t now, struct sim_grant *g)
{
	struct fair *f = self;
	unsigned best;

	(void)now;
	if (f->queue.n == 0)
		return false;
	best = f->queue.vm[0];
	for (unsigned i = 1; i < f->queue.n; i++)
		if (is_better(f, f->queue.vm[i], best))
			best = f->queue.vm[i];
	if (!f->by_deadline)
		f->vtime = f->start[best];
	*g = (struct sim_grant){best, SIM_SLICE};
	return true;
}

static void charge(void *self, unsigned vm, uint64_t now, uint64_t used, uint32_t packets)
{
	struct fair *f = self;
	double active = 0;

	(void)now;
	for (unsigned i = 0; i < f->queue.n; i++)
		active += f->queue.share[f->queue.vm[i]];
	if (f->by_deadline)
		f->vtime += (double)used / active;
	f->start[vm] += (double)used / f->queue.share[vm];
	queued_learn(&f->queue, vm, used, packets);
	queued_requeue(&f->queue, vm);
}

static const struct sim_ops ops = {
	.close = queued_close,
	.wake = wake,
	.sleep = queued_sleep,
	.pick = pick,
	.burst = queued_burst,
	.charge = charge,
};

const struct sim_algo sim_sfq = {
	.name = "start-time fair",
	.text = "start-time fair queueing of slices",
	.open = open_start,
	.ops = &ops,
};

const struct sim_algo sim_eevdf = {
	.name = "EEVDF",
	.text = "earliest eligible virtual deadline first, requests of one slice",
	.open = open_deadline,
	.ops = &ops,
};
