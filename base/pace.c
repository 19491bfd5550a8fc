/* SPDX-License-Identifier: BSD-3-Clause */
/* A token bucket. */
#include "base/pace.h"

#include <stddef.h>

void pace_init(struct pace *p, uint32_t burst, uint64_t interval_ns)
{
	*p = (struct pace){.burst = burst, .interval_ns = interval_ns};
}

/* The bucket is stored as the time when it was empty: a token came in for each interval since
 * then. */
static uint64_t oldest(const struct pace *p, uint64_t now_ns)
{
	uint64_t full = p->burst * p->interval_ns;

	return p->empty_ns == 0 || now_ns - p->empty_ns > full ? now_ns - full : p->empty_ns;
}

bool pace_allows(struct pace *p, uint64_t now_ns, uint64_t *left_out)
{
	uint64_t empty = oldest(p, now_ns);

	if (now_ns - empty < p->interval_ns) {
		p->left_out++;
		return false;
	}
	p->empty_ns = empty + p->interval_ns;
	if (left_out)
		*left_out = p->left_out;
	p->left_out = 0;
	return true;
}

uint64_t pace_next_ns(const struct pace *p, uint64_t now_ns)
{
	uint64_t empty = oldest(p, now_ns);

	return now_ns - empty >= p->interval_ns ? 0 : empty + p->interval_ns;
}
