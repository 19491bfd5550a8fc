/* SPDX-License-Identifier: BSD-3-Clause */
/* Staged packets. A list per VM of nodes of one array, and a ring per worker for packets that other
 * workers hand over. */
#include "vswitch/staging.h"

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "base/counter.h"
#include "pkt/ecn.h"
#include "tcp/coalesce.h"
#include "vhost/net_hdr.h"
#include "vswitch/capture.h"
#include "vswitch/outbox.h"
#include "vswitch/rate_hold.h"
#include "vswitch/stage.h"

/* Packets that one step of a purge looks at. */
#define PURGE_STEP 256

uint16_t staging_limit(const struct uplink_queue *q)
{
	unsigned n_free = rte_mempool_avail_count(q->rx_pool);

	return (uint16_t)RTE_MIN(RTE_MAX(n_free, WIRE_MIN_STAGED), WIRE_MAX_STAGED);
}

/* Whether one more may wait where `n` do and there is room for `room`. The same threshold as for
 * buffers holds for room: what all VMs share is not for one of them. */
static bool is_allowed(uint32_t n, uint32_t room, uint32_t limit)
{
	return room > 0 && n < RTE_MIN(limit, RTE_MAX(room, WIRE_MIN_STAGED));
}

static void link_last(struct wire *wire, struct staging *list, uint16_t node)
{
	if (list->n++ == 0)
		list->first = node;
	else
		wire->node[list->last].next = node;
	list->last = node;
}

static uint16_t use_node(struct wire *wire, const struct staged *s)
{
	uint16_t node = wire->free;

	wire->free = wire->node[node].next;
	wire->node[node].s = *s;
	wire->n_staged++;
	return node;
}

/* Tells the ends of a connection that the VM falls behind, before packets are lost: from half of
 * the limit on. A packet that others have too is not changed. */
static void mark_congestion(const struct staging *list, const struct staged *s)
{
	if (likely(list->n < s->limit / 2) || rte_mbuf_refcnt_read(s->m) > 1)
		return;
	ecn_mark(rte_pktmbuf_mtod(s->m, uint8_t *), s->m->data_len, s->m->pkt_len);
}

/* Appends to the VM's list. */
static enum drop_reason append(struct worker *w, const struct staged *s)
{
	struct wire *wire = w->wire;
	struct staging *list = &wire->staging[s->vm];

	if (unlikely(!is_allowed(list->n, WIRE_NODES - 1 - wire->n_staged, s->limit)))
		return DROP_WIRE_FULL;
	mark_congestion(list, s);
	link_last(wire, list, use_node(wire, s));
	sched_wake(w->sched, s->vm, worker_now(w));
	if (unlikely(w->n_rate_held > 0))
		rate_release(w, s->vm);
	return DROP_COUNT;
}

/* Takes the first packet of a list that has some. */
static struct staged take_first(struct wire *wire, struct staging *list)
{
	uint16_t node = list->first;

	list->first = wire->node[node].next;
	list->n--;
	wire->n_staged--;
	wire->node[node].next = wire->free;
	wire->free = node;
	return wire->node[node].s;
}

/* Puts back a packet that take_first() took, as the first one. */
static void put_back(struct wire *wire, struct staging *list, const struct staged *s)
{
	uint16_t node = use_node(wire, s);

	wire->node[node].next = list->first;
	list->first = node;
	if (list->n++ == 0)
		list->last = node;
}

static void note_wake(struct wire *wire, struct worker *peer)
{
	for (uint16_t i = 0; i < wire->n_to_wake; i++)
		if (wire->to_wake[i] == peer)
			return;
	wire->to_wake[wire->n_to_wake++] = peer;
}

/* Hands a packet over to the worker that serves its port. */
static enum drop_reason hand_over(struct worker *w, struct worker *to, struct staged *s)
{
	_Atomic uint16_t *on_their_way = &to->wire->on_their_way[s->vm];
	uint16_t n = atomic_load_explicit(on_their_way, memory_order_relaxed);

	if (unlikely(!is_allowed(n, rte_ring_free_count(to->wire->inbox), s->limit)))
		return DROP_WIRE_FULL;
	atomic_fetch_add_explicit(on_their_way, 1, memory_order_relaxed);
	if (unlikely(rte_ring_enqueue_elem(to->wire->inbox, s, sizeof(*s)) < 0)) {
		atomic_fetch_sub_explicit(on_their_way, 1, memory_order_relaxed);
		return DROP_WIRE_FULL;
	}
	note_wake(w->wire, to);
	return DROP_COUNT;
}

/* Drops a packet, and counts that if its port is there still: another one may have its id. */
static void lose(struct worker *w, const struct staged *s, enum drop_reason why)
{
	const struct vport *port = worker_port(w, s->port);

	if (port && port->first_epoch == s->first_epoch) {
		counter_add(&w->counters[s->port].wire_drops[why], 1);
		if (unlikely(w->captures != NULL))
			capture_drop(w, port, true, s->m, why);
	}
	rte_pktmbuf_free(s->m);
}

