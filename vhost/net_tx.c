/* SPDX-License-Identifier: BSD-3-Clause */
/* From a guest's transmit ring into mbufs.
 *
 * The common chain is one descriptor, or one for the header and one for the packet, each in one
 * piece of memory, and its packet fits one mbuf. Chains of more pieces are walked (virtq_walk.h),
 * and lent all the same where they can be. Runs of both are taken in two plain loops: find_run
 * (read descriptors, prefetch what they name) and take_run (lend, or copy). A chain of any other
 * shape ends the run and is taken by itself. One thread owns the ring; memory is the caller's, and
 * the stack. */
#include "vhost/net_ring.h"

#include <string.h>

#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "pkt/pkt.h"
#include "pkt/pool.h"
#include "ring/virtq_entry.h"
#include "ring/virtq_walk.h"
#include "vhost/net_hdr.h"
#include "vhost/net_lend.h"

#define MAX_PACKET_MBUFS (NET_MAX_PACKET / POOL_MBUF_ROOM + 1)

/* Descriptors of a packet that is lent: its pieces, the header and a reference to a table. */
#define MOST_DESCS (NET_LENT_PIECES + 2)

/* Tables that are prefetched: as many as there are packets in a burst of long ones. */
#define TABLES_AHEAD 12

typedef uint16_t hdr_start __attribute__((may_alias, aligned(1)));

/* One call. */
struct take {
	struct rte_mempool *pool;
	struct net_lent *lent; /* or NULL */
	struct pkt *pkts;
	const struct net_limits *limits;
	struct net_taken *work;
	struct deadline *deadline;
	uint16_t max;    /* chains to take */
	uint16_t n_pkts; /* taken */
	uint16_t chains; /* taken or dropped */
	uint32_t bytes;
	uint32_t descs;
};

/* Chains of a common shape: where header and packet are. */
struct run {
	uint16_t n;
	uint16_t slots; /* of all of them */
	uint32_t bytes;
	uint32_t descs;
	struct vring_used_elem used[NET_MAX_BURST];
	struct net_extent extent[NET_MAX_BURST];
	uint32_t len[NET_MAX_BURST];
	const uint8_t *hdr[NET_MAX_BURST];
	const uint8_t *at[NET_MAX_BURST]; /* NULL: in some pieces */
	struct net_pieces pieces[NET_MAX_BURST];
	uint16_t n_segs;
	struct virtq_seg seg[NET_LENT_BURST_PIECES]; /* of all those pieces */
};

static inline void mbuf_start(struct rte_mbuf *m, uint32_t len)
{
	*(net_mbuf_word *)(void *)&m->rearm_data = NET_MBUF_REARM;
	m->ol_flags = 0;
	m->packet_type = 0;
	m->pkt_len = len;
	m->data_len = (uint16_t)len;
	m->vlan_tci = 0;
}

/* Reads the second descriptor of a chain. */
static __rte_always_inline bool read_second(const struct virtq *q, const struct virtq_cursor *c,
					    const struct virtq_entry *first,
					    struct virtq_entry *second, const bool packed)
{
	struct virtq_cursor next = *c;
	const uint8_t *d;

	if (packed) {
		virtq_advance(q, &next, 1, true);
		d = (const uint8_t *)&q->packed_desc[next.at];
		virtq_decode_packed(virtq_load(d + 8), virtq_load(d), second);
		return true;
	}
	if (unlikely(first->next >= q->size))
		return false;
	virtq_read_split(&q->desc[first->next], second);
	second->id = first->id;
	return true;
}

/* Prefetches the indirect tables of some chains from the cursor on. */
static void prefetch_tables(struct virtq *q, struct virtq_cursor c)
{
	struct virtq_entry e;
	const uint8_t *table;

	for (int i = 0; i < TABLES_AHEAD; i++) {
		if (!(q->packed ? virtq_peek(q, &c, &e, true) : virtq_peek(q, &c, &e, false)) ||
		    e.flags != VRING_DESC_F_INDIRECT)
			return;
		table = virtq_at(q, e.addr, 1);
		if (table)
			rte_prefetch0(table);
		virtq_advance(q, &c, 1, q->packed);
	}
}

/* Splits what was walked over into the header, which has to be in one piece, and the packet's
 * pieces. False when it is not a packet that can be lent. */
