/* SPDX-License-Identifier: BSD-3-Clause */
/* One client's connection.
 *
 * Belongs to the control thread. Each time the event loop calls it, it does a bounded amount of
 * work: reads once, carries out some requests (or some of a batch's), writes once. If more is left,
 * it asks to be called again, after all other event sources. There is back-pressure: with
 * HIGH_WATER bytes of unread answers, no request of the client is carried out. Memory: the input
 * buffer (one request and one read), one parsed request or batch (the scanner bounds its values),
 * the output buffer (RPC_MAX_UNREAD). */
#include "rpc/conn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "rpc/buffer.h"
#include "rpc/scan.h"

#define READ_SIZE     (64 * 1024)
#define WRITE_SIZE    (256 * 1024)
#define HIGH_WATER    (256 * 1024)
#define TURN_REQUESTS 32
#define MAX_WAITING   (RPC_MAX_BATCH + 1)
#define TURN_US       2000 /* after this long other clients get their turn */

/* A queued answer, and the texts before and after it. With `answer` NULL, the texts alone. */
struct waiting {
	json_t *answer;
	const char *before, *after;
	bool changed; /* the call changed something: the answer depends on the save */
};

struct rpc_conn {
	const struct rpc_conn_conf *conf;
	struct rpc_caller caller;
	struct rpc_conn_link link;
	int fd;
	sd_event_source *io;
	sd_event_source *more; /* enabled while there is more to do than fits a turn */

	struct rpc_buffer in;
	struct rpc_scan scan;
	size_t scanned; /* bytes at the front of `in` that the scanner has seen */

	json_t *batch; /* being carried out */
	size_t batch_next;
	bool batch_answered;

	struct waiting *waiting; /* queued answers; the first one waits for a save */
	size_t n_waiting;
	size_t waiting_bytes; /* roughly, of answers that depend on no save, which may be long */

	struct rpc_buffer out;
	bool subscribed;
	uint64_t next_event;

	bool eof;     /* the client sends no more */
	bool closing; /* no more requests are taken; ends when `out` is empty */
	bool dead;    /* ends now */
	uint64_t heard_us;
	uint64_t sent_us; /* since when `out` has not moved */
	char who[48];
};

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* --- answers --- */

static int put_bytes(const char *bytes, size_t len, void *arg)
{
	struct rpc_conn *c = arg;

	if (rpc_buffer_used(&c->out) == 0)
		c->sent_us = now_us();
	return rpc_buffer_add(&c->out, bytes, len) ? 0 : -1;
}

/* Queues the text of `value` (NULL: none), whose reference it takes over, between two other
 * texts. */
static void put(struct rpc_conn *c, const char *before, json_t *value, const char *after)
{
	if (put_bytes(before, strlen(before), c) ||
	    (value && json_dump_callback(value, put_bytes, c, JSON_COMPACT)) ||
	    put_bytes(after, strlen(after), c)) {
		log_warn("rpc: %s: disconnected: its unread answers exceed %d bytes", c->who,
			 RPC_MAX_UNREAD);
		c->dead = true;
	}
	json_decref(value);
}

/* Queues an answer. It waits if it depends on a save, or if answers before it wait. Takes over the
 * reference. */
static void put_answer(struct rpc_conn *c, const char *before, json_t *answer, const char *after,
		       bool changed)
{
	if (changed)
		c->conf->unsaved(c->conf->arg);
	if (!changed && c->n_waiting == 0) {
		put(c, before, answer, after);
		return;
	}
	if (!c->waiting)
		c->waiting = calloc(MAX_WAITING, sizeof(*c->waiting));
	if (!c->waiting) {
		json_decref(answer);
		c->dead = true;
		return;
	}
	c->waiting[c->n_waiting++] = (struct waiting){answer, before, after, changed};
	if (!changed && answer)
		c->waiting_bytes += json_dumpb(answer, NULL, 0, JSON_COMPACT);
}

