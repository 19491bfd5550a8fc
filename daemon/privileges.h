/* SPDX-License-Identifier: BSD-3-Clause */
/* Drops the privileges that the daemon does not need once it runs. */
#ifndef DAEMON_PRIVILEGES_H
#define DAEMON_PRIVILEGES_H

#include <stdbool.h>

#include "base/err.h"

/* Drops all capabilities except those for making sockets for other users (chown, fowner,
 * dac_override), locking memory (ipc_lock) and seeing page faults (perfmon), and, with uplinks, for
 * holding UDP ports and resolving next hops (net_admin), opening AF_XDP sockets (net_raw) and
 * loading XDP programs (bpf); from the bounding set too. Each of these that is missing is logged,
 * with its cost. Forbids gaining any by exec, also for a process that has none to drop. Call it
 * before any thread is made. [control] */
int privileges_drop(bool has_uplinks, struct err *e);

/* Keeps touched memory, guests' included, from being swapped out, as far as that is allowed: a page
 * fetched from a disk would hold up all VMs of a worker. [control] */
void privileges_lock_memory(void);

#endif