/* The epoch is read before the network: control writes them in the other order. So the packet of a
 * port that moves is either seen to be of another network here, or, with the epoch of its own
 * network, when it is to be delivered. */
void staging_put(struct worker *w, struct vport *to, const struct bridge *bridge,
		 struct rte_mbuf *m, uint16_t flow, uint16_t limit)
{
	struct worker *peer = to->worker;
	struct staged s = {
		.m = m,
		.epoch = atomic_load_explicit(&to->epoch, memory_order_acquire),
		.first_epoch = to->first_epoch,
		.port = to->id,
		.vm = to->vm,
		.flow = flow,
		.limit = limit,
	};
	enum drop_reason why = DROP_PORT_GONE;

	counter_add(&w->counters[to->id].wire_in, 1);
	if (likely(atomic_load_explicit(&to->bridge, memory_order_relaxed) == bridge))
		why = peer == w ? append(w, &s) : hand_over(w, peer, &s);
	if (unlikely(why != DROP_COUNT))
		lose(w, &s, why);
}

void staging_wake(struct worker *w)
{
	for (uint16_t i = 0; i < w->wire->n_to_wake; i++)
		worker_wake(w->wire->to_wake[i]);
	w->wire->n_to_wake = 0;
}

/* The port that a packet is for; NULL when it is gone, in another network, or another worker's. */
static struct vport *find_port(struct worker *w, const struct staged *s)
{
	struct vport *to = worker_port(w, s->port);

	if (unlikely(!to || atomic_load_explicit(&to->epoch, memory_order_relaxed) != s->epoch))
		return NULL;
	return likely(to->worker == w) ? to : NULL;
}

bool staging_take_over(struct worker *w, uint16_t *vm)
{
	enum drop_reason why = DROP_PORT_GONE;
	struct staged s;

	if (rte_ring_dequeue_elem(w->wire->inbox, &s, sizeof(s)) < 0)
		return false;
	atomic_fetch_sub_explicit(&w->wire->on_their_way[s.vm], 1, memory_order_relaxed);
	*vm = VM_NONE;
	if (likely(find_port(w, &s))) {
		*vm = s.vm;
		why = append(w, &s);
	}
	if (unlikely(why != DROP_COUNT))
		lose(w, &s, why);
	return true;
}

/* --- delivery ----------------------------------------------------------------------------------
 */

/* The queue pair for a flow's packets to a port: any, but always the same. */
static uint16_t pair_for(const struct vport *to, uint16_t flow)
{
	return to->n_rx > 1 ? flow % to->n_rx : 0;
}

/* Packets that a service took from a VM's list, as they were staged, and how they were merged. */
struct taken {
	uint16_t n;
	bool may_merge;
	struct staged s[BATCH_MAX];
	uint8_t in[BATCH_MAX]; /* the packet of the batch that each is, or is a part of */
	struct coalescer coalescer;
};
_Static_assert(COALESCE_MAX_PACKETS >= BATCH_MAX, "each may begin a large packet");
_Static_assert(COALESCE_LEAST_PAYLOAD >= NET_HDR_MIN_GSO_SIZE,
	       "a guest may pass on the large packets that it gets");

/* The families of packets that are merged for a port: those of which it takes large packets, in any
 * number of buffers. */
static uint8_t families_of(const struct outbox *o)
{
	uint8_t families = 0;

	if (o->way != OUT_RING || !o->rx->mergeable || !o->to->coalesces)
		return 0;
	if (net_hdr_takes_large(o->rx->q.features, false, false))
		families |= COALESCE_IPV4;
	if (net_hdr_takes_large(o->rx->q.features, true, false))
		families |= COALESCE_IPV6;
	return families;
}

/* Merges a packet with one of the batch. Returns that one's index, or -1. There has to be a buffer
 * for each packet that was taken: a ring that has fewer gets as many packets as it has room for,
 * and not none because all of them are one. A packet that waits alone is not looked at. */
static int merge(const struct outbox *o, const struct batch *b, struct taken *t, bool is_alone)
{
	const struct staged *s = &t->s[t->n];
	uint8_t families = is_alone ? 0 : families_of(o);

	if (likely(families == 0))
		return -1;
	t->may_merge = t->may_merge && virtq_has(&o->rx->q, t->n + 1);
	return t->may_merge ? coalesce_add(&t->coalescer, s->m, s->port, families, b->n) : -1;
}

/* Puts a packet into the batch, alone or as a part of another one. */
static void put(struct outbox *o, struct batch *b, struct taken *t, bool is_alone)
{
	const struct staged *s = &t->s[t->n];
	uint32_t len = s->m->pkt_len, first = s->m->data_len;
	int into = merge(o, b, t, is_alone);

	if (into >= 0) {
		/* Without its headers, which are in its first mbuf. */
		outbox_lengthen(o, b, len - (first - s->m->data_len), len);
	} else {
		into = b->n;
		b->pkt[b->n] = (struct pkt){.m = s->m, .dest = s->port, .asked = 1};
		outbox_put(o, b, b->n++);
	}
	t->in[t->n++] = (uint8_t)into;
}

