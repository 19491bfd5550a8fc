/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON-RPC methods of tenants. */
#include <jansson.h>

#include "rpc_schema.h"
#include "control/budget_rpc.h"
#include "control/ctx_rpc.h"
#include "control/refused.h"
#include "control/refused_rpc.h"

static json_t *tenant_to_json(const struct tenant *t)
{
	json_t *o = json_pack("{s:s}", "name", t->name);

	budget_to_json(o, &t->budget);
	json_object_set_new(o, "vms", json_integer(t->n_vms));
	json_object_set_new(o, "networks", json_integer(t->n_networks));
	return o;
}

static struct tenant *find(struct vswitch *sw, const char *name, struct err *e)
{
	struct tenant *t = tenant_find(sw, name);

	if (!t)
		err_set(e, ERR_NOT_FOUND, "name", "tenant '%s' does not exist", name);
	return t;
}

json_t *rpc_handle_tenant_create(struct rpc_ctx *ctx, const struct rpc_tenant_create *p,
				 struct err *e)
{
	struct vswitch *sw = ctx->sw;
	struct budget b = budget_default();
	struct tenant *t;

	budget_overlay(&b, &p->budget);
	t = tenant_create(sw, p->name, &b, e);
	if (!t)
		return NULL;
	refused_forget(ctx->refused, "tenant_create", p->name);
	return tenant_to_json(t);
}

json_t *rpc_handle_tenant_set(struct rpc_ctx *ctx, const struct rpc_tenant_set *p, struct err *e)
{
	struct vswitch *sw = ctx->sw;
	struct tenant *t = find(sw, p->name, e);
	struct budget b;

	if (!t)
		return NULL;
	b = t->budget;
	budget_overlay(&b, &p->budget);
	return tenant_set_budget(sw, t, &b, e) < 0 ? NULL : tenant_to_json(t);
}

json_t *rpc_handle_tenant_delete(struct rpc_ctx *ctx, const struct rpc_tenant_delete *p,
				 struct err *e)
{
	struct vswitch *sw = ctx->sw;
	struct tenant *t;

	if (!tenant_find(sw, p->name) && refused_forget(ctx->refused, "tenant_create", p->name))
		return json_true();
	t = find(sw, p->name, e);
	return t && tenant_delete(sw, t, e) == 0 ? json_true() : NULL;
}

json_t *rpc_handle_tenant_list(struct rpc_ctx *ctx, const struct rpc_tenant_list *p, struct err *e)
{
	struct vswitch *sw = ctx->sw;
	const struct refused_filter filters[] = {{"name", p->name}, {0}};
	json_t *list = json_array();
	struct tenant *t;

	if (refused_list(ctx, list, "tenant_create",
			 json_pack("{s:i, s:i}", "vms", 0, "networks", 0), filters) == 0 &&
	    p->name && !find(sw, p->name, e)) {
		json_decref(list);
		return NULL;
	}
	TAILQ_FOREACH (t, &sw->tenants, link)
		if (!p->name || tenant_find(sw, p->name) == t)
			json_array_append_new(list, tenant_to_json(t));
	return list;
}
