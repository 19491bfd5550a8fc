/* SPDX-License-Identifier: BSD-3-Clause */
/* A network's neighbours: IP address -> MAC address, learned or static. Where the MAC address is,
 * the forwarding database knows.
 *
 * A fixed table of buckets, each with a lock that nobody holds for longer than a few entries take.
 * Workers try it and otherwise do without, so none ever waits. Memory is bounded by the table's
 * size, and each port by a limit of its own. */
#ifndef VSWITCH_NEIGH_TABLE_H
#define VSWITCH_NEIGH_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ip_addr.h"
#include "vswitch/limits.h"

struct neigh_table;

/* Seconds for which a neighbour is not relied upon once somebody else claims or probes its address:
 * it may be moving, and the owner, whom questions reach meanwhile, can contradict a liar. */
#define NEIGH_SETTLE_S 10

#define NEIGH_FROM_WIRE \
	MAX_PORTS /* the origin of what other hosts taught; else it is a port's id */

struct neigh {
	struct ip_addr address;
	uint64_t mac;  /* as fdb_mac() has it */
	uint8_t flags; /* enum neigh_flag (pkt/neigh_msg.h) */
	bool is_static;
	uint16_t origin;    /* of a learned one */
	uint32_t seen_s;    /* when it was last claimed, in the worker's seconds */
	uint32_t settled_s; /* when it can be relied upon again */
};

/* A table for about `size` neighbours (rounded up), NULL when memory is short. [control] */
struct neigh_table *neigh_table_create(uint32_t size);
/* NULL is fine. [control] */
void neigh_table_destroy(struct neigh_table *t);

/* Finds a neighbour that can be relied upon at second `now_s`. False when there is none, or another
 * thread is at its bucket. [worker] */
bool neigh_table_find(struct neigh_table *t, const struct ip_addr *address, uint32_t now_s,
		      struct neigh *found);

/* Learns what a neighbour claims of itself: address, MAC address and flags, from its origin, which
 * may have taught `limit` neighbours at most. Static ones are not changed. In a full bucket the
 * learned neighbour unseen for longest is replaced. [worker] */
void neigh_table_learn(struct neigh_table *t, const struct neigh *claim, uint32_t now_s,
		       uint32_t limit);

/* Notes that a station with MAC address `mac` would like to have an address: a neighbour with
 * another one is not relied upon for a while. [worker] */
void neigh_table_doubt(struct neigh_table *t, const struct ip_addr *address, uint64_t mac,
		       uint32_t now_s);

/* Adds a static neighbour, replacing a learned one. -EEXIST when it is static already, -ENOSPC when
 * its bucket is full of static ones. [control] */
int neigh_table_add(struct neigh_table *t, const struct neigh *n);

/* Removes a neighbour of either kind. -ENOENT. [control] */
int neigh_table_remove(struct neigh_table *t, const struct ip_addr *address);

/* Calls `fn` for every neighbour, and removes it where that returns true and it has not changed
 * meanwhile. [control] */
void neigh_table_sweep(struct neigh_table *t, bool (*fn)(void *ctx, const struct neigh *n),
		       void *ctx);

/* Forgets what was learned from an origin. [control] */
void neigh_table_forget(struct neigh_table *t, uint16_t origin);

/* Whether there are any that are not static. [any] */
bool neigh_table_has_learned(const struct neigh_table *t);

#endif
