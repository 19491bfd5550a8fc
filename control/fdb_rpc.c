/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON-RPC methods of forwarding databases. */
#include <errno.h>

#include <jansson.h>

#include "rpc_schema.h"
#include "control/ctx_rpc.h"
#include "control/mac_rpc.h"
#include "control/refused.h"
#include "control/switch.h"
#include "control/tunnel.h"
#include "vswitch/batch.h"

/* Which entries a call is about, and what to do with them. */
struct walk {
	struct vswitch *sw;
	const struct network *net;
	const struct port *port; /* NULL: any */
	json_t *list;            /* entries are added to it, unless NULL */
	bool forget;             /* learned entries are removed */
	uint32_t forgotten;
};

/* What an entry points to. NULL, NULL: to nothing any more. */
struct place {
	const struct port *port;
	const struct remote *remote;
};

static struct place place_of(const struct vswitch *sw, uint16_t dest)
{
	struct place p = {0};

	if (!dest_is_remote(dest))
		p.port = sw->port_slot[dest];
	else
		p.remote = remote_at(sw, dest);
	return p;
}

static json_t *entry_to_json(const struct network *net, const struct place *place,
			     const struct fdb_entry *entry)
{
	char mac[MAC_TEXT_SIZE], address[IP_ADDR_TEXT_SIZE];
	uint32_t now_s = switch_now_s();
	json_t *o;

	mac_format(entry->mac, mac);
	o = json_pack("{s:s, s:s}", "network", net->name, "mac", mac);
	if (place->port) {
		json_object_set_new(o, "port", json_string(place->port->name));
	} else {
		ip_addr_format(&place->remote->address, address);
		json_object_set_new(o, "remote", json_string(address));
	}
	json_object_set_new(o, "static", json_boolean(entry->is_static));
	if (!entry->is_static)
		json_object_set_new(
			o, "age_s",
			json_integer(now_s > entry->seen_s ? now_s - entry->seen_s : 0));
	return o;
}

static bool visit(void *ctx, const struct fdb_entry *entry)
{
	struct walk *w = ctx;
	const struct place place = place_of(w->sw, entry->port);

	if ((!place.port && !place.remote) || (w->port && w->port != place.port))
		return false;
	if (w->list)
		json_array_append_new(w->list, entry_to_json(w->net, &place, entry));
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
		net = network_get(w->sw, "network", network, e);
		if (!net)
			return -ENOENT;
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

static struct port *find_port(struct vswitch *sw, const struct network *net, const char *name,
			      struct err *e)
{
	struct port *port = port_find(sw, name);

	if (!port)
		err_set(e, ERR_NOT_FOUND, "port", "port '%s' does not exist", name);
	else if (port->net != net)
		err_set(e, ERR_INVALID, "port", "port '%s' is not in network '%s'", name,
			net->name);
	return port && port->net == net ? port : NULL;
}

/* Adds a static address. */
static int add(struct network *net, const char *mac, uint16_t dest, uint64_t *number, struct err *e)
{
	int ret = mac_parse("mac", mac, number, e);

	if (ret < 0)
		return ret;
	ret = fdb_add_static(net->bridge.fdb, *number, dest);
	if (ret == -EEXIST)
		return err_set(e, ERR_EXISTS, "mac", "mac '%s' is static in network '%s' already",
			       mac, net->name);
	if (ret < 0)
		return err_set(e, ERR_NO_SPACE, "mac", "mac '%s': no room in network '%s'", mac,
			       net->name);
	return 0;
}

/* Adds one behind another host, which the entry then keeps known. */
static const struct remote *add_remote(struct vswitch *sw, struct network *net,
				       const struct rpc_fdb_add *p, uint64_t *mac, struct err *e)
{
	struct remote *r;

	if (!net->vtep) {
		err_set(e, ERR_INVALID, "remote", "network '%s' has no vtep", net->name);
		return NULL;
	}
	r = remote_get(sw, net->vtep, "remote", p->remote, e);
	if (r && add(net, p->mac, DEST_FIRST_REMOTE + r->id, mac, e) < 0) {
		remote_put(sw, r);
		remotes_publish(sw);
		r = NULL;
	}
	return r;
}

/* Forgets the refused call that would add this address. */
static bool forget_refused(struct rpc_ctx *ctx, const char *network, const char *mac)
{
	char text[MAC_TEXT_SIZE];
	struct err unused;
	uint64_t number;

	if (mac_parse("mac", mac, &number, &unused) < 0)
		return false;
	mac_format(number, text);
	return refused_forget_in(ctx->refused, "fdb_add", "network", network, "mac", text);
}

json_t *rpc_handle_fdb_add(struct rpc_ctx *ctx, const struct rpc_fdb_add *p, struct err *e)
{
	struct network *net = network_get(ctx->sw, "network", p->network, e);
	struct fdb_entry entry = {.is_static = true};
	struct place place = {0};

	if (!net)
		return NULL;
	if (!p->port == !p->remote) {
		err_set(e, ERR_INVALID, "port", "exactly one of port and remote has to be given");
		return NULL;
	}
	if (p->remote) {
		place.remote = add_remote(ctx->sw, net, p, &entry.mac, e);
		if (!place.remote)
			return NULL;
	} else {
		place.port = find_port(ctx->sw, net, p->port, e);
		if (!place.port || add(net, p->mac, place.port->vport.id, &entry.mac, e) < 0)
			return NULL;
	}
	forget_refused(ctx, p->network, p->mac);
	return entry_to_json(net, &place, &entry);
}

json_t *rpc_handle_fdb_delete(struct rpc_ctx *ctx, const struct rpc_fdb_delete *p, struct err *e)
{
	struct network *net;
	struct fdb_entry was;
	uint64_t mac;

	if (forget_refused(ctx, p->network, p->mac))
		return json_true();
	net = network_get(ctx->sw, "network", p->network, e);
	if (!net || mac_parse("mac", p->mac, &mac, e) < 0)
		return NULL;
	if (fdb_remove(net->bridge.fdb, mac, &was) < 0) {
		err_set(e, ERR_NOT_FOUND, "mac", "mac '%s' is not known in network '%s'", p->mac,
			p->network);
		return NULL;
	}
	if (was.is_static && dest_is_remote(was.port)) {
		remote_put(ctx->sw, remote_at(ctx->sw, was.port));
		remotes_publish(ctx->sw);
	}
	return json_true();
}
