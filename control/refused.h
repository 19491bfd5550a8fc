/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls of the configuration that were refused when it was replayed. They are kept, so that they
 * are saved again, shown in the lists, retried, and deleted like objects that exist. The control
 * thread's. */
#ifndef CONTROL_REFUSED_H
#define CONTROL_REFUSED_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

struct refused;

struct refused *refused_create(void);
void refused_destroy(struct refused *r);

/* Adds a call, {"method": ..., "params": {...}}, and the reason of its refusal. Keeps a reference
 * to the call. */
void refused_add(struct refused *r, json_t *call, const char *why);

/* Takes out all calls: an array, in the order in which they were added. New reference. */
json_t *refused_take(struct refused *r);

/* Forgets the call of `method` that would create the object `name`. False when there is none. */
bool refused_forget(struct refused *r, const char *method, const char *name);

/* The same for what is in an object: the call of `method` whose parameter `in` names that object,
 * and whose parameter `key` has this value (NULL: all of them). */
bool refused_forget_in(struct refused *r, const char *method, const char *in, const char *object,
		       const char *key, const char *value);

/* Forgets what was to be added to a network: it goes with the network, and is not for another one
 * of that name. True when there was any: then the journal does not tell it. */
bool refused_forget_network(struct refused *r, const char *network);

size_t refused_count(const struct refused *r);

/* Appends the calls to the array, as a configuration has them. */
void refused_append_calls(const struct refused *r, json_t *calls);

/* Calls fn for each call, with the reason of its refusal. */
void refused_each(const struct refused *r,
		  void (*fn)(void *ctx, const json_t *call, const char *why), void *ctx);

#endif
