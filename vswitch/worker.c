/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker.
 *
 * Owns its service table, counters, ledger and scheduler; all tables are allocated at creation and
 * sized by limits.h, but for a VM's list of rings, which grows with its ports. The thread polls
 * while there is work and for IDLE_SPIN_US after; then it asks guests to kick and sleeps in epoll,
 * until the next limit allows a VM to go on where one waits for that. */
#include "vswitch/worker.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_pause.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "base/log.h"
#include "base/preempt.h"
#include "vhost/guest_fd.h"
#include "vhost/sigbus.h"
#include "vhost/vring_loan.h"
#include "vswitch/loop.h"

#define INBOX_SIZE   256
#define HANDOFF_SIZE 4096
#define IDLE_SPIN_US 50
#define MIN_SLEEP_US 50 /* to go to sleep and wake up takes a good part of it */
#define MAX_SLEEP_MS 1000
#define MAX_EVENTS   64

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
	snprintf(name, sizeof(name), "handoff%u", w->index);
	w->handoff = rte_ring_create_elem(name, sizeof(struct handoff), HANDOFF_SIZE, SOCKET_ID_ANY,
					  RING_F_SC_DEQ);
	return w->inbox && w->handoff;
}

static bool create_tables(struct worker *w)
{
	w->counters = calloc(MAX_PORTS, sizeof(*w->counters));
	w->service = calloc(MAX_VMS, sizeof(*w->service));
	w->arrivals = calloc(MAX_VMS, sizeof(*w->arrivals));
	w->attached = calloc(MAX_TAPS, sizeof(*w->attached));
	w->urgent = calloc(MAX_TAPS, sizeof(*w->urgent));
	w->loan = vring_loan_create();
	w->outbox = calloc(MAX_PORTS, sizeof(*w->outbox));
	w->outbox_of = calloc(MAX_PORTS, sizeof(*w->outbox_of));
	w->handoff_pushed = calloc(MAX_VMS, sizeof(*w->handoff_pushed));
	w->handoff_taken = calloc(MAX_VMS, sizeof(*w->handoff_taken));
	for (unsigned i = 0; w->service && i < MAX_VMS; i++)
		TAILQ_INIT(&w->service[i].taps);
	return w->counters && w->service && w->arrivals && w->attached && w->urgent && w->loan &&
	       w->outbox && w->outbox_of && w->handoff_pushed && w->handoff_taken;
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
	rte_ring_free(w->handoff);
	sched_destroy(w->sched);
	if (w->wake_fd >= 0)
		close(w->wake_fd);
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
	free(w->counters);
	free(w->service);
	free(w->arrivals);
	free(w->attached);
	free(w->urgent);
	vring_loan_destroy(w->loan);
	free(w->outbox);
	free(w->outbox_of);
	free(w->handoff_pushed);
	free(w->handoff_taken);
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

	/* Pairs with the fence in sleep(): either the sleeper sees what was queued, or we see it
	 * asleep. */
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

/* --- what is served ----------------------------------------------------------------------------
 */

void worker_add_vm(struct worker *w, struct vm *vm)
{
	w->service[vm->id].vm = vm;
}

void worker_remove_vm(struct worker *w, struct vm *vm)
{
	struct service *s = &w->service[vm->id];

	loop_drop_held(w, s);
	memset(s, 0, sizeof(*s));
	TAILQ_INIT(&s->taps);
}

/* Edge-triggered, and never read: the front end holds the eventfd too, and could make a read block
 * by draining it first. */
static void watch_kick(struct worker *w, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.fd = fd};

	if (fd < 0 || epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		w->n_unwatched++;
}

static void unwatch_kick(struct worker *w, int fd)
{
	if (fd < 0 || epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, fd, NULL) < 0)
		w->n_unwatched--;
}

void worker_find_urgent(struct worker *w)
{
	w->n_urgent = 0;
	for (uint16_t i = 0; i < w->n_attached; i++)
		if (sched_has_guarantee(w->sched, w->attached[i].vm))
			w->urgent[w->n_urgent++] = w->attached[i];
}

static void put_in(struct worker *w, struct port *port, struct vdev_pair *pairs, uint16_t n)
{
	struct service *s = &w->service[port->vm->id];

	for (uint16_t i = 0; i < n; i++) {
		struct tap *tap = &port->tap[i];

		if (pairs[i].rx_on) {
			port->rx_queue[port->n_rx++] = i;
			vring_kick_enable(&pairs[i].rx, false);
		}
		if (!pairs[i].tx_on)
			continue;
		*tap = (struct tap){.tx = &pairs[i].tx, .port = port, .pair = i};
		TAILQ_INSERT_TAIL(&s->taps, tap, link);
		s->n_taps++;
		w->attached[w->n_attached++] = (struct poll){tap->tx, port->vm->id};
		watch_kick(w, pairs[i].tx_kick_fd);
		vring_kick_enable(&pairs[i].tx, false);
	}
	port->pairs = pairs;
	port->n_pairs = n;
	w->n_ports_up++;
}

static void forget_poll(struct worker *w, const struct virtq *tx)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < w->n_attached; i++)
		if (w->attached[i].tx != tx)
			w->attached[kept++] = w->attached[i];
	w->n_attached = kept;
}

static void take_out(struct worker *w, struct port *port)
{
	struct service *s = &w->service[port->vm->id];

	for (uint16_t i = 0; i < port->n_pairs; i++) {
		struct vdev_pair *p = &port->pairs[i];

		if (p->rx_on)
			vring_complete(&p->rx);
		if (!p->tx_on)
			continue;
		vring_complete(&p->tx);
		unwatch_kick(w, p->tx_kick_fd);
		TAILQ_REMOVE(&s->taps, &port->tap[i], link);
		s->n_taps--;
		forget_poll(w, &p->tx);
	}
	port->pairs = NULL;
	port->n_pairs = 0;
	port->n_rx = 0;
	w->n_ports_up--;
}

