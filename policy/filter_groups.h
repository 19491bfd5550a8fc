/* SPDX-License-Identifier: BSD-3-Clause */
/* Which security groups an address is a member of, for all of a tenant. Filters name groups, and
 * this table says who is in them, so a member that comes or goes changes this table only, and no
 * filter.
 *
 * It never changes; control replaces it as a whole, and workers read it without locks. It has at
 * most two ranges for each member, with 8 bytes (IPv4) or 20 (IPv6) each, and the groups of each
 * member, 2 bytes each. */
#ifndef POLICY_FILTER_GROUPS_H
#define POLICY_FILTER_GROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ip_addr.h"

#define FILTER_NO_GROUP        UINT16_MAX
#define FILTER_MAX_MEMBERS     100000
#define FILTER_MAX_MEMBERSHIPS 64 /* groups that an address may be in: each costs a look-up */

struct filter_groups;

/* All addresses of a prefix are in a group. */
struct filter_member {
	struct ip_addr address; /* the first one */
	uint8_t bits;           /* length of the prefix; 32 or 128: that address only */
	uint16_t group;
};

/* Groups in ascending order. */
struct filter_group_set {
	uint16_t n;
	uint16_t group[];
};

/* Makes a table of members in any order. Prefixes may contain each other, and members may be given
 * repeatedly. NULL with *e filled: a member is invalid (none of a member's parameters is named, for
 * it has several), an address is in too many groups, there are too many members, or memory is
 * short. [control] */
struct filter_groups *filter_groups_create(const struct filter_member *members, unsigned n,
					   struct err *e);
/* NULL is fine. [control] */
void filter_groups_destroy(struct filter_groups *g);

/* Bytes that it takes. [any] */
size_t filter_groups_size(const struct filter_groups *g);

/* The groups that an address is in; in `address`, an IPv4 address is mapped into IPv6, as in keys
 * of flows. Valid as long as the table. [worker] */
const struct filter_group_set *filter_groups_find(const struct filter_groups *g, bool is_v6,
						  const uint8_t address[16]);

#endif
