/* SPDX-License-Identifier: BSD-3-Clause */
/* The connection to the daemon. */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <jansson.h>
#include <stddef.h>

struct client {
	int fd;
	double timeout_s;
	char *data; /* received and not taken yet */
	size_t used;
	size_t room;
	char why[160]; /* what went wrong, when something did */
};

/* Connects. -1 with c->why filled. client_close() must be called in either case. */
int client_open(struct client *c, const char *path, double timeout_s);
void client_close(struct client *c);

/* Sends a request or batch. -1 with c->why filled. It is no error yet when the daemon has hung up:
 * it may have answered why. */
int client_send(struct client *c, const json_t *request);

/* The next message from the daemon, a new reference. NULL with c->why filled when none comes within
 * `timeout_s` (negative: no limit). */
json_t *client_receive(struct client *c, double timeout_s);

/* Sends a call of `method`, whose `params` reference it takes over, and waits for the answer,
 * skipping notifications. NULL with c->why filled. */
json_t *client_call(struct client *c, const char *method, json_t *params);

/* A request object; takes over the reference to `params`, which may be NULL. */
json_t *client_request(int id, const char *method, json_t *params);

#endif
