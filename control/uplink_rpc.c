/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON-RPC methods of uplinks and VTEPs: parameters in, what there is in JSON out. Both kinds are
 * in one file, since each VTEP needs an uplink and there are few of either.
 *
 * Owns nothing. Called by the control thread, one call at a time. Memory: the answer. */
#include "control/uplink_rpc.h"

#include <stdio.h>
#include <string.h>

#include "base/counter.h"
#include "control/ctx_rpc.h"
#include "control/mac_rpc.h"
#include "control/refused.h"
#include "control/refused_rpc.h"
#include "control/switch.h"
#include "control/tunnel.h"
#include "rpc_schema.h"
#include "vswitch/fdb.h"

/* --- uplinks -----------------------------------------------------------------------------------
 */

json_t *uplink_conf_to_json(const struct uplink *u)
{
	json_t *o = json_pack("{s:s, s:s, s:i}", "name", u->name, "device", u->device, "mtu",
			      (int)u->mtu);

	if (u->is_interface_given)
		json_object_set_new(o, "kernel_interface", json_string(u->interface));
	json_object_set_new(o, "tx_wait_us", json_integer((json_int_t)u->tx_wait_us));
	if (u->rx_workers[0])
		json_object_set_new(o, "rx_workers", json_string(u->rx_workers));
	return o;
}

void uplink_state_text(const struct uplink *u, char *text, size_t size)
{
	const struct uplink_status *st = &u->status;

	if (st->is_gone)
		snprintf(text, size, "down: the device was removed");
	else if (!st->is_up)
		snprintf(text, size, "down: no link");
	else if (st->speed_mbps >= 1000)
		snprintf(text, size, "up: %.4g Gbit/s", st->speed_mbps / 1000.0);
	else if (st->speed_mbps)
		snprintf(text, size, "up: %u Mbit/s", st->speed_mbps);
	else
		snprintf(text, size, "up");
}

static json_t *uplink_to_json(const struct uplink *u)
{
	json_t *o = uplink_conf_to_json(u);
	char text[64];

	json_object_set_new(o, "kernel_interface", json_string(u->interface));
	json_object_set_new(o, "state", json_string(u->status.is_up ? "up" : "down"));
	uplink_state_text(u, text, sizeof(text));
	json_object_set_new(o, "state_text", json_string(text));
	json_object_set_new(o, "driver", json_string(u->status.driver ? u->status.driver : ""));
	mac_format(fdb_mac(u->status.mac), text);
	json_object_set_new(o, "mac", json_string(text));
	json_object_set_new(o, "vteps", json_integer(u->n_vteps));
	return o;
}

static struct uplink *find_uplink(struct vswitch *sw, const char *field, const char *name,
				  struct err *e)
{
	struct uplink *u = uplink_find(sw, name);

	if (!u)
		err_set(e, ERR_NOT_FOUND, field, "uplink '%s' does not exist", name);
	return u;
}

json_t *rpc_handle_uplink_create(struct rpc_ctx *ctx, const struct rpc_uplink_create *p,
				 struct err *e)
{
	const struct uplink_params params = {
		.name = p->name,
		.device = p->device,
		.interface = p->kernel_interface,
		.mtu = (uint16_t)p->mtu,
		.tx_wait_us = (uint32_t)p->tx_wait_us,
		.rx_workers = p->rx_workers,
		/* The daemon may have been started with others: the tunnel is worth more. */
		.may_lack_workers = ctx->is_replaying,
	};
	struct uplink *u = uplink_create(ctx->sw, &params, e);

	if (!u)
		return NULL;
	refused_forget(ctx->refused, "uplink_create", p->name);
	return uplink_to_json(u);
}

json_t *rpc_handle_uplink_delete(struct rpc_ctx *ctx, const struct rpc_uplink_delete *p,
				 struct err *e)
{
	struct uplink *u;

	if (!uplink_find(ctx->sw, p->name) &&
	    refused_forget(ctx->refused, "uplink_create", p->name))
		return json_true();
	u = find_uplink(ctx->sw, "name", p->name, e);
	return u && uplink_delete(ctx->sw, u, e) == 0 ? json_true() : NULL;
}

/* The fields of a refused uplink beside its parameters. */
static json_t *no_uplink(void)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i}", "kernel_interface", "", "state",
			 "refused", "state_text", "", "driver", "", "mac", "00:00:00:00:00:00",
			 "vteps", 0);
}

json_t *rpc_handle_uplink_list(struct rpc_ctx *ctx, const struct rpc_uplink_list *p, struct err *e)
{
	const struct refused_filter filters[] = {{"name", p->name}, {0}};
	struct tunnel *t = ctx->sw->tunnel;
	json_t *list = json_array();
	const struct uplink *u;

	if (refused_list(ctx, list, "uplink_create", no_uplink(), filters) == 0 && p->name &&
	    !find_uplink(ctx->sw, "name", p->name, e)) {
		json_decref(list);
		return NULL;
	}
	if (!t)
		return list;
	TAILQ_FOREACH (u, &t->uplinks, link)
		if (!p->name || strcmp(u->name, p->name) == 0)
			json_array_append_new(list, uplink_to_json(u));
	return list;
}

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *queue_to_json(const struct vswitch *sw, const struct uplink *u, unsigned i)
{
	const struct uplink_counters *c = &uplink_queue(u->dev, i)->counters;
	json_t *o = json_pack("{s:s, s:i, s:i, s:i}", "uplink", u->name, "queue", (int)i, "worker",
			      (int)sw->worker[i]->core, "rx_worker",
			      (int)sw->worker[uplink_rx_worker(u, i)]->core);
	json_t *drops = json_object();
	uint64_t dropped = 0;

	for (int d = 0; d < WIRE_DROP_COUNT; d++) {
		uint64_t n = counter_read(&c->rx_drops[d]);

		dropped += n;
		if (n)
			json_object_set_new(drops, wire_drop_text(d), number(n));
	}
	json_object_set_new(o, "tx_packets", number(counter_read(&c->tx_packets)));
	json_object_set_new(o, "tx_bytes", number(counter_read(&c->tx_bytes)));
	json_object_set_new(o, "tx_dropped",
			    number(counter_read(&c->tx_full) + counter_read(&c->tx_down)));
	json_object_set_new(o, "rx_packets", number(counter_read(&c->rx_packets)));
	json_object_set_new(o, "rx_bytes", number(counter_read(&c->rx_bytes)));
	json_object_set_new(o, "rx_dropped", number(dropped));
	json_object_set_new(o, "rx_drops", drops);
	json_object_set_new(o, "device_missed", number(u->status.missed));
	json_object_set_new(o, "device_no_buffer", number(u->status.no_mbuf));
	json_object_set_new(o, "device_errors", number(u->status.errors));
	return o;
}

