/* SPDX-License-Identifier: BSD-3-Clause */
/* Refused objects in the lists. */
#ifndef CONTROL_REFUSED_RPC_H
#define CONTROL_REFUSED_RPC_H

#include <jansson.h>

#include "control/ctx_rpc.h"

/* A filter of a list: only objects whose `key` is `value`; NULL allows any. */
struct refused_filter {
	const char *key;
	const char *value;
};

/* Appends the objects that refused calls of `method` would have created to a list. Each has the
 * call's parameters, defaults included, the reason of the refusal, and the fields of `rest` (an
 * object, whose reference is taken over) that it lacks. Only those that pass the filters, which end
 * with a NULL key. Returns how many. [control] */
size_t refused_list(const struct rpc_ctx *ctx, json_t *list, const char *method, json_t *rest,
		    const struct refused_filter *filters);

#endif
