/* SPDX-License-Identifier: BSD-3-Clause */
/* From mbufs into a guest's receive ring.
 *
 * The common case is a packet of one or two mbufs without offloads and a buffer of one descriptor
 * that holds it. Runs of those are placed in two plain loops: look (read descriptors, prefetch the
 * memory), then write. Everything else is placed packet by packet: buffers are collected until the
 * packet fits, and only then is anything written. One thread owns the ring; memory is the stack. */
#include "vhost/vring.h"

#include <string.h>

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "vhost/net_hdr.h"
#include "vhost/vring_loan.h"
#include "vhost/vring_ring.h"
#include "vhost/vring_walk.h"

/* Buffers of no less make no more work than the packet's length does. */
#define LEAST_PIECE 512

/* Flags that something has to be done about. */
#define WORK_FLAGS                                                               \
	(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG | \
	 RTE_MBUF_F_TX_IP_CKSUM)

typedef uint64_t hdr_word __attribute__((may_alias, aligned(1)));
typedef uint16_t hdr_count __attribute__((may_alias, aligned(1)));

/* Buffers of the next packet that are loaded ahead: 64 KiB take more, and have time enough. */
#define PREFETCH_BUFFERS 8

/* Buffers for a run of common packets. */
struct run {
	uint16_t n;
	struct vring_used_elem used[VRING_MAX_BURST];
	uint8_t *at[VRING_MAX_BURST]; /* the header */
};

/* What one packet is placed into. */
struct room {
	uint32_t n_chains;
	struct vring_cursor c; /* behind the last of them */
	struct vring_chain chain[VRING_MAX_CHAIN];
	uint32_t len[VRING_MAX_CHAIN];
	struct vring_walk w;
};

/* A header that asks for nothing, and num_buffers where there is one. */
static inline void write_plain_hdr(uint8_t *at, uint8_t hdr_len)
{
	*(hdr_word *)at = 0;
	*(hdr_count *)(at + 8) = 0;
	if (hdr_len == sizeof(struct virtio_net_hdr_mrg_rxbuf))
		*(hdr_count *)(at + 10) = 1;
}

/* Finds buffers for packets, while both are common and the ring has some. */
static __rte_always_inline void look(struct virtq *q, struct rte_mbuf *const *pkts, uint16_t n,
				     struct run *run, const bool packed)
{
	struct vring_cursor c = {q->avail_at, q->avail_wrap};
	struct vring_entry e;
	uint32_t need;
	uint16_t i;

	if (!packed && (uint16_t)(q->avail_seen - c.at) < n)
		vring_look(q);
	vring_prefetch(q, &c, n, packed);
	for (i = 0; i < n; i++) {
		const struct rte_mbuf *m = pkts[i];

		if (unlikely(m->nb_segs > 1 + VRING_VIEW_PIECES || (m->ol_flags & WORK_FLAGS)))
			break;
		if (unlikely(!vring_peek(q, &c, &e, packed)))
			break;
		need = (uint32_t)q->hdr_len + m->pkt_len;
		if (unlikely(e.flags != VRING_DESC_F_WRITE || e.len < need))
			break;
		run->at[i] = vring_at(q, e.addr, need);
		if (unlikely(!run->at[i]))
			break;
		/* Behind the header, what is copied at once often ends in another cache line. */
		__builtin_prefetch(run->at[i], 1);
		__builtin_prefetch(
			run->at[i] + RTE_MIN(need, VRING_VIEW_BYTES + (uint32_t)q->hdr_len) - 1, 1);
		vring_set_used(&run->used[i], e.id, need);
		vring_advance(q, &c, 1, packed);
	}
	run->n = i;
}

