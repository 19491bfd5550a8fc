/* SPDX-License-Identifier: BSD-3-Clause */
/* What clients cannot do to the server or to each other: size, number, silence, not reading. */
#include "tests/unit/rpc/server_fixture.h"

static void deep_nesting_is_refused(void **state)
{
	struct client c = client_open(*state);
	char text[4096];

	memset(text, '[', sizeof(text));
	send_bytes(&c, text, sizeof(text));
	expect_error(&c, -32600, NULL, "32 levels");
	expect_closed(&c);
	client_close(&c);
}

static long resident_kib(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long pages = 0;

	if (f) {
		if (fscanf(f, "%*s %ld", &pages) != 1)
			pages = 0;
		fclose(f);
	}
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void huge_requests_are_refused(void **state)
{
	struct client c = client_open(*state);
	struct client other = client_open(*state);
	long before = resident_kib();
	size_t sent = 0;
	char *piece = malloc(1 << 20);

	memset(piece, 'x', 1 << 20);
	assert_true(send_text(&c, "{\"jsonrpc\":\""));
	while (sent < 100u << 20 && send_bytes(&c, piece, 1 << 20))
		sent += 1 << 20;
	assert_true(sent < 10u << 20);
	expect_error(&c, -32600, NULL, "1048576");
	expect_closed(&c);
	expect_alive(&other);
#ifndef __SANITIZE_ADDRESS__ /* whose quarantine keeps what was freed */
	assert_true(resident_kib() - before < 16 * 1024);
#else
	(void)before;
#endif
	free(piece);
	client_close(&c);
	client_close(&other);
}

static void a_megabyte_is_taken(void **state)
{
	struct client c = client_open(*state);
	size_t len = 1000000;
	char *text = malloc(len + 1);
	json_t *got;

	memset(text, 'y', len);
	text[len] = '\0';
	assert_true(send_text(
		&c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"text\":\""));
	assert_true(send_bytes(&c, text, len));
	assert_true(send_text(&c, "\"}}"));
	got = receive_json(&c);
	assert_int_equal(json_string_length(json_object_get(got, "result")), len);
	json_decref(got);
	free(text);
	client_close(&c);
}

static void the_sixty_fifth_is_turned_away(void **state)
{
	struct fixture *f = *state;
	struct client clients[RPC_MAX_CONNECTIONS + 1];

	for (int i = 0; i <= RPC_MAX_CONNECTIONS; i++)
		clients[i] = client_open(f);
	expect_error(&clients[RPC_MAX_CONNECTIONS], -32003, NULL, "64 clients");
	expect_closed(&clients[RPC_MAX_CONNECTIONS]);
	assert_int_equal(rpc_server_connections(f->server), RPC_MAX_CONNECTIONS);
	expect_alive(&clients[0]);
	expect_alive(&clients[RPC_MAX_CONNECTIONS - 1]);
	client_close(&clients[0]);
	for (int i = 0; i < 400 && rpc_server_connections(f->server) == RPC_MAX_CONNECTIONS; i++)
		run_for(f, 10000);
	client_close(&clients[RPC_MAX_CONNECTIONS]);
	clients[0] = client_open(f);
	expect_alive(&clients[0]);
	for (int i = 0; i < RPC_MAX_CONNECTIONS; i++)
		client_close(&clients[i]);
	for (int i = 0; i < 400 && rpc_server_connections(f->server) > 0; i++)
		run_for(f, 10000);
	assert_int_equal(rpc_server_connections(f->server), 0);
}

static void silence_within_a_request_ends_it(void **state)
{
	struct client c = client_open(*state);
	struct client idle = client_open(*state);

	assert_true(send_text(&c, "{\"jsonrpc\":\"2.0\","));
	expect_error(&c, -32600, NULL, "in time");
	expect_closed(&c);
	expect_alive(&idle); /* between requests silence is fine */
	client_close(&c);
	client_close(&idle);
}

#define BIG                                                                                      \
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"text\":\"0123456789\"," \
	"\"times\":"

/* One client asks for much and reads nothing: its requests wait, others are served, it is dropped.
 */
static void slow_readers_hold_up_nobody(void **state)
{
	struct fixture *f = *state;
	struct client slow = client_open(f), other = client_open(f);
	long before = resident_kib();

	for (int i = 0; i < 500; i++)
		if (send(slow.fd, BIG "10000}}", strlen(BIG "10000}}"), MSG_NOSIGNAL) < 0)
			break;
	for (int i = 0; i < 20; i++)
		expect_alive(&other);
	assert_int_equal(rpc_server_connections(f->server), 2);
#ifndef __SANITIZE_ADDRESS__
	assert_true(resident_kib() - before < 8 * 1024);
#else
	(void)before;
#endif
	run_for(f, 600000);
	assert_int_equal(rpc_server_connections(f->server), 1);
	expect_alive(&other);
	client_close(&slow);
	client_close(&other);
}

/* One who reads, however slowly, gets everything. */
static void slow_readers_lose_nothing(void **state)
{
	struct client c = client_open(*state);

	for (int i = 0; i < 60; i++)
		assert_true(send_text(&c, BIG "10000}}"));
	for (int i = 0; i < 60; i++) {
		json_t *got = receive_json(&c);

		assert_int_equal(json_string_length(json_object_get(got, "result")), 100000);
		json_decref(got);
	}
	client_close(&c);
}

static void unread_answers_are_bounded(void **state)
{
	struct client c = client_open(*state);
	bool open;

	assert_true(send_text(&c, BIG "1000000}}"));
	assert_null(receive_line(&c, &open));
	assert_false(open);
	client_close(&c);
}

static void dead_clients_are_forgotten(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 200; i++) {
		struct client c = client_open(f);

		send_text(&c, i % 2 ? BIG "100000}}" : "{\"jsonrpc\":");
		client_close(&c);
		run_for(f, 200);
	}
	for (int i = 0; i < 400 && rpc_server_connections(f->server) > 0; i++)
		run_for(f, 50000);
	assert_int_equal(rpc_server_connections(f->server), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(deep_nesting_is_refused),
		TEST(huge_requests_are_refused),
		TEST(a_megabyte_is_taken),
		TEST(the_sixty_fifth_is_turned_away),
		TEST(silence_within_a_request_ends_it),
		TEST(slow_readers_hold_up_nobody),
		TEST(slow_readers_lose_nothing),
		TEST(unread_answers_are_bounded),
		TEST(dead_clients_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
