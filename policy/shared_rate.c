/* SPDX-License-Identifier: BSD-3-Clause */
/* Rates that several threads share. */
#include "policy/shared_rate.h"

#define CYCLE 16u /* units of time in a cycle: what is rounded away is a thousandth of a packet */

/* A queue that is longer than so many bursts is none: the clock has jumped, or the rate was much
 * lower before. */
#define MOST_BURSTS 64u

void shared_rate_init(struct shared_rate *r, uint64_t least, uint64_t tsc_hz)
{
	atomic_store(&r->rate, 0);
	atomic_store(&r->until, 0);
	r->least = least;
	r->tsc_hz = tsc_hz;
}

void shared_rate_set(struct shared_rate *r, uint64_t rate)
{
	if (rate == atomic_load(&r->rate))
		return;
	atomic_store(&r->rate, rate);
	atomic_store(&r->until, 0);
}

void shared_rates_init(struct shared_rates *r, uint64_t tsc_hz)
{
	shared_rate_init(&r->bits, RATE_LEAST_BITS, tsc_hz);
	shared_rate_init(&r->packets, RATE_LEAST_PACKETS, tsc_hz);
}

void shared_rates_set(struct shared_rates *r, uint64_t bps, uint64_t pps)
{
	shared_rate_set(&r->bits, bps);
	shared_rate_set(&r->packets, pps);
}

uint64_t rate_burst(uint64_t rate, uint64_t least)
{
	uint64_t burst = rate / RATES_PER_SECOND;

	return burst > least ? burst : least;
}

/* The units of time that tokens take. */
static uint64_t time_of(const struct shared_rate *r, uint64_t rate, uint64_t tokens)
{
	uint64_t unit = r->tsc_hz * CYCLE, product;

	if (!__builtin_mul_overflow(tokens, unit, &product))
		return product / rate;
	return (uint64_t)((unsigned __int128)tokens * unit / rate);
}

/* Takes tokens, when at most those of the time `saved` are saved up. Returns when what was taken
 * before is paid. */
static uint64_t take(struct shared_rate *r, uint64_t rate, uint64_t tokens, uint64_t now,
		     uint64_t saved)
{
	uint64_t until = atomic_load_explicit(&r->until, memory_order_relaxed);
	uint64_t most = MOST_BURSTS * time_of(r, rate, rate_burst(rate, r->least));
	uint64_t cost = time_of(r, rate, tokens), begin;

	do {
		int64_t ahead = (int64_t)(until - now);

		begin = until;
		if (ahead < -(int64_t)saved || ahead > (int64_t)most)
			begin = now - saved;
	} while (!atomic_compare_exchange_weak_explicit(
		&r->until, &until, begin + cost, memory_order_relaxed, memory_order_relaxed));
	return begin;
}

uint64_t shared_rate_take(struct shared_rate *r, uint64_t tokens, uint64_t now)
{
	uint64_t rate = shared_rate_of(r), begin;

	if (rate == 0)
		return now;
	begin = take(r, rate, tokens, now * CYCLE, time_of(r, rate, rate_burst(rate, r->least)));
	/* By the difference, since units of time wrap before cycles do. */
	return now + (uint64_t)((int64_t)(begin - now * CYCLE + CYCLE - 1) / (int64_t)CYCLE);
}

void shared_rate_give(struct shared_rate *r, uint64_t tokens)
{
	uint64_t rate = shared_rate_of(r);

	if (rate != 0)
		atomic_fetch_sub_explicit(&r->until, time_of(r, rate, tokens),
					  memory_order_relaxed);
}

void shared_rate_queue(struct shared_rate *r, uint64_t tokens, uint64_t now)
{
	uint64_t rate = shared_rate_of(r);

	if (rate != 0)
		take(r, rate, tokens, now * CYCLE, 0);
}

uint64_t shared_rate_queued(const struct shared_rate *r, uint64_t now)
{
	uint64_t rate = shared_rate_of(r), unit;
	int64_t ahead;

	if (rate == 0)
		return 0;
	ahead = (int64_t)(atomic_load_explicit(&r->until, memory_order_relaxed) - now * CYCLE);
	if (ahead <= 0 ||
	    (uint64_t)ahead > MOST_BURSTS * time_of(r, rate, rate_burst(rate, r->least)))
		return 0;
	unit = r->tsc_hz * CYCLE;
	/* What is sent in part is queued as a whole. */
	return (uint64_t)(((unsigned __int128)(uint64_t)ahead * rate + unit - 1) / unit);
}
