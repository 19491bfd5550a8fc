/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON-RPC 2.0 requests and their answers. */
#include "rpc/dispatch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "rpc/decode.h"

#define ECHOED_STRING 128 /* bytes of a string value that error data repeats */
#define EXACT_REAL    9007199254740992.0

json_t *rpc_parse(const char *text, size_t len, struct err *e)
{
	json_error_t error;
	json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);

	/* An integer of more than 64 bits is still JSON. Read as a real, it is refused later, with
	 * the name of its parameter. */
	if (!value && json_error_code(&error) == json_error_numeric_overflow)
		value = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL,
				   &error);
	if (!value)
		err_set(e, ERR_INVALID, NULL, "parse error at byte %d: %s", error.position,
			error.text);
	return value;
}

/* The value as error data shows it: scalars, with long strings cut. */
static json_t *echo_value(json_t *value)
{
	char cut[ECHOED_STRING + 4];

	if (json_is_array(value))
		return json_string("[...]");
	if (json_is_object(value))
		return json_string("{...}");
	if (!json_is_string(value) || json_string_length(value) <= ECHOED_STRING)
		return json_incref(value);
	snprintf(cut, sizeof(cut), "%.*s...", ECHOED_STRING, json_string_value(value));
	return rpc_text(cut);
}

json_t *rpc_error_answer(json_t *id, int code, const char *message, const char *field,
			 json_t *value)
{
	json_t *error = json_object();

	json_object_set_new(error, "code", json_integer(code));
	json_object_set_new(error, "message", rpc_text(message));
	if (field && *field) {
		json_t *data = json_object();

		json_object_set_new(data, "field", rpc_text(field));
		if (value)
			json_object_set_new(data, "value", echo_value(value));
		json_object_set_new(error, "data", data);
	}
	return json_pack("{s:s, s:O?, s:o}", "jsonrpc", "2.0", "id", id ? id : json_null(), "error",
			 error);
}

/* The id to answer with, NULL when it has a type that ids cannot have. An integer id that was read
 * as a real because of another number (see rpc_parse) is answered as an integer. */
static json_t *answer_id(json_t *id)
{
	if (json_is_real(id)) {
		double real = json_real_value(id);

		if (real == floor(real) && fabs(real) < EXACT_REAL)
			return json_integer((json_int_t)real);
	}
	if (json_is_string(id) || json_is_number(id) || json_is_null(id))
		return json_incref(id);
	return NULL;
}

/* What is wrong with the request object itself, or NULL. */
static const char *request_fault(json_t *request, const char **field)
{
	json_t *version = json_object_get(request, "jsonrpc");
	json_t *params = json_object_get(request, "params");
	const char *key;
	json_t *value;

	*field = "jsonrpc";
	if (!json_is_string(version) || strcmp(json_string_value(version), "2.0") != 0)
		return "must be \"2.0\"";
	*field = "method";
	if (!json_is_string(json_object_get(request, "method")))
		return "must be a string";
	*field = "params";
	if (params && !json_is_object(params) && !json_is_array(params))
		return "must be an object";
	json_object_foreach (request, key, value) {
		*field = key;
		if (strcmp(key, "jsonrpc") != 0 && strcmp(key, "method") != 0 &&
		    strcmp(key, "params") != 0 && strcmp(key, "id") != 0)
			return "is no member of a request";
	}
	return NULL;
}

static const struct rpc_method *find_method(const struct rpc_table *table, const char *name)
{
	for (size_t i = 0; i < table->n; i++)
		if (strcmp(table->method[i].name, name) == 0)
			return &table->method[i];
	return NULL;
}

static json_t *call(const struct rpc_caller *caller, const struct rpc_method *m, json_t *params,
		    struct err *e)
{
	_Alignas(max_align_t) char decoded[RPC_PARAMS_MAX];
	json_t *result;

