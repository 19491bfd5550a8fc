/* SPDX-License-Identifier: BSD-3-Clause */
/* Watches for conditions that operators are told of. */
#include "control/watch.h"

#include <rte_cycles.h>

/* VMs whose counters are copied per message. A message must be short: VMs wait for their services
 * meanwhile. */
#define PER_CALL 16

struct copy {
	unsigned n;
	struct vm *vm[PER_CALL];
};

static void copy_stats(struct worker *w, void *arg)
{
	const struct copy *c = arg;

	for (unsigned i = 0; i < c->n; i++)
		sched_get_stats(w->sched, c->vm[i]->id, &c->vm[i]->watch.seen);
}

static void look_at(struct vswitch *sw, struct worker *w)
{
	struct copy c = {0};
	struct vm *vm;

	TAILQ_FOREACH (vm, &sw->vms, link) {
		if (vm->worker != w)
			continue;
		c.vm[c.n++] = vm;
		if (c.n < PER_CALL)
			continue;
		worker_call(w, copy_stats, &c);
		c.n = 0;
	}
	if (c.n)
		worker_call(w, copy_stats, &c);
}

void watch_budgets(struct vswitch *sw, void (*tell)(void *ctx, const struct vm *vm), void *ctx)
{
	uint64_t now = rte_rdtsc(), passed = now - sw->watched_tsc;
	struct vm *vm;

	sw->watched_tsc = now;
	/* Sleeping workers are woken up and asked too: they may have worked until a moment ago. */
	for (unsigned i = 0; i < sw->n_workers; i++)
		look_at(sw, sw->worker[i]);
	TAILQ_FOREACH (vm, &sw->vms, link)
		if (watch_look(&vm->watch, &vm->budget, sw->sched.mode, passed))
			tell(ctx, vm);
}

/* First of the chains that it sends, then of the buffers that it receives into. */
static const enum drop_reason reason_of[HOSTILE_KINDS] = {
	DROP_BAD_DESCRIPTOR, DROP_CHAIN_TOO_LONG, DROP_TOO_LONG,     DROP_TOO_SHORT,
	DROP_BAD_OFFLOAD,    DROP_RECEIVER_BAD,   DROP_SLOW_BUFFERS,
};

enum drop_reason watch_ring_reason(unsigned kind)
{
	return reason_of[kind];
}

static uint64_t count(const struct port_counters *c, enum drop_reason reason)
{
	/* The sender's drops count packets that the receiver is to blame for; tx_drops are the
	 * receiver's. */
	if (reason == DROP_RECEIVER_BAD || reason == DROP_SLOW_BUFFERS)
		return c->tx_drops[reason];
	return c->drops[reason];
}

void watch_rings(struct vswitch *sw,
		 void (*tell)(void *ctx, const struct port *port, const uint64_t *since), void *ctx)
{
	uint64_t total[HOSTILE_KINDS], since[HOSTILE_KINDS];
	struct port_counters c;
	struct port *port;

	TAILQ_FOREACH (port, &sw->ports, link) {
		port_count(sw, port, &c);
		for (unsigned i = 0; i < HOSTILE_KINDS; i++)
			total[i] = count(&c, reason_of[i]);
		if (hostile_look(&port->hostile, total, switch_now_s(), since))
			tell(ctx, port, since);
	}
}
