/* SPDX-License-Identifier: BSD-3-Clause */
/* Giving up what the daemon does not need once it runs. */
#ifndef VSWITCH_PRIVILEGES_H
#define VSWITCH_PRIVILEGES_H

#include "base/err.h"

/* Drops every capability but those that making sockets for other users takes (chown, fowner,
 * dac_override) and hugepages (ipc_lock), from the bounding set too, and forbids gaining any by
 * exec. Does nothing when the process is not privileged. Call it before any thread is made.
 * [control] */
int privileges_drop(struct err *e);

#endif
