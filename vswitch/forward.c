/* SPDX-License-Identifier: BSD-3-Clause */
/* Layer 2 switching of one batch.
 *
 * A batch comes from one queue pair of one port. classify() decides for each packet and puts it
 * into the outbox of each port that it goes to, in order, so that no two packets for one receiver
 * change places; deliver() then empties the outboxes into the receivers' rings. The sender is
 * billed for both. Outboxes live in the worker and are empty between batches. */
#include "vswitch/forward.h"

#include <string.h>

#include <rte_ether.h>

#include "pkt/parse.h"
#include "vswitch/forward_impl.h"

/* How many outboxes ahead the descriptors and the buffers are loaded. */
#define ENTRY_AHEAD  6
#define BUFFER_AHEAD 3

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
		b->work += outbox_put(outbox_find(w, to, b->pair, &b->work), m, index);
		n++;
	}
	return n;
}

/* The length of the VLAN tags behind the addresses (IEEE 802.1Q-2018, 9.5): those that are there,
 * and no more than other parts of the switch look through. */
static uint32_t tags_len(const struct rte_mbuf *m, const struct rte_ether_hdr *eth)
{
	const uint8_t *at = (const uint8_t *)&eth->ether_type;
	const uint8_t *end = (const uint8_t *)eth + rte_pktmbuf_data_len(m);
	uint32_t len = 0;
	uint16_t type;

	for (unsigned i = 0; i < PKT_MAX_VLANS && end - at >= RTE_VLAN_HLEN + 2; i++) {
		memcpy(&type, at, sizeof(type));
		if (type != RTE_BE16(RTE_ETHER_TYPE_VLAN) && type != RTE_BE16(RTE_ETHER_TYPE_QINQ))
			break;
		at += RTE_VLAN_HLEN;
		len += RTE_VLAN_HLEN;
	}
	return len;
}

/* Whether the packet fits the network's MTU, which counts what follows the Ethernet header and its
 * VLAN tags. A packet still to be segmented is measured by its segments. */
static bool fits_mtu(const struct rte_mbuf *m, const struct rte_ether_hdr *eth, uint32_t mtu)
{
	uint32_t len = rte_pktmbuf_pkt_len(m) - RTE_ETHER_HDR_LEN;

	if (likely(len <= mtu))
		return true;
	if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG)
		return (uint32_t)m->l3_len + m->l4_len + m->tso_segsz <= mtu;
	return len - tags_len(m, eth) <= mtu;
}

/* 01-80-C2-00-00-00 to -0F never pass a bridge (IEEE 802.1Q-2018, table 8-1). */
static bool is_reserved(uint64_t mac)
{
	return (mac & 0xf0ffffffffffULL) == 0x000000c28001ULL;
}

/* Control may have set the number right meanwhile: never below none. */
static void lose_address(struct port *port)
{
	uint32_t macs = port ? atomic_load_explicit(&port->macs, memory_order_relaxed) : 0;

	while (macs > 0 && !atomic_compare_exchange_weak(&port->macs, &macs, macs - 1))
		continue;
}

static void learn(struct worker *w, struct port *from, uint64_t src)
{
	uint32_t macs = atomic_load_explicit(&from->macs, memory_order_relaxed);
	uint32_t limit = atomic_load_explicit(&from->mac_limit, memory_order_relaxed);
	uint16_t loser;
	enum fdb_learned did =
		fdb_learn(from->net->fdb, src, from->id, w->now_s, macs < limit, &loser);

	if (unlikely(did == FDB_NEW || did == FDB_MOVED))
		atomic_fetch_add_explicit(&from->macs, 1, memory_order_relaxed);
	if (unlikely(loser != FDB_NO_PORT))
		lose_address(worker_port(w, loser));
}

/* Decides about one packet. Returns the number of deliveries it asks for, or 0 with *reason set. */
static __rte_always_inline uint16_t classify(struct worker *w, struct batch *b, struct rte_mbuf *m,
					     uint16_t index, uint8_t *reason)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	uint64_t src = fdb_mac(eth->src_addr.addr_bytes);
	uint64_t dst = fdb_mac(eth->dst_addr.addr_bytes);
	bool is_new = src != b->memo.src;
	struct port *from = b->from;
	uint16_t copies;

	if (unlikely(is_new) && (fdb_mac_is_group(src) || src == 0)) {
		*reason = DROP_BAD_SOURCE;
		return 0;
	}
	if (unlikely(!fits_mtu(m, eth, b->mtu))) {
		*reason = DROP_OVER_MTU;
		return 0;
	}
	if (unlikely(is_new)) {
		learn(w, from, src);
		b->memo.src = src;
	}
	if (likely(dst == b->memo.dst)) {
		b->work += outbox_put(b->memo.to, m, index);
		return 1;
	}
	if (likely(!fdb_mac_is_group(dst))) {
		uint16_t id = fdb_lookup(from->net->fdb, dst);

		if (unlikely(id == from->id)) {
			*reason = DROP_SAME_PORT;
			return 0;
		}
		if (likely(id != FDB_NO_PORT)) {
			/* Ports leave the table before they leave the network: a stale entry finds
			 * none, and one of another network is never followed. */
			struct port *to = worker_port(w, id);

			if (likely(to && to->net == from->net)) {
				b->memo.dst = dst;
				b->memo.to = outbox_find(w, to, b->pair, &b->work);
				b->work += outbox_put(b->memo.to, m, index);
				return 1;
			}
		}
	} else if (unlikely(is_reserved(dst))) {
		*reason = DROP_RESERVED;
		return 0;
	}

	counter_add(&w->counters[from->id].flooded, 1);
	copies = flood(w, b, m, index, 0);
	if (copies == 0)
		*reason = DROP_NO_RECEIVER;
	return copies;
}

