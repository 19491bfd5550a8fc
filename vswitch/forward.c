/* SPDX-License-Identifier: BSD-3-Clause */
/* Layer 2 switching. */
#include "vswitch/forward.h"

#include <rte_ether.h>

#include "vswitch/backlog.h"
#include "vswitch/learn.h"
#include "vswitch/mtu.h"
#include "vswitch/outbox.h"
#include "vswitch/reply.h"
#include "vswitch/stage.h"
#include "vswitch/wire.h"
#include "vswitch/wire_tx.h"

/* No station's address: has more than 48 bits. */
#define NO_MAC UINT64_MAX

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
	(void)w;
	guard_check(&b->from->guard, b->pkt, b->n);
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
			   (dest_is_remote(last_dest) ? mtu_fits_path(p->m, last_mtu)
						      : mtu_fits(p->m, last_mtu)))) {
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

/* --- acting ------------------------------------------------------------------------------------
 */

/* The index of the first port whose id is `id` or higher. */
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

/* Ends the flood for this part; it goes on with `next`. */
static void cut_flood(struct batch *b, uint16_t next)
{
	b->is_flood_cut = true;
	b->flood_next = next;
}

/* Notes that the VM cannot go on before its uplink takes packets again. */
static void wait_for_uplink(struct worker *w, uint16_t vm)
{
	w->service[vm].hold_us = WIRE_HOLD_US;
}

/* Goes on with a flood to other hosts. */
static void flood_wire(struct worker *w, struct batch *b, const struct vport *from, uint16_t index,
		       const struct remotes *remotes, uint16_t next)
{
	for (uint32_t i = remotes_find(remotes, next); i < remotes->n; i++) {
		uint16_t dest = remotes->dest[i], remote = dest - DEST_FIRST_REMOTE;
		bool is_stuck = !wire_has_room(w, remote);

		if (is_stuck)
			wait_for_uplink(w, from->vm);
		if (is_stuck || b->work >= MAX_WORK) {
			cut_flood(b, dest);
			return;
		}
		wire_put(w, b, index, remote);
		b->pkt[index].asked++;
	}
}

/* Puts a packet into the outboxes of the network's other ports with ids of `next` or higher, then
 * into those of its other hosts, until that is enough work: then b->flood_next says where to go
 * on. */
static void flood(struct worker *w, struct batch *b, const struct vport *from, uint16_t index,
		  uint16_t next)
{
	const struct bridge *bridge = from->bridge;
	const struct members *members =
		atomic_load_explicit(&bridge->members, memory_order_acquire);
	const struct remotes *remotes =
		atomic_load_explicit(&bridge->remotes, memory_order_acquire);
	struct pkt *p = &b->pkt[index];

	for (uint32_t i = find_member(members, next); i < members->n; i++) {
		struct vport *to = members->port[i];

		/* A port that is being moved is a member of two networks for a moment. */
		if (to == from || to->bridge != bridge)
			continue;
		if (unlikely(b->work >= MAX_WORK)) {
			cut_flood(b, to->id);
			break;
		}
		outbox_put(outbox_find(w, to, b), b, index);
		p->asked++;
	}
	if (unlikely(remotes) && !b->is_flood_cut)
		flood_wire(w, b, from, index, remotes, next);
	b->copies += p->asked > 0 ? p->asked - 1u : 0;
}

/* Tells the sender why its packet cannot be forwarded, or drops it. */
static void answer(struct worker *w, struct batch *b, struct pkt *p)
{
	b->work += REPLY_WORK;
	if (reply_to(w, b->from, b->pair, p))
		counter_add(&w->counters[b->from->id].consumed, 1);
	else
		counter_add(&w->counters[b->from->id].drops[p->reason], 1);
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
		counter_add(&w->counters[b->from->id].drops[DROP_PORT_GONE], 1);
		p->asked = 0;
		return 0;
	}
	o = outbox_find(w, to, b);
	outbox_put(o, b, b->next - 1);
	return 1 + fill_outbox(b, o, end);
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
			counter_add(&c->drops[p->reason], 1);
			continue;
		}
		if (unlikely(dest_is_remote(p->dest)) &&
		    !wire_has_room(w, p->dest - DEST_FIRST_REMOTE)) {
			b->next--;
			wait_for_uplink(w, from->vm);
			break;
		}
		if (unlikely(has_new_src)) {
			learn_from_port(w, from, p->m);
			has_new_src = false;
		}
		if (likely(p->dest != DEST_FLOOD)) {
			sent += send_on(w, b, p, end);
		} else {
			counter_add(&c->flooded, 1);
			flood(w, b, from, b->next - 1, 0);
			if (unlikely(p->asked == 0 && !b->is_flood_cut))
				counter_add(&c->drops[DROP_NO_RECEIVER], 1);
			sent += p->asked > 0;
		}
	}
	return sent;
}

