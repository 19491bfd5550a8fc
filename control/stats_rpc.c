/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON-RPC methods of statistics. Workers go on while their counters are read: each number is
 * consistent, but numbers read one after the other may be a few packets apart. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <rte_mempool.h>

#include "base/counter.h"
#include "base/thread_stat.h"
#include "rpc_schema.h"
#include "control/budget_rpc.h"
#include "control/ctx_rpc.h"
#include "policy/conntrack.h"
#include "control/sched_rpc.h"
#include "tunnel/wire_drops.h"

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *queues_to_json(const struct port_counters *c, unsigned pairs)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < pairs; i++) {
		const struct queue_counters *q = &c->queue[i];

		json_array_append_new(list,
				      json_pack("{s:i, s:I, s:I, s:I, s:I, s:I}", "queue", (int)i,
						"rx_packets", (json_int_t)q->rx_packets, "rx_bytes",
						(json_int_t)q->rx_bytes, "tx_packets",
						(json_int_t)q->tx_packets, "tx_bytes",
						(json_int_t)q->tx_bytes, "notifications",
						(json_int_t)q->notifications));
	}
	return list;
}

static json_t *drops_to_json(const uint64_t *drops, uint64_t *total)
{
	json_t *o = json_object();

	*total = 0;
	for (int i = 0; i < DROP_COUNT; i++) {
		*total += drops[i];
		if (drops[i])
			json_object_set_new(o, drop_reason_text(i), number(drops[i]));
	}
	return o;
}

static json_t *port_stats(struct vswitch *sw, struct port *port)
{
	const struct network *net = port->net;
	struct queue_counters sum = {0};
	struct port_counters c;
	uint64_t dropped, tx_dropped, wire_dropped;
	json_t *drops, *tx_drops, *o;

	port_count(sw, port, &c);
	for (int i = 0; i < MAX_PAIRS; i++) {
		sum.rx_packets += c.queue[i].rx_packets;
		sum.rx_bytes += c.queue[i].rx_bytes;
		sum.tx_packets += c.queue[i].tx_packets;
		sum.tx_bytes += c.queue[i].tx_bytes;
	}
	drops = drops_to_json(c.drops, &dropped);
	tx_drops = drops_to_json(c.tx_drops, &tx_dropped);
	o = json_pack("{s:s, s:s, s:s}", "port", port->name, "vm", port->vm->name, "network",
		      net->name);
	json_object_set_new(o, "in", number(c.in));
	json_object_set_new(o, "forwarded", number(c.forwarded));
	json_object_set_new(o, "consumed", number(c.consumed));
	json_object_set_new(o, "suppressed", number(c.suppressed));
	json_object_set_new(o, "dropped", number(dropped));
	json_object_set_new(o, "copies", number(c.copies));
	json_object_set_new(o, "flooded", number(c.flooded));
	json_object_set_new(o, "rx_packets", number(sum.rx_packets));
	json_object_set_new(o, "rx_bytes", number(sum.rx_bytes));
	json_object_set_new(o, "tx_packets", number(sum.tx_packets));
	json_object_set_new(o, "tx_bytes", number(sum.tx_bytes));
	json_object_set_new(o, "tx_dropped", number(tx_dropped));
	json_object_set_new(o, "drops", drops);
	json_object_set_new(o, "tx_drops", tx_drops);
	json_object_set_new(o, "wire_in", number(c.wire_in));
	json_object_set_new(o, "wire_delivered", number(c.wire_delivered));
	json_object_set_new(o, "wire_merged", number(c.wire_merged));
	json_object_set_new(o, "wire_drops", drops_to_json(c.wire_drops, &wire_dropped));
	json_object_set_new(o, "queues", queues_to_json(&c, port->conf.max_pairs));
	return o;
}

json_t *rpc_handle_stats_ports(struct rpc_ctx *ctx, const struct rpc_stats_ports *p, struct err *e)
{
	struct port *port;
	json_t *list;

	if (p->port && !port_find(ctx->sw, p->port)) {
		err_set(e, ERR_NOT_FOUND, "port", "port '%s' does not exist", p->port);
		return NULL;
	}
	list = json_array();
	TAILQ_FOREACH (port, &ctx->sw->ports, link)
		if (!p->port || strcmp(port->name, p->port) == 0)
			json_array_append_new(list, port_stats(ctx->sw, port));
	return list;
}

json_t *rpc_handle_stats_drop_reasons(struct rpc_ctx *ctx, const struct rpc_stats_drop_reasons *p,
				      struct err *e)
{
	json_t *list = json_array();

