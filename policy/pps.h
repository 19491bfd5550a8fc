/* SPDX-License-Identifier: BSD-3-Clause */
/* A limit of events per second that several threads share: the generic cell rate algorithm (ITU-T
 * I.371, virtual scheduling), whose state is one word. Up to a tenth of a second's events may come
 * at once. */
#ifndef POLICY_PPS_H
#define POLICY_PPS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PPS_BURSTS_PER_S 10

struct pps {
	_Atomic uint32_t limit; /* events per second; 0: none */
	_Atomic uint64_t until; /* cycles: the time that events so far have used up */
};

/* Sets the limit. When it changes, what was taken before is forgotten. [control] */
static inline void pps_set(struct pps *p, uint32_t limit)
{
	if (limit == atomic_load(&p->limit))
		return;
	atomic_store(&p->limit, limit);
	atomic_store(&p->until, 0);
}

/* Whether an event would be within the limit now. [worker] */
static inline bool pps_allows(const struct pps *p, uint64_t now, uint64_t tsc_hz)
{
	uint64_t earliest = now - tsc_hz / PPS_BURSTS_PER_S;
	uint64_t until = atomic_load_explicit(&p->until, memory_order_relaxed);

	if (atomic_load_explicit(&p->limit, memory_order_relaxed) == 0 ||
	    (int64_t)(until - earliest) <= 0)
		return true;
	return (int64_t)(until - now) <= 0;
}

/* Takes `n` events at once out of the limit. False, and nothing is taken, while earlier ones exceed
 * it: so the last ones taken may. `now` and tsc_hz are of the TSC. [worker] */
static inline bool pps_take(struct pps *p, uint32_t n, uint64_t now, uint64_t tsc_hz)
{
	uint32_t limit = atomic_load_explicit(&p->limit, memory_order_relaxed);
	uint64_t until, begin, cost;

	if (limit == 0)
		return true;
	cost = n * tsc_hz / limit;
	until = atomic_load_explicit(&p->until, memory_order_relaxed);
	do {
		uint64_t earliest = now - tsc_hz / PPS_BURSTS_PER_S;

		begin = (int64_t)(until - earliest) > 0 ? until : earliest;
		if ((int64_t)(begin - now) > 0)
			return false;
	} while (!atomic_compare_exchange_weak(&p->until, &until, begin + cost));
	return true;
}

#endif
