/* SPDX-License-Identifier: BSD-3-Clause */
/* Layer 2 switching of one batch.
 *
 * A batch comes from one queue pair of one port. classify() decides for each packet and puts it
 * into the outbox of each port that it goes to, in order, so that no two packets for one receiver
 * change places; deliver() then empties the outboxes into the receivers' rings. The sender is
 * billed for both. Outboxes live in the worker and are empty between batches. */
#include "vswitch/forward.h"

#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "vhost/vring_loan.h"

/* Work after which a batch is cut, in deliveries of small packets into plain buffers; these take as
 * long as one, or nearly: */
#define MAX_WORK        64
#define BYTES_PER_WORK  512
#define PIECES_PER_WORK 16

/* Of a ring whose packets take more than 64 pieces: more than any driver has reason to make. */
#define LABORIOUS_WORK 5

static const uint8_t drop_of_fate[VRING_FATE_COUNT] = {
	[VRING_RING_FULL] = DROP_RING_FULL,       [VRING_RING_BROKEN] = DROP_PORT_DOWN,
	[VRING_BUFFER_SMALL] = DROP_BUFFER_SMALL, [VRING_BAD_BUFFER] = DROP_RECEIVER_BAD,
	[VRING_LABORIOUS] = DROP_LABORIOUS,       [VRING_NO_OFFLOAD] = DROP_NO_OFFLOAD,
};

/* The addresses last seen in the batch, and the port behind the destination: packets come in runs.
 */
struct memo {
	uint64_t src;
	uint64_t dst;
	uint16_t to;
};

/* A batch, and where its packets stand: deliveries asked for and missed, and why the last one was.
 * Most batches miss none, and then only the sums are looked at. */
struct batch {
	struct port *from;
	uint16_t pair;
	uint32_t mtu;
	struct memo memo;
	struct flood *flood; /* of its first packet, later of its last */
	uint32_t work;       /* planned */
	uint32_t deliveries; /* asked for, in all */
	uint16_t n_missed;
	uint16_t asked[FORWARD_MAX_BURST];
	uint16_t missed[FORWARD_MAX_BURST];
	uint8_t reason[FORWARD_MAX_BURST];
};

static void outbox_open(struct worker *w, struct outbox *o, struct port *to, uint16_t pair)
{
	uint16_t queue;

	o->to = to;
	o->n = 0;
	o->work = 1;
	o->rx = NULL;
	if (unlikely(to->worker != w || to->n_pairs == 0))
		return;
	queue = to->n_pairs == 1 ? 0 : pair % to->n_pairs;
	if (unlikely(!to->pairs[queue].rx_on))
		return;
	o->rx = &to->pairs[queue].rx;
	o->work += o->rx->toil / PIECES_PER_WORK;
	o->counters = &w->counters[to->id].queue[queue];
}

/* Returns the work that is. */
static __rte_always_inline uint32_t outbox_put(struct worker *w, struct port *to,
					       struct rte_mbuf *m, uint16_t index, uint16_t pair)
{
	struct outbox *o;

	if (w->outbox_of[to->id] == 0) {
		o = &w->outbox[w->n_outboxes++];
		w->outbox_of[to->id] = w->n_outboxes;
		outbox_open(w, o, to, pair);
	} else {
		o = &w->outbox[w->outbox_of[to->id] - 1];
	}
	o->pkt[o->n] = m;
	o->index[o->n] = (uint8_t)index;
	o->n++;
	return o->work + m->pkt_len / BYTES_PER_WORK;
}

