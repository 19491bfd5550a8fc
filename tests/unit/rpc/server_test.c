/* SPDX-License-Identifier: BSD-3-Clause */
/* The protocol over real sockets: framing, batches, errors, saving, permission. */
#include "tests/unit/rpc/server_fixture.h"

/* --- framing and protocol --- */

static void answers_byte_by_byte(void **state)
{
	struct client c = client_open(*state);
	const char *text = ECHO(1, "a}b\\\"{") "\n" ECHO(2, "z");

	for (const char *p = text; *p; p++) {
		assert_true(send_bytes(&c, p, 1));
		sd_event_run(c.f->loop, 1000);
	}
	expect_answer(&c, ECHOED(1, "a}b\\\"{"));
	expect_answer(&c, ECHOED(2, "z"));
	client_close(&c);
}

static void answers_several_in_one_write(void **state)
{
	struct client c = client_open(*state);

	assert_true(send_text(&c, ECHO(1, "a") ECHO(2, "b") " \n " ECHO(3, "c")));
	expect_answer(&c, ECHOED(1, "a"));
	expect_answer(&c, ECHOED(2, "b"));
	expect_answer(&c, ECHOED(3, "c"));
	client_close(&c);
}

static void answers_batches(void **state)
{
	struct client c = client_open(*state);

	assert_true(send_text(
		&c, "[" ECHO(1, "a") ",{\"jsonrpc\":\"2.0\",\"method\":\"change\"},7," ECHO(
			    "x", "b") "]" ECHO(9, "after")));
	expect_answer(
		&c,
		"[" ECHOED(1, "a") ",{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,"
				   "\"message\":\"a request is an object\"}}," ECHOED("x",
										      "b") "]");
	expect_answer(&c, ECHOED(9, "after"));
	assert_int_equal(c.f->ctx.changes, 1);
	/* Nothing but notifications: no answer at all. */
	assert_true(send_text(&c, "[{\"jsonrpc\":\"2.0\",\"method\":\"change\"}]" ECHO(10, "b")));
	expect_answer(&c, ECHOED(10, "b"));
	assert_true(send_text(&c, "[]"));
	expect_error(&c, -32600, NULL, "at least one");
	client_close(&c);
}

static void bounds_batches(void **state)
{
	struct client c = client_open(*state);

	for (int n = RPC_MAX_BATCH; n <= RPC_MAX_BATCH + 1; n++) {
		assert_true(send_text(&c, "["));
		for (int i = 0; i < n; i++)
			assert_true(send_text(&c, i ? "," ECHO(1, "a") : ECHO(1, "a")));
		assert_true(send_text(&c, "]"));
		if (n == RPC_MAX_BATCH) {
			json_t *got = receive_json(&c);

			assert_int_equal(json_array_size(got), n);
			json_decref(got);
		} else {
			expect_error(&c, -32600, NULL, "256");
		}
	}
	expect_alive(&c);
	client_close(&c);
}

static void notifications_are_not_answered(void **state)
{
	struct client c = client_open(*state);

	assert_true(send_text(&c,
			      "{\"jsonrpc\":\"2.0\",\"method\":\"change\"}"
			      "{\"jsonrpc\":\"2.0\",\"method\":\"nothing\"}"
			      "{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"params\":{\"x\":1}}"));
	expect_alive(&c);
	assert_int_equal(c.f->ctx.changes, 1);
	/* Carried out even when the client left at once. */
	assert_true(send_text(&c, "{\"jsonrpc\":\"2.0\",\"method\":\"change\"}"));
	client_close(&c);
	for (int i = 0; i < 400 && ((struct fixture *)*state)->ctx.changes < 2; i++)
		run_for(*state, 20000);
	assert_int_equal(((struct fixture *)*state)->ctx.changes, 2);
}

static void ids_come_back(void **state)
{
	static const char *const good[] = {"0", "-3", "\"a\"", "null", "1.5", "9007199254740993"};
	static const char *const bad[] = {"true", "{}", "[1]"};
	struct client c = client_open(*state);
	char text[200];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(text, sizeof(text),
			 "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"echo\",\"params\":{\"text\":"
			 "\"\"}}",
			 good[i]);
		assert_true(send_text(&c, text));
		snprintf(text, sizeof(text), "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":\"\"}",
			 good[i]);
		expect_answer(&c, text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text),
			 "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"change\"}", bad[i]);
		assert_true(send_text(&c, text));
		expect_error(&c, -32600, "id", "id must be");
	}
	assert_int_equal(c.f->ctx.changes, 0);
	client_close(&c);
}

static void names_bad_requests(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *field, *says;
	} cases[] = {
		{"{\"id\":1,\"method\":\"echo\"}", -32600, "jsonrpc", "2.0"},
		{"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"echo\"}", -32600, "jsonrpc", "2.0"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1}", -32600, "method", "string"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}", -32600, "method", "string"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":3}", -32600,
		 "params", "object"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"parmas\":{}}", -32600,
		 "parmas", "no member"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":[\"a\"]}", -32602,
		 "params", "by name"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"nix\"}", -32601, "method", "'nix'"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}", -32602, "text", "missing"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"text\":\"a\","
		 "\"times\":0}}",
		 -32602, "times", "times: 0 is out of range"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"text\":\"a\","
		 "\"times\":99999999999999999999}}",
		 -32602, "times", "out of range"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"text\":"
		 "\"missing\"}}",
		 -32001, "text", "text 'missing' does not exist"},
	};
	struct client c = client_open(*state);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(send_text(&c, cases[i].text));
		expect_error(&c, cases[i].code, cases[i].field, cases[i].says);
	}
	expect_alive(&c);
	client_close(&c);
}

