/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker: one thread on one core, running the loop (vswitch/loop.h) over the VMs given to it.
 *
 * Everything in struct worker belongs to the worker's thread. Others reach it through messages:
 * worker_call() runs a function on the worker between two services and returns when it ran. That is
 * also how control knows that a worker holds no pointer to what it is about to free: a worker keeps
 * none across the point where it takes messages. */
#ifndef VSWITCH_WORKER_H
#define VSWITCH_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "policy/sched.h"
#include "vhost/vring_deadline.h"
#include "vswitch/counters.h"
#include "vswitch/ledger.h"
#include "vswitch/notify.h"
#include "vswitch/port.h"

/* A transmit ring to look at. */
struct poll {
	struct virtq *tx;
	uint16_t vm;
};

#define MAX_TAPS (MAX_PORTS * MAX_PAIRS)

struct rte_mbuf;
struct rte_ring;
struct vring_loan;

#define FORWARD_MAX_BURST 64

/* A packet on its way to a port of another worker, with a reference of its own. Ports may be gone,
 * or others, when it is delivered: epochs tell (vswitch/port.h). */
struct handoff {
	struct rte_mbuf *pkt;
	uint32_t to_epoch;
	uint32_t from_epoch; /* the first */
	uint16_t to;         /* port */
	uint16_t from;       /* port */
	uint16_t vm;         /* that pays */
	uint8_t pair;
	bool first; /* what becomes of the packet is what becomes of this one */
};

/* Most packets of one VM that may be on their way to one worker. */
#define HANDOFF_SHARE 128

/* What one VM's packets from other workers wait in for the VM's next service, first come first. */
struct arrivals {
	uint16_t first;
	uint16_t n;
	struct handoff at[HANDOFF_SHARE];
};

/* Packets of the current batch that go to one port. */
struct outbox {
	struct port *to;
	struct worker *worker; /* that serves it: asked once, for it may change meanwhile */
	struct virtq *rx;      /* NULL when it is not up, or served by another worker */
	struct queue_counters *counters;
	uint16_t n;
	uint16_t work; /* to place a packet, see struct batch */
	uint32_t bytes;
	struct rte_mbuf *pkt[FORWARD_MAX_BURST];
	uint8_t index[FORWARD_MAX_BURST]; /* of each packet in the batch */
};

/* How far a packet to a whole network came. */
struct flood {
	bool under_way;
	uint8_t reason; /* why the last of those missed was */
	uint16_t next;  /* ports with lower ids are done with */
	uint16_t asked; /* deliveries so far; 0 when none is under way */
	uint16_t missed;
	uint16_t handed;
	bool is_counted_elsewhere; /* the first copy was handed over */
};

/* A VM as its worker serves it. */
struct service {
	struct vm *vm;
	TAILQ_HEAD(taps, tap) taps; /* of the VM's attached ports, the next one first */
	uint16_t n_taps;

	/* Packets dequeued but not yet forwarded, and where they came from. Between services, none
	 * of them is lent. */
	struct port *held_port;
	uint16_t held_pair;
	uint16_t n_held;
	struct rte_mbuf *held[FORWARD_MAX_BURST];
	struct flood flood; /* of held[0] */
};

struct worker {
	uint64_t (*clock)(void);   /* the TSC; tests set their own */
	bool (*interrupted)(void); /* whether the kernel took the core away since the last call */
	struct sched *sched;
	struct port **ports; /* [MAX_PORTS], the switch-wide table; NULL where there is none */
	struct port_counters *counters; /* [MAX_PORTS] */
	struct service *service;        /* [MAX_VMS]; vm is NULL where it is not this worker's */
	struct arrivals *arrivals;      /* [MAX_VMS] */
	uint16_t n_ports_up;
	struct poll *attached; /* [MAX_TAPS]: their transmit rings, densely */
	uint16_t n_attached;
	struct poll *urgent; /* [MAX_TAPS]: of those, the ones of VMs with a guarantee */
	uint16_t n_urgent;
	uint16_t n_unwatched; /* rings whose kicks cannot be waited for */
	uint64_t sigbus_seen; /* sigbus_count() when rings were last looked at for it */
	uint16_t next_polled; /* of those attached, where to look next; may be beyond the last */
	uint32_t now_s;       /* seconds, for address ages */
	uint64_t tsc_hz;
	uint64_t busy_tsc;   /* when work was last found */
	uint64_t polled_tsc; /* when rings were last looked at */

