/* SPDX-License-Identifier: BSD-3-Clause */
/* Rates of bits and packets together. */
#include "policy/rates.h"

#include "policy/cost.h"
#include "policy/shared_rate.h"

void rates_set(struct rates *r, const struct rates_conf *conf, uint64_t tsc_hz, uint64_t now)
{
	rate_set(&r->bits, conf->bps, tsc_hz, (int64_t)rate_burst(conf->bps, RATE_LEAST_BITS),
		 -(int64_t)(COST_MAX_BYTES * 8 + RATE_LEAST_BITS), now);
	rate_set(&r->packets, conf->pps, tsc_hz, (int64_t)rate_burst(conf->pps, RATE_LEAST_PACKETS),
		 -COST_MAX_PACKETS, now);
}

uint64_t rates_wait(struct rates *r, uint64_t now, uint64_t ready)
{
	return rate_wait(&r->packets, now, rate_wait(&r->bits, now, ready));
}

void rates_cut(const struct rates *r, uint64_t *packets, uint64_t *bytes)
{
	if (rate_in_use(&r->bits) && r->bits.level / 8 < (int64_t)*bytes)
		*bytes = r->bits.level >= 8 ? (uint64_t)r->bits.level / 8 : 1;
	if (rate_in_use(&r->packets) && r->packets.level < (int64_t)*packets)
		*packets = r->packets.level >= 1 ? (uint64_t)r->packets.level : 1;
}

static void put(struct rate *r, uint64_t n)
{
	uint64_t room = (uint64_t)(r->cap - r->level);

	if (rate_in_use(r))
		r->level += (int64_t)(n < room ? n : room);
}

void rates_return(struct rates *r, uint64_t packets, uint64_t bits)
{
	put(&r->bits, bits);
	put(&r->packets, packets);
}