static bool split_walk(const struct net_ring *r, const struct virtq_walk *w, struct net_pieces *p,
		       const uint8_t **hdr)
{
	uint32_t hdr_len = r->hdr_len;
	uint64_t len = w->len - hdr_len;

	if (w->n_segs == 0 || w->descs > MOST_DESCS || w->segs[0].len < hdr_len ||
	    len < RTE_ETHER_HDR_LEN || len > NET_MAX_PACKET)
		return false;
	*hdr = w->segs[0].at;
	*p = (struct net_pieces){w->segs, (uint16_t)w->n_segs};
	if (p->seg[0].len == hdr_len) {
		p->seg++;
		p->n--;
	} else {
		p->seg[0].at += hdr_len;
		p->seg[0].len -= hdr_len;
	}
	return p->n <= NET_LENT_PIECES;
}

/* Prefetches what is copied of a lent packet, most of which is in the first piece or the second. */
static void prefetch_head(const struct net_ring *r, const uint8_t *hdr, const struct net_pieces *p)
{
	uint32_t left = NET_LENT_BYTES, part;

	if (r->reads_hdr)
		rte_prefetch0(hdr);
	for (uint16_t i = 0; i < p->n && left > 0; i++, left -= part) {
		part = RTE_MIN(left, p->seg[i].len);
		rte_prefetch0(p->seg[i].at);
		rte_prefetch0(p->seg[i].at + part - 1);
	}
}

/* Writes the chain that begins with *first into the run as its nth, if it is of some pieces.
 * Returns how much of the ring it takes up, 0 when it is of another shape, too long, or malformed.
 */
static __rte_noinline uint16_t add_pieces(struct net_ring *r, struct run *run, uint16_t n,
					  const struct virtq_cursor *c,
					  const struct virtq_entry *first)
{
	struct virtq_walk w = {
		.segs = &run->seg[run->n_segs],
		.max_segs = RTE_MIN(NET_LENT_PIECES + 1, NET_LENT_BURST_PIECES - run->n_segs),
	};
	struct net_pieces *p = &run->pieces[n];
	struct virtq_chain chain;

	if (first->flags == VRING_DESC_F_INDIRECT && n == 0)
		prefetch_tables(&r->q, *c);
	if (virtq_walk_chain(&r->q, c, first, 0, r->hdr_len + NET_MAX_PACKET, &w, &chain) !=
		    WALKED_OK ||
	    !split_walk(r, &w, p, &run->hdr[n]))
		return 0;
	prefetch_head(r, run->hdr[n], p);
	run->n_segs += (uint16_t)w.n_segs;
	run->at[n] = NULL;
	run->len[n] = (uint32_t)w.len - r->hdr_len;
	virtq_set_used(&run->used[n], chain.id, 0);
	run->extent[n] = (struct net_extent){(uint8_t)chain.slots, (uint8_t)w.descs};
	return chain.slots;
}

/* The same, of any common shape. */
static __rte_always_inline uint16_t add_common(struct net_ring *r, struct run *run, uint16_t n,
					       const struct virtq_cursor *c,
					       const struct virtq_entry *first, const bool packed)
{
	struct virtq *q = &r->q;
	uint32_t hdr_len = r->hdr_len, skip = hdr_len, len;
	const uint8_t *hdr = NULL, *at;
	struct virtq_entry e = *first;
	uint8_t descs = 1;

	if (e.flags == VRING_DESC_F_NEXT && e.len == hdr_len) {
		hdr = virtq_at(q, e.addr, hdr_len);
		if (!hdr || !read_second(q, c, first, &e, packed))
			return 0;
		skip = 0;
		descs = 2;
	}
	len = e.len - skip;
	if (unlikely(e.flags != 0 || e.len < skip + RTE_ETHER_HDR_LEN || len > POOL_MBUF_ROOM)) {
		/* Copies: what has an address is kept in memory, for all packets. */
		struct virtq_cursor there = *c;
		struct virtq_entry head = *first;

		return add_pieces(r, run, n, &there, &head);
	}
	at = virtq_at(q, e.addr, e.len);
	if (unlikely(!at))
		return 0;
	if (!hdr)
		hdr = at;
	at += skip;
	/* Header and packet are often in different cache lines, and so are the ends of what is
	 * copied of it at once. */
	rte_prefetch0(at);
	rte_prefetch0(at + RTE_MIN(len, (uint32_t)NET_LENT_BYTES) - 1);
	if (r->reads_hdr)
		rte_prefetch0(hdr);
	run->hdr[n] = hdr;
	run->at[n] = at;
	run->len[n] = len;
	virtq_set_used(&run->used[n], e.id, 0);
	run->extent[n] = (struct net_extent){descs, descs};
	return descs;
}

