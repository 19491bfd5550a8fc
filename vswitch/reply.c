/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers to the sender of a packet. */
#include "vswitch/reply.h"

#include <rte_ether.h>

#include "pkt/icmp.h"
#include "pkt/parse.h"
#include "pkt/pkt.h"
#include "vswitch/notify.h"
#include "vswitch/stage.h"
#include "vswitch/vport.h"
#include "vswitch/wire_tx.h"

void reply_init(struct vport *port, uint64_t tsc_hz, uint64_t now)
{
	port->answers = (struct rate){0};
	rate_set(&port->answers, REPLY_RATE, tsc_hz, REPLY_BURST, 0, now);
}

static bool is_allowed(const struct worker *w, struct vport *port)
{
	rate_refill(&port->answers, worker_now(w), port->answers.cap);
	return port->answers.level > 0;
}

/* Puts the switch's own packet into the port's receive ring. */
static bool deliver_answer(struct worker *w, struct vport *to, uint16_t pair, struct rte_mbuf *m)
{
	struct queue_counters *c;
	struct net_ring *rx;
	uint8_t result;

	if (to->n_rx == 0)
		return false;
	rx = vport_rx(w, to, pair, &c);
	if (net_enqueue(rx, &m, 1, &result, &w->deadline) == 0)
		return false;
	counter_add(&c->tx_packets, 1);
	counter_add(&c->tx_bytes, rte_pktmbuf_pkt_len(m));
	notify_later(&w->notifications, &rx->q, &c->notifications);
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

	if (!is_allowed(w, from))
		return false;
	m = make_answer(w, from, p);
	if (!m)
		return false;
	did = deliver_answer(w, from, pair, m);
	if (did)
		rate_take(&from->answers, 1);
	rte_pktmbuf_free(m);
	return did;
}
