/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON-RPC methods of the scheduler. */
#include "control/sched_rpc.h"

#include <stdio.h>
#include <stdlib.h>

#include "rpc_schema.h"
#include "control/ctx_rpc.h"

/* VMs handled per message. A message must be short: VMs wait for their services meanwhile. */
#define PER_CALL 16

struct some_vms {
	struct sched_vm_stats *stats; /* [MAX_VMS], to add to */
	unsigned n;
	const struct vm *vm[PER_CALL];
};

static void add_stats(struct worker *w, void *arg)
{
	struct some_vms *s = arg;
	struct sched_vm_stats st;

	for (unsigned i = 0; i < s->n; i++) {
		const struct vm *vm = s->vm[i];

		sched_get_stats(w->sched, vm->id, &st);
		sched_add_stats(&s->stats[vm->id], &st);
		if (vm->worker == w)
			s->stats[vm->id].balance_tsc = st.balance_tsc;
	}
	s->n = 0;
}

static void reset_vm_peaks(struct worker *w, void *arg)
{
	struct some_vms *s = arg;

	for (unsigned i = 0; i < s->n; i++)
		sched_reset_vm_peaks(w->sched, s->vm[i]->id);
	s->n = 0;
}

static void reset_worker_peaks(struct worker *w, void *arg)
{
	(void)arg;
	sched_reset_peaks(w->sched);
}

/* Calls fn on the worker for all VMs, PER_CALL at a time; fn sets n to 0. */
static void call_for_vms(struct vswitch *sw, struct worker *w,
			 void (*fn)(struct worker *w, void *some_vms), struct sched_vm_stats *stats)
{
	struct some_vms s = {.stats = stats};
	const struct vm *vm;

	TAILQ_FOREACH (vm, &sw->vms, link) {
		s.vm[s.n++] = vm;
		if (s.n == PER_CALL)
			worker_call(w, fn, &s);
	}
	if (s.n > 0)
		worker_call(w, fn, &s);
}

struct sched_vm_stats *sched_stats_snapshot(struct vswitch *sw)
{
	struct sched_vm_stats *stats = calloc(MAX_VMS, sizeof(*stats));

	for (unsigned i = 0; stats && i < sw->n_workers; i++)
		call_for_vms(sw, sw->worker[i], add_stats, stats);
	return stats;
}

json_t *rpc_handle_stats_reset_peaks(struct rpc_ctx *ctx, const struct rpc_stats_reset_peaks *p,
				     struct err *e)
{
	struct vswitch *sw = ctx->sw;

	(void)p;
	(void)e;
	for (unsigned i = 0; i < sw->n_workers; i++) {
		call_for_vms(sw, sw->worker[i], reset_vm_peaks, NULL);
		worker_call(sw->worker[i], reset_worker_peaks, NULL);
	}
	return json_true();
}

static json_t *us(const struct vswitch *sw, uint64_t tsc)
{
	return json_real((double)(uint64_t)(tsc_to_us(sw, tsc) * 1000 + 0.5) / 1000);
}

void sched_stats_to_json(json_t *o, const struct vswitch *sw, const struct sched_vm_stats *st)
{
	json_object_set_new(o, "balance_us",
			    json_integer(st->balance_tsc * 1000000 / (int64_t)sw->sched.tsc_hz));
	json_object_set_new(o, "services", json_integer((json_int_t)st->services));
	json_object_set_new(o, "longest_service_us", us(sw, st->longest_service_tsc));
	json_object_set_new(o, "overruns", json_integer((json_int_t)st->overruns));
	json_object_set_new(o, "longest_overrun_us", us(sw, st->longest_overrun_tsc));
	json_object_set_new(o, "interrupted", json_integer((json_int_t)st->interrupted));
	json_object_set_new(o, "waited_us",
			    json_integer((json_int_t)tsc_to_us(sw, st->waited_tsc)));
	json_object_set_new(o, "longest_wait_us", us(sw, st->longest_wait_tsc));
	json_object_set_new(o, "throttled", json_integer((json_int_t)st->throttled));
}

json_t *rpc_handle_scheduler_get(struct rpc_ctx *ctx, const struct rpc_scheduler_get *p,
				 struct err *e)
{
	(void)p;
	(void)e;
	return json_pack("{s:s, s:i}", "mode", sched_mode_text(ctx->sw->sched.mode), "slice_us",
			 (int)ctx->sw->sched.slice_us);
}

struct conf_call {
	enum sched_mode mode;
	uint32_t slice_us;
	int ret;
};

static void set_conf(struct worker *w, void *arg)
{
	struct conf_call *c = arg;

	c->ret = sched_set_conf(w->sched, c->mode, c->slice_us);
}

json_t *rpc_handle_scheduler_set(struct rpc_ctx *ctx, const struct rpc_scheduler_set *p,
				 struct err *e)
{
	struct vswitch *sw = ctx->sw;
	struct conf_call c = {
		.mode = p->has_mode ? (enum sched_mode)p->mode : sw->sched.mode,
		.slice_us = p->has_slice_us ? p->slice_us : sw->sched.slice_us,
	};

