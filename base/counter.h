/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters with one writer, which any thread may read at any time: 64-bit numbers, stored and
 * loaded whole. Several counters are not read at the same instant. */
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
