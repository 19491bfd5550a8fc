/* SPDX-License-Identifier: BSD-3-Clause */
/* An HDR histogram of 64-bit values: log-linear, each power of two is cut into 128 equal buckets,
 * so a value is known to better than 0.8 %. Debian 12 has no package of libhdr_histogram for C;
 * this is its bucket layout and its correction. Fixed size, no allocation. One thread. */
#ifndef LOADGEN_HIST_H
#define LOADGEN_HIST_H

#include <stdint.h>

#define HIST_SUB_BITS 7
#define HIST_SUB      (1u << HIST_SUB_BITS)
#define HIST_BUCKETS  ((64 - HIST_SUB_BITS + 1) * HIST_SUB)

struct hist {
	uint64_t count;
	uint64_t sum;
	uint64_t min, max;
	uint64_t bucket[HIST_BUCKETS];
};

void hist_reset(struct hist *h);
void hist_record(struct hist *h, uint64_t value);

/* Records value, value - interval, value - 2 * interval and so on: what requests that were due
 * every `interval` would have seen while one took `value` (the correction for coordinated
 * omission). */
void hist_record_corrected(struct hist *h, uint64_t value, uint64_t interval);

void hist_merge(struct hist *to, const struct hist *from);

/* The smallest recorded value that at least `fraction` (0 to 1) of all values do not exceed, as the
 * upper end of its bucket; 0 when nothing was recorded. */
uint64_t hist_quantile(const struct hist *h, double fraction);

double hist_mean(const struct hist *h);

#endif
