/* SPDX-License-Identifier: BSD-3-Clause */
/* A listening Unix socket, owned by one process at a time: a lock file beside it sees to that. */
#ifndef RPC_LISTENER_H
#define RPC_LISTENER_H

#include <sys/types.h>

#include "base/err.h"

struct rpc_listener {
	char path[108];
	char lock_path[108 + 8];
	int fd;
	int lock_fd;
};

/* Takes the lock, replaces a stale socket, and listens. The socket file gets `group` (a name, or
 * NULL for the process's own) and `mode`. -EBUSY when another process has it; the reason is in *e.
 * On failure nothing is left open. [control] */
int rpc_listener_open(struct rpc_listener *l, const char *path, const char *group, mode_t mode,
		      struct err *e);

/* Removes the socket and the lock file. Nothing when it is not open (fd < 0). [control] */
void rpc_listener_close(struct rpc_listener *l);

#endif