/* Answers with an error and closes: it is not known where the next request would begin. */
static void refuse(struct rpc_conn *c, int code, const char *text)
{
	log_debug("rpc: %s: %s", c->who, text);
	put_answer(c, "", rpc_error_answer(NULL, code, text, NULL, NULL), "\n", false);
	c->closing = true;
	rpc_buffer_clear(&c->in);
	c->scan = (struct rpc_scan){0};
	c->scanned = 0;
}

/* --- requests --- */

/* Has the change of a request without an answer (a notification) saved like that of any other
 * call. */
static void note_unanswered(const struct rpc_conn *c, bool changed)
{
	if (changed)
		c->conf->unsaved(c->conf->arg);
}

static void batch_step(struct rpc_conn *c)
{
	json_t *request = json_array_get(c->batch, c->batch_next++);
	bool changed, is_last = c->batch_next == json_array_size(c->batch);
	json_t *answer = rpc_dispatch(&c->caller, request, &changed);

	if (answer) {
		put_answer(c, c->batch_answered ? "," : "[", answer, is_last ? "]\n" : "", changed);
		c->batch_answered = true;
	} else {
		note_unanswered(c, changed);
		if (is_last && c->batch_answered)
			put_answer(c, "", NULL, "]\n", false);
	}
	if (!is_last)
		return;
	json_decref(c->batch);
	c->batch = NULL;
}

/* Starts on a parsed request or batch, whose reference it takes over. */
static void begin(struct rpc_conn *c, json_t *request)
{
	size_t n = json_array_size(request);
	bool changed = false;
	json_t *answer;

	if (json_is_array(request) && n > 0 && n <= RPC_MAX_BATCH) {
		c->batch = request;
		c->batch_next = 0;
		c->batch_answered = false;
		return;
	}
	if (!json_is_array(request))
		answer = rpc_dispatch(&c->caller, request, &changed);
	else
		answer = rpc_error_answer(NULL, RPC_INVALID_REQUEST,
					  n ? "a batch has at most 256 requests"
					    : "a batch has at least one request",
					  NULL, NULL);
	if (answer)
		put_answer(c, "", answer, "\n", changed);
	else
		note_unanswered(c, changed);
	json_decref(request);
}

static void take_request(struct rpc_conn *c)
{
	struct err e = {0};
	json_t *request = rpc_parse(c->in.data + c->in.start, c->scanned, &e);

	if (!request) {
		refuse(c, RPC_PARSE_ERROR, e.text);
		return;
	}
	rpc_buffer_take(&c->in, c->scanned);
	c->scanned = 0;
	c->scan = (struct rpc_scan){0};
	begin(c, request);
}

/* Looks for the end of the next request, and takes it when it is there. */
static void scan_step(struct rpc_conn *c)
{
	size_t used;
	enum rpc_scan_result result = rpc_scan(&c->scan, c->in.data + c->in.start + c->scanned,
					       rpc_buffer_used(&c->in) - c->scanned, &used);

	c->scanned += used;
	if (result == RPC_SCAN_MORE && !rpc_scan_inside(&c->scan)) {
		rpc_buffer_take(&c->in, c->scanned); /* white space */
		c->scanned = 0;
	} else if ((result == RPC_SCAN_MORE || result == RPC_SCAN_END) &&
		   c->scanned > RPC_MAX_REQUEST) {
		refuse(c, RPC_INVALID_REQUEST, "a request has at most 1048576 bytes");
	} else if (result == RPC_SCAN_END) {
		take_request(c);
	} else if (result == RPC_SCAN_SCALAR) {
		refuse(c, RPC_INVALID_REQUEST, "a request is an object, a batch an array");
	} else if (result == RPC_SCAN_BAD) {
		refuse(c, RPC_PARSE_ERROR, "parse error: no JSON value begins like this");
	} else if (result == RPC_SCAN_DEEP) {
		refuse(c, RPC_INVALID_REQUEST, "a request is nested at most 32 levels deep");
	} else if (result == RPC_SCAN_MANY) {
		refuse(c, RPC_INVALID_REQUEST, "a request has at most 32768 values");
	}
}

/* Whether enough answers wait for a save, by their number or their length. */
static bool is_held_up(const struct rpc_conn *c)
{
	return c->n_waiting + 1 >= MAX_WAITING || c->waiting_bytes >= HIGH_WATER;
}

