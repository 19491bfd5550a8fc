/* SPDX-License-Identifier: BSD-3-Clause */
/* Looking for work in guests' transmit rings. */
#ifndef VSWITCH_POLL_H
#define VSWITCH_POLL_H

#include "vswitch/worker.h"

/* Looks for work in transmit rings and tells the scheduler which VMs have any. Looks at only some
 * rings while VMs are known to have work. To be called at least once per `interval_tsc`.
 * [worker] */
void poll_rings(struct worker *w, uint64_t interval_tsc);

/* The same for the rings of VMs with a guarantee only. [worker] */
void poll_guaranteed(struct worker *w);

/* Looks for work in one ring. Whether it has packets. [worker] */
bool poll_ring(struct worker *w, const struct polled *p);

#endif
