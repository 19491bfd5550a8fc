/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON-RPC methods of the scheduler. */
#include "vswitch/sched_rpc.h"

#include <stdlib.h>
#include <string.h>

#include "rpc_schema.h"
#include "vswitch/budget_rpc.h"
#include "vswitch/ctx_rpc.h"

double tsc_to_us(const struct vswitch *sw, uint64_t tsc)
{
	return (double)tsc * 1e6 / (double)sw->sched.tsc_hz;
}

struct snapshot {
	struct vswitch *sw;
	struct sched_vm_stats *stats;
};

static void copy_stats(struct worker *w, void *arg)
{
	struct snapshot *s = arg;
	const struct vm *vm;

	TAILQ_FOREACH (vm, &s->sw->vms, link)
		if (vm->worker == w)
			sched_get_stats(w->sched, vm->id, &s->stats[vm->id]);
}

struct sched_vm_stats *sched_stats_snapshot(struct vswitch *sw)
{
	struct snapshot s = {sw, calloc(MAX_VMS, sizeof(*s.stats))};

	for (unsigned i = 0; s.stats && i < sw->n_workers; i++)
		worker_call(sw->worker[i], copy_stats, &s);
	return s.stats;
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
	json_object_set_new(o, "waited_us",
			    json_integer((json_int_t)tsc_to_us(sw, st->waited_tsc)));
	json_object_set_new(o, "longest_wait_us", us(sw, st->longest_wait_tsc));
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

	/* All workers are alike: what the first takes, all do. */
	for (unsigned i = 0; i < sw->n_workers && c.ret == 0; i++)
		worker_call(sw->worker[i], set_conf, &c);
	if (c.ret < 0) {
		err_set(e, ERR_INVALID, "mode", "mode '%s' is not available yet",
			sched_mode_text(c.mode));
		return NULL;
	}
	sw->sched.mode = c.mode;
	sw->sched.slice_us = c.slice_us;
	return rpc_handle_scheduler_get(ctx, NULL, e);
}

static bool refuse_without_time_mode(const char *name, struct rpc_ctx *ctx, struct err *e)
{
	if (!vm_find(ctx->sw, name)) {
		err_set(e, ERR_NOT_FOUND, "vm", "vm '%s' does not exist", name);
		return true;
	}
	err_set(e, ERR_WRONG_STATE, "vm", "vm '%s': not available in scheduler mode %s", name,
		sched_mode_text(ctx->sw->sched.mode));
	return true;
}

json_t *rpc_handle_budget_get_bound(struct rpc_ctx *ctx, const struct rpc_budget_get_bound *p,
				    struct err *e)
{
	refuse_without_time_mode(p->vm, ctx, e);
	return NULL;
}

json_t *rpc_handle_histogram_get(struct rpc_ctx *ctx, const struct rpc_histogram_get *p,
				 struct err *e)
{
	refuse_without_time_mode(p->vm, ctx, e);
	return NULL;
}
