/* SPDX-License-Identifier: BSD-3-Clause */
/* A client's connection: what it sent and was not carried out yet, and what it was answered and has
 * not read yet. Both bounded. */
#ifndef RPC_CONN_H
#define RPC_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "rpc/dispatch.h"
#include "rpc/events.h"

#define RPC_MAX_REQUEST (1024 * 1024)
#define RPC_MAX_BATCH   256
#define RPC_MAX_UNREAD  (8 * 1024 * 1024)

struct rpc_conn;

/* What all connections of a server share. */
struct rpc_conn_conf {
	sd_event *loop;
	struct rpc_caller caller;
	struct rpc_events *events;
	/* An answer waits until what was changed so far is saved: rpc_conn_saved() is to follow. */
	void (*unsaved)(void *arg);
	uint64_t timeout_us; /* of half a request and of answers that are not read */
	/* The connection ended by itself: the owner destroys it. */
	void (*ended)(void *arg, struct rpc_conn *c);
	void *arg;
};

/* Serves a connected socket, which it closes in the end. NULL when memory is short: then `fd` is
 * closed. [control] */
struct rpc_conn *rpc_conn_create(const struct rpc_conn_conf *conf, int fd, bool read_only);
void rpc_conn_destroy(struct rpc_conn *c);

/* What was changed so far is saved, or not: *why says why, NULL when it is. Answers that waited for
 * that go out. May end the connection. [control] */
void rpc_conn_saved(struct rpc_conn *c, const struct err *why);

/* There are new events: sends them, soon, if the client subscribed. [control] */
void rpc_conn_wake(struct rpc_conn *c);

/* Ends the connection if it has been silent within a request, or has not read, for too long.
 * [control] */
void rpc_conn_check_time(struct rpc_conn *c, uint64_t now_us);

bool rpc_conn_is_read_only(const struct rpc_conn *c);

/* For the server's own methods: the events that it may read, and whether it gets new ones from
 * number `next` on. [control] */
struct rpc_events *rpc_conn_events(struct rpc_conn *c);
void rpc_conn_subscribe(struct rpc_conn *c, uint64_t next);
void rpc_conn_unsubscribe(struct rpc_conn *c);

/* The owner's list. */
struct rpc_conn_link {
	TAILQ_ENTRY(rpc_conn_link) entry;
	struct rpc_conn *conn;
};
TAILQ_HEAD(rpc_conn_list, rpc_conn_link);
struct rpc_conn_link *rpc_conn_link(struct rpc_conn *c);

#endif
