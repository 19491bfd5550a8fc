/* SPDX-License-Identifier: BSD-3-Clause */
/* To the wire. Each packet is copied once, from the guest's memory to right behind the place of its
 * outer header in a buffer of the uplink queue's own: so nothing of a VM's memory is in a device
 * when the VM goes. */
#include "vswitch/wire_tx.h"

#include <string.h>

#include "base/counter.h"
#include "pkt/checksum.h"
#include "pkt/mss.h"
#include "tcp/segment.h"
#include "vhost/net_hdr.h"
#include "vswitch/backlog.h"
#include "vswitch/capture.h"
#include "vswitch/mtu.h"
#include "vswitch/stage.h"
#include "vswitch/wire.h"

/* Segments that are made and then sent at once, between two readings of the clock. */
#define SEGMENTS_AT_ONCE 16

/* The way to a remote; NULL when there is none. */
static const struct adjacency *find_adjacency(const struct worker *w, uint16_t id)
{
	if (unlikely(!w->wire))
		return NULL;
	return atomic_load_explicit(&w->wire->tables->adjacency[id], memory_order_acquire);
}

/* Why packets to a remote are dropped; DROP_COUNT when they are not. */
static enum drop_reason why_not(const struct worker *w, const struct adjacency *r)
{
	if (unlikely(!r))
		return DROP_TUNNEL_NO_ROUTE;
	if (unlikely(r->reason != DROP_COUNT))
		return r->reason;
	return likely(w->wire->tx[r->uplink]) ? DROP_COUNT : DROP_UPLINK_DOWN;
}

enum drop_reason wire_refuses(const struct worker *w, uint16_t remote)
{
	return why_not(w, find_adjacency(w, remote));
}

uint32_t wire_mtu(const struct worker *w, uint16_t remote)
{
	const struct adjacency *r = find_adjacency(w, remote);

	return r && r->reason == DROP_COUNT ? r->mtu : UINT32_MAX;
}

bool wire_has_room(const struct worker *w, uint16_t remote)
{
	const struct adjacency *r = find_adjacency(w, remote);

	return why_not(w, r) != DROP_COUNT || w->wire->tx[r->uplink]->n_waiting == 0;
}

void wire_wait(struct worker *w, uint16_t vm)
{
	w->service[vm].hold_us = WIRE_HOLD_US;
}

static void miss(struct worker *w, struct batch *b, uint16_t index, uint16_t remote,
		 enum drop_reason reason)
{
	struct pkt *p = &b->pkt[index];

	b->n_missed++;
	p->missed++;
	p->reason = (uint8_t)reason;
	if (w->wire)
		counter_add(&w->wire->remote[remote].drops, 1);
}

void wire_put(struct worker *w, struct batch *b, uint16_t index, uint16_t remote)
{
	const struct adjacency *r = find_adjacency(w, remote);
	enum drop_reason why = why_not(w, r);
	struct rte_mbuf *m = b->pkt[index].m;
	struct wire_out *o;

	b->work += 1 + m->pkt_len / BYTES_PER_WORK;
	/* Floods and jobs are not measured before. */
	if (why == DROP_COUNT && unlikely(!mtu_fits_path(m, r->mtu)))
		why = DROP_OVER_PATH_MTU;
	/* Control may have published another way since there was room. */
	if (why == DROP_COUNT && unlikely(w->wire->tx[r->uplink]->n_waiting > 0))
		why = DROP_UPLINK_FULL;
	if (unlikely(why != DROP_COUNT)) {
		miss(w, b, index, remote, why);
		return;
	}
	/* A packet that is cut into segments may have to go on later: none follows it. */
	if (unlikely(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG))
		b->work += MAX_WORK;
	o = &w->wire->out[r->uplink];
	o->pkt[o->n] = m;
	o->index[o->n] = (uint8_t)index;
	o->remote[o->n] = remote;
	o->to[o->n] = r;
	o->n++;
	w->wire->n_out++;
	rte_prefetch0(r);
	rte_prefetch0((const uint8_t *)r + RTE_CACHE_LINE_SIZE);
}

bool wire_name(const struct worker *w, uint16_t remote, struct job *job)
{
	const struct adjacency *r = find_adjacency(w, remote);

	if (!r)
		return false;
	job->kind = JOB_WIRE;
	job->remote = remote;
	job->remote_generation = r->generation;
	return true;
}

bool wire_is_same(const struct worker *w, const struct job *job)
{
	const struct adjacency *r = find_adjacency(w, job->remote);

	return r && r->generation == job->remote_generation;
}

/* --- copying -----------------------------------------------------------------------------------
 */

/* A copy in the making. */
struct copy {
	struct rte_mbuf *head, *last;
	struct checksum sum;
};

