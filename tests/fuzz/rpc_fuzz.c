/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes what clients send: framing in pieces, parsing, decoding and dispatch, down to handlers
 * that read all they are given. The first byte of the input says how it is cut. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "rpc/decode.h"
#include "rpc/dispatch.h"
#include "rpc/scan.h"
#include "rpc_schema.h"

struct rpc_ctx {
	size_t sum; /* of what handlers read, so that none of it is optimised away */
};

static json_t *read_port(struct rpc_ctx *ctx, const void *params, struct err *e)
{
	const struct rpc_port_create *p = params;

	(void)e;
	ctx->sum += strlen(p->name) + strlen(p->vm) + strlen(p->network) + strlen(p->socket);
	ctx->sum += p->owner ? strlen(p->owner) : 0;
	ctx->sum += p->mac ? strlen(p->mac) : 0;
	if (p->mode >= RPC_PORT_MODE_COUNT || p->queue_pairs < 1 || p->queue_pairs > 16 ||
	    strlen(p->socket) > 107 || strlen(p->name) > 63)
		abort();
	return json_pack("{s:s}", "name", p->name);
}

static json_t *read_budget(struct rpc_ctx *ctx, const void *params, struct err *e)
{
	const struct rpc_budget_set *p = params;

	ctx->sum += p->budget.weight;
	if (p->budget.has_weight && (p->budget.weight < 1 || p->budget.weight > 10000))
		abort();
	err_set(e, ERR_NOT_FOUND, "vm", "vm '%s' does not exist", p->vm ? p->vm : "");
	return NULL;
}

static json_t *read_file(struct rpc_ctx *ctx, const void *params, struct err *e)
{
	const struct rpc_config_load *p = params;

	(void)e;
	ctx->sum += strlen(p->file);
	return json_true();
}

static const struct rpc_method methods[] = {
	{"port_create", &rpc_params_port_create, read_port, NULL, true, false},
	{"budget_set", &rpc_params_budget_set, read_budget, NULL, true, false},
	{"config_load", &rpc_params_config_load, read_file, NULL, false, true},
};

static void dispatch(const struct rpc_caller *caller, json_t *request)
{
	bool changed;
	json_t *answer = rpc_dispatch(caller, request, &changed);
	struct err full = {.code = ERR_INTERNAL, .text = "disk full"};
	char *text;

	if (answer && changed && caller->ctx->sum % 2)
		rpc_answer_unsaved(answer, &full);
	text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;

	/* Whatever was asked, the answer is valid JSON. */
	if (answer && !text)
		abort();
	free(text);
	json_decref(answer);
}

static void take(const struct rpc_caller *caller, const char *text, size_t len)
{
	struct err e = {0};
	json_t *request = rpc_parse(text, len, &e), *item, *said;
	size_t i;

	if (!request) {
		said = rpc_text(e.text);
		if (!said)
			abort();
		json_decref(said);
		return;
	}
	if (json_is_array(request))
		json_array_foreach (request, i, item)
			dispatch(caller, item);
	else
		dispatch(caller, request);
	json_decref(request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rpc_ctx ctx = {0};
	const struct rpc_caller caller = {.methods = {methods, 3},
					  .ctx = &ctx,
					  .read_only = size > 0 && data[0] & 0x80,
					  .who = "fuzz"};
	size_t piece = size > 0 ? 1 + (data[0] & 0x7f) : 1, start = 1, at = 1;
	struct rpc_scan scan = {0};

	log_set_level((enum log_level)0);
	while (at < size) {
		size_t n = size - at < piece ? size - at : piece, used = 0;
		enum rpc_scan_result r = rpc_scan(&scan, (const char *)data + at, n, &used);

		if (used == 0 || used > n || scan.depth > RPC_MAX_DEPTH + 1)
			abort();
		at += used;
		if (r == RPC_SCAN_END) {
			take(&caller, (const char *)data + start, at - start);
			scan = (struct rpc_scan){0};
			start = at;
		} else if (r != RPC_SCAN_MORE) {
			break;
		}
	}
	return 0;
}
