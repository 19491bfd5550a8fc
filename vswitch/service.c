/* SPDX-License-Identifier: BSD-3-Clause */
/* A service. It is done in short parts: after each one the clock tells whether there is time for
 * another. */
#include "vswitch/service.h"

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_mbuf.h>

#include "base/counter.h"
#include "ring/sigbus.h"
#include "vhost/net_lent.h"
#include "vswitch/attach.h"
#include "vswitch/backlog.h"
#include "vswitch/drop.h"
#include "vswitch/forward.h"
#include "vswitch/jobs.h"
#include "vswitch/notify.h"
#include "vswitch/poll.h"
#include "vswitch/rate_hold.h"
#include "vswitch/stage.h"
#include "vswitch/staging.h"

/* A preemptible service is split into at least this many bursts. */
#define BURSTS_PER_SLICE 5

/* A VM that is out of buffers is not served for this long: others give some back meanwhile. */
#define NO_BUFFER_HOLD_US 50

static const uint8_t drop_of_ring[NET_DROP_COUNT] = {
	[NET_DROP_BAD_DESCRIPTOR] = DROP_BAD_DESCRIPTOR,
	[NET_DROP_CHAIN_TOO_LONG] = DROP_CHAIN_TOO_LONG,
	[NET_DROP_TOO_LONG] = DROP_TOO_LONG,
	[NET_DROP_TOO_SHORT] = DROP_TOO_SHORT,
	[NET_DROP_BAD_OFFLOAD] = DROP_BAD_OFFLOAD,
};

/* Counts the packets that net_dequeue() dropped. Returns how many they were. */
static uint32_t count_ring_drops(struct port_counters *c, const struct net_taken *taken)
{
	uint32_t n = 0;

	for (int i = 0; i < NET_DROP_COUNT; i++) {
		n += taken->drops[i];
		counter_add(&c->drops[drop_of_ring[i]], taken->drops[i]);
	}
	counter_add(&c->in, n);
	return n;
}

/* Whether the port's rates hold its packets back. Notes until when, if others' are not held back
 * for less. */
static bool is_held_back(const struct worker *w, struct service *s, struct vport *port)
{
	uint64_t ready = rates_wait(&port->rates, worker_now(w), 0);

	if (ready == 0)
		return false;
	if (s->hold_until == 0 || (int64_t)(ready - s->hold_until) < 0)
		s->hold_until = ready;
	return true;
}

/* The VM's next transmit ring with something in it that may be sent, round robin; NULL when there
 * is none. */
static const struct source *next_ring(const struct worker *w, struct service *s)
{
	s->hold_until = 0;
	for (uint16_t i = 0; i < s->n_sources; i++) {
		struct source *src = TAILQ_FIRST(&s->sources);

		if (s->n_sources > 1) {
			TAILQ_REMOVE(&s->sources, src, link);
			TAILQ_INSERT_TAIL(&s->sources, src, link);
		}
		if (virtq_pending(&src->tx->q) == 0)
			continue;
		if (likely(!src->port->is_rated) || !is_held_back(w, s, src->port)) {
			s->hold_until = 0;
			return src;
		}
	}
	return NULL;
}

/* Counts and frees packets `first` to b->next, whose fate is decided. */
static void finish(struct worker *w, const struct batch *b, uint16_t first)
{
	struct port_counters *c = &w->counters[b->from->id];
	struct queue_counters *q = &c->queue[b->pair];
	uint64_t bytes = 0;

	for (uint16_t i = first; i < b->next; i++) {
		bytes += rte_pktmbuf_pkt_len(b->pkt[i].m);
		pkt_free(b->pkt[i].m);
	}
	counter_add(&q->rx_packets, b->next - first);
	counter_add(&q->rx_bytes, bytes);
	counter_add(&c->in, b->next - first);
}

/* Gives the burst's descriptor chains back to the guest. */
static void give_back(struct worker *w, const struct batch *b)
{
	struct net_ring *tx = &b->from->pairs[b->pair].tx;

	net_give_back(tx, w->lent);
	notify_later(&w->notifications, &tx->q,
		     &w->counters[b->from->id].queue[b->pair].notifications);
}

/* Drops the whole burst: the driver disabled its queue pair. */
static void discard(struct worker *w, struct batch *b)
{
	b->next = b->n;
	if (unlikely(w->captures != NULL))
		capture_batch(w, b, 0);
	for (uint16_t i = 0; i < b->n; i++)
		drop_sent(w, b->from, b->pkt[i].m, DROP_DISABLED);
	finish(w, b, 0);
}

/* The limits of a burst from a port. */
static struct net_limits burst_limits(struct worker *w, uint16_t vm, const struct vport *port,
				      uint64_t left_tsc)
{
	struct sched_limits most = sched_burst(w->sched, vm, left_tsc);

	if (unlikely(port->is_rated))
		rates_cut(&port->rates, &most.packets, &most.bytes);
	return (struct net_limits){(uint16_t)most.packets, (uint32_t)most.bytes,
				   (uint32_t)most.descs, &w->deadline};
}

