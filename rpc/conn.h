/* SPDX-License-Identifier: BSD-3-Clause */
/* A client's connection: the requests that are not carried out yet, and the answers that the client
 * has not read yet. Both are bounded. */
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
	/* An answer waits until the changes so far are saved. rpc_conn_saved() must follow. */
	void (*unsaved)(void *arg);
	uint64_t timeout_us; /* limit for the rest of a request, and for reading answers */
	/* The connection ended by itself: the owner destroys it. */
	void (*ended)(void *arg, struct rpc_conn *c);
	void *arg;
};

/* Serves a connected socket, which it closes in the end. NULL when memory is short: then `fd` is
 * closed. [control] */
struct rpc_conn *rpc_conn_create(const struct rpc_conn_conf *conf, int fd, bool read_only);
void rpc_conn_destroy(struct rpc_conn *c);

/* The changes so far are saved (`why` is NULL), or could not be saved for the reason *why. Answers
 * that waited for this are sent. May end the connection. [control] */
void rpc_conn_saved(struct rpc_conn *c, const struct err *why);

/* New events are there: has them sent soon, if the client subscribed. [control] */
void rpc_conn_wake(struct rpc_conn *c);

/* Ends the connection of a client that stopped within a request, or that did not read its answers,
 * for too long. [control] */
void rpc_conn_check_time(struct rpc_conn *c, uint64_t now_us);

bool rpc_conn_is_read_only(const struct rpc_conn *c);

/* For methods that the server answers itself: the events that the client may read, and whether it
 * gets new ones, from number `next` on. [control] */
struct rpc_events *rpc_conn_events(struct rpc_conn *c);
void rpc_conn_subscribe(struct rpc_conn *c, uint64_t next);
void rpc_conn_unsubscribe(struct rpc_conn *c);

/* Entry of the owner's list of connections. */
struct rpc_conn_link {
	TAILQ_ENTRY(rpc_conn_link) entry;
	struct rpc_conn *conn;
};
TAILQ_HEAD(rpc_conn_list, rpc_conn_link);
struct rpc_conn_link *rpc_conn_link(struct rpc_conn *c);

#endif
