/* SPDX-License-Identifier: BSD-3-Clause */
/* Refused objects in the lists. */
#include "control/refused_rpc.h"

#include <stdio.h>
#include <string.h>

#include "rpc_schema.h"
#include "control/refused.h"

struct listing {
	json_t *list;
	const char *method;
	json_t *rest;
	const struct refused_filter *filters;
	size_t n;
};

/* Adds the defaults of parameters that were not given. */
static void add_defaults(json_t *object, const char *method)
{
	for (size_t i = 0; i < rpc_n_methods; i++) {
		const struct rpc_params *p = rpc_methods[i].params;

		if (strcmp(rpc_methods[i].name, method) != 0)
			continue;
		for (size_t k = 0; k < p->n; k++) {
			const struct rpc_param *q = &p->param[k];

			if (!q->has_default || json_object_get(object, q->name))
				continue;
			if (q->type == RPC_ENUM)
				json_object_set_new(object, q->name,
						    json_string(q->texts[q->default_number]));
			else if (q->default_text)
				json_object_set_new(object, q->name, json_string(q->default_text));
			else
				json_object_set_new(object, q->name,
						    json_integer(q->default_number));
		}
	}
}

static bool passes(const json_t *params, const struct refused_filter *f)
{
	for (; f->key; f++) {
		const char *value = json_string_value(json_object_get(params, f->key));

		if (f->value && (!value || strcmp(value, f->value) != 0))
			return false;
	}
	return true;
}

static void add_one(void *arg, const json_t *call, const char *why)
{
	struct listing *l = arg;
	const char *method = json_string_value(json_object_get(call, "method"));
	const json_t *params = json_object_get(call, "params");
	json_t *object;

	if (!method || strcmp(method, l->method) != 0 || !json_is_object(params) ||
	    !json_is_string(json_object_get(params, "name")) || !passes(params, l->filters))
		return;
	object = json_deep_copy(params);
	json_object_update_missing(object, l->rest);
	add_defaults(object, method);
	json_object_set_new(object, "refused", json_string(why));
	if (json_object_get(object, "state_text")) {
		char text[512];

		snprintf(text, sizeof(text), "refused: %s", why);
		json_object_set_new(object, "state_text", json_string(text));
	}
	json_array_append_new(l->list, object);
	l->n++;
}

size_t refused_list(const struct rpc_ctx *ctx, json_t *list, const char *method, json_t *rest,
		    const struct refused_filter *filters)
{
	struct listing l = {list, method, rest, filters, 0};

	refused_each(ctx->refused, add_one, &l);
	json_decref(rest);
	return l.n;
}
