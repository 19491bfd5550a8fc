/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets that are still in the guest's memory, as mbufs: what makes forwarding one copy.
 *
 * The first bytes of each are copied when it is taken, so that what is checked and decided upon is
 * what gets delivered, whatever the guest does to its memory meanwhile; what follows is the guest's
 * own business and is read when it is copied to the receiver. A loan ends with vring_settle, which
 * gives the chains back to the guest: who wants to keep a packet for longer copies it first. */
#ifndef VHOST_VRING_LOAN_H
#define VHOST_VRING_LOAN_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/virtio_ring.h>

#include <rte_mbuf.h>

#include "vhost/vring.h"

/* Ethernet, VLAN tags, IPv6 with some extension headers, TCP with options. */
#define VRING_VIEW_BYTES 128

/* Pieces of guest memory that a view has at most: a header and some pages. */
#define VRING_VIEW_PIECES 4

/* Belongs to no pool, and is never freed. */
struct vring_view {
	struct rte_mbuf head;                    /* of bytes[] */
	struct rte_mbuf rest[VRING_VIEW_PIECES]; /* of the guest's memory behind them */
	uint8_t bytes[VRING_VIEW_BYTES];
};

/* How much a chain takes up of its ring, and how many descriptors it has, with those of a table. */
struct vring_extent {
	uint8_t slots;
	uint8_t descs;
};

/* The last packets that one call of vring_dequeue took, whose chains are still out: views, and
 * packets that were copied among them. They are given back, or returned, in order. */
struct vring_loan {
	uint16_t n;
	struct vring_used_elem used[VRING_MAX_BURST];
	struct vring_extent extent[VRING_MAX_BURST];
	struct vring_view view[VRING_MAX_BURST];
};

/* NULL when memory is short. [control] */
struct vring_loan *vring_loan_create(void);
void vring_loan_destroy(struct vring_loan *loan);

/* Whether a packet is a view, to be copied by who wants to keep it. [worker] */
static inline bool vring_is_view(const struct rte_mbuf *m)
{
	return m->pool == NULL;
}

#endif
