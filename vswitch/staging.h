/* SPDX-License-Identifier: BSD-3-Clause */
/* Staged packets: such as came from the wire, and wait for the next service of the VM that they are
 * for. They have limits, so that one flooded VM leaves buffers for the others. */
#ifndef VSWITCH_STAGING_H
#define VSWITCH_STAGING_H

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/wire.h"
#include "vswitch/worker.h"

/* Packets that one uplink queue's pool lets wait for one VM: so many as it has free, within bounds
 * (vswitch/wire.h). [worker that polls the queue] */
uint16_t staging_limit(const struct uplink_queue *q);

/* Stages a packet of a network, or a reference to it, for a port of that network, at the worker
 * that serves the port, and counts it. It is dropped when as many wait as `limit` says, or when the
 * port is in another network by now. Workers that got some are woken by staging_wake(). [worker] */
void staging_put(struct worker *w, struct vport *to, const struct bridge *bridge,
		 struct rte_mbuf *m, uint16_t flow, uint16_t limit);
void staging_wake(struct worker *w);

#define VM_NONE UINT16_MAX

/* Takes over the next packet that another worker staged for a VM of this one. False when there is
 * none; else *vm is the VM that pays, or VM_NONE for a packet that is nobody's any more. [worker]
 */
bool staging_take_over(struct worker *w, uint16_t *vm);

/* Delivers some of the packets that are staged for a VM, and bills it. TCP segments are merged for
 * ports that take large packets (tcp/coalesce.h). Packets for which there is no time stay staged,
 * as they were. Adds the bytes of the others to *bytes; returns their number as they came.
 * [worker] */
uint16_t staging_serve(struct worker *w, uint16_t vm, uint32_t *bytes);

/* Whether packets are staged for a VM and it is their turn, which alternates with that of the VM's
 * own rings: each call takes a turn. [worker] */
static inline bool staging_take_turn(struct wire *wire, uint16_t vm)
{
	struct staging *s = &wire->staging[vm];

	s->had_turn = s->n > 0 && !s->had_turn;
	return s->had_turn;
}

/* Drops what is staged for a VM here. What is on its way here is dropped when it arrives. [worker]
 */
void staging_forget_vm(struct worker *w, uint16_t vm);

/* Dropping what is staged in an uplink's buffers, in steps, each of which holds the worker up for
 * little time. What came from other uplinks stays. */
struct staging_purge {
	const struct uplink_device *uplink; /* the rest is 0 before the first step */
	uint32_t on_their_way;              /* packets of the inbox that are to be taken over */
	uint16_t vm;                        /* where to go on */
	bool has_begun;
	bool is_done;
};

/* Does a step, until purge->is_done. No worker has packets of the uplink that are not staged
 * yet. [worker] */
void staging_purge(struct worker *w, struct staging_purge *purge);

#endif
