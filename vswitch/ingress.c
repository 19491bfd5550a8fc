/* SPDX-License-Identifier: BSD-3-Clause */
/* From the wire. */
#include "vswitch/ingress.h"

#include <rte_ether.h>
#include <rte_prefetch.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "base/counter.h"
#include "pkt/mss.h"
#include "pkt/pkt.h"
#include "vswitch/learn.h"
#include "vswitch/origin.h"
#include "vswitch/outbox.h"
#include "vswitch/stage.h"
#include "vswitch/wire_tx.h"

/* Bursts that are taken in per turn, and packets from other workers: a bound on what packets for
 * others can cost a VM that waits. */
#define BURSTS_PER_TURN 2
#define HANDED_PER_TURN 64

#define PREFETCH_AHEAD 4u

/* --- staging -----------------------------------------------------------------------------------
 */

/* Appends to the VM's list. */
static enum drop_reason put_node(struct worker *w, const struct staged *s, uint16_t limit)
{
	struct wire *wire = w->wire;
	struct staging *list = &wire->staging[s->vm];
	uint16_t node = wire->free;

	if (unlikely(list->n >= limit || node == WIRE_NODES - 1))
		return DROP_WIRE_FULL;
	wire->free = wire->node[node].next;
	wire->node[node].s = *s;
	if (list->n++ == 0)
		list->first = node;
	else
		wire->node[list->last].next = node;
	list->last = node;
	wire->n_staged++;
	sched_wake(w->sched, s->vm, worker_now(w));
	return DROP_COUNT;
}

/* Takes the first packet of a list that has some. */
static struct staged take_node(struct wire *wire, struct staging *list)
{
	uint16_t node = list->first;

	list->first = wire->node[node].next;
	list->n--;
	wire->n_staged--;
	wire->node[node].next = wire->free;
	wire->free = node;
	return wire->node[node].s;
}

/* Hands a packet over to the worker that serves its port. */
static enum drop_reason hand_over(struct worker *to, struct staged *s, uint16_t limit)
{
	struct wire *wire = to->wire;
	_Atomic uint16_t *on_its_way = &wire->on_their_way[s->vm];

	if (atomic_load_explicit(on_its_way, memory_order_relaxed) >= limit)
		return DROP_WIRE_FULL;
	atomic_fetch_add_explicit(on_its_way, 1, memory_order_relaxed);
	if (rte_ring_enqueue_elem(wire->inbox, s, sizeof(*s)) == 0) {
		worker_wake(to);
		return DROP_COUNT;
	}
	atomic_fetch_sub_explicit(on_its_way, 1, memory_order_relaxed);
	return DROP_WIRE_FULL;
}

static void note_lost(struct worker *w, uint16_t port, enum drop_reason why)
{
	counter_add(&w->counters[port].wire_drops[why], 1);
}

/* Notes that a packet of the burst was for a VM, which pays its part. */
static void note_share(struct wire *wire, uint16_t vm)
{
	if (wire->share[vm]++ == 0)
		wire->sharer[wire->n_sharers++] = vm;
}

/* Stages a reference to the packet, which becomes the list's, for a port. */
static void stage(struct worker *w, struct vport *to, struct rte_mbuf *m, uint16_t flow,
		  uint16_t limit)
{
	struct worker *peer = to->worker;
	struct staged s = {
		.m = m,
		.epoch = atomic_load_explicit(&to->epoch, memory_order_acquire),
		.port = to->id,
		.vm = to->vm,
		.flow = flow,
	};
	enum drop_reason why = peer == w ? put_node(w, &s, limit) : hand_over(peer, &s, limit);

	note_share(w->wire, to->vm);
	counter_add(&w->counters[to->id].wire_in, 1);
	if (unlikely(why != DROP_COUNT)) {
		note_lost(w, to->id, why);
		rte_pktmbuf_free(m);
	}
}

/* --- demultiplexing ----------------------------------------------------------------------------
 */

/* Stages the packet for all ports of the network: it came from the wire, so it goes to no other
 * host (split horizon). A port that is being moved is a member of two networks for a moment. */
static enum wire_drop stage_for_all(struct worker *w, struct rte_mbuf *m, const struct origin *from,
				    uint16_t limit)
{
	const struct members *members =
		atomic_load_explicit(&from->bridge->members, memory_order_acquire);
	uint32_t n = 0;

	for (uint32_t i = 0; i < members->n; i++) {
		struct vport *to = members->port[i];

		if (unlikely(to->bridge != from->bridge))
			continue;
		rte_pktmbuf_refcnt_update(m, 1);
		stage(w, to, m, from->flow, limit);
		n++;
	}
	if (n == 0)
		return WIRE_DROP_NO_RECEIVER;
	rte_pktmbuf_free(m);
	return WIRE_DROP_COUNT;
}

/* Finds the port that an address is behind; NULL for all ports, or for none: then *why says so. */
static struct vport *find_receiver(struct worker *w, const struct bridge *bridge, uint64_t dst,
				   enum wire_drop *why)
{
	struct vport *to;
	uint16_t id;

