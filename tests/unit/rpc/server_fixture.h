/* SPDX-License-Identifier: BSD-3-Clause */
/* A server with methods of the test's own, and clients for it. Both share one thread: a client
 * waits by running the server's loop. Included by each test of the server, once. */
#ifndef SERVER_FIXTURE_H
#define SERVER_FIXTURE_H

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
	int noted;
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

static void on_change(struct rpc_ctx *ctx, const char *method, const json_t *params)
{
	(void)method;
	(void)params;
	ctx->noted++;
}

static int on_save(struct rpc_ctx *ctx, struct err *e)
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

static inline int set_up(void **state)
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
		.changed = on_change,
		.save = on_save,
		.timeout_us = 200000,
	};
	f->server = rpc_server_create(f->loop, &f->conf, &e);
	assert_non_null(f->server);
	*state = f;
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *f = *state;

	rpc_server_destroy(f->server);
	sd_event_unref(f->loop);
	assert_int_equal(rmdir(f->folder), 0); /* sockets and locks are gone */
	free(f);
	return 0;
}

static inline void run_for(struct fixture *f, uint64_t us)
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

static inline struct client connect_to(struct fixture *f, const char *path)
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

static inline struct client client_open(struct fixture *f)
{
	return connect_to(f, f->path);
}

static inline void client_close(struct client *c)
{
	close(c->fd);
	free(c->data);
}

/* Sends all, running the server as long as the socket is full. False when the server hung up. */
static inline bool send_bytes(struct client *c, const char *bytes, size_t len)
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

static inline bool send_text(struct client *c, const char *text)
{
	return send_bytes(c, text, strlen(text));
}

/* The next line, NULL when the server hung up or two seconds passed (then *open is true). */
static inline char *receive_line(struct client *c, bool *open)
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

static inline json_t *receive_json(struct client *c)
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

static inline void expect_answer(struct client *c, const char *want)
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

static inline void expect_error(struct client *c, int code, const char *field, const char *says)
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

static inline void expect_closed(struct client *c)
{
	bool open;

	assert_null(receive_line(c, &open));
	assert_false(open);
}

static inline void expect_alive(struct client *c)
{
	assert_true(send_text(c, "{\"jsonrpc\":\"2.0\",\"id\":\"alive\",\"method\":\"echo\","
				 "\"params\":{\"text\":\"x\"}}"));
	expect_answer(c, "{\"jsonrpc\":\"2.0\",\"id\":\"alive\",\"result\":\"x\"}");
}

#define ECHO(id, text)                                                                         \
	"{\"jsonrpc\":\"2.0\",\"id\":" #id ",\"method\":\"echo\",\"params\":{\"text\":\"" text \
	"\"}}"
#define ECHOED(id, text) "{\"jsonrpc\":\"2.0\",\"id\":" #id ",\"result\":\"" text "\"}"

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
