/* SPDX-License-Identifier: BSD-3-Clause */
/* The loop.
 *
 * A packet's way: guest's transmit ring -> take() -> forward_batch() (vswitch/forward.c: classify,
 * outboxes, receivers' rings) -> freed. A batch belongs to one VM from dequeue to flush, and each
 * stretch of time to one row of the ledger: a stage ends where the clock is read, and the next
 * begins there. */
#include "vswitch/loop.h"

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_mbuf.h>

#include "base/counter.h"
#include "vhost/sigbus.h"
#include "vhost/vring_loan.h"
#include "vswitch/forward.h"
#include "vswitch/handoff.h"

#define MESSAGES_PER_TURN 8
#define ACCEPT_PER_TURN   64

/* How long services may go on before rings are looked at again, so that a VM which wakes up is seen
 * soon. Looking costs per port, so not after every service. */
#define POLL_INTERVAL_US 5

/* How many rings a busy worker looks at for each such interval, going round. Each ring's index is a
 * cache line that comes from the guest's core: all of 64 took up to a fifth of the worker's time.
 */
#define RINGS_PER_INTERVAL 16

/* At the least, where a service may be preempted between two bursts. */
#define BURSTS_PER_SLICE 5

static void poll_ring(struct worker *w, const struct poll *p)
{
	if (vring_pending(p->tx) > 0)
		sched_wake(w->sched, p->vm, w->ledger.last_tsc);
}

static void poll_urgent(struct worker *w)
{
	for (uint16_t i = 0; i < w->n_urgent; i++)
		poll_ring(w, &w->urgent[i]);
}

/* The next n of all attached rings, going round. */
static void poll_next(struct worker *w, uint16_t n)
{
	for (; n > 0; n--) {
		if (w->next_polled >= w->n_attached)
			w->next_polled = 0;
		poll_ring(w, &w->attached[w->next_polled++]);
	}
}

/* Some rings, and always those of VMs with a guarantee, whose bound counts from here. When nobody
 * has work then that may be done now, all others too: no worker idles before it saw every ring. */
static void poll_rings(struct worker *w, uint64_t interval_tsc)
{
	uint64_t intervals = (w->ledger.last_tsc - w->polled_tsc) / interval_tsc;
	uint64_t due = RINGS_PER_INTERVAL * RTE_MAX(intervals, 1UL);
	uint16_t some = (uint16_t)RTE_MIN(w->n_attached, due);
	struct sched_grant g;

	poll_next(w, some);
	if (some == w->n_attached)
		return;
	poll_urgent(w);
	if (!sched_pick(w->sched, w->ledger.last_tsc, &g))
		poll_next(w, w->n_attached - some);
}

/* The VM's next transmit ring with something in it, round robin; NULL when there is none. */
static const struct tap *next_tap(struct service *s)
{
	for (uint16_t i = 0; i < s->n_taps; i++) {
		struct tap *t = TAILQ_FIRST(&s->taps);

		if (s->n_taps > 1) {
			TAILQ_REMOVE(&s->taps, t, link);
			TAILQ_INSERT_TAIL(&s->taps, t, link);
		}
		if (vring_pending(t->tx) > 0)
			return t;
	}
	return NULL;
}

static const uint8_t drop_of_ring[VRING_DROP_COUNT] = {
	[VRING_DROP_BAD_DESCRIPTOR] = DROP_BAD_DESCRIPTOR,
	[VRING_DROP_CHAIN_TOO_LONG] = DROP_CHAIN_TOO_LONG,
	[VRING_DROP_TOO_LONG] = DROP_TOO_LONG,
	[VRING_DROP_TOO_SHORT] = DROP_TOO_SHORT,
	[VRING_DROP_BAD_OFFLOAD] = DROP_BAD_OFFLOAD,
};

/* Counts what the ring dropped by itself, while dequeuing. Returns how much that was. */
static uint32_t count_ring_drops(struct port_counters *c, const struct vring_work *work)
{
	uint32_t n = 0;

	for (int i = 0; i < VRING_DROP_COUNT; i++) {
		n += work->drops[i];
		counter_add(&c->drops[drop_of_ring[i]], work->drops[i]);
	}
	counter_add(&c->in, n);
	return n;
}

/* What a service has used up, for the scheduler. */
struct tally {
	uint32_t packets;
	uint32_t bytes;
	uint32_t descs;
};

