/* SPDX-License-Identifier: BSD-3-Clause */
/* Accepting connections, their time limits, and events. */
#include "rpc/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "rpc/conn.h"
#include "rpc/listener.h"

#define TICK_US     1000000
#define ACCURACY_US 100000

struct entrance {
	struct rpc_server *server;
	struct rpc_listener listener;
	sd_event_source *source;
	bool read_only;
	unsigned n; /* connections through it */
};

struct rpc_server {
	struct rpc_conn_conf conn_conf;
	struct entrance entrance[2];
	sd_event_source *tick;
	sd_event_source *save; /* enabled while there is something to save */
	int (*save_changes)(struct rpc_ctx *ctx, struct err *e);
	struct rpc_events events;
	struct rpc_conn_list conns;
	char *doorplate; /* the answer to clients for whom there is no place */
};

static void remove_conn(void *arg, struct rpc_conn *c)
{
	struct rpc_server *s = arg;

	TAILQ_REMOVE(&s->conns, rpc_conn_link(c), entry);
	s->entrance[rpc_conn_is_read_only(c)].n--;
	rpc_conn_destroy(c);
}

/* --- saving ------------------------------------------------------------------------------------
 *
 * One save serves all calls, of all clients, that could be carried out before it. It runs after all
 * events that the loop has found by then and before later ones, so no client can put it off by
 * asking all the time. */

static void save_now(struct rpc_server *s)
{
	struct rpc_conn_link *link, *next;
	struct err e = {0};
	bool did = !s->save_changes || s->save_changes(s->conn_conf.caller.ctx, &e) == 0;

	for (link = TAILQ_FIRST(&s->conns); link; link = next) {
		next = TAILQ_NEXT(link, entry);
		rpc_conn_saved(link->conn, did ? NULL : &e);
	}
}

static int on_save(sd_event_source *source, void *userdata)
{
	(void)source;
	save_now(userdata);
	return 0;
}

static void note_unsaved(void *arg)
{
	struct rpc_server *s = arg;

	if (sd_event_source_set_enabled(s->save, SD_EVENT_ONESHOT) < 0)
		log_error("rpc: changes are not saved until the next one");
}

/* --- clients -----------------------------------------------------------------------------------
 */

