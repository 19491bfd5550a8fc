/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs whose packets all wait for the rates of their ports. Such a VM is held until the first of
 * those ports may send again; before that, only what does not count against their rates has it
 * served. */
#ifndef VSWITCH_RATE_HOLD_H
#define VSWITCH_RATE_HOLD_H

#include "vswitch/worker.h"

/* Holds a VM that was served until the time at which the first of its ports may send. [worker] */
void rate_hold(struct worker *w, uint16_t vm, uint64_t until);

/* Ends a VM's hold, since it has other work: jobs, or packets from the wire. [worker] */
void rate_release(struct worker *w, uint16_t vm);

/* Ends a VM's hold if one of its transmit rings has packets that may be sent now. [worker] */
void rate_release_ready(struct worker *w, uint16_t vm);

/* Notes that a VM is not held any more. [worker] */
void rate_forget_hold(struct worker *w, uint16_t vm);

#endif
