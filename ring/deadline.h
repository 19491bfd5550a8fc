/* SPDX-License-Identifier: BSD-3-Clause */
/* Deadlines of calls that work on a ring.
 *
 * The work of a call is limited by what can be seen beforehand (struct net_limits). Two things
 * cannot: a page that the guest or its front end took away costs microseconds to touch, a huge one
 * hundreds; and memory may be slow for reasons that only the clock shows. Reading the clock for
 * each packet would cost as much as a third of the packet, so it is read only after page faults,
 * which are cheap to notice, and after every DEADLINE_CLOCK_EVERY packets. */
#ifndef RING_DEADLINE_H
#define RING_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/page_faults.h"

/* Packets between two readings of the clock, a power of two. */
#define DEADLINE_CLOCK_EVERY 32

/* A deadline belongs to the thread that makes the call. */
struct deadline {
	uint64_t (*clock)(void);
	uint64_t until;            /* the deadline, in units of `clock` */
	struct page_faults faults; /* the calling thread's page faults */
};

static inline bool deadline_is_over(const struct deadline *d)
{
	return d->clock() >= d->until;
}

/* Whether the call is to end after the `n`th packet. */
static inline bool deadline_ends(struct deadline *d, uint16_t n)
{
	return (page_faults_happened(&d->faults) || n % DEADLINE_CLOCK_EVERY == 0) &&
	       deadline_is_over(d);
}

#endif
