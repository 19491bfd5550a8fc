/* SPDX-License-Identifier: BSD-3-Clause */
/* The server over real sockets, with methods of the test's own: framing, protocol, limits,
 * fairness. Server and clients share one thread: a client waits by running the server's loop. */
#include "rpc/server.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "rpc/conn.h"
#include "rpc_schema.h"

/* --- methods --- */

struct rpc_ctx {
	int changes;
	int saves;
	bool saving_fails;
};

struct echo {
	const char *text;
	uint32_t times;
};

static const struct rpc_param echo_fields[] = {
	{.name = "text",
	 .type = RPC_STRING,
	 .required = true,
	 .offset = offsetof(struct echo, text),
	 .has_offset = RPC_NO_OFFSET,
	 .max = 1 << 20},
	{.name = "times",
	 .type = RPC_U32,
	 .offset = offsetof(struct echo, times),
	 .has_offset = RPC_NO_OFFSET,
	 .min = 1,
	 .max = 1 << 24,
	 .has_default = true,
	 .default_number = 1},
};
static const struct rpc_params echo_params = {echo_fields, 2, sizeof(struct echo)};

static json_t *echo(struct rpc_ctx *ctx, const void *params, struct err *e)
{
	const struct echo *p = params;
	size_t len = strlen(p->text);
	char *text = malloc(len * p->times + 1);
	json_t *result;

	(void)ctx;
	if (strcmp(p->text, "missing") == 0) {
		free(text);
		err_set(e, ERR_NOT_FOUND, "text", "text 'missing' does not exist");
		return NULL;
	}
	for (uint32_t i = 0; i < p->times; i++)
		memcpy(text + i * len, p->text, len);
	text[len * p->times] = '\0';
	result = json_string(text);
	free(text);
	return result;
}

static json_t *change(struct rpc_ctx *ctx, const void *params, struct err *e)
{
	(void)params;
	(void)e;
	return json_integer(++ctx->changes);
}

static json_t *call_subscribe(struct rpc_conn *c, const void *p, struct err *e)
{
	return rpc_serve_events_subscribe(c, p, e);
}

static json_t *call_unsubscribe(struct rpc_conn *c, const void *p, struct err *e)
{
	return rpc_serve_events_unsubscribe(c, p, e);
}

static json_t *call_list(struct rpc_conn *c, const void *p, struct err *e)
{
	return rpc_serve_events_list(c, p, e);
}

static json_t *call_discover(struct rpc_conn *c, const void *p, struct err *e)
{
	return rpc_serve_rpc_discover(c, p, e);
}

static const struct rpc_method methods[] = {
	{.name = "echo", .params = &echo_params, .handle = echo, .read_only_ok = true},
	{.name = "change", .params = &rpc_params_version_get, .handle = change, .mutates = true},
	{.name = "events_subscribe",
	 .params = &rpc_params_events_subscribe,
	 .serve = call_subscribe,
	 .read_only_ok = true},
	{.name = "events_unsubscribe",
	 .params = &rpc_params_events_unsubscribe,
	 .serve = call_unsubscribe,
	 .read_only_ok = true},
	{.name = "events_list",
	 .params = &rpc_params_events_list,
	 .serve = call_list,
	 .read_only_ok = true},
	{.name = "rpc.discover",
	 .params = &rpc_params_rpc_discover,
	 .serve = call_discover,
	 .read_only_ok = true},
};

static int on_mutation(struct rpc_ctx *ctx, struct err *e)
{
	if (ctx->saving_fails)
		return err_set(e, ERR_INTERNAL, NULL, "disk full");
	ctx->saves++;
	return 0;
}

/* --- the fixture --- */

struct fixture {
	char folder[32];
	char path[64];
	char read_only_path[64];
	sd_event *loop;
	struct rpc_ctx ctx;
	struct rpc_server_conf conf;
	struct rpc_server *server;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err e;

	log_set_level(LOG_ERROR);
	strcpy(f->folder, "/tmp/rpc_testXXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/s", f->folder);
	snprintf(f->read_only_path, sizeof(f->read_only_path), "%s/r", f->folder);
	assert_true(sd_event_new(&f->loop) >= 0);
	f->conf = (struct rpc_server_conf){
		.path = f->path,
		.read_only_path = f->read_only_path,
		.methods = methods,
		.n_methods = sizeof(methods) / sizeof(methods[0]),
		.ctx = &f->ctx,
		.on_mutation = on_mutation,
		.timeout_us = 200000,
	};
	f->server = rpc_server_create(f->loop, &f->conf, &e);
	assert_non_null(f->server);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	rpc_server_destroy(f->server);
	sd_event_unref(f->loop);
	assert_int_equal(rmdir(f->folder), 0); /* sockets and locks are gone */
	free(f);
	return 0;
}

