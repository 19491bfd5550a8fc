/* SPDX-License-Identifier: BSD-3-Clause */
/* Refused objects in the lists. */
#ifndef CONTROL_REFUSED_RPC_H
#define CONTROL_REFUSED_RPC_H

#include <jansson.h>

#include "control/ctx_rpc.h"

/* What a list is narrowed to; a NULL value is any. */
struct refused_filter {
	const char *key;
	const char *value;
};

/* Appends what `method` would have made to a list: the call's parameters, defaults included, and
 * why it was refused, besides what `rest` (an object, whose reference is taken over) has for an
 * object that does nothing. Only those that pass the filters, which end with a NULL key. Returns
 * how many. [control] */
size_t refused_list(const struct rpc_ctx *ctx, json_t *list, const char *method, json_t *rest,
		    const struct refused_filter *filters);

#endif
