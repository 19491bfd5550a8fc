/* SPDX-License-Identifier: BSD-3-Clause */
/* A bound on how often something happens that front ends, guests or clients can provoke: a token
 * bucket. */
#ifndef BASE_PACE_H
#define BASE_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
	uint32_t burst;       /* tokens that a full bucket has */
	uint64_t interval_ns; /* time between two new tokens */
	uint64_t empty_ns;    /* the time when the bucket was empty; 0: it is full */
	uint64_t left_out;    /* calls refused since the last one allowed */
};

/* A full bucket. [any] */
void pace_init(struct pace *p, uint32_t burst, uint64_t interval_ns);

/* Takes a token. True when there was one: then *left_out (which may be NULL) is how many calls were
 * refused since the last success. Else the call is counted as refused. A pace belongs to one thread
 * at a time. */
bool pace_allows(struct pace *p, uint64_t now_ns, uint64_t *left_out);

/* The time of the next token: 0 when there is one now. */
uint64_t pace_next_ns(const struct pace *p, uint64_t now_ns);

#endif
