/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON-RPC 2.0 proper: from the text of a request to the object that answers it. */
#ifndef RPC_DISPATCH_H
#define RPC_DISPATCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "rpc/method.h"

#define RPC_PARSE_ERROR      (-32700)
#define RPC_INVALID_REQUEST  (-32600)
#define RPC_METHOD_NOT_FOUND (-32601)

struct rpc_table {
	const struct rpc_method *method;
	size_t n;
};

/* The caller on whose behalf requests are carried out. */
struct rpc_caller {
	struct rpc_table methods;
	struct rpc_ctx *ctx;
	struct rpc_conn
		*conn; /* for methods that the server answers itself, NULL: there are none */
	bool read_only;
	/* Runs after each call that changed the configuration. NULL: nothing. */
	void (*changed)(struct rpc_ctx *ctx, const char *method, const json_t *params);
	const char *who; /* for the log */
};

/* Parses the text of one request or batch. NULL with *e filled. [control] */
json_t *rpc_parse(const char *text, size_t len, struct err *e);

/* Carries out one request. Returns the answer, a new reference, or NULL where none is due. When
 * *changed is set, the request changed the configuration, and its answer must not be sent before
 * that is saved. [control] */
json_t *rpc_dispatch(const struct rpc_caller *caller, json_t *request, bool *changed);

/* Turns the answer to a call into an error: its changes are in force, but could not be saved.
 * [any] */
void rpc_answer_unsaved(json_t *answer, const struct err *why);

/* Calls a method without an answer object and without `changed`. The result, a new reference, or
 * NULL with *e filled (ERR_NOT_FOUND, field "method", when there is none). [control] */
json_t *rpc_invoke(const struct rpc_caller *caller, const char *method, json_t *params,
		   struct err *e);

/* An error answer. `id` may be NULL (answered as null), and so may `field`. [any] */
json_t *rpc_error_answer(json_t *id, int code, const char *message, const char *field,
			 json_t *value);

#endif
