/* SPDX-License-Identifier: BSD-3-Clause */
/* Layer 2 switching. */
#include "vswitch/forward.h"

#include <rte_ether.h>

#include "vswitch/backlog.h"
#include "vswitch/drop.h"
#include "vswitch/flood.h"
#include "vswitch/groups.h"
#include "vswitch/learn.h"
#include "vswitch/mtu.h"
#include "vswitch/outbox.h"
#include "vswitch/reply.h"
#include "vswitch/stage.h"
#include "vswitch/suppress.h"
#include "vswitch/wire_tx.h"

/* No station's address: has more than 48 bits. */
#define NO_MAC UINT64_MAX

/* Where packets differ in their addresses, the table's lines for those ahead are loaded meanwhile.
 */
#define LOOKUP_AHEAD 4

/* --- deciding ----------------------------------------------------------------------------------
 */

static void drop(struct pkt *p, enum drop_reason reason)
{
	p->verdict = PKT_DROP;
	p->reason = (uint8_t)reason;
}

/* Finds where an address is. */
static void look_up(struct worker *w, const struct vport *from, uint64_t dst, struct pkt *p)
{
	const struct vport *to;
	uint16_t id;

	p->dest = DEST_FLOOD;
	if (unlikely(fdb_mac_is_group(dst))) {
		if (unlikely(fdb_mac_is_reserved(dst)))
			drop(p, DROP_RESERVED);
		return;
	}
	id = fdb_lookup(from->bridge->fdb, dst);
	if (unlikely(id == from->id)) {
		drop(p, DROP_SAME_PORT);
		return;
	}
	if (unlikely(id >= DEST_FIRST_REMOTE)) {
		p->dest = id == FDB_NO_PORT ? DEST_FLOOD : id;
		return;
	}
	/* A stale entry is not followed: its port is gone from the table of ports, or is in another
	 * network. */
	to = worker_port(w, id);
	if (likely(to && to->bridge == from->bridge))
		p->dest = id;
}

/* Whether the packet fits the path to another host, too. Lowers *mtu to the path's. */
static bool fits_path(const struct worker *w, struct pkt *p, uint32_t *mtu)
{
	uint32_t path = wire_mtu(w, p->dest - DEST_FIRST_REMOTE);

	*mtu = RTE_MIN(*mtu, path);
	if (likely(mtu_fits_path(p->m, path)))
		return true;
	p->verdict = PKT_ANSWER;
	p->reason = DROP_OVER_PATH_MTU;
	return false;
}

static void guard_stage(struct worker *w, struct batch *b)
{
	const struct guard *g = atomic_load_explicit(&b->from->guard, memory_order_acquire);

	(void)w;
	if (likely(g))
		guard_check(g, b->pkt, b->n);
}

