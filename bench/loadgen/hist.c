/* SPDX-License-Identifier: BSD-3-Clause */
/* The log-linear histogram. */
#include "bench/loadgen/hist.h"

#include <string.h>

void hist_reset(struct hist *h)
{
	memset(h, 0, sizeof(*h));
	h->min = UINT64_MAX;
}

/* Values below 2 * HIST_SUB have a bucket each; above, the top 8 bits choose the bucket (Tene's HDR
 * histogram, with 2 * HIST_SUB as its sub-bucket count). */
static unsigned int bucket_of(uint64_t value)
{
	unsigned int shift;

	if (value < HIST_SUB)
		return (unsigned int)value;
	shift = 63u - (unsigned int)__builtin_clzll(value) - HIST_SUB_BITS;
	return (shift + 1) * HIST_SUB + (unsigned int)(value >> shift) - HIST_SUB;
}

static uint64_t bucket_top(unsigned int bucket)
{
	unsigned int shift;

	if (bucket < HIST_SUB)
		return bucket;
	shift = bucket / HIST_SUB - 1;
	return (((uint64_t)(bucket % HIST_SUB + HIST_SUB) + 1) << shift) - 1;
}

void hist_record(struct hist *h, uint64_t value)
{
	h->count++;
	h->sum += value;
	if (value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
	h->bucket[bucket_of(value)]++;
}

void hist_record_corrected(struct hist *h, uint64_t value, uint64_t interval)
{
	hist_record(h, value);
	if (interval == 0)
		return;
	while (value > interval) {
		value -= interval;
		hist_record(h, value);
	}
}

void hist_merge(struct hist *to, const struct hist *from)
{
	to->count += from->count;
	to->sum += from->sum;
	if (from->min < to->min)
		to->min = from->min;
	if (from->max > to->max)
		to->max = from->max;
	for (unsigned int i = 0; i < HIST_BUCKETS; i++)
		to->bucket[i] += from->bucket[i];
}

uint64_t hist_quantile(const struct hist *h, double fraction)
{
	double wanted = fraction * (double)h->count;
	uint64_t seen = 0;

	for (unsigned int i = 0; i < HIST_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen > 0 && (double)seen >= wanted)
			return bucket_top(i) < h->max ? bucket_top(i) : h->max;
	}
	return h->max;
}

double hist_mean(const struct hist *h)
{
	return h->count ? (double)h->sum / (double)h->count : 0;
}
