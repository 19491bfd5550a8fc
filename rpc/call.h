/* SPDX-License-Identifier: BSD-3-Clause */
/* Calling a method from inside the daemon, as the replay of a saved configuration does. */
#ifndef RPC_CALL_H
#define RPC_CALL_H

#include <jansson.h>

#include "base/err.h"

struct rpc_ctx;

/* Decodes `params` (an object, or NULL) and runs the method's handler, as for a client, but does
 * not save afterwards. The result, a new reference, or NULL with *e filled. [control] */
json_t *rpc_call(struct rpc_ctx *ctx, const char *method, json_t *params, struct err *e);

#endif
