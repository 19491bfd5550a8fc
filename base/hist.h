/* SPDX-License-Identifier: BSD-3-Clause */
/* Histograms of times: log-linear, of fixed size, with a resolution of a sixteenth of the value. */
#ifndef BASE_HIST_H
#define BASE_HIST_H

#include <stdint.h>

#define HIST_SUB_BITS 4
#define HIST_SUB      (1u << HIST_SUB_BITS)
#define HIST_MAX_BITS \
	42 /* values from 2^42 on (about half an hour of cycles) share the last bucket */
#define HIST_BUCKETS ((HIST_MAX_BITS - HIST_SUB_BITS + 1) * HIST_SUB)

/* A histogram has one writer. A reader on another thread sees numbers of slightly different
 * ages. */
struct hist {
	uint64_t count;
	uint64_t sum;
	uint64_t max;
	uint64_t bucket[HIST_BUCKETS];
};

/* The bucket that a value falls into. [any] */
static inline unsigned hist_index(uint64_t value)
{
	unsigned shift;

	if (value < HIST_SUB)
		return (unsigned)value;
	if (value >> HIST_MAX_BITS)
		return HIST_BUCKETS - 1;
	shift = 63 - HIST_SUB_BITS - (unsigned)__builtin_clzll(value);
	return shift * HIST_SUB + (unsigned)(value >> shift);
}

/* Adds one value. [the writer] */
static inline void hist_record(struct hist *h, uint64_t value)
{
	h->count++;
	h->sum += value;
	if (value > h->max)
		h->max = value;
	h->bucket[hist_index(value)]++;
}

/* The values of bucket i are from hist_low(i) to below hist_low(i + 1). [any] */
uint64_t hist_low(unsigned i);

void hist_reset(struct hist *h);

/* Adds what is in *from to *to. [any] */
void hist_merge(struct hist *to, const struct hist *from);

/* The quantile: the value that `num` of `den` recorded values do not exceed (99 of 100: the p99),
 * rounded up to the end of its bucket but never above the longest; 0 when there are none. [any] */
uint64_t hist_quantile(const struct hist *h, uint64_t num, uint64_t den);

#endif
