/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside the configuration: config.c (objects as calls, to a file and back) and config_journal.c
 * (changes since the file was written). All of it is the control thread's. */
#ifndef CONTROL_CONFIG_IMPL_H
#define CONTROL_CONFIG_IMPL_H

#include "control/config.h"

/* A call. Takes over the reference to the parameters. New reference. */
json_t *config_call(const char *method, json_t *params);

/* A call's method, "?" where it has none. */
const char *config_method_of(const json_t *call);

/* What a configuration consists of, in an order that can be replayed. */
struct config_kind {
	const char *name;   /* its methods begin with it; NULL: such objects have no names */
	const char *method; /* the call that makes an object */
	/* Appends the calls that make all objects as they are now. */
	void (*add_all)(struct vswitch *sw, json_t *calls);
	/* The call that makes one; NULL when there is no such object. New reference. */
	json_t *(*call_of)(struct vswitch *sw, const char *name);
};

#define CONFIG_KINDS 13
extern const struct config_kind config_kinds[CONFIG_KINDS];

/* Writes any file, with a generation in it if that is not 0. */
int config_write(const struct rpc_ctx *ctx, const char *file, json_int_t generation,
		 unsigned *calls, struct err *e);

/* Writes the daemon's own file, of a new generation, and begins its journal anew: changes that are
 * noted later belong to this file. */
int config_save_own(struct rpc_ctx *ctx, unsigned *calls, struct err *e);

/* The calls of a configuration file, and its generation, 0 where it has none. New reference to the
 * array, NULL with *e filled. */
json_t *config_read_calls(const char *file, json_int_t *generation, struct err *e);

/* Replays calls one by one, and keeps those that are refused. Returns how many were done. */
unsigned config_replay(struct rpc_ctx *ctx, json_t *calls);

#endif
