/* SPDX-License-Identifier: BSD-3-Clause */
/* Security groups in a packet's way: what ports send is checked before it is delivered anywhere,
 * what they are sent is checked where it would go into their ring. */
#ifndef VSWITCH_GROUPS_H
#define VSWITCH_GROUPS_H

#include "vswitch/batch.h"
#include "vswitch/vport.h"
#include "vswitch/worker.h"

/* The time on the clock of connections. [worker] */
static inline uint32_t groups_now_ms(const struct worker *w)
{
	return (uint32_t)(w->ledger.last_tsc / (w->tsc_hz / 1000));
}

/* Drops what the groups of the sending port do not allow. [worker] */
void groups_stage(struct worker *w, struct batch *b);

/* Takes those packets out of an outbox into a ring of this worker's that the groups of the
 * receiving port do not allow. A packet of which segments were delivered stays: it was allowed.
 * [worker] */
void groups_check_outbox(struct worker *w, struct outbox *o, struct batch *b);

#endif