/* Takes the first packets of a VM's list into the batch: such as go to the same queue pair. Those
 * that are merged are work, too, so that a part is short. */
static void gather(struct worker *w, struct staging *list, struct batch *b, struct taken *t)
{
	while (list->n > 0 && t->n < BATCH_MAX && b->work < MAX_WORK) {
		struct staged *s = &t->s[t->n];
		struct outbox *o;
		struct vport *to;
		uint16_t pair;

		*s = w->wire->node[list->first].s;
		to = find_port(w, s);
		if (unlikely(!to)) {
			take_first(w->wire, list);
			lose(w, s, DROP_PORT_GONE);
			b->work++;
			continue;
		}
		pair = pair_for(to, s->flow);
		if (t->n == 0)
			b->pair = pair;
		if (pair != b->pair)
			break;
		o = outbox_find(w, to, b);
		/* The port may have gone to another worker just now: then it is seen next time. */
		if (unlikely(o->worker != w))
			break;
		take_first(w->wire, list);
		put(o, b, t, t->n == 0 && list->n == 0);
	}
	coalesce_end(&t->coalescer);
}

/* Counts a packet that was tried: as it came from the wire, whatever it was merged with. */
static void count(const struct worker *w, const struct staged *s, const struct pkt *p)
{
	struct port_counters *c = &w->counters[p->dest];

	if (unlikely(p->missed > 0)) {
		counter_add(&c->wire_drops[p->reason], 1);
		return;
	}
	counter_add(&c->wire_delivered, 1);
	if (s->m != p->m)
		counter_add(&c->wire_merged, 1);
}

/* Counts and frees what was tried, and puts the rest back as it was staged. Returns the number of
 * packets from the wire that were tried. */
static uint16_t finish(struct worker *w, struct staging *list, struct batch *b, struct taken *t,
		       uint32_t *bytes)
{
	struct rte_mbuf *done[BATCH_MAX];
	uint16_t n_done = 0, n = 0;

	for (uint16_t i = 0; i < b->n; i++) {
		const struct pkt *p = &b->pkt[i];

		if (unlikely(p->handed > 0)) {
			coalesce_undo(&t->coalescer, i);
			continue;
		}
		*bytes += rte_pktmbuf_pkt_len(p->m);
		done[n_done++] = p->m;
	}
	for (uint16_t i = t->n; i > 0; i--) {
		const struct pkt *p = &b->pkt[t->in[i - 1]];

		if (unlikely(p->handed > 0)) {
			put_back(w->wire, list, &t->s[i - 1]);
			continue;
		}
		count(w, &t->s[i - 1], p);
		n++;
	}
	rte_pktmbuf_free_bulk(done, n_done);
	return n;
}

uint16_t staging_serve(struct worker *w, uint16_t vm, uint32_t *bytes)
{
	struct staging *list = &w->wire->staging[vm];
	struct batch *b = w->job_batch;
	struct taken t;
	uint16_t n;

	batch_begin_part(b);
	b->from = NULL;
	b->pair = 0;
	b->n = b->next = 0;
	t.n = 0;
	t.may_merge = true;
	coalesce_begin(&t.coalescer);
	gather(w, list, b, &t);
	outbox_deliver_all(w, b, vm);
	n = finish(w, list, b, &t, bytes);
	stage_end(w, vm, STAGE_RECEIVE);
	return n;
}

/* --- forgetting --------------------------------------------------------------------------------
 */

void staging_forget_vm(struct worker *w, uint16_t vm)
{
	struct staging *list = &w->wire->staging[vm];

	while (list->n > 0) {
		struct staged s = take_first(w->wire, list);

		lose(w, &s, DROP_PORT_GONE);
	}
}

/* Drops what is in the uplink's buffers from one list. */
static void purge_list(struct worker *w, struct staging *list, const struct uplink_device *u)
{
	for (uint16_t n = list->n; n > 0; n--) {
		struct staged s = take_first(w->wire, list);

		if (uplink_owns(u, s.m))
			lose(w, &s, DROP_UPLINK_DOWN);
		else
			link_last(w->wire, list, use_node(w->wire, &s));
	}
}

/* First all that was on its way here when the first step began is taken over; then the lists have
 * all that there is. */
void staging_purge(struct worker *w, struct staging_purge *purge)
{
	uint32_t n = 0;
	uint16_t vm;

	if (!purge->has_begun) {
		purge->has_begun = true;
		purge->on_their_way = rte_ring_count(w->wire->inbox);
	}
	for (; purge->on_their_way > 0 && n < PURGE_STEP; n++)
		purge->on_their_way = staging_take_over(w, &vm) ? purge->on_their_way - 1 : 0;
	for (; purge->vm < MAX_VMS && n < PURGE_STEP; purge->vm++) {
		n += w->wire->staging[purge->vm].n;
		purge_list(w, &w->wire->staging[purge->vm], purge->uplink);
	}
	purge->is_done = purge->vm == MAX_VMS;
}