/* Whether something that was received can be carried out now. */
static bool has_work(const struct rpc_conn *c)
{
	if (c->closing || c->dead || rpc_buffer_used(&c->out) >= HIGH_WATER || is_held_up(c))
		return false;
	return c->batch || rpc_buffer_used(&c->in) > c->scanned;
}

static void work(struct rpc_conn *c)
{
	uint64_t until_us = now_us() + TURN_US;

	for (int i = 0; i < TURN_REQUESTS && has_work(c); i++) {
		if (c->batch)
			batch_step(c);
		else
			scan_step(c);
		if (now_us() >= until_us)
			break;
	}
}

/* --- events --- */

static bool has_event(const struct rpc_conn *c)
{
	return c->subscribed && !c->batch && c->n_waiting == 0 && !c->closing && !c->dead &&
	       rpc_buffer_used(&c->out) < HIGH_WATER && c->next_event < c->conf->events->next;
}

static void put_events(struct rpc_conn *c)
{
	while (has_event(c)) {
		uint64_t first = rpc_events_first(c->conf->events);

		if (c->next_event < first)
			c->next_event = first; /* events were missed: their numbers show it */
		put(c, "",
		    json_pack("{s:s, s:s, s:O}", "jsonrpc", "2.0", "method", "event", "params",
			      rpc_events_get(c->conf->events, c->next_event)),
		    "\n");
		c->next_event++;
	}
}

/* --- the socket --- */

static void receive(struct rpc_conn *c)
{
	ssize_t n;

	if (!rpc_buffer_reserve(&c->in, READ_SIZE)) {
		c->dead = true;
		return;
	}
	n = recv(c->fd, c->in.data + c->in.end, READ_SIZE, MSG_DONTWAIT);
	if (n > 0) {
		c->in.end += (size_t)n;
		c->heard_us = now_us();
	} else if (n == 0) {
		c->eof = true;
	} else if (errno != EAGAIN && errno != EINTR) {
		c->dead = true;
	}
	if (rpc_buffer_used(&c->in) == 0)
		rpc_buffer_clear(&c->in); /* idle connections hold no buffer */
}

static void transmit(struct rpc_conn *c)
{
	size_t used = rpc_buffer_used(&c->out);
	ssize_t n;

	if (used == 0 || c->dead)
		return;
	n = send(c->fd, c->out.data + c->out.start, used < WRITE_SIZE ? used : WRITE_SIZE,
		 MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0) {
		rpc_buffer_take(&c->out, (size_t)n);
		c->sent_us = now_us();
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		c->dead = true;
	}
}

static bool is_finished(const struct rpc_conn *c)
{
	if (c->dead)
		return true;
	if (rpc_buffer_used(&c->out) > 0 || c->n_waiting > 0)
		return false;
	return c->closing || (c->eof && !has_work(c) && !c->subscribed);
}

/* One turn of the connection: everything except reading. May end it. */
static void conn_turn(struct rpc_conn *c)
{
	uint32_t want = 0;
	bool full;

	work(c);
	put_events(c);
	transmit(c);
	if (is_finished(c)) {
		c->conf->ended(c->conf->arg, c);
		return;
	}
	full = rpc_buffer_used(&c->out) >= HIGH_WATER;
	if (!c->eof && !c->closing && !full && !has_work(c))
		want |= EPOLLIN;
	if (rpc_buffer_used(&c->out) > 0)
		want |= EPOLLOUT;
	if (sd_event_source_set_io_events(c->io, want) < 0 ||
	    sd_event_source_set_enabled(c->more, has_work(c) || has_event(c) ? SD_EVENT_ONESHOT
									     : SD_EVENT_OFF) < 0)
		c->conf->ended(c->conf->arg, c);
}

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct rpc_conn *c = userdata;

	(void)s;
	(void)fd;
	if (revents & EPOLLIN)
		receive(c);
	/* The client is gone: nobody is left to read events or answers. */
	if (revents & (EPOLLHUP | EPOLLERR) && c->eof && !has_work(c))
		c->dead = true;
	conn_turn(c);
	return 0;
}