	*why = WIRE_DROP_COUNT;
	if (fdb_mac_is_group(dst)) {
		if (unlikely(fdb_mac_is_reserved(dst)))
			*why = WIRE_DROP_RESERVED;
		return NULL;
	}
	id = fdb_lookup(bridge->fdb, dst);
	if (unlikely(id == FDB_NO_PORT && bridge->flood_unknown))
		return NULL;
	to = id < MAX_PORTS ? worker_port(w, id) : NULL;
	if (likely(to && to->bridge == bridge))
		return to;
	*why = WIRE_DROP_NO_RECEIVER;
	return NULL;
}

/* Finds whom the packet is for, and stages it. Returns WIRE_DROP_COUNT, or why it is nobody's; then
 * it is the caller's still. */
static enum wire_drop demux(struct worker *w, struct rte_mbuf *m, struct origin *from,
			    uint16_t limit)
{
	const struct rte_ether_hdr *eth;
	enum wire_drop why = origin_unwrap(w, m, from);
	uint64_t src, dst;

	if (unlikely(why != WIRE_DROP_COUNT))
		return why;
	eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	src = fdb_mac(eth->src_addr.addr_bytes);
	dst = fdb_mac(eth->dst_addr.addr_bytes);
	if (from->bridge->clamps_mss)
		mss_clamp(rte_pktmbuf_mtod(m, uint8_t *), m->data_len, from->mtu);
	if (unlikely(src != from->src)) {
		if (from->dest && from->bridge->learn_from_wire)
			learn_from_wire(w, from->bridge, from->dest, m);
		from->src = src;
		from->dst = ORIGIN_NO_MAC;
	}
	if (unlikely(!from->to || dst != from->dst)) {
		from->to = find_receiver(w, from->bridge, dst, &why);
		from->dst = from->to ? dst : ORIGIN_NO_MAC;
		if (!from->to)
			return why == WIRE_DROP_COUNT ? stage_for_all(w, m, from, limit) : why;
	}
	stage(w, from->to, m, from->flow, limit);
	return WIRE_DROP_COUNT;
}

/* Divides the time since the last billing by the packets that the burst had for each. */
static void bill_burst(struct worker *w, uint16_t for_nobody)
{
	struct wire *wire = w->wire;
	uint32_t total = for_nobody;
	uint64_t spent;

	for (uint16_t i = 0; i < wire->n_sharers; i++)
		total += wire->share[wire->sharer[i]];
	spent = stage_end_sys(w, SYSROW_WIRE);
	for (uint16_t i = 0; i < wire->n_sharers; i++) {
		uint16_t vm = wire->sharer[i];
		uint64_t part = spent * wire->share[vm] / total;

		ledger_move(&w->ledger, SYSROW_WIRE, vm, STAGE_WIRE_RX, part);
		sched_charge_other(w->sched, vm, part);
		wire->share[vm] = 0;
	}
	wire->n_sharers = 0;
}

static uint16_t take_burst(struct worker *w, struct uplink_queue *q)
{
	struct rte_mbuf *m[UPLINK_BURST];
	uint16_t n = uplink_poll(q, m, UPLINK_BURST), limit, for_nobody = 0;
	struct origin from = {0};
	uint64_t bytes = 0;

	if (n == 0)
		return 0;
	limit = (uint16_t)RTE_MIN(RTE_MAX(rte_mempool_avail_count(q->rx_pool), WIRE_MIN_STAGED),
				  WIRE_MAX_STAGED);
	for (unsigned i = 0; i < RTE_MIN((unsigned)n, PREFETCH_AHEAD); i++)
		rte_prefetch0(rte_pktmbuf_mtod(m[i], const void *));
	for (uint16_t i = 0; i < n; i++) {
		enum wire_drop why;

		if (i + PREFETCH_AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(m[i + PREFETCH_AHEAD], const void *));
		bytes += rte_pktmbuf_pkt_len(m[i]);
		why = demux(w, m[i], &from, limit);
		if (unlikely(why != WIRE_DROP_COUNT)) {
			counter_add(&q->counters.rx_drops[why], 1);
			rte_pktmbuf_free(m[i]);
			for_nobody++;
		}
	}
	counter_add(&q->counters.rx_packets, n);
	counter_add(&q->counters.rx_bytes, bytes);
	bill_burst(w, for_nobody);
	return n;
}

/* Takes in what other workers hand over. */
static unsigned accept_handed(struct worker *w)
{
	struct staged s;
	unsigned n = 0;

	for (; n < HANDED_PER_TURN && rte_ring_dequeue_elem(w->wire->inbox, &s, sizeof(s)) == 0;
	     n++) {
		enum drop_reason why = put_node(w, &s, WIRE_MAX_STAGED);

		atomic_fetch_sub_explicit(&w->wire->on_their_way[s.vm], 1, memory_order_relaxed);
		note_share(w->wire, s.vm);
		if (unlikely(why != DROP_COUNT)) {
			note_lost(w, s.port, why);
			rte_pktmbuf_free(s.m);
		}
	}
	if (n > 0)
		bill_burst(w, 0);
	return n;
}

