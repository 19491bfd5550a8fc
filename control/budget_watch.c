/* SPDX-License-Identifier: BSD-3-Clause */
/* Notices VMs that stay over their budgets. */
#include "control/budget_watch.h"

#include <rte_cycles.h>

/* VMs whose counters are copied at once: between two services a worker does little else. */
#define PER_CALL 16

struct copy {
	unsigned n;
	struct vm *vm[PER_CALL];
};

static void copy_stats(struct worker *w, void *arg)
{
	const struct copy *c = arg;

	for (unsigned i = 0; i < c->n; i++)
		sched_get_stats(w->sched, c->vm[i]->id, &c->vm[i]->watch.seen);
}

static void look_at(struct vswitch *sw, struct worker *w)
{
	struct copy c = {0};
	struct vm *vm;

	TAILQ_FOREACH (vm, &sw->vms, link) {
		if (vm->worker != w)
			continue;
		c.vm[c.n++] = vm;
		if (c.n < PER_CALL)
			continue;
		worker_call(w, copy_stats, &c);
		c.n = 0;
	}
	if (c.n)
		worker_call(w, copy_stats, &c);
}

void budget_watch(struct vswitch *sw, void (*tell)(void *ctx, const struct vm *vm), void *ctx)
{
	uint64_t now = rte_rdtsc(), passed = now - sw->watched_tsc;
	struct vm *vm;

	sw->watched_tsc = now;
	/* One that sleeps now may have worked until a moment ago, so it is woken up and asked. */
	for (unsigned i = 0; i < sw->n_workers; i++)
		look_at(sw, sw->worker[i]);
	TAILQ_FOREACH (vm, &sw->vms, link)
		if (watch_look(&vm->watch, &vm->budget, sw->sched.mode, passed))
			tell(ctx, vm);
}
