/* SPDX-License-Identifier: BSD-3-Clause */
/* Who used the switch's time between two readings. */
#ifndef CLI_TOP_H
#define CLI_TOP_H

#include <jansson.h>
#include <stdio.h>

/* From two snapshots {"workers": what stats_workers answers, "vms": what stats_vms answers}:
 * {"workers": [{worker, vms_percent, idle_percent, poll_percent, ...}], "vms": [{vm, tenant,
 * worker, share_percent, cycles_per_packet, pps, bps, drops_per_s}]}, VMs sorted by share. Counters
 * that went back (an object made anew) count from 0. New reference. */
json_t *top_rates(const json_t *before, const json_t *after);

/* Prints rates as two tables, at most `rows` VMs (0: all). */
void top_print(const json_t *rates, size_t rows, FILE *out);

/* A number with a suffix: 999, 1.23k, 45.6M. `buf` has 16 bytes. Returns buf. */
const char *top_number(double value, char *buf);

#endif
