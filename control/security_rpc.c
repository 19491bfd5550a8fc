/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON-RPC methods of security groups. */
#include "control/security_rpc.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc_schema.h"
#include "base/ip_prefix.h"
#include "base/ip_proto.h"
#include "control/ctx_rpc.h"
#include "control/refused.h"
#include "control/refused_rpc.h"

/* --- protocols and ports -----------------------------------------------------------------------
 */

/* A protocol by its name or number. "icmp" is that of the rule's IP version, as Neutron has it. */
static int parse_protocol(const char *text, bool is_v6, uint8_t *protocol, struct err *e)
{
	if (ip_proto_parse("protocol", text, protocol, e) < 0)
		return -1;
	if (is_v6 && *protocol == IPPROTO_ICMP)
		*protocol = IPPROTO_ICMPV6;
	if (!is_v6 && *protocol == IPPROTO_ICMPV6)
		return err_set(e, ERR_INVALID, "protocol",
			       "protocol 'icmpv6': the rule is for ipv4");
	return 0;
}

static int parse_ports(const struct rpc_security_rule_add *p, struct security_rule *r,
		       struct err *e)
{
	r->first = 0;
	r->last = UINT16_MAX;
	if (!p->has_port_min && !p->has_port_max)
		return 0;
	if (!ip_proto_has_ports(r->protocol))
		return err_set(e, ERR_INVALID, p->has_port_min ? "port_min" : "port_max",
			       "port_%s: protocol '%s' has no ports",
			       p->has_port_min ? "min" : "max", p->protocol);
	r->first = (uint16_t)(p->has_port_min ? p->port_min : p->port_max);
	r->last = (uint16_t)(p->has_port_max ? p->port_max : p->port_min);
	if (r->first > r->last)
		return err_set(e, ERR_INVALID, "port_min", "port_min: %u is above port_max, %u",
			       r->first, r->last);
	return 0;
}

static int parse_icmp(const struct rpc_security_rule_add *p, struct security_rule *r, struct err *e)
{
	const char *field = p->has_icmp_type ? "icmp_type" : "icmp_code";

	if (!p->has_icmp_type && !p->has_icmp_code)
		return 0;
	if (!ip_proto_is_icmp(r->protocol))
		return err_set(e, ERR_INVALID, field, "%s: protocol '%s' is not icmp", field,
			       p->protocol);
	if (!p->has_icmp_type)
		return err_set(e, ERR_INVALID, "icmp_code", "icmp_code: needs icmp_type");
	r->first = (uint16_t)(p->icmp_type << 8 | (p->has_icmp_code ? p->icmp_code : 0));
	r->last = (uint16_t)(p->icmp_type << 8 | (p->has_icmp_code ? p->icmp_code : UINT8_MAX));
	return 0;
}

static int parse_prefix(const char *field, const char *text, struct ip_prefix *p, struct err *e)
{
	const char *why = ip_prefix_parse(text, p);

	return why ? err_set(e, ERR_INVALID, field, "%s '%s': %s", field, text, why) : 0;
}

static int parse_remote(struct vswitch *sw, const struct rpc_security_rule_add *p,
			struct security_rule *r, struct err *e)
{
	struct ip_prefix prefix;

	if (p->remote_prefix && p->remote_group)
		return err_set(e, ERR_INVALID, "remote_group",
			       "remote_group: there is a remote_prefix already");
	if (p->remote_group) {
		r->members = security_group_get(sw, "remote_group", p->remote_group, e);
		return r->members ? 0 : -1;
	}
	r->remote.is_v6 = r->is_v6;
	if (!p->remote_prefix)
		return 0;
	if (parse_prefix("remote_prefix", p->remote_prefix, &prefix, e) < 0)
		return -1;
	if (prefix.address.is_v6 != r->is_v6)
		return err_set(e, ERR_INVALID, "remote_prefix",
			       "remote_prefix '%s': the rule is for %s", p->remote_prefix,
			       r->is_v6 ? "ipv6" : "ipv4");
	r->remote = prefix.address;
	r->remote_bits = prefix.bits;
	return 0;
}

static int parse_rule(struct vswitch *sw, const struct rpc_security_rule_add *p,
		      struct security_rule *r, struct err *e)
{
	*r = (struct security_rule){
		.is_ingress = p->direction == RPC_RULE_DIRECTION_INGRESS,
		.is_v6 = p->ethertype == RPC_ETHERTYPE_IPV6,
		.is_allow = p->action == RPC_RULE_ACTION_ALLOW,
		.priority = (uint16_t)p->priority,
	};
	snprintf(r->id, sizeof(r->id), "%s", p->id ? p->id : "");
	if (parse_protocol(p->protocol, r->is_v6, &r->protocol, e) < 0 ||
	    parse_ports(p, r, e) < 0 || parse_icmp(p, r, e) < 0)
		return -1;
	return parse_remote(sw, p, r, e);
}