	(void)ctx;
	(void)p;
	(void)e;
	for (int i = 0; i < DROP_COUNT; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s}", "where", "port", "reason",
						drop_reason_text(i), "text", drop_reason_help(i)));
	for (int i = 0; i < WIRE_DROP_COUNT; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s}", "where", "uplink", "reason",
						wire_drop_text(i), "text", wire_drop_help(i)));
	return list;
}

/* A VM's cycles by stage, summed over all workers: packets handed over are billed where they are
 * delivered. */
static json_t *stages_to_json(const struct vswitch *sw, const struct vm *vm, uint64_t *total)
{
	json_t *o = json_object();

	*total = 0;
	for (unsigned stage = 0; stage < STAGE_COUNT; stage++) {
		uint64_t cycles = 0;

		for (unsigned i = 0; i < sw->n_workers; i++)
			cycles += counter_read(&sw->worker[i]->ledger.vm[vm->id][stage]);
		*total += cycles;
		json_object_set_new(o, stage_text(stage), number(cycles));
	}
	return o;
}

/* What the VM's ports sent, and how much of that was dropped. */
static void count_vm(struct vswitch *sw, const struct vm *vm, uint64_t *packets, uint64_t *bytes,
		     uint64_t *drops)
{
	const struct port *port;
	struct port_counters c;

	*packets = *bytes = *drops = 0;
	TAILQ_FOREACH (port, &sw->ports, link) {
		if (port->vm != vm)
			continue;
		port_count(sw, port, &c);
		*packets += c.in;
		for (int i = 0; i < MAX_PAIRS; i++)
			*bytes += c.queue[i].rx_bytes;
		for (int i = 0; i < DROP_COUNT; i++)
			*drops += c.drops[i];
	}
}

/* A JSON number, rounded to three decimal places. */
static json_t *real(double x)
{
	return json_real((double)(int64_t)(x * 1000 + 0.5) / 1000);
}

/* Adds what security groups keep of a VM's connections, where there is anything. */
static void connections_to_json(json_t *o, const struct conntrack *table)
{
	struct conntrack_stats st;

	if (!table)
		return;
	conntrack_get_stats(table, &st);
	json_object_set_new(o, "connections", number(st.used));
	json_object_set_new(o, "connections_inbound", number(st.opened_by_others));
	json_object_set_new(o, "connections_created", number(st.created));
	json_object_set_new(o, "connections_evicted", number(st.evicted));
	json_object_set_new(o, "connections_refused", number(st.refused));
}

static json_t *vm_stats(struct vswitch *sw, struct vm *vm, const struct sched_vm_stats *st)
{
	struct worker *w = vm->worker;
	uint64_t cycles, packets, bytes, drops;
	uint64_t passed = counter_read(&w->ledger.last_tsc) - w->ledger.opened_tsc;
	json_t *stages = stages_to_json(sw, vm, &cycles);
	json_t *o;

	count_vm(sw, vm, &packets, &bytes, &drops);
	o = json_pack("{s:s, s:s, s:i}", "vm", vm->name, "tenant", vm->tenant->name, "worker",
		      (int)w->core);
	json_object_set_new(o, "cycles", number(cycles));
	json_object_set_new(o, "used_us", number((uint64_t)tsc_to_us(sw, cycles)));
	json_object_set_new(o, "share_percent",
			    real(passed ? 100.0 * (double)cycles / (double)passed : 0));
	json_object_set_new(o, "cycles_per_packet",
			    real(packets ? (double)cycles / (double)packets : 0));
	json_object_set_new(o, "packets", number(packets));
	json_object_set_new(o, "bytes", number(bytes));
	json_object_set_new(o, "drops", number(drops));
	json_object_set_new(o, "buffers_in_use", number(rte_mempool_in_use_count(vm->pool)));
	connections_to_json(o, vm->connections);
	sched_stats_to_json(o, sw, st);
	json_object_set_new(o, "stages", stages);
	return o;
}

json_t *rpc_handle_stats_vms(struct rpc_ctx *ctx, const struct rpc_stats_vms *p, struct err *e)
{
	struct sched_vm_stats *stats;
	struct vm *vm;
	json_t *list;

	if (p->vm && !vm_find(ctx->sw, p->vm)) {
		err_set(e, ERR_NOT_FOUND, "vm", "vm '%s' does not exist", p->vm);
		return NULL;
	}
	stats = sched_stats_snapshot(ctx->sw);
	if (!stats) {
		err_set(e, ERR_NO_SPACE, NULL, "out of memory");
		return NULL;
	}
	list = json_array();
	TAILQ_FOREACH (vm, &ctx->sw->vms, link)
		if (!p->vm || strcmp(vm->name, p->vm) == 0)
			json_array_append_new(list, vm_stats(ctx->sw, vm, &stats[vm->id]));
	free(stats);
	return list;
}

