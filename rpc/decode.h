/* SPDX-License-Identifier: BSD-3-Clause */
/* Decodes the parameters of a call, from JSON into the method's struct. */
#ifndef RPC_DECODE_H
#define RPC_DECODE_H

#include <jansson.h>

#include "base/err.h"
#include "rpc/method.h"

/* Checks `params` (an object, or NULL for none) against `desc` and fills `out`, of desc->size
 * bytes. Strings in it belong to `params`. -EINVAL with the parameter and its value named in *e.
 * [any] */
int rpc_decode(const struct rpc_params *desc, json_t *params, void *out, struct err *e);

/* A JSON string from a text that may have been cut, or come from anywhere. Non-ASCII bytes become
 * '?' if the text is not valid UTF-8. NULL when memory is short. [any] */
json_t *rpc_text(const char *text);

#endif