	if (caller->read_only && !m->read_only_ok) {
		err_set(e, ERR_PERMISSION, NULL,
			"%s changes something: not on the read-only socket", m->name);
		return NULL;
	}
	if (json_is_array(params)) {
		err_set(e, ERR_INVALID, "params", "parameters are passed by name, in an object");
		return NULL;
	}
	if (rpc_decode(m->params, params, decoded, e))
		return NULL;
	if (m->handle)
		result = m->handle(caller->ctx, decoded, e);
	else if (caller->conn)
		result = m->serve(caller->conn, decoded, e);
	else
		result =
			(err_set(e, ERR_WRONG_STATE, NULL, "%s needs a connection", m->name), NULL);
	if (!result && e->code == ERR_NONE)
		err_set(e, ERR_INTERNAL, NULL, "%s: out of memory", m->name);
	return result;
}

json_t *rpc_invoke(const struct rpc_caller *caller, const char *method, json_t *params,
		   struct err *e)
{
	const struct rpc_method *m = find_method(&caller->methods, method);

	*e = (struct err){0};
	if (!m) {
		err_set(e, ERR_NOT_FOUND, "method", "there is no method '%.60s'", method);
		return NULL;
	}
	return call(caller, m, params, e);
}

static json_t *fault_answer(json_t *id, json_t *params, const struct err *e)
{
	char message[sizeof(e->field) + sizeof(e->text) + 2];
	json_t *value = e->field[0] ? json_object_get(params, e->field) : NULL;
	bool named = strstr(e->text, e->field) != NULL;

	snprintf(message, sizeof(message), "%s%s%s", named ? "" : e->field, named ? "" : ": ",
		 e->text);
	return rpc_error_answer(id, err_rpc_code(e->code), message, e->field, value);
}

void rpc_answer_unsaved(json_t *answer, const struct err *why)
{
	char text[sizeof(why->text) + 32];
	json_t *error;

	snprintf(text, sizeof(text), "in force, but not saved: %s", why->text);
	error = json_pack("{s:i, s:o}", "code", err_rpc_code(ERR_INTERNAL), "message",
			  rpc_text(text));
	json_object_del(answer, "result");
	json_object_set_new(answer, "error", error);
}

/* Calls the method. The result, or NULL with *e filled. */
static json_t *carry_out(const struct rpc_caller *caller, const struct rpc_method *m,
			 json_t *params, bool *changed, struct err *e)
{
	json_t *result = call(caller, m, params, e);

	if (!result || !m->mutates)
		return result;
	log_info("rpc: %s: %s", caller->who ? caller->who : "?", m->name);
	*changed = true;
	if (caller->changed)
		caller->changed(caller->ctx, m->name, params);
	return result;
}

/* Carries out a well-formed request. `id` is NULL for a notification. */
static json_t *dispatch_valid(const struct rpc_caller *caller, json_t *request, json_t *id,
			      bool *changed)
{
	const char *name = json_string_value(json_object_get(request, "method"));
	const struct rpc_method *m = find_method(&caller->methods, name);
	json_t *params = json_object_get(request, "params");
	struct err e = {0};
	json_t *result;

	if (!m) {
		char message[128];

		snprintf(message, sizeof(message), "there is no method '%.80s'", name);
		return id ? rpc_error_answer(id, RPC_METHOD_NOT_FOUND, message, "method",
					     json_object_get(request, "method"))
			  : NULL;
	}
	result = carry_out(caller, m, params, changed, &e);
	if (!id) {
		json_decref(result);
		return NULL;
	}
	if (!result)
		return fault_answer(id, params, &e);
	return json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id", id, "result", result);
}

json_t *rpc_dispatch(const struct rpc_caller *caller, json_t *request, bool *changed)
{
	json_t *given, *id, *answer;
	const char *fault, *field;
	char message[160];

	*changed = false;
	if (!json_is_object(request))
		return rpc_error_answer(NULL, RPC_INVALID_REQUEST, "a request is an object", NULL,
					NULL);
	given = json_object_get(request, "id");
	id = given ? answer_id(given) : NULL;
	fault = request_fault(request, &field);
	if (given && !id) {
		field = "id";
		fault = "must be a string, a number or null";
	}
	if (fault) {
		snprintf(message, sizeof(message), "invalid request: %.60s %s", field, fault);
		answer = rpc_error_answer(id, RPC_INVALID_REQUEST, message, field,
					  json_object_get(request, field));
	} else {
		answer = dispatch_valid(caller, request, id, changed);
	}
	json_decref(id);
	return answer;
}
