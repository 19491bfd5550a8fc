/* SPDX-License-Identifier: BSD-3-Clause */
/* Chains of any shape, as lists of memory segments.
 *
 * The common chain, one descriptor within one region, does not come here. Bounds, whatever the
 * guest wrote: VIRTQ_MAX_CHAIN descriptors of a chain in the ring and as many in its indirect
 * table, and the walk's max_segs segments. */
#include "ring/virtq_walk.h"

#include <string.h>

/* Adds the memory of one descriptor to the walk. */
static enum virtq_walked add(struct virtq *q, const struct virtq_entry *e, uint16_t flag,
			     struct virtq_walk *w)
{
	uint64_t gpa = e->addr, left = e->len, n;
	void *at;

	if ((e->flags & VRING_DESC_F_WRITE) != flag)
		return WALKED_BAD;
	while (left > 0) {
		n = left;
		at = virtq_at(q, gpa, n);
		if (!at)
			at = guest_mem_at(q->mem, gpa, &n);
		if (!at)
			return WALKED_BAD;
		if (w->n_segs == w->max_segs)
			return WALKED_TOO_LONG;
		w->segs[w->n_segs].at = at;
		w->segs[w->n_segs].len = (uint32_t)n;
		w->n_segs++;
		w->len += n;
		left -= n;
		gpa += n;
	}
	return WALKED_OK;
}

/* Reads entry `at` of an indirect table. In a packed ring's table all entries belong to the chain,
 * in order. */
static void read_table(const struct virtq *q, const uint8_t *d, uint32_t at, uint32_t entries,
		       struct virtq_entry *e)
{
	if (!q->packed) {
		virtq_read_split(d, e);
		return;
	}
	virtq_decode_packed(virtq_load(d + 8), virtq_load(d), e);
	e->flags &= (uint16_t)~VRING_DESC_F_NEXT;
	if (at + 1 < entries)
		e->flags |= VRING_DESC_F_NEXT;
	e->next = (uint16_t)(at + 1);
}

/* Walks the indirect table that *ref names. A split ring's table holds a chain, a packed ring's
 * table is one from its first to its last entry (virtio 1.1, 2.6.5.3 and 2.7.7). */
static enum virtq_walked walk_indirect(struct virtq *q, const struct virtq_entry *ref,
				       uint16_t flag, uint64_t enough, struct virtq_walk *w)
{
	const uint32_t size = sizeof(struct vring_desc);
	uint32_t entries = ref->len / size, at = 0, n = 0;
	enum virtq_walked rc;
	struct virtq_entry e;
	const uint8_t *d;

	if (!q->indirect || (ref->flags & VRING_DESC_F_NEXT) || ref->len % size != 0 ||
	    entries == 0)
		return WALKED_BAD;
	for (;;) {
		if (n++ == VIRTQ_MAX_CHAIN)
			return WALKED_TOO_LONG;
		w->descs++;
		d = virtq_at(q, ref->addr + (uint64_t)at * size, size);
		if (!d)
			return WALKED_BAD;
		read_table(q, d, at, entries, &e);
		if (e.flags & VRING_DESC_F_INDIRECT)
			return WALKED_BAD;
		rc = add(q, &e, flag, w);
		if (rc != WALKED_OK || w->len > enough || !(e.flags & VRING_DESC_F_NEXT))
			return rc;
		at = e.next;
		if (at >= entries)
			return WALKED_BAD;
	}
}

/* Walks a chain of a split ring, whose last descriptor may name an indirect table (virtio 1.1,
 * 2.6.5.3.2). */
static enum virtq_walked walk_split(struct virtq *q, const struct virtq_entry *first, uint16_t flag,
				    uint64_t enough, struct virtq_walk *w)
{
	struct virtq_entry e = *first;
	enum virtq_walked rc;
	uint32_t n = 1;

	for (;;) {
		if (e.flags & VRING_DESC_F_INDIRECT)
			return walk_indirect(q, &e, flag, enough, w);
		rc = add(q, &e, flag, w);
		if (rc != WALKED_OK || w->len > enough || !(e.flags & VRING_DESC_F_NEXT))
			return rc;
		if (n == VIRTQ_MAX_CHAIN || n == q->size)
			return WALKED_TOO_LONG;
		if (e.next >= q->size)
			return WALKED_BAD;
		virtq_read_split(&q->desc[e.next], &e);
		n++;
		w->descs++;
	}
}