/* Counts and frees the first packets held, of which is known what became of them. */
static void finish(struct worker *w, struct service *s, uint16_t n)
{
	struct port_counters *c = &w->counters[s->held_port->id];
	struct queue_counters *q = &c->queue[s->held_pair];
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < n; i++) {
		bytes += rte_pktmbuf_pkt_len(s->held[i]);
		if (unlikely(!vring_is_view(s->held[i])))
			rte_pktmbuf_free(s->held[i]);
	}
	counter_add(&q->rx_packets, n);
	counter_add(&q->rx_bytes, bytes);
	counter_add(&c->in, n);
	s->n_held -= n;
	for (uint16_t i = 0; i < s->n_held; i++)
		s->held[i] = s->held[i + n];
}

/* Takes packets from the VM's next ring into the service's hold. False when all its rings are
 * empty. */
static bool take(struct worker *w, uint16_t vm, uint64_t left_tsc, struct tally *t)
{
	struct service *s = &w->service[vm];
	const struct tap *tap = next_tap(s);
	struct vring_work work = {0};
	struct vring_limits limits;
	struct sched_limits b;

	if (!tap)
		return false;
	b = sched_burst(w->sched, vm, left_tsc);
	limits = (struct vring_limits){(uint16_t)b.packets, (uint32_t)b.bytes, (uint32_t)b.descs,
				       &w->deadline};
	s->held_port = tap->port;
	s->held_pair = tap->pair;
	s->n_held = vring_dequeue(tap->tx, s->vm->pool, w->loan, s->held, &limits, &work);
	/* Dropped ones are packets too: their cost is learned, and they count against a rate. */
	t->packets += s->n_held + count_ring_drops(&w->counters[tap->port->id], &work);
	t->bytes += work.bytes;
	t->descs += work.descs;
	if (unlikely(tap->port->pairs[tap->pair].tx_discard)) {
		counter_add(&w->counters[tap->port->id].drops[DROP_DISABLED], s->n_held);
		finish(w, s, s->n_held);
	}
	ledger_bill_vm(&w->ledger, vm, STAGE_DEQUEUE, w->clock());
	return true;
}

/* Gives a burst back to the guest. */
static void settle(struct worker *w, struct service *s)
{
	struct virtq *tx = &s->held_port->pairs[s->held_pair].tx;

	vring_settle(tx, w->loan);
	notify_later(w, tx, &w->counters[s->held_port->id].queue[s->held_pair].notifications);
}

/* Keeps the first packet, some of whose receivers have it, for the VM's next service. False when
 * there is no buffer to keep it in. */
static bool keep(struct service *s)
{
	struct rte_mbuf *m = s->held[0];

	if (vring_is_view(m))
		m = rte_pktmbuf_copy(m, s->vm->pool, 0, UINT32_MAX);
	if (m)
		s->held[0] = m;
	return m;
}

/* At the end of a service: packets that were taken and not forwarded go back into their ring. */
static void put_back(struct worker *w, struct service *s, struct tally *t)
{
	struct virtq *tx = &s->held_port->pairs[s->held_pair].tx;
	uint16_t n = RTE_MIN(s->n_held, w->loan->n);

	if (s->flood.under_way && n == s->n_held) {
		n--;
		if (!keep(s)) {
			forward_end_flood(w, s->held_port, &s->flood);
			finish(w, s, 1);
		}
	}
	t->packets -= n;
	t->descs -= vring_return(tx, w->loan, n);
	for (; n > 0; n--) {
		struct rte_mbuf *m = s->held[--s->n_held];

		t->bytes -= rte_pktmbuf_pkt_len(m);
		if (!vring_is_view(m))
			rte_pktmbuf_free(m);
	}
	settle(w, s);
}

void loop_drop_held(struct worker *w, struct service *s)
{
	if (s->n_held == 0)
		return;
	if (s->flood.under_way) {
		forward_end_flood(w, s->held_port, &s->flood);
		finish(w, s, 1);
	}
	counter_add(&w->counters[s->held_port->id].drops[DROP_PORT_GONE], s->n_held);
	finish(w, s, s->n_held);
}

/* One part of a service: delivers some of what the VM handed over from another worker, else
 * forwards some of what is held, or of what it takes. False when the VM has nothing left. */
