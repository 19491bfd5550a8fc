/* SPDX-License-Identifier: BSD-3-Clause */
/* A service: one VM's work, done until its slice is used up, somebody else has to be served, or
 * nothing is left. Its sources are taken from in turn; what it took and has no time for goes back
 * where it came from, or into the VM's backlog. */
#ifndef VSWITCH_SERVICE_H
#define VSWITCH_SERVICE_H

#include "vswitch/worker.h"

/* Serves the VM that the scheduler picked, and charges it. [worker] */
void serve(struct worker *w, const struct sched_grant *g);

#endif
