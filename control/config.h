/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration: the JSON-RPC calls that create all objects. */
#ifndef CONTROL_CONFIG_H
#define CONTROL_CONFIG_H

#include <jansson.h>

#include "control/ctx_rpc.h"

/* {"version": 1, "calls": [{"method": ..., "params": {...}}, ...]}, in an order that can be
 * replayed. New reference. [control] */
json_t *config_to_json(const struct rpc_ctx *ctx);

/* Writes the configuration to a file, which may be the daemon's own. The replacement is atomic,
 * even if the process or the machine stops (temporary file beside it, fsync, rename, fsync of the
 * folder). *calls is the number of calls. [control] */
int config_save(struct rpc_ctx *ctx, const char *file, unsigned *calls, struct err *e);

/* Replays the daemon's own file and its journal at start, if there are any. A refused call does not
 * stop the others: it is logged and kept in ctx->refused. Negative errno when the file is not a
 * configuration, or the journal cannot be read. To be followed by config_commit(), which begins a
 * new journal. [control] */
int config_start(struct rpc_ctx *ctx, struct err *e);

/* Notes in memory what a successful call changed, for config_commit(). [control] */
void config_note(struct rpc_ctx *ctx, const char *method, const json_t *params);

/* Writes everything that was noted, and waits until it is on the disk: one fdatasync, and now and
 * then a whole new file. If that fails, the changes stay in force and a later commit saves them.
 * [control] */
int config_commit(struct rpc_ctx *ctx, struct err *e);

/* Writes the whole file, and removes the journal. [control] */
int config_close(struct rpc_ctx *ctx, struct err *e);

/* Replays the refused calls once more. {"done": N, "refused": M}, new reference. [control] */
json_t *config_retry(struct rpc_ctx *ctx);

/* Replays a file's calls. Stops at the first refused call: *e says which, and why. *done is the
 * number of calls done before it. [control] */
int config_load(struct rpc_ctx *ctx, const char *file, unsigned *done, struct err *e);

#endif
