/* SPDX-License-Identifier: BSD-3-Clause */
/* Backlogs: the one way to say "later". Each worker has one for each VM, of jobs (vswitch/job.h)
 * that the VM pays for in its next services there.
 *
 * A job is put there by the VM's own worker: into its own backlog when a service has no time for
 * it, into another worker's when that one serves the receiver. A VM's share of each backlog bounds
 * it: whoever is over it loses its own packets. */
#ifndef VSWITCH_BACKLOG_H
#define VSWITCH_BACKLOG_H

#include <stdint.h>

#include "vswitch/job.h"
#include "vswitch/worker.h"

/* Puts a job into the backlog of its VM at worker `to`, from this worker. False when the VM's share
 * is used up; the packet stays the caller's then. [worker] */
bool backlog_put(struct worker *to, const struct worker *from, struct job *job);

/* The same with a reference of the job's own to packet m, of buffers from `pool` where it has to be
 * copied. Returns DROP_COUNT, or why there is no such job. [worker] */
enum drop_reason backlog_put_pkt(struct worker *to, const struct worker *from, struct job *job,
				 struct rte_mbuf *m, struct rte_mempool *pool);

/* Takes in jobs that other workers put here, at most `max`. Returns how many. [worker] */
unsigned backlog_accept(struct worker *w, unsigned max);

static inline struct job *backlog_at(struct backlog *b, uint16_t i)
{
	return &b->at[(b->first + i) % BACKLOG_SHARE];
}

/* Lets go of the packets of a VM's first `n` jobs, which are done. [worker] */
void backlog_pop(struct worker *w, uint16_t vm, uint16_t n);

#endif
