/* SPDX-License-Identifier: BSD-3-Clause */
/* Sleep of a worker that has nothing to do. */
#ifndef VSWITCH_SLEEP_H
#define VSWITCH_SLEEP_H

#include "vswitch/worker.h"

/* Asks guests to kick, and sleeps until one does, a message comes, or a limit allows a VM to go on;
 * not if that is soon. Guests go on kicking until sleep_end(), so that what woke the worker is
 * served first. [worker] */
void sleep_begin(struct worker *w);

/* Asks guests not to kick any more. [worker] */
void sleep_end(struct worker *w);

#endif
