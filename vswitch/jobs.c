/* SPDX-License-Identifier: BSD-3-Clause */
/* Jobs of backlogs being done. */
#include "vswitch/jobs.h"

#include "vswitch/backlog.h"
#include "vswitch/drop.h"
#include "vswitch/flood.h"
#include "vswitch/forward.h"
#include "vswitch/outbox.h"
#include "vswitch/stage.h"
#include "vswitch/wire_tx.h"

/* A port that is still what it was; NULL when it is not. */
static struct vport *same_port(const struct worker *w, uint16_t id, uint32_t epoch)
{
	struct vport *p = worker_port(w, id);

	return p && atomic_load_explicit(&p->epoch, memory_order_relaxed) == epoch ? p : NULL;
}

/* The port in whose counters a job's packet is counted; NULL when it is gone, and they with it. */
static const struct vport *sender_of(const struct worker *w, const struct job *job)
{
	const struct vport *from = worker_port(w, job->from);

	return from && from->first_epoch == job->from_epoch ? from : NULL;
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
		const struct vport *sender = sender_of(w, job);

		if (sender)
			forward_count(w, sender, &b->pkt[i], job->was_counted, false);
	}
	return b->n;
}

/* Goes on with the flood that is a backlog's first job. Returns how many jobs are done. */
static uint16_t flood_job(struct worker *w, uint16_t vm, struct backlog *backlog)
{
	struct job *job = backlog_at(backlog, 0);
	struct vport *from = job->is_over ? NULL : same_port(w, job->to, job->to_epoch);
	const struct vport *sender = sender_of(w, job);
	struct batch *b = w->job_batch;
	struct pkt *p = &b->pkt[0];

	if (!from) {
		if (sender && !job->was_counted)
			drop_sent(w, sender, job->m, DROP_PORT_GONE);
		return 1;
	}
	begin_jobs(b, from, job->pair);
	b->was_counted = job->was_counted;
	add_job(b, job);
	if (job->reason == 0)
		p->reason = DROP_NO_RECEIVER;
	flood(w, b, from, 0, job->cursor);
	outbox_deliver_all(w, b, vm);
	if (sender)
		forward_count(w, sender, p, job->was_counted, b->is_flood_cut);
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
	const struct vport *sender = sender_of(w, job);
	struct batch *b = w->job_batch;
	struct pkt *p = &b->pkt[0];

	if (!from || !wire_is_same(w, job)) {
		if (sender && !job->was_counted)
			drop_sent(w, sender, job->m, from ? DROP_TUNNEL_NO_ROUTE : DROP_PORT_GONE);
		return 1;
	}
	if (!wire_has_room(w, job->remote)) {
		wire_wait(w, vm);
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
	if (sender)
		forward_count(w, sender, p, job->was_counted, false);
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

uint16_t jobs_serve(struct worker *w, uint16_t vm, uint32_t *bytes)
{
	struct backlog *backlog = &w->backlog[vm];
	uint16_t done = do_jobs(w, vm, backlog);

	for (uint16_t i = 0; i < done; i++)
		*bytes += rte_pktmbuf_pkt_len(backlog_at(backlog, i)->m);
	backlog_pop(w, vm, done);
	stage_end(w, vm, STAGE_RECEIVE);
	return done;
}