/* Walks a chain of a packed ring. Its end has to be found even when the chain is malformed, since
 * the next chain follows it. A descriptor that names an indirect table must be alone (virtio 1.1,
 * 2.7.7). */
static enum virtq_walked walk_packed(struct virtq *q, struct virtq_cursor c,
				     const struct virtq_entry *first, uint16_t flag,
				     uint64_t enough, struct virtq_walk *w,
				     struct virtq_chain *chain)
{
	enum virtq_walked rc = WALKED_OK;
	struct virtq_entry e = *first;
	const uint8_t *d;

	if ((e.flags & VRING_DESC_F_INDIRECT) && !(e.flags & VRING_DESC_F_NEXT))
		return walk_indirect(q, &e, flag, enough, w);
	for (;;) {
		if (e.flags & VRING_DESC_F_INDIRECT)
			rc = WALKED_BAD;
		if (rc == WALKED_OK && w->len <= enough)
			rc = add(q, &e, flag, w);
		chain->id = e.id;
		if (!(e.flags & VRING_DESC_F_NEXT))
			return rc;
		if (chain->slots == VIRTQ_MAX_CHAIN || chain->slots == q->size) {
			virtq_break(q, VIRTQ_BREAK_ENDLESS_CHAIN);
			return WALKED_BROKEN;
		}
		virtq_advance(q, &c, 1, true);
		d = (const uint8_t *)&q->packed_desc[c.at];
		virtq_decode_packed(virtq_load(d + 8), virtq_load(d), &e);
		chain->slots++;
		w->descs++;
	}
}

enum virtq_walked virtq_walk_chain(struct virtq *q, const struct virtq_cursor *c,
				   const struct virtq_entry *first, uint16_t flag, uint64_t enough,
				   struct virtq_walk *w, struct virtq_chain *chain)
{
	chain->id = first->id;
	chain->slots = 1;
	w->descs++;
	if (first->flags & ENTRY_BAD)
		return WALKED_BAD;
	if (q->packed)
		return walk_packed(q, *c, first, flag, enough, w, chain);
	return walk_split(q, first, flag, enough, w);
}

/* Returns the next piece, of at most `len` bytes, and moves *pos behind it. */
static uint8_t *piece(const struct virtq_seg *segs, struct virtq_pos *pos, uint32_t *len)
{
	const struct virtq_seg *s = &segs[pos->seg];
	uint8_t *at = s->at + pos->offset;

	if (*len >= s->len - pos->offset) {
		*len = s->len - pos->offset;
		pos->seg++;
		pos->offset = 0;
	} else {
		pos->offset += *len;
	}
	return at;
}

void virtq_walk_read(const struct virtq_seg *segs, struct virtq_pos *pos, void *to, uint32_t len)
{
	uint8_t *dst = to;
	const uint8_t *src;
	uint32_t n;

	for (; len > 0; len -= n, dst += n) {
		n = len;
		src = piece(segs, pos, &n);
		memcpy(dst, src, n);
	}
}

void virtq_walk_write(const struct virtq_seg *segs, struct virtq_pos *pos, const void *from,
		      uint32_t len, struct checksum *sum)
{
	const uint8_t *src = from;
	uint8_t *dst;
	uint32_t n;

	for (; len > 0; len -= n, src += n) {
		n = len;
		dst = piece(segs, pos, &n);
		if (sum)
			checksum_copy(sum, dst, src, n);
		else
			memcpy(dst, src, n);
	}
}

struct virtq_pos virtq_walk_seek(const struct virtq_seg *segs, uint32_t offset)
{
	struct virtq_pos pos = {0, offset};

	while (pos.offset >= segs[pos.seg].len) {
		pos.offset -= segs[pos.seg].len;
		pos.seg++;
	}
	return pos;
}
