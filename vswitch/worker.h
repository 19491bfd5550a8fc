/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker: one thread on one core, running the loop (vswitch/loop.h) over the VMs given to it.
 *
 * Everything in struct worker belongs to the worker's thread. Other threads use messages:
 * worker_call() runs a function on the worker between two services and returns after it ran. This
 * also makes freeing safe: a worker keeps no pointers across the point where it takes messages, so
 * control frees only after such a message. */
#ifndef VSWITCH_WORKER_H
#define VSWITCH_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "policy/sched.h"
#include "ring/deadline.h"
#include "vswitch/counters.h"
#include "vswitch/ledger.h"
#include "vswitch/notify.h"
#include "vswitch/vport.h"

struct backlog;
struct batch;
struct captures;
struct conntrack;
struct net_lent;
struct outbox;
struct rte_ring;
struct wire;

/* A transmit ring to look at. */
struct polled {
	struct virtq *tx;
	uint16_t vm;
};

#define MAX_RINGS (MAX_PORTS * MAX_PAIRS) /* transmit rings of one worker */

/* A VM as its worker serves it. */
struct service {
	struct rte_mempool *pool;            /* mbufs for its packets; no other VM can exhaust it */
	TAILQ_HEAD(sources, source) sources; /* rings of its attached ports, the next one first */
	uint16_t n_sources;
	bool is_rate_held; /* until one of its ports may send (vswitch/rate_hold.h) */
	uint16_t hold_us;  /* the last service found work that has to wait for so long: for buffers
			      of its own, or for an uplink. 0: none */
	uint64_t hold_until; /* in the current service: all its packets wait for their ports' rates
				until then; 0: they do not */
	struct conntrack *connections; /* of ports in security groups; NULL: there are none */
};

struct worker {
	uint64_t (*clock)(void);   /* the TSC; tests set their own */
	bool (*interrupted)(void); /* whether the kernel took the core away since the last call */
	struct sched *sched;
	struct vport **ports; /* [MAX_PORTS], the switch-wide table; NULL where there is none */
	struct port_counters *counters; /* [MAX_PORTS] */
	struct service *service;        /* [MAX_VMS] */
	struct backlog *backlog;        /* [MAX_VMS], see vswitch/backlog.h */
	uint16_t n_ports_up;
	struct polled *polled; /* [MAX_RINGS]: transmit rings of attached ports, densely */
	uint16_t n_polled;
	struct polled *guaranteed; /* [MAX_RINGS]: of those, the ones of VMs with a guarantee */
	uint16_t n_guaranteed;
	uint16_t n_rate_held; /* VMs that are held because of their ports' rates */
	uint16_t next_polled; /* index of the next ring to look at; may be past the last */
	uint16_t n_unwatched; /* rings whose kicks epoll cannot watch: no sleep then */
	bool kicks_enabled;   /* guests were asked to kick */
	uint64_t sigbus_seen; /* sigbus_count() when rings were last checked for lost memory */
	uint32_t now_s;       /* seconds, for address ages */
	uint64_t tsc_hz;
	uint64_t busy_tsc;   /* when work was last found */
	uint64_t polled_tsc; /* when rings were last looked at */

	struct batch *batch;     /* packets of the current service; empty between services */
	struct net_lent *lent;   /* its descriptor chains that are not given back yet */
	struct batch *job_batch; /* packets of the jobs being done */
	struct outbox *outbox;   /* [MAX_PORTS] */
	uint16_t n_outboxes;
	uint16_t *outbox_of; /* [MAX_PORTS]: outbox + 1 of a port in this part, 0 for none */

	struct wire *wire;         /* NULL while there are no uplinks */
	struct captures *captures; /* NULL while there are none */

	struct deadline deadline; /* of the current service */

	struct notifications notifications;

	uint64_t turns;
	uint64_t busy_turns; /* turns that found work, and the cycles they took */
	uint64_t busy_cycles;
	uint64_t sleeps;

	/* Written by other threads too. */
	struct rte_ring *inbox; /* messages */
	struct rte_ring *jobs;  /* for this worker's backlogs, from other workers */
	_Atomic bool asleep;
	int wake_fd;  /* eventfd */
	int epoll_fd; /* wake_fd and the kicks of attached ports */

	unsigned index;
	unsigned core;
	uint64_t started_tsc;
	_Atomic pid_t tid; /* of the thread, 0 before it runs */
	_Atomic bool running;
	_Atomic bool ended; /* the thread no longer touches anything */
	bool is_started;    /* control's: a thread runs it, or will */
	_Atomic bool stop;

	/* Parts of each VM's share that were ever put into, and done from, its backlog here: the
	 * difference is on its way or waiting. The VM's own worker writes `jobs_put`, this one
	 * `jobs_done`. */
	_Atomic uint32_t *jobs_put;  /* [MAX_VMS] */
	_Atomic uint32_t *jobs_done; /* [MAX_VMS] */

	struct ledger ledger;
};

struct worker_conf {
	unsigned index;
	unsigned core;
	struct vport **ports;    /* [MAX_PORTS] */
	uint64_t (*clock)(void); /* NULL: the TSC. Another clock reports no interruptions */
	struct sched_conf sched;
};

/* Allocates a worker that is not running yet. NULL with *e filled. [control] */
struct worker *worker_create(const struct worker_conf *conf, struct err *e);
void worker_destroy(struct worker *w);

/* Notes that a thread will run the worker, or that it could not be started after all. Before that,
 * and after the thread has ended, worker_call() calls the function in place. [control] */
void worker_start(struct worker *w);
void worker_not_started(struct worker *w);

/* Runs fn(w, arg) on the worker between two services and waits for it; when the worker is not
 * running, runs it here. fn must be short and must not block. [control, vhost] */
void worker_call(struct worker *w, void (*fn)(struct worker *w, void *arg), void *arg);

/* The port with that id, NULL when there is none. Control may remove it from the table at any time,
 * and then waits until no worker can hold the pointer. [worker] */
static inline struct vport *worker_port(const struct worker *w, uint16_t id)
{
	return __atomic_load_n(&w->ports[id], __ATOMIC_ACQUIRE);
}

/* The receive ring for packets that came through the sender's queue pair `pair`, and its counters.
 * The port must be this worker's and have a receive ring. [worker] */
static inline struct net_ring *vport_rx(const struct worker *w, const struct vport *port,
					uint16_t pair, struct queue_counters **counters)
{
	uint16_t queue = port->rx_queue[port->n_rx == 1 ? 0 : pair % port->n_rx];

	*counters = &w->counters[port->id].queue[queue];
	return &port->pairs[queue].rx;
}

/* Runs the messages that have arrived, at most `max` of them. [worker] */
unsigned worker_take_messages(struct worker *w, unsigned max);

/* Wakes the worker if it sleeps. [any] */
void worker_wake(struct worker *w);

#endif