/* Counts a burst of `n` packets against rates, as the bytes that it will be in segments. */
static void count_rates(const struct batch *b, uint32_t n, uint32_t bytes, struct use *use)
{
	uint64_t more = 0;

	for (uint16_t i = 0; i < b->n; i++)
		more += pkt_sent_bytes(b->pkt[i].m) - b->pkt[i].m->pkt_len;
	use->header_bytes += (uint32_t)more;
	if (b->from->is_rated)
		rates_take(&b->from->rates, n, (bytes + more) * 8);
}

/* Takes a burst from the VM's next ring into the batch, and decides about its packets. False when
 * no ring of the VM has packets that may be sent. */
static bool take(struct worker *w, uint16_t vm, uint64_t left_tsc, struct use *use)
{
	struct service *s = &w->service[vm];
	const struct source *src = next_ring(w, s);
	struct net_taken taken = {0};
	struct batch *b = w->batch;
	struct net_limits limits;
	uint32_t n;

	if (!src)
		return false;
	limits = burst_limits(w, vm, src->port, left_tsc);
	b->from = src->port;
	b->pair = src->pair;
	b->next = 0;
	b->n = net_dequeue(src->tx, s->pool, w->lent, b->pkt, &limits, &taken);
	/* Dropped packets count too: their cost is learned, and they count against a rate limit. */
	n = b->n + count_ring_drops(&w->counters[src->port->id], &taken);
	use->packets += n;
	use->bytes += taken.bytes;
	use->descs += taken.descs;
	if (unlikely(src->port->is_rated || sched_is_rated(w->sched, vm)))
		count_rates(b, n, taken.bytes, use);
	if (unlikely(b->n == 0 && taken.no_mbuf > 0))
		s->hold_us = NO_BUFFER_HOLD_US;
	if (unlikely(src->port->pairs[src->pair].tx_discard))
		discard(w, b);
	stage_end(w, vm, STAGE_DEQUEUE);
	if (likely(b->n > b->next))
		forward_resolve(w, b);
	return true;
}

/* Forwards the next part of the batch. After the last one the burst is given back. */
static void forward_part(struct worker *w)
{
	struct batch *b = w->batch;
	uint16_t first = b->next;

	if (b->next < b->n) {
		/* Dequeuing used up all the time. One packet is still forwarded, so that the VM
		 * makes progress. */
		forward_commit(w, b, unlikely(worker_now(w) >= w->deadline.until) ? 1 : BATCH_MAX);
		finish(w, b, first);
	}
	if (b->next == b->n)
		give_back(w, b);
}

/* A source is where a VM's work waits: another kind is another case of serve_part(). */
enum source_kind {
	SOURCE_BACKLOG, /* jobs put off or handed over (vswitch/backlog.h) */
	SOURCE_WIRE,    /* packets from other hosts, staged (vswitch/staging.h) */
	SOURCE_NET,     /* packets in transmit rings of network devices */
};

/* Where the next part of the VM's service comes from. */
static enum source_kind next_source(const struct worker *w, uint16_t vm)
{
	if (unlikely(w->backlog[vm].n > 0))
		return SOURCE_BACKLOG;
	return unlikely(w->wire && staging_take_turn(w->wire, vm)) ? SOURCE_WIRE : SOURCE_NET;
}

/* Adds work that does not count against the VM's rates. */
static void add_unrated(struct use *use, uint32_t packets, uint32_t bytes)
{
	use->packets += packets;
	use->bytes += bytes;
	use->unrated_packets += packets;
	use->unrated_bytes += bytes;
}

/* Does some of the VM's jobs. When they wait for an uplink, what other hosts sent to the VM goes on
 * all the same. */
static void serve_backlog(struct worker *w, uint16_t vm, struct use *use)
{
	uint32_t bytes = 0, packets = jobs_serve(w, vm, &bytes);

	if (unlikely(w->service[vm].hold_us > 0 && w->wire && w->wire->staging[vm].n > 0))
		packets += staging_serve(w, vm, &bytes);
	add_unrated(use, packets, bytes);
}

/* Takes packets from rings and forwards them. False when there is nothing left to do, true also
 * when what is left has to wait for the ports' rates. */
static bool serve_net(struct worker *w, uint16_t vm, uint64_t left_tsc, struct use *use)
{
	struct service *s = &w->service[vm];

	if (w->batch->next == w->batch->n && !take(w, vm, left_tsc, use)) {
		if (unlikely(w->wire && w->wire->staging[vm].n > 0)) {
			s->hold_until = 0;
			return true;
		}
		return s->hold_until != 0;
	}
	forward_part(w);
	return true;
}