/* Where in the list the first port is whose id is `id` or higher. */
static uint32_t find_member(const struct members *members, uint16_t id)
{
	uint32_t low = 0, high = members->n;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (members->port[mid]->id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Puts the packet into the outboxes of the network's other ports with ids of `next` or higher,
 * until that is enough work: then *b->flood says where to go on. Returns how many there were. */
static uint16_t flood(struct worker *w, struct batch *b, struct rte_mbuf *m, uint16_t index,
		      uint16_t next)
{
	const struct network *net = b->from->net;
	const struct members *members = atomic_load_explicit(&net->members, memory_order_acquire);
	uint16_t n = 0;

	for (uint32_t i = find_member(members, next); i < members->n; i++) {
		struct port *to = members->port[i];

		/* A port that is being moved is a member of two networks for a moment. */
		if (to == b->from || to->net != net)
			continue;
		if (unlikely(b->work >= MAX_WORK)) {
			b->flood->under_way = true;
			b->flood->next = to->id;
			break;
		}
		b->work += outbox_put(w, to, m, index, b->pair);
		n++;
	}
	return n;
}

/* Whether the packet fits the network's MTU, which counts what follows the Ethernet header and its
 * VLAN tags. A packet still to be segmented is measured by its segments. */
static bool fits_mtu(const struct rte_mbuf *m, const struct rte_ether_hdr *eth, uint32_t mtu)
{
	uint32_t len = rte_pktmbuf_pkt_len(m) - RTE_ETHER_HDR_LEN;
	uint16_t type = eth->ether_type;

	if (likely(len <= mtu))
		return true;
	if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG)
		return (uint32_t)m->l3_len + m->l4_len + m->tso_segsz <= mtu;
	if (type == RTE_BE16(RTE_ETHER_TYPE_VLAN))
		return len - RTE_VLAN_HLEN <= mtu;
	if (type == RTE_BE16(RTE_ETHER_TYPE_QINQ))
		return len - 2 * RTE_VLAN_HLEN <= mtu;
	return false;
}

/* 01-80-C2-00-00-00 to -0F never pass a bridge (IEEE 802.1Q-2018, table 8-1). */
static bool is_reserved(uint64_t mac)
{
	return (mac & 0xf0ffffffffffULL) == 0x000000c28001ULL;
}

static void learn(struct worker *w, struct port *from, uint64_t src)
{
	uint32_t macs = atomic_load_explicit(&from->macs, memory_order_relaxed);
	uint32_t limit = atomic_load_explicit(&from->mac_limit, memory_order_relaxed);
	enum fdb_learned did = fdb_learn(from->net->fdb, src, from->id, w->now_s, macs < limit);

	if (unlikely(did == FDB_NEW || did == FDB_MOVED))
		atomic_fetch_add_explicit(&from->macs, 1, memory_order_relaxed);
}

/* Decides about one packet. Returns the number of deliveries it asks for, or 0 with *reason set. */
static __rte_always_inline uint16_t classify(struct worker *w, struct batch *b, struct rte_mbuf *m,
					     uint16_t index, uint8_t *reason)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	uint64_t src = fdb_mac(eth->src_addr.addr_bytes);
	uint64_t dst = fdb_mac(eth->dst_addr.addr_bytes);
	struct port *from = b->from;
	struct memo *memo = &b->memo;
	uint16_t copies;

	if (unlikely(fdb_mac_is_group(src) || src == 0)) {
		*reason = DROP_BAD_SOURCE;
		return 0;
	}
	if (unlikely(!fits_mtu(m, eth, b->mtu))) {
		*reason = DROP_OVER_MTU;
		return 0;
	}
	if (unlikely(src != memo->src)) {
		learn(w, from, src);
		memo->src = src;
	}

	if (likely(!fdb_mac_is_group(dst))) {
		if (unlikely(dst != memo->dst)) {
			memo->to = fdb_lookup(from->net->fdb, dst);
			memo->dst = dst;
		}
		if (unlikely(memo->to == from->id)) {
			*reason = DROP_SAME_PORT;
			return 0;
		}
		if (likely(memo->to != FDB_NO_PORT)) {
			/* Ports leave the table before they leave the network: a stale entry finds
			 * none, and one of another network is never followed. */
			struct port *to = w->ports[memo->to];

			if (likely(to && to->net == from->net)) {
				b->work += outbox_put(w, to, m, index, b->pair);
				return 1;
			}
		}
	} else if (unlikely(is_reserved(dst))) {
		*reason = DROP_RESERVED;
		return 0;
	}

	w->counters[from->id].flooded++;
	copies = flood(w, b, m, index, 0);
	if (copies == 0)
		*reason = DROP_NO_RECEIVER;
	return copies;
}

static void miss(struct batch *b, uint16_t index, uint8_t reason)
{
	b->n_missed++;
	b->missed[index]++;
	b->reason[index] = reason;
}

