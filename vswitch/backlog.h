/* SPDX-License-Identifier: BSD-3-Clause */
/* Backlogs: queues of forwarding work for later. Each worker has one per VM, of jobs
 * (vswitch/job.h) that the VM pays for in its next services there.
 *
 * Only the VM's own worker puts jobs in: into its own backlog when a service runs out of time, into
 * another worker's when that one serves the receiver. A VM has a share of BACKLOG_SHARE jobs with
 * each worker; beyond that it loses its own packets, and no other VM does. */
#ifndef VSWITCH_BACKLOG_H
#define VSWITCH_BACKLOG_H

#include <stdint.h>

#include "vswitch/job.h"
#include "vswitch/worker.h"

/* A job of a port's sender for a port, for a flood or a host its own, that has no packet yet.
 * [worker] */
static inline struct job backlog_job(enum job_kind kind, const struct vport *from,
				     const struct vport *to, uint16_t pair)
{
	return (struct job){
		.kind = kind,
		.to = to->id,
		.to_epoch = atomic_load_explicit(&to->epoch, memory_order_acquire),
		.from = from->id,
		.from_epoch = from->first_epoch,
		.vm = from->vm,
		.pair = (uint8_t)pair,
	};
}

/* Puts a job from worker `from` into its VM's backlog at worker `to`. False when the VM's share is
 * used up, or the ring to that worker is full; the packet stays the caller's then. [worker] */
bool backlog_put(struct worker *to, const struct worker *from, struct job *job);

/* The same, with a reference of the job's own to packet m: a copy in buffers from `pool` where m is
 * lent. Returns DROP_COUNT, or the reason why there is no job. [worker] */
enum drop_reason backlog_put_pkt(struct worker *to, const struct worker *from, struct job *job,
				 struct rte_mbuf *m, struct rte_mempool *pool);

/* Takes in at most `max` jobs that other workers put here. Returns how many. [worker] */
unsigned backlog_accept(struct worker *w, unsigned max);

static inline struct job *backlog_at(struct backlog *b, uint16_t i)
{
	return &b->at[(b->first + i) % BACKLOG_SHARE];
}

/* Removes a VM's first `n` jobs, which are done, and frees their packets. [worker] */
void backlog_pop(struct worker *w, uint16_t vm, uint16_t n);

#endif