/* One part of a service. False when the VM has nothing left. */
static bool serve_part(struct worker *w, uint16_t vm, uint64_t left_tsc, struct use *use)
{
	uint32_t bytes = 0, packets;

	switch (next_source(w, vm)) {
	case SOURCE_BACKLOG:
		serve_backlog(w, vm, use);
		return true;
	case SOURCE_WIRE:
		packets = staging_serve(w, vm, &bytes);
		add_unrated(use, packets, bytes);
		return true;
	case SOURCE_NET:
		return serve_net(w, vm, left_tsc, use);
	}
	return false;
}

/* Clears the batch when a service ends early. Packets that were not forwarded go back into their
 * ring as if they had not been taken. Those whose chains are already given back become jobs. */
static void put_back(struct worker *w, struct use *use)
{
	struct batch *b = w->batch;
	uint16_t n = RTE_MIN((uint16_t)(b->n - b->next), w->lent->n), first = b->next;
	bool is_rated = b->from->is_rated || sched_is_rated(w->sched, b->from->vm);
	uint32_t packets = n, bytes = 0, more = 0;

	use->packets -= n;
	use->descs -= net_untake(&b->from->pairs[b->pair].tx, w->lent, n);
	for (; n > 0; n--) {
		struct rte_mbuf *m = b->pkt[--b->n].m;

		bytes += rte_pktmbuf_pkt_len(m);
		if (unlikely(is_rated))
			more += (uint32_t)(pkt_sent_bytes(m) - rte_pktmbuf_pkt_len(m));
		pkt_free(m);
	}
	use->bytes -= bytes;
	use->header_bytes -= more;
	if (unlikely(b->from->is_rated))
		rates_return(&b->from->rates, packets, ((uint64_t)bytes + more) * 8);
	if (b->next < b->n) {
		forward_put_off(w, b);
		finish(w, b, first);
	}
	give_back(w, b);
}

/* Whether a service from spare time is preempted between two parts, because a VM that is to be
 * served from a guarantee woke up. */
static bool is_preempted(struct worker *w, const struct sched_grant *g)
{
	if (g->funded || w->n_guaranteed == 0)
		return false;
	poll_guaranteed(w);
	return sched_funded_waits(w->sched);
}

/* The part of the remaining time that one burst may take. Bursts of a preemptible service are
 * short; those of small packets are anyway. */
static uint64_t burst_tsc(const struct worker *w, const struct sched_grant *g, uint64_t left_tsc)
{
	uint64_t most = g->slice_tsc / BURSTS_PER_SLICE;

	return g->funded || w->n_guaranteed == 0 || left_tsc < most ? left_tsc : most;
}

/* Whether another part fits into the slice. A part of the same burst is expected to take as long as
 * the part before; for a new burst the scheduler predicts it. */
static bool fits(const struct worker *w, const struct sched_grant *g, uint64_t used, uint64_t part)
{
	const struct service *s = &w->service[g->vm];

	if (used >= g->slice_tsc || s->hold_us > 0 || s->hold_until != 0)
		return false;
	if (w->batch->next < w->batch->n)
		return part <= g->slice_tsc - used;
	return sched_fits(w->sched, g->vm, g->slice_tsc - used);
}

void serve(struct worker *w, const struct sched_grant *g)
{
	uint64_t start = worker_now(w), before, captured = w->ledger.sys[SYSROW_CAPTURE];
	struct use use = {0};
	bool more;

	w->deadline.until = start + g->slice_tsc;
	w->service[g->vm].hold_us = 0;
	w->service[g->vm].hold_until = 0;
	rate_forget_hold(w, g->vm);
	if (unlikely(w->interrupted()))
		sched_interrupted(w->sched, start);
	do {
		before = use.tsc;
		more = serve_part(w, g->vm, burst_tsc(w, g, g->slice_tsc - before), &use);
		use.tsc = worker_now(w) - start;
	} while (more && fits(w, g, use.tsc, use.tsc - before) && !is_preempted(w, g));
	if (w->batch->next < w->batch->n)
		put_back(w, &use);
	notify_all(&w->notifications);
	use.tsc += stage_end(w, g->vm, STAGE_NOTIFY);
	/* Captures are not at the VM's expense. */
	use.tsc -= w->ledger.sys[SYSROW_CAPTURE] - captured;

	if (unlikely(sigbus_count() != w->sigbus_seen))
		attach_lose_rings(w);
	if (unlikely(w->interrupted()))
		sched_interrupted(w->sched, worker_now(w));
	sched_charge(w->sched, g->vm, worker_now(w), &use, more);
	if (unlikely(w->service[g->vm].hold_us > 0))
		sched_hold(w->sched, g->vm,
			   worker_now(w) + w->tsc_hz / 1000000 * w->service[g->vm].hold_us);
	if (unlikely(w->service[g->vm].hold_until != 0))
		rate_hold(w, g->vm, w->service[g->vm].hold_until);
}