static void run_for(struct fixture *f, uint64_t us)
{
	uint64_t now, end;

	sd_event_now(f->loop, CLOCK_MONOTONIC, &now);
	for (end = now + us; now < end;) {
		struct timespec ts;

		assert_true(sd_event_run(f->loop, 1000) >= 0);
		clock_gettime(CLOCK_MONOTONIC, &ts);
		now = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
	}
}

/* --- clients --- */

struct client {
	struct fixture *f;
	int fd;
	size_t used;
	char *data;
	size_t room;
};

static struct client connect_to(struct fixture *f, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct client c = {.f = f};

	strcpy(address.sun_path, path);
	c.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(connect(c.fd, (struct sockaddr *)&address, sizeof(address)), 0);
	c.room = 64 * 1024;
	c.data = malloc(c.room);
	return c;
}

static struct client client_open(struct fixture *f)
{
	return connect_to(f, f->path);
}

static void client_close(struct client *c)
{
	close(c->fd);
	free(c->data);
}

/* Sends all, running the server as long as the socket is full. False when the server hung up. */
static bool send_bytes(struct client *c, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = send(c->fd, bytes, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			sd_event_run(c->f->loop, 1000);
			continue;
		}
		if (n < 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

static bool send_text(struct client *c, const char *text)
{
	return send_bytes(c, text, strlen(text));
}

/* The next line, NULL when the server hung up or two seconds passed (then *open is true). */
static char *receive_line(struct client *c, bool *open)
{
	*open = true;
	for (int i = 0; i < 2000; i++) {
		char *end = memchr(c->data, '\n', c->used);
		ssize_t n;

		if (end) {
			char *line = strndup(c->data, (size_t)(end - c->data));

			c->used -= (size_t)(end + 1 - c->data);
			memmove(c->data, end + 1, c->used);
			return line;
		}
		if (c->room - c->used < 65536)
			c->data = realloc(c->data, c->room *= 2);
		n = recv(c->fd, c->data + c->used, c->room - c->used, 0);
		if (n > 0)
			c->used += (size_t)n;
		else if (n == 0 || errno != EAGAIN)
			break;
		else
			sd_event_run(c->f->loop, 1000);
	}
	*open = recv(c->fd, c->data, 1, MSG_PEEK) < 0 && errno == EAGAIN;
	return NULL;
}

static json_t *receive_json(struct client *c)
{
	bool open;
	char *line = receive_line(c, &open);
	json_t *value;

	assert_non_null(line);
	value = json_loads(line, 0, NULL);
	assert_non_null(value);
	free(line);
	return value;
}

static void expect_answer(struct client *c, const char *want)
{
	json_t *got = receive_json(c);
	json_t *expected = json_loads(want, 0, NULL);

	if (!json_equal(got, expected)) {
		char *text = json_dumps(got, 0);

		fail_msg("got %s, not %s", text, want);
	}
	json_decref(got);
	json_decref(expected);
}

static void expect_error(struct client *c, int code, const char *field, const char *says)
{
	json_t *got = receive_json(c);
	json_t *error = json_object_get(got, "error");
	const char *message = json_string_value(json_object_get(error, "message"));
	const char *named =
		json_string_value(json_object_get(json_object_get(error, "data"), "field"));

	assert_int_equal(json_integer_value(json_object_get(error, "code")), code);
	if (says && (!message || !strstr(message, says)))
		fail_msg("'%s' does not say '%s'", message, says);
	if (field)
		assert_string_equal(named, field);
	json_decref(got);
}

static void expect_closed(struct client *c)
{
	bool open;

	assert_null(receive_line(c, &open));
	assert_false(open);
}

static void expect_alive(struct client *c)
{
	assert_true(send_text(c, "{\"jsonrpc\":\"2.0\",\"id\":\"alive\",\"method\":\"echo\","
				 "\"params\":{\"text\":\"x\"}}"));
	expect_answer(c, "{\"jsonrpc\":\"2.0\",\"id\":\"alive\",\"result\":\"x\"}");
}

#define ECHO(id, text)                                                                         \
	"{\"jsonrpc\":\"2.0\",\"id\":" #id ",\"method\":\"echo\",\"params\":{\"text\":\"" text \
	"\"}}"
#define ECHOED(id, text) "{\"jsonrpc\":\"2.0\",\"id\":" #id ",\"result\":\"" text "\"}"

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

/* --- limits --- */

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
	run_for(f, 10000);
	client_close(&clients[RPC_MAX_CONNECTIONS]);
	clients[0] = client_open(f);
	expect_alive(&clients[0]);
	for (int i = 0; i < RPC_MAX_CONNECTIONS; i++)
		client_close(&clients[i]);
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
	run_for(f, 50000);
	assert_int_equal(rpc_server_connections(f->server), 0);
}

/* --- events --- */

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
	run_for(f, 10000);
	assert_int_equal(rpc_server_connections(f->server), 0);
}

