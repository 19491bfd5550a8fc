/* SPDX-License-Identifier: BSD-3-Clause */
/* Internals of the ring engine: chains of any shape, as lists of memory segments. */
#ifndef RING_VIRTQ_WALK_H
#define RING_VIRTQ_WALK_H

#include "pkt/checksum.h"
#include "ring/virtq_entry.h"

/* A descriptor that crosses from one memory region into the next takes one segment more. */
#define VIRTQ_MAX_SEGS (VIRTQ_MAX_CHAIN + GUEST_MEM_MAX_REGIONS)

struct virtq_seg {
	uint8_t *at;
	uint32_t len;
};

/* A position in a list of segments. */
struct virtq_pos {
	uint32_t seg;
	uint32_t offset;
};

/* A walk over one or several chains: their segments follow each other. */
struct virtq_walk {
	uint32_t n_segs;
	uint32_t descs; /* descriptors read, of all chains */
	uint64_t len;   /* of all segments */
	uint32_t max_segs;
	struct virtq_seg *segs; /* [max_segs], the caller's */
};

/* A chain that was walked over: what is needed to give it back. */
struct virtq_chain {
	uint16_t id;
	uint16_t slots;
};

enum virtq_walked {
	WALKED_OK,
	WALKED_BAD,      /* malformed */
	WALKED_TOO_LONG, /* more descriptors or segments than fit, or a loop */
	WALKED_BROKEN,   /* the ring was marked broken */
};

/* Walks the chain at the cursor, whose first descriptor was read into *first, and adds its memory
 * to *w. `flag` is VRING_DESC_F_WRITE for chains that the device writes to, else 0. Memory beyond
 * the point where w->len exceeds `enough` is not looked at. *chain is filled unless the ring is
 * broken. */
enum virtq_walked virtq_walk_chain(struct virtq *q, const struct virtq_cursor *c,
				   const struct virtq_entry *first, uint16_t flag, uint64_t enough,
				   struct virtq_walk *w, struct virtq_chain *chain);

/* Copy between segments and memory, from *pos on; the segments must hold that much. What is written
 * is added to *sum if that is not NULL. */
void virtq_walk_read(const struct virtq_seg *segs, struct virtq_pos *pos, void *to, uint32_t len);
void virtq_walk_write(const struct virtq_seg *segs, struct virtq_pos *pos, const void *from,
		      uint32_t len, struct checksum *sum);

/* The position `offset` bytes into the segments. */
struct virtq_pos virtq_walk_seek(const struct virtq_seg *segs, uint32_t offset);

#endif
