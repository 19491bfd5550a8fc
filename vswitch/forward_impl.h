/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside forwarding: batches and outboxes; for forward.c (what goes where), outbox.c (into rings)
 * and handoff.c (from worker to worker) only. */
#ifndef VSWITCH_FORWARD_IMPL_H
#define VSWITCH_FORWARD_IMPL_H

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_mbuf.h>

#include "base/counter.h"
#include "vswitch/forward.h"

/* Work after which a batch is cut, in deliveries of small packets into plain buffers: what is done
 * between two looks at the clock. These take as long as one, or nearly: */
#define MAX_WORK        32
#define BYTES_PER_WORK  1024
#define PIECES_PER_WORK 16
/* And a notification is so much, a system call: */
#define WORK_PER_NOTICE 16

/* No station's address: has more than 48 bits. */
#define NO_MAC UINT64_MAX

/* The addresses last seen in a batch, which were found good, and the outbox for the destination's
 * port, of no meaning while there is no destination: packets come in runs. */
struct memo {
	uint64_t src;
	uint64_t dst;
	struct outbox *to;
};

/* A batch, and where its packets stand: deliveries asked for and missed, and why the last one was.
 * Most batches miss none, and then only the sums are looked at. */
struct batch {
	struct port *from; /* NULL: several, all were handed over */
	uint16_t pair;
	uint32_t mtu;
	struct flood *flood; /* of its first packet, later of its last */
	struct memo memo;
	uint32_t work;       /* planned */
	uint32_t deliveries; /* asked for, in all */
	uint16_t n_missed;
	uint16_t n_handed;         /* over, to a worker or to a later service */
	bool is_counted_elsewhere; /* the first packet, whose first copy was handed over before */
	uint16_t asked[FORWARD_MAX_BURST];
	uint16_t missed[FORWARD_MAX_BURST];
	uint16_t handed[FORWARD_MAX_BURST];
	bool reached[FORWARD_MAX_BURST]; /* one got it, or may yet; kept for packets to several */
	uint8_t reason[FORWARD_MAX_BURST];
};

static inline void batch_miss(struct batch *b, uint16_t index, uint8_t reason)
{
	b->n_missed++;
	b->missed[index]++;
	b->reason[index] = reason;
}

/* An empty outbox for a port. Returns the work that is, beside that of its packets. */
uint32_t outbox_open(struct worker *w, struct outbox *o, struct port *to, uint16_t pair);

/* The outbox of a port in this batch; adds the work that opening it is, if that is needed. */
static __rte_always_inline struct outbox *outbox_find(struct worker *w, struct port *to,
						      uint16_t pair, uint32_t *work)
{
	struct outbox *o;

	if (w->outbox_of[to->id] > 0)
		return &w->outbox[w->outbox_of[to->id] - 1];
	o = &w->outbox[w->n_outboxes++];
	w->outbox_of[to->id] = w->n_outboxes;
	*work += outbox_open(w, o, to, pair);
	return o;
}

/* Puts a packet into an outbox. Returns the work that is. */
static __rte_always_inline uint32_t outbox_put(struct outbox *o, struct rte_mbuf *m, uint16_t index)
{
	o->bytes += m->pkt_len;
	o->pkt[o->n] = m;
	o->index[o->n] = (uint8_t)index;
	o->n++;
	return o->work + m->pkt_len / BYTES_PER_WORK;
}

/* Start loading what delivering it will touch: hints. */
static inline void outbox_expect_entry(const struct outbox *o)
{
	if (likely(o->rx))
		vring_expect_entry(o->rx);
}

static inline void outbox_expect_buffer(const struct outbox *o)
{
	if (likely(o->rx))
		vring_expect_buffers(o->rx, o->pkt[0]);
}

/* Delivers an outbox into the receiver's ring, which is this worker's, on behalf of VM `vm`, and
 * leaves in it what there was no time for: that VM pays, but for rings that are laborious to fill.
 */
void outbox_deliver(struct worker *w, struct outbox *o, struct batch *b, uint16_t vm);

/* Shows the receivers what they got, and empties the outboxes. */
void outbox_publish(struct worker *w);

/* Hands an outbox to the worker that serves the receiver, which may be the same, within the sending
 * VM's share. */
void handoff_send(struct outbox *o, struct batch *b);

#endif
