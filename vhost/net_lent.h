/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets that are still in the guest's memory, as mbufs: what makes forwarding one copy.
 *
 * The first bytes of each are copied when it is taken, so that what is checked and decided upon is
 * what gets delivered, whatever the guest does to its memory meanwhile; what follows is the guest's
 * own business and is read when it is copied to the receiver. A packet that asks for offloads is
 * lent like any other when all headers that it means are in those bytes. net_give_back ends that:
 * it gives the chains back to the guest. Whoever keeps a packet for longer copies it (pkt_own). */
#ifndef VHOST_NET_LENT_H
#define VHOST_NET_LENT_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/virtio_ring.h>

#include <rte_mbuf.h>

#include "vhost/net_ring.h"

/* Ethernet, VLAN tags, IPv6 with some extension headers, TCP with options. */
#define NET_LENT_BYTES 128

/* Pieces of guest memory that a lent packet has at most: a Linux guest makes 64 KiB of a header and
 * up to 18 pages. */
#define NET_LENT_PIECES 19

/* Pieces of all packets of a burst together. */
#define NET_LENT_BURST_PIECES 256

/* Belongs to no pool, and is never freed. */
struct net_lent_pkt {
	struct rte_mbuf head; /* of bytes[] */
	struct rte_mbuf rest; /* of the guest's memory behind them: the first piece */
	uint8_t bytes[NET_LENT_BYTES];
};

/* How much a chain takes up of its ring, and how many descriptors it has, with those of a table. */
struct net_extent {
	uint8_t slots;
	uint8_t descs;
};

/* The last packets that one call of net_dequeue took, whose chains are still out: lent ones, and
 * packets that were copied among them. They are given back, or returned, in order. */
struct net_lent {
	uint16_t n;
	struct vring_used_elem used[NET_MAX_BURST];
	struct net_extent extent[NET_MAX_BURST];
	struct net_lent_pkt pkt[NET_MAX_BURST];
	uint16_t n_more;
	struct rte_mbuf more[NET_LENT_BURST_PIECES]; /* pieces behind each packet's first */
};

/* NULL when memory is short. [control] */
struct net_lent *net_lent_create(void);
void net_lent_destroy(struct net_lent *lent);

#endif
