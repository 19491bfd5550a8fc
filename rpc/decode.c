/* SPDX-License-Identifier: BSD-3-Clause */
/* Table-driven decoding of parameters. */
#include "rpc/decode.h"

#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_VALUE 80                 /* bytes of a value that an error message repeats */
#define EXACT_REAL  9007199254740992.0 /* up to here a double holds every integer */

json_t *rpc_text(const char *text)
{
	json_t *result = json_string(text);
	char *copy;

	if (result)
		return result;
	copy = strdup(text);
	if (!copy)
		return NULL;
	for (char *c = copy; *c; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	result = json_string(copy);
	free(copy);
	return result;
}

/* The value as an error message shows it. */
static const char *show(const json_t *value, char *buf, size_t size)
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		if (json_string_length(value) > SHOWN_VALUE)
			snprintf(buf, size, "'%.*s...'", SHOWN_VALUE, json_string_value(value));
		else
			snprintf(buf, size, "'%s'", json_string_value(value));
		return buf;
	case JSON_INTEGER:
		snprintf(buf, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return buf;
	case JSON_REAL:
		snprintf(buf, size, "%.17g", json_real_value(value));
		return buf;
	case JSON_TRUE:
		return "true";
	case JSON_FALSE:
		return "false";
	case JSON_NULL:
		return "null";
	case JSON_ARRAY:
		return "an array";
	default:
		return "an object";
	}
}

static int refuse_type(const struct rpc_param *p, const json_t *value, const char *want,
		       struct err *e)
{
	char buf[SHOWN_VALUE + 16];

	return err_set(e, ERR_INVALID, p->name, "%s: %s is not %s", p->name,
		       show(value, buf, sizeof(buf)), want);
}

static int refuse_range(const struct rpc_param *p, const json_t *value, struct err *e)
{
	char buf[SHOWN_VALUE + 16];

	return err_set(e, ERR_INVALID, p->name, "%s: %s is out of range %lld to %lld", p->name,
		       show(value, buf, sizeof(buf)), (long long)p->min, (long long)p->max);
}

/* Decodes an integer. It may be written as 5.0 or 5e0, which to JSON is the same number. */
static int decode_integer(const struct rpc_param *p, const json_t *value, void *out, struct err *e)
{
	int64_t number;

	if (json_is_integer(value)) {
		number = json_integer_value(value);
	} else if (json_is_real(value)) {
		double real = json_real_value(value);

		if (real != floor(real))
			return refuse_type(p, value, "an integer", e);
		if (fabs(real) > EXACT_REAL)
			return refuse_range(p, value, e);
		number = (int64_t)real;
	} else {
		return refuse_type(p, value, "an integer", e);
	}
	if (number < p->min || number > p->max)
		return refuse_range(p, value, e);
	if (p->type == RPC_U32)
		*(uint32_t *)out = (uint32_t)number;
	else if (p->type == RPC_U64)
		*(uint64_t *)out = (uint64_t)number;
	else
		*(int64_t *)out = number;
	return 0;
}

static bool matches(const char *pattern, const char *text)
{
	regex_t regex;
	bool ok;

	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB))
		return false;
	ok = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return ok;
}

static int decode_string(const struct rpc_param *p, const json_t *value, const char **out,
			 struct err *e)
{
	char buf[SHOWN_VALUE + 16];
	size_t length;

	if (!json_is_string(value))
		return refuse_type(p, value, "a string", e);
	length = json_string_length(value);
	if ((int64_t)length < p->min || (int64_t)length > p->max)
		return err_set(e, ERR_INVALID, p->name,
			       "%s: %s is %zu bytes long, not %lld to %lld", p->name,
			       show(value, buf, sizeof(buf)), length, (long long)p->min,
			       (long long)p->max);
	if (p->pattern && !matches(p->pattern, json_string_value(value)))
		return err_set(e, ERR_INVALID, p->name, "%s: %s does not match %s", p->name,
			       show(value, buf, sizeof(buf)), p->pattern);
	*out = json_string_value(value);
	return 0;
}

static int decode_enum(const struct rpc_param *p, const json_t *value, int *out, struct err *e)
{
	char buf[SHOWN_VALUE + 16], list[128];
	size_t used = 0;

	if (!json_is_string(value))
		return refuse_type(p, value, "a string", e);
	list[0] = '\0';
	for (int i = 0; p->texts[i]; i++) {
		if (strcmp(p->texts[i], json_string_value(value)) == 0) {
			*out = i;
			return 0;
		}
		if (used < sizeof(list))
			used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
						 i ? ", " : "", p->texts[i]);
	}
	return err_set(e, ERR_INVALID, p->name, "%s: %s is none of: %s", p->name,
		       show(value, buf, sizeof(buf)), list);
}

static int decode_value(const struct rpc_param *p, const json_t *value, void *out, struct err *e)
{
	switch (p->type) {
	case RPC_STRING:
		return decode_string(p, value, out, e);
	case RPC_ENUM:
		return decode_enum(p, value, out, e);
	case RPC_BOOL:
		if (!json_is_boolean(value))
			return refuse_type(p, value, "true or false", e);
		*(bool *)out = json_is_true(value);
		return 0;
	default:
		return decode_integer(p, value, out, e);
	}
}

static void set_default(const struct rpc_param *p, void *out)
{
	switch (p->type) {
	case RPC_STRING:
		*(const char **)out = p->default_text;
		break;
	case RPC_ENUM:
		*(int *)out = (int)p->default_number;
		break;
	case RPC_BOOL:
		*(bool *)out = p->default_number != 0;
		break;
	case RPC_U32:
		*(uint32_t *)out = (uint32_t)p->default_number;
		break;
	case RPC_U64:
		*(uint64_t *)out = (uint64_t)p->default_number;
		break;
	case RPC_I64:
		*(int64_t *)out = p->default_number;
		break;
	}
}

static int refuse_unknown(const struct rpc_params *desc, json_t *params, struct err *e)
{
	const char *key;
	json_t *value;

	json_object_foreach (params, key, value) {
		size_t i = 0;

		while (i < desc->n && strcmp(desc->param[i].name, key) != 0)
			i++;
		if (i == desc->n) {
			char buf[SHOWN_VALUE + 16];

			return err_set(e, ERR_INVALID, key,
				       "%.40s: unknown parameter (with value %s)", key,
				       show(value, buf, sizeof(buf)));
		}
	}
	return 0;
}

int rpc_decode(const struct rpc_params *desc, json_t *params, void *out, struct err *e)
{
	int rc;

	memset(out, 0, desc->size);
	rc = refuse_unknown(desc, params, e);
	for (size_t i = 0; i < desc->n && rc == 0; i++) {
		const struct rpc_param *p = &desc->param[i];
		json_t *value = json_object_get(params, p->name);
		char *target = (char *)out + p->offset;

		if (value) {
			rc = decode_value(p, value, target, e);
			if (p->has_offset != RPC_NO_OFFSET)
				*(bool *)((char *)out + p->has_offset) = true;
		} else if (p->required) {
			rc = err_set(e, ERR_INVALID, p->name, "%s: required parameter is missing",
				     p->name);
		} else if (p->has_default) {
			set_default(p, target);
		}
	}
	return rc;
}
