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

/* --- the port's queue, its VM's and its tenant's ----------------------------------------------
 */

static bool has_room(const struct vport *to, uint64_t packets, uint64_t bits, uint64_t now)
{
	return vqueue_has_room(&to->queue_in, packets, bits) &&
	       (!to->vm_queue_in || vqueue_shared_has_room(to->vm_queue_in, packets, bits, now)) &&
	       (!to->tenant_queue_in ||
		vqueue_shared_has_room(to->tenant_queue_in, packets, bits, now));
}

/* The worst of what the queues would have done with the next packet. */
static enum vqueue_verdict judge(const struct vport *to, uint64_t now)
{
	enum vqueue_verdict v = vqueue_judge(&to->queue_in);

	if (to->vm_queue_in)
		v = RTE_MAX(v, vqueue_shared_judge(to->vm_queue_in, now));
	if (to->tenant_queue_in)
		v = RTE_MAX(v, vqueue_shared_judge(to->tenant_queue_in, now));
	return v;
}

static void add(struct vport *to, uint64_t packets, uint64_t bits, uint64_t now)
{
	vqueue_add(&to->queue_in, packets, bits);
	if (to->vm_queue_in)
		vqueue_shared_add(to->vm_queue_in, packets, bits, now);
	if (to->tenant_queue_in)
		vqueue_shared_add(to->tenant_queue_in, packets, bits, now);
}

/* --- outboxes ----------------------------------------------------------------------------------
 */

void rate_in_check(struct worker *w, struct outbox *o, struct batch *b)
{
	uint16_t first = first_of(o), kept = first;
	uint64_t bits = bits_of(o), packets = (uint64_t)(o->n - first), now = worker_now(w);

	vqueue_drain(&o->to->queue_in, now);
	if (likely(has_room(o->to, packets, bits, now))) {
		add(o->to, packets, bits, now);
		return;
	}
	for (uint16_t i = first; i < o->n; i++) {
		enum vqueue_verdict v = judge(o->to, now);
		struct rte_mbuf *m = o->pkt[i];

		if (v == VQUEUE_DROP) {
			o->bytes -= m->pkt_len;
			drop_delivery(w, o->to, b, o->index[i], DROP_RECEIVER_RATE);
			continue;
		}
		if (v == VQUEUE_MARK)
			mark(b, &b->pkt[o->index[i]], m);
		add(o->to, 1, pkt_sent_bytes(m) * 8, now);
		o->pkt[kept] = m;
		o->index[kept++] = o->index[i];
	}
	o->n = kept;
}

void rate_in_return(struct outbox *o)
{
	uint64_t bits = bits_of(o), packets = (uint64_t)(o->n - first_of(o));

	vqueue_return(&o->to->queue_in, packets, bits);
	if (o->to->vm_queue_in)
		vqueue_shared_return(o->to->vm_queue_in, packets, bits);
	if (o->to->tenant_queue_in)
		vqueue_shared_return(o->to->tenant_queue_in, packets, bits);
}
