/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets from worker to worker, and from one service to the next.
 *
 * The sender's worker puts them into the ring of the receiver's. That one sorts them by the VM that
 * sent them, and delivers them in services of these VMs, when its scheduler says so. What a worker
 * hands to itself, because a service has no time for it, is sorted at once. */
#include "vswitch/handoff.h"

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "vhost/vring_loan.h"
#include "vswitch/forward_impl.h"

/* A reference to the packet for somebody else: to a copy where it is only lent. NULL when the VM
 * has no buffers left. */
static struct rte_mbuf *hold(struct rte_mbuf *m, struct rte_mempool *pool)
{
	if (vring_is_view(m))
		return rte_pktmbuf_copy(m, pool, 0, UINT32_MAX);
	rte_pktmbuf_refcnt_update(m, 1);
	return m;
}

static void arrive(struct worker *w, const struct handoff *h)
{
	struct arrivals *a = &w->arrivals[h->vm];

	a->at[(a->first + a->n++) % HANDOFF_SHARE] = *h;
}

/* Within the VM's share, so that the arrivals have room for it. False when the ring has none. */
static bool hand_over(struct worker *to, const struct worker *from, struct handoff *h)
{
	if (to != from)
		return rte_ring_enqueue_elem(to->handoff, h, sizeof(*h)) == 0;
	arrive(to, h);
	return true;
}

/* Each entry holds a reference of its own to the packet. */
void handoff_send(struct outbox *o, struct batch *b)
{
	struct worker *peer = o->worker;
	struct vm *vm = b->from->vm;
	_Atomic uint32_t *pushed = &peer->handoff_pushed[vm->id];
	uint32_t n = atomic_load_explicit(pushed, memory_order_relaxed);
	uint32_t taken = atomic_load_explicit(&peer->handoff_taken[vm->id], memory_order_acquire);
	uint32_t to_epoch = atomic_load_explicit(&o->to->epoch, memory_order_acquire);

	/* It may have changed networks since it was looked up. */
	if (unlikely(o->to->net != b->from->net)) {
		for (uint16_t i = 0; i < o->n; i++)
			batch_miss(b, o->index[i], DROP_PORT_GONE);
		return;
	}
	for (uint16_t i = 0; i < o->n; i++) {
		struct handoff h = {
			.pkt = hold(o->pkt[i], vm->pool),
			.to_epoch = to_epoch,
			.from_epoch = b->from->first_epoch,
			.to = o->to->id,
			.from = b->from->id,
			.vm = vm->id,
			.pair = (uint8_t)b->pair,
			.first = !b->reached[o->index[i]],
		};

		if (unlikely(!h.pkt)) {
			batch_miss(b, o->index[i], DROP_NO_BUFFER);
			continue;
		}
		if (n - taken < HANDOFF_SHARE && hand_over(peer, b->from->worker, &h)) {
			b->reached[o->index[i]] = true;
			b->handed[o->index[i]]++;
			b->n_handed++;
			n++;
			continue;
		}
		rte_pktmbuf_free(h.pkt);
		batch_miss(b, o->index[i], DROP_HANDOFF_FULL);
	}
	atomic_store_explicit(pushed, n, memory_order_relaxed);
	worker_wake(peer);
}

unsigned handoff_accept(struct worker *w, unsigned max)
{
	struct handoff h;
	unsigned n = 0;

	for (; n < max && rte_ring_dequeue_elem(w->handoff, &h, sizeof(h)) == 0; n++) {
		arrive(w, &h);
		sched_wake(w->sched, h.vm, w->ledger.last_tsc);
	}
	return n;
}

/* A port that is still what it was; NULL when it is not. */
static struct port *same_port(const struct worker *w, uint16_t id, uint32_t epoch)
{
	struct port *p = worker_port(w, id);

	return p && atomic_load_explicit(&p->epoch, memory_order_relaxed) == epoch ? p : NULL;
}

/* Counts what became of it, for the sender: it is counted nowhere else. Of a packet that nobody got
 * before it was handed over, the first copy decides, whatever comes of the others. */
static void count(struct worker *w, const struct handoff *h, bool missed, uint8_t reason)
{
	struct port_counters *sender = &w->counters[h->from];
	const struct port *from = worker_port(w, h->from);

	if (!from || from->first_epoch != h->from_epoch)
		return; /* its counters are gone as well */
	if (!h->first)
		counter_add(&sender->copies, !missed);
	else if (missed)
		counter_add(&sender->drops[reason], 1);
	else
		counter_add(&sender->forwarded, 1);
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
		b->reason[n] = 0;
		if (likely(to && to->worker == w))
			b->work += outbox_put(outbox_find(w, to, b->pair, &b->work), h->pkt, n);
		else
			batch_miss(b, n, DROP_PORT_GONE);
	}
	return n;
}

uint16_t handoff_deliver(struct worker *w, uint16_t vm, uint32_t *bytes)
{
	struct arrivals *a = &w->arrivals[vm];
	struct batch b;
	uint16_t n;

	b.from = NULL;
	b.work = 0;
	b.n_missed = 0;
	n = gather(w, a, &b);
	for (uint16_t i = 0; i < w->n_outboxes; i++)
		outbox_deliver(w, &w->outbox[i], &b, vm);
	outbox_publish(w);
	for (uint16_t i = 0; i < n; i++) {
		struct handoff *h = arrival(a, i);

		count(w, h, b.missed[i] > 0, b.reason[i]);
		*bytes += rte_pktmbuf_pkt_len(h->pkt);
		rte_pktmbuf_free(h->pkt);
	}
	take_off(w, vm, n);
	ledger_bill_vm(&w->ledger, vm, STAGE_RECEIVE, w->clock());
	return n;
}

void handoff_drop(struct worker *w, uint16_t vm)
{
	struct arrivals *a = &w->arrivals[vm];

	for (uint16_t i = 0; i < a->n; i++)
		rte_pktmbuf_free(arrival(a, i)->pkt);
	take_off(w, vm, a->n);
}