bool ingress_accept(struct worker *w)
{
	struct wire *wire = w->wire;
	unsigned n = 0;

	for (unsigned i = 0; i < UPLINK_MAX; i++)
		if (wire->tx[i])
			uplink_flush(wire->tx[i], worker_now(w));
	for (unsigned i = 0; i < BURSTS_PER_TURN && wire->n_rx > 0; i++) {
		wire->next_rx = (uint16_t)((wire->next_rx + 1) % wire->n_rx);
		n += take_burst(w, wire->rx[wire->next_rx]);
	}
	n += accept_handed(w);
	stage_end_sys(w, SYSROW_WIRE);
	return n > 0;
}

/* --- delivery ----------------------------------------------------------------------------------
 */

/* The queue pair for a flow's packets to a port: any, but always the same. */
static uint16_t pair_for(const struct vport *to, uint16_t flow)
{
	return to->n_rx > 1 ? flow % to->n_rx : 0;
}

static struct vport *receiver_of(struct worker *w, const struct staged *s)
{
	struct vport *to = worker_port(w, s->port);

	return to && atomic_load_explicit(&to->epoch, memory_order_relaxed) == s->epoch ? to : NULL;
}

/* Puts the first packets of a VM's list into outboxes: such as go to the same queue pair. */
static void gather(struct worker *w, struct staging *list, struct batch *b)
{
	while (list->n > 0 && b->n < BATCH_MAX && b->work < MAX_WORK) {
		const struct staged *s = &w->wire->node[list->first].s;
		struct vport *to = receiver_of(w, s);
		struct pkt *p = &b->pkt[b->n];
		uint16_t pair = to && to->worker == w ? pair_for(to, s->flow) : b->pair;
		struct outbox *o;

		if (b->n == 0)
			b->pair = pair;
		if (pair != b->pair)
			return;
		*p = (struct pkt){.m = s->m, .dest = s->port, .asked = 1};
		b->n++;
		/* Which worker serves the port is asked once: it may change meanwhile. */
		o = likely(to) ? outbox_find(w, to, b) : NULL;
		if (likely(o && o->worker == w)) {
			outbox_put(o, b, b->n - 1);
		} else {
			p->asked = 0;
			note_lost(w, s->port, DROP_PORT_GONE);
		}
		take_node(w->wire, list);
	}
}

uint16_t ingress_serve(struct worker *w, uint16_t vm, uint32_t *bytes)
{
	struct rte_mbuf *done[BATCH_MAX];
	struct batch *b = w->job_batch;

	batch_begin_part(b);
	b->has_deadline = false;
	b->from = NULL;
	b->pair = 0;
	b->n = b->next = 0;
	gather(w, &w->wire->staging[vm], b);
	outbox_deliver_all(w, b, vm);
	for (uint16_t i = 0; i < b->n; i++) {
		const struct pkt *p = &b->pkt[i];

		if (likely(p->missed < p->asked))
			counter_add(&w->counters[p->dest].wire_delivered, 1);
		else if (p->asked > 0)
			counter_add(&w->counters[p->dest].wire_drops[p->reason], 1);
		*bytes += rte_pktmbuf_pkt_len(p->m);
		done[i] = p->m;
	}
	rte_pktmbuf_free_bulk(done, b->n);
	stage_end(w, vm, STAGE_RECEIVE);
	return b->n;
}

bool ingress_is_quiet(const struct wire *wire)
{
	for (unsigned i = 0; i < UPLINK_MAX; i++)
		if (wire->tx[i] && wire->tx[i]->n_waiting > 0)
			return false;
	return rte_ring_empty(wire->inbox);
}

/* --- forgetting --------------------------------------------------------------------------------
 */

void ingress_forget_vm(struct worker *w, uint16_t vm)
{
	struct staging *list = &w->wire->staging[vm];

	while (atomic_load(&w->wire->on_their_way[vm]) > 0 && accept_handed(w) > 0)
		continue;
	while (list->n > 0) {
		struct staged s = take_node(w->wire, list);

		note_lost(w, s.port, DROP_PORT_GONE);
		rte_pktmbuf_free(s.m);
	}
}

void ingress_forget_device(struct worker *w, const struct uplink_device *u)
{
	while (accept_handed(w) > 0)
		continue;
	for (uint16_t vm = 0; vm < MAX_VMS; vm++) {
		struct staging *list = &w->wire->staging[vm];

		for (uint16_t n = list->n; n > 0; n--) {
			struct staged s = take_node(w->wire, list);

			if (!uplink_owns(u, s.m)) {
				put_node(w, &s, WIRE_NODES);
				continue;
			}
			note_lost(w, s.port, DROP_UPLINK_DOWN);
			rte_pktmbuf_free(s.m);
		}
	}
}
