/* SPDX-License-Identifier: BSD-3-Clause */
/* Token buckets that may go into debt. Guarantees, ceilings and rate limits are all of this kind.
 *
 * Integers only: the fraction of a token that rounding leaves over is kept for the next refill, so
 * that a bucket refilled every 100 cycles yields the same as one refilled every second. */
#ifndef POLICY_RATE_H
#define POLICY_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define RATE_FRAC_BITS 48

struct rate {
	int64_t level;     /* tokens; negative: debt */
	uint64_t last_tsc; /* time of the last refill */
	uint64_t per_tsc; /* tokens per cycle, with RATE_FRAC_BITS bits of fraction; 0: no bucket */
	uint64_t frac;    /* fraction of a token left over by the last refill */
	int64_t cap;
	int64_t floor; /* lower bound of the level: debt beyond it is forgiven */
};

/* Sets the rate to `tokens` per `cycles` (at most 2^15 tokens per cycle). The level is kept, within
 * `floor` and `cap`; a bucket that was not in use begins full. With tokens 0 it is not in use.
 * [worker] */
void rate_set(struct rate *r, uint64_t tokens, uint64_t cycles, int64_t cap, int64_t floor,
	      uint64_t now);

/* The time at which the level will be above 0, for a bucket in use which has been refilled.
 * [worker] */
uint64_t rate_ready_tsc(const struct rate *r);

/* Refills the bucket, if it is in use. Returns the later of `ready` and the time when its level is
 * above 0; 0 stands for now. [worker] */
uint64_t rate_wait(struct rate *r, uint64_t now, uint64_t ready);

static inline bool rate_in_use(const struct rate *r)
{
	return r->per_tsc != 0;
}

/* Adds the tokens that accrued since the last refill, up to `cap`: r->cap, or more where the owner
 * had no chance to use them. A clock that stands still or goes back adds none. [worker] */
static inline void rate_refill(struct rate *r, uint64_t now, int64_t cap)
{
	uint64_t passed = now - r->last_tsc;
	unsigned __int128 sum;

	if ((int64_t)passed <= 0) {
		if (passed != 0)
			r->last_tsc = now;
		return;
	}
	r->last_tsc = now;
	if (r->level >= cap)
		return;
	sum = (unsigned __int128)passed * r->per_tsc + r->frac;
	if (sum >> RATE_FRAC_BITS >= (uint64_t)(cap - r->level)) {
		r->level = cap;
		r->frac = 0;
		return;
	}
	r->level += (int64_t)(sum >> RATE_FRAC_BITS);
	r->frac = (uint64_t)sum & (((uint64_t)1 << RATE_FRAC_BITS) - 1);
}

/* Takes `n` tokens, down to the floor. [worker] */
static inline void rate_take(struct rate *r, uint64_t n)
{
	int64_t room = r->level - r->floor;

	r->level -= n < (uint64_t)room ? (int64_t)n : room;
}

#endif
