/* SPDX-License-Identifier: BSD-3-Clause */
/* What the schedulers that keep VMs with work in a queue have in common: that queue, each VM's
 * share, and its learned cost, by which bursts are sized as policy/sched.c does it. A scheduler's
 * own state begins with it. */
#ifndef BENCH_SIM_QUEUED_H
#define BENCH_SIM_QUEUED_H

#include <stddef.h>

#include "bench/sim/sim.h"
#include "policy/cost.h"

struct queued {
	unsigned n;
	unsigned vm[SIM_MAX_VMS]; /* in turn, each once at most */
	double share[SIM_MAX_VMS];
	struct cost cost[SIM_MAX_VMS];
};

/* Zeroed state of `size` bytes, with the shares filled in; aborts when memory is short. */
void *queued_open(const struct sim_workload *w, size_t size);

/* Operations of struct sim_ops, for schedulers that do nothing else there. */
void queued_close(void *self);
void queued_wake(void *self, unsigned vm, uint64_t now);
void queued_sleep(void *self, unsigned vm);
unsigned queued_burst(void *self, unsigned vm, uint64_t left_tsc);

/* The VM goes to the end. */
void queued_requeue(struct queued *q, unsigned vm);

/* What a service tells of the VM's cost. */
void queued_learn(struct queued *q, unsigned vm, uint64_t used, uint32_t packets);

#endif
