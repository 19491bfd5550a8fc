/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls from inside the daemon. Apart from dispatch.c because it refers to the table of all
 * methods, and so to all handlers. */
#include "rpc/call.h"

#include "rpc/dispatch.h"
#include "rpc_schema.h"

json_t *rpc_call(struct rpc_ctx *ctx, const char *method, json_t *params, struct err *e)
{
	const struct rpc_caller caller = {.methods = {rpc_methods, rpc_n_methods}, .ctx = ctx};

	return rpc_invoke(&caller, method, params, e);
}
