/* SPDX-License-Identifier: BSD-3-Clause */
/* Parameters: every type, every bound, and what is said when they are wrong. */
#include "rpc/decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rpc/dispatch.h"
#include "rpc_schema.h"

enum colour { RED, GREEN };
static const char *const colours[] = {"red", "green", NULL};

struct all {
	const char *text;
	const char *plain;
	enum colour colour;
	bool has_colour;
	bool flag;
	bool has_flag;
	uint32_t small;
	bool has_small;
	uint64_t large;
	bool has_large;
	int64_t any;
	bool has_any;
};

#define FIELD(x) .name = #x, .offset = offsetof(struct all, x)
#define HAS(x)   .has_offset = offsetof(struct all, has_##x)

static const struct rpc_param fields[] = {
	{FIELD(text), .type = RPC_STRING, .required = true, .has_offset = RPC_NO_OFFSET, .min = 2,
	 .max = 5, .pattern = "^[a-z]+$"},
	{FIELD(plain), .type = RPC_STRING, .has_offset = RPC_NO_OFFSET, .max = 1000000,
	 .has_default = true, .default_text = "fallback"},
	{FIELD(colour), HAS(colour), .type = RPC_ENUM, .texts = colours, .has_default = true,
	 .default_number = GREEN},
	{FIELD(flag), HAS(flag), .type = RPC_BOOL, .has_default = true, .default_number = 1},
	{FIELD(small), HAS(small), .type = RPC_U32, .min = 1, .max = UINT32_MAX,
	 .has_default = true, .default_number = 7},
	{FIELD(large), HAS(large), .type = RPC_U64, .min = 0, .max = INT64_MAX, .has_default = true,
	 .default_number = 8},
	{FIELD(any), HAS(any), .type = RPC_I64, .min = INT64_MIN, .max = INT64_MAX,
	 .has_default = true, .default_number = -9},
};
static const struct rpc_params desc = {fields, sizeof(fields) / sizeof(fields[0]),
				       sizeof(struct all)};

/* The parsed text stays alive for the strings in the struct. */
static json_t *last;

static int decode(const char *text, struct all *a, struct err *e)
{
	*e = (struct err){0};
	json_decref(last);
	last = rpc_parse(text, strlen(text), e);
	assert_non_null(last);
	return rpc_decode(&desc, last, a, e);
}

static void takes_all_types(void **state)
{
	struct all a;
	struct err e;

	(void)state;
	assert_int_equal(decode("{\"text\":\"ab\",\"plain\":\"\",\"colour\":\"red\",\"flag\":false,"
				"\"small\":4294967295,\"large\":9223372036854775807,"
				"\"any\":-9223372036854775808}",
				&a, &e),
			 0);
	assert_string_equal(a.text, "ab");
	assert_string_equal(a.plain, "");
	assert_int_equal(a.colour, RED);
	assert_false(a.flag);
	assert_true(a.small == UINT32_MAX && a.large == INT64_MAX && a.any == INT64_MIN);
	assert_true(a.has_colour && a.has_flag && a.has_small && a.has_large && a.has_any);
}

static void sets_defaults(void **state)
{
	struct all a;
	struct err e;

	(void)state;
	assert_int_equal(decode("{\"text\":\"abcde\"}", &a, &e), 0);
	assert_string_equal(a.plain, "fallback");
	assert_int_equal(a.colour, GREEN);
	assert_true(a.flag);
	assert_true(a.small == 7 && a.large == 8 && a.any == -9);
	assert_false(a.has_colour || a.has_flag || a.has_small || a.has_large || a.has_any);
}

static void whole_reals_are_integers(void **state)
{
	struct all a;
	struct err e;

	(void)state;
	assert_int_equal(decode("{\"text\":\"ab\",\"small\":5.0,\"any\":-2e3}", &a, &e), 0);
	assert_true(a.small == 5 && a.any == -2000);
}

