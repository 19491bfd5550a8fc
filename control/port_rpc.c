/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON-RPC methods of ports. */
#include "control/port_rpc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "rpc_schema.h"
#include "vhost/vdev_net.h"
#include "vhost/vdev_text.h"
#include "control/ctx_rpc.h"
#include "control/refused.h"
#include "control/refused_rpc.h"
#include "control/security_rpc.h"
#include "control/sources_rpc.h"
#include "control/switch.h"

static json_t *features_to_json(uint64_t features)
{
	json_t *list = json_array();

	for (unsigned bit = 0; bit < 64; bit++)
		if (features & (1ULL << bit) && vdev_net_feature_text(bit))
			json_array_append_new(list, json_string(vdev_net_feature_text(bit)));
	return list;
}

_Static_assert((int)RPC_OFFLOADS_ALL == (int)VDEV_NET_OFFLOADS_ALL &&
		       (int)RPC_OFFLOADS_CHECKSUM == (int)VDEV_NET_OFFLOADS_CHECKSUM &&
		       (int)RPC_OFFLOADS_NONE == (int)VDEV_NET_OFFLOADS_NONE,
	       "in the schema's order");

json_t *port_conf_to_json(const struct port *port)
{
	const struct network *net = port->net;
	char text[16];
	json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "name", port->name, "vm", port->vm->name,
			      "network", net->name, "socket", port->conf.socket.path);

	json_object_set_new(o, "mode",
			    json_string(port->conf.socket.is_client ? "client" : "server"));
	if (port->owner[0])
		json_object_set_new(o, "owner", json_string(port->owner));
	if (port->group[0])
		json_object_set_new(o, "group", json_string(port->group));
	if (port->conf.socket.mode) {
		snprintf(text, sizeof(text), "%04o", (unsigned)port->conf.socket.mode);
		json_object_set_new(o, "socket_mode", json_string(text));
	}
	json_object_set_new(o, "queue_pairs", json_integer(port->conf.max_pairs));
	json_object_set_new(o, "mac_limit", json_integer(atomic_load(&port->vport.mac_limit)));
	json_object_set_new(o, "bum_pps", json_integer(atomic_load(&port->vport.floods.limit)));
	json_object_set_new(o, "rate_bps", json_integer((json_int_t)port->rates.bps));
	json_object_set_new(o, "rate_pps", json_integer((json_int_t)port->rates.pps));
	json_object_set_new(o, "rate_in_bps", json_integer((json_int_t)port->rates_in.bps));
	json_object_set_new(o, "rate_in_pps", json_integer((json_int_t)port->rates_in.pps));
	sources_to_json(o, &port->sources);
	json_object_set_new(o, "offloads",
			    json_string(vdev_net_offloads_text(port->conf.offloads)));
	json_object_set_new(o, "coalesce",
			    json_string(atomic_load(&port->vport.coalesces) ? "on" : "off"));
	json_object_set_new(o, "security_groups", rule_set_to_json(port->rule_set));
	return o;
}

/* The state in words, with what is odd about it: a guest whose interface has another MTU than the
 * network sends packets that do not pass, or shorter ones than it could. */
static json_t *state_text(const struct vdev_status *st, unsigned mtu)
{
	if (st->mtu == 0 || st->mtu == mtu)
		return json_string(st->text);
	return json_sprintf("%s; its interface was given mtu %u, the network has %u", st->text,
			    st->mtu, mtu);
}

static json_t *port_to_json(struct port *port)
{
	const struct network *net = port->net;
	json_t *o = port_conf_to_json(port);
	struct vdev_status st;

	vdev_status(port->dev, &st);
	json_object_set_new(o, "state", json_string(vdev_state_text(st.state)));
	json_object_set_new(o, "state_text", state_text(&st, atomic_load(&net->bridge.mtu)));
	json_object_set_new(
		o, "state_s",
		json_integer((json_int_t)((clock_now_ns() - st.since_ns) / CLOCK_NS_PER_S)));
	json_object_set_new(o, "features", features_to_json(st.features));
	json_object_set_new(o, "queue_pairs_up", json_integer(st.usable));
	json_object_set_new(o, "worker", json_integer(((struct worker *)port->vport.worker)->core));
	json_object_set_new(o, "mtu", json_integer(atomic_load(&net->bridge.mtu)));
	if (st.mtu)
		json_object_set_new(o, "front_end_mtu", json_integer(st.mtu));
	json_object_set_new(o, "macs", json_integer(atomic_load(&port->vport.macs)));
	json_object_set_new(o, "connects", json_integer((json_int_t)st.connects));
	json_object_set_new(o, "turned_away", json_integer((json_int_t)st.turned_away));
	json_object_set_new(o, "refused_messages", json_integer((json_int_t)st.refused));
	return o;
}

static struct port *find(struct vswitch *sw, const char *name, struct err *e)
{
	struct port *port = port_find(sw, name);

	if (!port)
		err_set(e, ERR_NOT_FOUND, "name", "port '%s' does not exist", name);
	return port;
}

