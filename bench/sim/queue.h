/* SPDX-License-Identifier: BSD-3-Clause */
/* What several schedulers have in common: a queue of VMs, each in it once at most, and bursts sized
 * by learned cost as policy/sched.c does it. */
#ifndef BENCH_SIM_QUEUE_H
#define BENCH_SIM_QUEUE_H

#include <string.h>

#include "bench/sim/sim.h"
#include "policy/cost.h"

struct vm_queue {
	unsigned n;
	unsigned vm[SIM_MAX_VMS];
};

static inline void vm_queue_push(struct vm_queue *q, unsigned vm)
{
	q->vm[q->n++] = vm;
}

static inline void vm_queue_remove(struct vm_queue *q, unsigned vm)
{
	for (unsigned i = 0; i < q->n; i++) {
		if (q->vm[i] != vm)
			continue;
		q->n--;
		memmove(&q->vm[i], &q->vm[i + 1], (q->n - i) * sizeof(q->vm[0]));
		return;
	}
}

static inline unsigned sized_burst(const struct cost *c, uint64_t left_tsc)
{
	return cost_fits(c, left_tsc) ? (unsigned)cost_limits(c, left_tsc).packets : 0;
}

#endif
