/* SPDX-License-Identifier: BSD-3-Clause */
/* Sleep of a worker that has nothing to do. */
#ifndef VSWITCH_SLEEP_H
#define VSWITCH_SLEEP_H

#include "vswitch/worker.h"

/* Enables kicks and sleeps until a guest kicks, a message comes, or a throttled VM may go on. Does
 * not sleep when that is soon. Kicks stay enabled until sleep_end(), so that what woke the worker
 * is served first. [worker] */
void sleep_begin(struct worker *w);

/* Disables kicks. [worker] */
void sleep_end(struct worker *w);

#endif