/* --- the socket itself --- */

static void a_second_instance_is_refused(void **state)
{
	struct fixture *f = *state;
	struct err e = {0};
	char pid[32];

	assert_null(rpc_server_create(f->loop, &f->conf, &e));
	assert_int_equal(e.code, ERR_BUSY);
	snprintf(pid, sizeof(pid), "process %d ", (int)getpid());
	assert_non_null(strstr(e.text, pid));
	assert_non_null(strstr(e.text, f->path));
}

static void a_stale_socket_is_taken_over(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct rpc_server *other;
	struct err e = {0};
	char path[80], lock[90];
	int fd;

	/* What a process that was killed leaves: a socket, and a lock file that nobody locks. */
	snprintf(path, sizeof(path), "%s/stale", f->folder);
	snprintf(lock, sizeof(lock), "%s.lock", path);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	close(open(lock, O_CREAT | O_WRONLY, 0600));
	f->conf.path = path;
	f->conf.read_only_path = NULL;
	other = rpc_server_create(f->loop, &f->conf, &e);
	assert_non_null(other);
	rpc_server_destroy(other);
	assert_true(access(path, F_OK) != 0 && access(lock, F_OK) != 0);
}

static void what_is_no_socket_stays(void **state)
{
	struct fixture *f = *state;
	struct err e = {0};
	char path[80];

	snprintf(path, sizeof(path), "%s/file", f->folder);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	f->conf.path = path;
	f->conf.read_only_path = NULL;
	assert_null(rpc_server_create(f->loop, &f->conf, &e));
	assert_int_equal(e.code, ERR_EXISTS);
	assert_int_equal(unlink(path), 0);
}

static void a_foreign_listener_stays(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct err e = {0};
	char path[80];
	int fd;

	snprintf(path, sizeof(path), "%s/foreign", f->folder);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	f->conf.path = path;
	f->conf.read_only_path = NULL;
	assert_null(rpc_server_create(f->loop, &f->conf, &e));
	assert_int_equal(e.code, ERR_BUSY);
	close(fd);
	assert_int_equal(unlink(path), 0);
}

static void the_socket_has_its_mode(void **state)
{
	struct fixture *f = *state;
	struct err e = {0};
	struct stat st;

	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	f->conf.path = "/nonexistent/folder/s";
	assert_null(rpc_server_create(f->loop, &f->conf, &e));
	assert_non_null(strstr(e.text, "/nonexistent/folder/s"));
	f->conf.path = f->path;
	f->conf.group = "no such group";
	assert_null(rpc_server_create(f->loop, &f->conf, &e));
	assert_string_equal(e.field, "group");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

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
		TEST(read_only_refuses_changes),
		TEST(describes_itself),
		TEST(deep_nesting_is_refused),
		TEST(huge_requests_are_refused),
		TEST(a_megabyte_is_taken),
		TEST(the_sixty_fifth_is_turned_away),
		TEST(silence_within_a_request_ends_it),
		TEST(slow_readers_hold_up_nobody),
		TEST(slow_readers_lose_nothing),
		TEST(unread_answers_are_bounded),
		TEST(dead_clients_are_forgotten),
		TEST(events_are_numbered_and_replayed),
		TEST(old_events_are_forgotten),
		TEST(slow_subscribers_see_a_gap),
		TEST(half_closed_subscribers_hear),
		TEST(a_second_instance_is_refused),
		TEST(a_stale_socket_is_taken_over),
		TEST(what_is_no_socket_stays),
		TEST(a_foreign_listener_stays),
		TEST(the_socket_has_its_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
