/* SPDX-License-Identifier: BSD-3-Clause */
/* Delivery of a batch into receivers' rings. */
#include "vswitch/outbox.h"

#include <string.h>

#include "base/counter.h"
#include "tcp/segment.h"
#include "vswitch/backlog.h"
#include "vswitch/drop.h"
#include "vswitch/groups.h"
#include "vswitch/notify.h"
#include "vswitch/rate_in.h"
#include "vswitch/stage.h"
#include "vswitch/wire.h"
#include "vswitch/wire_tx.h"

/* With this many descriptors in excess, the owner of a ring pays for deliveries into it. No driver
 * has reason to make so many. */
#define EXCESS_THAT_PAYS 80

/* Segments that are made and then delivered at once, between two readings of the clock. */
#define SEGMENTS_AT_ONCE 16

/* Outboxes ahead whose descriptors and buffers are prefetched. */
#define ENTRY_AHEAD  6
#define BUFFER_AHEAD 3

static const uint8_t drop_of_result[NET_RESULT_COUNT] = {
	[NET_RING_FULL] = DROP_RING_FULL,       [NET_RING_BROKEN] = DROP_PORT_DOWN,
	[NET_BUFFER_SMALL] = DROP_BUFFER_SMALL, [NET_BAD_BUFFER] = DROP_RECEIVER_BAD,
	[NET_SLOW_BUFFERS] = DROP_SLOW_BUFFERS, [NET_NO_OFFLOAD] = DROP_NO_OFFLOAD,
};

uint32_t outbox_open(struct worker *w, struct outbox *o, struct vport *to, const struct batch *b)
{
	o->to = to;
	o->n = 0;
	o->bytes = 0;
	o->segments = 0;
	o->work_each = 1;
	o->worker = to->worker;
	o->way = OUT_WORKER;
	if (unlikely(o->worker != w))
		return 0;
	o->way = OUT_DOWN;
	if (unlikely(to->n_rx == 0))
		return 0;
	o->way = OUT_RING;
	o->rx = vport_rx(w, to, b->pair, &o->counters);
	o->work_each += o->rx->excess / EXCESS_PER_WORK;
	net_prefetch_ring(o->rx);
	/* One notification is part of what any batch takes. */
	return w->n_outboxes > 1 && virtq_would_notify(&o->rx->q) ? WORK_PER_NOTIFICATION : 0;
}

/* Puts packets into the receiver's ring, as net_enqueue(). */
static uint16_t enqueue(struct worker *w, const struct outbox *o, struct rte_mbuf *const *m,
			uint16_t n, uint8_t *result, struct deadline *deadline)
{
	uint16_t done = net_enqueue(o->rx, m, n, result, deadline);

	if (unlikely(w->captures != NULL))
		capture_delivered(w, o->to, m, n, done == n ? NULL : result);
	return done;
}

/* Marks the packets that a receiver got; `result` is NULL when all were delivered. */
static void note_reached(struct batch *b, const struct outbox *o, const uint8_t *result)
{
	for (uint16_t i = 0; i < o->n; i++)
		if (!result || result[i] == NET_DELIVERED)
			b->pkt[o->index[i]].is_reached = true;
}

/* Leaves the packets from the `first` on in the outbox. */
static void keep_from(struct outbox *o, uint16_t first)
{
	o->n -= first;
	for (uint16_t i = 0; i < o->n; i++) {
		o->pkt[i] = o->pkt[first + i];
		o->index[i] = o->index[first + i];
	}
}

/* Counts what the receiver got of some segments. Returns DROP_COUNT, or why the first that it did
 * not get was lost. */
static enum drop_reason count_segments(struct outbox *o, struct rte_mbuf *const *part,
				       const uint8_t *result, uint16_t n)
{
	enum drop_reason why = DROP_COUNT;

	for (uint16_t i = 0; i < n; i++) {
		if (result[i] == NET_DELIVERED) {
			counter_add(&o->counters->tx_packets, 1);
			counter_add(&o->counters->tx_bytes, rte_pktmbuf_pkt_len(part[i]));
		} else if (why == DROP_COUNT) {
			why = drop_of_result[result[i]];
		}
	}
	return why;
}

/* Cuts a packet that the receiver does not take whole into segments, and delivers those in order,
 * from number o->segments on. After a loss no more are made. When time is up before the last one,
 * o->segments says where to go on; otherwise it is 0 afterwards. The sender's buffers are used.
 * Returns DROP_COUNT, or why one was lost. */
