/* SPDX-License-Identifier: BSD-3-Clause */
/* How late a core that is idle may wake up. */
#ifndef BASE_WAKE_LATENCY_H
#define BASE_WAKE_LATENCY_H

#include "base/err.h"

/* Allows this machine's idle cores only power states that they leave within `us` microseconds, by
 * the kernel's table of them (Documentation/power/pm_qos_interface.rst); 0 allows none: idle cores
 * poll in the kernel. Returns a file descriptor: the wish ends when it is closed, or with the
 * process, however that ends. -1 where the machine does not take such wishes. [control] */
int wake_latency_hold(unsigned us, struct err *e);

#endif
