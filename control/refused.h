/* SPDX-License-Identifier: BSD-3-Clause */
/* What the configuration asks for and was refused when it was replayed: kept, so that it is saved
 * again, shown in the lists, tried again and deleted like what is there. The control thread's. */
#ifndef CONTROL_REFUSED_H
#define CONTROL_REFUSED_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

struct refused;

struct refused *refused_create(void);
void refused_destroy(struct refused *r);

/* Adds a call, {"method": ..., "params": {...}}, and why it was refused. It keeps a reference. */
void refused_add(struct refused *r, json_t *call, const char *why);

/* Takes all of them out: an array of calls, in the order in which they were added. New reference.
 */
json_t *refused_take(struct refused *r);

/* Forgets the call of `method` that makes the object `name`. False when there is none. */
bool refused_forget(struct refused *r, const char *method, const char *name);

size_t refused_count(const struct refused *r);

/* The calls, as for a configuration. Appended to the array. */
void refused_append_calls(const struct refused *r, json_t *calls);

/* Calls fn for each, with why. */
void refused_each(const struct refused *r,
		  void (*fn)(void *ctx, const json_t *call, const char *why), void *ctx);

#endif
