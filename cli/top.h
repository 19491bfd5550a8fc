/* SPDX-License-Identifier: BSD-3-Clause */
/* The shares of the switch's time that VMs used between two readings. */
#ifndef CLI_TOP_H
#define CLI_TOP_H

#include <jansson.h>
#include <stdio.h>

/* The rates between two snapshots {"workers": what stats_workers answers, "vms": what stats_vms
 * answers, "uplinks": what stats_uplinks answers, if anything}: {"workers": [{worker, vms_percent,
 * idle_percent, poll_percent, ...}], "vms": [{vm, tenant, worker, share_percent, used_us,
 * waited_us, overruns, longest_service_us, longest_wait_us, balance_us, cycles_per_packet, pps,
 * bps, drops_per_s}], "uplinks": [{uplink, tx_pps, tx_bps, rx_pps, rx_bps, drops_per_s}]}, VMs
 * sorted by share. The longest times and the balance are those of `after`; all else is over the
 * interval. A counter that went back (of an object made anew) counts from 0. New reference. */
json_t *top_rates(const json_t *before, const json_t *after);

/* Prints rates as tables, at most `rows` VMs (0: all), names cut where lines would be longer
 * than 100 columns, or `columns` if that is more. */
void top_print(const json_t *rates, size_t rows, size_t columns, FILE *out);

/* A number with a suffix: 999, 1.23k, 45.6M. `buf` has 16 bytes. Returns buf. */
const char *top_number(double value, char *buf);

/* Microseconds with a unit, to three digits: 0, 19.5us, -1.23ms, 2.00s. `buf` has 16 bytes. Returns
 * buf. */
const char *top_time(double us, char *buf);

#endif