/* --- as JSON -----------------------------------------------------------------------------------
 */

json_t *security_group_conf_to_json(const struct security_group *g)
{
	return json_pack("{s:s, s:s, s:s}", "name", g->name, "tenant", g->tenant->name, "egress",
			 "none");
}

static json_t *group_to_json(const struct security_group *g)
{
	return json_pack("{s:s, s:s, s:i, s:i, s:i}", "name", g->name, "tenant", g->tenant->name,
			 "rules", (int)g->n_rules, "ports", (int)g->n_ports, "addresses",
			 (int)g->n_addresses);
}

static void add_service(json_t *o, const struct security_rule *r)
{
	if (r->first == 0 && r->last == UINT16_MAX)
		return;
	if (!ip_proto_is_icmp(r->protocol)) {
		json_object_set_new(o, "port_min", json_integer(r->first));
		json_object_set_new(o, "port_max", json_integer(r->last));
		return;
	}
	json_object_set_new(o, "icmp_type", json_integer(r->first >> 8));
	if (r->first == r->last)
		json_object_set_new(o, "icmp_code", json_integer(r->first & 0xff));
}

json_t *security_rule_conf_to_json(const struct security_group *g, const struct security_rule *r)
{
	struct ip_prefix prefix = {r->remote, r->remote_bits};
	char text[IP_PREFIX_TEXT_SIZE], protocol[IP_PROTO_TEXT_SIZE];
	json_t *o;

	ip_proto_format(r->protocol, protocol);
	o = json_pack("{s:s, s:s, s:s, s:s, s:s}", "group", g->name, "id", r->id, "direction",
		      r->is_ingress ? "ingress" : "egress", "ethertype", r->is_v6 ? "ipv6" : "ipv4",
		      "protocol", protocol);
	add_service(o, r);
	ip_prefix_format(&prefix, text);
	if (r->members)
		json_object_set_new(o, "remote_group", json_string(r->members->name));
	else if (r->remote_bits > 0)
		json_object_set_new(o, "remote_prefix", json_string(text));
	json_object_set_new(o, "action", json_string(r->is_allow ? "allow" : "drop"));
	json_object_set_new(o, "priority", json_integer(r->priority));
	return o;
}

json_t *security_address_conf_to_json(const struct security_group *g,
				      const struct security_address *a)
{
	struct ip_prefix prefix = {a->address, a->bits};
	char text[IP_PREFIX_TEXT_SIZE];

	ip_prefix_format(&prefix, text);
	return json_pack("{s:s, s:s}", "group", g->name, "address", text);
}

json_t *rule_set_to_json(const struct rule_set *set)
{
	char names[MAX_PORT_GROUPS * NAME_SIZE] = "";
	size_t at = 0;

	for (unsigned i = 0; set && i < set->n; i++)
		at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s", i > 0 ? "," : "",
				       set->group[i]->name);
	return json_string(names);
}

/* --- groups ------------------------------------------------------------------------------------
 */

/* Lets ports of the group send whatever they want, as a new group of Neutron's does. */
static int allow_egress(struct vswitch *sw, struct security_group *g, struct err *e)
{
	for (int is_v6 = 0; is_v6 <= 1; is_v6++) {
		const struct security_rule all = {
			.is_v6 = is_v6,
			.is_allow = true,
			.last = UINT16_MAX,
			.priority = DEFAULT_RULE_PRIORITY,
			.remote.is_v6 = is_v6,
		};

		if (!security_rule_add(sw, g, &all, e))
			return -1;
	}
	return 0;
}

json_t *rpc_handle_security_group_create(struct rpc_ctx *ctx,
					 const struct rpc_security_group_create *p, struct err *e)
{
	struct tenant *tenant = tenant_find(ctx->sw, p->tenant);
	struct security_group *g;

	if (!tenant) {
		err_set(e, ERR_NOT_FOUND, "tenant", "tenant '%s' does not exist", p->tenant);
		return NULL;
	}
	g = security_group_create(ctx->sw, p->name, tenant, e);
	if (!g)
		return NULL;
	if (p->egress == RPC_NEW_GROUP_EGRESS_ALLOW) {
		if (allow_egress(ctx->sw, g, e) < 0) {
			security_group_delete(ctx->sw, g, NULL);
			return NULL;
		}
		ctx->is_unsaved = true; /* the journal does not tell the rules */
	}
	refused_forget(ctx->refused, "security_group_create", p->name);
	return group_to_json(g);
}

json_t *rpc_handle_security_group_delete(struct rpc_ctx *ctx,
					 const struct rpc_security_group_delete *p, struct err *e)
{
	struct security_group *g = security_group_find(ctx->sw, p->name);

	if (!g && !refused_forget(ctx->refused, "security_group_create", p->name)) {
		security_group_get(ctx->sw, "name", p->name, e);
		return NULL;
	}
	if (g && security_group_delete(ctx->sw, g, e) < 0)
		return NULL;
	refused_forget_in(ctx->refused, "security_rule_add", "group", p->name, NULL, NULL);
	refused_forget_in(ctx->refused, "security_group_add_address", "group", p->name, NULL, NULL);
	ctx->is_unsaved = true; /* the journal does not tell that its rules are gone */
	return json_true();
}

