/* SPDX-License-Identifier: BSD-3-Clause */
/* From outboxes into receivers' rings. */
#include "vswitch/forward_impl.h"

/* Of a ring whose packets take that many pieces: more than any driver has reason to make. */
#define LABORIOUS_PIECES 80

static const uint8_t drop_of_fate[VRING_FATE_COUNT] = {
	[VRING_RING_FULL] = DROP_RING_FULL,       [VRING_RING_BROKEN] = DROP_PORT_DOWN,
	[VRING_BUFFER_SMALL] = DROP_BUFFER_SMALL, [VRING_BAD_BUFFER] = DROP_RECEIVER_BAD,
	[VRING_LABORIOUS] = DROP_LABORIOUS,       [VRING_NO_OFFLOAD] = DROP_NO_OFFLOAD,
};

uint32_t outbox_open(struct worker *w, struct outbox *o, struct port *to, uint16_t pair)
{
	uint16_t queue;

	o->to = to;
	o->n = 0;
	o->bytes = 0;
	o->work = 1;
	o->rx = NULL;
	o->worker = to->worker;
	if (unlikely(o->worker != w || to->n_rx == 0))
		return 0;
	queue = to->rx_queue[to->n_rx == 1 ? 0 : pair % to->n_rx];
	o->rx = &to->pairs[queue].rx;
	o->work += o->rx->toil / PIECES_PER_WORK;
	vring_expect_ring(o->rx);
	o->counters = &w->counters[to->id].queue[queue];
	/* The first is nothing odd, and one that is due already comes once. */
	return w->n_outboxes > 1 && o->rx->notifies && o->rx->unnotified == 0 ? WORK_PER_NOTICE : 0;
}

/* A packet that one receiver did not get: counted there, and for the packet's own end. */
static void miss(struct worker *w, const struct outbox *o, struct batch *b, uint16_t i,
		 uint8_t reason)
{
	batch_miss(b, o->index[i], reason);
	counter_add(&w->counters[o->to->id].tx_drops[reason], 1);
}

/* Which packets of a batch with several outboxes somebody got; `fate` where not all were delivered.
 */
static void note_reached(struct batch *b, const struct outbox *o, const uint8_t *fate)
{
	for (uint16_t i = 0; i < o->n; i++)
		if (!fate || fate[i] == VRING_DELIVERED)
			b->reached[o->index[i]] = true;
}

/* Leaves the packets from the `first` on in the outbox: there was no time for them. */
static void keep_from(struct outbox *o, uint16_t first)
{
	o->n -= first;
	for (uint16_t i = 0; i < o->n; i++) {
		o->pkt[i] = o->pkt[first + i];
		o->index[i] = o->index[first + i];
	}
}

/* Delivers an outbox into the receiver's ring on this worker. What was handed over or left over
 * once is not left over again: it comes in parts of one packet, where pages are missing. */
static void deliver_here(struct worker *w, struct outbox *o, struct batch *b)
{
	uint8_t fate[FORWARD_MAX_BURST];
	uint32_t bytes = o->bytes;
	uint16_t delivered, tried = o->n;

	if (unlikely(!o->rx)) {
		for (uint16_t i = 0; i < o->n; i++)
			miss(w, o, b, i, DROP_PORT_DOWN);
		o->n = 0;
		return;
	}
	delivered = vring_enqueue(o->rx, o->pkt, o->n, fate, b->from ? &w->deadline : NULL);
	if (unlikely(delivered < o->n)) {
		for (uint16_t i = 0; i < o->n; i++) {
			if (fate[i] == VRING_DELIVERED)
				continue;
			bytes -= rte_pktmbuf_pkt_len(o->pkt[i]);
			if (fate[i] == VRING_NO_TIME) {
				tried = RTE_MIN(tried, i);
				continue;
			}
			miss(w, o, b, i, drop_of_fate[fate[i]]);
		}
	}
	if (w->n_outboxes > 1)
		note_reached(b, o, delivered < o->n ? fate : NULL);
	counter_add(&o->counters->tx_packets, delivered);
	counter_add(&o->counters->tx_bytes, bytes);
	keep_from(o, tried);
}

/* Who makes it laborious to fill its ring pays for that itself. */
static void deliver_laborious(struct worker *w, struct outbox *o, struct batch *b, uint16_t vm)
{
	uint16_t receiver = o->to->vm->id;

	ledger_bill_vm(&w->ledger, vm, STAGE_DELIVER, w->clock());
	deliver_here(w, o, b);
	sched_charge_instead(w->sched, receiver,
			     ledger_bill_vm(&w->ledger, receiver, STAGE_DELIVER, w->clock()));
}

void outbox_deliver(struct worker *w, struct outbox *o, struct batch *b, uint16_t vm)
{
	if (unlikely(o->work > LABORIOUS_PIECES / PIECES_PER_WORK && o->to->vm->id != vm))
		deliver_laborious(w, o, b, vm);
	else
		deliver_here(w, o, b);
}

void outbox_publish(struct worker *w)
{
	for (uint16_t i = 0; i < w->n_outboxes; i++) {
		struct outbox *o = &w->outbox[i];

		w->outbox_of[o->to->id] = 0;
		if (likely(o->rx))
			notify_later(w, o->rx, &o->counters->notifications);
	}
	w->n_outboxes = 0;
}
