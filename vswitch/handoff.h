/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets from other workers. */
#ifndef VSWITCH_HANDOFF_H
#define VSWITCH_HANDOFF_H

#include <stdint.h>

#include "vswitch/worker.h"

/* Takes packets that other workers handed over, at most `max`, to wait for services of the VMs that
 * sent them. Returns how many. [worker] */
unsigned handoff_accept(struct worker *w, unsigned max);

/* Delivers some of what a VM handed over, a burst's worth of work at most, and frees it; bills the
 * VM. Adds up their bytes. Returns how many packets there were. [worker] */
uint16_t handoff_deliver(struct worker *w, uint16_t vm, uint32_t *bytes);

/* Frees what a VM handed over and was accepted, undelivered. [worker] */
void handoff_drop(struct worker *w, uint16_t vm);

#endif
