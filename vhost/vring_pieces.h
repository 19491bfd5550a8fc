/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside the ring engine: chains of a few pieces, which are what drivers make of packets that are
 * not in one: the header, a page or two, directly or in an indirect table. */
#ifndef VHOST_VRING_PIECES_H
#define VHOST_VRING_PIECES_H

#include "vhost/vring_loan.h"
#include "vhost/vring_walk.h"

/* A transmitted packet. */
struct vring_pieces {
	const uint8_t *hdr; /* the virtio_net_hdr, in one piece */
	uint32_t len;       /* of the packet */
	uint16_t n;
	uint16_t id;
	uint16_t slots; /* of the ring */
	uint16_t descs; /* with those of the table */
	struct vring_seg seg[VRING_VIEW_PIECES];
};

/* Reads the chain at the cursor, whose first descriptor is *first, and starts loading what it
 * begins with. False when it is of another shape, or malformed: for vring_walk_chain to find out.
 */
bool vring_read_pieces(struct virtq *q, const struct vring_cursor *c,
		       const struct vring_entry *first, struct vring_pieces *p);

/* Starts loading the indirect tables of some chains from the cursor on. */
void vring_prefetch_tables(struct virtq *q, const struct vring_cursor *c);

#endif
