/* SPDX-License-Identifier: BSD-3-Clause */
/* Backlogs. Each worker has one ring for jobs from all others, and sorts them by VM when it takes
 * them in. */
#include "vswitch/backlog.h"

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "pkt/pkt.h"
#include "vswitch/rate_hold.h"

static void append(struct worker *w, const struct job *job)
{
	struct backlog *b = &w->backlog[job->vm];

	*backlog_at(b, b->n++) = *job;
}

/* The job's part of its VM's share. It does not change: the packet is the job's own. */
static uint32_t share_of(const struct job *job)
{
	return 1 + job->m->nb_segs / BACKLOG_BUFFERS_PER_JOB;
}

/* Only the VM's own worker writes `put`, and only the backlog's worker writes `done`. The
 * difference is the part of the share that is on its way or waiting. */
bool backlog_put(struct worker *to, const struct worker *from, struct job *job)
{
	_Atomic uint32_t *put = &to->jobs_put[job->vm];
	uint32_t n = atomic_load_explicit(put, memory_order_relaxed);
	uint32_t done = atomic_load_explicit(&to->jobs_done[job->vm], memory_order_acquire);
	uint32_t share = share_of(job);

	if (n - done + share > BACKLOG_SHARE)
		return false;
	if (to == from)
		append(to, job);
	else if (rte_ring_enqueue_elem(to->jobs, job, sizeof(*job)) < 0)
		return false;
	atomic_store_explicit(put, n + share, memory_order_relaxed);
	return true;
}

enum drop_reason backlog_put_pkt(struct worker *to, const struct worker *from, struct job *job,
				 struct rte_mbuf *m, struct rte_mempool *pool)
{
	job->m = pkt_own(m, pool);
	if (!job->m)
		return DROP_NO_BUFFER;
	if (backlog_put(to, from, job))
		return DROP_COUNT;
	pkt_free(job->m);
	return DROP_HANDOFF_FULL;
}

unsigned backlog_accept(struct worker *w, unsigned max)
{
	struct job job;
	unsigned n = 0;

	for (; n < max && rte_ring_dequeue_elem(w->jobs, &job, sizeof(job)) == 0; n++) {
		append(w, &job);
		sched_wake(w->sched, job.vm, w->ledger.last_tsc);
		if (unlikely(w->n_rate_held > 0))
			rate_release(w, job.vm);
	}
	return n;
}

void backlog_pop(struct worker *w, uint16_t vm, uint16_t n)
{
	_Atomic uint32_t *done = &w->jobs_done[vm];
	struct backlog *b = &w->backlog[vm];
	uint32_t share = 0;

	for (uint16_t i = 0; i < n; i++) {
		share += share_of(backlog_at(b, i));
		pkt_free(backlog_at(b, i)->m);
	}
	b->first = (b->first + n) % BACKLOG_SHARE;
	b->n -= n;
	atomic_store_explicit(done, atomic_load_explicit(done, memory_order_relaxed) + share,
			      memory_order_release);
}
