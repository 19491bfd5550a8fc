/* SPDX-License-Identifier: BSD-3-Clause */
/* What a run found, as `name value unit` lines and as JSON. */
#ifndef LOADGEN_REPORT_H
#define LOADGEN_REPORT_H

#include "bench/loadgen/attack.h"
#include "bench/loadgen/stream.h"

/* What was counted up to one moment. */
struct snapshot {
	uint64_t tsc;
	struct stream_counts stream[MAX_STREAMS];
	uint64_t rx_packets[MAX_VMS], rx_bytes[MAX_VMS];
	uint64_t rx_polls, rx_empty;
	struct noise noise;
};

void snapshot_take(struct snapshot *s, const struct generator *g);

/* Writes the report of what passed between two snapshots, and of the whole run; `json` may be NULL.
 * Returns 0 or -1. */
int report_write(const struct generator *g, struct attack *const *attacks,
		 const struct snapshot *from, const struct snapshot *to, const char *json);

#endif
