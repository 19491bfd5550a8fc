/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON-RPC methods of VMs. */
#include <jansson.h>

#include "base/log.h"
#include "rpc_schema.h"
#include "control/budget_rpc.h"
#include "control/ctx_rpc.h"
#include "control/refused.h"
#include "control/refused_rpc.h"
#include "control/security.h"
#include "policy/conntrack.h"

static json_t *vm_to_json(const struct vm *vm)
{
	json_t *o = json_pack("{s:s, s:s, s:i}", "name", vm->name, "tenant", vm->tenant->name,
			      "worker", (int)vm->worker->core);

	if (vm->uuid[0])
		json_object_set_new(o, "uuid", json_string(vm->uuid));
	budget_to_json(o, &vm->budget);
	json_object_set_new(o, "max_connections", json_integer(vm->max_connections));
	json_object_set_new(o, "ports", json_integer(vm->n_ports));
	if (vm_is_displaced(vm))
		json_object_set_new(o, "wanted_worker", json_integer(vm->pinned_core));
	return o;
}

static struct vm *find(struct vswitch *sw, const char *name, struct err *e)
{
	struct vm *vm = vm_find(sw, name);

	if (!vm)
		err_set(e, ERR_NOT_FOUND, "name", "vm '%s' does not exist", name);
	return vm;
}

json_t *rpc_handle_vm_create(struct rpc_ctx *ctx, const struct rpc_vm_create *p, struct err *e)
{
	struct vm_conf conf = {
		.name = p->name,
		.tenant = p->tenant,
		.uuid = p->uuid,
		.worker_core = p->has_worker ? (int)p->worker : -1,
		.may_displace = ctx->is_replaying,
		.budget = budget_default(),
		.max_connections = (uint32_t)p->max_connections,
	};
	struct vm *vm;

	budget_overlay(&conf.budget, &p->budget);
	vm = vm_create(ctx->sw, &conf, e);
	if (!vm)
		return NULL;
	refused_forget(ctx->refused, "vm_create", p->name);
	if (vm_is_displaced(vm))
		log_warn("vm %s: served by the worker on core %u, none runs on core %d", vm->name,
			 ((struct worker *)vm->worker)->core, vm->pinned_core);
	return vm_to_json(vm);
}

json_t *rpc_handle_vm_set(struct rpc_ctx *ctx, const struct rpc_vm_set *p, struct err *e)
{
	struct vswitch *sw = ctx->sw;
	struct vm *vm = find(sw, p->name, e);
	struct conntrack *table;
	struct budget b;
	uint32_t max;
	int ret;

	if (!vm)
		return NULL;
	b = vm->budget;
	budget_overlay(&b, &p->budget);
	max = p->has_max_connections ? (uint32_t)p->max_connections : vm->max_connections;
	if (vm_prepare_connections(sw, vm, max, &table, e) < 0)
		return NULL;
	ret = p->has_worker ? vm_move(sw, vm, (unsigned)p->worker, &b, e)
			    : vm_set_budget(sw, vm, &b, e);
	if (ret < 0) {
		conntrack_destroy(table);
		return NULL;
	}
	vm_set_connections(sw, vm, max, table);
	return vm_to_json(vm);
}

json_t *rpc_handle_vm_delete(struct rpc_ctx *ctx, const struct rpc_vm_delete *p, struct err *e)
{
	struct vswitch *sw = ctx->sw;
	struct vm *vm;

	if (!vm_find(sw, p->name) && refused_forget(ctx->refused, "vm_create", p->name))
		return json_true();
	vm = find(sw, p->name, e);
	return vm && vm_delete(sw, vm, e) == 0 ? json_true() : NULL;
}

json_t *rpc_handle_vm_list(struct rpc_ctx *ctx, const struct rpc_vm_list *p, struct err *e)
{
	struct vswitch *sw = ctx->sw;
	const struct refused_filter filters[] = {{"name", p->name}, {0}};
	json_t *list = json_array();
	struct vm *vm;

	if (refused_list(ctx, list, "vm_create", json_pack("{s:i, s:i}", "worker", 0, "ports", 0),
			 filters) == 0 &&
	    p->name && !find(sw, p->name, e)) {
		json_decref(list);
		return NULL;
	}
	TAILQ_FOREACH (vm, &sw->vms, link)
		if (!p->name || vm_find(sw, p->name) == vm)
			json_array_append_new(list, vm_to_json(vm));
	return list;
}
