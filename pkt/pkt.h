/* SPDX-License-Identifier: BSD-3-Clause */
/* A packet on its way through the switch: its data, and what the stages decided about it.
 *
 * The data may be lent: still in the memory of the guest that sent it, as an mbuf of no pool
 * (vhost/net_lent.h), and gone when the batch ends. pkt_own() and pkt_free() are the only ways to
 * keep and to let go of a packet, since they know the difference. */
#ifndef PKT_PKT_H
#define PKT_PKT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>

/* What is to become of a packet. */
enum pkt_verdict {
	PKT_FORWARD, /* to `dest` */
	PKT_ANSWER,  /* the sender is told why it cannot be, else it is dropped */
	PKT_DROP,
};

struct pkt {
	struct rte_mbuf *m;
	uint16_t dest;           /* see vswitch/batch.h */
	uint8_t verdict : 4;     /* enum pkt_verdict */
	uint8_t has_new_src : 1; /* another source address than the packet before */
	uint8_t is_reached : 1;  /* a receiver got it, or may yet */
	uint8_t reason;          /* why it is to be dropped, or its last delivery failed */
	uint8_t asked;           /* deliveries in this part of the batch: all of them, */
	uint8_t missed;          /* those that failed, */
	uint8_t handed;          /* and those handed over to other services */
	uint8_t unused;
};
_Static_assert(sizeof(struct pkt) == 16, "four to a cache line");

/* Sets what is to become of a packet: it goes to one port and has nothing else about it. [worker]
 */
static inline void pkt_set_plain(struct pkt *p, uint16_t dest)
{
	*p = (struct pkt){.m = p->m, .dest = dest, .asked = 1};
}

/* Whether that is so. [worker] */
static inline bool pkt_is_plain(const struct pkt *p, uint16_t dest)
{
	struct pkt plain = {.m = p->m, .dest = dest, .asked = 1};

	return memcmp(&p->dest, &plain.dest, sizeof(*p) - offsetof(struct pkt, dest)) == 0;
}

/* A packet's first bytes, from its Ethernet header on. [worker] */
static inline const uint8_t *pkt_data(const struct pkt *p)
{
	return rte_pktmbuf_mtod(p->m, const uint8_t *);
}

/* Whether a packet is lent. Such an mbuf is never freed. [any] */
static inline bool pkt_is_lent(const struct rte_mbuf *m)
{
	return m->pool == NULL;
}

/* A reference to the packet that outlives the batch: to a copy, of buffers from `pool`, where it is
 * lent. NULL when the pool has no buffers left. To be let go of by pkt_free(). [worker] */
static inline struct rte_mbuf *pkt_own(struct rte_mbuf *m, struct rte_mempool *pool)
{
	if (pkt_is_lent(m))
		return rte_pktmbuf_copy(m, pool, 0, UINT32_MAX);
	rte_pktmbuf_refcnt_update(m, 1);
	return m;
}

/* Lets go of a reference to a packet, lent or not. [worker] */
static inline void pkt_free(struct rte_mbuf *m)
{
	if (unlikely(!pkt_is_lent(m)))
		rte_pktmbuf_free(m);
}

#endif
