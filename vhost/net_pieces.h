/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside the ring engine: chains of some pieces, which are what drivers make of packets that are
 * not in one: the header and pages, directly or in an indirect table. */
#ifndef VHOST_NET_PIECES_H
#define VHOST_NET_PIECES_H

#include "ring/virtq_walk.h"
#include "vhost/net_lent.h"

/* A transmitted packet. */
struct net_pieces {
	const uint8_t *hdr; /* the virtio_net_hdr, in one piece */
	uint32_t len;       /* of the packet */
	uint16_t n;
	uint16_t id;
	uint16_t slots; /* of the ring */
	uint16_t descs; /* with those of the table */
	struct virtq_seg *seg;
	uint16_t room; /* at `seg` */
};

/* Reads the chain at the cursor, whose first descriptor is *first, into p->seg, and starts loading
 * what it begins with. False when it is of another shape or does not fit p->room, or is malformed:
 * for virtq_walk_chain to find out. */
bool net_read_pieces(struct net_ring *r, const struct virtq_cursor *c,
		     const struct virtq_entry *first, struct net_pieces *p);

/* Starts loading the indirect tables of some chains from the cursor on. */
void net_prefetch_tables(struct virtq *q, const struct virtq_cursor *c);

#endif
