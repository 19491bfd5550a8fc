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

static const char *param(const json_t *call, const char *key)
{
	const char *value =
		json_string_value(json_object_get(json_object_get(call, "params"), key));

	return value ? value : "";
}

/* What a call is of: its method (NULL: any), and two of its parameters (the second one may be
 * NULL). */
struct what {
	const char *method;
	const char *key, *value;
	const char *key2, *value2;
};

static bool is_of(const json_t *call, const struct what *w)
{
	const char *method = json_string_value(json_object_get(call, "method"));

	if (!method || (w->method && strcmp(method, w->method) != 0))
		return false;
	return strcmp(param(call, w->key), w->value) == 0 &&
	       (!w->key2 || strcmp(param(call, w->key2), w->value2) == 0);
}

/* Forgets the calls that match. Returns whether there were any. */
static bool forget(struct refused *r, const struct what *w)
{
	bool did = false;

	for (size_t i = json_array_size(r->entries); i-- > 0;) {
		const json_t *entry = json_array_get(r->entries, i);

		if (!is_of(json_object_get(entry, "call"), w))
			continue;
		json_array_remove(r->entries, i);
		did = true;
	}
	return did;
}

bool refused_forget(struct refused *r, const char *method, const char *name)
{
	return forget(r, &(struct what){.method = method, .key = "name", .value = name});
}

bool refused_forget_in(struct refused *r, const char *method, const char *in, const char *object,
		       const char *key, const char *value)
{
	return forget(r, &(struct what){.method = method,
					.key = in,
					.value = object,
					.key2 = key,
					.value2 = value});
}

bool refused_forget_network(struct refused *r, const char *network)
{
	static const char *const methods[] = {"network_add_remote", "fdb_add", "neighbour_add"};
	bool did = false;

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		did |= forget(r, &(struct what){
					 .method = methods[i], .key = "network", .value = network});
	return did;
}
