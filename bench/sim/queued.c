/* SPDX-License-Identifier: BSD-3-Clause */
/* What the schedulers that keep VMs with work in a queue have in common. */
#include "bench/sim/queued.h"

#include <stdlib.h>
#include <string.h>

void *queued_open(const struct sim_workload *w, size_t size)
{
	struct queued *q = calloc(1, size);

	if (!q)
		abort();
	for (unsigned i = 0; i < w->n_vms; i++) {
		q->share[i] = sim_share(w, i);
		cost_reset(&q->cost[i]);
	}
	return q;
}

void queued_close(void *self)
{
	free(self);
}

void queued_wake(void *self, unsigned vm, uint64_t now)
{
	struct queued *q = self;

	(void)now;
	q->vm[q->n++] = vm;
}

void queued_sleep(void *self, unsigned vm)
{
	struct queued *q = self;

	for (unsigned i = 0; i < q->n; i++) {
		if (q->vm[i] != vm)
			continue;
		q->n--;
		memmove(&q->vm[i], &q->vm[i + 1], (q->n - i) * sizeof(q->vm[0]));
		return;
	}
}

void queued_requeue(struct queued *q, unsigned vm)
{
	queued_sleep(q, vm);
	q->vm[q->n++] = vm;
}

unsigned queued_burst(void *self, unsigned vm, uint64_t left_tsc)
{
	const struct queued *q = self;

	return cost_fits(&q->cost[vm], left_tsc)
		       ? (unsigned)cost_limits(&q->cost[vm], left_tsc).packets
		       : 0;
}

void queued_learn(struct queued *q, unsigned vm, uint64_t used, uint32_t packets)
{
	cost_learn(&q->cost[vm], used, packets, packets * 64, packets);
}
