/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers to the sender of a packet. */
#include "vswitch/reply.h"

#include <rte_ether.h>

#include "pkt/icmp.h"
#include "pkt/parse.h"
#include "pkt/pkt.h"
#include "vswitch/capture.h"
#include "vswitch/notify.h"
#include "vswitch/stage.h"
#include "vswitch/vport.h"
#include "vswitch/wire_tx.h"

void reply_init(struct vport *port, uint64_t tsc_hz, uint64_t now)
{
	port->answers = port->questions = (struct rate){0};
	rate_set(&port->answers, REPLY_RATE, tsc_hz, REPLY_BURST, 0, now);
	rate_set(&port->questions, REPLY_QUESTION_RATE, tsc_hz, REPLY_QUESTION_BURST, 0, now);
}

bool reply_is_allowed(const struct worker *w, struct rate *limit)
{
	rate_refill(limit, worker_now(w), limit->cap);
	return limit->level > 0;
}

bool reply_deliver(struct worker *w, struct vport *to, uint16_t pair, struct rte_mbuf *m,
		   struct rate *limit)
{
	struct queue_counters *c;
	struct net_ring *rx;
	uint8_t result;

	if (to->n_rx == 0)
		return false;
	rx = vport_rx(w, to, pair, &c);
	if (net_enqueue(rx, &m, 1, &result, &w->deadline) == 0)
		return false;
	if (unlikely(w->captures != NULL))
		capture_delivered(w, to, &m, 1, NULL);
	counter_add(&c->tx_packets, 1);
	counter_add(&c->tx_bytes, rte_pktmbuf_pkt_len(m));
	notify_later(&w->notifications, &rx->q, &c->notifications);
	rate_take(limit, 1);
	return true;
}

static struct rte_mbuf *make_answer(const struct worker *w, const struct vport *from,
				    const struct pkt *p)
{
	uint32_t mtu = atomic_load_explicit(&from->bridge->mtu, memory_order_relaxed);
	struct pkt_info info;
	uint32_t path;

	if (p->reason != DROP_OVER_MTU && p->reason != DROP_OVER_PATH_MTU)
		return NULL;
	pkt_parse(p->m, &info);
	if (p->reason == DROP_OVER_PATH_MTU) {
		/* The sender adds the same VLAN tags to what it sends instead. */
		path = wire_mtu(w, p->dest - DEST_FIRST_REMOTE);
		mtu = RTE_MIN(mtu, path - (info.l2_len - RTE_ETHER_HDR_LEN));
	}
	return icmp_too_big(p->m, &info, mtu, w->service[from->vm].pool);
}

bool reply_to(struct worker *w, struct vport *from, uint16_t pair, const struct pkt *p)
{
	struct rte_mbuf *m;
	bool did;

	if (!reply_is_allowed(w, &from->answers))
		return false;
	m = make_answer(w, from, p);
	if (!m)
		return false;
	did = reply_deliver(w, from, pair, m, &from->answers);
	rte_pktmbuf_free(m);
	return did;
}