json_t *rpc_handle_security_group_list(struct rpc_ctx *ctx, const struct rpc_security_group_list *p,
				       struct err *e)
{
	const struct refused_filter filters[] = {{"name", p->name}, {"tenant", p->tenant}, {0}};
	json_t *list = json_array();
	struct security_group *g;

	if (refused_list(ctx, list, "security_group_create",
			 json_pack("{s:i, s:i, s:i}", "rules", 0, "ports", 0, "addresses", 0),
			 filters) == 0 &&
	    p->name && !security_group_get(ctx->sw, "name", p->name, e)) {
		json_decref(list);
		return NULL;
	}
	TAILQ_FOREACH (g, &ctx->sw->security->groups, link)
		if ((!p->name || strcmp(g->name, p->name) == 0) &&
		    (!p->tenant || strcmp(g->tenant->name, p->tenant) == 0))
			json_array_append_new(list, group_to_json(g));
	return list;
}

/* --- rules -------------------------------------------------------------------------------------
 */

json_t *rpc_handle_security_rule_add(struct rpc_ctx *ctx, const struct rpc_security_rule_add *p,
				     struct err *e)
{
	struct security_group *g = security_group_get(ctx->sw, "group", p->group, e);
	const struct security_rule *made;
	struct security_rule rule;

	if (!g || parse_rule(ctx->sw, p, &rule, e) < 0)
		return NULL;
	made = security_rule_add(ctx->sw, g, &rule, e);
	if (!made)
		return NULL;
	if (p->id)
		refused_forget_in(ctx->refused, "security_rule_add", "group", p->group, "id",
				  p->id);
	return security_rule_conf_to_json(g, made);
}

json_t *rpc_handle_security_rule_delete(struct rpc_ctx *ctx,
					const struct rpc_security_rule_delete *p, struct err *e)
{
	struct security_group *g;

	if (refused_forget_in(ctx->refused, "security_rule_add", "group", p->group, "id", p->id))
		return json_true();
	g = security_group_get(ctx->sw, "group", p->group, e);
	return g && security_rule_delete(ctx->sw, g, p->id, e) == 0 ? json_true() : NULL;
}

json_t *rpc_handle_security_rule_list(struct rpc_ctx *ctx, const struct rpc_security_rule_list *p,
				      struct err *e)
{
	json_t *list = json_array();
	struct security_group *g;
	struct security_rule *r;

	if (p->group && !security_group_get(ctx->sw, "group", p->group, e)) {
		json_decref(list);
		return NULL;
	}
	TAILQ_FOREACH (g, &ctx->sw->security->groups, link) {
		if (p->group && strcmp(g->name, p->group) != 0)
			continue;
		TAILQ_FOREACH (r, &g->rules, link)
			json_array_append_new(list, security_rule_conf_to_json(g, r));
	}
	return list;
}

/* --- addresses ---------------------------------------------------------------------------------
 */

json_t *rpc_handle_security_group_add_address(struct rpc_ctx *ctx,
					      const struct rpc_security_group_add_address *p,
					      struct err *e)
{
	struct security_group *g = security_group_get(ctx->sw, "group", p->group, e);
	struct ip_prefix prefix;

	if (!g || parse_prefix("address", p->address, &prefix, e) < 0 ||
	    security_group_add_address(ctx->sw, g, &prefix.address, prefix.bits, e) < 0)
		return NULL;
	return json_true();
}

json_t *rpc_handle_security_group_remove_address(struct rpc_ctx *ctx,
						 const struct rpc_security_group_remove_address *p,
						 struct err *e)
{
	struct security_group *g = security_group_get(ctx->sw, "group", p->group, e);
	struct ip_prefix prefix;

	if (!g || parse_prefix("address", p->address, &prefix, e) < 0 ||
	    security_group_remove_address(ctx->sw, g, &prefix.address, prefix.bits, e) < 0)
		return NULL;
	return json_true();
}

static void list_member(json_t *list, const struct security_group *g,
			const struct security_address *a)
{
	json_array_append_new(list, security_address_conf_to_json(g, a));
}

json_t *rpc_handle_security_group_list_addresses(struct rpc_ctx *ctx,
						 const struct rpc_security_group_list_addresses *p,
						 struct err *e)
{
	struct security_group *g = security_group_get(ctx->sw, "group", p->group, e);
	const struct security_address *a;
	json_t *list;

	if (!g)
		return NULL;
	list = json_array();
	TAILQ_FOREACH (a, &g->addresses, link)
		list_member(list, g, a);
	return list;
}