/* Counts what became of a packet in a part of a batch. Deliveries that were handed over are counted
 * where they end; the first of them decides about a packet that nobody got here. A flood that is
 * not at its end and reached nobody yet is not decided. */
static void count_pkt(struct port_counters *c, const struct pkt *p, bool was_counted, bool is_cut)
{
	uint16_t here = p->asked - p->missed - p->handed;

	if (unlikely(was_counted)) {
		counter_add(&c->copies, here);
	} else if (here > 0) {
		counter_add(&c->forwarded, 1);
		counter_add(&c->copies, here - 1u);
	} else if (p->handed == 0 && !is_cut) {
		counter_add(&c->drops[p->reason], 1);
	}
}

/* Counts packets `first` to b->next, of which `sent` asked for deliveries; the others are counted
 * already. */
static void count_part(struct port_counters *c, const struct batch *b, uint16_t first,
		       uint16_t sent)
{
	if (likely(b->n_missed == 0 && b->n_handed == 0)) {
		counter_add(&c->forwarded, sent);
		counter_add(&c->copies, b->copies);
		return;
	}
	for (uint16_t i = first; i < b->next; i++)
		if (b->pkt[i].asked > 0)
			count_pkt(c, &b->pkt[i], false, b->is_flood_cut && i + 1 == b->next);
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
	job = (struct job){
		.kind = is_port ? JOB_DELIVER : JOB_FLOOD,
		.to = to->id,
		.to_epoch = atomic_load_explicit(&to->epoch, memory_order_acquire),
		.from = from->id,
		.from_epoch = from->first_epoch,
		.vm = from->vm,
		.pair = (uint8_t)pair,
		.cursor = cursor,
		.reason = p->reason,
		.was_counted = p->is_reached,
	};
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
			counter_add(&w->counters[b->from->id].drops[p->reason], 1);
	}
}

void forward_commit(struct worker *w, struct batch *b, uint16_t max)
{
	uint16_t vm = b->from->vm, first = b->next, sent;

	batch_begin_part(b);
	sent = fill_outboxes(w, b, max);
	stage_end(w, vm, STAGE_CLASSIFY);
	outbox_deliver_all(w, b, vm);
	if (unlikely(b->is_flood_cut))
		put_off_flood(w, b);
	count_part(&w->counters[b->from->id], b, first, sent);
	stage_end(w, vm, STAGE_DELIVER);
}

void forward_put_off(struct worker *w, struct batch *b)
{
	struct port_counters *c = &w->counters[b->from->id];
	enum drop_reason why;

	for (; b->next < b->n; b->next++) {
		struct pkt *p = &b->pkt[b->next];

		if (p->verdict != PKT_FORWARD) {
			counter_add(&c->drops[p->reason], 1);
			continue;
		}
		if (p->has_new_src)
			learn_from_port(w, b->from, p->m);
		if (p->dest == DEST_FLOOD)
			counter_add(&c->flooded, 1);
		why = put_off(w, b->from, b->pair, p, 0);
		if (why != DROP_COUNT)
			counter_add(&c->drops[why], 1);
	}
}

/* --- jobs --------------------------------------------------------------------------------------
 */

/* A port that is still what it was; NULL when it is not. */
static struct vport *same_port(const struct worker *w, uint16_t id, uint32_t epoch)
{
	struct vport *p = worker_port(w, id);

	return p && atomic_load_explicit(&p->epoch, memory_order_relaxed) == epoch ? p : NULL;
}

/* The counters that a job's packet is counted in; NULL when they are gone with the port. */
static struct port_counters *counters_of(const struct worker *w, const struct job *job)
{
	const struct vport *from = worker_port(w, job->from);

	return from && from->first_epoch == job->from_epoch ? &w->counters[job->from] : NULL;
}

static void begin_jobs(struct batch *b, struct vport *from, uint16_t pair)
{
	batch_begin_part(b);
	b->from = from;
	b->pair = pair;
	b->n = b->next = 0;
}

static void add_job(struct batch *b, const struct job *job)
{
	b->pkt[b->n++] = (struct pkt){.m = job->m, .reason = job->reason};
}

/* Puts the first deliveries of a backlog into outboxes. A large TCP packet is one by itself: it may
 * have to be cut into segments, and go on in another part. */
static void gather_deliveries(struct worker *w, struct backlog *backlog, struct batch *b)
{
	for (; b->n < backlog->n && b->n < BATCH_MAX && b->work < MAX_WORK;) {
		const struct job *job = backlog_at(backlog, b->n);
		struct vport *to = same_port(w, job->to, job->to_epoch);
		bool is_large = job->m->ol_flags & RTE_MBUF_F_TX_TCP_SEG;
		struct outbox *o;

		if (job->kind != JOB_DELIVER || job->pair != b->pair || (is_large && b->n > 0))
			break;
		add_job(b, job);
		b->pkt[b->n - 1].asked = 1;
		/* Which worker serves the port is asked once: it may change meanwhile. */
		o = likely(to) ? outbox_find(w, to, b) : NULL;
		if (likely(o && o->worker == w)) {
			o->segments = job->cursor;
			outbox_put(o, b, b->n - 1);
		} else {
			b->pkt[b->n - 1].missed = 1;
			b->pkt[b->n - 1].reason = DROP_PORT_GONE;
		}
		if (is_large)
			break;
	}
}