/* Adds bytes to the copy, in buffers as needed. False when the pool is empty. */
static bool append(struct copy *c, struct rte_mempool *pool, const uint8_t *from, uint32_t len,
		   bool is_summed)
{
	while (len > 0) {
		uint32_t room = rte_pktmbuf_tailroom(c->last), n = RTE_MIN(len, room);
		uint8_t *to = rte_pktmbuf_mtod_offset(c->last, uint8_t *, c->last->data_len);

		if (unlikely(room == 0)) {
			struct rte_mbuf *more = rte_pktmbuf_alloc(pool);

			if (!more)
				return false;
			c->last->next = more;
			c->last = more;
			c->head->nb_segs++;
			continue;
		}
		if (is_summed)
			checksum_copy(&c->sum, to, from, n);
		else
			memcpy(to, from, n);
		c->last->data_len += (uint16_t)n;
		c->head->pkt_len += n;
		from += n;
		len -= n;
	}
	return true;
}

/* Copies the packet's bytes, and sums up those from offset `sum_from` on. */
static bool copy_bytes(struct copy *c, struct rte_mempool *pool, const struct rte_mbuf *m,
		       uint32_t sum_from)
{
	uint32_t at = 0;

	for (; m; at += m->data_len, m = m->next) {
		const uint8_t *from = rte_pktmbuf_mtod(m, const uint8_t *);
		uint32_t plain = sum_from > at ? RTE_MIN(sum_from - at, m->data_len) : 0;

		if (!append(c, pool, from, plain, false) ||
		    !append(c, pool, from + plain, m->data_len - plain, true))
			return false;
	}
	return true;
}

/* Completes a packet's checksums in the copy: whoever receives it from the wire expects that. */
static void fill_sums(const struct copy *c, const struct net_hdr_sums *sums)
{
	uint8_t *data = rte_pktmbuf_mtod(c->head, uint8_t *);
	uint16_t sum;

	if (sums->ip_at)
		memcpy(data + sums->ip_at, &sums->ip, sizeof(sums->ip));
	if (!sums->l4_at)
		return;
	sum = net_hdr_l4_checksum(checksum_fold(&c->sum));
	memcpy(data + sums->l4_at, &sum, sizeof(sum));
}

/* The usual case, in one buffer and without checksums. */
static __rte_always_inline void copy_plain(struct rte_mbuf *to, const struct rte_mbuf *m)
{
	uint8_t *data = rte_pktmbuf_mtod(to, uint8_t *);

	to->pkt_len = m->pkt_len;
	to->data_len = (uint16_t)m->pkt_len;
	for (; m; m = m->next) {
		memcpy(data, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
		data += m->data_len;
	}
}

/* Copies a packet into `to`, an empty buffer of the queue, and more of them if needed. Returns
 * DROP_COUNT or why it could not. */
static enum drop_reason copy_packet(struct rte_mbuf *to, const struct uplink_queue *q,
				    const struct rte_mbuf *m)
{
	struct copy c = {.head = to, .last = to};
	struct net_hdr_sums sums;
	struct virtio_net_hdr h;

	if (likely(m->ol_flags == 0 && m->pkt_len <= q->room)) {
		copy_plain(to, m);
		return DROP_COUNT;
	}
	if (net_hdr_from_mbuf(m, 0, &h, &sums) < 0)
		return DROP_NO_OFFLOAD;
	if (!copy_bytes(&c, q->tx_pool, m, sums.l4_at ? sums.l4_from : UINT32_MAX))
		return DROP_UPLINK_FULL;
	fill_sums(&c, &sums);
	return DROP_COUNT;
}

/* --- sending -----------------------------------------------------------------------------------
 */

static void send(struct worker *w, struct uplink_queue *q, struct wire_frame **frame, uint16_t n)
{
	if (unlikely(w->captures != NULL))
		capture_frames(w, q, frame, n);
	uplink_send(q, frame, n, worker_now(w));
}

/* Cuts a large TCP packet into segments, right in the uplink's buffers, and sends those from number
 * *segments on. False when there is no time, or no room in the device, for the rest: *segments says
 * where to go on. Otherwise *why is DROP_COUNT, or the reason for which one was lost. */
static bool send_segments(struct worker *w, struct batch *b, struct uplink_queue *q,
			  const struct adjacency *r, struct rte_mbuf *m, uint16_t *segments,
			  enum drop_reason *why)
{
	uint32_t vni = b->from->bridge->vni, key = w->wire->tables->hash_key;
	struct wire_frame *frame[SEGMENTS_AT_ONCE];
	uint16_t before = *segments;
	struct segmenter s;

	*why = DROP_NO_OFFLOAD;
	if (segment_begin(&s, m) < 0)
		return true;
	segment_skip(&s, before);
	*why = DROP_COUNT;
	while (segment_count(&s) > 0) {
		struct rte_mbuf *part;
		uint16_t n = 0;

		*segments = s.n;
		if (q->n_waiting > 0 || (s.n > before && deadline_is_over(&w->deadline)))
			return false;
		while (n < SEGMENTS_AT_ONCE && (part = segment_next(&s, q->tx_pool)))
			frame[n++] = vxlan_encap(&r->t, part, vni, key);
		if (n == 0) {
			*why = DROP_UPLINK_FULL;
			return true;
		}
		send(w, q, frame, n);
	}
	return true;
}

/* Puts off a large packet that is not finished. A job that is being done stays the job that it
 * is. */
static void go_on_later(struct worker *w, struct batch *b, const struct wire_out *o, uint16_t i,
			uint16_t segments)
{
	struct pkt *p = &b->pkt[o->index[i]];
	enum drop_reason why;
	struct job job;

	if (b->is_resumed) {
		b->segments = segments;
		return;
	}
	job = backlog_job(JOB_WIRE, b->from, b->from, b->pair);
	job.cursor = segments;
	job.remote = o->remote[i];
	job.remote_generation = o->to[i]->generation;
	job.was_counted = b->was_counted || p->is_reached;
	why = backlog_put_pkt(w, w, &job, o->pkt[i], w->service[job.vm].pool);
	if (why != DROP_COUNT) {
		miss(w, b, o->index[i], o->remote[i], why);
		return;
	}
	p->is_reached = true;
	p->handed++;
	b->n_handed++;
}

/* Notes that another host was sent a packet. */
static void reach(struct worker *w, struct batch *b, const struct wire_out *o, uint16_t i)
{
	struct remote_counters *c = &w->wire->remote[o->remote[i]];

	b->pkt[o->index[i]].is_reached = true;
	counter_add(&c->packets, 1);
	counter_add(&c->bytes, o->pkt[i]->pkt_len);
}

static void send_large(struct worker *w, struct batch *b, struct uplink_queue *q,
		       const struct wire_out *o, uint16_t i)
{
	uint16_t segments = b->segments;
	enum drop_reason why;

	b->segments = 0;
	if (!send_segments(w, b, q, o->to[i], o->pkt[i], &segments, &why))
		go_on_later(w, b, o, i, segments);
	else if (why != DROP_COUNT)
		miss(w, b, o->index[i], o->remote[i], why);
	else
		reach(w, b, o, i);
}

/* Gets the cache lines of buffers that the device's other end has read last: where the outer header
 * goes, and the frame's first bytes. */
static void prefetch_buffers(struct rte_mbuf *const *m, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		uint8_t *data = rte_pktmbuf_mtod(m[i], uint8_t *);

		rte_prefetch0_write(data - RTE_CACHE_LINE_SIZE);
		rte_prefetch0_write(data);
	}
}

