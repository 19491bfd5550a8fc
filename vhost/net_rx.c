/* SPDX-License-Identifier: BSD-3-Clause */
/* From mbufs into a guest's receive ring.
 *
 * The common case is a packet without offloads and a buffer of one descriptor that holds it. Runs
 * of those are placed in two plain loops: find_buffers (read descriptors, prefetch the memory),
 * then write_run. Everything else is placed packet by packet: buffers are collected until the
 * packet fits, and only then is anything written. One thread owns the ring; memory is the stack. */
#include "vhost/net_ring.h"

#include <string.h>

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "ring/virtq_entry.h"
#include "ring/virtq_walk.h"
#include "vhost/net_hdr.h"
#include "vhost/net_lent.h"

/* Buffers of at least this length make no more work than the packet's length does. */
#define LEAST_PIECE 512

/* Offload flags that make work. */
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
	struct vring_used_elem used[NET_MAX_BURST];
	uint8_t *at[NET_MAX_BURST]; /* the header */
};

/* What one packet is placed into. */
struct room {
	uint32_t n_chains;
	struct virtq_cursor c; /* behind the last of them */
	struct virtq_chain chain[VIRTQ_MAX_CHAIN];
	uint32_t len[VIRTQ_MAX_CHAIN];
	struct virtq_walk w;
	struct virtq_seg seg[VIRTQ_MAX_SEGS];
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
static __rte_always_inline void find_buffers(struct net_ring *r, struct rte_mbuf *const *pkts,
					     uint16_t n, struct run *run, const bool packed)
{
	struct virtq *q = &r->q;
	struct virtq_cursor c = {q->avail_at, q->avail_wrap};
	struct virtq_entry e;
	uint32_t need;
	uint16_t i;

	if (!packed && (uint16_t)(q->avail_seen - c.at) < n)
		virtq_look(q);
	virtq_prefetch(q, &c, n, packed);
	for (i = 0; i < n; i++) {
		const struct rte_mbuf *m = pkts[i];

		if (unlikely(m->ol_flags & WORK_FLAGS))
			break;
		if (unlikely(!virtq_peek(q, &c, &e, packed)))
			break;
		need = (uint32_t)r->hdr_len + m->pkt_len;
		if (unlikely(e.flags != VRING_DESC_F_WRITE || e.len < need))
			break;
		run->at[i] = virtq_at(q, e.addr, need);
		if (unlikely(!run->at[i]))
			break;
		/* Behind the header, what is copied at once often ends in another cache line. */
		__builtin_prefetch(run->at[i], 1);
		__builtin_prefetch(
			run->at[i] + RTE_MIN(need, NET_LENT_BYTES + (uint32_t)r->hdr_len) - 1, 1);
		virtq_set_used(&run->used[i], e.id, need);
		virtq_advance(q, &c, 1, packed);
	}
	run->n = i;
}

/* Starts loading a packet's segments behind the first, and what they will be written to. */
static __rte_always_inline void prefetch_rest(const struct rte_mbuf *m, const uint8_t *to)
{
	virtq_prefetch_write(to + m->data_len, m->pkt_len - m->data_len);
	for (m = m->next; m; m = m->next)
		virtq_prefetch_read(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
}

/* Whether to end, because pages of this guest's memory are not there and time is up. Missing pages
 * are noted in the ring's excess. */
static inline bool is_too_slow(struct net_ring *r, struct deadline *d)
{
	bool met = false;
	const void *at;

	if (likely(!page_faults_unseen(&d->faults)))
		return false;
	while ((at = page_faults_next(&d->faults)) != NULL)
		met |= guest_mem_holds(r->q.mem, at);
	if (!met)
		return false;
	r->excess = NET_EXCESS_OF_MISSING_PAGE;
	return deadline_is_over(d);
}

/* Writes the run, or the part that there is time for. Returns how many packets. */
static __rte_always_inline uint16_t write_run(struct net_ring *r, struct rte_mbuf *const *pkts,
					      const struct run *run, uint8_t *result,
					      struct deadline *d, const bool packed)
{
	struct virtq *q = &r->q;
	uint8_t hdr_len = r->hdr_len;
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
		virtq_copy(at, rte_pktmbuf_mtod(m, const void *), m->data_len);
		for (const struct rte_mbuf *rest = m->next; rest; rest = rest->next) {
			at += m->data_len;
			virtq_copy(at, rte_pktmbuf_mtod(rest, const void *), rest->data_len);
			m = rest;
		}
		if (unlikely(is_too_slow(r, d)))
			n = i + 1;
	}
	virtq_give_back_all(q, run->used, n, packed);
	memset(result, NET_DELIVERED, n);
	virtq_consume(q, n, n, packed);
	return n;
}

/* Reads the entry at the cursor, or tells that there is none. */
static bool peek_buffer(struct virtq *q, const struct virtq_cursor *c, struct virtq_entry *e)
{
	return q->packed ? virtq_peek(q, c, e, true) : virtq_peek(q, c, e, false);
}

static bool is_ready(struct virtq *q)
{
	struct virtq_cursor c = {q->avail_at, q->avail_wrap};
	struct virtq_entry e;

	return peek_buffer(q, &c, &e);
}

/* Collects buffers for `need` bytes: one chain, or with mergeable buffers as many as it takes. */
static enum net_result collect_buffers(struct net_ring *r, struct room *room, uint32_t need)
{
	struct virtq *q = &r->q;
	struct virtq_chain chain = {0};
	struct virtq_entry e;
	enum virtq_walked rc;
	uint64_t before;

