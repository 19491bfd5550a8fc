/* SPDX-License-Identifier: BSD-3-Clause */
/* From the wire. */
#include "vswitch/ingress.h"

#include <rte_ether.h>
#include <rte_prefetch.h>
#include <rte_ring.h>

#include "base/counter.h"
#include "pkt/mss.h"
#include "pkt/pkt.h"
#include "vswitch/capture.h"
#include "vswitch/learn.h"
#include "vswitch/origin.h"
#include "vswitch/stage.h"
#include "vswitch/staging.h"
#include "vswitch/suppress.h"

/* What a turn takes in: a bound on what packets for others can cost a VM that waits. A packet for
 * all ports of a network counts once for each of them; when that exceeds a turn's, the following
 * turns take in less. */
#define BURSTS_PER_TURN 2
#define STAGED_PER_TURN (BURSTS_PER_TURN * UPLINK_BURST)
#define HANDED_PER_TURN 64

#define PREFETCH_AHEAD 4u

/* Notes that a packet of the burst was for a VM, which pays its part. */
static void note_share(struct wire *wire, uint16_t vm)
{
	if (wire->share[vm]++ == 0)
		wire->sharer[wire->n_sharers++] = vm;
}

static void stage(struct worker *w, struct vport *to, struct rte_mbuf *m, const struct origin *from,
		  uint16_t limit)
{
	note_share(w->wire, to->vm);
	w->wire->budget--;
	staging_put(w, to, from->bridge, m, from->flow, limit);
}

/* --- demultiplexing ----------------------------------------------------------------------------
 */

/* Stages the packet for all ports of the network: it came from the wire, so it goes to no other
 * host (split horizon). A port that is being moved is a member of two networks for a moment. */