void worker_change(struct worker *w, struct port *port, void (*fn)(void *arg), void *arg,
		   struct vdev_pair *pairs, uint16_t n)
{
	struct service *s = &w->service[port->vm->id];

	if (port->pairs)
		take_out(w, port);
	if (fn)
		fn(arg);
	if (n > 0)
		put_in(w, port, pairs, n);
	else if (s->n_held > 0 && s->held_port == port)
		loop_drop_held(w, s);
	worker_find_urgent(w);
}

void worker_lose_rings(struct worker *w)
{
	w->sigbus_seen = sigbus_count();
	for (unsigned i = 0; i < MAX_PORTS; i++) {
		struct port *port = worker_port(w, (uint16_t)i);

		if (!port || port->worker != w)
			continue;
		for (uint16_t k = 0; k < port->n_pairs; k++) {
			struct vdev_pair *p = &port->pairs[k];

			if (p->tx_on && atomic_load(&p->tx.mem->is_lost))
				vring_lose(&p->tx);
			if (p->rx_on && atomic_load(&p->rx.mem->is_lost))
				vring_lose(&p->rx);
		}
	}
}

/* --- the thread --------------------------------------------------------------------------------
 */

/* Asks the guests of all rings that are empty to kick. Who has work and is not served now waits for
 * a limit: its kicks could only wake us for nothing. Returns until when there is nothing to do,
 * UINT64_MAX if only a kick ends that, 0 when there is work. */
static uint64_t enable_kicks(struct worker *w)
{
	bool waiting = false;
	uint64_t next;

	for (uint16_t i = 0; i < w->n_attached; i++) {
		const struct poll *t = &w->attached[i];

		if (vring_pending(t->tx) > 0) {
			sched_wake(w->sched, t->vm, w->ledger.last_tsc);
			waiting = true;
		} else if (vring_kick_enable(t->tx, true)) {
			return 0;
		}
	}
	next = sched_next_tsc(w->sched);
	return waiting && next == UINT64_MAX ? 0 : next;
}

static void disable_kicks(struct worker *w)
{
	for (uint16_t i = 0; i < w->n_attached; i++)
		vring_kick_enable(w->attached[i].tx, false);
}

/* Whether it is worth it to sleep until then. */
static bool is_far(const struct worker *w, uint64_t tsc)
{
	return tsc == UINT64_MAX ||
	       (int64_t)(tsc - w->ledger.last_tsc) > (int64_t)(w->tsc_hz / 1000000 * MIN_SLEEP_US);
}

/* Sleeps until a guest kicks, a message comes or it is that late; MAX_SLEEP_MS at the most. */
static void wait_until(struct worker *w, uint64_t tsc)
{
	uint64_t most = w->tsc_hz / 1000 * MAX_SLEEP_MS, left = most, count;
	struct epoll_event events[MAX_EVENTS];
	struct timespec t;
	int n;

	if (tsc != UINT64_MAX && tsc - w->ledger.last_tsc < most)
		left = tsc - w->ledger.last_tsc;
	t.tv_sec = (time_t)(left / w->tsc_hz);
	t.tv_nsec = (long)(left % w->tsc_hz * 1000000000 / w->tsc_hz);
	w->sleeps++;
	n = epoll_pwait2(w->epoll_fd, events, MAX_EVENTS, &t, NULL);
	for (int i = 0; i < n; i++)
		if (events[i].data.fd == w->wake_fd && read(w->wake_fd, &count, sizeof(count)) < 0)
			count = 0; /* it was read already */
}

/* Sleeps if there is nothing to do. The idle row is billed to the end of that. Kicks stay enabled,
 * so that what woke us up is served first. */
static void sleep_on_kicks(struct worker *w)
{
	uint64_t until;

	atomic_store(&w->asleep, true);
	atomic_thread_fence(memory_order_seq_cst);
	until = enable_kicks(w);
	if (until != 0 && is_far(w, until) && rte_ring_empty(w->inbox) &&
	    rte_ring_empty(w->handoff) && w->n_unwatched == 0)
		wait_until(w, until);
	atomic_store(&w->asleep, false);
	ledger_bill_sys(&w->ledger, SYSROW_IDLE, w->clock());
}

int worker_main(void *worker)
{
	struct worker *w = worker;
	uint64_t spin_tsc = w->tsc_hz / 1000000 * IDLE_SPIN_US;
	bool kicks_enabled = false;
	int rc = guest_fd_warm();

	if (rc < 0)
		log_warn("worker %u: cannot notify guests yet: %s", w->index, strerror(-rc));
	atomic_store(&w->tid, gettid());
	rc = page_faults_open(&w->deadline.faults);
	if (rc < 0)
		log_warn("worker %u: cannot see page faults, so guests' memory that is not there "
			 "holds a service up for longer: perf_event_open: %s",
			 w->index, strerror(-rc));
	/* A sleep until a limit's time ends then, not up to 50 us later. */
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		bool did = turn(w);

		if (kicks_enabled)
			disable_kicks(w);
		kicks_enabled = false;
		if (did) {
			w->busy_tsc = w->ledger.last_tsc;
		} else if (w->ledger.last_tsc - w->busy_tsc > spin_tsc &&
			   is_far(w, sched_next_tsc(w->sched))) {
			sleep_on_kicks(w);
			kicks_enabled = true;
		}
	}
	atomic_store(&w->running, false);
	while (worker_take_messages(w, INBOX_SIZE) > 0)
		continue;
	page_faults_close(&w->deadline.faults);
	atomic_store(&w->ended, true);
	return 0;
}