static void names_what_is_wrong(void **state)
{
	static const struct {
		const char *text, *field, *says;
	} cases[] = {
		{"{}", "text", "text: required parameter is missing"},
		{"{\"text\":1}", "text", "text: 1 is not a string"},
		{"{\"text\":null}", "text", "text: null is not a string"},
		{"{\"text\":[1]}", "text", "text: an array is not a string"},
		{"{\"text\":{}}", "text", "text: an object is not a string"},
		{"{\"text\":\"a\"}", "text", "text: 'a' is 1 bytes long, not 2 to 5"},
		{"{\"text\":\"abcdef\"}", "text", "text: 'abcdef' is 6 bytes long, not 2 to 5"},
		{"{\"text\":\"aB\"}", "text", "text: 'aB' does not match ^[a-z]+$"},
		{"{\"text\":\"ab\\n\"}", "text", "text: 'ab\n' does not match ^[a-z]+$"},
		{"{\"text\":\"ab\",\"colour\":\"blue\"}", "colour",
		 "colour: 'blue' is none of: red, green"},
		{"{\"text\":\"ab\",\"colour\":0}", "colour", "colour: 0 is not a string"},
		{"{\"text\":\"ab\",\"flag\":1}", "flag", "flag: 1 is not true or false"},
		{"{\"text\":\"ab\",\"small\":0}", "small",
		 "small: 0 is out of range 1 to 4294967295"},
		{"{\"text\":\"ab\",\"small\":4294967296}", "small",
		 "small: 4294967296 is out of range 1 to 4294967295"},
		{"{\"text\":\"ab\",\"small\":-1}", "small",
		 "small: -1 is out of range 1 to 4294967295"},
		{"{\"text\":\"ab\",\"small\":true}", "small", "small: true is not an integer"},
		{"{\"text\":\"ab\",\"small\":\"3\"}", "small", "small: '3' is not an integer"},
		{"{\"text\":\"ab\",\"small\":1.5}", "small", "small: 1.5 is not an integer"},
		{"{\"text\":\"ab\",\"large\":-1}", "large",
		 "large: -1 is out of range 0 to 9223372036854775807"},
		{"{\"text\":\"ab\",\"large\":99999999999999999999}", "large",
		 "large: 1e+20 is out of range 0 to 9223372036854775807"},
		{"{\"text\":\"ab\",\"other\":true}", "other",
		 "other: unknown parameter (with value true)"},
	};
	struct all a;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(decode(cases[i].text, &a, &e) < 0);
		assert_int_equal(e.code, ERR_INVALID);
		assert_string_equal(e.field, cases[i].field);
		assert_string_equal(e.text, cases[i].says);
	}
}

static void cuts_what_it_shows(void **state)
{
	json_t *params = json_object();
	char name[300];
	struct all a;
	struct err e;
	json_t *text;

	(void)state;
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	json_object_set_new(params, name, json_string(name));
	assert_true(rpc_decode(&desc, params, &a, &e) < 0);
	assert_true(strlen(e.text) < 200);
	json_object_clear(params);
	/* A cut in the middle of a character is no valid text any more. */
	for (size_t i = 0; i + 3 < sizeof(name); i += 2)
		memcpy(name + i, "\xc3\xa4", 2);
	memcpy(name + sizeof(name) - 3, "\0", 1);
	json_object_set_new(params, "text", json_string(name));
	assert_true(rpc_decode(&desc, params, &a, &e) < 0);
	text = rpc_text("cut: \xc3");
	assert_string_equal(json_string_value(text), "cut: ?");
	json_decref(text);
	json_decref(params);
}

static void refuses_what_is_not_json(void **state)
{
	static const char *const bad[] = {
		"{\"a\":1,\"a\":2}", "{\"a\":\"\\u0000\"}",
		"{\"a\":\"\xff\"}",  "{\"a\":\"\xc3(\"}",
		"{\"a\":}",          "{a:1}",
		"{\"a\":1]",         "{\"a\":\"\n\"}",
		"{\"a\":1e999}",     "{\"a\":NaN}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = {0};

		assert_null(rpc_parse(bad[i], strlen(bad[i]), &e));
		assert_non_null(strstr(e.text, "parse error"));
	}
}

/* The generated tables: defaults, groups and patterns as in the description. */
static void decodes_generated_structs(void **state)
{
	struct rpc_port_create port;
	struct rpc_vm_create vm;
	struct rpc_vm_set set;
	struct err e = {0};
	json_t *params;

	(void)state;
	params = json_pack("{s:s, s:s, s:s, s:s}", "name", "p", "vm", "v", "network", "n", "socket",
			   "/run/p.sock");
	assert_int_equal(rpc_decode(&rpc_params_port_create, params, &port, &e), 0);
	assert_int_equal(port.mode, RPC_PORT_MODE_SERVER);
	assert_int_equal(port.queue_pairs, 4);
	assert_int_equal(port.mac_limit, 64);
	assert_null(port.mac);
	json_object_set_new(params, "mac", json_string("52:54:00:12:34:5"));
	assert_true(rpc_decode(&rpc_params_port_create, params, &port, &e) < 0);
	assert_string_equal(e.field, "mac");
	json_decref(params);

	params = json_pack("{s:s, s:s, s:i}", "name", "v", "tenant", "t", "guarantee_us", 100);
	assert_int_equal(rpc_decode(&rpc_params_vm_create, params, &vm, &e), 0);
	assert_true(vm.budget.weight == 100 && !vm.budget.has_weight);
	assert_true(vm.budget.guarantee_us == 100 && vm.budget.has_guarantee_us);
	json_object_del(params, "tenant");
	assert_int_equal(rpc_decode(&rpc_params_vm_set, params, &set, &e), 0);
	assert_true(set.budget.weight == 0 && !set.budget.has_weight);
	json_decref(params);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_all_types),
		cmocka_unit_test(sets_defaults),
		cmocka_unit_test(whole_reals_are_integers),
		cmocka_unit_test(names_what_is_wrong),
		cmocka_unit_test(cuts_what_it_shows),
		cmocka_unit_test(refuses_what_is_not_json),
		cmocka_unit_test(decodes_generated_structs),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	json_decref(last);
	return failed;
}
