/* SPDX-License-Identifier: BSD-3-Clause */
/* What a port's guest may send from, in JSON. */
#ifndef CONTROL_SOURCES_RPC_H
#define CONTROL_SOURCES_RPC_H

#include <jansson.h>

#include "base/err.h"
#include "rpc_schema.h"

struct port_sources;

/* The parameters of port_create and port_set that are about it. */
struct sources_params {
	const char *mac;        /* NULL: not given, */
	const char *guard_macs; /* nor these */
	const char *addresses;
	/* enum rpc_switched, or -1 when it was not given. */
	int mac_guard;
	int dhcp_server;
	int router;
	int link_local;
	int other_ethertypes;
};

#define SOURCES_SWITCH(p, name) ((p)->has_##name ? (int)(p)->name : -1)
#define SOURCES_PARAMS(p)                                                                    \
	{                                                                                    \
		.mac = (p)->mac, .guard_macs = (p)->guard_macs, .addresses = (p)->addresses, \
		.mac_guard = SOURCES_SWITCH(p, mac_guard),                                   \
		.dhcp_server = SOURCES_SWITCH(p, allow_dhcp_server),                         \
		.router = SOURCES_SWITCH(p, allow_router),                                   \
		.link_local = SOURCES_SWITCH(p, allow_link_local),                           \
		.other_ethertypes = SOURCES_SWITCH(p, allow_other_ethertypes),               \
	}

/* Changes what the parameters say. -EINVAL with *e filled for lists that are malformed or too
 * long. */
int sources_parse(const struct sources_params *p, struct port_sources *s, struct err *e);

/* Adds the same as parameters. */
void sources_to_json(json_t *o, const struct port_sources *s);

#endif