/* Delivers a backlog's first jobs. They have no deadline and are not put off again, whatever pages
 * are missing: a part has little work. A packet that is being segmented goes on where it stopped.
 * Returns how many jobs are done. */
static uint16_t deliver_jobs(struct worker *w, uint16_t vm, struct backlog *backlog)
{
	struct batch *b = w->job_batch;

	begin_jobs(b, NULL, backlog_at(backlog, 0)->pair);
	b->has_deadline = false;
	gather_deliveries(w, backlog, b);
	outbox_deliver_all(w, b, vm);
	if (unlikely(b->segments > 0)) {
		backlog_at(backlog, 0)->cursor = b->segments;
		return 0;
	}
	for (uint16_t i = 0; i < b->n; i++) {
		const struct job *job = backlog_at(backlog, i);
		struct port_counters *c = counters_of(w, job);

		if (c)
			count_pkt(c, &b->pkt[i], job->was_counted, false);
	}
	return b->n;
}

/* Goes on with the flood that is a backlog's first job. Returns how many jobs are done. */
static uint16_t flood_job(struct worker *w, uint16_t vm, struct backlog *backlog)
{
	struct job *job = backlog_at(backlog, 0);
	struct vport *from = job->is_over ? NULL : same_port(w, job->to, job->to_epoch);
	struct port_counters *c = counters_of(w, job);
	struct batch *b = w->job_batch;
	struct pkt *p = &b->pkt[0];

	if (!from) {
		if (c && !job->was_counted)
			counter_add(&c->drops[DROP_PORT_GONE], 1);
		return 1;
	}
	begin_jobs(b, from, job->pair);
	b->was_counted = job->was_counted;
	add_job(b, job);
	if (job->reason == 0)
		p->reason = DROP_NO_RECEIVER;
	flood(w, b, from, 0, job->cursor);
	outbox_deliver_all(w, b, vm);
	if (c)
		count_pkt(c, p, job->was_counted, b->is_flood_cut);
	job->cursor = b->flood_next;
	job->reason = p->reason;
	job->was_counted |= p->asked > p->missed;
	return !b->is_flood_cut;
}

/* Sends the packet that is a backlog's first job to another host. Returns how many jobs are
 * done. */
static uint16_t wire_job(struct worker *w, uint16_t vm, struct backlog *backlog)
{
	struct job *job = backlog_at(backlog, 0);
	struct vport *from = same_port(w, job->to, job->to_epoch);
	struct port_counters *c = counters_of(w, job);
	struct batch *b = w->job_batch;
	struct pkt *p = &b->pkt[0];

	if (!from || !wire_is_same(w, job)) {
		if (c && !job->was_counted)
			counter_add(&c->drops[from ? DROP_TUNNEL_NO_ROUTE : DROP_PORT_GONE], 1);
		return 1;
	}
	if (!wire_has_room(w, job->remote)) {
		wait_for_uplink(w, vm);
		return 0;
	}
	begin_jobs(b, from, job->pair);
	b->was_counted = job->was_counted;
	b->is_resumed = true;
	b->segments = job->cursor;
	add_job(b, job);
	p->asked = 1;
	wire_put(w, b, 0, job->remote);
	outbox_deliver_all(w, b, vm);
	if (p->missed == 0 && b->segments > 0) {
		job->cursor = b->segments;
		return 0;
	}
	if (c)
		count_pkt(c, p, job->was_counted, false);
	return 1;
}

/* Does the first job of a backlog, or the first few. Returns how many are done. */
static uint16_t do_jobs(struct worker *w, uint16_t vm, struct backlog *backlog)
{
	switch ((enum job_kind)backlog_at(backlog, 0)->kind) {
	case JOB_DELIVER:
		return deliver_jobs(w, vm, backlog);
	case JOB_FLOOD:
		return flood_job(w, vm, backlog);
	case JOB_WIRE:
		return wire_job(w, vm, backlog);
	}
	return 0;
}

uint16_t forward_jobs(struct worker *w, uint16_t vm, uint32_t *bytes)
{
	struct backlog *backlog = &w->backlog[vm];
	uint16_t done = do_jobs(w, vm, backlog);

	for (uint16_t i = 0; i < done; i++)
		*bytes += rte_pktmbuf_pkt_len(backlog_at(backlog, i)->m);
	backlog_pop(w, vm, done);
	stage_end(w, vm, STAGE_RECEIVE);
	return done;
}
