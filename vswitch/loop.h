/* SPDX-License-Identifier: BSD-3-Clause */
/* The loop: what a worker does in one turn. */
#ifndef VSWITCH_LOOP_H
#define VSWITCH_LOOP_H

#include <stdbool.h>

#include "vswitch/worker.h"

/* One pass: messages, refill, a look at rings, what other workers handed over, and services of
 * VMs in the scheduler's order until it is time to look at rings again. Returns whether there
 * was anything to do. A test calls it with no thread. [worker] */
bool turn(struct worker *w);

/* Drops the packets that a service holds back, each counted. [worker] */
void loop_drop_held(struct worker *w, struct service *s);

#endif
