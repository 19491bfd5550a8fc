/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters with one writer, which others may read at any time: plain 64-bit numbers, stored and
 * loaded whole. A reader sees each at some moment, and several not at the same one. */
#ifndef BASE_COUNTER_H
#define BASE_COUNTER_H

#include <stdint.h>

/* Adds to a counter. [its writer] */
static inline void counter_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* [any] */
static inline uint64_t counter_read(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

#endif