/* Delivers an outbox into the receiver's ring on this worker. */
static void deliver_here(struct outbox *o, struct batch *b)
{
	uint8_t fate[FORWARD_MAX_BURST];
	uint64_t bytes = 0;
	uint16_t delivered;

	if (unlikely(!o->rx)) {
		for (uint16_t i = 0; i < o->n; i++)
			miss(b, o->index[i], DROP_PORT_DOWN);
		return;
	}
	for (uint16_t i = 0; i < o->n; i++)
		bytes += rte_pktmbuf_pkt_len(o->pkt[i]);
	delivered = vring_enqueue(o->rx, o->pkt, o->n, fate);
	if (unlikely(delivered < o->n)) {
		for (uint16_t i = 0; i < o->n; i++) {
			if (fate[i] == VRING_DELIVERED)
				continue;
			miss(b, o->index[i], drop_of_fate[fate[i]]);
			bytes -= rte_pktmbuf_pkt_len(o->pkt[i]);
		}
	}
	o->counters->tx_packets += delivered;
	o->counters->tx_bytes += bytes;
}

/* A reference to the packet for somebody else: to a copy where it is only lent. NULL when the VM
 * has no buffers left. */
static struct rte_mbuf *hold(struct rte_mbuf *m, struct rte_mempool *pool)
{
	if (vring_is_view(m))
		return rte_pktmbuf_copy(m, pool, 0, UINT32_MAX);
	rte_pktmbuf_refcnt_update(m, 1);
	return m;
}

/* Hands an outbox to the worker that serves the receiver, within the sending VM's share of its
 * ring. Each entry holds a reference of its own to the packet. */
static void deliver_there(struct outbox *o, struct batch *b)
{
	struct worker *peer = o->to->worker;
	struct vm *vm = b->from->vm;
	_Atomic uint32_t *pushed = &peer->handoff_pushed[vm->id];
	uint32_t n = atomic_load_explicit(pushed, memory_order_relaxed);
	uint32_t taken = atomic_load_explicit(&peer->handoff_taken[vm->id], memory_order_acquire);
	uint32_t to_epoch = atomic_load_explicit(&o->to->epoch, memory_order_acquire);
	uint32_t from_epoch = atomic_load_explicit(&b->from->epoch, memory_order_relaxed);

	/* It may have changed networks since it was looked up. */
	if (unlikely(o->to->net != b->from->net)) {
		for (uint16_t i = 0; i < o->n; i++)
			miss(b, o->index[i], DROP_PORT_GONE);
		return;
	}
	for (uint16_t i = 0; i < o->n; i++) {
		struct handoff h = {
			.pkt = hold(o->pkt[i], vm->pool),
			.to_epoch = to_epoch,
			.from_epoch = from_epoch,
			.to = o->to->id,
			.from = b->from->id,
			.vm = vm->id,
			.pair = (uint8_t)b->pair,
			.sole = b->asked[o->index[i]] == 1,
		};

		if (unlikely(!h.pkt)) {
			miss(b, o->index[i], DROP_NO_BUFFER);
			continue;
		}
		if (n - taken < HANDOFF_SHARE &&
		    rte_ring_enqueue_elem(peer->handoff, &h, sizeof(h)) == 0) {
			n++;
			continue;
		}
		rte_pktmbuf_free(h.pkt);
		miss(b, o->index[i], DROP_HANDOFF_FULL);
	}
	atomic_store_explicit(pushed, n, memory_order_relaxed);
	worker_wake(peer);
}

/* Who makes it laborious to fill its ring pays for that itself. */
static void deliver_laborious(struct worker *w, struct outbox *o, struct batch *b, uint16_t vm)
{
	uint16_t receiver = o->to->vm->id;

	ledger_bill_vm(&w->ledger, vm, STAGE_DELIVER, w->clock());
	deliver_here(o, b);
	sched_charge_instead(w->sched, receiver,
			     ledger_bill_vm(&w->ledger, receiver, STAGE_DELIVER, w->clock()));
}

