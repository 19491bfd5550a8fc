/* SPDX-License-Identifier: BSD-3-Clause */
/* Per-port packet counters. */
#include "vswitch/counters.h"

#include <stddef.h>

#include "base/counter.h"

void port_counters_add(struct port_counters *sum, const struct port_counters *c)
{
	const uint64_t *from = (const uint64_t *)c;
	uint64_t *to = (uint64_t *)sum;

	for (size_t i = 0; i < sizeof(*c) / sizeof(*from); i++)
		to[i] += counter_read(&from[i]);
}
