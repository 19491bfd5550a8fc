/* SPDX-License-Identifier: BSD-3-Clause */
/* Sleep of a worker that has nothing to do. */
#include "vswitch/sleep.h"

#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <rte_ring.h>

#include "vswitch/poll.h"
#include "vswitch/stage.h"
#include "vswitch/ingress.h"

#define MIN_SLEEP_US 50 /* going to sleep and waking up takes a good part of it */
#define MAX_SLEEP_MS 1000
#define WIRE_NAP_US  100
#define MAX_EVENTS   64

/* Enables kicks on all rings that are empty. A VM that has work and is not served is held back by a
 * limit. Its kicks stay disabled: waking up for them would be for nothing. Returns the time until
 * which there is nothing to do, UINT64_MAX if only a kick ends that, 0 when there is work. */
static uint64_t enable_kicks(struct worker *w)
{
	bool waiting = false;
	uint64_t next;

	for (uint16_t i = 0; i < w->n_polled; i++) {
		const struct polled *p = &w->polled[i];

		if (poll_ring(w, p))
			waiting = true;
		else if (virtq_kick_enable(p->tx, true))
			return 0;
	}
	next = sched_next_tsc(w->sched);
	return waiting && next == UINT64_MAX ? 0 : next;
}

/* Whether sleeping until then is worth it. */
static bool is_far(const struct worker *w, uint64_t tsc)
{
	return tsc == UINT64_MAX ||
	       (int64_t)(tsc - worker_now(w)) > (int64_t)(w->tsc_hz / 1000000 * MIN_SLEEP_US);
}

/* Some uplinks wake nobody up, so their worker looks at them after a nap. */
static uint64_t nap_until(const struct worker *w, uint64_t until)
{
	uint64_t nap = worker_now(w) + w->tsc_hz / 1000000 * WIRE_NAP_US;

	if (!ingress_is_quiet(w->wire))
		return 0;
	return w->wire->n_silent > 0 && nap < until ? nap : until;
}

/* Sleeps until a guest kicks, a message comes, or that time is reached; MAX_SLEEP_MS at most. */
static void wait_until(struct worker *w, uint64_t tsc)
{
	uint64_t most = w->tsc_hz / 1000 * MAX_SLEEP_MS, left = most, count;
	struct epoll_event events[MAX_EVENTS];
	struct timespec t;
	int n;

	if (tsc != UINT64_MAX && tsc - worker_now(w) < most)
		left = tsc - worker_now(w);
	t.tv_sec = (time_t)(left / w->tsc_hz);
	t.tv_nsec = (long)(left % w->tsc_hz * 1000000000 / w->tsc_hz);
	w->sleeps++;
	n = epoll_pwait2(w->epoll_fd, events, MAX_EVENTS, &t, NULL);
	for (int i = 0; i < n; i++)
		if (events[i].data.fd == w->wake_fd && read(w->wake_fd, &count, sizeof(count)) < 0)
			count = 0; /* it was read already */
}

void sleep_begin(struct worker *w)
{
	uint64_t until;

	if (!is_far(w, sched_next_tsc(w->sched)))
		return;
	w->kicks_enabled = true;
	atomic_store(&w->asleep, true);
	atomic_thread_fence(memory_order_seq_cst);
	until = enable_kicks(w);
	if (w->wire)
		until = nap_until(w, until);
	if (until != 0 && is_far(w, until) && rte_ring_empty(w->inbox) && rte_ring_empty(w->jobs) &&
	    w->n_unwatched == 0)
		wait_until(w, until);
	atomic_store(&w->asleep, false);
	stage_end_sys(w, SYSROW_IDLE);
}

void sleep_end(struct worker *w)
{
	if (!w->kicks_enabled)
		return;
	w->kicks_enabled = false;
	for (uint16_t i = 0; i < w->n_polled; i++)
		virtq_kick_enable(w->polled[i].tx, false);
}
