/* SPDX-License-Identifier: BSD-3-Clause */
/* Rates that several threads share: the generic cell rate algorithm (ITU-T I.371, virtual
 * scheduling), whose state is one word, the time at which all that was taken is paid. Before that
 * time there is a queue, in thought or of threads that wait; after it something is saved up, a
 * hundredth of a second's worth at most, or one long packet. */
#ifndef POLICY_SHARED_RATE_H
#define POLICY_SHARED_RATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define RATES_PER_SECOND 100 /* the part of a second whose tokens are saved up, at most */

/* A packet that is always within what is saved up, and so many packets. */
#define RATE_LEAST_BITS    ((64ull << 10) * 8)
#define RATE_LEAST_PACKETS 64ull

struct shared_rate {
	_Atomic uint64_t rate;  /* tokens per second; 0: no limit */
	_Atomic uint64_t until; /* in sixteenths of a cycle */
	uint64_t least;         /* tokens that may be saved up, however low the rate is */
	uint64_t tsc_hz;
};

/* One of bits and one of packets. */
struct shared_rates {
	struct shared_rate bits;
	struct shared_rate packets;
};

/* Begins without a limit. [control] */
void shared_rate_init(struct shared_rate *r, uint64_t least, uint64_t tsc_hz);

/* Sets the limit. When it changes, what was taken before is forgotten. [control] */
void shared_rate_set(struct shared_rate *r, uint64_t rate);

/* The same for both. [control] */
void shared_rates_init(struct shared_rates *r, uint64_t tsc_hz);
void shared_rates_set(struct shared_rates *r, uint64_t bps, uint64_t pps);

/* The tokens that are saved up at most, or that may be queued: of a rate, or of the one that is
 * set. [any] */
uint64_t rate_burst(uint64_t rate, uint64_t least);

/* Takes tokens. They may be used from the time on that is returned, which is not after `now` if
 * there are any: those who take more get them in the order of their calls. Times are cycles.
 * [worker] */
uint64_t shared_rate_take(struct shared_rate *r, uint64_t tokens, uint64_t now);

/* Gives back tokens that were taken and not used. [worker] */
void shared_rate_give(struct shared_rate *r, uint64_t tokens);

/* Puts tokens into the queue, which nothing is saved up for: one that was empty begins now.
 * [worker] */
void shared_rate_queue(struct shared_rate *r, uint64_t tokens, uint64_t now);

/* The tokens that are queued now. [worker] */
uint64_t shared_rate_queued(const struct shared_rate *r, uint64_t now);

static inline uint64_t shared_rate_of(const struct shared_rate *r)
{
	return atomic_load_explicit(&r->rate, memory_order_relaxed);
}

static inline bool shared_rates_in_use(const struct shared_rates *r)
{
	return shared_rate_of(&r->bits) != 0 || shared_rate_of(&r->packets) != 0;
}

#endif