static __rte_always_inline void deliver_ours(struct worker *w, struct outbox *o, struct batch *b,
					     uint16_t vm)
{
	if (unlikely(o->work > LABORIOUS_WORK && o->to->vm->id != vm))
		deliver_laborious(w, o, b, vm);
	else
		deliver_here(o, b);
}

/* On behalf of `vm`. */
static void deliver(struct worker *w, struct batch *b, uint16_t vm)
{
	for (uint16_t i = 0; i < w->n_outboxes; i++) {
		struct outbox *o = &w->outbox[i];

		if (likely(o->to->worker == w))
			deliver_ours(w, o, b, vm);
		else
			deliver_there(o, b);
	}
}

/* Shows the receivers what they got, and empties the outboxes. */
static void publish(struct worker *w)
{
	for (uint16_t i = 0; i < w->n_outboxes; i++) {
		struct outbox *o = &w->outbox[i];

		w->outbox_of[o->to->id] = 0;
		if (likely(o->rx))
			notify_later(w, o->rx, &o->counters->notifications);
	}
	w->n_outboxes = 0;
}

/* Counts a packet that asked for deliveries. */
static void count_one(struct port_counters *c, uint16_t asked, uint16_t missed, uint8_t reason)
{
	if (missed < asked) {
		c->forwarded++;
		c->copies += asked - missed - 1u;
	} else {
		c->drops[reason]++;
	}
}

/* Counts the first `n` of the batch, of which `sent` asked for deliveries; the others are counted
 * already. */
static void count(struct port_counters *c, const struct batch *b, uint16_t n, uint16_t sent)
{
	if (likely(b->n_missed == 0)) {
		c->forwarded += sent;
		c->copies += b->deliveries - sent;
		return;
	}
	for (uint16_t i = 0; i < n; i++)
		if (b->asked[i] > 0)
			count_one(c, b->asked[i], b->missed[i], b->reason[i]);
}

void forward_end_flood(struct worker *w, const struct port *from, struct flood *flood)
{
	count_one(&w->counters[from->id], flood->asked, flood->missed, flood->reason);
	*flood = (struct flood){0};
}

/* Goes on with the packet that is under way. At the end of its network, what it asked for and
 * missed is what all of its parts did. */
static void resume(struct worker *w, struct batch *b, struct rte_mbuf *m)
{
	struct flood *f = b->flood;

	f->under_way = false;
	b->asked[0] = flood(w, b, m, 0, f->next);
	if (!f->under_way) {
		b->asked[0] += f->asked;
		b->missed[0] = f->missed;
		b->reason[0] = f->reason;
		b->n_missed = f->missed;
		*f = (struct flood){0};
	}
	b->deliveries = b->asked[0];
}

/* Notes what the packet that is under way did in this batch, of which it is the last. */
static void suspend(struct batch *b, uint16_t index)
{
	struct flood *f = b->flood;

	f->asked += b->asked[index];
	f->missed += b->missed[index];
	if (b->missed[index] > 0)
		f->reason = b->reason[index];
	b->deliveries -= b->asked[index];
}

uint16_t forward_batch(struct worker *w, struct port *from, uint16_t pair, struct rte_mbuf **pkts,
		       uint16_t n, struct flood *flood)
{
	struct port_counters *c = &w->counters[from->id];
	uint16_t done = 0, sent = 0, vm = from->vm->id;
	struct batch b;
	uint8_t reason;

	b.from = from;
	b.pair = pair;
	b.mtu = atomic_load_explicit(&from->net->mtu, memory_order_relaxed);
	b.memo = (struct memo){0, 0, FDB_NO_PORT};
	b.flood = flood;
	b.work = 0;
	b.deliveries = 0;
	b.n_missed = 0;
	memset(b.missed, 0, n * sizeof(b.missed[0]));
	memset(b.reason, 0, n * sizeof(b.reason[0]));
	if (unlikely(flood->under_way)) {
		resume(w, &b, pkts[0]);
		done = sent = 1;
	}
	for (; done < n && b.work < MAX_WORK; done++) {
		b.asked[done] = classify(w, &b, pkts[done], done, &reason);
		b.deliveries += b.asked[done];
		if (likely(b.asked[done] > 0))
			sent++;
		else
			c->drops[reason]++;
	}
	ledger_bill_vm(&w->ledger, vm, STAGE_CLASSIFY, w->clock());
	deliver(w, &b, vm);
	publish(w);
	if (unlikely(flood->under_way && done > 0)) {
		sent--;
		suspend(&b, --done);
	}
	count(c, &b, done, sent);
	ledger_bill_vm(&w->ledger, vm, STAGE_DELIVER, w->clock());
	return done;
}

