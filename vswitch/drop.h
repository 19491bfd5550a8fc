/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of a packet, or of a delivery, that is dropped: it is counted, and captured where that is
 * wanted. */
#ifndef VSWITCH_DROP_H
#define VSWITCH_DROP_H

#include <rte_branch_prediction.h>

#include "base/counter.h"
#include "vswitch/batch.h"
#include "vswitch/capture.h"
#include "vswitch/vport.h"
#include "vswitch/worker.h"

/* Counts a packet that a port sent and nobody got. [worker] */
static inline void drop_sent(struct worker *w, const struct vport *from, struct rte_mbuf *m,
			     enum drop_reason reason)
{
	counter_add(&w->counters[from->id].drops[reason], 1);
	if (unlikely(w->captures != NULL))
		capture_drop(w, from, false, m, reason);
}

/* Notes that one receiver did not get a packet, and why. [worker] */
static inline void drop_delivery(struct worker *w, const struct vport *to, struct batch *b,
				 uint16_t index, enum drop_reason reason)
{
	struct pkt *p = &b->pkt[index];

	b->n_missed++;
	p->missed++;
	p->reason = (uint8_t)reason;
	counter_add(&w->counters[to->id].tx_drops[reason], 1);
	if (unlikely(w->captures != NULL))
		capture_drop(w, to, true, p->m, reason);
}

#endif
