/* SPDX-License-Identifier: BSD-3-Clause */
/* The wake-up latency of idle cores. */
#ifndef BASE_WAKE_LATENCY_H
#define BASE_WAKE_LATENCY_H

#include "base/err.h"

/* Limits this machine's idle cores to power states that they leave within `us` microseconds, by the
 * kernel's table of exit latencies (Documentation/power/pm_qos_interface.rst). With 0 idle cores
 * poll in the kernel. Returns a file descriptor: the request is in force until it is closed, at the
 * latest when the process ends, however it does. -1 where the machine does not take such requests.
 * [control] */
int wake_latency_hold(unsigned us, struct err *e);

#endif