unsigned forward_accept(struct worker *w, unsigned max)
{
	struct handoff h;
	unsigned n = 0;

	for (; n < max && rte_ring_dequeue_elem(w->handoff, &h, sizeof(h)) == 0; n++) {
		struct arrivals *a = &w->arrivals[h.vm];

		a->at[(a->first + a->n++) % HANDOFF_SHARE] = h;
		sched_wake(w->sched, h.vm, w->ledger.last_tsc);
	}
	return n;
}

/* A port that is still what it was; NULL when it is not. */
static struct port *same_port(const struct worker *w, uint16_t id, uint32_t epoch)
{
	struct port *p = w->ports[id];

	return p && atomic_load_explicit(&p->epoch, memory_order_relaxed) == epoch ? p : NULL;
}

/* The sender's worker counted the packet as delivered. The counters of all workers are added up, so
 * taking that back here keeps the sum right. */
static void take_back(struct worker *w, const struct handoff *h, uint8_t reason)
{
	struct port_counters *sender = &w->counters[h->from];

	if (!same_port(w, h->from, h->from_epoch))
		return; /* its counters are gone as well */
	if (h->sole) {
		sender->forwarded--;
		sender->drops[reason]++;
	} else {
		sender->copies--;
	}
}

/* Takes the first `n` off. */
static void take_off(struct worker *w, uint16_t vm, uint16_t n)
{
	_Atomic uint32_t *taken = &w->handoff_taken[vm];
	struct arrivals *a = &w->arrivals[vm];

	a->first = (a->first + n) % HANDOFF_SHARE;
	a->n -= n;
	atomic_store_explicit(taken, atomic_load_explicit(taken, memory_order_relaxed) + n,
			      memory_order_release);
}

static struct handoff *arrival(struct arrivals *a, uint16_t i)
{
	return &a->at[(a->first + i) % HANDOFF_SHARE];
}

/* Puts the first of what arrived into outboxes; returns how many that are. */
static uint16_t gather(struct worker *w, struct arrivals *a, struct batch *b)
{
	uint16_t n = 0;

	for (; n < a->n && n < FORWARD_MAX_BURST && b->work < MAX_WORK; n++) {
		const struct handoff *h = arrival(a, n);
		struct port *to = same_port(w, h->to, h->to_epoch);

		if (n == 0)
			b->pair = h->pair;
		else if (h->pair != b->pair)
			break;
		b->missed[n] = 0;
		if (likely(to && to->worker == w))
			b->work += outbox_put(w, to, h->pkt, n, b->pair);
		else
			miss(b, n, DROP_PORT_GONE);
	}
	return n;
}

uint16_t forward_arrivals(struct worker *w, uint16_t vm, uint32_t *bytes)
{
	struct arrivals *a = &w->arrivals[vm];
	struct batch b;
	uint16_t n;

	b.work = 0;
	b.n_missed = 0;
	n = gather(w, a, &b);
	for (uint16_t i = 0; i < w->n_outboxes; i++)
		deliver_ours(w, &w->outbox[i], &b, vm);
	publish(w);
	for (uint16_t i = 0; i < n; i++) {
		struct handoff *h = arrival(a, i);

		if (unlikely(b.missed[i] > 0))
			take_back(w, h, b.reason[i]);
		*bytes += rte_pktmbuf_pkt_len(h->pkt);
		rte_pktmbuf_free(h->pkt);
	}
	take_off(w, vm, n);
	ledger_bill_vm(&w->ledger, vm, STAGE_RECEIVE, w->clock());
	return n;
}

void forward_drop_arrivals(struct worker *w, uint16_t vm)
{
	struct arrivals *a = &w->arrivals[vm];

	for (uint16_t i = 0; i < a->n; i++)
		rte_pktmbuf_free(arrival(a, i)->pkt);
	take_off(w, vm, a->n);
}
