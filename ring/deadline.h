/* SPDX-License-Identifier: BSD-3-Clause */
/* When a call that works on a ring is to end.
 *
 * What a call takes is bounded by what can be seen beforehand (struct net_limits). Two things
 * cannot: a page that the guest or its front end took away costs microseconds to touch, a huge one
 * hundreds; and memory may be slow for reasons that only the clock shows. Reading the clock for
 * each packet would cost as much as a third of the packet, so it is read where a page was missing,
 * which is cheap to see, and after DEADLINE_CLOCK_EVERY packets besides. */
#ifndef RING_DEADLINE_H
#define RING_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/page_faults.h"

/* Packets between two looks at the clock, a power of two. */
#define DEADLINE_CLOCK_EVERY 32

/* Belongs to the thread that calls. */
struct deadline {
	uint64_t (*clock)(void);
	uint64_t until;            /* on that clock */
	struct page_faults faults; /* the thread's */
};

static inline bool deadline_is_over(const struct deadline *d)
{
	return d->clock() >= d->until;
}

/* Whether to end after the `n`th packet. */
static inline bool deadline_ends(struct deadline *d, uint16_t n)
{
	return (page_faults_happened(&d->faults) || n % DEADLINE_CLOCK_EVERY == 0) &&
	       deadline_is_over(d);
}

#endif
