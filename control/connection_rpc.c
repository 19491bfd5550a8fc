/* SPDX-License-Identifier: BSD-3-Clause */
/* The JSON-RPC method that lists connections. The VM's worker reads its table, in parts, since
 * nobody else may. */
#include <string.h>

#include <jansson.h>

#include "rpc_schema.h"
#include "base/ip_addr.h"
#include "base/ip_proto.h"
#include "control/ctx_rpc.h"
#include "policy/conntrack.h"
#include "vswitch/groups.h"

#define LISTED_MOST     10000
#define PLACES_PER_CALL 256

struct list_call {
	const struct conntrack *table;
	uint32_t at, n;
	struct conn_info info[PLACES_PER_CALL];
};

static void list_part(struct worker *w, void *arg)
{
	struct list_call *c = arg;

	c->n = conntrack_list(c->table, &c->at, PLACES_PER_CALL, groups_now_ms(w), c->info);
}

/* The address of a key, which has IPv4 addresses mapped into IPv6. */
static struct ip_addr address_of(const uint8_t in_key[16], bool is_v6)
{
	struct ip_addr a = {.is_v6 = is_v6};

	memcpy(a.bytes, is_v6 ? in_key : in_key + 12, ip_addr_len(&a));
	return a;
}

/* The name of the port that a key's number stands for; "?" for one that is gone or has moved. */
static const char *port_of(const struct vswitch *sw, const struct vm *vm, uint16_t number)
{
	const struct port *port;

	TAILQ_FOREACH (port, &sw->ports, link)
		if (port->vm == vm && (uint16_t)atomic_load(&port->vport.epoch) == number)
			return port->name;
	return "?";
}

static json_t *connection_to_json(const struct vswitch *sw, const struct vm *vm,
				  const struct conn_info *c)
{
	struct ip_addr local_address = address_of(c->key.local, c->is_v6);
	struct ip_addr remote_address = address_of(c->key.remote, c->is_v6);
	char local[IP_ADDR_TEXT_SIZE], remote[IP_ADDR_TEXT_SIZE], protocol[IP_PROTO_TEXT_SIZE];

	ip_addr_format(&local_address, local);
	ip_addr_format(&remote_address, remote);
	ip_proto_format(c->key.proto, protocol);
	return json_pack("{s:s, s:s, s:s, s:i, s:s, s:i, s:s, s:s, s:i, s:i}", "port",
			 port_of(sw, vm, c->key.port), "protocol", protocol, "local", local,
			 "local_port", (int)c->key.lport, "remote", remote, "remote_port",
			 (int)c->key.rport, "opened_by", c->opener == FLOW_SENT ? "vm" : "other",
			 "state", conn_state_text((enum conn_state)c->state), "idle_s",
			 (int)(c->idle_ms / 1000), "left_s", (int)(c->left_ms / 1000));
}

static void list_connections(struct vswitch *sw, const struct vm *vm, const struct ip_addr *remote,
			     json_t *list)
{
	struct list_call c = {.table = vm->connections};

	while (c.table && c.at != UINT32_MAX && json_array_size(list) < LISTED_MOST) {
		worker_call(vm->worker, list_part, &c);
		for (uint32_t i = 0; i < c.n; i++) {
			struct ip_addr a = address_of(c.info[i].key.remote, c.info[i].is_v6);

			if (!remote || ip_addr_equal(&a, remote))
				json_array_append_new(list, connection_to_json(sw, vm, &c.info[i]));
		}
	}
}

json_t *rpc_handle_connection_list(struct rpc_ctx *ctx, const struct rpc_connection_list *p,
				   struct err *e)
{
	const struct vm *vm = vm_find(ctx->sw, p->vm);
	struct ip_addr remote;
	json_t *list;

	if (!vm) {
		err_set(e, ERR_NOT_FOUND, "vm", "vm '%s' does not exist", p->vm);
		return NULL;
	}
	if (p->remote && !ip_addr_parse(p->remote, &remote)) {
		err_set(e, ERR_INVALID, "remote", "remote '%s': not an IP address", p->remote);
		return NULL;
	}
	list = json_array();
	list_connections(ctx->sw, vm, p->remote ? &remote : NULL, list);
	return list;
}
