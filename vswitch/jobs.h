/* SPDX-License-Identifier: BSD-3-Clause */
/* Jobs being done: forwarding that an earlier service of the VM, or one at another worker, left in
 * the VM's backlog (vswitch/backlog.h). */
#ifndef VSWITCH_JOBS_H
#define VSWITCH_JOBS_H

#include <stdint.h>

#include "vswitch/worker.h"

/* Does some jobs of a VM's backlog, which must not be empty, and bills the VM. Adds the packets'
 * bytes to *bytes; returns their number. [worker] */
uint16_t jobs_serve(struct worker *w, uint16_t vm, uint32_t *bytes);

#endif
