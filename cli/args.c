/* SPDX-License-Identifier: BSD-3-Clause */
/* Arguments to parameters. */
#include "cli/args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/doc.h"

void args_init(struct args *a, const json_t *method)
{
	a->method = method;
	a->params = json_object();
	a->positional = 0;
}

void args_uninit(struct args *a)
{
	json_decref(a->params);
	a->params = NULL;
}

static json_t *convert(const char *type, const char *text)
{
	char *end;
	long long number;

	if (strcmp(type, "integer") == 0) {
		errno = 0;
		number = strtoll(text, &end, 10);
		return *text && *end == '\0' && errno == 0 ? json_integer(number) : NULL;
	}
	if (strcmp(type, "boolean") == 0) {
		if (strcmp(text, "true") == 0)
			return json_true();
		return strcmp(text, "false") == 0 ? json_false() : NULL;
	}
	return json_string(text);
}

static int set(struct args *a, const json_t *param, const char *text, struct err *e)
{
	const char *name = json_string_value(json_object_get(param, "name"));
	const char *type =
		json_string_value(json_object_get(json_object_get(param, "schema"), "type"));
	json_t *value;

	if (json_object_get(a->params, name))
		return err_set(e, ERR_INVALID, name, "%s is given twice", name);
	value = convert(type, text);
	if (!value)
		return err_set(e, ERR_INVALID, name, "%s: '%.60s' is no valid %s", name, text,
			       type);
	json_object_set_new(a->params, name, value);
	return 0;
}

static int take_option(struct args *a, int argc, char **argv, struct err *e)
{
	const char *text = argv[0] + 2, *equals = strchr(text, '=');
	char name[64];
	json_t *param;
	int rc;

	if ((equals ? (size_t)(equals - text) : strlen(text)) >= sizeof(name))
		return 0;
	memcpy(name, text, strlen(text) < sizeof(name) ? strlen(text) + 1 : sizeof(name));
	name[equals ? (size_t)(equals - text) : strlen(text)] = '\0';
	param = doc_param(a->method, name);
	if (!param)
		return 0;
	if (!equals && argc < 2)
		return err_set(e, ERR_INVALID, name, "--%s needs a value", name);
	rc = set(a, param, equals ? equals + 1 : argv[1], e);
	return rc ? rc : equals ? 1 : 2;
}

int args_take(struct args *a, int argc, char **argv, struct err *e)
{
	const char *name;
	int rc;

	if (strncmp(argv[0], "--", 2) == 0)
		return take_option(a, argc, argv, e);
	if (argv[0][0] == '-' && argv[0][1])
		return 0;
	name = doc_positional(a->method, a->positional);
	if (!name)
		return err_set(e, ERR_INVALID, NULL, "'%.60s' is one argument too many", argv[0]);
	a->positional++;
	rc = set(a, doc_param(a->method, name), argv[0], e);
	return rc ? rc : 1;
}

int args_check(const struct args *a, struct err *e)
{
	json_t *param;
	size_t i;

	json_array_foreach (json_object_get(a->method, "params"), i, param) {
		const char *name = json_string_value(json_object_get(param, "name"));

		if (json_is_true(json_object_get(param, "required")) &&
		    !json_object_get(a->params, name))
			return err_set(e, ERR_INVALID, name, "%s is missing", name);
	}
	return 0;
}
