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

struct report;

/* Starts a report; `json` is a path or NULL. NULL with the reason on standard error. */
struct report *report_open(const char *json);

/* Forgets what histograms hold: a measurement begins. */
void report_reset(struct generator *g);

/* Writes what passed between two snapshots. `phase` is put before each name, unless it is empty. */
void report_phase(struct report *o, const struct generator *g, const char *phase,
		  const struct snapshot *from, const struct snapshot *to);

/* Writes what was counted over the whole run. */
void report_totals(struct report *o, const struct generator *g, struct attack *const *attacks,
		   uint16_t n_attacks);

/* Returns 0, or -1 when not all could be written. */
int report_close(struct report *o);

#endif
