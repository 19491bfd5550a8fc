/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON-RPC methods of neighbours. */
#include "control/neighbour_rpc.h"

#include "rpc_schema.h"
#include "control/ctx_rpc.h"
#include "control/mac_rpc.h"
#include "control/neighbour.h"
#include "control/refused.h"
#include "pkt/neigh_msg.h"

json_t *neighbour_conf_to_json(const struct network *net, const struct neigh *n)
{
	char address[IP_ADDR_TEXT_SIZE], mac[MAC_TEXT_SIZE];

	ip_addr_format(&n->address, address);
	mac_format(n->mac, mac);
	return json_pack("{s:s, s:s, s:s, s:s}", "network", net->name, "address", address, "mac",
			 mac, "router", on_off(n->flags & NEIGH_ROUTER));
}

static json_t *neighbour_to_json(const struct network *net, const struct neigh *n)
{
	uint32_t now_s = switch_now_s();
	json_t *o = neighbour_conf_to_json(net, n);

	json_object_set_new(o, "static", json_boolean(n->is_static));
	json_object_set_new(o, "router", json_boolean(n->flags & NEIGH_ROUTER));
	if (!n->is_static)
		json_object_set_new(o, "age_s",
				    json_integer(now_s > n->seen_s ? now_s - n->seen_s : 0));
	return o;
}

static bool parse(const char *text, struct ip_addr *address, struct err *e)
{
	if (ip_addr_parse(text, address) && ip_addr_is_host(address))
		return true;
	err_set(e, ERR_INVALID, "address", "address '%s': not a host's IP address", text);
	return false;
}

/* Forgets the refused call that would add this neighbour. */
static bool forget_refused(struct rpc_ctx *ctx, const char *network, const struct ip_addr *address)
{
	char text[IP_ADDR_TEXT_SIZE];

	ip_addr_format(address, text);
	return refused_forget_in(ctx->refused, "neighbour_add", "network", network, "address",
				 text);
}

json_t *rpc_handle_neighbour_add(struct rpc_ctx *ctx, const struct rpc_neighbour_add *p,
				 struct err *e)
{
	struct network *net = network_get(ctx->sw, "network", p->network, e);
	struct neigh n = {.is_static = true, .flags = NEIGH_OVERRIDE};

	if (!net || !parse(p->address, &n.address, e) || mac_parse("mac", p->mac, &n.mac, e) < 0)
		return NULL;
	if (p->router == RPC_SWITCHED_ON)
		n.flags |= NEIGH_ROUTER;
	if (neighbour_add(net, &n, e) < 0)
		return NULL;
	forget_refused(ctx, p->network, &n.address);
	return neighbour_to_json(net, &n);
}

json_t *rpc_handle_neighbour_delete(struct rpc_ctx *ctx, const struct rpc_neighbour_delete *p,
				    struct err *e)
{
	struct ip_addr address;
	struct network *net;

	if (!parse(p->address, &address, e))
		return NULL;
	if (forget_refused(ctx, p->network, &address))
		return json_true();
	net = network_get(ctx->sw, "network", p->network, e);
	return net && neighbour_delete(net, &address, e) == 0 ? json_true() : NULL;
}

struct walk {
	const struct network *net;
	json_t *list;
};

static bool list_one(void *ctx, const struct neigh *n)
{
	struct walk *w = ctx;

	json_array_append_new(w->list, neighbour_to_json(w->net, n));
	return false;
}

json_t *rpc_handle_neighbour_list(struct rpc_ctx *ctx, const struct rpc_neighbour_list *p,
				  struct err *e)
{
	struct walk w = {.list = json_array()};
	struct network *net;

	if (p->network && !network_get(ctx->sw, "network", p->network, e)) {
		json_decref(w.list);
		return NULL;
	}
	TAILQ_FOREACH (net, &ctx->sw->networks, link) {
		if (p->network && network_find(ctx->sw, p->network) != net)
			continue;
		w.net = net;
		neighbour_each(net, list_one, &w);
	}
	return w.list;
}
