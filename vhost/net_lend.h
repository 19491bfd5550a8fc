/* SPDX-License-Identifier: BSD-3-Clause */
/* Lending packets (vhost/net_lent.h), for net_tx.c: what is done for each is inlined. */
#ifndef VHOST_NET_LEND_H
#define VHOST_NET_LEND_H

#include <rte_mbuf.h>

#include "ring/virtq_entry.h"
#include "ring/virtq_walk.h"
#include "vhost/net_lent.h"

#define NET_LEND_PAGE 4096 /* bytes of the smallest page */

typedef uint64_t net_mbuf_word __attribute__((may_alias));

/* data_off, refcnt, nb_segs and port of a new mbuf: the word at rearm_data. */
#define NET_MBUF_REARM \
	(RTE_PKTMBUF_HEADROOM | 1ULL << 16 | 1ULL << 32 | (uint64_t)RTE_MBUF_PORT_INVALID << 48)

/* The memory of a packet, behind its header. */
struct net_pieces {
	struct virtq_seg *seg;
	uint16_t n;
};

/* Touches a page. A missing one is to be met here, where a call can still end, not when the packet
 * is delivered. */
static __rte_always_inline void net_lend_touch(const uint8_t *at)
{
	(void)*(const volatile uint8_t *)at;
}

static __rte_always_inline bool net_lend_in_one_page(const uint8_t *a, const uint8_t *b)
{
	return ((uintptr_t)a ^ (uintptr_t)b) < NET_LEND_PAGE;
}

/* Guest memory as a part of a lent packet: it is only read. */
static __rte_always_inline void net_lend_set(struct rte_mbuf *m, const uint8_t *at, uint32_t len)
{
	m->buf_addr = (void *)(uintptr_t)at;
	m->buf_len = m->data_len = (uint16_t)len;
}

/* Lends a packet in one piece. */
static __rte_always_inline struct rte_mbuf *net_lend_packet(struct net_lent_pkt *v,
							    const uint8_t *at, uint32_t len)
{
	uint32_t copied = RTE_MIN(len, (uint32_t)NET_LENT_BYTES);
	uint16_t segs = len > copied ? 2 : 1;

	v->head.ol_flags = 0;
	v->head.pkt_len = len;
	v->head.data_len = (uint16_t)copied;
	if (unlikely(v->head.nb_segs != segs)) {
		v->head.nb_segs = segs;
		v->head.next = segs == 2 ? &v->rest : NULL;
		v->rest.next = NULL;
	}
	if (segs == 2) {
		net_lend_set(&v->rest, at + copied, len - copied);
		if (unlikely(!net_lend_in_one_page(at, at + len - 1)))
			net_lend_touch(at + len - 1);
	}
	virtq_copy(v->bytes, at, copied);
	return &v->head;
}

/* Lends a packet of `len` bytes in some pieces. There is an mbuf in *lent for each. */
struct rte_mbuf *net_lend_pieces(struct net_lent *lent, uint16_t index, const struct net_pieces *p,
				 uint32_t len);

#endif
