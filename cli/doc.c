/* SPDX-License-Identifier: BSD-3-Clause */
/* Looking things up in the OpenRPC document. */
#include "cli/doc.h"

#include <string.h>

#include "rpc_schema.h"

json_t *doc_load(void)
{
	return json_loadb(rpc_doc, rpc_doc_size, 0, NULL);
}

const char *doc_word(const json_t *method, int i)
{
	json_t *words = json_object_get(json_object_get(method, "x-cli"), "command");

	return json_string_value(json_array_get(words, (size_t)i));
}

json_t *doc_command(json_t *doc, const char *noun, const char *verb)
{
	json_t *method;
	size_t i;

	json_array_foreach (json_object_get(doc, "methods"), i, method)
		if (strcmp(doc_word(method, 0), noun) == 0 &&
		    (!verb || strcmp(doc_word(method, 1), verb) == 0))
			return method;
	return NULL;
}

json_t *doc_method(json_t *doc, const char *name)
{
	json_t *method;
	size_t i;

	json_array_foreach (json_object_get(doc, "methods"), i, method)
		if (strcmp(json_string_value(json_object_get(method, "name")), name) == 0)
			return method;
	return NULL;
}

static bool same_name(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if (*a != *b && !(*a == '_' && *b == '-'))
			return false;
	return *a == *b;
}

json_t *doc_param(const json_t *method, const char *name)
{
	json_t *param;
	size_t i;

	json_array_foreach (json_object_get(method, "params"), i, param)
		if (same_name(json_string_value(json_object_get(param, "name")), name))
			return param;
	return NULL;
}

const char *doc_positional(const json_t *method, size_t i)
{
	json_t *names = json_object_get(json_object_get(method, "x-cli"), "positional");

	return json_string_value(json_array_get(names, i));
}

int doc_position(const json_t *method, const char *param)
{
	const char *name;

	for (size_t i = 0; (name = doc_positional(method, i)); i++)
		if (strcmp(name, param) == 0)
			return (int)i;
	return -1;
}

json_t *doc_schema(json_t *doc, json_t *schema)
{
	const char *ref = json_string_value(json_object_get(schema, "$ref"));
	json_t *schemas = json_object_get(json_object_get(doc, "components"), "schemas");

	return ref ? json_object_get(schemas, strrchr(ref, '/') + 1) : schema;
}
