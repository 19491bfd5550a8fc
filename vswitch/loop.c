/* SPDX-License-Identifier: BSD-3-Clause */
/* The loop.
 *
 * A packet's way: guest's transmit ring -> batch (vswitch/service.c) -> decided (forward_resolve)
 * -> outboxes -> receivers' rings (forward_commit). A batch belongs to one VM from its first stage
 * to its last. A stage ends where the clock is read, and the next begins there, so each stretch of
 * time is billed to one row of the ledger. */
#include "vswitch/loop.h"

#include <limits.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "ring/guest_fd.h"
#include "vswitch/backlog.h"
#include "vswitch/poll.h"
#include "vswitch/service.h"
#include "vswitch/sleep.h"
#include "vswitch/stage.h"
#include "vswitch/ingress.h"

#define MESSAGES_PER_TURN 8
#define JOBS_PER_TURN     64

/* Services run for this long before rings are polled again, so that a VM that wakes up is seen
 * soon. Polling costs time per port, so it is not done after every service. */
#define POLL_INTERVAL_US 5

#define IDLE_SPIN_US 50

/* Runs control's messages and the scheduler's timers. */
static bool control_stage(struct worker *w)
{
	bool did = worker_take_messages(w, MESSAGES_PER_TURN) > 0;

	sched_tick(w->sched, worker_now(w));
	stage_end_sys(w, SYSROW_CONTROL);
	return did;
}

/* Finds out which VMs have work: in guests' rings, or in jobs from other workers. */
static bool poll_stage(struct worker *w, uint64_t interval_tsc)
{
	bool did;

	poll_rings(w, interval_tsc);
	did = backlog_accept(w, JOBS_PER_TURN) > 0;
	w->polled_tsc = worker_now(w);
	stage_end_sys(w, SYSROW_POLL);
	return did;
}

/* Serves VMs in the scheduler's order until it is time to poll rings again. */
static bool serve_stage(struct worker *w, uint64_t interval_tsc)
{
	struct sched_grant g;
	bool did = false;

	while (sched_pick(w->sched, worker_now(w), &g)) {
		stage_end_sys(w, SYSROW_SCHED);
		serve(w, &g);
		did = true;
		if (worker_now(w) - w->polled_tsc > interval_tsc)
			break;
	}
	return did;
}

bool loop_turn(struct worker *w)
{
	uint64_t interval_tsc = w->tsc_hz / 1000000 * POLL_INTERVAL_US;
	uint64_t start = worker_now(w);
	bool busy;

	w->turns++;
	w->now_s = (uint32_t)(start / w->tsc_hz);
	busy = control_stage(w);
	busy |= poll_stage(w, interval_tsc);
	if (unlikely(w->wire)) {
		busy |= ingress_accept(w);
		/* What was taken in is no part of the time that services may take. */
		w->polled_tsc = worker_now(w);
	}
	busy |= serve_stage(w, interval_tsc);
	if (busy) {
		w->busy_turns++;
		w->busy_cycles += worker_now(w) - start;
	}
	return busy;
}

int loop_main(void *worker)
{
	struct worker *w = worker;
	uint64_t spin_tsc = w->tsc_hz / 1000000 * IDLE_SPIN_US;
	int rc = guest_fd_warm();

	if (rc < 0)
		log_warn("worker %u: cannot notify guests yet: %s", w->index, strerror(-rc));
	atomic_store(&w->tid, gettid());
	rc = page_faults_open(&w->deadline.faults);
	if (rc < 0)
		log_warn("worker %u: cannot see page faults, so guests' memory that is not there "
			 "holds a service up for longer: perf_event_open: %s",
			 w->index, strerror(-rc));
	/* Removes the timer slack of 50 us: a sleep until a limit's time ends then, and not
	 * later. */
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		bool did = loop_turn(w);

		sleep_end(w);
		if (did)
			w->busy_tsc = worker_now(w);
		else if (worker_now(w) - w->busy_tsc > spin_tsc)
			sleep_begin(w);
	}
	atomic_store(&w->running, false);
	while (worker_take_messages(w, UINT_MAX) > 0)
		continue;
	page_faults_close(&w->deadline.faults);
	atomic_store(&w->ended, true);
	return 0;
}