/* One worker's ledger, copied by the worker itself between two services: its rows sum exactly. */
struct ledger_copy {
	struct ledger *to;
	uint64_t turns, busy_turns, busy_cycles, sleeps;
};

static void copy_ledger(struct worker *w, void *arg)
{
	struct ledger_copy *c = arg;

	*c->to = w->ledger;
	c->turns = w->turns;
	c->busy_turns = w->busy_turns;
	c->busy_cycles = w->busy_cycles;
	c->sleeps = w->sleeps;
}

/* Adds the preemptions and the lost time of the worker's thread, unless /proc does not tell. */
static void losses_to_json(json_t *o, struct worker *w)
{
	struct thread_stat st;

	if (thread_stat_read(atomic_load(&w->tid), &st) < 0)
		return;
	json_object_set_new(o, "preemptions", number(st.preemptions));
	json_object_set_new(o, "lost_us", number(st.lost_ns / 1000));
}

static json_t *worker_stats(struct vswitch *sw, struct worker *w, const struct ledger_copy *c)
{
	uint64_t passed = c->to->last_tsc - c->to->opened_tsc;
	json_t *system = json_object(), *vms = json_object(), *o;
	const struct vm *vm;

	for (unsigned i = 0; i < SYSROW_COUNT; i++)
		json_object_set_new(system, sysrow_text(i), number(c->to->sys[i]));
	TAILQ_FOREACH (vm, &sw->vms, link) {
		json_t *stages;

		if (ledger_vm_sum(c->to, vm->id) == 0)
			continue;
		stages = json_object();
		for (unsigned i = 0; i < STAGE_COUNT; i++)
			json_object_set_new(stages, stage_text(i), number(c->to->vm[vm->id][i]));
		json_object_set_new(vms, vm->name, stages);
	}
	o = json_pack("{s:i, s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:o, s:o}", "worker", (int)w->core,
		      "tsc_hz", (json_int_t)w->tsc_hz, "cycles", (json_int_t)passed, "idle_percent",
		      real(passed ? 100.0 * (double)c->to->sys[SYSROW_IDLE] / (double)passed : 0),
		      "turns", (json_int_t)c->turns, "busy_turns", (json_int_t)c->busy_turns,
		      "busy_cycles", (json_int_t)c->busy_cycles, "sleeps", (json_int_t)c->sleeps,
		      "system", system, "vms", vms);
	losses_to_json(o, w);
	return o;
}

json_t *rpc_handle_stats_workers(struct rpc_ctx *ctx, const struct rpc_stats_workers *p,
				 struct err *e)
{
	struct ledger_copy c = {.to = malloc(sizeof(*c.to))};
	json_t *list = json_array();

	for (unsigned i = 0; c.to && i < ctx->sw->n_workers; i++) {
		struct worker *w = ctx->sw->worker[i];

		if (p->has_worker && w->core != p->worker)
			continue;
		worker_call(w, copy_ledger, &c);
		json_array_append_new(list, worker_stats(ctx->sw, w, &c));
	}
	if (!c.to || (p->has_worker && json_array_size(list) == 0)) {
		err_set(e, c.to ? ERR_NOT_FOUND : ERR_NO_SPACE, "worker",
			"worker %u: no worker runs on that core", p->worker);
		json_decref(list);
		list = NULL;
	}
	free(c.to);
	return list;
}

json_t *rpc_handle_worker_list(struct rpc_ctx *ctx, const struct rpc_worker_list *p, struct err *e)
{
	json_t *list = json_array();

	(void)p;
	(void)e;
	for (unsigned i = 0; i < ctx->sw->n_workers; i++) {
		const struct worker *w = ctx->sw->worker[i];
		unsigned vms = 0, ports = 0;
		double guaranteed = 0;
		const struct tenant *t;
		const struct port *port;
		const struct vm *vm;

		TAILQ_FOREACH (vm, &ctx->sw->vms, link) {
			if (vm->worker != w)
				continue;
			vms++;
			guaranteed += 100.0 * vm->budget.guarantee_us / vm->budget.period_us;
		}
		TAILQ_FOREACH (t, &ctx->sw->tenants, link)
			guaranteed += 100.0 * t->budget.guarantee_us / t->budget.period_us;
		TAILQ_FOREACH (port, &ctx->sw->ports, link)
			ports += port->vport.worker == w;
		json_array_append_new(list, json_pack("{s:i, s:i, s:i, s:i, s:o}", "worker",
						      (int)w->core, "vms", (int)vms, "ports",
						      (int)ports, "ports_up", (int)w->n_ports_up,
						      "guaranteed_percent", real(guaranteed)));
	}
	return list;
}
