/* SPDX-License-Identifier: BSD-3-Clause */
/* The JSON-RPC server: sockets, connections, events. Everything runs on the control thread, from
 * its event loop; docs/rpc.md says what clients see of it. */
#ifndef RPC_SERVER_H
#define RPC_SERVER_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "rpc/method.h"

#define RPC_MAX_CONNECTIONS 64 /* of each socket */
#define RPC_TIMEOUT_US      30000000

struct rpc_server;

struct rpc_server_conf {
	const char *path;
	const char *read_only_path; /* NULL: none. Same group and mode */
	const char *group;          /* NULL: the process's own */
	mode_t mode;                /* 0: 0660 */
	const struct rpc_method *methods;
	size_t n_methods;
	struct rpc_ctx *ctx; /* given to handlers */
	/* Runs after each call that changed the configuration. NULL: nothing. */
	void (*changed)(struct rpc_ctx *ctx, const char *method, const json_t *params);
	/* Saves all changes so far, once for several calls. Calls that change something are
	 * answered after this. When it fails, the answers are its error, and the changes stay in
	 * force. NULL: nothing. */
	int (*save)(struct rpc_ctx *ctx, struct err *e);
	uint64_t timeout_us; /* 0: RPC_TIMEOUT_US */
};

/* Opens the sockets; serves them whenever `loop` runs. NULL with *e filled: ERR_BUSY when another
 * process serves the path. [control] */
struct rpc_server *rpc_server_create(sd_event *loop, const struct rpc_server_conf *conf,
				     struct err *e);

/* Disconnects all clients and removes the sockets. Not to be called from a handler. [control] */
void rpc_server_destroy(struct rpc_server *s);

/* Numbers an event, keeps it and sends it to subscribers. `fields` (an object whose reference is
 * taken over, or NULL) goes beside seq, time and type. Nothing when `s` is NULL. [control] */
void rpc_server_event(struct rpc_server *s, const char *type, json_t *fields);

/* How many clients are connected. [control] */
unsigned rpc_server_connections(const struct rpc_server *s);

#endif
