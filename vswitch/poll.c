/* SPDX-License-Identifier: BSD-3-Clause */
/* Looking for work in guests' transmit rings. */
#include "vswitch/poll.h"

#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "vswitch/rate_hold.h"
#include "vswitch/stage.h"

/* Rings that a busy worker looks at per interval, round robin. Each ring's index is a cache line
 * that comes from the guest's core: looking at all of 64 rings took up to a fifth of the worker's
 * time. */
#define RINGS_PER_INTERVAL 16

bool poll_ring(struct worker *w, const struct polled *p)
{
	if (virtq_pending(p->tx) == 0)
		return false;
	sched_wake(w->sched, p->vm, worker_now(w));
	if (unlikely(w->n_rate_held > 0))
		rate_release_ready(w, p->vm);
	return true;
}

void poll_guaranteed(struct worker *w)
{
	for (uint16_t i = 0; i < w->n_guaranteed; i++)
		poll_ring(w, &w->guaranteed[i]);
}

/* Looks at the next n rings, round robin. */
static void poll_next(struct worker *w, uint16_t n)
{
	for (; n > 0; n--) {
		if (w->next_polled >= w->n_polled)
			w->next_polled = 0;
		poll_ring(w, &w->polled[w->next_polled++]);
	}
}

/* Rings of VMs with a guarantee are looked at every time, since the bound on their wait counts from
 * here. When no VM is known to have work after that, all other rings are looked at too: no worker
 * idles before it saw every ring. */
void poll_rings(struct worker *w, uint64_t interval_tsc)
{
	uint64_t intervals = (worker_now(w) - w->polled_tsc) / interval_tsc;
	uint64_t due = RINGS_PER_INTERVAL * RTE_MAX(intervals, 1UL);
	uint16_t some = (uint16_t)RTE_MIN(w->n_polled, due);
	struct sched_grant g;

	poll_next(w, some);
	if (some == w->n_polled)
		return;
	poll_guaranteed(w);
	if (!sched_pick(w->sched, worker_now(w), &g))
		poll_next(w, w->n_polled - some);
}
