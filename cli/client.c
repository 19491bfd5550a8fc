/* SPDX-License-Identifier: BSD-3-Clause */
/* The connection to the daemon: requests out, lines of JSON back. */
#include "cli/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define READ_SIZE   65536
#define MAX_MESSAGE (64 * 1024 * 1024)

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int client_open(struct client *c, const char *path, double timeout_s)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timespec pause = {.tv_nsec = 10000000};
	double until = now_s() + timeout_s;

	memset(c, 0, sizeof(*c));
	c->timeout_s = timeout_s;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (strlen(path) >= sizeof(address.sun_path)) {
		snprintf(c->why, sizeof(c->why), "the socket's path is longer than %zu bytes",
			 sizeof(address.sun_path) - 1);
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	while (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof(address))) {
		/* The daemon's queue of clients to accept is full: it is busy. */
		if (c->fd >= 0 && errno == EAGAIN && now_s() < until) {
			nanosleep(&pause, NULL);
			continue;
		}
		snprintf(c->why, sizeof(c->why), "cannot connect to %s: %s", path, strerror(errno));
		return -1;
	}
	return 0;
}

void client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->data);
	c->data = NULL;
	c->fd = -1;
}

/* Waits for the socket until `until` (negative: without limit). */
static int wait_for(struct client *c, short events, double until)
{
	struct pollfd p = {.fd = c->fd, .events = events};
	int rc;

	do {
		double left = until - now_s();
		int ms = until < 0 ? -1 : left > 0 ? (int)(left * 1000) + 1 : 0;

		rc = poll(&p, 1, ms);
	} while (rc < 0 && errno == EINTR);
	if (rc > 0)
		return 0;
	snprintf(c->why, sizeof(c->why), "no answer in time");
	return -1;
}

int client_send(struct client *c, const json_t *request)
{
	double until = now_s() + c->timeout_s;
	char *text = json_dumps(request, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0, sent = 0;
	int rc = 0;

	while (sent < len && rc == 0) {
		ssize_t n = send(c->fd, text + sent, len - sent, MSG_NOSIGNAL);

		if (n >= 0)
			sent += (size_t)n;
		else if (errno == EAGAIN)
			rc = wait_for(c, POLLOUT, until);
		else if (errno != EINTR)
			break;
	}
	free(text);
	return rc;
}

static json_t *take_line(struct client *c, size_t len)
{
	json_t *message = json_loadb(c->data, len, 0, NULL);

	if (!message)
		snprintf(c->why, sizeof(c->why), "the answer is not JSON");
	c->used -= len + 1;
	memmove(c->data, c->data + len + 1, c->used);
	return message;
}

static int receive_more(struct client *c, double until)
{
	char *data;
	ssize_t n;

	if (c->room - c->used < READ_SIZE) {
		size_t room = c->room ? 2 * c->room : 2 * READ_SIZE;

		data = room <= MAX_MESSAGE ? realloc(c->data, room) : NULL;
		if (!data) {
			snprintf(c->why, sizeof(c->why), "the answer is too long");
			return -1;
		}
		c->data = data;
		c->room = room;
	}
	if (wait_for(c, POLLIN, until))
		return -1;
	n = recv(c->fd, c->data + c->used, c->room - c->used, 0);
	if (n > 0)
		c->used += (size_t)n;
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return 0;
	snprintf(c->why, sizeof(c->why), "the daemon closed the connection");
	return -1;
}

json_t *client_receive(struct client *c, double timeout_s)
{
	double until = timeout_s < 0 ? -1 : now_s() + timeout_s;
	size_t seen = 0;

	for (;;) {
		char *end = c->used > seen ? memchr(c->data + seen, '\n', c->used - seen) : NULL;

		if (end)
			return take_line(c, (size_t)(end - c->data));
		seen = c->used;
		if (receive_more(c, until))
			return NULL;
	}
}

json_t *client_request(int id, const char *method, json_t *params)
{
	return json_pack("{s:s, s:i, s:s, s:o*}", "jsonrpc", "2.0", "id", id, "method", method,
			 "params", params);
}

json_t *client_call(struct client *c, const char *method, json_t *params)
{
	json_t *request = client_request(1, method, params), *answer = NULL;
	double until = now_s() + c->timeout_s;
	int rc = client_send(c, request);

	json_decref(request);
	while (rc == 0 && !answer) {
		double left = until - now_s();

		answer = client_receive(c, left > 0 ? left : 0);
		if (!answer)
			return NULL;
		if (!json_object_get(answer, "id")) {
			json_decref(answer);
			answer = NULL;
		}
	}
	return answer;
}