/* Reads entries from where the owner stands while they are of a common shape. True when one that is
 * not ended the run: it is in *odd. */
static __rte_always_inline bool find_run(struct net_ring *r, struct take *t, struct run *run,
					 struct virtq_entry *odd, const bool packed)
{
	struct virtq *q = &r->q;
	struct virtq_cursor c = {q->avail_at, q->avail_wrap};
	struct deadline *const d = t->deadline;
	const uint16_t most = t->max - t->chains;
	/* The first chain is always taken. */
	const uint32_t most_bytes = RTE_MAX(t->limits->bytes, 1u);
	const uint32_t most_descs = RTE_MAX(t->limits->descs, 1u);
	uint32_t bytes = t->bytes, descs = t->descs;
	uint16_t n = 0, n_slots = 0, slots = 1;
	struct virtq_entry e;

	run->n_segs = 0;
	if (!packed && c.at == q->avail_seen)
		virtq_look(q);
	virtq_prefetch(q, &c, most, packed);
	while (n < most && bytes < most_bytes && descs < most_descs &&
	       virtq_peek(q, &c, &e, packed)) {
		slots = add_common(r, run, n, &c, &e, packed);
		if (unlikely(slots == 0)) {
			*odd = e;
			break;
		}
		/* A guest may make slots available that were not yet given back. */
		if (packed && unlikely(n_slots + slots > q->size))
			break;
		descs += run->extent[n].descs;
		bytes += run->len[n];
		n++;
		n_slots += slots;
		virtq_advance(q, &c, slots, packed);
		/* Descriptors may be in pages that are not there. */
		if (unlikely(page_faults_happened(&d->faults) && deadline_is_over(d)))
			break;
	}
	run->n = n;
	run->slots = n_slots;
	run->bytes = bytes - t->bytes;
	run->descs = descs - t->descs;
	return slots == 0;
}

static __rte_always_inline struct rte_mbuf *copy_packet(struct rte_mempool *pool, const uint8_t *at,
							uint32_t len)
{
	struct rte_mbuf *m;

	if (unlikely(rte_mempool_get(pool, (void **)&m) < 0))
		return NULL;
	mbuf_start(m, len);
	virtq_copy(rte_pktmbuf_mtod(m, void *), at, len);
	return m;
}

/* Copies a packet of `len` bytes from segments, from *pos on, into as many mbufs as it takes. NULL
 * when the pool has not enough. */
static struct rte_mbuf *copy_segments(struct rte_mempool *pool, const struct virtq_seg *segs,
				      struct virtq_pos *pos, uint32_t len)
{
	uint32_t n = (len + POOL_MBUF_ROOM - 1) / POOL_MBUF_ROOM, part;
	struct rte_mbuf *seg[MAX_PACKET_MBUFS];

	if (rte_mempool_get_bulk(pool, (void **)seg, n) < 0)
		return NULL;
	for (uint32_t i = 0, left = len; i < n; i++, left -= part) {
		part = left < POOL_MBUF_ROOM ? left : POOL_MBUF_ROOM;
		mbuf_start(seg[i], part);
		virtq_walk_read(segs, pos, rte_pktmbuf_mtod(seg[i], void *), part);
		if (i > 0)
			seg[i - 1]->next = seg[i];
	}
	seg[0]->nb_segs = (uint16_t)n;
	seg[0]->pkt_len = len;
	return seg[0];
}

/* Lends the run's nth packet, as the one of that index. */
static __rte_always_inline struct rte_mbuf *lend(struct net_lent *lent, uint16_t index,
						 const struct run *run, uint16_t n)
{
	if (unlikely(!run->at[n]))
		return net_lend_pieces(lent, index, &run->pieces[n], run->len[n]);
	return net_lend_packet(&lent->pkt[index], run->at[n], run->len[n]);
}