	struct vring_loan *loan; /* of the burst that is being forwarded */
	struct outbox *outbox;   /* [MAX_PORTS] */
	uint16_t n_outboxes;
	uint16_t *outbox_of; /* [MAX_PORTS]: outbox + 1 of a port in this batch, 0 for none */

	struct vring_deadline deadline; /* of the service in progress */

	struct notice notice[NOTIFY_MAX];
	uint16_t n_notices;

	uint64_t turns;
	uint64_t busy_turns; /* those that found something to do, and what they took */
	uint64_t busy_cycles;
	uint64_t sleeps;

	/* Written by others too. */
	struct rte_ring *inbox;   /* messages */
	struct rte_ring *handoff; /* packets for this worker's ports from other workers */
	_Atomic bool asleep;
	int wake_fd;  /* eventfd */
	int epoll_fd; /* wake_fd and the kicks of attached ports */

	unsigned index;
	unsigned core;
	uint64_t started_tsc;
	_Atomic pid_t tid; /* of the thread, 0 before it runs */
	_Atomic bool running;
	_Atomic bool ended; /* the thread touches nothing any more */
	bool is_started;    /* control's: there is a thread, or will be */
	_Atomic bool stop;

	/* Packets handed to and delivered by this worker, by VM: their difference is what is on its
	 * way. The VM's own worker writes `pushed`, this one `taken`. */
	_Atomic uint32_t *handoff_pushed; /* [MAX_VMS] */
	_Atomic uint32_t *handoff_taken;  /* [MAX_VMS] */

	struct ledger ledger;
};

struct worker_conf {
	unsigned index;
	unsigned core;
	struct port **ports;     /* [MAX_PORTS] */
	uint64_t (*clock)(void); /* NULL: the TSC. With a clock of its own, nothing interrupts it */
	struct sched_conf sched;
};

/* Allocates a worker that is not running yet. NULL with *e filled. [control] */
struct worker *worker_create(const struct worker_conf *conf, struct err *e);
void worker_destroy(struct worker *w);

/* Says that a thread will run the worker, or that it does not after all: before that, and after it
 * has ended, worker_call() calls in place. [control] */
void worker_start(struct worker *w);
void worker_not_started(struct worker *w);

/* The thread's body: turns until stopped; sleeps on kicks when idle. For rte_eal_remote_launch.
 * [worker] */
int worker_main(void *worker);

/* Runs fn(w, arg) on the worker between two services and waits for it; when the worker is not
 * running, runs it here. fn must be short and must not block. [control, vhost] */
void worker_call(struct worker *w, void (*fn)(struct worker *w, void *arg), void *arg);

/* The port of that number as the worker sees it, NULL when there is none: control may take it away,
 * and waits then until no worker can hold it. [worker] */
static inline struct port *worker_port(const struct worker *w, uint16_t id)
{
	return __atomic_load_n(&w->ports[id], __ATOMIC_ACQUIRE);
}

/* Runs the messages that have arrived, at most `max` of them. [worker] */
unsigned worker_take_messages(struct worker *w, unsigned max);

/* Wakes a worker that sleeps. [any] */
void worker_wake(struct worker *w);

/* Takes a port's rings out of the loop, runs fn(arg) (where there is one), and puts these in; 0 for
 * none, which drops what was held. What others send to the port meanwhile waits: no packet is taken
 * or delivered before this is done. [worker] */
void worker_change(struct worker *w, struct port *port, void (*fn)(void *arg), void *arg,
		   struct vdev_pair *pairs, uint16_t n);

/* Takes rings out of service whose memory is not there any more. [worker] */
void worker_lose_rings(struct worker *w);

/* To be called when budgets changed: finds out whose ports are urgent. [worker] */
void worker_find_urgent(struct worker *w);

/* Makes a VM known to, or forgotten by, the worker. [worker] */
void worker_add_vm(struct worker *w, struct vm *vm);
void worker_remove_vm(struct worker *w, struct vm *vm);

#endif
