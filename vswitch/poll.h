/* SPDX-License-Identifier: BSD-3-Clause */
/* Looking for work in guests' transmit rings. */
#ifndef VSWITCH_POLL_H
#define VSWITCH_POLL_H

#include "vswitch/worker.h"

/* Looks at rings, some while others have work, and tells the scheduler which VMs have any. To be
 * called for each `interval_tsc`, at the least. [worker] */
void poll_rings(struct worker *w, uint64_t interval_tsc);

/* The same, at the rings of VMs with a guarantee only. [worker] */
void poll_guaranteed(struct worker *w);

#endif
