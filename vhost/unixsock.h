/* SPDX-License-Identifier: BSD-3-Clause */
/* The sockets of vhost-user: ours, which front ends connect to, and theirs, which we connect to. */
#ifndef VHOST_UNIXSOCK_H
#define VHOST_UNIXSOCK_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct unixsock_access {
	uid_t owner; /* (uid_t)-1 leaves it */
	gid_t group; /* likewise */
	mode_t mode; /* 0: 0600 */
};

/* Listens at `path`, and creates its folder where that is missing (one level, 0755). Nobody can
 * connect before owner and mode are as asked for. A stale socket, of a process that is gone, is
 * replaced; a file that is no socket, and a socket that is served, are refused. The descriptor does
 * not block. Negative errno with *e filled. [control, gate] */
int unixsock_listen(const char *path, const struct unixsock_access *access, struct err *e);

/* The inode of the file at `path`, 0 when there is none. */
ino_t unixsock_inode(const char *path);

/* Connects to the socket at `path` without waiting. The descriptor does not block. Negative errno
 * when nobody listens there. [gate] */
int unixsock_connect(const char *path);

#endif