	/* All workers judge alike: what the first accepts, all do. */
	for (unsigned i = 0; i < sw->n_workers && c.ret == 0; i++)
		worker_call(sw->worker[i], set_conf, &c);
	if (c.ret < 0) {
		err_set(e, ERR_INVALID, "mode", "mode '%s': the scheduler refused it",
			sched_mode_text(c.mode));
		return NULL;
	}
	sw->sched.mode = c.mode;
	sw->sched.slice_us = c.slice_us;
	return rpc_handle_scheduler_get(ctx, NULL, e);
}

struct bound_call {
	uint16_t vm;
	uint64_t overrun_tsc;
	uint64_t pause_tsc;
	uint64_t bound_tsc;
	uint64_t longest_wait_tsc;
	unsigned services;
};

static void compute_bound(struct worker *w, void *arg)
{
	struct bound_call *c = arg;
	struct sched_vm_stats st;

	sched_get_stats(w->sched, c->vm, &st);
	/* The wait on this worker alone, since the bound is for this worker. */
	c->longest_wait_tsc = st.longest_funded_wait_tsc;
	c->overrun_tsc = sched_longest_overrun_tsc(w->sched);
	c->pause_tsc = sched_longest_pause_tsc(w->sched);
	c->services = sched_bound_services(w->sched);
	c->bound_tsc = sched_bound_tsc(w->sched, c->vm, c->overrun_tsc);
}

json_t *rpc_handle_budget_get_bound(struct rpc_ctx *ctx, const struct rpc_budget_get_bound *p,
				    struct err *e)
{
	struct vswitch *sw = ctx->sw;
	struct vm *vm = vm_find(sw, p->vm);
	struct bound_call c = {0};
	struct worker *w;
	char text[192];

	if (!vm) {
		err_set(e, ERR_NOT_FOUND, "vm", "vm '%s' does not exist", p->vm);
		return NULL;
	}
	if (sw->sched.mode != SCHED_MODE_TIME || vm->budget.guarantee_us == 0) {
		err_set(e, ERR_WRONG_STATE, "vm",
			"vm '%s': only a VM with guarantee_us, in scheduler mode time, has a bound",
			p->vm);
		return NULL;
	}
	w = vm->worker;
	c.vm = vm->id;
	worker_call(w, compute_bound, &c);
	snprintf(text, sizeof(text),
		 "%u service%s, of others with a guarantee or in progress: each a slice, the "
		 "longest overrun and the longest pause after it so far",
		 c.services, c.services == 1 ? "" : "s");
	return json_pack("{s:s, s:i, s:i, s:o, s:o, s:o, s:o, s:s}", "vm", vm->name, "worker",
			 (int)w->core, "slice_us", (int)sw->sched.slice_us, "overrun_us",
			 us(sw, c.overrun_tsc), "pause_us", us(sw, c.pause_tsc), "bound_us",
			 us(sw, c.bound_tsc), "longest_wait_us", us(sw, c.longest_wait_tsc), "text",
			 text);
}

struct hist_call {
	uint16_t vm;
	enum sched_hist_kind kind;
	struct hist sum;
};

static void add_hist(struct worker *w, void *arg)
{
	struct hist_call *c = arg;
	const struct hist *h = sched_hist(w->sched, c->vm, c->kind);

	if (h)
		hist_merge(&c->sum, h);
}

static json_t *buckets_to_json(const struct vswitch *sw, const struct hist *h)
{
	double ns_per_tsc = 1e9 / (double)sw->sched.tsc_hz;
	json_t *list = json_array();

	for (uint32_t i = 0; i < HIST_BUCKETS; i++) {
		if (h->bucket[i] == 0)
			continue;
		json_array_append_new(
			list, json_pack("{s:I, s:I, s:I}", "from_ns",
					(json_int_t)((double)hist_low(i) * ns_per_tsc), "to_ns",
					(json_int_t)((double)hist_low(i + 1) * ns_per_tsc), "count",
					(json_int_t)h->bucket[i]));
	}
	return list;
}

json_t *rpc_handle_histogram_get(struct rpc_ctx *ctx, const struct rpc_histogram_get *p,
				 struct err *e)
{
	struct vswitch *sw = ctx->sw;
	const struct vm *vm = vm_find(sw, p->vm);
	struct hist_call *c;
	json_t *o;

	if (!vm) {
		err_set(e, ERR_NOT_FOUND, "vm", "vm '%s' does not exist", p->vm);
		return NULL;
	}
	c = calloc(1, sizeof(*c));
	if (!c) {
		err_set(e, ERR_NO_SPACE, NULL, "out of memory");
		return NULL;
	}
	c->vm = vm->id;
	c->kind = p->kind == RPC_HISTOGRAM_KIND_SERVICE ? SCHED_HIST_SERVICE : SCHED_HIST_WAIT;
	/* A VM that was moved was served by other workers before. */
	for (unsigned i = 0; i < sw->n_workers; i++)
		worker_call(sw->worker[i], add_hist, c);
	o = json_pack("{s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:o}", "vm", vm->name, "kind",
		      rpc_histogram_kind_texts[p->kind], "count", (json_int_t)c->sum.count,
		      "p50_us", us(sw, hist_quantile(&c->sum, 1, 2)), "p99_us",
		      us(sw, hist_quantile(&c->sum, 99, 100)), "p999_us",
		      us(sw, hist_quantile(&c->sum, 999, 1000)), "max_us", us(sw, c->sum.max),
		      "buckets", buckets_to_json(sw, &c->sum));
	free(c);
	return o;
}
