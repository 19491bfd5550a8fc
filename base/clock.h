/* SPDX-License-Identifier: BSD-3-Clause */
/* The clock of control code. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_NS_PER_S  1000000000ull
#define CLOCK_NS_PER_MS 1000000ull

/* Nanoseconds since some time before the process began (CLOCK_MONOTONIC). [any] */
uint64_t clock_now_ns(void);

#endif
