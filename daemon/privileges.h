/* SPDX-License-Identifier: BSD-3-Clause */
/* Giving up what the daemon does not need once it runs. */
#ifndef DAEMON_PRIVILEGES_H
#define DAEMON_PRIVILEGES_H

#include "base/err.h"

/* Drops every capability but those that making sockets for other users takes (chown, fowner,
 * dac_override), locking memory (ipc_lock) and seeing page faults (perfmon), from the bounding set
 * too, and forbids gaining any by exec. What is not there to be kept is said, with what it costs.
 * Does nothing when the process is not privileged. Call it before any thread is made. [control] */
int privileges_drop(struct err *e);

/* Keeps memory that was touched from being swapped out, that of guests too, as far as that is
 * allowed: a page that comes back from a disk would hold up all VMs of a worker. [control] */
void privileges_lock_memory(void);

#endif