/* Starts loading a packet's segments behind the first, and what they will be written to. */
static __rte_always_inline void prefetch_rest(const struct rte_mbuf *m, const uint8_t *to)
{
	vring_prefetch_write(to + m->data_len, m->pkt_len - m->data_len);
	for (m = m->next; m; m = m->next)
		vring_prefetch_read(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
}

/* Whether to end, because pages of this guest's memory are not there and time is up. That some were
 * not is noted. */
static inline bool is_too_slow(struct virtq *q, struct vring_deadline *d)
{
	bool met = false;
	const void *at;

	if (likely(!page_faults_unseen(&d->faults)))
		return false;
	while ((at = page_faults_next(&d->faults)) != NULL)
		met |= guest_mem_holds(q->mem, at);
	if (!met)
		return false;
	q->toil = VRING_MISSING_TOIL;
	return vring_is_late(d);
}

/* Writes the run, or what of it there is time for. Returns how many packets. */
static __rte_always_inline uint16_t write_run(struct virtq *q, struct rte_mbuf *const *pkts,
					      const struct run *run, uint8_t *fate,
					      struct vring_deadline *d, const bool packed)
{
	uint8_t hdr_len = q->hdr_len;
	uint16_t n = run->n;

	for (uint16_t i = 0; i < 2 && i < n; i++)
		if (pkts[i]->nb_segs > 1)
			prefetch_rest(pkts[i], run->at[i] + hdr_len);
	for (uint16_t i = 0; i < n; i++) {
		const struct rte_mbuf *m = pkts[i];
		uint8_t *at = run->at[i] + hdr_len;

		if (i + 2 < n && pkts[i + 2]->nb_segs > 1)
			prefetch_rest(pkts[i + 2], run->at[i + 2] + hdr_len);
		write_plain_hdr(run->at[i], hdr_len);
		vring_copy(at, rte_pktmbuf_mtod(m, const void *), m->data_len);
		for (const struct rte_mbuf *rest = m->next; rest; rest = rest->next) {
			at += m->data_len;
			vring_copy(at, rte_pktmbuf_mtod(rest, const void *), rest->data_len);
			m = rest;
		}
		if (unlikely(is_too_slow(q, d)))
			n = i + 1;
	}
	vring_give_back_all(q, run->used, n, packed);
	memset(fate, VRING_DELIVERED, n);
	vring_consume(q, n, n, packed);
	return n;
}

/* Reads the entry at the cursor, or tells that there is none. */
static bool peek(struct virtq *q, const struct vring_cursor *c, struct vring_entry *e)
{
	return q->packed ? vring_peek(q, c, e, true) : vring_peek(q, c, e, false);
}

static bool is_ready(struct virtq *q)
{
	struct vring_cursor c = {q->avail_at, q->avail_wrap};
	struct vring_entry e;

	return peek(q, &c, &e);
}

/* Collects buffers for `need` bytes: one chain, or with mergeable buffers as many as it takes. */
static enum vring_fate collect(struct virtq *q, struct room *r, uint32_t need)
{
	struct vring_chain chain = {0};
	struct vring_entry e;
	enum vring_walked rc;
	uint64_t before;

	r->n_chains = 0;
	r->c = (struct vring_cursor){q->avail_at, q->avail_wrap};
	r->w.n_segs = 0;
	r->w.descs = 0;
	r->w.len = 0;
	do {
		if (r->w.descs >= VRING_MAX_CHAIN || (r->n_chains == 1 && !q->mergeable))
			return VRING_BUFFER_SMALL;
		if (!peek(q, &r->c, &e))
			return q->broken ? VRING_RING_BROKEN : VRING_RING_FULL;
		before = r->w.len;
		rc = vring_walk_chain(q, &r->c, &e, VRING_DESC_F_WRITE, need - 1, &r->w, &chain);
		if (rc == WALKED_BROKEN)
			return VRING_RING_BROKEN;
		vring_advance(q, &r->c, chain.slots, q->packed);
		r->chain[r->n_chains] = chain;
		r->len[r->n_chains++] = (uint32_t)(r->w.len - before);
		if (rc != WALKED_OK || r->w.len == before)
			return VRING_BAD_BUFFER;
	} while (r->w.len < need);
	return VRING_DELIVERED;
}

/* Gives back what was collected, with `len` bytes written in all. */
static void give_back(struct virtq *q, const struct room *r, uint32_t len)
{
	uint32_t part;

	for (uint32_t i = 0; i < r->n_chains; i++, len -= part) {
		part = RTE_MIN(len, r->len[i]);
		vring_give_back(q, r->chain[i].id, part, r->chain[i].slots, q->packed);
	}
	q->avail_at = r->c.at;
	q->avail_wrap = r->c.wrap;
}

static void write_packet(const struct virtq *q, const struct room *r, const struct rte_mbuf *m,
			 const struct virtio_net_hdr *h, const struct net_hdr_patch *patch)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = {.hdr = *h, .num_buffers = (uint16_t)r->n_chains};
	struct vring_pos pos = {0, 0};

	vring_walk_write(r->w.segs, &pos, &hdr, q->hdr_len);
	for (; m; m = m->next)
		vring_walk_write(r->w.segs, &pos, rte_pktmbuf_mtod(m, const void *), m->data_len);
	for (uint32_t i = 0; i < patch->n; i++) {
		pos = vring_walk_seek(r->w.segs, q->hdr_len + patch->at[i].offset);
		vring_walk_write(r->w.segs, &pos, &patch->at[i].value, sizeof(patch->at[i].value));
	}
}

/* Starts loading a packet, and the buffers from the cursor on that it will be written to, while the
 * one before it is written. */
