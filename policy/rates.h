/* SPDX-License-Identifier: BSD-3-Clause */
/* Rates of bits and packets together: two token buckets. VMs, tenants and ports have them. */
#ifndef POLICY_RATES_H
#define POLICY_RATES_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/rate.h"

/* Rates as an operator gives them. */
struct rates_conf {
	uint64_t bps; /* bits per second, 0: no limit */
	uint64_t pps; /* packets per second, 0: no limit */
};

struct rates {
	struct rate bits;
	struct rate packets;
};

/* Sets both rates. A bucket holds a hundredth of a second, at least a long packet or a burst; its
 * debt is bounded by what a burst can exceed it by. A bucket that was not in use begins full.
 * [worker] */
void rates_set(struct rates *r, const struct rates_conf *conf, uint64_t tsc_hz, uint64_t now);

static inline bool rates_in_use(const struct rates *r)
{
	return rate_in_use(&r->bits) || rate_in_use(&r->packets);
}

/* Refills both. Returns the later of `ready` and the time when both levels are above 0; 0 stands
 * for now. [worker] */
uint64_t rates_wait(struct rates *r, uint64_t now, uint64_t ready);

/* Cuts a burst to what the buckets hold, but for one packet. [worker] */
void rates_cut(const struct rates *r, uint64_t *packets, uint64_t *bytes);

/* Takes what was sent. [worker] */
static inline void rates_take(struct rates *r, uint64_t packets, uint64_t bits)
{
	if (rate_in_use(&r->bits))
		rate_take(&r->bits, bits);
	if (rate_in_use(&r->packets))
		rate_take(&r->packets, packets);
}

/* Gives back what was taken for packets that were not sent after all. [worker] */
void rates_return(struct rates *r, uint64_t packets, uint64_t bits);

#endif
