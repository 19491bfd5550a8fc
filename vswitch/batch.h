/* SPDX-License-Identifier: BSD-3-Clause */
/* A batch: packets that one VM sent, or is sent from other hosts, while they are being forwarded;
 * and outboxes: those of them that go to one port. Belong to the worker; between services both are
 * empty. */
#ifndef VSWITCH_BATCH_H
#define VSWITCH_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "pkt/pkt.h"
#include "tunnel/tables.h"
#include "vhost/net_ring.h"

struct port_counters;
struct queue_counters;
struct vport;
struct worker;

#define BATCH_MAX NET_MAX_BURST

/* A destination is a number: a port's id, or one of these. */
#define DEST_FLOOD        UINT16_MAX /* all other ports and hosts of the sender's network */
#define DEST_FIRST_REMOTE 1024       /* other hosts, in the order of tunnel/tables.h */

static inline bool dest_is_remote(uint16_t dest)
{
	return dest >= DEST_FIRST_REMOTE && dest < DEST_FIRST_REMOTE + REMOTE_MAX;
}

/* Work: the expected cost of deliveries, in deliveries of small packets into plain buffers. A part
 * of a batch is cut at MAX_WORK, which bounds what is done between two readings of the clock. */
#define MAX_WORK 32
/* So many bytes cost about as much as one delivery: */
#define BYTES_PER_WORK 1024

struct batch {
	struct vport *from; /* NULL while jobs or staged packets are delivered: they have several
			       senders, or none of ours */
	uint16_t pair;      /* queue pair that they came through */
	uint16_t n;         /* packets */
	uint16_t next;      /* of those, the first that is not committed yet */
	bool is_dry;        /* it is only to be known what would become of them */
	struct pkt pkt[BATCH_MAX];

	/* Of the part that is being committed. */
	uint32_t work;     /* planned */
	uint16_t n_missed; /* deliveries that failed; n_handed: handed over or put off */
	uint16_t n_handed;
	uint32_t copies;     /* deliveries asked for beyond each packet's first */
	bool has_deadline;   /* deliveries for which there is no time may be put off */
	bool was_counted;    /* the only packet was counted in an earlier part, */
	bool is_resumed;     /* or is a job that goes on where it stopped */
	uint16_t flood_next; /* where the flood that ended the part goes on */
	bool is_flood_cut;   /* the part ended within a flood */
	uint16_t segments;   /* delivered of a job's packet that is not finished; else 0 */
};

/* Begins a part: nothing of it is done yet. [worker] */
static inline void batch_begin_part(struct batch *b)
{
	b->work = 0;
	b->n_missed = 0;
	b->n_handed = 0;
	b->copies = 0;
	b->has_deadline = true;
	b->was_counted = false;
	b->is_resumed = false;
	b->is_flood_cut = false;
	b->segments = 0;
}

/* How the packets of an outbox go on. */
enum outbox_way {
	OUT_RING,   /* into a ring of this worker's */
	OUT_WORKER, /* to the worker that serves the port */
	OUT_DOWN,   /* nowhere: the port has no receive ring */
};

struct outbox {
	struct vport *to;
	struct worker *worker; /* that serves the port: read once, for it may change meanwhile */
	struct net_ring *rx;   /* for OUT_RING */
	struct queue_counters *counters;
	enum outbox_way way;
	uint16_t n;
	uint16_t work_each; /* to deliver one packet, see vswitch/outbox.h */
	uint16_t segments;  /* of its first packet that were delivered before */
	uint32_t bytes;
	struct rte_mbuf *pkt[BATCH_MAX];
	uint8_t index[BATCH_MAX]; /* of each packet in the batch */
};

#endif