json_t *rpc_handle_port_create(struct rpc_ctx *ctx, const struct rpc_port_create *p, struct err *e)
{
	struct port_conf conf = {
		.name = p->name,
		.vm = p->vm,
		.network = p->network,
		.socket = p->socket,
		.is_client = p->mode == RPC_PORT_MODE_CLIENT,
		.owner = p->owner,
		.group = p->group,
		.mode = p->socket_mode ? (mode_t)strtoul(p->socket_mode, NULL, 8) : 0,
		.queue_pairs = (uint16_t)p->queue_pairs,
		.mac_limit = (uint32_t)p->mac_limit,
		.bum_pps = (uint32_t)p->bum_pps,
		.rates = {p->rate_bps, p->rate_pps},
		.rates_in = {p->rate_in_bps, p->rate_in_pps},
		.offloads = (enum vdev_net_offloads)p->offloads,
		.coalesces = p->coalesce == RPC_SWITCHED_ON,
		.security_groups = p->security_groups,
	};
	const struct sources_params sources = SOURCES_PARAMS(p);
	struct port *port;

	conf.sources.allow = GUARD_ALLOW_USUAL;
	if (sources_parse(&sources, &conf.sources, e) < 0)
		return NULL;
	if (!p->has_mac_guard)
		conf.sources.mac_guard = conf.sources.n_macs > 0;
	port = port_create(ctx->sw, &conf, e);
	if (!port)
		return NULL;
	refused_forget(ctx->refused, "port_create", p->name);
	return port_to_json(port);
}

static void set_rates(struct port *port, const struct rpc_port_set *p)
{
	struct rates_conf rates = port->rates, in = port->rates_in;

	if (p->has_rate_bps)
		rates.bps = p->rate_bps;
	if (p->has_rate_pps)
		rates.pps = p->rate_pps;
	if (p->has_rate_in_bps)
		in.bps = p->rate_in_bps;
	if (p->has_rate_in_pps)
		in.pps = p->rate_in_pps;
	port_set_rates(port, &rates, &in);
}

/* Prepares a port's groups, if others are asked for, or checks that its addresses go with those
 * that it has. */
static int prepare_groups(struct vswitch *sw, const struct port *port, const struct rpc_port_set *p,
			  const struct port_sources *sources, struct groups_change *groups,
			  struct err *e)
{
	if (p->security_groups)
		return port_prepare_groups(sw, port, p->security_groups, sources, groups, e);
	return p->addresses ? port_check_addresses(sw, port, sources, e) : 0;
}

/* The move is the only step that can be refused once the address is checked, so it comes first: a
 * refused call changes nothing. */
json_t *rpc_handle_port_set(struct rpc_ctx *ctx, const struct rpc_port_set *p, struct err *e)
{
	struct vswitch *sw = ctx->sw;
	const struct sources_params params = SOURCES_PARAMS(p);
	struct port *port = find(sw, p->name, e);
	struct groups_change groups;
	struct port_sources sources;
	struct network *net;
	struct guard *guard;

	if (!port)
		return NULL;
	sources = port->sources;
	if (sources_parse(&params, &sources, e) < 0 || port_make_guard(&sources, &guard, e) < 0)
		return NULL;
	net = p->network ? network_get(sw, "network", p->network, e) : port->net;
	if (!net || prepare_groups(sw, port, p, &sources, &groups, e) < 0) {
		free(guard);
		return NULL;
	}
	if (port_set_network(sw, port, net, e) < 0) {
		if (p->security_groups)
			port_cancel_groups(sw, port->vm, &groups);
		free(guard);
		return NULL;
	}
	port_set_sources(sw, port, &sources, guard);
	if (p->security_groups)
		port_set_groups(sw, port, &groups);
	else if (p->addresses && port->rule_set)
		port_publish_addresses(sw, port);
	if (p->has_mac_limit)
		atomic_store(&port->vport.mac_limit, (uint32_t)p->mac_limit);
	if (p->has_bum_pps)
		pps_set(&port->vport.floods, (uint32_t)p->bum_pps);
	if (p->has_rate_bps || p->has_rate_pps || p->has_rate_in_bps || p->has_rate_in_pps)
		set_rates(port, p);
	if (p->has_coalesce)
		atomic_store(&port->vport.coalesces, p->coalesce == RPC_SWITCHED_ON);
	return port_to_json(port);
}

json_t *rpc_handle_port_delete(struct rpc_ctx *ctx, const struct rpc_port_delete *p, struct err *e)
{
	struct vswitch *sw = ctx->sw;
	struct port *port;

	if (!port_find(sw, p->name) && refused_forget(ctx->refused, "port_create", p->name))
		return json_true();
	port = find(sw, p->name, e);
	return port && port_delete(sw, port, e) == 0 ? json_true() : NULL;
}

/* The fields of a refused port beside its parameters. */
static json_t *nothing_up(void)
{
	return json_pack("{s:s, s:s, s:i, s:[], s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "state",
			 "refused", "state_text", "", "state_s", 0, "features", "queue_pairs_up", 0,
			 "worker", 0, "mtu", 0, "macs", 0, "connects", 0, "turned_away", 0,
			 "refused_messages", 0);
}

static bool exists(bool found, const char *what, const char *name, struct err *e)
{
	if (!found)
		err_set(e, ERR_NOT_FOUND, what, "%s '%s' does not exist", what, name);
	return found;
}

json_t *rpc_handle_port_list(struct rpc_ctx *ctx, const struct rpc_port_list *p, struct err *e)
{
	struct vswitch *sw = ctx->sw;
	const struct refused_filter filters[] = {
		{"name", p->name}, {"vm", p->vm}, {"network", p->network}, {0}};
	json_t *list = json_array();
	struct port *port;

	if (refused_list(ctx, list, "port_create", nothing_up(), filters) == 0 &&
	    ((p->name && !find(sw, p->name, e)) ||
	     (p->vm && !exists(vm_find(sw, p->vm), "vm", p->vm, e)) ||
	     (p->network && !exists(network_find(sw, p->network), "network", p->network, e)))) {
		json_decref(list);
		return NULL;
	}
	TAILQ_FOREACH (port, &sw->ports, link) {
		const struct network *net = port->net;

		if ((p->name && strcmp(port->name, p->name) != 0) ||
		    (p->vm && strcmp(port->vm->name, p->vm) != 0) ||
		    (p->network && strcmp(net->name, p->network) != 0))
			continue;
		json_array_append_new(list, port_to_json(port));
	}
	return list;
}
