/* SPDX-License-Identifier: BSD-3-Clause */
/* A bound on how often something may happen that others can provoke: a token bucket. */
#ifndef BASE_PACE_H
#define BASE_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
	uint32_t burst;       /* that many at once */
	uint64_t interval_ns; /* and then one for each of these */
	uint64_t empty_ns;    /* when all tokens had been used up */
	uint64_t left_out;    /* refused since the last one allowed */
};

/* A full bucket. [any] */
void pace_init(struct pace *p, uint32_t burst, uint64_t interval_ns);

/* Takes a token. True with *left_out set (which may be NULL) when there is one; otherwise it is
 * counted as left out. A pace belongs to one thread at a time. */
bool pace_allows(struct pace *p, uint64_t now_ns, uint64_t *left_out);

/* When there is a token again: 0 when there is one now. */
uint64_t pace_next_ns(const struct pace *p, uint64_t now_ns);

#endif