static void error_data_shows_the_value(void **state)
{
	struct client c = client_open(*state);

	assert_true(send_text(&c, "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"echo\",\"params\":"
				  "{\"text\":\"a\",\"times\":-4}}"));
	expect_answer(&c, "{\"jsonrpc\":\"2.0\",\"id\":5,\"error\":{\"code\":-32602,\"message\":"
			  "\"times: -4 is out of range 1 to 16777216\","
			  "\"data\":{\"field\":\"times\",\"value\":-4}}}");
	client_close(&c);
}

static void parse_errors_close(void **state)
{
	static const struct {
		const char *text;
		int code;
	} cases[] = {
		{"{\"jsonrpc\":}", -32700},
		{"{\"a\":1,\"a\":2}", -32700},
		{"{\"a\":\"\xff\"}", -32700},
		{"{\"a\":\"\\u0000\"}", -32700},
		{"hello", -32700},
		{"42", -32600},
		{"\"text\"", -32600},
		{"{]", -32700},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct client c = client_open(*state);

		assert_true(send_text(&c, cases[i].text));
		expect_error(&c, cases[i].code, NULL, NULL);
		expect_closed(&c);
		client_close(&c);
	}
}

static void half_closed_clients_are_answered(void **state)
{
	struct client c = client_open(*state);

	assert_true(send_text(&c, ECHO(1, "a") ECHO(2, "b")));
	shutdown(c.fd, SHUT_WR);
	expect_answer(&c, ECHOED(1, "a"));
	expect_answer(&c, ECHOED(2, "b"));
	expect_closed(&c);
	client_close(&c);
}

/* --- saving and permission --- */

static void saves_before_answering(void **state)
{
	struct client c = client_open(*state);

	assert_true(send_text(&c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"change\"}"));
	expect_answer(&c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":1}");
	assert_int_equal(c.f->ctx.saves, 1);
	c.f->ctx.saving_fails = true;
	assert_true(send_text(&c, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"change\"}"));
	expect_error(&c, -32603, NULL, "in force, but not saved: disk full");
	client_close(&c);
}

#define CHANGE(id)      "{\"jsonrpc\":\"2.0\",\"id\":" #id ",\"method\":\"change\"}"
#define CHANGED(id, to) "{\"jsonrpc\":\"2.0\",\"id\":" #id ",\"result\":" #to "}"

/* Of all clients; answers keep their order. */
static void one_save_serves_several_calls(void **state)
{
	struct client a = client_open(*state), b = client_open(*state);
	struct fixture *f = *state;

	assert_true(send_text(&a, ECHO(1, "x") CHANGE(2) ECHO(3, "y") CHANGE(4)));
	assert_true(send_text(&b, "[" CHANGE(5) "," ECHO(6, "z") "]" ECHO(7, "after")));
	expect_answer(&a, ECHOED(1, "x"));
	expect_answer(&a, CHANGED(2, 1));
	expect_answer(&a, ECHOED(3, "y"));
	expect_answer(&a, CHANGED(4, 2));
	expect_answer(&b, "[" CHANGED(5, 3) "," ECHOED(6, "z") "]");
	expect_answer(&b, ECHOED(7, "after"));
	assert_int_equal(f->ctx.noted, 3);
	assert_in_range(f->ctx.saves, 1, 2);
	client_close(&a);
	client_close(&b);
}

static void only_changes_depend_on_the_save(void **state)
{
	struct client c = client_open(*state);

	c.f->ctx.saving_fails = true;
	assert_true(send_text(&c, "[" CHANGE(1) "," ECHO(2, "a") "]"));
	expect_answer(&c, "[{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32603,\"message\":"
			  "\"in force, but not saved: disk full\"}}," ECHOED(2, "a") "]");
	c.f->ctx.saving_fails = false;
	assert_true(send_text(&c, CHANGE(3)));
	expect_answer(&c, CHANGED(3, 2));
	client_close(&c);
}

static void clients_may_leave_before_the_save(void **state)
{
	struct client gone = client_open(*state), half = client_open(*state);
	struct fixture *f = *state;

	assert_true(send_text(&gone, CHANGE(1)));
	client_close(&gone);
	assert_true(send_text(&half, CHANGE(2)));
	shutdown(half.fd, SHUT_WR);
	json_decref(receive_json(&half));
	expect_closed(&half);
	client_close(&half);
	for (int i = 0; i < 400 && f->ctx.changes < 2; i++)
		run_for(f, 20000);
	assert_int_equal(f->ctx.changes, 2);
	assert_true(f->ctx.saves > 0);
}

static void read_only_refuses_changes(void **state)
{
	struct fixture *f = *state;
	struct client c = connect_to(f, f->read_only_path);

	assert_true(send_text(&c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"change\"}"));
	expect_error(&c, -32006, NULL, "read-only");
	assert_int_equal(f->ctx.changes, 0);
	expect_alive(&c);
	client_close(&c);
}

static void describes_itself(void **state)
{
	struct client c = client_open(*state);
	json_t *got;

	assert_true(send_text(&c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"rpc.discover\"}"));
	got = receive_json(&c);
	assert_non_null(json_object_get(json_object_get(got, "result"), "methods"));
	json_decref(got);
	client_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answers_byte_by_byte),
		TEST(answers_several_in_one_write),
		TEST(answers_batches),
		TEST(bounds_batches),
		TEST(notifications_are_not_answered),
		TEST(ids_come_back),
		TEST(names_bad_requests),
		TEST(error_data_shows_the_value),
		TEST(parse_errors_close),
		TEST(half_closed_clients_are_answered),
		TEST(saves_before_answering),
		TEST(one_save_serves_several_calls),
		TEST(only_changes_depend_on_the_save),
		TEST(clients_may_leave_before_the_save),
		TEST(read_only_refuses_changes),
		TEST(describes_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
