/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON-RPC methods of remotes. */
#include <jansson.h>

#include "control/ctx_rpc.h"
#include "control/mac_rpc.h"
#include "control/refused.h"
#include "control/switch.h"
#include "control/tunnel.h"
#include "rpc_schema.h"
#include "vswitch/batch.h"

static json_t *remote_to_json(struct vswitch *sw, const struct remote *r)
{
	const struct underlay_way *way = underlay_way_of(r->path);
	const struct adjacency *a = atomic_load(&sw->tunnel->tables->adjacency[r->id]);
	bool is_link_down = !r->vtep->uplink->status.is_up;
	char address[IP_ADDR_TEXT_SIZE], mac[MAC_TEXT_SIZE];
	struct remote_counters c;
	json_t *o;

	ip_addr_format(&r->address, address);
	o = json_pack("{s:s, s:s}", "address", address, "vtep", r->vtep->name);
	json_object_set_new(
		o, "state",
		json_string(underlay_state_text(is_link_down ? UNDERLAY_LINK_DOWN : way->state)));
	json_object_set_new(o, "state_text",
			    is_link_down
				    ? json_sprintf("uplink '%s' is down", r->vtep->uplink->name)
				    : json_string(way->text));
	if (way->state == UNDERLAY_UP) {
		mac_format(fdb_mac(way->dst_mac), mac);
		json_object_set_new(o, "mac", json_string(mac));
	}
	json_object_set_new(o, "mtu", json_integer(a->mtu));
	c = remote_count(sw, r);
	json_object_set_new(o, "packets", json_integer((json_int_t)c.packets));
	json_object_set_new(o, "bytes", json_integer((json_int_t)c.bytes));
	json_object_set_new(o, "drops", json_integer((json_int_t)c.drops));
	return o;
}

/* Forgets the refused call that would add this remote. The configuration has addresses in one
 * form. */
static bool forget_refused(struct rpc_ctx *ctx, const char *network, const char *address)
{
	char text[IP_ADDR_TEXT_SIZE];
	struct ip_addr a;

	if (!ip_addr_parse(address, &a))
		return false;
	ip_addr_format(&a, text);
	return refused_forget_in(ctx->refused, "network_add_remote", "network", network, "address",
				 text);
}

json_t *rpc_handle_network_add_remote(struct rpc_ctx *ctx, const struct rpc_network_add_remote *p,
				      struct err *e)
{
	struct network *net = network_get(ctx->sw, "network", p->network, e);

	if (!net || network_add_remote(ctx->sw, net, p->address, e) < 0)
		return NULL;
	forget_refused(ctx, p->network, p->address);
	return json_true();
}

json_t *rpc_handle_network_remove_remote(struct rpc_ctx *ctx,
					 const struct rpc_network_remove_remote *p, struct err *e)
{
	struct network *net;

	if (forget_refused(ctx, p->network, p->address))
		return json_true();
	net = network_get(ctx->sw, "network", p->network, e);
	return net && network_remove_remote(ctx->sw, net, p->address, e) == 0 ? json_true() : NULL;
}

json_t *rpc_handle_remote_list(struct rpc_ctx *ctx, const struct rpc_remote_list *p, struct err *e)
{
	struct vswitch *sw = ctx->sw;
	struct network *net = p->network ? network_get(sw, "network", p->network, e) : NULL;
	const struct remotes *of_net = net ? atomic_load(&net->bridge.remotes) : NULL;
	const struct remote *r;
	json_t *list;

	if (p->network && !net)
		return NULL;
	list = json_array();
	for (uint32_t i = 0; of_net && i < of_net->n; i++)
		json_array_append_new(list, remote_to_json(sw, remote_at(sw, of_net->dest[i])));
	if (net || !sw->tunnel)
		return list;
	TAILQ_FOREACH (r, &sw->tunnel->remotes, link)
		json_array_append_new(list, remote_to_json(sw, r));
	return list;
}
