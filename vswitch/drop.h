/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of a packet that is dropped: it is counted, and captured where that is wanted. */
#ifndef VSWITCH_DROP_H
#define VSWITCH_DROP_H

#include <rte_branch_prediction.h>

#include "base/counter.h"
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

#endif
