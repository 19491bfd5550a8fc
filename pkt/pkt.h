/* SPDX-License-Identifier: BSD-3-Clause */
/* A packet on its way through the switch: its data, and what the stages decided about it.
 *
 * The data may be lent: still in the memory of the guest that sent it, in an mbuf of no pool
 * (vhost/net_lent.h), and gone when the batch ends. Packets are kept and released by pkt_own() and
 * pkt_free() only, which know whether a packet is lent. */
#ifndef PKT_PKT_H
#define PKT_PKT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>

/* What a stage decided about a packet. */
enum pkt_verdict {
	PKT_FORWARD, /* deliver it to `dest` */
	PKT_ANSWER,  /* tell the sender why it cannot be forwarded; if that fails, drop it */
	PKT_DROP,
};

struct pkt {
	struct rte_mbuf *m;
	uint16_t dest;           /* see vswitch/batch.h */
	uint8_t verdict : 4;     /* enum pkt_verdict */
	uint8_t has_new_src : 1; /* its source address differs from that of the packet before */
	uint8_t is_reached : 1;  /* it was delivered, or handed over for delivery, at least once */
	uint8_t asks : 1;        /* for a neighbour that the switch knows: answered, not flooded */
	uint8_t tells : 1;       /* of neighbours: the switch learns from it */
	uint8_t reason;          /* why it is to be dropped, or why its last delivery failed */
	uint8_t asked;           /* all its deliveries in this part of the batch, */
	uint8_t missed;          /* those of them that failed, */
	uint8_t handed;          /* and those that were handed over to other services */
	uint8_t unused;
};
_Static_assert(sizeof(struct pkt) == 16, "four to a cache line");

/* Makes a packet plain: to be forwarded to one port, with nothing else noted about it. [worker] */
static inline void pkt_set_plain(struct pkt *p, uint16_t dest)
{
	*p = (struct pkt){.m = p->m, .dest = dest, .asked = 1};
}

/* Whether a packet is plain and goes to `dest`. [worker] */
static inline bool pkt_is_plain(const struct pkt *p, uint16_t dest)
{
	struct pkt plain = {.m = p->m, .dest = dest, .asked = 1};

	return memcmp(&p->dest, &plain.dest, sizeof(*p) - offsetof(struct pkt, dest)) == 0;
}

/* The packet's first bytes, from its Ethernet header on. [worker] */
static inline const uint8_t *pkt_data(const struct pkt *p)
{
	return rte_pktmbuf_mtod(p->m, const uint8_t *);
}

/* Whether a packet is lent. The mbuf of a lent packet is never freed. [any] */
static inline bool pkt_is_lent(const struct rte_mbuf *m)
{
	return m->pool == NULL;
}

/* Returns a reference to the packet that outlives the batch. If the packet is lent, it is to a copy
 * in buffers from `pool`. NULL when the pool has no buffers left. To be released by pkt_free().
 * [worker] */
static inline struct rte_mbuf *pkt_own(struct rte_mbuf *m, struct rte_mempool *pool)
{
	if (pkt_is_lent(m))
		return rte_pktmbuf_copy(m, pool, 0, UINT32_MAX);
	rte_pktmbuf_refcnt_update(m, 1);
	return m;
}

/* The bytes that a packet will be on its way to the end: one to be cut into segments gets headers
 * for each of them. [any] */
static inline uint64_t pkt_sent_bytes(const struct rte_mbuf *m)
{
	uint64_t headers = (uint64_t)m->l2_len + m->l3_len + m->l4_len, segments;

	if (likely(!(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG)) || m->tso_segsz == 0 ||
	    m->pkt_len <= headers)
		return m->pkt_len;
	segments = (m->pkt_len - headers + m->tso_segsz - 1) / m->tso_segsz;
	return m->pkt_len + (segments - 1) * headers;
}

/* Releases a reference to a packet, lent or not. [worker] */
static inline void pkt_free(struct rte_mbuf *m)
{
	if (unlikely(!pkt_is_lent(m)))
		rte_pktmbuf_free(m);
}

#endif
