/* SPDX-License-Identifier: BSD-3-Clause */
/* Delivery of a batch into receivers' rings. An outbox collects the packets for one port in the
 * order in which they were sent, so no two for one receiver are reordered. Then each outbox is
 * copied into the receiver's ring, or handed over. */
#ifndef VSWITCH_OUTBOX_H
#define VSWITCH_OUTBOX_H

#include "vswitch/batch.h"
#include "vswitch/vport.h"
#include "vswitch/worker.h"

/* Descriptors in excess (see struct net_ring) that cost about as much as one delivery. */
#define EXCESS_PER_WORK 16
/* A notification is a system call, and costs as much as this many deliveries: */
#define WORK_PER_NOTIFICATION 16

/* Opens an empty outbox for port `to`. Returns the work of opening it, not counting its packets.
 * [worker] */
uint32_t outbox_open(struct worker *w, struct outbox *o, struct vport *to, const struct batch *b);

/* The outbox of a port in this part of the batch. [worker] */
static __rte_always_inline struct outbox *outbox_find(struct worker *w, struct vport *to,
						      struct batch *b)
{
	struct outbox *o;

	if (w->outbox_of[to->id] > 0)
		return &w->outbox[w->outbox_of[to->id] - 1];
	o = &w->outbox[w->n_outboxes++];
	w->outbox_of[to->id] = w->n_outboxes;
	b->work += outbox_open(w, o, to, b);
	return o;
}

/* Puts the batch's packet `index` into an outbox. [worker] */
static __rte_always_inline void outbox_put(struct outbox *o, struct batch *b, uint16_t index)
{
	struct rte_mbuf *m = b->pkt[index].m;

	o->bytes += m->pkt_len;
	o->pkt[o->n] = m;
	o->index[o->n] = (uint8_t)index;
	o->n++;
	b->work += o->work_each + m->pkt_len / BYTES_PER_WORK;
}

/* Notes that a packet in an outbox got longer by `bytes`: another one of `len` bytes was merged
 * with it. [worker] */
static inline void outbox_lengthen(struct outbox *o, struct batch *b, uint32_t bytes, uint32_t len)
{
	o->bytes += bytes;
	b->work += RTE_MAX(1u, len / BYTES_PER_WORK);
}

/* Delivers and empties all outboxes. What has to wait, or is for another worker's port, becomes
 * jobs. The caller bills the time, but for deliveries that the receiver's VM pays for. [worker] */
void outbox_deliver_all(struct worker *w, struct batch *b, uint16_t vm);

#endif