	room->n_chains = 0;
	room->c = (struct virtq_cursor){q->avail_at, q->avail_wrap};
	room->w = (struct virtq_walk){.max_segs = VIRTQ_MAX_SEGS, .segs = room->seg};
	do {
		if (room->w.descs >= VIRTQ_MAX_CHAIN || (room->n_chains == 1 && !r->mergeable))
			return NET_BUFFER_SMALL;
		if (!peek_buffer(q, &room->c, &e))
			return q->broken ? NET_RING_BROKEN : NET_RING_FULL;
		before = room->w.len;
		rc = virtq_walk_chain(q, &room->c, &e, VRING_DESC_F_WRITE, need - 1, &room->w,
				      &chain);
		if (rc == WALKED_BROKEN)
			return NET_RING_BROKEN;
		virtq_advance(q, &room->c, chain.slots, q->packed);
		room->chain[room->n_chains] = chain;
		room->len[room->n_chains++] = (uint32_t)(room->w.len - before);
		if (rc != WALKED_OK || room->w.len == before)
			return NET_BAD_BUFFER;
	} while (room->w.len < need);
	return NET_DELIVERED;
}

/* Gives back what was collected, with `len` bytes written in all. */
static void give_back_room(struct virtq *q, const struct room *room, uint32_t len)
{
	uint32_t part;

	for (uint32_t i = 0; i < room->n_chains; i++, len -= part) {
		part = RTE_MIN(len, room->len[i]);
		virtq_give_back(q, room->chain[i].id, part, room->chain[i].slots, q->packed);
	}
	q->avail_at = room->c.at;
	q->avail_wrap = room->c.wrap;
}

/* Writes a checksum into its field, `at` bytes into the packet. */
static void write_checksum(const struct net_ring *r, const struct room *room, uint32_t at,
			   uint16_t sum)
{
	struct virtq_pos pos = virtq_walk_seek(room->w.segs, r->hdr_len + at);

	virtq_walk_write(room->w.segs, &pos, &sum, sizeof(sum), NULL);
}

/* Writes a packet's bytes. Returns the sum of those from `start` on. */
static uint16_t write_bytes(const struct room *room, struct virtq_pos *pos,
			    const struct rte_mbuf *m, uint32_t start)
{
	struct checksum sum = {0};

	for (; m; m = m->next) {
		const uint8_t *at = rte_pktmbuf_mtod(m, const uint8_t *);
		uint32_t plain = RTE_MIN(start, (uint32_t)m->data_len);

		virtq_walk_write(room->w.segs, pos, at, plain, NULL);
		virtq_walk_write(room->w.segs, pos, at + plain, m->data_len - plain, &sum);
		start -= plain;
	}
	return checksum_fold(&sum);
}

static void write_packet(const struct net_ring *r, const struct room *room,
			 const struct rte_mbuf *m, const struct virtio_net_hdr *h,
			 const struct net_hdr_sums *sums)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = {.hdr = *h, .num_buffers = (uint16_t)room->n_chains};
	uint32_t start = sums->l4_at > 0 ? sums->l4_from : rte_pktmbuf_pkt_len(m);
	struct virtq_pos pos = {0, 0};
	uint16_t sum;

	virtq_walk_write(room->w.segs, &pos, &hdr, r->hdr_len, NULL);
	sum = write_bytes(room, &pos, m, start);
	if (sums->l4_at > 0)
		write_checksum(r, room, sums->l4_at, net_hdr_l4_checksum(sum));
	if (sums->ip_at > 0)
		write_checksum(r, room, sums->ip_at, sums->ip);
}

/* Starts loading a packet, and the buffers from the cursor on that it will be written to, while the
 * one before it is written. */
