/* SPDX-License-Identifier: BSD-3-Clause */
/* One run: connect, announce, warm up, measure, drain, report. */
#ifndef LOADGEN_RUN_H
#define LOADGEN_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/loadgen/spec.h"

struct options {
	double seconds, warmup_seconds;
	double gap_us; /* a longer gap in our loop is noise */
	bool hugepages;
	bool stop_when_done; /* when all senders with a limit have reached it */
	bool idle;           /* sleep between looks instead of spinning */
	const char *json;    /* path, or NULL */
};

/* Returns the process's exit status. */
int run(const struct spec *spec, const struct options *options);

#endif