static int on_more(sd_event_source *s, void *userdata)
{
	(void)s;
	conn_turn(userdata);
	return 0;
}

/* --- life --- */

static void identify(struct rpc_conn *c)
{
	struct ucred cred = {0};
	socklen_t size = sizeof(cred);

	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &cred, &size))
		cred.uid = (uid_t)-1;
	snprintf(c->who, sizeof(c->who), "pid %d uid %u", (int)cred.pid, (unsigned)cred.uid);
}

struct rpc_conn *rpc_conn_create(const struct rpc_conn_conf *conf, int fd, bool read_only)
{
	struct rpc_conn *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return NULL;
	}
	c->conf = conf;
	c->fd = fd;
	c->link.conn = c;
	c->in.limit = RPC_MAX_REQUEST + 2 * READ_SIZE;
	c->out.limit = RPC_MAX_UNREAD;
	c->caller = conf->caller;
	c->caller.conn = c;
	c->caller.read_only = read_only;
	c->caller.who = c->who;
	identify(c);
	if (sd_event_add_io(conf->loop, &c->io, fd, EPOLLIN, on_io, c) < 0 ||
	    sd_event_add_defer(conf->loop, &c->more, on_more, c) < 0 ||
	    sd_event_source_set_enabled(c->more, SD_EVENT_OFF) < 0) {
		rpc_conn_destroy(c);
		return NULL;
	}
	log_debug("rpc: %s: connected", c->who);
	return c;
}

void rpc_conn_destroy(struct rpc_conn *c)
{
	if (!c)
		return;
	sd_event_source_disable_unref(c->io);
	sd_event_source_disable_unref(c->more);
	json_decref(c->batch);
	for (size_t i = 0; i < c->n_waiting; i++)
		json_decref(c->waiting[i].answer);
	free(c->waiting);
	rpc_buffer_clear(&c->in);
	rpc_buffer_clear(&c->out);
	close(c->fd);
	free(c);
}

struct rpc_conn_link *rpc_conn_link(struct rpc_conn *c)
{
	return &c->link;
}

bool rpc_conn_is_read_only(const struct rpc_conn *c)
{
	return c->caller.read_only;
}

void rpc_conn_wake(struct rpc_conn *c)
{
	if (has_event(c) && sd_event_source_set_enabled(c->more, SD_EVENT_ONESHOT) < 0)
		c->dead = true;
}

void rpc_conn_saved(struct rpc_conn *c, const struct err *why)
{
	size_t n = c->n_waiting;

	if (n == 0)
		return;
	c->n_waiting = 0;
	c->waiting_bytes = 0;
	for (size_t i = 0; i < n; i++) {
		struct waiting *w = &c->waiting[i];

		if (w->changed && why)
			rpc_answer_unsaved(w->answer, why);
		put(c, w->before, w->answer, w->after);
	}
	free(c->waiting); /* idle connections hold none */
	c->waiting = NULL;
	conn_turn(c);
}

void rpc_conn_check_time(struct rpc_conn *c, uint64_t now)
{
	uint64_t limit = c->conf->timeout_us;
	bool stuck = rpc_buffer_used(&c->out) > 0 && now > c->sent_us + limit;
	bool silent = rpc_scan_inside(&c->scan) && !has_work(c) && now > c->heard_us + limit;

	if (stuck) {
		log_warn("rpc: %s: disconnected: it does not read", c->who);
		c->dead = true;
	} else if (silent && !c->closing) {
		refuse(c, RPC_INVALID_REQUEST, "the rest of the request did not come in time");
	}
	if (stuck || silent || c->dead)
		conn_turn(c);
}

struct rpc_events *rpc_conn_events(struct rpc_conn *c)
{
	return c->conf->events;
}

void rpc_conn_subscribe(struct rpc_conn *c, uint64_t next)
{
	uint64_t first = rpc_events_first(c->conf->events);

	c->subscribed = true;
	c->next_event = next > first ? next : first;
}

void rpc_conn_unsubscribe(struct rpc_conn *c)
{
	c->subscribed = false;
}
