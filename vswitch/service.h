/* SPDX-License-Identifier: BSD-3-Clause */
/* A service: one VM's work, done until the slice is used up, the service is preempted, or nothing
 * is left. The backlog comes first, then the transmit rings, round robin. Packets that were taken
 * and not forwarded in time go back into their ring, or into the VM's backlog. */
#ifndef VSWITCH_SERVICE_H
#define VSWITCH_SERVICE_H

#include "vswitch/worker.h"

/* Serves the VM that the scheduler picked, and charges it. [worker] */
void serve(struct worker *w, const struct sched_grant *g);

#endif