/* Copies the run's nth packet. NULL when the pool has not enough mbufs. */
static __rte_always_inline struct rte_mbuf *copy(struct rte_mempool *pool, const struct run *run,
						 uint16_t n)
{
	struct virtq_pos pos = {0, 0};

	if (unlikely(!run->at[n]))
		return copy_segments(pool, run->pieces[n].seg, &pos, run->len[n]);
	return copy_packet(pool, run->at[n], run->len[n]);
}

/* Applies the header of a packet that asks for offloads. False when it does not fit the packet,
 * which is freed. */
static bool apply_hdr(const struct net_ring *r, const struct virtio_net_hdr *h, struct rte_mbuf *m)
{
	if (net_hdr_to_mbuf(h, r->q.features, m) == 0)
		return true;
	rte_pktmbuf_free(m);
	return false;
}

/* Lends the run's nth packet, which asks for offloads, or copies it where its headers are too long
 * to be lent. NULL when the pool has not enough mbufs, or *is_bad is set: its header does not fit
 * the packet. */
static __rte_noinline struct rte_mbuf *take_asking(const struct net_ring *r, struct take *t,
						   const struct run *run, uint16_t n,
						   uint16_t index, bool *is_bad)
{
	struct virtio_net_hdr h;
	struct rte_mbuf *m;

	memcpy(&h, run->hdr[n], sizeof(h));
	rte_compiler_barrier(); /* what is checked is this copy */
	if (t->lent) {
		m = lend(t->lent, index, run, n);
		if (net_hdr_to_mbuf(&h, r->q.features, m) == 0)
			return m;
		if (run->len[n] <= NET_LENT_BYTES) {
			*is_bad = true;
			return NULL;
		}
	}
	m = copy(t->pool, run, n);
	if (m && !apply_hdr(r, &h, m)) {
		*is_bad = true;
		return NULL;
	}
	return m;
}

/* The chain is given back with the others that are lent, of which it is the ith. */
static __rte_always_inline void note_lent(struct net_lent *lent, uint16_t i, const struct run *run,
					  uint16_t n)
{
	lent->used[i] = run->used[n];
	lent->extent[i] = run->extent[n];
}

/* Counts the first `n` chains of the run as taken, and moves behind them. */
static __rte_always_inline void count_taken(struct virtq *q, struct take *t, const struct run *run,
					    uint16_t n, const bool packed)
{
	uint32_t bytes = run->bytes, descs = run->descs, slots = run->slots;

	for (uint16_t i = n; unlikely(i < run->n); i++) {
		bytes -= run->len[i];
		descs -= run->extent[i].descs;
		slots -= run->extent[i].slots;
	}
	t->chains += n;
	t->bytes += bytes;
	t->descs += descs;
	t->work->bytes += bytes;
	t->work->descs += descs;
	virtq_consume(q, n, (uint16_t)slots, packed);
}

/* Lends or copies the run's packets. False when the rest stays in the ring, for want of mbufs or of
 * time. A packet that is dropped is given back at once, so it ends the run when others are lent. */
static __rte_always_inline bool take_run(struct net_ring *r, struct take *t, const struct run *run,
					 const bool packed)
{
	struct virtq *q = &r->q;
	const bool reads_hdr = r->reads_hdr;
	struct deadline *const d = t->deadline;
	struct net_lent *const lent = t->lent;
	uint16_t n = 0, n_pkts = t->n_pkts, n_lent = lent ? lent->n : 0;

	do {
		/* Flags and gso_type are the header's first two bytes. */
		bool asks = reads_hdr && *(const volatile hdr_start *)run->hdr[n] != 0;
		bool is_bad = false;
		struct rte_mbuf *m;

		if (unlikely(asks))
			m = take_asking(r, t, run, n, n_lent, &is_bad);
		else if (likely(lent))
			m = lend(lent, n_lent, run, n);
		else
			m = copy(t->pool, run, n);
		if (unlikely(!m)) {
			if (is_bad && n_lent > 0)
				break;
			if (!is_bad) {
				t->work->no_mbuf++;
				break;
			}
			t->work->drops[NET_DROP_BAD_OFFLOAD]++;
		}
		t->pkts[n_pkts].m = m;
		n_pkts += m != NULL;
		if (likely(lent && m))
			note_lent(lent, n_lent++, run, n);
		else
			virtq_give_back(q, (uint16_t)run->used[n].id, 0, run->extent[n].slots,
					packed);
		n++;
	} while (n < run->n && !deadline_ends(d, n));
	count_taken(q, t, run, n, packed);
	t->n_pkts = n_pkts;
	if (likely(lent))
		lent->n = n_lent;
	return n == run->n;
}

