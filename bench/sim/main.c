/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs each workload under each scheduler and prints a table, or with --json or --csv the same for
 * programs. */
#include "bench/sim/sim.h"

#include <stdio.h>
#include <string.h>

#define RUN_MS 2000

enum format { TABLE, JSON, CSV };

static const struct sim_algo *const algos[] = {
	&sim_replenish, &sim_replenish_sized, &sim_drr, &sim_sfq, &sim_eevdf, &sim_stint,
};
#define N_ALGOS (sizeof(algos) / sizeof(algos[0]))

static double us(uint64_t tsc)
{
	const uint64_t per_us = SIM_US;

	return (double)tsc / (double)per_us;
}

static void print_row(const struct sim_algo *a, const struct sim_result *r)
{
	printf("  %-20s %9.1f %9.1f %9.1f %9.2f %9.2f %8.1f %7.0f %8.1f", a->name,
	       us(hist_quantile(&r->wait, 99, 100)), us(r->wait.max), us(r->longest_overrun_tsc),
	       r->share_error_10ms, r->share_error_100ms, us(r->idle_tsc),
	       (double)r->services * 1000 / RUN_MS, us(r->used_tsc) / (double)r->services);
	if (r->lowest_guarantee > 0)
		printf(" %9.1f", r->lowest_guarantee);
	putchar('\n');
}

static void print_json(const struct sim_workload *w, const struct sim_algo *a,
		       const struct sim_result *r, bool is_first)
{
	printf("%s\n{\"workload\": \"%s\", \"vms\": %u, \"text\": \"%s\", \"scheduler\": \"%s\", "
	       "\"waits\": %llu, \"wait_p99_us\": %.2f, \"wait_max_us\": %.2f, "
	       "\"overrun_max_us\": %.2f, \"share_error_10ms\": %.3f, "
	       "\"share_error_100ms\": %.3f, \"idle_us\": %.1f, \"services\": %llu, "
	       "\"lowest_guarantee\": %.2f}",
	       is_first ? "[" : ",", w->name, w->n_vms, w->text, a->name,
	       (unsigned long long)r->wait.count, us(hist_quantile(&r->wait, 99, 100)),
	       us(r->wait.max), us(r->longest_overrun_tsc), r->share_error_10ms,
	       r->share_error_100ms, us(r->idle_tsc), (unsigned long long)r->services,
	       r->lowest_guarantee);
}

static void print_csv(const struct sim_workload *w, const struct sim_algo *a,
		      const struct sim_result *r, bool is_first)
{
	if (is_first)
		puts("workload,scheduler,wait_p99_us,wait_max_us,overrun_max_us,share_error_10ms,"
		     "share_error_100ms,idle_us,services,lowest_guarantee");
	printf("%s,\"%s\",%.2f,%.2f,%.2f,%.3f,%.3f,%.1f,%llu,%.2f\n", w->name, a->name,
	       us(hist_quantile(&r->wait, 99, 100)), us(r->wait.max), us(r->longest_overrun_tsc),
	       r->share_error_10ms, r->share_error_100ms, us(r->idle_tsc),
	       (unsigned long long)r->services, r->lowest_guarantee);
}

static void print_head(const struct sim_workload *w)
{
	printf("%s: %s\n  %-20s %9s %9s %9s %9s %9s %8s %7s %8s%s\n", w->name, w->text, "",
	       "wait p99", "wait max", "overrun", "off 10ms", "off 100ms", "idle", "serv/s",
	       "mean us", w->vm[0].guarantee_us ? " guaranteed" : "");
}

int main(int argc, char **argv)
{
	enum format format = TABLE;
	struct sim_workload w;
	struct sim_result r;

	if (argc > 2 ||
	    (argc == 2 && strcmp(argv[1], "--json") != 0 && strcmp(argv[1], "--csv") != 0)) {
		fprintf(stderr, "usage: sim [--json | --csv]\n");
		return 2;
	}
	if (argc == 2)
		format = strcmp(argv[1], "--json") == 0 ? JSON : CSV;
	if (format == TABLE)
		printf("slice %d us, %d ms each; waits of VMs below their share and overruns in "
		       "us, shares off by %%\n",
		       SIM_SLICE_US, RUN_MS);
	for (unsigned i = 0; sim_workload(i, &w); i++) {
		if (format == TABLE)
			print_head(&w);
		for (unsigned k = 0; k < N_ALGOS; k++) {
			sim_run(&w, algos[k], RUN_MS, &r);
			if (format == TABLE)
				print_row(algos[k], &r);
			else if (format == JSON)
				print_json(&w, algos[k], &r, i == 0 && k == 0);
			else
				print_csv(&w, algos[k], &r, i == 0 && k == 0);
		}
	}
	if (format == JSON)
		puts("\n]");
	return 0;
}
