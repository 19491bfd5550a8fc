/* SPDX-License-Identifier: BSD-3-Clause */
/* What workers look up about the tunnel: remotes, VTEPs, and networks by VNI. Control publishes
 * each table, and each remote, as a whole that never changes, and frees the one before when no
 * worker can see it any more. */
#ifndef TUNNEL_TABLES_H
#define TUNNEL_TABLES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip_addr.h"
#include "tunnel/vxlan.h"

#define REMOTE_MAX  16384
#define REMOTE_NONE UINT16_MAX
#define VTEP_MAX    64
#define VTEP_NONE   UINT8_MAX

/* How packets get to a remote, which is another host's VTEP. Remotes are numbered from 0 to
 * REMOTE_MAX - 1. */
struct adjacency {
	struct vxlan_template t;
	uint32_t mtu;        /* of layer 3 of the tenant's packets */
	uint16_t generation; /* tells it from an earlier remote of the same number */
	uint8_t uplink;
	uint8_t reason; /* enum drop_reason: why packets to it are dropped; DROP_COUNT when it is up
			 */
};

/* An endpoint of ours. */
struct vtep_entry {
	struct ip_addr address;
	uint16_t port;
	uint8_t id;
	bool accept_zero_sum;
	bool strict_reserved;
};

struct vtep_table {
	unsigned n;
	struct vtep_entry at[VTEP_MAX];
};

/* Networks by VNI. */
struct vni_table {
	uint32_t mask;
	struct {
		uint32_t vni;
		void *network; /* NULL: a free place */
	} at[];
};

/* Remotes by their address, from which their packets come, and by the VTEP that these come to.
 * Groups are among them. */
struct source_table {
	uint32_t mask;
	uint32_t seed;
	struct {
		struct ip_addr address;
		uint8_t vtep;
		uint16_t remote; /* REMOTE_NONE: a free place */
	} at[];
};

struct tunnel_tables {
	_Atomic(struct adjacency *) adjacency[REMOTE_MAX]; /* of remotes; NULL: there is none */
	_Atomic(struct vtep_table *) vteps;
	_Atomic(struct vni_table *) vnis;
	_Atomic(struct source_table *) sources;
	uint32_t hash_key; /* of the source ports that flows get */
};

/* Empty tables; NULL when memory is short. [control] */
struct tunnel_tables *tunnel_tables_create(void);
/* Frees the tables, the published ones and the remotes included. NULL is fine. [control] */
void tunnel_tables_destroy(struct tunnel_tables *t);

/* Tables with room for `n` entries, which are then added one by one, before they are published.
 * NULL when memory is short. To be freed with free(). [control] */
struct vni_table *vni_table_create(uint32_t n);
void vni_table_add(struct vni_table *t, uint32_t vni, void *network);
struct source_table *source_table_create(uint32_t n);
void source_table_add(struct source_table *t, const struct ip_addr *a, uint8_t vtep,
		      uint16_t remote);

/* The VTEP with that address and port, NULL when there is none. [worker] */
const struct vtep_entry *vtep_table_find(const struct vtep_table *t, const struct ip_addr *a,
					 uint16_t port);

/* The VTEP with that id, NULL when there is none. [worker] */
const struct vtep_entry *vtep_table_find_id(const struct vtep_table *t, uint8_t id);

/* The network with that VNI, NULL when there is none. [worker] */
void *vni_table_find(const struct vni_table *t, uint32_t vni);

/* The remote that packets from an address to a VTEP come from, or REMOTE_NONE. [worker] */
uint16_t source_table_find(const struct source_table *t, const struct ip_addr *a, uint8_t vtep);

#endif
