/* SPDX-License-Identifier: BSD-3-Clause */
/* Refused calls of the configuration: an array of {"call": ..., "why": ...}. */
#include "control/refused.h"

#include <stdlib.h>
#include <string.h>

struct refused {
	json_t *entries;
};

struct refused *refused_create(void)
{
	struct refused *r = calloc(1, sizeof(*r));

	if (r)
		r->entries = json_array();
	return r;
}

void refused_destroy(struct refused *r)
{
	if (!r)
		return;
	json_decref(r->entries);
	free(r);
}

void refused_add(struct refused *r, json_t *call, const char *why)
{
	json_array_append_new(r->entries, json_pack("{s:O, s:s}", "call", call, "why", why));
}

json_t *refused_take(struct refused *r)
{
	json_t *calls = json_array();

	refused_append_calls(r, calls);
	json_array_clear(r->entries);
	return calls;
}

size_t refused_count(const struct refused *r)
{
	return json_array_size(r->entries);
}

void refused_each(const struct refused *r,
		  void (*fn)(void *ctx, const json_t *call, const char *why), void *ctx)
{
	size_t i;
	json_t *entry;

	json_array_foreach (r->entries, i, entry)
		fn(ctx, json_object_get(entry, "call"),
		   json_string_value(json_object_get(entry, "why")));
}

static void append_call(void *calls, const json_t *call, const char *why)
{
	(void)why;
	json_array_append_new(calls, json_deep_copy(call));
}

void refused_append_calls(const struct refused *r, json_t *calls)
{
	refused_each(r, append_call, calls);
}

static bool is_about(const json_t *call, const char *method, const char *name)
{
	const json_t *params = json_object_get(call, "params");
	const char *its_method = json_string_value(json_object_get(call, "method"));
	const char *its_name = json_string_value(json_object_get(params, "name"));

	return its_method && its_name && strcmp(its_method, method) == 0 &&
	       strcmp(its_name, name) == 0;
}

bool refused_forget(struct refused *r, const char *method, const char *name)
{
	for (size_t i = 0; i < json_array_size(r->entries); i++) {
		const json_t *entry = json_array_get(r->entries, i);

		if (is_about(json_object_get(entry, "call"), method, name)) {
			json_array_remove(r->entries, i);
			return true;
		}
	}
	return false;
}
