/* SPDX-License-Identifier: BSD-3-Clause */
/* What a port's guest may send from, in JSON. Lists are texts there, with commas. */
#include "control/sources_rpc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/ctx_rpc.h"
#include "control/mac_rpc.h"
#include "control/switch.h"

#define LIST_SIZE (PORT_MAX_ADDRESSES * (IP_PREFIX_TEXT_SIZE + 1))

/* Copies the next item of a list, and moves on behind it and its comma. False at the end. An item
 * that is too long is cut; what is left of it still makes no sense. */
static bool next_item(const char **list, char item[IP_PREFIX_TEXT_SIZE])
{
	size_t len = *list ? strcspn(*list, ",") : 0;

	if (!*list)
		return false;
	snprintf(item, IP_PREFIX_TEXT_SIZE, "%.*s", (int)len, *list);
	*list = (*list)[len] == ',' ? *list + len + 1 : NULL;
	return true;
}

static int parse_macs(const struct sources_params *p, struct port_sources *s, struct err *e)
{
	const char *list = p->guard_macs[0] ? p->guard_macs : NULL;
	char item[IP_PREFIX_TEXT_SIZE];

	if (list && s->n_macs == 0)
		return err_set(e, ERR_INVALID, "guard_macs",
			       "guard_macs: these are further addresses, and there is no mac");
	s->n_macs = s->n_macs > 0;
	while (next_item(&list, item)) {
		if (s->n_macs == GUARD_MAX_MACS)
			return err_set(e, ERR_INVALID, "guard_macs", "guard_macs: more than %d",
				       GUARD_MAX_MACS - 1);
		if (!item[0])
			return err_set(e, ERR_INVALID, "guard_macs",
				       "guard_macs: an empty address");
		if (mac_parse("guard_macs", item, &s->mac[s->n_macs++], e) < 0)
			return -EINVAL;
	}
	return 0;
}

/* Without its own address an interface has no further ones either. */
static int parse_mac(const struct sources_params *p, struct port_sources *s, struct err *e)
{
	uint64_t mac;

	if (mac_parse("mac", p->mac, &mac, e) < 0)
		return -EINVAL;
	if (!mac && s->n_macs > 1 && !p->guard_macs)
		return err_set(e, ERR_INVALID, "mac", "mac: there are guard_macs besides it");
	s->mac[0] = mac;
	if (!mac)
		s->n_macs = 0;
	else if (s->n_macs == 0)
		s->n_macs = 1;
	return 0;
}

static int parse_addresses(const char *list, struct port_sources *s, struct err *e)
{
	char item[IP_PREFIX_TEXT_SIZE];

	s->n_addresses = 0;
	list = list[0] ? list : NULL;
	while (next_item(&list, item)) {
		const char *why;

		if (s->n_addresses == PORT_MAX_ADDRESSES)
			return err_set(e, ERR_INVALID, "addresses", "addresses: more than %d",
				       PORT_MAX_ADDRESSES);
		why = ip_prefix_parse(item, &s->address[s->n_addresses++]);
		if (why)
			return err_set(e, ERR_INVALID, "addresses", "addresses '%s': %s", item,
				       why);
	}
	return 0;
}

static void set_allow(struct port_sources *s, enum guard_allow what, int how)
{
	if (how == RPC_SWITCHED_ON)
		s->allow |= what;
	else if (how == RPC_SWITCHED_OFF)
		s->allow &= (uint8_t)~what;
}

int sources_parse(const struct sources_params *p, struct port_sources *s, struct err *e)
{
	if ((p->mac && parse_mac(p, s, e) < 0) || (p->guard_macs && parse_macs(p, s, e) < 0) ||
	    (p->addresses && parse_addresses(p->addresses, s, e) < 0))
		return -EINVAL;
	if (p->mac_guard >= 0)
		s->mac_guard = p->mac_guard == RPC_SWITCHED_ON;
	set_allow(s, GUARD_DHCP_SERVER, p->dhcp_server);
	set_allow(s, GUARD_ROUTER, p->router);
	set_allow(s, GUARD_LINK_LOCAL, p->link_local);
	set_allow(s, GUARD_OTHER_ETHERTYPES, p->other_ethertypes);
	return 0;
}

/* Appends an item to a list. */
static void append(char list[LIST_SIZE], const char *item)
{
	size_t len = strlen(list);

	snprintf(list + len, LIST_SIZE - len, "%s%s", len > 0 ? "," : "", item);
}

static void add_allow(json_t *o, const char *name, const struct port_sources *s,
		      enum guard_allow what)
{
	json_object_set_new(o, name, json_string(on_off(s->allow & what)));
}

void sources_to_json(json_t *o, const struct port_sources *s)
{
	char list[LIST_SIZE] = "", item[IP_PREFIX_TEXT_SIZE];

	if (s->n_macs > 0) {
		mac_format(s->mac[0], item);
		json_object_set_new(o, "mac", json_string(item));
	}
	json_object_set_new(o, "mac_guard", json_string(on_off(s->mac_guard)));
	for (unsigned i = 1; i < s->n_macs; i++) {
		mac_format(s->mac[i], item);
		append(list, item);
	}
	if (list[0])
		json_object_set_new(o, "guard_macs", json_string(list));
	list[0] = '\0';
	for (unsigned i = 0; i < s->n_addresses; i++) {
		ip_prefix_format(&s->address[i], item);
		append(list, item);
	}
	if (list[0])
		json_object_set_new(o, "addresses", json_string(list));
	add_allow(o, "allow_dhcp_server", s, GUARD_DHCP_SERVER);
	add_allow(o, "allow_router", s, GUARD_ROUTER);
	add_allow(o, "allow_link_local", s, GUARD_LINK_LOCAL);
	add_allow(o, "allow_other_ethertypes", s, GUARD_OTHER_ETHERTYPES);
}
