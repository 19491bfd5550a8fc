/* SPDX-License-Identifier: BSD-3-Clause */
/* Rates of what ports' guests are sent: packets beyond them are marked, then dropped. */
#ifndef VSWITCH_RATE_IN_H
#define VSWITCH_RATE_IN_H

#include "vswitch/batch.h"
#include "vswitch/worker.h"

/* Takes packets beyond the receiver's rates out of an outbox for its ring, and marks those that
 * come too close to that (ECN). A packet that others get too is never marked. [worker] */
void rate_in_check(struct worker *w, struct outbox *o, struct batch *b);

/* Takes back from the receiver's rates what is left in the outbox: it is checked again when it is
 * delivered. [worker] */
void rate_in_return(struct outbox *o);

#endif
