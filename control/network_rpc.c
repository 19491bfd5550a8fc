/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON-RPC methods of networks. */
#include "control/network_rpc.h"

#include "rpc_schema.h"
#include "control/ctx_rpc.h"
#include "control/neighbour.h"
#include "control/refused.h"
#include "control/refused_rpc.h"
#include "control/switch.h"
#include "control/tunnel.h"

_Static_assert((int)RPC_SUPPRESS_OFF == (int)SUPPRESS_OFF &&
		       (int)RPC_SUPPRESS_STATIC == (int)SUPPRESS_STATIC &&
		       (int)RPC_SUPPRESS_LEARNED == (int)SUPPRESS_LEARNED,
	       "in the schema's order");

static const char *suppress_text(uint8_t mode)
{
	return mode == SUPPRESS_LEARNED ? "learned" : mode == SUPPRESS_STATIC ? "static" : "off";
}

json_t *network_conf_to_json(struct network *net)
{
	struct bridge *b = &net->bridge;
	json_t *o = json_pack("{s:s, s:s, s:i, s:i, s:i, s:i}", "name", net->name, "tenant",
			      net->tenant->name, "vni", (int)net->vni, "mtu",
			      (int)atomic_load(&b->mtu), "mac_ageing_s", (int)net->mac_ageing_s,
			      "mac_table_size", (int)fdb_capacity(b->fdb));

	if (net->vtep)
		json_object_set_new(o, "vtep", json_string(net->vtep->name));
	json_object_set_new(o, "vteps", json_string(b->known_vteps_only ? "known" : "any"));
	json_object_set_new(o, "learn_from_wire", json_string(on_off(b->learn_from_wire)));
	json_object_set_new(o, "flood_unknown", json_string(on_off(b->flood_unknown)));
	json_object_set_new(o, "inner_vlan", json_string(b->drop_inner_vlan ? "drop" : "pass"));
	json_object_set_new(o, "mss_clamp", json_string(on_off(b->clamps_mss)));
	json_object_set_new(o, "suppress", json_string(suppress_text(b->suppress)));
	json_object_set_new(o, "flood_pps", json_integer(atomic_load(&b->floods.limit)));
	return o;
}

static json_t *network_to_json(struct network *net)
{
	const struct members *members = atomic_load(&net->bridge.members);
	const struct remotes *remotes = atomic_load(&net->bridge.remotes);
	json_t *o = network_conf_to_json(net);

	json_object_set_new(o, "ports", json_integer(members->n));
	json_object_set_new(o, "remotes", json_integer(remotes ? remotes->n : 0));
	return o;
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
	const struct network_wire wire = {
		.vtep = p->vtep ? p->vtep : "",
		.mtu = (uint32_t)p->mtu,
		.known_vteps_only = p->vteps == RPC_ACCEPTED_VTEPS_KNOWN,
		.learn = p->learn_from_wire == RPC_SWITCHED_ON,
		.flood_unknown = p->flood_unknown == RPC_SWITCHED_ON,
		.drop_inner_vlan = p->inner_vlan == RPC_INNER_VLAN_DROP,
		.clamps_mss = p->mss_clamp == RPC_SWITCHED_ON,
		.flood_pps = (uint32_t)p->flood_pps,
	};
	struct network *net = network_create(ctx->sw, &conf, e);

	if (!net)
		return NULL;
	if (network_set_wire(ctx->sw, net, &wire, e) < 0 ||
	    network_set_suppress(ctx->sw, net, (enum suppress_mode)p->suppress, e) < 0) {
		network_delete(ctx->sw, net, NULL);
		return NULL;
	}
	refused_forget(ctx->refused, "network_create", p->name);
	ctx->is_unsaved |= refused_forget_network(ctx->refused, p->name);
	return network_to_json(net);
}

/* Checks the MTU first, so that a refusal changes nothing. */
static int set_wire(struct vswitch *sw, struct network *net, const struct rpc_network_set *p,
		    struct err *e)
{
	const char *before = net->vtep ? net->vtep->name : "";
	struct bridge *b = &net->bridge;
	const struct network_wire wire = {
		.vtep = p->vtep ? p->vtep : before,
		.mtu = p->has_mtu ? (uint32_t)p->mtu : atomic_load(&b->mtu),
		.known_vteps_only = p->has_vteps ? p->vteps == RPC_ACCEPTED_VTEPS_KNOWN
						 : b->known_vteps_only,
		.learn = p->has_learn_from_wire ? p->learn_from_wire == RPC_SWITCHED_ON
						: b->learn_from_wire,
		.flood_unknown = p->has_flood_unknown ? p->flood_unknown == RPC_SWITCHED_ON
						      : b->flood_unknown,
		.drop_inner_vlan = p->has_inner_vlan ? p->inner_vlan == RPC_INNER_VLAN_DROP
						     : b->drop_inner_vlan,
		.clamps_mss = p->has_mss_clamp ? p->mss_clamp == RPC_SWITCHED_ON : b->clamps_mss,
		.flood_pps = p->has_flood_pps ? (uint32_t)p->flood_pps
					      : atomic_load(&b->floods.limit),
	};

	return network_set_wire(sw, net, &wire, e);
}

json_t *rpc_handle_network_set(struct rpc_ctx *ctx, const struct rpc_network_set *p, struct err *e)
{
	struct network *net = network_get(ctx->sw, "name", p->name, e);
	enum suppress_mode before;

	if (!net)
		return NULL;
	before = (enum suppress_mode)atomic_load(&net->bridge.suppress);
	if (p->has_suppress &&
	    network_set_suppress(ctx->sw, net, (enum suppress_mode)p->suppress, e) < 0)
		return NULL;
	if (set_wire(ctx->sw, net, p, e) < 0) {
		network_set_suppress(ctx->sw, net, before, NULL);
		return NULL;
	}
	network_set(net, p->has_mtu ? (uint32_t)p->mtu : atomic_load(&net->bridge.mtu),
		    p->has_mac_ageing_s ? (uint32_t)p->mac_ageing_s : net->mac_ageing_s);
	return network_to_json(net);
}

json_t *rpc_handle_network_delete(struct rpc_ctx *ctx, const struct rpc_network_delete *p,
				  struct err *e)
{
	struct vswitch *sw = ctx->sw;
	struct network *net;

	net = network_find(sw, p->name);
	if (!net && !refused_forget(ctx->refused, "network_create", p->name)) {
		network_get(sw, "name", p->name, e);
		return NULL;
	}
	if (net && network_delete(sw, net, e) < 0)
		return NULL;
	ctx->is_unsaved |= refused_forget_network(ctx->refused, p->name);
	return json_true();
}

json_t *rpc_handle_network_list(struct rpc_ctx *ctx, const struct rpc_network_list *p,
				struct err *e)
{
	struct vswitch *sw = ctx->sw;
	const struct refused_filter filters[] = {{"name", p->name}, {0}};
	json_t *list = json_array();
	struct network *net;

	if (refused_list(ctx, list, "network_create",
			 json_pack("{s:i, s:i}", "ports", 0, "remotes", 0), filters) == 0 &&
	    p->name && !network_get(sw, "name", p->name, e)) {
		json_decref(list);
		return NULL;
	}
	TAILQ_FOREACH (net, &sw->networks, link)
		if (!p->name || network_find(sw, p->name) == net)
			json_array_append_new(list, network_to_json(net));
	return list;
}
