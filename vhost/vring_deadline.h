/* SPDX-License-Identifier: BSD-3-Clause */
/* When a call that works on a ring is to end.
 *
 * What a call takes is bounded by what can be seen beforehand (struct vring_limits). Two things
 * cannot: a page that the guest or its front end took away costs microseconds to touch, a huge one
 * hundreds; and memory may be slow for reasons that only the clock shows. Reading the clock for
 * each packet would cost as much as a third of the packet, so it is read where a page was missing,
 * which is cheap to see, and after VRING_CLOCK_EVERY packets besides. */
#ifndef VHOST_VRING_DEADLINE_H
#define VHOST_VRING_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/page_faults.h"

/* Packets between two looks at the clock, a power of two. */
#define VRING_CLOCK_EVERY 32

/* Belongs to the thread that calls. */
struct vring_deadline {
	uint64_t (*clock)(void);
	uint64_t until;            /* on that clock */
	struct page_faults faults; /* the thread's */
};

static inline bool vring_is_late(const struct vring_deadline *d)
{
	return d->clock() >= d->until;
}

/* Whether to end after the `n`th packet. */
static inline bool vring_time_is_up(struct vring_deadline *d, uint16_t n)
{
	return (page_faults_happened(&d->faults) || n % VRING_CLOCK_EVERY == 0) && vring_is_late(d);
}

#endif
