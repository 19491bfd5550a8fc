/* SPDX-License-Identifier: BSD-3-Clause */
/* Rates of what ports' guests are sent. */
#include "vswitch/rate_in.h"

#include "pkt/ecn.h"
#include "vswitch/drop.h"
#include "vswitch/stage.h"

/* The first packet to check: one that was delivered in part was checked before. */
static uint16_t first_of(const struct outbox *o)
{
	return o->segments > 0 ? 1 : 0;
}

static uint64_t bits_of(const struct outbox *o)
{
	uint64_t bytes = 0;

	for (uint16_t i = first_of(o); i < o->n; i++)
		bytes += pkt_sent_bytes(o->pkt[i]);
	return bytes * 8;
}

/* Whether nobody else gets the packet's bytes: neither other ports, nor jobs. */
static bool is_only_receivers(const struct batch *b, const struct pkt *p, const struct rte_mbuf *m)
{
	return p->asked == 1 && !b->is_flood_cut &&
	       (pkt_is_lent(m) || rte_mbuf_refcnt_read(m) == 1);
}

static void mark(const struct batch *b, const struct pkt *p, struct rte_mbuf *m)
{
	if (is_only_receivers(b, p, m))
		ecn_mark(rte_pktmbuf_mtod(m, uint8_t *), m->data_len, m->pkt_len);
}

void rate_in_check(struct worker *w, struct outbox *o, struct batch *b)
{
	struct vqueue *q = &o->to->queue_in;
	uint16_t first = first_of(o), kept = first;
	uint64_t bits = bits_of(o);

	vqueue_drain(q, worker_now(w));
	if (likely(vqueue_has_room(q, (uint64_t)(o->n - first), bits))) {
		vqueue_add(q, (uint64_t)(o->n - first), bits);
		return;
	}
	for (uint16_t i = first; i < o->n; i++) {
		enum vqueue_verdict v = vqueue_judge(q);
		struct rte_mbuf *m = o->pkt[i];

		if (v == VQUEUE_DROP) {
			o->bytes -= m->pkt_len;
			drop_delivery(w, o->to, b, o->index[i], DROP_RECEIVER_RATE);
			continue;
		}
		if (v == VQUEUE_MARK)
			mark(b, &b->pkt[o->index[i]], m);
		vqueue_add(q, 1, pkt_sent_bytes(m) * 8);
		o->pkt[kept] = m;
		o->index[kept++] = o->index[i];
	}
	o->n = kept;
}

void rate_in_return(struct outbox *o)
{
	vqueue_return(&o->to->queue_in, (uint64_t)(o->n - first_of(o)), bits_of(o));
}