/* Sends the packets of an outbox, of which only the last may be a large one. */
static void send_out(struct worker *w, struct batch *b, struct uplink_queue *q, struct wire_out *o)
{
	uint32_t vni = b->from->bridge->vni, key = w->wire->tables->hash_key;
	bool clamps_mss = b->from->bridge->clamps_mss;
	struct rte_mbuf *to[BATCH_MAX];
	struct wire_frame *frame[BATCH_MAX];
	uint16_t n = 0, small = o->n;

	small -= (o->pkt[o->n - 1]->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
	if (unlikely(small > 0 && rte_pktmbuf_alloc_bulk(q->tx_pool, to, small) < 0)) {
		for (uint16_t i = 0; i < small; i++)
			miss(w, b, o->index[i], o->remote[i], DROP_UPLINK_FULL);
		small = 0;
	}
	prefetch_buffers(to, small);
	for (uint16_t i = 0; i < small; i++) {
		enum drop_reason why = copy_packet(to[i], q, o->pkt[i]);

		if (unlikely(why != DROP_COUNT)) {
			rte_pktmbuf_free(to[i]);
			miss(w, b, o->index[i], o->remote[i], why);
			continue;
		}
		if (likely(clamps_mss))
			mss_clamp(rte_pktmbuf_mtod(to[i], uint8_t *), to[i]->data_len,
				  o->to[i]->mtu);
		frame[n++] = vxlan_encap(&o->to[i]->t, to[i], vni, key);
		reach(w, b, o, i);
	}
	if (n > 0)
		send(w, q, frame, n);
	if (o->pkt[o->n - 1]->ol_flags & RTE_MBUF_F_TX_TCP_SEG)
		send_large(w, b, q, o, o->n - 1);
}

void wire_deliver(struct worker *w, struct batch *b, uint16_t vm)
{
	struct wire *wire = w->wire;

	stage_end(w, vm, STAGE_DELIVER);
	for (unsigned i = 0; i < UPLINK_MAX && wire->n_out > 0; i++) {
		struct wire_out *o = &wire->out[i];

		if (o->n == 0)
			continue;
		send_out(w, b, wire->tx[i], o);
		wire->n_out -= o->n;
		o->n = 0;
	}
	stage_end(w, vm, STAGE_WIRE_TX);
}
