/* SPDX-License-Identifier: BSD-3-Clause */
/* The daemon: the state that its parts share. */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include <systemd/sd-event.h>

#include "control/ctx_rpc.h"
#include "daemon/options.h"

struct rpc_server;

struct daemon {
	struct options options;
	struct rpc_ctx ctx;
	sd_event *loop;
	struct rpc_server *server;
};

#endif