static void prefetch_packet(struct virtq *q, struct vring_cursor c, const struct rte_mbuf *m)
{
	uint32_t left = q->hdr_len + m->pkt_len, part;
	struct vring_entry e = {0};
	const uint8_t *at;

	for (int i = 0; i < PREFETCH_BUFFERS && left > 0; i++, left -= part) {
		if (!peek(q, &c, &e) || e.flags != VRING_DESC_F_WRITE)
			break;
		part = RTE_MIN(left, e.len);
		at = vring_at(q, e.addr, part);
		if (!at)
			break;
		vring_prefetch_write(at, part);
		vring_advance(q, &c, 1, q->packed);
	}
	for (m = m->next; m; m = m->next)
		vring_prefetch_read(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
}

void vring_expect_ring(const struct virtq *q)
{
	const uint16_t mask = q->size - 1;

	if (q->packed) {
		__builtin_prefetch(&q->packed_desc[q->avail_at], 1);
		rte_prefetch0(q->driver_event);
		return;
	}
	rte_prefetch0(q->avail_idx);
	rte_prefetch0(&q->avail->ring[q->avail_at & mask]);
	__builtin_prefetch(&q->used->ring[q->used_at & mask], 1);
	__builtin_prefetch(&q->used->idx, 1);
}

void vring_expect_entry(struct virtq *q)
{
	const struct vring_cursor c = {q->avail_at, q->avail_wrap};

	if (q->packed || q->broken || (c.at == q->avail_seen && !vring_look(q)))
		return;
	vring_prefetch(q, &c, 1, false);
}

void vring_expect_buffers(struct virtq *q, const struct rte_mbuf *m)
{
	if (likely(!q->broken))
		prefetch_packet(q, (struct vring_cursor){q->avail_at, q->avail_wrap}, m);
}

/* Places one packet of any kind into buffers of any shape, and prefetches `next` (or NULL). A
 * malformed buffer is given back with the ones collected before it, so that the next packet does
 * not meet it again. Adds to *toil how laborious the buffers were (see struct virtq). */
static __rte_noinline enum vring_fate place(struct virtq *q, const struct rte_mbuf *m,
					    const struct rte_mbuf *next, uint32_t *toil)
{
	uint32_t need = q->hdr_len + rte_pktmbuf_pkt_len(m);
	struct net_hdr_patch patch = {.n = 0};
	struct virtio_net_hdr h;
	enum vring_fate fate;
	struct room r;

	/* Before checksums are computed for nothing. */
	if (!is_ready(q))
		return q->broken ? VRING_RING_BROKEN : VRING_RING_FULL;
	memset(&h, 0, sizeof(h));
	if ((m->ol_flags & WORK_FLAGS) && net_hdr_from_mbuf(m, q->features, &h, &patch) < 0)
		return VRING_NO_OFFLOAD;
	fate = collect(q, &r, need);
	q->toil = (uint16_t)(r.w.descs - RTE_MIN(r.w.descs, need / LEAST_PIECE));
	*toil += q->toil;
	if (fate == VRING_DELIVERED) {
		if (next)
			prefetch_packet(q, r.c, next);
		write_packet(q, &r, m, &h, &patch);
		give_back(q, &r, need);
	} else if (fate == VRING_BAD_BUFFER) {
		give_back(q, &r, 0);
	}
	return fate;
}

static __rte_always_inline uint16_t enqueue(struct virtq *q, struct rte_mbuf *const *pkts,
					    uint16_t n, uint8_t *fate, struct vring_deadline *d,
					    const bool packed)
{
	/* Not more than the ring holds: a guest may make slots available that were not given back.
	 */
	const int most = RTE_MIN(q->size, VRING_MAX_BURST);
	uint16_t done = 0, delivered = 0, written;
	enum vring_fate rest = VRING_DELIVERED; /* what becomes of those not tried */
	uint32_t toil = 0;
	struct run run;

	q->toil /= 2;
	while (done < n && rest == VRING_DELIVERED) {
		look(q, &pkts[done], RTE_MIN(n - done, most), &run, packed);
		if (likely(run.n > 0)) {
			written = write_run(q, &pkts[done], &run, &fate[done], d, packed);
			done += written;
			delivered += written;
			if (unlikely(written < run.n))
				rest = VRING_NO_TIME;
			continue;
		}
		if (done == 0)
			vring_expect_buffers(q, pkts[0]);
		fate[done] =
			(uint8_t)place(q, pkts[done], done + 1 < n ? pkts[done + 1] : NULL, &toil);
		if (fate[done] == VRING_RING_FULL || fate[done] == VRING_RING_BROKEN) {
			rest = fate[done];
			break;
		}
		delivered += fate[done] == VRING_DELIVERED;
		done++;
		if (unlikely(is_too_slow(q, d)))
			rest = VRING_NO_TIME;
		else if (unlikely(toil > VRING_MAX_TOIL))
			rest = VRING_LABORIOUS;
	}
	if (unlikely(rest != VRING_DELIVERED))
		memset(&fate[done], rest, n - done);
	return delivered;
}

uint16_t vring_enqueue(struct virtq *q, struct rte_mbuf *const *pkts, uint16_t n, uint8_t *fate,
		       struct vring_deadline *deadline)
{
	if (!deadline)
		deadline = &vring_no_deadline;
	if (unlikely(q->broken)) {
		memset(fate, VRING_RING_BROKEN, n);
		return 0;
	}
	return q->packed ? enqueue(q, pkts, n, fate, deadline, true)
			 : enqueue(q, pkts, n, fate, deadline, false);
}
