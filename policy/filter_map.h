/* SPDX-License-Identifier: BSD-3-Clause */
/* Maps from numbers (addresses, services) to values, by ranges: where each range begins, sorted,
 * and its value. The first begins at 0, so every number has a value. A look-up is a binary search,
 * whose length depends on the number of ranges only, without branches that data decide. */
#ifndef POLICY_FILTER_MAP_H
#define POLICY_FILTER_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FILTER_LINE 64 /* bytes of a cache line */

struct filter_map {
	uint32_t n;              /* ranges, at least one */
	uint32_t *narrow;        /* where they begin, of a map with numbers of 32 bits, */
	unsigned __int128 *wide; /* or of 128 bits; the other one is NULL */
	uint32_t *value;
};

/* A map while it is built. */
struct filter_ranges {
	uint32_t n;
	unsigned __int128 *first;
	uint32_t *value;
};

/* Memory that is handed out piece by piece. Without memory it adds up what it would hand out. */
struct filter_block {
	uint8_t *base;
	size_t used;
};

/* The next `size` bytes, at the beginning of a cache line; NULL without memory. [any] */
static inline void *filter_block_take(struct filter_block *b, size_t size)
{
	void *piece = b->base ? b->base + b->used : NULL;

	b->used += (size + FILTER_LINE - 1) / FILTER_LINE * FILTER_LINE;
	return piece;
}

/* Gives a map that is to be built room for `most` ranges, of the block's. [control] */
void filter_ranges_take(struct filter_ranges *r, struct filter_block *b, uint32_t most);

/* Makes a map of ranges, in memory of the block's. [control] */
void filter_map_place(struct filter_map *m, struct filter_block *b, const struct filter_ranges *r,
		      bool is_wide);

/* The number that an address is: its first `len` bytes, 4 or 16, in network order. [any] */
static inline unsigned __int128 filter_number(const uint8_t *bytes, unsigned len)
{
	unsigned __int128 x = 0;

	for (unsigned i = 0; i < len; i++)
		x = x << 8 | bytes[i];
	return x;
}

/* How many numbers of so many bits follow the first one of a prefix. [any] */
static inline unsigned __int128 filter_span(unsigned bits, unsigned width)
{
	return bits ? ((unsigned __int128)1 << (width - bits)) - 1
		    : ~(unsigned __int128)0 >> (128 - width);
}

/* The number of an IPv4 address that is mapped into IPv6, as keys of flows have it. [worker] */
static inline uint32_t filter_number_mapped(const uint8_t address[16])
{
	uint32_t x;

	memcpy(&x, address + 12, sizeof(x));
	return __builtin_bswap32(x);
}

/* The number of an IPv6 address. [worker] */
static inline unsigned __int128 filter_number_v6(const uint8_t address[16])
{
	uint64_t high, low;

	memcpy(&high, address, sizeof(high));
	memcpy(&low, address + sizeof(high), sizeof(low));
	return (unsigned __int128)__builtin_bswap64(high) << 64 | __builtin_bswap64(low);
}

/* The value of a number in a map of 32 bits. [worker] */
static inline uint32_t filter_map_narrow(const struct filter_map *m, uint32_t x)
{
	uint32_t at = 0;

	for (uint32_t n = m->n, half; n > 1; n -= half) {
		half = n / 2;
		at += m->narrow[at + half] <= x ? half : 0;
	}
	return m->value[at];
}

/* The value of a number in a map of 128 bits. [worker] */
static inline uint32_t filter_map_wide(const struct filter_map *m, unsigned __int128 x)
{
	uint32_t at = 0;

	for (uint32_t n = m->n, half; n > 1; n -= half) {
		half = n / 2;
		at += m->wide[at + half] <= x ? half : 0;
	}
	return m->value[at];
}

#endif
