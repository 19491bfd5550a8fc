/* SPDX-License-Identifier: BSD-3-Clause */
/* Events: numbers, replay, gaps. */
#include "tests/unit/rpc/server_fixture.h"

static json_t *receive_event(struct client *c)
{
	json_t *got = receive_json(c);
	json_t *params = json_incref(json_object_get(got, "params"));

	assert_string_equal(json_string_value(json_object_get(got, "method")), "event");
	assert_null(json_object_get(got, "id"));
	json_decref(got);
	return params;
}

static void expect_event(struct client *c, int seq, const char *type)
{
	json_t *event = receive_event(c);

	assert_int_equal(json_integer_value(json_object_get(event, "seq")), seq);
	assert_string_equal(json_string_value(json_object_get(event, "type")), type);
	assert_int_equal(strlen(json_string_value(json_object_get(event, "time"))), 27);
	json_decref(event);
}

#define CALL(method, params) \
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" method "\",\"params\":" params "}"
#define SUBSCRIBED(yes, first, next)                                                          \
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"subscribed\":" #yes ",\"first\":" #first \
	",\"next\":" #next "}}"

static void events_are_numbered_and_replayed(void **state)
{
	struct fixture *f = *state;
	struct client c = client_open(f), late = client_open(f);
	json_t *event;

	assert_true(send_text(&c, CALL("events_subscribe", "{}")));
	expect_answer(&c, SUBSCRIBED(true, 1, 1));
	rpc_server_event(f->server, "first", json_pack("{s:s, s:s}", "port", "p0", "type", "mine"));
	event = receive_event(&c);
	assert_string_equal(json_string_value(json_object_get(event, "port")), "p0");
	assert_string_equal(json_string_value(json_object_get(event, "type")), "first");
	json_decref(event);
	rpc_server_event(f->server, "second", NULL);
	expect_event(&c, 2, "second");

	assert_true(send_text(&late, CALL("events_subscribe", "{\"since\":1}")));
	expect_answer(&late, SUBSCRIBED(true, 1, 3));
	expect_event(&late, 1, "first");
	expect_event(&late, 2, "second");
	rpc_server_event(f->server, "third", NULL);
	expect_event(&late, 3, "third");
	expect_event(&c, 3, "third");

	assert_true(send_text(&c, CALL("events_unsubscribe", "{}")));
	expect_answer(&c, SUBSCRIBED(false, 1, 4));
	rpc_server_event(f->server, "fourth", NULL);
	expect_event(&late, 4, "fourth");
	expect_alive(&c);
	assert_true(send_text(&c, CALL("events_subscribe", "{\"since\":6}")));
	expect_error(&c, -32602, "since", "next event");
	client_close(&c);
	client_close(&late);
}

static void old_events_are_forgotten(void **state)
{
	struct fixture *f = *state;
	struct client c = client_open(f);
	json_t *got, *list;

	for (int i = 0; i < RPC_EVENTS_KEPT + 10; i++)
		rpc_server_event(f->server, "e", NULL);
	assert_true(send_text(&c, CALL("events_list", "{\"limit\":3}")));
	got = receive_json(&c);
	list = json_object_get(got, "result");
	assert_int_equal(json_array_size(list), 3);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "seq")), 11);
	json_decref(got);
	assert_true(send_text(&c, CALL("events_subscribe", "{\"since\":5}")));
	expect_answer(&c, SUBSCRIBED(true, 11, 1035));
	for (int i = 11; i < 1035; i++)
		expect_event(&c, i, "e");
	client_close(&c);
}

/* A subscriber that does not read misses events and sees it by the numbers. */
static void slow_subscribers_see_a_gap(void **state)
{
	struct fixture *f = *state;
	struct client c = client_open(f);
	char text[1001];
	int last = 0, gaps = 0;

	memset(text, 'e', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_true(send_text(&c, CALL("events_subscribe", "{}")));
	expect_answer(&c, SUBSCRIBED(true, 1, 1));
	for (int i = 0; i < 5000; i++) {
		rpc_server_event(f->server, "e", json_pack("{s:s}", "text", text));
		if (i % 100 == 0)
			sd_event_run(f->loop, 0);
	}
	while (last < 5000) {
		json_t *event = receive_event(&c);
		int seq = (int)json_integer_value(json_object_get(event, "seq"));

		assert_true(seq > last);
		gaps += seq != last + 1;
		last = seq;
		json_decref(event);
	}
	assert_true(gaps > 0);
	client_close(&c);
}

/* A client that only listens, with its sending side closed, still hears. */
static void half_closed_subscribers_hear(void **state)
{
	struct fixture *f = *state;
	struct client c = client_open(f);

	assert_true(send_text(&c, CALL("events_subscribe", "{}")));
	shutdown(c.fd, SHUT_WR);
	expect_answer(&c, SUBSCRIBED(true, 1, 1));
	run_for(f, 10000);
	rpc_server_event(f->server, "e", NULL);
	expect_event(&c, 1, "e");
	client_close(&c);
	for (int i = 0; i < 400 && rpc_server_connections(f->server) > 0; i++)
		run_for(f, 10000);
	assert_int_equal(rpc_server_connections(f->server), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(events_are_numbered_and_replayed),
		TEST(old_events_are_forgotten),
		TEST(slow_subscribers_see_a_gap),
		TEST(half_closed_subscribers_hear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
