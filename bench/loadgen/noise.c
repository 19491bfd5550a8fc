/* SPDX-License-Identifier: BSD-3-Clause */
/* The hiccup meter. Needs no DPDK: it runs before the switch takes its core, and after. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_setaffinity */
#endif
#include "bench/loadgen/noise.h"

#include "base/preempt.h"

#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#define SAMPLE_NS 1000 /* arrivals are taken to come once a microsecond */

void noise_start(struct noise *n, uint64_t now, uint64_t threshold_tsc)
{
	memset(n, 0, sizeof(*n));
	n->first_tsc = now;
	n->last_tsc = now;
	n->threshold_tsc = threshold_tsc;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double cycles_per_ns(void)
{
	uint64_t t0 = now_ns(), c0 = __rdtsc(), t1;

	do {
		t1 = now_ns();
	} while (t1 - t0 < 50000000);
	return (double)(__rdtsc() - c0) / (double)(t1 - t0);
}

/* How many gaps were longer than so many microseconds, without those in which the kernel gave the
 * core to another thread: of these a switch knows by itself. */
static const unsigned int gap_us[] = {1,   2,    5,    10,   15,   20,   25,    30,   35,
				      40,  45,   50,   60,   70,   80,   90,    100,  125,
				      150, 175,  200,  250,  300,  350,  400,   500,  600,
				      800, 1000, 1500, 2000, 3000, 5000, 10000, 20000};

#define N_GAPS (sizeof(gap_us) / sizeof(gap_us[0]))

static void count_gap(uint64_t counts[N_GAPS], double us)
{
	for (unsigned int i = 0; i < N_GAPS && us > gap_us[i]; i++)
		counts[i]++;
}

int noise_meter(int core, double seconds)
{
	static struct hist waits;
	uint64_t end, last, first, lost = 0, preempted = 0, counts[N_GAPS] = {0};
	double rate, us;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0) {
		perror("loadgen: core");
		return -1;
	}
	rate = cycles_per_ns();
	hist_reset(&waits);
	preempt_happened();
	first = last = __rdtsc();
	end = first + (uint64_t)(seconds * 1e9 * rate);
	while (last < end) {
		uint64_t now = __rdtsc();

		if ((double)(now - last) > SAMPLE_NS * rate) {
			hist_record_corrected(&waits, now - last, (uint64_t)(SAMPLE_NS * rate));
			if (preempt_happened())
				preempted++;
			else
				count_gap(counts, (double)(now - last) / rate / 1000);
			lost += now - last;
		}
		last = now;
	}
	/* Arrivals that met no gap waited for nothing. */
	waits.bucket[0] += (uint64_t)((double)(last - first - lost) / (SAMPLE_NS * rate));
	waits.count += (uint64_t)((double)(last - first - lost) / (SAMPLE_NS * rate));
	us = 1000 * rate;
	printf("hiccup.lost_percent %.3f %%\n", 100.0 * (double)lost / (double)(last - first));
	printf("hiccup.p99_us %.2f us\n", (double)hist_quantile(&waits, 0.99) / us);
	printf("hiccup.p999_us %.2f us\n", (double)hist_quantile(&waits, 0.999) / us);
	printf("hiccup.max_us %.2f us\n", (double)waits.max / us);
	printf("hiccup.seconds %.6f s\n", (double)(last - first) / us / 1e6);
	printf("hiccup.tsc_mhz %.0f MHz\n", us);
	printf("hiccup.preempted %" PRIu64 " gaps\n", preempted);
	for (unsigned int i = 0; i < N_GAPS; i++)
		printf("hiccup.gaps_over_%u_us %" PRIu64 " gaps\n", gap_us[i], counts[i]);
	return 0;
}
