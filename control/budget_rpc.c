/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON-RPC methods of budgets. */
#include "control/budget_rpc.h"

#include <stdlib.h>

#include "control/ctx_rpc.h"
#include "control/sched_rpc.h"

void budget_overlay(struct budget *b, const struct rpc_group_budget *given)
{
	if (given->has_weight)
		b->weight = given->weight;
	if (given->has_limit_percent)
		b->limit_percent = given->limit_percent;
	if (given->has_guarantee_us)
		b->guarantee_us = given->guarantee_us;
	if (given->has_period_us)
		b->period_us = given->period_us;
	if (given->has_burst_us)
		b->burst_us = given->burst_us;
	if (given->has_rate_bps)
		b->rate_bps = given->rate_bps;
	if (given->has_rate_pps)
		b->rate_pps = given->rate_pps;
	if (given->has_rate_in_bps)
		b->rate_in_bps = given->rate_in_bps;
	if (given->has_rate_in_pps)
		b->rate_in_pps = given->rate_in_pps;
}

void budget_to_json(json_t *object, const struct budget *b)
{
	json_object_set_new(object, "weight", json_integer(b->weight));
	json_object_set_new(object, "limit_percent", json_integer(b->limit_percent));
	json_object_set_new(object, "guarantee_us", json_integer(b->guarantee_us));
	json_object_set_new(object, "period_us", json_integer(b->period_us));
	json_object_set_new(object, "burst_us", json_integer(b->burst_us));
	json_object_set_new(object, "rate_bps", json_integer((json_int_t)b->rate_bps));
	json_object_set_new(object, "rate_pps", json_integer((json_int_t)b->rate_pps));
	json_object_set_new(object, "rate_in_bps", json_integer((json_int_t)b->rate_in_bps));
	json_object_set_new(object, "rate_in_pps", json_integer((json_int_t)b->rate_in_pps));
}

static json_t *vm_budget(struct vswitch *sw, const struct vm *vm, const struct sched_vm_stats *st)
{
	json_t *o = json_pack("{s:s, s:s}", "tenant", vm->tenant->name, "vm", vm->name);

	budget_to_json(o, &vm->budget);
	json_object_set_new(o, "used_us",
			    json_integer((json_int_t)tsc_to_us(sw, st[vm->id].used_tsc)));
	json_object_set_new(o, "waited_us",
			    json_integer((json_int_t)tsc_to_us(sw, st[vm->id].waited_tsc)));
	json_object_set_new(
		o, "balance_us",
		json_integer(st[vm->id].balance_tsc * 1000000 / (int64_t)sw->sched.tsc_hz));
	return o;
}

static json_t *tenant_budget(struct vswitch *sw, const struct tenant *t,
			     const struct sched_vm_stats *st)
{
	json_t *o = json_pack("{s:s}", "tenant", t->name);
	uint64_t used_tsc = 0, waited_tsc = 0;
	const struct vm *vm;

	TAILQ_FOREACH (vm, &sw->vms, link) {
		if (vm->tenant != t)
			continue;
		used_tsc += st[vm->id].used_tsc;
		waited_tsc += st[vm->id].waited_tsc;
	}
	budget_to_json(o, &t->budget);
	json_object_set_new(o, "used_us", json_integer((json_int_t)tsc_to_us(sw, used_tsc)));
	json_object_set_new(o, "waited_us", json_integer((json_int_t)tsc_to_us(sw, waited_tsc)));
	return o;
}

static struct tenant *find_tenant(struct vswitch *sw, const char *name, struct err *e)
{
	struct tenant *t = tenant_find(sw, name);

	if (!t)
		err_set(e, ERR_NOT_FOUND, "tenant", "tenant '%s' does not exist", name);
	return t;
}

static struct vm *find_vm(struct vswitch *sw, const char *name, struct err *e)
{
	struct vm *vm = vm_find(sw, name);

	if (!vm)
		err_set(e, ERR_NOT_FOUND, "vm", "vm '%s' does not exist", name);
	return vm;
}

json_t *rpc_handle_budget_get(struct rpc_ctx *ctx, const struct rpc_budget_get *p, struct err *e)
{
	struct tenant *only_tenant = NULL, *t;
	struct vm *only_vm = NULL, *vm;
	struct sched_vm_stats *st;
	json_t *list;

	if ((p->tenant && !(only_tenant = find_tenant(ctx->sw, p->tenant, e))) ||
	    (p->vm && !(only_vm = find_vm(ctx->sw, p->vm, e))))
		return NULL;
	st = sched_stats_snapshot(ctx->sw);
	if (!st) {
		err_set(e, ERR_NO_SPACE, NULL, "out of memory");
		return NULL;
	}
	list = json_array();
	TAILQ_FOREACH (t, &ctx->sw->tenants, link) {
		if (only_tenant && t != only_tenant)
			continue;
		if (!only_vm)
			json_array_append_new(list, tenant_budget(ctx->sw, t, st));
		TAILQ_FOREACH (vm, &ctx->sw->vms, link)
			if (vm->tenant == t && (!only_vm || vm == only_vm))
				json_array_append_new(list, vm_budget(ctx->sw, vm, st));
	}
	free(st);
	return list;
}

json_t *rpc_handle_budget_set(struct rpc_ctx *ctx, const struct rpc_budget_set *p, struct err *e)
{
	struct sched_vm_stats *st;
	struct tenant *t = NULL;
	struct vm *vm = NULL;
	struct budget b;
	json_t *result;

	if (!p->tenant == !p->vm) {
		err_set(e, ERR_INVALID, p->vm ? "vm" : "tenant",
			"tenant or vm: name one of them, not %s", p->vm ? "both" : "neither");
		return NULL;
	}
	if ((p->tenant && !(t = find_tenant(ctx->sw, p->tenant, e))) ||
	    (p->vm && !(vm = find_vm(ctx->sw, p->vm, e))))
		return NULL;
	b = t ? t->budget : vm->budget;
	budget_overlay(&b, &p->budget);
	if (t ? tenant_set_budget(ctx->sw, t, &b, e) < 0 : vm_set_budget(ctx->sw, vm, &b, e) < 0)
		return NULL;
	st = sched_stats_snapshot(ctx->sw);
	if (!st) {
		err_set(e, ERR_NO_SPACE, NULL, "out of memory");
		return NULL;
	}
	result = t ? tenant_budget(ctx->sw, t, st) : vm_budget(ctx->sw, vm, st);
	free(st);
	return result;
}
