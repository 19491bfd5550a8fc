/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON-RPC methods of VMs. */
#include <jansson.h>

#include "rpc_schema.h"
#include "vswitch/budget_rpc.h"
#include "vswitch/ctx_rpc.h"

static json_t *vm_to_json(const struct vm *vm)
{
	json_t *o = json_pack("{s:s, s:s, s:i}", "name", vm->name, "tenant", vm->tenant->name,
			      "worker", (int)vm->worker->core);

	if (vm->uuid[0])
		json_object_set_new(o, "uuid", json_string(vm->uuid));
	budget_to_json(o, &vm->budget);
	json_object_set_new(o, "ports", json_integer(vm->n_ports));
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
		.budget = budget_default(),
	};
	struct vm *vm;

	budget_overlay(&conf.budget, &p->budget);
	vm = vm_create(ctx->sw, &conf, e);
	return vm ? vm_to_json(vm) : NULL;
}

json_t *rpc_handle_vm_set(struct rpc_ctx *ctx, const struct rpc_vm_set *p, struct err *e)
{
	struct vswitch *sw = ctx->sw;
	struct vm *vm = find(sw, p->name, e);
	struct budget b;
	int ret;

	if (!vm)
		return NULL;
	b = vm->budget;
	budget_overlay(&b, &p->budget);
	ret = p->has_worker ? vm_move(sw, vm, (unsigned)p->worker, &b, e)
			    : vm_set_budget(sw, vm, &b, e);
	return ret < 0 ? NULL : vm_to_json(vm);
}

json_t *rpc_handle_vm_delete(struct rpc_ctx *ctx, const struct rpc_vm_delete *p, struct err *e)
{
	struct vswitch *sw = ctx->sw;
	struct vm *vm = find(sw, p->name, e);

	return vm && vm_delete(sw, vm, e) == 0 ? json_true() : NULL;
}

json_t *rpc_handle_vm_list(struct rpc_ctx *ctx, const struct rpc_vm_list *p, struct err *e)
{
	struct vswitch *sw = ctx->sw;
	json_t *list = json_array();
	struct vm *vm;

	if (p->name && !find(sw, p->name, e)) {
		json_decref(list);
		return NULL;
	}
	TAILQ_FOREACH (vm, &sw->vms, link)
		if (!p->name || vm_find(sw, p->name) == vm)
			json_array_append_new(list, vm_to_json(vm));
	return list;
}
