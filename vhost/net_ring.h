/* SPDX-License-Identifier: BSD-3-Clause */
/* A network device's ring (virtio 1.1, 5.1.6): packets between a guest's memory and mbufs.
 *
 * Belongs to one thread at a time, as the virtqueue that it is made of (ring/virtq.h). A malformed
 * chain is given back to the guest and counted. Work becomes visible to the guest with
 * virtq_publish, not before. */
#ifndef VHOST_NET_RING_H
#define VHOST_NET_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/virtq.h"

struct deadline;
struct net_lent;
struct pkt;
struct rte_mbuf;
struct rte_mempool;

#define NET_MAX_BURST 64 /* packets that one call takes at most */
#define NET_MAX_PACKET                                                            \
	(65535 + 40 + 14 + 8) /* IPv6 without jumbograms, Ethernet, two VLAN tags \
			       */

/* Descriptors in excess (see struct net_ring) after which a call of net_enqueue ends. */
#define NET_MAX_EXCESS 512
/* The excess of a ring whose buffers were in a page which was not there. */
#define NET_EXCESS_OF_MISSING_PAGE NET_MAX_EXCESS

enum net_drop {
#define X(name, text) NET_DROP_##name,
#include "vhost/net_drops.def"
#undef X
	NET_DROP_COUNT
};

enum net_result {
#define X(name, text) NET_##name,
#include "vhost/net_results.def"
#undef X
	NET_RESULT_COUNT
};

struct net_ring {
	struct virtq q;
	uint8_t hdr_len; /* of the virtio_net_hdr */
	bool mergeable;
	bool reads_hdr;  /* the guest may ask for offloads in the headers that it sends */
	uint16_t excess; /* descriptors that the packet last placed by itself took beyond one for
			    each 512 bytes: how slow the ring's buffers are to fill. Halved by each
			    call of net_enqueue */
};

/* What one call of net_dequeue may take. A packet that was begun is finished, and one is always
 * taken, so a call overruns by one packet at most. */
struct net_limits {
	uint16_t packets; /* malformed chains count */
	uint32_t bytes;
	uint32_t descs;
	struct deadline *deadline; /* NULL: none */
};

/* What was done; calls add to it. Chains consumed == packets returned + sum(drops). */
struct net_taken {
	uint32_t descs;   /* descriptors walked, those of indirect tables included */
	uint32_t bytes;   /* copied */
	uint32_t no_mbuf; /* calls that the empty pool stopped: the chain stays in the ring */
	uint32_t drops[NET_DROP_COUNT];
};

/* As virtq_open. [control, gate] */
int net_ring_open(struct net_ring *r, const struct virtq_conf *conf);

/* Names. [any] */
const char *net_result_text(enum net_result result);
const char *net_drop_text(enum net_drop drop);

/* Takes packets that the guest sent, within the limits (limits->packets may exceed NET_MAX_BURST,
 * pkts needs no more room than that). Packets in some pieces are lent (vhost/net_lent.h) if `lent`
 * is not NULL, which must have been given back; all others are copied to mbufs from the pool, of
 * POOL_MBUF_ROOM, which are the caller's. ol_flags and tx_offload follow vhost/net_hdr.h. Malformed
 * chains are dropped and counted in *taken. Returns the number of packets; of each struct pkt only
 * `m` is set. [worker] */
uint16_t net_dequeue(struct net_ring *r, struct rte_mempool *pool, struct net_lent *lent,
		     struct pkt *pkts, const struct net_limits *limits, struct net_taken *taken);

/* Puts the last `n` packets that are lent back into the ring, as if they had not been taken. Their
 * mbufs, where they are copies, are the caller's to free. Returns their number of descriptors.
 * [worker] */
uint32_t net_untake(struct net_ring *r, struct net_lent *lent, uint16_t n);

/* Gives what was lent back to the guest. To be called for each net_dequeue with *lent, before the
 * next one and before anything else can happen to the ring. [worker] */
void net_give_back(struct net_ring *r, struct net_lent *lent);

/* Copies packets into the guest's buffers, in order. The mbufs stay the caller's and are not
 * changed. result[i] tells what became of pkts[i]; when the ring is full, its buffers are in so
 * many pieces that it takes too long, pages of the guest's are not there and the deadline (NULL for
 * none) is over, or a packet needs an offload that the guest did not negotiate, the rest are not
 * tried. Returns the number delivered. [worker] */
uint16_t net_enqueue(struct net_ring *r, struct rte_mbuf *const *pkts, uint16_t n, uint8_t *result,
		     struct deadline *deadline);

/* Prefetches for net_enqueue, where a ring's cache lines have to come from elsewhere. Each step
 * starts loading what the next one reads, and takes effect some hundred cycles later. They change
 * nothing, except that a ring which turns out to be broken is marked so. [worker]
 *   net_prefetch_ring     the guest's entry for the next buffer, and ours
 *   net_prefetch_entry    the buffer's descriptor
 *   net_prefetch_buffers  the buffers for m, and m itself */
void net_prefetch_ring(const struct net_ring *r);
void net_prefetch_entry(struct net_ring *r);
void net_prefetch_buffers(struct net_ring *r, const struct rte_mbuf *m);

#endif
