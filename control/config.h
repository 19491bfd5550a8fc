/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration: the JSON-RPC calls that make what there is. */
#ifndef CONTROL_CONFIG_H
#define CONTROL_CONFIG_H

#include <jansson.h>

#include "control/ctx_rpc.h"

/* {"version": 1, "calls": [{"method": ..., "params": {...}}, ...]}, in an order that can be
 * replayed. New reference. [control] */
json_t *config_to_json(const struct rpc_ctx *ctx);

/* Writes the configuration to a file: all of it or, whenever the process or the machine ends, none
 * (temporary file beside it, fsync, rename, fsync of the folder). *calls is how many. [control] */
int config_save(const struct rpc_ctx *ctx, const char *file, unsigned *calls, struct err *e);

/* Replays the daemon's own file and its journal at start, if there are any. A call that is refused
 * does not keep the rest of the switch down: it is logged and kept in ctx->refused. Negative errno
 * when the file is no configuration at all, or the journal cannot be read. A config_commit() is to
 * follow, which begins a new journal. [control] */
int config_start(struct rpc_ctx *ctx, struct err *e);

/* Notes what a call that was carried out has changed. In memory, until config_commit(). [control]
 */
void config_note(struct rpc_ctx *ctx, const char *method, const json_t *params);

/* Waits until everything that was noted is on the disk: one fdatasync, and now and then a new file.
 * Where that fails it is in force, and saved by a later commit. [control] */
int config_commit(struct rpc_ctx *ctx, struct err *e);

/* Writes a whole file, and ends the journal. [control] */
int config_close(struct rpc_ctx *ctx, struct err *e);

/* Tries what was refused once more. {"done": N, "refused": M}, new reference. [control] */
json_t *config_retry(struct rpc_ctx *ctx);

/* Replays a file's calls. Stops at the first that is refused: *e says which, and why. *done is how
 * many were done before. [control] */
int config_load(struct rpc_ctx *ctx, const char *file, unsigned *done, struct err *e);

#endif