static enum wire_drop stage_for_all(struct worker *w, struct rte_mbuf *m, const struct origin *from,
				    uint64_t dst, uint16_t limit)
{
	const struct members *members =
		atomic_load_explicit(&from->bridge->members, memory_order_acquire);
	uint32_t n = 0;

	for (uint32_t i = 0; i < members->n; i++) {
		struct vport *to = members->port[i];

		if (unlikely(to->bridge != from->bridge ||
			     (!fdb_mac_is_group(dst) && !vport_may_have(to, dst))))
			continue;
		rte_pktmbuf_refcnt_update(m, 1);
		stage(w, to, m, from, limit);
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

/* Why a packet cannot go to all ports of its network; WIRE_DROP_COUNT when it can. */
static enum wire_drop why_no_flood(struct worker *w, struct bridge *bridge)
{
	const struct members *members =
		atomic_load_explicit(&bridge->members, memory_order_acquire);

	if (unlikely(members->n == 0))
		return WIRE_DROP_NO_RECEIVER;
	return likely(pps_take(&bridge->floods, members->n, worker_now(w), w->tsc_hz))
		       ? WIRE_DROP_COUNT
		       : WIRE_DROP_FLOOD_LIMIT;
}

/* Learns the source address, which is of the receiver's network. */
static void learn(struct worker *w, struct origin *from, uint64_t src, const struct rte_mbuf *m)
{
	if (from->dest && from->bridge->learn_from_wire)
		learn_from_wire(w, from->bridge, from->dest, m);
	from->src = src;
}

/* Finds whom the packet is for, and stages it. Returns WIRE_DROP_COUNT, or why it is nobody's; then
 * nothing is learned from it, and it is the caller's still. */
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
	if (unlikely(!from->to || dst != from->dst)) {
		from->to = find_receiver(w, from->bridge, dst, &why);
		from->dst = from->to ? dst : ORIGIN_NO_MAC;
		if (unlikely(!from->to && why == WIRE_DROP_COUNT))
			why = why_no_flood(w, from->bridge);
		if (unlikely(why != WIRE_DROP_COUNT))
			return why;
	}
	if (unlikely(src != from->src)) {
		learn(w, from, src, m);
		from->dst = ORIGIN_NO_MAC;
	}
	if (unlikely(from->bridge->suppress == SUPPRESS_LEARNED))
		suppress_look_at_wire(w, from->bridge, from->dest, m);
	if (unlikely(!from->to))
		return stage_for_all(w, m, from, dst, limit);
	stage(w, from->to, m, from, limit);
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

/* Polls the next queue, unless there are packets that were polled before. False when there are
 * none. */
static bool poll_next(struct worker *w)
{
	struct wire *wire = w->wire;
	struct intake *in = &wire->intake;

	if (in->next < in->n)
		return true;
	wire->next_rx = (uint16_t)((wire->next_rx + 1) % wire->n_rx);
	in->q = wire->rx[wire->next_rx];
	in->next = 0;
	in->n = uplink_poll(in->q, in->m, UPLINK_BURST);
	if (in->n > 0) {
		if (unlikely(w->captures != NULL))
			capture_polled(w, in->q, in->m, in->n);
		return true;
	}
	/* Looking in vain is nobody's: the next burst begins here. */
	stage_end_sys(w, SYSROW_WIRE);
	return false;
}

/* Takes in what was polled, as far as the turn's budget goes. */
static void take_burst(struct worker *w)
{
	struct intake *in = &w->wire->intake;
	struct uplink_counters *c = &in->q->counters;
	uint16_t limit = staging_limit(in->q), first = in->next, for_nobody = 0;
	struct origin from = {0};
	uint64_t bytes = 0;

	for (uint32_t i = in->next; i < RTE_MIN(in->next + PREFETCH_AHEAD, (uint32_t)in->n); i++)
		rte_prefetch0(rte_pktmbuf_mtod(in->m[i], const void *));
	while (in->next < in->n && w->wire->budget > 0) {
		struct rte_mbuf *m = in->m[in->next++];
		enum wire_drop why;

		if (in->next + PREFETCH_AHEAD <= in->n)
			rte_prefetch0(rte_pktmbuf_mtod(in->m[in->next + PREFETCH_AHEAD - 1],
						       const void *));
		bytes += rte_pktmbuf_pkt_len(m);
		why = demux(w, m, &from, limit);
		if (unlikely(why != WIRE_DROP_COUNT)) {
			counter_add(&c->rx_drops[why], 1);
			if (unlikely(w->captures != NULL))
				capture_wire_drop(w, in->q, m, why);
			rte_pktmbuf_free(m);
			w->wire->budget--;
			for_nobody++;
		}
	}
	counter_add(&c->rx_packets, in->next - first);
	counter_add(&c->rx_bytes, bytes);
	staging_wake(w);
	bill_burst(w, for_nobody);
}

static bool take_bursts(struct worker *w)
{
	struct wire *wire = w->wire;
	uint16_t n_empty = 0, n_taken = 0;

	wire->budget = RTE_MIN(wire->budget + STAGED_PER_TURN, STAGED_PER_TURN);
	while (n_taken < BURSTS_PER_TURN && n_empty < wire->n_rx && wire->budget > 0) {
		if (poll_next(w)) {
			take_burst(w);
			n_taken++;
		} else {
			n_empty++;
		}
	}
	return n_taken > 0 || wire->budget <= 0;
}

/* Takes over what other workers staged for VMs of this one. */
static bool take_handed(struct worker *w)
{
	uint16_t n = 0, for_nobody = 0, vm;

	for (; n < HANDED_PER_TURN && staging_take_over(w, &vm); n++) {
		if (likely(vm != VM_NONE))
			note_share(w->wire, vm);
		else
			for_nobody++;
	}
	if (n > 0)
		bill_burst(w, for_nobody);
	return n > 0;
}

bool ingress_accept(struct worker *w)
{
	struct wire *wire = w->wire;
	bool did;

	for (unsigned i = 0; i < UPLINK_MAX; i++) {
		if (unlikely(wire->tx[i] && wire->tx[i]->n_waiting > 0)) {
			uplink_flush(wire->tx[i], worker_now(w));
			stage_end_sys(w, SYSROW_WIRE);
		}
	}
	did = take_bursts(w);
	did |= take_handed(w);
	stage_end_sys(w, SYSROW_WIRE);
	return did;
}

bool ingress_is_quiet(const struct wire *wire)
{
	for (unsigned i = 0; i < UPLINK_MAX; i++)
		if (wire->tx[i] && wire->tx[i]->n_waiting > 0)
			return false;
	return wire->intake.next == wire->intake.n && rte_ring_empty(wire->inbox);
}

void ingress_drop_polled(struct wire *wire, const struct uplink_queue *q)
{
	struct intake *in = &wire->intake;

	if (in->q != q)
		return;
	rte_pktmbuf_free_bulk(&in->m[in->next], in->n - in->next);
	*in = (struct intake){0};
}
