/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON-RPC methods of networks. */
#include <jansson.h>

#include "rpc_schema.h"
#include "control/ctx_rpc.h"
#include "control/refused.h"
#include "control/refused_rpc.h"
#include "control/switch.h"

static json_t *network_to_json(struct network *net)
{
	const struct members *members = atomic_load(&net->bridge.members);

	return json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:i}", "name", net->name, "tenant",
			 net->tenant->name, "vni", (int)net->vni, "mtu",
			 (int)atomic_load(&net->bridge.mtu), "mac_ageing_s", (int)net->mac_ageing_s,
			 "mac_table_size", (int)fdb_capacity(net->bridge.fdb), "ports",
			 (int)members->n);
}

static struct network *find(struct vswitch *sw, const char *name, struct err *e)
{
	struct network *net = network_find(sw, name);

	if (!net)
		err_set(e, ERR_NOT_FOUND, "name", "network '%s' does not exist", name);
	return net;
}

json_t *rpc_handle_network_create(struct rpc_ctx *ctx, const struct rpc_network_create *p,
				  struct err *e)
{
	const struct network_conf conf = {
		.name = p->name,
		.tenant = p->tenant,
		.vni = (uint32_t)p->vni,
		.mtu = (uint32_t)p->mtu,
		.mac_ageing_s = (uint32_t)p->mac_ageing_s,
		.mac_table_size = (uint32_t)p->mac_table_size,
	};
	struct network *net = network_create(ctx->sw, &conf, e);

	if (!net)
		return NULL;
	refused_forget(ctx->refused, "network_create", p->name);
	return network_to_json(net);
}

json_t *rpc_handle_network_set(struct rpc_ctx *ctx, const struct rpc_network_set *p, struct err *e)
{
	struct network *net = find(ctx->sw, p->name, e);

	if (!net)
		return NULL;
	network_set(net, p->has_mtu ? (uint32_t)p->mtu : atomic_load(&net->bridge.mtu),
		    p->has_mac_ageing_s ? (uint32_t)p->mac_ageing_s : net->mac_ageing_s);
	return network_to_json(net);
}

json_t *rpc_handle_network_delete(struct rpc_ctx *ctx, const struct rpc_network_delete *p,
				  struct err *e)
{
	struct vswitch *sw = ctx->sw;
	struct network *net;

	if (!network_find(sw, p->name) && refused_forget(ctx->refused, "network_create", p->name))
		return json_true();
	net = find(sw, p->name, e);
	return net && network_delete(sw, net, e) == 0 ? json_true() : NULL;
}

json_t *rpc_handle_network_list(struct rpc_ctx *ctx, const struct rpc_network_list *p,
				struct err *e)
{
	struct vswitch *sw = ctx->sw;
	const struct refused_filter filters[] = {{"name", p->name}, {0}};
	json_t *list = json_array();
	struct network *net;

	if (refused_list(ctx, list, "network_create", json_pack("{s:i}", "ports", 0), filters) ==
		    0 &&
	    p->name && !find(sw, p->name, e)) {
		json_decref(list);
		return NULL;
	}
	TAILQ_FOREACH (net, &sw->networks, link)
		if (!p->name || network_find(sw, p->name) == net)
			json_array_append_new(list, network_to_json(net));
	return list;
}
