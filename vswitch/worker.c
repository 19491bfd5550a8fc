/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker.
 *
 * All its tables are allocated at creation and sized by limits.h. What its thread does is in
 * vswitch/loop.c. */
#include "vswitch/worker.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_pause.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "base/preempt.h"
#include "vhost/net_lent.h"
#include "vswitch/batch.h"
#include "vswitch/job.h"

#define INBOX_SIZE 256
#define JOBS_SIZE  4096

struct worker_message {
	void (*fn)(struct worker *w, void *arg);
	void *arg;
	_Atomic bool done;
};

static uint64_t read_tsc(void)
{
	return rte_rdtsc();
}

static bool never(void)
{
	return false;
}

static bool create_rings(struct worker *w)
{
	char name[32];

	snprintf(name, sizeof(name), "inbox%u", w->index);
	w->inbox = rte_ring_create(name, INBOX_SIZE, SOCKET_ID_ANY, RING_F_SC_DEQ);
	snprintf(name, sizeof(name), "jobs%u", w->index);
	w->jobs = rte_ring_create_elem(name, sizeof(struct job), JOBS_SIZE, SOCKET_ID_ANY,
				       RING_F_SC_DEQ);
	return w->inbox && w->jobs;
}

static bool create_tables(struct worker *w)
{
	w->counters = calloc(MAX_PORTS, sizeof(*w->counters));
	w->service = calloc(MAX_VMS, sizeof(*w->service));
	w->backlog = calloc(MAX_VMS, sizeof(*w->backlog));
	w->polled = calloc(MAX_RINGS, sizeof(*w->polled));
	w->guaranteed = calloc(MAX_RINGS, sizeof(*w->guaranteed));
	w->batch = calloc(1, sizeof(*w->batch));
	w->lent = net_lent_create();
	w->job_batch = calloc(1, sizeof(*w->job_batch));
	w->outbox = calloc(MAX_PORTS, sizeof(*w->outbox));
	w->outbox_of = calloc(MAX_PORTS, sizeof(*w->outbox_of));
	w->jobs_put = calloc(MAX_VMS, sizeof(*w->jobs_put));
	w->jobs_done = calloc(MAX_VMS, sizeof(*w->jobs_done));
	for (unsigned i = 0; w->service && i < MAX_VMS; i++)
		TAILQ_INIT(&w->service[i].sources);
	return w->counters && w->service && w->backlog && w->polled && w->guaranteed && w->batch &&
	       w->lent && w->job_batch && w->outbox && w->outbox_of && w->jobs_put && w->jobs_done;
}

static bool create_fds(struct worker *w)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = -1};

	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	ev.data.fd = w->wake_fd;
	return w->wake_fd >= 0 && w->epoll_fd >= 0 &&
	       epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->wake_fd, &ev) == 0;
}

struct worker *worker_create(const struct worker_conf *conf, struct err *e)
{
	struct worker *w = calloc(1, sizeof(*w));
	struct sched_conf sched = conf->sched;

	if (!w) {
		err_set(e, ERR_NO_SPACE, NULL, "out of memory for worker %u", conf->index);
		return NULL;
	}
	w->index = conf->index;
	w->core = conf->core;
	w->ports = conf->ports;
	w->clock = conf->clock ? conf->clock : read_tsc;
	w->interrupted = conf->clock ? never : preempt_happened;
	w->deadline.clock = w->clock;
	page_faults_none(&w->deadline.faults);
	w->tsc_hz = sched.tsc_hz;
	w->wake_fd = -1;
	w->epoll_fd = -1;
	w->sched = sched_create(&sched);
	if (!w->sched || !create_tables(w) || !create_rings(w) || !create_fds(w)) {
		err_set(e, ERR_NO_SPACE, NULL, "worker %u: cannot allocate its tables: %s",
			conf->index, strerror(errno));
		worker_destroy(w);
		return NULL;
	}
	ledger_open(&w->ledger, w->clock());
	w->busy_tsc = w->ledger.last_tsc;
	w->started_tsc = w->ledger.last_tsc;
	return w;
}

void worker_destroy(struct worker *w)
{
	if (!w)
		return;
	rte_ring_free(w->inbox);
	rte_ring_free(w->jobs);
	sched_destroy(w->sched);
	if (w->wake_fd >= 0)
		close(w->wake_fd);
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
	free(w->counters);
	free(w->service);
	free(w->backlog);
	free(w->polled);
	free(w->guaranteed);
	free(w->batch);
	net_lent_destroy(w->lent);
	free(w->job_batch);
	free(w->outbox);
	free(w->outbox_of);
	free(w->jobs_put);
	free(w->jobs_done);
	free(w);
}

void worker_start(struct worker *w)
{
	w->is_started = true;
	atomic_store(&w->running, true);
}

void worker_not_started(struct worker *w)
{
	w->is_started = false;
	atomic_store(&w->running, false);
}

/* --- messages ----------------------------------------------------------------------------------
 */

void worker_wake(struct worker *w)
{
	static const uint64_t one = 1;

	/* Pairs with the fence in sleep_begin(): either the sleeper sees what was queued, or we see
	 * it asleep. */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&w->asleep, memory_order_relaxed) &&
	    write(w->wake_fd, &one, sizeof(one)) < 0)
		return; /* a full counter: it is awake already */
}

void worker_call(struct worker *w, void (*fn)(struct worker *w, void *arg), void *arg)
{
	struct worker_message m = {.fn = fn, .arg = arg};

	if (!atomic_load(&w->running)) {
		fn(w, arg);
		return;
	}
	while (rte_ring_enqueue(w->inbox, &m) < 0)
		sched_yield();
	worker_wake(w);
	for (unsigned spins = 0; !atomic_load_explicit(&m.done, memory_order_acquire); spins++) {
		if (spins < 2000)
			rte_pause();
		else
			usleep(20);
	}
}

unsigned worker_take_messages(struct worker *w, unsigned max)
{
	unsigned n = 0;
	void *p;

	while (n < max && rte_ring_dequeue(w->inbox, &p) == 0) {
		struct worker_message *m = p;

		m->fn(w, m->arg);
		atomic_store_explicit(&m->done, true, memory_order_release);
		n++;
	}
	return n;
}
