/* SPDX-License-Identifier: BSD-3-Clause */
/* Layer 2 switching. Deciding and acting are apart: forward_resolve() writes into the packets of a
 * batch what is to become of them, forward_commit() learns, counts and delivers. A packet that is
 * not forwarded has taught the switch nothing. */
#ifndef VSWITCH_FORWARD_H
#define VSWITCH_FORWARD_H

#include "vswitch/batch.h"
#include "vswitch/worker.h"

/* Decides about all packets of a batch that come from one port. [worker] */
void forward_resolve(struct worker *w, struct batch *b);

/* Carries out what was decided about the next packets of the batch, at most `max` of them and until
 * that is enough work, and bills the sender. [worker] */
void forward_commit(struct worker *w, struct batch *b, uint16_t max);

/* Turns what is left of the batch into jobs of the sender's. [worker] */
void forward_put_off(struct worker *w, struct batch *b);

/* Does some of the jobs of a VM's backlog, which must have one, and bills the VM. Adds up their
 * bytes; returns how many packets there were. [worker] */
uint16_t forward_jobs(struct worker *w, uint16_t vm, uint32_t *bytes);

#endif
