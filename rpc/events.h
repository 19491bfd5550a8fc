/* SPDX-License-Identifier: BSD-3-Clause */
/* The last events, numbered from 1 without gaps. Subscribers read them at their own pace. One that
 * is too slow misses events, and sees it by the numbers. */
#ifndef RPC_EVENTS_H
#define RPC_EVENTS_H

#include <jansson.h>
#include <stdint.h>

#define RPC_EVENTS_KEPT 1024

struct rpc_events {
	uint64_t next; /* the number of the next event */
	json_t *event[RPC_EVENTS_KEPT];
};

void rpc_events_init(struct rpc_events *r);
void rpc_events_uninit(struct rpc_events *r);

/* Adds an event with the current time. Takes over the reference to `fields`, which may be NULL.
 * [control] */
void rpc_events_add(struct rpc_events *r, const char *type, json_t *fields);

/* The number of the oldest event kept; the same as `next` when there is none. [control] */
uint64_t rpc_events_first(const struct rpc_events *r);

/* The event of that number, borrowed, or NULL when it is not kept (any more, or yet). [control] */
json_t *rpc_events_get(const struct rpc_events *r, uint64_t seq);

#endif
