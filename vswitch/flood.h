/* SPDX-License-Identifier: BSD-3-Clause */
/* Floods: packets to all ports and hosts of a network but the sender's. One can be more work than a
 * part of a batch may have: it is cut then, and goes on as a job. */
#ifndef VSWITCH_FLOOD_H
#define VSWITCH_FLOOD_H

#include <stdint.h>

#include <rte_branch_prediction.h>

#include "vswitch/batch.h"
#include "vswitch/vport.h"
#include "vswitch/worker.h"

/* Puts the batch's packet `index` into the outboxes of the network's other ports with ids of `next`
 * or higher, then into those of its other hosts, until that is enough work or an uplink is full:
 * then b->is_flood_cut, and b->flood_next says where to go on. [worker] */
void flood(struct worker *w, struct batch *b, const struct vport *from, uint16_t index,
	   uint16_t next);

/* Whether a flood of one port goes to another; `dst` is its destination. A port that is being moved
 * is a member of two networks for a moment. [any] */
static inline bool flood_is_for(const struct vport *to, const struct vport *from, uint64_t dst)
{
	return to != from && to->bridge == from->bridge &&
	       (likely(fdb_mac_is_group(dst)) || vport_may_have(to, dst));
}

#endif