json_t *rpc_handle_stats_uplinks(struct rpc_ctx *ctx, const struct rpc_stats_uplinks *p,
				 struct err *e)
{
	struct vswitch *sw = ctx->sw;
	json_t *list;
	const struct uplink *u;

	if (p->uplink && !find_uplink(sw, "uplink", p->uplink, e))
		return NULL;
	list = json_array();
	if (!sw->tunnel)
		return list;
	TAILQ_FOREACH (u, &sw->tunnel->uplinks, link) {
		if (p->uplink && strcmp(u->name, p->uplink) != 0)
			continue;
		for (unsigned i = 0; i < sw->n_workers; i++)
			json_array_append_new(list, queue_to_json(sw, u, i));
	}
	return list;
}

/* --- VTEPs -------------------------------------------------------------------------------------
 */

_Static_assert((int)RPC_OUTER_SUM_AUTO == (int)VTEP_SUM_AUTO &&
		       (int)RPC_OUTER_SUM_ON == (int)VTEP_SUM_ON &&
		       (int)RPC_OUTER_SUM_OFF == (int)VTEP_SUM_OFF,
	       "in the schema's order");

json_t *vtep_conf_to_json(const struct vtep *v)
{
	static const char *const sums[] = {"auto", "on", "off"};
	char address[IP_ADDR_TEXT_SIZE];

	ip_addr_format(&v->address, address);
	return json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:s, s:s, s:s}", "name", v->name, "uplink",
			 v->uplink->name, "address", address, "port", (int)v->port, "ttl",
			 (int)v->ttl, "dscp", v->dscp, "sum", sums[v->sum], "zero_sum",
			 on_off(v->accept_zero_sum), "strict_reserved", on_off(v->strict_reserved));
}

static json_t *vtep_to_json(const struct vtep *v)
{
	json_t *o = vtep_conf_to_json(v);

	json_object_set_new(o, "mtu", json_integer(vtep_mtu(v)));
	json_object_set_new(o, "networks", json_integer(v->n_networks));
	json_object_set_new(o, "remotes", json_integer(v->n_remotes));
	return o;
}

static struct vtep *find_vtep(struct vswitch *sw, const char *name, struct err *e)
{
	struct vtep *v = vtep_find(sw, name);

	if (!v)
		err_set(e, ERR_NOT_FOUND, "name", "vtep '%s' does not exist", name);
	return v;
}

json_t *rpc_handle_vtep_create(struct rpc_ctx *ctx, const struct rpc_vtep_create *p, struct err *e)
{
	const struct vtep_params params = {
		.name = p->name,
		.uplink = p->uplink,
		.address = p->address,
		.port = (uint16_t)p->port,
		.ttl = (uint8_t)p->ttl,
		.dscp = (int)p->dscp,
		.sum = (enum vtep_sum)p->sum,
		.accept_zero_sum = p->zero_sum == RPC_SWITCHED_ON,
		.strict_reserved = p->strict_reserved == RPC_SWITCHED_ON,
		/* It may come later than the daemon; until then remotes say that it is not there.
		 */
		.may_lack_address = ctx->is_replaying,
	};
	struct vtep *v = vtep_create(ctx->sw, &params, e);

	if (!v)
		return NULL;
	refused_forget(ctx->refused, "vtep_create", p->name);
	return vtep_to_json(v);
}

json_t *rpc_handle_vtep_delete(struct rpc_ctx *ctx, const struct rpc_vtep_delete *p, struct err *e)
{
	struct vtep *v;

	if (!vtep_find(ctx->sw, p->name) && refused_forget(ctx->refused, "vtep_create", p->name))
		return json_true();
	v = find_vtep(ctx->sw, p->name, e);
	return v && vtep_delete(ctx->sw, v, e) == 0 ? json_true() : NULL;
}

json_t *rpc_handle_vtep_list(struct rpc_ctx *ctx, const struct rpc_vtep_list *p, struct err *e)
{
	const struct refused_filter filters[] = {{"name", p->name}, {0}};
	struct tunnel *t = ctx->sw->tunnel;
	json_t *list = json_array();
	const struct vtep *v;

	if (refused_list(ctx, list, "vtep_create",
			 json_pack("{s:i, s:i, s:i}", "mtu", 0, "networks", 0, "remotes", 0),
			 filters) == 0 &&
	    p->name && !find_vtep(ctx->sw, p->name, e)) {
		json_decref(list);
		return NULL;
	}
	if (!t)
		return list;
	TAILQ_FOREACH (v, &t->vteps, link)
		if (!p->name || strcmp(v->name, p->name) == 0)
			json_array_append_new(list, vtep_to_json(v));
	return list;
}
