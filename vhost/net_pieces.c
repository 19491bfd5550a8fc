/* SPDX-License-Identifier: BSD-3-Clause */
/* Chains of some pieces. Bounds: NET_LENT_PIECES and one descriptor for the header. */
#include "vhost/net_pieces.h"

#include <rte_prefetch.h>

#define MAX_DESCS (NET_LENT_PIECES + 1)

/* Tables that are loaded ahead: as many as there are packets in a burst that may be long ones. */
#define TABLES_AHEAD 12

/* Adds the memory of a descriptor: the header, or it and what follows, or a piece. */
static bool add(struct net_ring *r, const struct virtq_entry *e, struct net_pieces *p)
{
	struct virtq *q = &r->q;
	uint32_t skip = p->hdr ? 0 : r->hdr_len;
	uint8_t *at;

	if (e->len < skip || e->len == 0 || e->len - skip > UINT16_MAX)
		return false;
	at = virtq_at(q, e->addr, e->len);
	if (!at)
		return false;
	if (!p->hdr) {
		p->hdr = at;
		if (r->reads_hdr)
			rte_prefetch0(at);
	}
	if (e->len == skip)
		return true;
	if (p->n == NET_LENT_PIECES || p->n == p->room)
		return false;
	/* What is copied of a lent packet, most of which is in the first piece or the second. */
	if (p->len < NET_LENT_BYTES) {
		rte_prefetch0(at + skip);
		rte_prefetch0(at + RTE_MIN(e->len, skip + (uint32_t)NET_LENT_BYTES) - 1);
	}
	p->seg[p->n++] = (struct virtq_seg){at + skip, e->len - skip};
	p->len += e->len - skip;
	return true;
}

/* In a split table the descriptors are linked, and drivers link them in order; in a packed one they
 * stand in order (virtio 1.1, 2.6.5.3 and 2.7.7). */
static bool read_table(struct net_ring *r, const struct virtq_entry *ref, struct net_pieces *p)
{
	struct virtq *q = &r->q;
	const uint32_t size = sizeof(struct vring_desc);
	uint32_t n = ref->len / size;
	struct virtq_entry e;
	const uint8_t *d;

	if (!q->indirect || ref->len % size != 0 || n == 0 || n > MAX_DESCS)
		return false;
	d = virtq_at(q, ref->addr, ref->len);
	if (!d)
		return false;
	for (uint32_t i = 0; i < n; i++, d += size) {
		bool last = i + 1 == n;

		if (q->packed) {
			virtq_decode_packed(virtq_load(d + 8), virtq_load(d), &e);
			e.flags &= (uint16_t)~VRING_DESC_F_NEXT;
		} else {
			virtq_read_split(d, &e);
			if (!last && e.flags == VRING_DESC_F_NEXT && e.next == i + 1)
				e.flags = 0;
		}
		if (e.flags != 0 || !add(r, &e, p))
			return false;
	}
	p->descs += (uint16_t)n;
	return true;
}

/* The descriptor behind *e in its chain; moves *c over it. */
static bool read_next(const struct virtq *q, struct virtq_cursor *c, struct virtq_entry *e)
{
	const uint8_t *d;

	if (q->packed) {
		virtq_advance(q, c, 1, true);
		d = (const uint8_t *)&q->packed_desc[c->at];
		virtq_decode_packed(virtq_load(d + 8), virtq_load(d), e);
		return true;
	}
	if (e->next >= q->size)
		return false;
	virtq_read_split(&q->desc[e->next], e);
	return true;
}

bool net_read_pieces(struct net_ring *r, const struct virtq_cursor *c,
		     const struct virtq_entry *first, struct net_pieces *p)
{
	const struct virtq *q = &r->q;
	struct virtq_cursor at = *c;
	struct virtq_entry e = *first;

	p->hdr = NULL;
	p->len = 0;
	p->n = 0;
	p->slots = p->descs = 1;
	p->id = e.id;
	if (e.flags == VRING_DESC_F_INDIRECT)
		return read_table(r, &e, p);
	while (e.flags == VRING_DESC_F_NEXT && p->descs < MAX_DESCS) {
		if (!add(r, &e, p) || !read_next(q, &at, &e))
			return false;
		if (q->packed)
			p->id = e.id;
		p->slots++;
		p->descs++;
	}
	return e.flags == 0 && add(r, &e, p);
}

void net_prefetch_tables(struct virtq *q, const struct virtq_cursor *c)
{
	struct virtq_cursor at = *c;
	struct virtq_entry e;
	const uint8_t *table;

	for (int i = 0; i < TABLES_AHEAD; i++) {
		if (!(q->packed ? virtq_peek(q, &at, &e, true) : virtq_peek(q, &at, &e, false)) ||
		    e.flags != VRING_DESC_F_INDIRECT)
			return;
		table = virtq_at(q, e.addr, 1);
		if (table)
			rte_prefetch0(table);
		virtq_advance(q, &at, 1, q->packed);
	}
}
