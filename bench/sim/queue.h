/* SPDX-License-Identifier: BSD-3-Clause */
/* A queue of VMs, for the schedulers that go round. Each VM is in it once at most. */
#ifndef BENCH_SIM_QUEUE_H
#define BENCH_SIM_QUEUE_H

#include <string.h>

#include "bench/sim/sim.h"

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

#endif
