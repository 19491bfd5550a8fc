/* SPDX-License-Identifier: BSD-3-Clause */
/* The machine's own noise: stretches of time in which a core that should be spinning was not. */
#ifndef LOADGEN_NOISE_H
#define LOADGEN_NOISE_H

#include <stdint.h>
#include <stdio.h>

#include "bench/loadgen/hist.h"

/* Gaps in a loop that reads the clock often. A gap longer than `threshold` was not our work. */
struct noise {
	uint64_t threshold_tsc;
	uint64_t last_tsc;
	uint64_t first_tsc;
	uint64_t gaps;
	uint64_t lost_tsc;
	uint64_t longest_tsc;
	uint64_t last_gap_end_tsc; /* what was under way before this was held up by us */
};

static inline void noise_tick(struct noise *n, uint64_t now)
{
	uint64_t gap = now - n->last_tsc;

	n->last_tsc = now;
	if (__builtin_expect(gap > n->threshold_tsc, 0)) {
		n->gaps++;
		n->lost_tsc += gap;
		n->last_gap_end_tsc = now;
		if (gap > n->longest_tsc)
			n->longest_tsc = gap;
	}
}

/* Starts a count at `now`. */
void noise_start(struct noise *n, uint64_t now, uint64_t threshold_tsc);

/* The meter proper: spins on `core` for `seconds` and prints what a packet that arrives there at a
 * random moment would wait for the core, as `name value unit` lines. Returns 0 or -1. */
int noise_meter(int core, double seconds);

#endif