static void admit(struct entrance *en, int fd)
{
	struct rpc_server *s = en->server;
	struct rpc_conn *c;

	if (en->n >= RPC_MAX_CONNECTIONS) {
		/* A fresh socket has room for one line. A client whose socket does not is not told
		 * why. */
		if (send(fd, s->doorplate, strlen(s->doorplate), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			log_debug("rpc: a client too many left");
		close(fd);
		return;
	}
	c = rpc_conn_create(&s->conn_conf, fd, en->read_only);
	if (c) {
		en->n++;
		TAILQ_INSERT_TAIL(&s->conns, rpc_conn_link(c), entry);
	}
}

static int on_accept(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct entrance *en = userdata;
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)revents;
	if (client >= 0) {
		admit(en, client);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
		/* The client stays in the queue. Trying again at once would spin, so the tick tries
		 * again. */
		log_warn("rpc: cannot accept: %s", strerror(errno));
		return sd_event_source_set_enabled(source, SD_EVENT_OFF);
	}
	return 0;
}

static uint64_t tick_us(const struct rpc_server *s)
{
	return s->conn_conf.timeout_us / 2 < TICK_US ? s->conn_conf.timeout_us / 2 : TICK_US;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct rpc_server *s = userdata;
	struct rpc_conn_link *link, *next;
	uint64_t now;

	(void)usec;
	if (sd_event_now(s->conn_conf.loop, CLOCK_MONOTONIC, &now) < 0)
		now = usec;
	for (link = TAILQ_FIRST(&s->conns); link; link = next) {
		next = TAILQ_NEXT(link, entry);
		rpc_conn_check_time(link->conn, now);
	}
	for (unsigned i = 0; i < 2; i++)
		if (s->entrance[i].source &&
		    sd_event_source_set_enabled(s->entrance[i].source, SD_EVENT_ON) < 0)
			log_error("rpc: no longer accepting");
	return sd_event_source_set_time_relative(source, tick_us(s));
}

static int open_entrance(struct rpc_server *s, const struct rpc_server_conf *conf, bool read_only,
			 struct err *e)
{
	struct entrance *en = &s->entrance[read_only];
	const char *path = read_only ? conf->read_only_path : conf->path;
	int rc;

	en->server = s;
	en->read_only = read_only;
	en->listener.fd = -1;
	if (!path)
		return 0;
	rc = rpc_listener_open(&en->listener, path, conf->group, conf->mode ? conf->mode : 0660, e);
	if (rc)
		return rc;
	if (sd_event_add_io(s->conn_conf.loop, &en->source, en->listener.fd, EPOLLIN, on_accept,
			    en) < 0)
		return err_set(e, ERR_INTERNAL, NULL, "cannot watch %s", path);
	return 0;
}

static char *make_doorplate(void)
{
	json_t *answer = rpc_error_answer(NULL, err_rpc_code(ERR_BUSY),
					  "there are 64 clients already: try again later", NULL,
					  NULL);
	char *text = json_dumps(answer, JSON_COMPACT), *line = NULL;

	if (text && asprintf(&line, "%s\n", text) < 0)
		line = NULL;
	free(text);
	json_decref(answer);
	return line;
}

struct rpc_server *rpc_server_create(sd_event *loop, const struct rpc_server_conf *conf,
				     struct err *e)
{
	struct rpc_server *s = calloc(1, sizeof(*s));

	if (!s) {
		err_set(e, ERR_NO_SPACE, NULL, "out of memory");
		return NULL;
	}
	TAILQ_INIT(&s->conns);
	rpc_events_init(&s->events);
	s->entrance[0].listener.fd = s->entrance[1].listener.fd = -1;
	s->conn_conf = (struct rpc_conn_conf){
		.loop = sd_event_ref(loop),
		.caller = {.methods = {conf->methods, conf->n_methods},
			   .ctx = conf->ctx,
			   .changed = conf->changed},
		.unsaved = note_unsaved,
		.events = &s->events,
		.timeout_us = conf->timeout_us ? conf->timeout_us : RPC_TIMEOUT_US,
		.ended = remove_conn,
		.arg = s,
	};
	s->save_changes = conf->save;
	s->doorplate = make_doorplate();
	if (!s->doorplate ||
	    sd_event_add_time_relative(loop, &s->tick, CLOCK_MONOTONIC, tick_us(s), ACCURACY_US,
				       on_tick, s) < 0 ||
	    sd_event_source_set_enabled(s->tick, SD_EVENT_ON) < 0 ||
	    sd_event_add_defer(loop, &s->save, on_save, s) < 0 ||
	    sd_event_source_set_enabled(s->save, SD_EVENT_OFF) < 0)
		err_set(e, ERR_INTERNAL, NULL, "cannot set a timer");
	else if (open_entrance(s, conf, false, e) == 0 && open_entrance(s, conf, true, e) == 0)
		return s;
	rpc_server_destroy(s);
	return NULL;
}

void rpc_server_destroy(struct rpc_server *s)
{
	struct rpc_conn_link *link;

	if (!s)
		return;
	while ((link = TAILQ_FIRST(&s->conns)))
		remove_conn(s, link->conn);
	for (unsigned i = 0; i < 2; i++) {
		sd_event_source_disable_unref(s->entrance[i].source);
		rpc_listener_close(&s->entrance[i].listener);
	}
	sd_event_source_disable_unref(s->tick);
	sd_event_source_disable_unref(s->save);
	sd_event_unref(s->conn_conf.loop);
	rpc_events_uninit(&s->events);
	free(s->doorplate);
	free(s);
}

void rpc_server_event(struct rpc_server *s, const char *type, json_t *fields)
{
	struct rpc_conn_link *link;

	if (!s) {
		json_decref(fields);
		return;
	}
	rpc_events_add(&s->events, type, fields);
	TAILQ_FOREACH (link, &s->conns, entry)
		rpc_conn_wake(link->conn);
}

unsigned rpc_server_connections(const struct rpc_server *s)
{
	return s->entrance[0].n + s->entrance[1].n;
}