static enum drop_reason deliver_segments(struct worker *w, struct outbox *o, struct rte_mbuf *m,
					 uint16_t vm)
{
	uint16_t before = o->segments;
	struct rte_mempool *pool = pkt_is_lent(m) ? w->service[vm].pool : m->pool;
	struct rte_mbuf *part[SEGMENTS_AT_ONCE];
	enum drop_reason why = DROP_COUNT;
	uint8_t result[SEGMENTS_AT_ONCE];
	struct segmenter s;

	o->segments = 0;
	if (segment_begin(&s, m) < 0)
		return DROP_NO_OFFLOAD;
	segment_skip(&s, before);
	while (segment_count(&s) > 0 && why == DROP_COUNT) {
		uint16_t n = 0;

		if (s.n > before && deadline_is_over(&w->deadline)) {
			o->segments = s.n;
			break;
		}
		while (n < SEGMENTS_AT_ONCE && (part[n] = segment_next(&s, pool)))
			n++;
		if (n == 0)
			return DROP_NO_BUFFER;
		enqueue(w, o, part, n, result, NULL);
		why = count_segments(o, part, result, n);
		rte_pktmbuf_free_bulk(part, n);
	}
	return why;
}

/* What became of the packets of an outbox in the receiver's ring. */
struct filled {
	uint16_t whole;   /* packets delivered as they are */
	uint64_t bytes;   /* of those */
	uint16_t untried; /* the first for which there was no time, or all */
	uint8_t result[BATCH_MAX];
};

/* Notes what became of packets `first` to `end`, which one call tried. Returns the one that has to
 * be segmented, or `end`. */
static uint16_t note_results(struct worker *w, struct outbox *o, struct batch *b, struct filled *f,
			     uint16_t first)
{
	for (uint16_t i = first; i < o->n; i++) {
		if (f->result[i] == NET_NO_OFFLOAD)
			return i;
		if (f->result[i] == NET_DELIVERED)
			f->bytes += rte_pktmbuf_pkt_len(o->pkt[i]);
		else if (f->result[i] == NET_NO_TIME)
			f->untried = RTE_MIN(f->untried, i);
		else
			drop_delivery(w, o->to, b, o->index[i], drop_of_result[f->result[i]]);
	}
	return o->n;
}

/* Handles what did not all go into the ring: notes why, segments packets that need it, and goes
 * on. */
static __rte_noinline void fill_with_care(struct worker *w, struct outbox *o, struct batch *b,
					  uint16_t vm, struct filled *f)
{
	uint16_t at = note_results(w, o, b, f, 0);

	while (at < o->n) {
		enum drop_reason why = deliver_segments(w, o, o->pkt[at], vm);

		if (o->segments > 0) {
			memset(&f->result[at], NET_NO_TIME, o->n - at);
			f->untried = RTE_MIN(f->untried, at);
			return;
		}
		f->result[at] = why == DROP_COUNT ? NET_DELIVERED : NET_NO_OFFLOAD;
		if (why != DROP_COUNT)
			drop_delivery(w, o->to, b, o->index[at], why);
		at++;
		f->whole += enqueue(w, o, &o->pkt[at], o->n - at, &f->result[at],
				    b->has_deadline ? &w->deadline : NULL);
		at = note_results(w, o, b, f, at);
	}
}

/* Whether packets of this part go to others, too. */
static bool has_others(const struct worker *w)
{
	return w->n_outboxes > 1 || unlikely(w->wire && w->wire->n_out > 0);
}

/* Copies an outbox into the receiver's ring. Packets left over when time is up stay in it. */
static void fill_ring(struct worker *w, struct outbox *o, struct batch *b, uint16_t vm)
{
	struct filled f;

	f.untried = o->n;
	f.bytes = 0;
	f.whole = enqueue(w, o, o->pkt, o->n, f.result, b->has_deadline ? &w->deadline : NULL);
	if (likely(f.whole == o->n)) {
		f.bytes = o->bytes;
		if (has_others(w))
			note_reached(b, o, NULL);
	} else {
		fill_with_care(w, o, b, vm, &f);
		if (has_others(w))
			note_reached(b, o, f.result);
	}
	counter_add(&o->counters->tx_packets, f.whole);
	counter_add(&o->counters->tx_bytes, f.bytes);
	keep_from(o, f.untried);
}

/* Fills a slow ring at the expense of its owner. */
static void fill_slow_ring(struct worker *w, struct outbox *o, struct batch *b, uint16_t vm)
{
	uint16_t owner = o->to->vm;

	stage_end(w, vm, STAGE_DELIVER);
	fill_ring(w, o, b, vm);
	sched_charge_instead(w->sched, owner, stage_end(w, owner, STAGE_DELIVER));
}

/* Takes those packets out of an outbox that the groups of the receiver do not allow. A packet of
 * which segments were delivered stays: it was allowed. */
static __rte_noinline void drop_what_is_not_allowed(struct worker *w, const struct security *s,
						    struct outbox *o, struct batch *b)
{
	uint16_t first = o->segments > 0 ? 1 : 0, kept = first;
	struct judgement judged[BATCH_MAX];

	groups_judge_received(w, s, o->to->vm, o->pkt + first, o->n - first, judged + first);
	for (uint16_t i = first; i < o->n; i++) {
		if (unlikely(judged[i].reason != DROP_COUNT)) {
			o->bytes -= o->pkt[i]->pkt_len;
			drop_delivery(w, o->to, b, o->index[i], (enum drop_reason)judged[i].reason);
			continue;
		}
		o->pkt[kept] = o->pkt[i];
		o->index[kept++] = o->index[i];
	}
	o->n = kept;
}

