/* SPDX-License-Identifier: BSD-3-Clause */
/* The loop: what a worker does in one turn. */
#ifndef VSWITCH_LOOP_H
#define VSWITCH_LOOP_H

#include <stdbool.h>

#include "vswitch/worker.h"

/* One turn: messages, a look at rings, jobs from other workers, and services of VMs in the
 * scheduler's order until it is time to look at rings again. Returns whether there was anything to
 * do. A test calls it with no thread. [worker] */
bool loop_turn(struct worker *w);

/* The thread's body: turns until stopped; sleeps on kicks when idle. For rte_eal_remote_launch.
 * [worker] */
int loop_main(void *worker);

#endif