/* Delivers all outboxes on behalf of `vm`. Where they are many, each ring's cache lines have to
 * come from the guest's core, or from memory: they are asked for some outboxes ahead. Other workers
 * are given theirs, and later services what this one has no time for, when it is known who got the
 * packets here: only of those that nobody got, what is handed over decides how they are counted. */
static void deliver(struct worker *w, struct batch *b, uint16_t vm)
{
	bool is_left = false;

	for (uint16_t i = 0; i < w->n_outboxes; i++) {
		struct outbox *o = &w->outbox[i];

		if (i + ENTRY_AHEAD < w->n_outboxes)
			outbox_expect_entry(&w->outbox[i + ENTRY_AHEAD]);
		if (i + BUFFER_AHEAD < w->n_outboxes)
			outbox_expect_buffer(&w->outbox[i + BUFFER_AHEAD]);
		if (likely(o->worker == w))
			outbox_deliver(w, o, b, vm);
		is_left |= o->n > 0;
	}
	for (uint16_t i = 0; unlikely(is_left) && i < w->n_outboxes; i++)
		if (w->outbox[i].n > 0)
			handoff_send(&w->outbox[i], b);
}

/* Counts a packet that asked for deliveries. Those that were handed over are counted where they
 * end; the first of them decides what became of a packet that nobody got here. */
static void count_one(struct port_counters *c, uint16_t asked, uint16_t missed, uint16_t handed,
		      uint8_t reason, bool is_counted_elsewhere)
{
	uint16_t here = asked - missed - handed;

	if (unlikely(is_counted_elsewhere)) {
		counter_add(&c->copies, here);
	} else if (here > 0) {
		counter_add(&c->forwarded, 1);
		counter_add(&c->copies, here - 1u);
	} else if (handed == 0) {
		counter_add(&c->drops[reason], 1);
	}
}

/* Counts the first `n` of the batch, of which `sent` asked for deliveries; the others are counted
 * already. */
static void count(struct port_counters *c, const struct batch *b, uint16_t n, uint16_t sent)
{
	if (likely(b->n_missed == 0 && b->n_handed == 0)) {
		counter_add(&c->forwarded, sent);
		counter_add(&c->copies, b->deliveries - sent);
		return;
	}
	for (uint16_t i = 0; i < n; i++)
		if (b->asked[i] > 0)
			count_one(c, b->asked[i], b->missed[i], b->handed[i], b->reason[i],
				  i == 0 && b->is_counted_elsewhere);
}

void forward_end_flood(struct worker *w, const struct port *from, struct flood *flood)
{
	count_one(&w->counters[from->id], flood->asked, flood->missed, flood->handed, flood->reason,
		  flood->is_counted_elsewhere);
	*flood = (struct flood){0};
}

/* Goes on with the packet that is under way. At the end of its network, what it asked for and
 * missed is what all of its parts did. */
static void resume(struct worker *w, struct batch *b, struct rte_mbuf *m)
{
	struct flood *f = b->flood;

	f->under_way = false;
	b->reached[0] = f->asked > f->missed;
	b->asked[0] = flood(w, b, m, 0, f->next);
	if (!f->under_way) {
		b->asked[0] += f->asked;
		b->missed[0] = f->missed;
		b->handed[0] = f->handed;
		b->reason[0] = f->reason;
		b->n_missed = f->missed;
		b->n_handed = f->handed;
		b->is_counted_elsewhere = f->is_counted_elsewhere;
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
	f->handed += b->handed[index];
	/* Rings of this worker are filled before others are given theirs. */
	f->is_counted_elsewhere |= f->handed > 0 && f->asked == f->missed + f->handed;
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
	b.flood = flood;
	b.memo = (struct memo){NO_MAC, NO_MAC, w->outbox};
	b.work = 0;
	b.deliveries = 0;
	b.n_missed = 0;
	b.n_handed = 0;
	b.is_counted_elsewhere = false;
	memset(b.missed, 0, n * sizeof(b.missed[0]));
	memset(b.handed, 0, n * sizeof(b.handed[0]));
	memset(b.reached, 0, n * sizeof(b.reached[0]));
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
			counter_add(&c->drops[reason], 1);
	}
	ledger_bill_vm(&w->ledger, vm, STAGE_CLASSIFY, w->clock());
	deliver(w, &b, vm);
	outbox_publish(w);
	if (unlikely(flood->under_way && done > 0)) {
		sent--;
		suspend(&b, --done);
	}
	count(c, &b, done, sent);
	ledger_bill_vm(&w->ledger, vm, STAGE_DELIVER, w->clock());
	return done;
}