/* Runs the additional stages of the port, each billed to its own row. */
static void run_stages(struct worker *w, struct batch *b, uint32_t stages)
{
	stage_end(w, b->from->vm, STAGE_CLASSIFY);
#define X(name, text, help)
#define DECIDE(name, text, help, fn)                     \
	if (stages & 1u << STAGE_##name) {               \
		fn(w, b);                                \
		stage_end(w, b->from->vm, STAGE_##name); \
	}
#include "vswitch/stages.def"
#undef DECIDE
#undef X
}

/* Begins to load what the lookup for a packet will read. */
static void prefetch_lookup(const struct batch *b, uint16_t i)
{
	const struct rte_ether_hdr *eth;

	if (i >= b->n)
		return;
	eth = rte_pktmbuf_mtod(b->pkt[i].m, const struct rte_ether_hdr *);
	fdb_prefetch(b->from->bridge->fdb, fdb_mac(eth->dst_addr.addr_bytes));
}

/* Packets come in runs with the same addresses: the lookup of one holds for the next as well. */
static void classify(struct worker *w, struct batch *b)
{
	const struct vport *from = b->from;
	uint32_t mtu = atomic_load_explicit(&from->bridge->mtu, memory_order_relaxed);
	uint64_t last_src = NO_MAC, last_dst = NO_MAC;
	uint32_t last_mtu = mtu;
	uint16_t last_dest = 0;

	for (uint16_t i = 0; i < b->n; i++) {
		struct pkt *p = &b->pkt[i];
		const struct rte_ether_hdr *eth =
			rte_pktmbuf_mtod(p->m, const struct rte_ether_hdr *);
		uint64_t src = fdb_mac(eth->src_addr.addr_bytes);
		uint64_t dst = fdb_mac(eth->dst_addr.addr_bytes);

		/* The common case, in one store. */
		if (likely(src == last_src && dst == last_dst &&
			   (likely(mtu_holds(p->m, last_mtu)) ||
			    (!dest_is_remote(last_dest) && mtu_fits(p->m, last_mtu))))) {
			pkt_set_plain(p, last_dest);
			continue;
		}
		*p = (struct pkt){.m = p->m, .has_new_src = src != last_src};
		if (unlikely(src != last_src && (fdb_mac_is_group(src) || src == 0))) {
			drop(p, DROP_BAD_SOURCE);
			continue;
		}
		last_src = src;
		if (unlikely(!mtu_fits(p->m, mtu))) {
			p->verdict = PKT_ANSWER;
			p->reason = DROP_OVER_MTU;
			continue;
		}
		prefetch_lookup(b, i + LOOKUP_AHEAD);
		look_up(w, from, dst, p);
		if (unlikely(p->verdict != PKT_FORWARD || p->dest == DEST_FLOOD))
			continue;
		last_dst = NO_MAC;
		last_mtu = mtu;
		if (unlikely(dest_is_remote(p->dest)) && !fits_path(w, p, &last_mtu))
			continue;
		p->asked = 1;
		last_dst = dst;
		last_dest = p->dest;
	}
}

void forward_resolve(struct worker *w, struct batch *b)
{
	uint32_t stages = atomic_load_explicit(&b->from->stages, memory_order_relaxed);

	classify(w, b);
	if (unlikely(stages != 0))
		run_stages(w, b, stages);
}

void forward_explain(struct worker *w, struct batch *b, forward_note_fn note, void *ctx)
{
	uint32_t stages = atomic_load_explicit(&b->from->stages, memory_order_relaxed);

	b->is_dry = true;
	classify(w, b);
	note(ctx, STAGE_CLASSIFY);
#define X(name, text, help)
#define DECIDE(name, text, help, fn)       \
	if (stages & 1u << STAGE_##name) { \
		fn(w, b);                  \
		note(ctx, STAGE_##name);   \
	}
#include "vswitch/stages.def"
#undef DECIDE
#undef X
	b->is_dry = false;
}

/* --- acting ------------------------------------------------------------------------------------
 */

/* Tells the sender why its packet cannot be forwarded, or drops it. */
static void answer(struct worker *w, struct batch *b, struct pkt *p)
{
	b->work += REPLY_WORK;
	if (reply_to(w, b->from, b->pair, p))
		counter_add(&w->counters[b->from->id].consumed, 1);
	else
		drop_sent(w, b->from, p->m, p->reason);
}

/* Puts the next packets into one outbox, as long as they are like the one before: to the same port,
 * from the same address. Returns how many. */
static uint16_t fill_outbox(struct batch *b, struct outbox *o, uint16_t end)
{
	uint32_t work = b->work, bytes = o->bytes;
	uint16_t i = b->next, n = o->n;

	for (; i < end && work < MAX_WORK && pkt_is_plain(&b->pkt[i], o->to->id); i++, n++) {
		uint32_t len = b->pkt[i].m->pkt_len;

		o->pkt[n] = b->pkt[i].m;
		o->index[n] = (uint8_t)i;
		bytes += len;
		work += o->work_each + len / BYTES_PER_WORK;
	}
	n -= o->n;
	o->n += n;
	o->bytes = bytes;
	b->work = work;
	b->next = i;
	return n;
}

/* Puts the next packets for the same other host into its uplink's outbox. Returns how many. */
static uint16_t fill_wire(struct worker *w, struct batch *b, uint16_t dest, uint16_t end)
{
	uint16_t first = b->next;

	while (b->next < end && b->work < MAX_WORK && pkt_is_plain(&b->pkt[b->next], dest))
		wire_put(w, b, b->next++, dest - DEST_FIRST_REMOTE);
	return b->next - first;
}

/* Sends a packet, and those behind it that are like it, on its way to one port or other host.
 * Returns how many. */
static uint16_t send_on(struct worker *w, struct batch *b, struct pkt *p, uint16_t end)
{
	struct outbox *o;
	struct vport *to;

	if (unlikely(dest_is_remote(p->dest))) {
		wire_put(w, b, b->next - 1, p->dest - DEST_FIRST_REMOTE);
		return 1 + fill_wire(w, b, p->dest, end);
	}
	to = worker_port(w, p->dest);
	if (unlikely(!to)) {
		drop_sent(w, b->from, p->m, DROP_PORT_GONE);
		p->asked = 0;
		return 0;
	}
	o = outbox_find(w, to, b);
	outbox_put(o, b, b->next - 1);
	return 1 + fill_outbox(b, o, end);
}

/* Whether the packet is for all and exceeds what the port may send of such. */
static bool is_over_flood_limit(struct worker *w, struct vport *from, const struct pkt *p)
{
	return unlikely(p->dest == DEST_FLOOD) &&
	       !pps_take(&from->floods, 1, worker_now(w), w->tsc_hz);
}

/* Learns what the packet tells: of its source, if that is a new one, and of neighbours. */
static inline void learn(struct worker *w, struct vport *from, const struct pkt *p,
			 bool *has_new_src)
{
	if (unlikely(*has_new_src)) {
		learn_from_port(w, from, p->m);
		*has_new_src = false;
	}
	if (unlikely(p->tells))
		suppress_learn_from_port(w, from, p->m);
}

/* Puts the next packets into outboxes, up to a flood that is cut: what follows that has to wait for
 * the rest of it. Returns how many asked for a delivery. */
static uint16_t fill_outboxes(struct worker *w, struct batch *b, uint16_t max)
{
	struct vport *from = b->from;
	struct port_counters *c = &w->counters[from->id];
	uint16_t end = RTE_MIN(b->n, b->next + max), sent = 0;
	bool has_new_src = false;

	while (b->next < end && b->work < MAX_WORK && !b->is_flood_cut) {
		struct pkt *p = &b->pkt[b->next++];

		has_new_src |= p->has_new_src;
		if (unlikely(p->verdict == PKT_ANSWER)) {
			answer(w, b, p);
			continue;
		}
		if (unlikely(p->verdict == PKT_DROP)) {
			drop_sent(w, from, p->m, p->reason);
			continue;
		}
		if (unlikely(p->asks) && suppress_answer(w, b, p)) {
			learn(w, from, p, &has_new_src);
			continue;
		}
		if (is_over_flood_limit(w, from, p)) {
			drop_sent(w, from, p->m, DROP_FLOOD_LIMIT);
			continue;
		}
		if (unlikely(dest_is_remote(p->dest)) &&
		    !wire_has_room(w, p->dest - DEST_FIRST_REMOTE)) {
			b->next--;
			wire_wait(w, from->vm);
			break;
		}
		learn(w, from, p, &has_new_src);
		if (likely(p->dest != DEST_FLOOD)) {
			sent += send_on(w, b, p, end);
		} else {
			counter_add(&c->flooded, 1);
			flood(w, b, from, b->next - 1, 0);
			if (unlikely(p->asked == 0 && !b->is_flood_cut))
				drop_sent(w, from, p->m, DROP_NO_RECEIVER);
			sent += p->asked > 0;
		}
	}
	return sent;
}

void forward_count(struct worker *w, const struct vport *from, const struct pkt *p,
		   bool was_counted, bool is_cut)
{
	struct port_counters *c = &w->counters[from->id];
	uint16_t here = p->asked - p->missed - p->handed;

	if (unlikely(was_counted)) {
		counter_add(&c->copies, here);
	} else if (here > 0) {
		counter_add(&c->forwarded, 1);
		counter_add(&c->copies, here - 1u);
	} else if (p->handed == 0 && !is_cut) {
		drop_sent(w, from, p->m, p->reason);
	}
}

/* Counts packets `first` to b->next, of which `sent` asked for deliveries; the others are counted
 * already. */
static void count_part(struct worker *w, const struct batch *b, uint16_t first, uint16_t sent)
{
	struct port_counters *c = &w->counters[b->from->id];

	if (likely(b->n_missed == 0 && b->n_handed == 0)) {
		counter_add(&c->forwarded, sent);
		counter_add(&c->copies, b->copies);
		return;
	}
	for (uint16_t i = first; i < b->next; i++)
		if (b->pkt[i].asked > 0)
			forward_count(w, b->from, &b->pkt[i], false,
				      b->is_flood_cut && i + 1 == b->next);
}

/* Makes a job of a packet: to its port, or to all from `cursor` on. Returns DROP_COUNT, or why
 * there is no such job. */
static enum drop_reason put_off(struct worker *w, struct vport *from, uint16_t pair,
				const struct pkt *p, uint16_t cursor)
{
	bool is_port = p->dest < DEST_FIRST_REMOTE;
	struct vport *to = is_port ? worker_port(w, p->dest) : from;
	enum drop_reason why;
	struct worker *peer;
	struct job job;

	if (!to)
		return DROP_PORT_GONE;
	peer = is_port ? to->worker : w;
	job = backlog_job(is_port ? JOB_DELIVER : JOB_FLOOD, from, to, pair);
	job.cursor = cursor;
	job.reason = p->reason;
	job.was_counted = p->is_reached;
	if (dest_is_remote(p->dest) && !wire_name(w, p->dest - DEST_FIRST_REMOTE, &job))
		return DROP_TUNNEL_NO_ROUTE;
	why = backlog_put_pkt(peer, w, &job, p->m, w->service[from->vm].pool);
	if (why == DROP_COUNT && peer != w)
		worker_wake(peer);
	return why;
}

/* Makes a job of the flood that ended the part. */
static void put_off_flood(struct worker *w, struct batch *b)
{
	struct pkt *p = &b->pkt[b->next - 1];
	enum drop_reason why;

	p->is_reached = p->asked > p->missed;
	why = put_off(w, b->from, b->pair, p, b->flood_next);
	if (why != DROP_COUNT) {
		b->is_flood_cut = false;
		p->reason = p->missed > 0 ? p->reason : (uint8_t)why;
		if (p->asked == 0)
			drop_sent(w, b->from, p->m, p->reason);
	}
}

void forward_commit(struct worker *w, struct batch *b, uint16_t max)
{
	uint16_t vm = b->from->vm, first = b->next, sent;

	batch_begin_part(b);
	sent = fill_outboxes(w, b, max);
	stage_end(w, vm, STAGE_CLASSIFY);
	/* These, and only these, are finished: others may go back into their ring. */
	if (unlikely(w->captures != NULL))
		capture_batch(w, b, first);
	outbox_deliver_all(w, b, vm);
	if (unlikely(b->is_flood_cut))
		put_off_flood(w, b);
	count_part(w, b, first, sent);
	stage_end(w, vm, STAGE_DELIVER);
}

void forward_put_off(struct worker *w, struct batch *b)
{
	struct port_counters *c = &w->counters[b->from->id];
	uint16_t first = b->next;
	enum drop_reason why;
	bool has_new_src;

	for (; b->next < b->n; b->next++) {
		struct pkt *p = &b->pkt[b->next];

		if (p->verdict != PKT_FORWARD) {
			drop_sent(w, b->from, p->m, p->reason);
			continue;
		}
		if (is_over_flood_limit(w, b->from, p)) {
			drop_sent(w, b->from, p->m, DROP_FLOOD_LIMIT);
			continue;
		}
		has_new_src = p->has_new_src;
		learn(w, b->from, p, &has_new_src);
		if (p->dest == DEST_FLOOD)
			counter_add(&c->flooded, 1);
		why = put_off(w, b->from, b->pair, p, 0);
		if (why != DROP_COUNT)
			drop_sent(w, b->from, p->m, why);
	}
	if (unlikely(w->captures != NULL))
		capture_batch(w, b, first);
}
