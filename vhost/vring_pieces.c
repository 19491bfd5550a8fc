/* SPDX-License-Identifier: BSD-3-Clause */
/* Chains of a few pieces. Bounds: VRING_VIEW_PIECES and one descriptor for the header. */
#include "vhost/vring_pieces.h"

#include <rte_prefetch.h>

#define MAX_DESCS (VRING_VIEW_PIECES + 1)

/* Tables that are loaded ahead: as many as there are packets in a burst that may be long ones. */
#define TABLES_AHEAD 12

/* Adds the memory of a descriptor: the header, or it and what follows, or a piece. */
static bool add(struct virtq *q, const struct vring_entry *e, struct vring_pieces *p)
{
	uint32_t skip = p->hdr ? 0 : q->hdr_len;
	uint8_t *at;

	if (e->len < skip || e->len == 0 || e->len - skip > UINT16_MAX)
		return false;
	at = vring_at(q, e->addr, e->len);
	if (!at)
		return false;
	if (!p->hdr) {
		p->hdr = at;
		if (q->reads_hdr)
			rte_prefetch0(at);
	}
	if (e->len == skip)
		return true;
	if (p->n == VRING_VIEW_PIECES)
		return false;
	/* What is copied of a view, most of which is in the first piece or the second. */
	if (p->len < VRING_VIEW_BYTES) {
		rte_prefetch0(at + skip);
		rte_prefetch0(at + RTE_MIN(e->len, skip + (uint32_t)VRING_VIEW_BYTES) - 1);
	}
	p->seg[p->n++] = (struct vring_seg){at + skip, e->len - skip};
	p->len += e->len - skip;
	return true;
}

/* In a split table the descriptors are linked, and drivers link them in order; in a packed one they
 * stand in order (virtio 1.1, 2.6.5.3 and 2.7.7). */
static bool read_table(struct virtq *q, const struct vring_entry *ref, struct vring_pieces *p)
{
	const uint32_t size = sizeof(struct vring_desc);
	uint32_t n = ref->len / size;
	struct vring_entry e;
	const uint8_t *d;

	if (!q->indirect || ref->len % size != 0 || n == 0 || n > MAX_DESCS)
		return false;
	d = vring_at(q, ref->addr, ref->len);
	if (!d)
		return false;
	for (uint32_t i = 0; i < n; i++, d += size) {
		bool last = i + 1 == n;

		if (q->packed) {
			vring_decode_packed(vring_load(d + 8), vring_load(d), &e);
			e.flags &= (uint16_t)~VRING_DESC_F_NEXT;
		} else {
			vring_read_split(d, &e);
			if (!last && e.flags == VRING_DESC_F_NEXT && e.next == i + 1)
				e.flags = 0;
		}
		if (e.flags != 0 || !add(q, &e, p))
			return false;
	}
	p->descs += (uint16_t)n;
	return true;
}

/* The descriptor behind *e in its chain; moves *c over it. */
static bool read_next(const struct virtq *q, struct vring_cursor *c, struct vring_entry *e)
{
	const uint8_t *d;

	if (q->packed) {
		vring_advance(q, c, 1, true);
		d = (const uint8_t *)&q->packed_desc[c->at];
		vring_decode_packed(vring_load(d + 8), vring_load(d), e);
		return true;
	}
	if (e->next >= q->size)
		return false;
	vring_read_split(&q->desc[e->next], e);
	return true;
}

bool vring_read_pieces(struct virtq *q, const struct vring_cursor *c,
		       const struct vring_entry *first, struct vring_pieces *p)
{
	struct vring_cursor at = *c;
	struct vring_entry e = *first;

	p->hdr = NULL;
	p->len = 0;
	p->n = 0;
	p->slots = p->descs = 1;
	p->id = e.id;
	if (e.flags == VRING_DESC_F_INDIRECT)
		return read_table(q, &e, p);
	while (e.flags == VRING_DESC_F_NEXT && p->descs < MAX_DESCS) {
		if (!add(q, &e, p) || !read_next(q, &at, &e))
			return false;
		if (q->packed)
			p->id = e.id;
		p->slots++;
		p->descs++;
	}
	return e.flags == 0 && add(q, &e, p);
}

void vring_prefetch_tables(struct virtq *q, const struct vring_cursor *c)
{
	struct vring_cursor at = *c;
	struct vring_entry e;
	const uint8_t *table;

	for (int i = 0; i < TABLES_AHEAD; i++) {
		if (!(q->packed ? vring_peek(q, &at, &e, true) : vring_peek(q, &at, &e, false)) ||
		    e.flags != VRING_DESC_F_INDIRECT)
			return;
		table = vring_at(q, e.addr, 1);
		if (table)
			rte_prefetch0(table);
		vring_advance(q, &at, 1, q->packed);
	}
}
