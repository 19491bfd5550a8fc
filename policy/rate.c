/* SPDX-License-Identifier: BSD-3-Clause */
/* Token buckets. */
#include "policy/rate.h"

void rate_set(struct rate *r, uint64_t tokens, uint64_t cycles, int64_t cap, int64_t floor,
	      uint64_t now)
{
	bool fresh = !rate_in_use(r);

	if (tokens == 0) {
		*r = (struct rate){0};
		return;
	}

	r->per_tsc = (uint64_t)(((unsigned __int128)tokens << RATE_FRAC_BITS) / cycles);
	if (r->per_tsc == 0)
		r->per_tsc = 1;
	r->cap = cap;
	r->floor = floor;
	if (fresh) {
		r->level = cap;
		r->frac = 0;
		r->last_tsc = now;
	}
	if (r->level > cap)
		r->level = cap;
	if (r->level < floor)
		r->level = floor;
}

uint64_t rate_ready_tsc(const struct rate *r)
{
	unsigned __int128 need;

	if (r->level > 0)
		return r->last_tsc;
	need = ((unsigned __int128)(uint64_t)(1 - r->level) << RATE_FRAC_BITS) - r->frac;
	need = (need + r->per_tsc - 1) / r->per_tsc;
	/* At most 2^62 ahead: a time more than half of the clock's range ahead would compare as
	 * past. */
	return r->last_tsc + (need >> 62 ? (uint64_t)1 << 62 : (uint64_t)need);
}

uint64_t rate_wait(struct rate *r, uint64_t now, uint64_t ready)
{
	uint64_t at;

	if (!rate_in_use(r))
		return ready;
	rate_refill(r, now, r->cap);
	if (r->level > 0)
		return ready;
	at = rate_ready_tsc(r);
	return ready == 0 || (int64_t)(ready - at) < 0 ? at : ready;
}
