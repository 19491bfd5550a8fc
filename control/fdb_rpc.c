/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON-RPC methods of forwarding databases. */
#include <errno.h>

#include <jansson.h>

#include "rpc_schema.h"
#include "control/ctx_rpc.h"
#include "control/mac_rpc.h"

/* Which entries a call is about, and what to do with them. */
struct walk {
	struct vswitch *sw;
	const struct network *net;
	const struct port *port; /* NULL: any */
	json_t *list;            /* entries are added to it, unless NULL */
	bool forget;             /* learned entries are removed */
	uint32_t forgotten;
};

static json_t *entry_to_json(const struct network *net, const struct port *port,
			     const struct fdb_entry *entry)
{
	char mac[MAC_TEXT_SIZE];
	uint32_t now_s = switch_now_s();
	json_t *o;

	mac_format(entry->mac, mac);
	o = json_pack("{s:s, s:s, s:s, s:b}", "network", net->name, "mac", mac, "port", port->name,
		      "static", entry->is_static);
	if (!entry->is_static)
		json_object_set_new(
			o, "age_s",
			json_integer(now_s > entry->seen_s ? now_s - entry->seen_s : 0));
	return o;
}

static bool visit(void *ctx, const struct fdb_entry *entry)
{
	struct walk *w = ctx;
	const struct port *port = w->sw->port_slot[entry->port];

	if (!port || (w->port && w->port != port))
		return false;
	if (w->list)
		json_array_append_new(w->list, entry_to_json(w->net, port, entry));
	if (!w->forget || entry->is_static)
		return false;
	w->forgotten++;
	return true;
}

/* Walks the named network, or all. */
static int walk(struct walk *w, const char *network, const char *port, struct err *e)
{
	struct network *net;

	if (port && !(w->port = port_find(w->sw, port)))
		return err_set(e, ERR_NOT_FOUND, "port", "port '%s' does not exist", port);
	if (network) {
		net = network_find(w->sw, network);
		if (!net)
			return err_set(e, ERR_NOT_FOUND, "network", "network '%s' does not exist",
				       network);
		w->net = net;
		fdb_sweep(net->bridge.fdb, visit, w);
		return 0;
	}
	TAILQ_FOREACH (net, &w->sw->networks, link) {
		w->net = net;
		fdb_sweep(net->bridge.fdb, visit, w);
	}
	return 0;
}

json_t *rpc_handle_fdb_list(struct rpc_ctx *ctx, const struct rpc_fdb_list *p, struct err *e)
{
	struct walk w = {.sw = ctx->sw, .list = json_array()};

	if (walk(&w, p->network, p->port, e) < 0) {
		json_decref(w.list);
		return NULL;
	}
	return w.list;
}

json_t *rpc_handle_fdb_flush(struct rpc_ctx *ctx, const struct rpc_fdb_flush *p, struct err *e)
{
	struct walk w = {.sw = ctx->sw, .forget = true};

	if (walk(&w, p->network, p->port, e) < 0)
		return NULL;
	return json_pack("{s:i}", "flushed", (int)w.forgotten);
}

json_t *rpc_handle_fdb_add(struct rpc_ctx *ctx, const struct rpc_fdb_add *p, struct err *e)
{
	struct network *net = network_find(ctx->sw, p->network);
	struct port *port = port_find(ctx->sw, p->port);
	struct fdb_entry entry = {.is_static = true};
	int ret;

	if (!net) {
		err_set(e, ERR_NOT_FOUND, "network", "network '%s' does not exist", p->network);
		return NULL;
	}
	if (!port) {
		err_set(e, ERR_NOT_FOUND, "port", "port '%s' does not exist", p->port);
		return NULL;
	}
	if (port->net != net) {
		err_set(e, ERR_INVALID, "port", "port '%s' is not in network '%s'", p->port,
			p->network);
		return NULL;
	}
	if (mac_parse("mac", p->mac, &entry.mac, e) < 0)
		return NULL;
	ret = fdb_add_static(net->bridge.fdb, entry.mac, port->vport.id);
	if (ret == -EEXIST) {
		err_set(e, ERR_EXISTS, "mac", "mac '%s' is static in network '%s' already", p->mac,
			p->network);
		return NULL;
	}
	if (ret < 0) {
		err_set(e, ERR_NO_SPACE, "mac", "mac '%s': no room in network '%s'", p->mac,
			p->network);
		return NULL;
	}
	return entry_to_json(net, port, &entry);
}

json_t *rpc_handle_fdb_delete(struct rpc_ctx *ctx, const struct rpc_fdb_delete *p, struct err *e)
{
	struct network *net = network_find(ctx->sw, p->network);
	uint64_t mac;

	if (!net) {
		err_set(e, ERR_NOT_FOUND, "network", "network '%s' does not exist", p->network);
		return NULL;
	}
	if (mac_parse("mac", p->mac, &mac, e) < 0)
		return NULL;
	if (fdb_remove(net->bridge.fdb, mac) < 0) {
		err_set(e, ERR_NOT_FOUND, "mac", "mac '%s' is not known in network '%s'", p->mac,
			p->network);
		return NULL;
	}
	return json_true();
}
