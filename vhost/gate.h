/* SPDX-License-Identifier: BSD-3-Clause */
/* The gate: where vhost-user front ends come in.
 *
 * One thread serves the sockets of all ports. It never waits for a front end: a message is handled
 * when all of it is there. Front ends compete for the thread's time, so each port's use of it is
 * accounted for. Of the ports that have something to be handled, the one that used the least time
 * lately goes first, and the choice is made anew after one message or one connection. How often a
 * front end may reconnect is limited per port. */
#ifndef VHOST_GATE_H
#define VHOST_GATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "vhost/front_end.h"

#define GATE_PATH_SIZE 108 /* sun_path's size */

struct gate;
struct gate_port;

struct gate_port_conf {
	char path[GATE_PATH_SIZE];
	bool is_client; /* connect to the front end's socket, rather than listen on ours */
	uid_t owner;    /* of the socket when listening; (uid_t)-1 leaves it */
	gid_t group;    /* likewise */
	mode_t mode;    /* likewise; 0: 0600 */
};

/* All called on the gate's thread, never two at once. */
struct gate_ops {
	void (*connected)(void *ctx);
	/* A whole message is in fe->msg; its descriptors are closed after. False hangs up, *e says
	 * why.
	 */
	bool (*message)(void *ctx, struct front_end *fe, struct err *e);
	/* The front end is gone. `why` is what it did wrong, NULL when it just hung up. */
	void (*gone)(void *ctx, const char *why);
	/* A front end was turned away: another one is connected, or this process has no descriptor
	 * to spare. */
	void (*turned_away)(void *ctx, bool no_descriptors);
	/* The socket's file was removed by somebody. `why` is why it cannot be made anew, NULL when
	 * it was.
	 */
	void (*file_lost)(void *ctx, const char *why);
};

/* Starts the thread. NULL with *e filled. [control] */
struct gate *gate_create(struct err *e);

/* Ends the thread. There must be no ports any more. [control] */
void gate_destroy(struct gate *g);

/* Makes the port's socket and begins to serve it. NULL with *e filled when the path cannot be used.
 * A socket file that nobody listens on any more is replaced. [control] */
struct gate_port *gate_open(struct gate *g, const struct gate_port_conf *conf,
			    const struct gate_ops *ops, void *ctx, struct err *e);

/* Hangs up (`gone` is called first), removes the socket. NULL is fine. [control] */
void gate_close(struct gate_port *p);

/* Runs fn(arg) on the gate's thread and returns when it ran. [control] */
void gate_call(struct gate *g, void (*fn)(void *arg), void *arg);

#endif
