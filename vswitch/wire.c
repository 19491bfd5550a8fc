/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker's part of the wire: its memory. */
#include "vswitch/wire.h"

#include <stdio.h>
#include <stdlib.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>

_Static_assert(UPLINK_MAX_QUEUES >= MAX_WORKERS, "each worker has a queue of each uplink");

struct wire *wire_create(unsigned worker, struct tunnel_tables *tables)
{
	struct wire *wire = calloc(1, sizeof(*wire));
	char name[RTE_RING_NAMESIZE];

	if (!wire)
		return NULL;
	wire->tables = tables;
	wire->remote = calloc(REMOTE_MAX, sizeof(*wire->remote));
	wire->staging = calloc(MAX_VMS, sizeof(*wire->staging));
	wire->node = calloc(WIRE_NODES, sizeof(*wire->node));
	wire->share = calloc(MAX_VMS, sizeof(*wire->share));
	wire->sharer = calloc(MAX_VMS, sizeof(*wire->sharer));
	wire->on_their_way = calloc(MAX_VMS, sizeof(*wire->on_their_way));
	snprintf(name, sizeof(name), "wire%u", worker);
	wire->inbox = rte_ring_create_elem(name, sizeof(struct staged), WIRE_INBOX, SOCKET_ID_ANY,
					   RING_F_SC_DEQ);
	if (!wire->remote || !wire->staging || !wire->node || !wire->share || !wire->sharer ||
	    !wire->on_their_way || !wire->inbox) {
		wire_destroy(wire);
		return NULL;
	}
	/* The last node is not used: its number ends the list. */
	for (uint16_t i = 0; i < WIRE_NODES; i++)
		wire->node[i].next = i + 1;
	return wire;
}

void wire_destroy(struct wire *wire)
{
	if (!wire)
		return;
	rte_ring_free(wire->inbox);
	free(wire->remote);
	free(wire->staging);
	free(wire->node);
	free(wire->share);
	free(wire->sharer);
	free(wire->on_their_way);
	free(wire);
}
