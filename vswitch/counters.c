/* SPDX-License-Identifier: BSD-3-Clause */
/* Per-port packet counters. */
#include "vswitch/counters.h"

#include <stddef.h>

#include "base/counter.h"

static const struct {
	const char *text;
	const char *help;
} reasons[DROP_COUNT] = {
#define X(name, text, help) [DROP_##name] = {text, help},
#include "vswitch/drops.def"
#undef X
};

const char *drop_reason_text(enum drop_reason reason)
{
	return reasons[reason].text;
}

const char *drop_reason_help(enum drop_reason reason)
{
	return reasons[reason].help;
}

void port_counters_add(struct port_counters *sum, const struct port_counters *c)
{
	const uint64_t *from = (const uint64_t *)c;
	uint64_t *to = (uint64_t *)sum;

	for (size_t i = 0; i < sizeof(*c) / sizeof(*from); i++)
		to[i] += counter_read(&from[i]);
}