static bool serve_part(struct worker *w, uint16_t vm, uint64_t left_tsc, struct tally *t)
{
	struct service *s = &w->service[vm];
	uint16_t n;

	if (unlikely(w->arrivals[vm].n > 0)) {
		t->packets += handoff_deliver(w, vm, &t->bytes);
		return true;
	}
	if (s->n_held == 0 && !take(w, vm, left_tsc, t))
		return false;
	if (s->n_held > 0) {
		/* Taking them took all the time there was: one only, so that the VM gets on. */
		n = unlikely(w->ledger.last_tsc >= w->deadline.until) ? 1 : s->n_held;
		finish(w, s, forward_batch(w, s->held_port, s->held_pair, s->held, n, &s->flood));
	}
	if (s->n_held == 0)
		settle(w, s);
	return true;
}

/* Whether a service from spare time has to end between two parts, because somebody with a guarantee
 * woke up. */
static bool is_preempted(struct worker *w, const struct sched_grant *g)
{
	if (g->funded || w->n_urgent == 0)
		return false;
	poll_urgent(w);
	return sched_funded_waits(w->sched);
}

/* How much of the time left may go into one burst. Where it can be preempted, bursts are short;
 * those of small packets are anyway. */
static uint64_t burst_tsc(const struct worker *w, const struct sched_grant *g, uint64_t left_tsc)
{
	uint64_t most = g->slice_tsc / BURSTS_PER_SLICE;

	return g->funded || w->n_urgent == 0 || left_tsc < most ? left_tsc : most;
}

/* Whether another part fits into the slice, of which `used` is gone: one of the same burst if it
 * takes no longer than the part before, one of another burst if the scheduler predicts so. */
static bool fits(const struct worker *w, const struct service *s, const struct sched_grant *g,
		 uint64_t used, uint64_t part)
{
	if (used >= g->slice_tsc)
		return false;
	if (s->n_held > 0)
		return part <= g->slice_tsc - used;
	return sched_fits(w->sched, g->vm, g->slice_tsc - used);
}

/* Serves a VM until its slice is used up, somebody else has to be served or it has nothing left. */
static void serve(struct worker *w, const struct sched_grant *g)
{
	struct service *s = &w->service[g->vm];
	uint64_t start = w->ledger.last_tsc, used = 0, before;
	struct tally t = {0};
	bool more;

	sched_expect_charge(w->sched, g->vm, start);
	w->deadline.until = start + g->slice_tsc;
	if (unlikely(w->interrupted()))
		sched_interrupted(w->sched, start);
	do {
		before = used;
		more = serve_part(w, g->vm, burst_tsc(w, g, g->slice_tsc - used), &t);
		used = w->ledger.last_tsc - start;
	} while (more && fits(w, s, g, used, used - before) && !is_preempted(w, g));
	if (s->n_held > 0)
		put_back(w, s, &t);
	notify_all(w);
	used += ledger_bill_vm(&w->ledger, g->vm, STAGE_NOTIFY, w->clock());

	if (unlikely(sigbus_count() != w->sigbus_seen))
		worker_lose_rings(w);
	if (unlikely(w->interrupted()))
		sched_interrupted(w->sched, w->ledger.last_tsc);
	sched_charge(w->sched, g->vm, w->ledger.last_tsc, used, t.packets, t.bytes, t.descs, more);
}

bool turn(struct worker *w)
{
	uint64_t interval_tsc = w->tsc_hz / 1000000 * POLL_INTERVAL_US;
	uint64_t start = w->ledger.last_tsc;
	struct sched_grant g;
	bool busy;

	w->turns++;
	w->now_s = (uint32_t)(w->ledger.last_tsc / w->tsc_hz);
	busy = worker_take_messages(w, MESSAGES_PER_TURN) > 0;
	sched_tick(w->sched, w->ledger.last_tsc);
	ledger_bill_sys(&w->ledger, SYSROW_CONTROL, w->clock());

	poll_rings(w, interval_tsc);
	busy |= handoff_accept(w, ACCEPT_PER_TURN) > 0;
	w->polled_tsc = w->ledger.last_tsc;
	ledger_bill_sys(&w->ledger, SYSROW_POLL, w->clock());

	while (sched_pick(w->sched, w->ledger.last_tsc, &g)) {
		ledger_bill_sys(&w->ledger, SYSROW_SCHED, w->clock());
		serve(w, &g);
		busy = true;
		if (w->ledger.last_tsc - w->polled_tsc > interval_tsc)
			break;
	}
	if (busy) {
		w->busy_turns++;
		w->busy_cycles += w->ledger.last_tsc - start;
	}
	return busy;
}
