/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a packet from the wire comes from, found by its outer headers. */
#ifndef VSWITCH_ORIGIN_H
#define VSWITCH_ORIGIN_H

#include <stdint.h>

#include "tunnel/vxlan.h"

struct bridge;
struct rte_mbuf;
struct vport;
struct worker;

#define ORIGIN_NO_MAC UINT64_MAX /* no station's: has more than 48 bits */

/* The network that a packet from the wire belongs to, where it came from, and whom it is for.
 * Packets come in runs, for which most of this is the same: it is kept from one packet of a burst
 * to the next. */
struct origin {
	struct bridge *bridge; /* NULL: none yet */
	uint16_t dest;         /* the host; 0 when it is not known */
	uint16_t flow;
	uint32_t mtu; /* of the way back */
	struct vxlan_policy policy;
	struct vxlan_outer outer; /* the headers that the above was found by */
	uint64_t src, dst;        /* addresses that were looked up last */
	struct vport *to;         /* where the latter is */
};

/* Takes off the outer headers, and says in *from what they told; at the beginning of a burst all of
 * it is 0. Returns WIRE_DROP_COUNT, or why the packet is nobody's. [worker] */
enum wire_drop origin_unwrap(struct worker *w, struct rte_mbuf *m, struct origin *from);

#endif