static void prefetch_packet(struct net_ring *r, struct virtq_cursor c, const struct rte_mbuf *m)
{
	struct virtq *q = &r->q;
	uint32_t left = r->hdr_len + m->pkt_len, part;
	struct virtq_entry e = {0};
	const uint8_t *at;

	for (int i = 0; i < PREFETCH_BUFFERS && left > 0; i++, left -= part) {
		if (!peek_buffer(q, &c, &e) || e.flags != VRING_DESC_F_WRITE)
			break;
		part = RTE_MIN(left, e.len);
		at = virtq_at(q, e.addr, part);
		if (!at)
			break;
		virtq_prefetch_write(at, part);
		virtq_advance(q, &c, 1, q->packed);
	}
	for (m = m->next; m; m = m->next)
		virtq_prefetch_read(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
}

void net_prefetch_ring(const struct net_ring *r)
{
	const struct virtq *q = &r->q;
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

void net_prefetch_entry(struct net_ring *r)
{
	struct virtq *q = &r->q;
	const struct virtq_cursor c = {q->avail_at, q->avail_wrap};

	if (q->packed || q->broken || (c.at == q->avail_seen && !virtq_look(q)))
		return;
	virtq_prefetch(q, &c, 1, false);
}

void net_prefetch_buffers(struct net_ring *r, const struct rte_mbuf *m)
{
	const struct virtq *q = &r->q;

	if (likely(!q->broken))
		prefetch_packet(r, (struct virtq_cursor){q->avail_at, q->avail_wrap}, m);
}

/* Places one packet of any kind into buffers of any shape, and prefetches `next` (or NULL). A
 * malformed buffer is given back with the ones collected before it, so that the next packet does
 * not meet it again. Adds to *excess what the buffers took in excess (see struct net_ring). */
static __rte_noinline enum net_result place_packet(struct net_ring *r, const struct rte_mbuf *m,
						   const struct rte_mbuf *next, uint32_t *excess)
{
	struct virtq *q = &r->q;
	uint32_t need = r->hdr_len + rte_pktmbuf_pkt_len(m);
	struct net_hdr_sums sums = {0};
	struct virtio_net_hdr h;
	enum net_result result;
	struct room room;

	/* Before checksums are computed for nothing. */
	if (!is_ready(q))
		return q->broken ? NET_RING_BROKEN : NET_RING_FULL;
	memset(&h, 0, sizeof(h));
	if ((m->ol_flags & WORK_FLAGS) && net_hdr_from_mbuf(m, q->features, &h, &sums) < 0)
		return NET_NO_OFFLOAD;
	result = collect_buffers(r, &room, need);
	r->excess = (uint16_t)(room.w.descs - RTE_MIN(room.w.descs, need / LEAST_PIECE));
	*excess += r->excess;
	if (result == NET_DELIVERED) {
		if (next)
			prefetch_packet(r, room.c, next);
		write_packet(r, &room, m, &h, &sums);
		give_back_room(q, &room, need);
	} else if (result == NET_BAD_BUFFER) {
		give_back_room(q, &room, 0);
	}
	return result;
}

static __rte_always_inline uint16_t place_all(struct net_ring *r, struct rte_mbuf *const *pkts,
					      uint16_t n, uint8_t *result, struct deadline *d,
					      const bool packed)
{
	struct virtq *q = &r->q;
	/* Not more than the ring holds: a guest may make slots available that were not given back.
	 */
	const int most = RTE_MIN(q->size, NET_MAX_BURST);
	uint16_t done = 0, delivered = 0, written;
	enum net_result rest = NET_DELIVERED; /* what becomes of those not tried */
	uint32_t excess = 0;
	struct run run;

	r->excess /= 2;
	while (done < n && rest == NET_DELIVERED) {
		find_buffers(r, &pkts[done], RTE_MIN(n - done, most), &run, packed);
		if (likely(run.n > 0)) {
			written = write_run(r, &pkts[done], &run, &result[done], d, packed);
			done += written;
			delivered += written;
			if (unlikely(written < run.n))
				rest = NET_NO_TIME;
			continue;
		}
		if (done == 0)
			net_prefetch_buffers(r, pkts[0]);
		result[done] = (uint8_t)place_packet(r, pkts[done],
						     done + 1 < n ? pkts[done + 1] : NULL, &excess);
		if (result[done] == NET_RING_FULL || result[done] == NET_RING_BROKEN ||
		    result[done] == NET_NO_OFFLOAD) {
			rest = result[done];
			break;
		}
		delivered += result[done] == NET_DELIVERED;
		done++;
		if (unlikely(is_too_slow(r, d)))
			rest = NET_NO_TIME;
		else if (unlikely(excess > NET_MAX_EXCESS))
			rest = NET_SLOW_BUFFERS;
	}
	if (unlikely(rest != NET_DELIVERED))
		memset(&result[done], rest, n - done);
	return delivered;
}

uint16_t net_enqueue(struct net_ring *r, struct rte_mbuf *const *pkts, uint16_t n, uint8_t *result,
		     struct deadline *deadline)
{
	if (!deadline)
		deadline = &deadline_none;
	if (unlikely(r->q.broken)) {
		memset(result, NET_RING_BROKEN, n);
		return 0;
	}
	return r->q.packed ? place_all(r, pkts, n, result, deadline, true)
			   : place_all(r, pkts, n, result, deadline, false);
}