static void deliver_here(struct worker *w, struct outbox *o, struct batch *b, uint16_t vm)
{
	/* Read once: control may replace it by none meanwhile. */
	const struct security *s = atomic_load_explicit(&o->to->security, memory_order_acquire);

	if (unlikely(o->way == OUT_DOWN)) {
		for (uint16_t i = 0; i < o->n; i++)
			drop_delivery(w, o->to, b, o->index[i], DROP_PORT_DOWN);
		o->n = 0;
		return;
	}
	if (unlikely(s != NULL))
		drop_what_is_not_allowed(w, s, o, b);
	if (unlikely(o->to->is_rated_in))
		rate_in_check(w, o, b);
	if (unlikely(o->work_each > EXCESS_THAT_PAYS / EXCESS_PER_WORK && o->to->vm != vm)) {
		fill_slow_ring(w, o, b, vm);
	} else {
		fill_ring(w, o, b, vm);
	}
	if (unlikely(o->to->is_rated_in && o->n > 0))
		rate_in_return(o);
}

/* Hands one packet over. */
static void hand_over_pkt(struct worker *w, const struct outbox *o, struct batch *b, uint16_t i,
			  struct job *job)
{
	struct pkt *p = &b->pkt[o->index[i]];
	enum drop_reason why;

	job->was_counted = b->was_counted || p->is_reached;
	why = backlog_put_pkt(o->worker, w, job, o->pkt[i], w->service[job->vm].pool);
	if (unlikely(why != DROP_COUNT)) {
		drop_delivery(w, o->to, b, o->index[i], why);
	} else {
		p->is_reached = true;
		p->handed++;
		b->n_handed++;
	}
}

/* Hands over what is left in an outbox: to the worker that serves the port, which may be this one.
 * Not to a port that is in another network by now. */
static void hand_over(struct worker *w, struct outbox *o, struct batch *b)
{
	struct job job = backlog_job(JOB_DELIVER, b->from, o->to, b->pair);

	if (unlikely(o->to->bridge != b->from->bridge)) {
		for (uint16_t i = 0; i < o->n; i++)
			drop_delivery(w, o->to, b, o->index[i], DROP_PORT_GONE);
		return;
	}
	for (uint16_t i = 0; i < o->n; i++) {
		job.cursor = i == 0 ? o->segments : 0;
		hand_over_pkt(w, o, b, i, &job);
	}
	if (o->worker != w)
		worker_wake(o->worker);
}

/* Marks what is left in an outbox: it goes back to where it came from. */
static void leave(const struct outbox *o, struct batch *b)
{
	for (uint16_t i = 0; i < o->n; i++)
		b->pkt[o->index[i]].handed++;
}

/* Turns what is left in the outboxes into jobs. Staged packets stay staged. Of jobs, which have no
 * deadline, only a packet that is being segmented can be left: it stays the job that it is, and
 * goes on where it stopped. */
static void go_on_later(struct worker *w, struct batch *b)
{
	for (uint16_t i = 0; i < w->n_outboxes; i++) {
		struct outbox *o = &w->outbox[i];

		if (o->n == 0)
			continue;
		if (b->from)
			hand_over(w, o, b);
		else if (b->has_deadline)
			leave(o, b);
		else
			b->segments = o->segments;
	}
}

/* Publishes to the receivers what they got. */
static void publish(struct worker *w)
{
	for (uint16_t i = 0; i < w->n_outboxes; i++) {
		struct outbox *o = &w->outbox[i];

		w->outbox_of[o->to->id] = 0;
		if (likely(o->way == OUT_RING))
			notify_later(&w->notifications, &o->rx->q, &o->counters->notifications);
	}
	w->n_outboxes = 0;
}

/* With many outboxes, each ring's cache lines have to come from the guest's core or from memory, so
 * they are prefetched some outboxes ahead. Hand-overs come last, when it is known which packets
 * were delivered here: only for the others does the job decide how they are counted. */
void outbox_deliver_all(struct worker *w, struct batch *b, uint16_t vm)
{
	bool is_left = false;

	for (uint16_t i = 0; i < w->n_outboxes; i++) {
		struct outbox *o = &w->outbox[i];

		if (i + ENTRY_AHEAD < w->n_outboxes && o[ENTRY_AHEAD].way == OUT_RING)
			net_prefetch_entry(o[ENTRY_AHEAD].rx);
		if (i + BUFFER_AHEAD < w->n_outboxes && o[BUFFER_AHEAD].way == OUT_RING)
			net_prefetch_buffers(o[BUFFER_AHEAD].rx, o[BUFFER_AHEAD].pkt[0]);
		if (likely(o->way != OUT_WORKER))
			deliver_here(w, o, b, vm);
		is_left |= o->n > 0;
	}
	if (unlikely(w->wire && w->wire->n_out > 0))
		wire_deliver(w, b, vm);
	if (unlikely(is_left))
		go_on_later(w, b);
	publish(w);
}
