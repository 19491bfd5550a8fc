/* SPDX-License-Identifier: BSD-3-Clause */
/* What a vhost-user socket needs beyond what the vhost library does for it. */
#ifndef VHOST_UNIXSOCK_H
#define VHOST_UNIXSOCK_H

#include <stdbool.h>

#include "base/err.h"

/* Checks that a listening socket can be made at `path`, and removes one left there by a process
 * that is gone. Refuses a file that is no socket and a socket that somebody serves. [control] */
int unixsock_prepare(const char *path, struct err *e);

/* Bounds how long a read or write on the connections of the socket at `path` may block, so that a
 * front end which sends half a message holds up the vhost library's one thread for no longer.
 * The library does not show its file descriptors: they are found by their address. [vhost] */
void unixsock_bound_blocking(const char *path, bool is_client, unsigned timeout_ms);

#endif