/* Makes the packet of a chain that was walked over. False when the pool has not enough mbufs. */
static bool take_packet(const struct net_ring *r, struct take *t, const struct virtq_walk *w)
{
	struct virtq_pos pos = {0, 0};
	struct virtio_net_hdr_mrg_rxbuf h; /* as long as headers get */
	struct rte_mbuf *m;
	uint32_t len;

	if (w->len < (uint64_t)r->hdr_len + RTE_ETHER_HDR_LEN) {
		t->work->drops[NET_DROP_TOO_SHORT]++;
		return true;
	}
	if (w->len > (uint64_t)r->hdr_len + NET_MAX_PACKET) {
		t->work->drops[NET_DROP_TOO_LONG]++;
		return true;
	}
	len = (uint32_t)w->len - r->hdr_len;
	virtq_walk_read(w->segs, &pos, &h, r->hdr_len);
	m = copy_segments(t->pool, w->segs, &pos, len);
	if (!m)
		return false;
	t->work->bytes += len;
	t->bytes += len;
	t->pkts[t->n_pkts].m = m;
	if (r->reads_hdr && (h.hdr.flags != 0 || h.hdr.gso_type != 0) && !apply_hdr(r, &h.hdr, m))
		t->work->drops[NET_DROP_BAD_OFFLOAD]++;
	else
		t->n_pkts++;
	return true;
}

/* Takes the chain whose first descriptor is *first. False when the ring has to be left alone: it is
 * broken, or there are not enough mbufs. */
static __rte_noinline bool take_odd(struct net_ring *r, struct take *t,
				    const struct virtq_entry *first)
{
	struct virtq *q = &r->q;
	struct virtq_cursor c = {q->avail_at, q->avail_wrap};
	struct virtq_seg seg[VIRTQ_MAX_SEGS];
	struct virtq_walk w = {.max_segs = VIRTQ_MAX_SEGS, .segs = seg};
	struct virtq_chain chain;
	enum virtq_walked rc;

	rc = virtq_walk_chain(q, &c, first, 0, r->hdr_len + NET_MAX_PACKET, &w, &chain);
	t->work->descs += w.descs;
	t->descs += w.descs;
	if (rc == WALKED_BROKEN)
		return false;
	if (rc == WALKED_BAD)
		t->work->drops[NET_DROP_BAD_DESCRIPTOR]++;
	else if (rc == WALKED_TOO_LONG)
		t->work->drops[NET_DROP_CHAIN_TOO_LONG]++;
	else if (!take_packet(r, t, &w)) {
		t->work->no_mbuf++;
		return false;
	}
	t->chains++;
	virtq_give_back(q, chain.id, 0, chain.slots, q->packed);
	virtq_consume(q, 1, chain.slots, q->packed);
	return true;
}

static __rte_always_inline void take_all(struct net_ring *r, struct take *t, const bool packed)
{
	struct virtq_entry odd;
	struct run run;
	bool is_odd;

	do {
		is_odd = find_run(r, t, &run, &odd, packed);
		if (run.n > 0 && unlikely(!take_run(r, t, &run, packed)))
			return;
		/* An odd chain is given back at once, so not before those that are lent. */
		if (t->lent && t->lent->n > 0)
			return;
	} while (is_odd && take_odd(r, t, &odd) && !deadline_ends(t->deadline, t->chains));
}

uint16_t net_dequeue(struct net_ring *r, struct rte_mempool *pool, struct net_lent *lent,
		     struct pkt *pkts, const struct net_limits *limits, struct net_taken *work)
{
	struct virtq *q = &r->q;
	struct take t = {.pool = pool, .lent = lent, .pkts = pkts, .limits = limits, .work = work};

	if (unlikely(q->broken))
		return 0;
	t.deadline = limits->deadline ? limits->deadline : &deadline_none;
	t.max = RTE_MIN(limits->packets, NET_MAX_BURST);
	if (q->packed)
		take_all(r, &t, true);
	else
		take_all(r, &t, false);
	return t.n_pkts;
}
