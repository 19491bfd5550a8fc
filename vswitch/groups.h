/* SPDX-License-Identifier: BSD-3-Clause */
/* Security groups in a packet's way: what ports send is checked before it is delivered anywhere,
 * what they are sent is checked where it would go into their ring. */
#ifndef VSWITCH_GROUPS_H
#define VSWITCH_GROUPS_H

#include "policy/security.h"
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

/* Judges packets that a port of this worker's is about to get, by its groups, which are `s`; `vm`
 * is the port's. [worker] */
void groups_judge_received(struct worker *w, const struct security *s, uint16_t vm,
			   struct rte_mbuf *const *m, uint16_t n, struct judgement *judged);

#endif
