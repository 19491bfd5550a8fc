/* SPDX-License-Identifier: BSD-3-Clause */
/* The load generator: plays the VMs of a host to a vhost-user switch. Options, and DPDK's start. */
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <rte_eal.h>

#include "bench/loadgen/attack.h"
#include "bench/loadgen/noise.h"
#include "bench/loadgen/run.h"

#define GRACE_SECONDS 60 /* beyond what was asked for; then the process ends, whatever hangs */

enum {
	OPT_WARMUP = 256,
	OPT_JSON,
	OPT_MEM,
	OPT_HUGE,
	OPT_GAP,
	OPT_CORE,
	OPT_HICCUP,
	OPT_DONE,
	OPT_IDLE
};

struct command {
	struct spec spec;
	struct options options;
	int core, mem_mb;
	const char *huge;
	bool hiccup;
};

static const struct option long_options[] = {
	{"vm", required_argument, NULL, 'v'},
	{"stream", required_argument, NULL, 's'},
	{"phase", required_argument, NULL, 'p'},
	{"file", required_argument, NULL, 'f'},
	{"seconds", required_argument, NULL, 't'},
	{"warmup", required_argument, NULL, OPT_WARMUP},
	{"json", required_argument, NULL, OPT_JSON},
	{"mem", required_argument, NULL, OPT_MEM},
	{"huge", required_argument, NULL, OPT_HUGE},
	{"gap-us", required_argument, NULL, OPT_GAP},
	{"core", required_argument, NULL, OPT_CORE},
	{"hiccup", no_argument, NULL, OPT_HICCUP},
	{"until-done", no_argument, NULL, OPT_DONE},
	{"idle", no_argument, NULL, OPT_IDLE},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static void usage(void)
{
	printf("usage: loadgen [OPTIONS] --vm 'N[-M] KEY=VALUE...' --stream 'KEY=VALUE...'\n"
	       "               [--phase 'NAME KEY=VALUE...']...\n"
	       "  --vm, --stream, --file PATH  what to play (the file holds lines `vm ...`, "
	       "`stream ...`)\n"
	       "  --phase ...    measure several times, `streams=A+B attacks=0|1` at work: each "
	       "begins\n"
	       "                 when a line comes in on standard input, and is named in its "
	       "figures\n"
	       "  --seconds S    how long to measure (1)\n"
	       "  --warmup S     traffic before that (0.3)\n"
	       "  --until-done   end when every sender with a limit has reached it\n"
	       "  --json PATH    write the figures there too\n"
	       "  --huge yes|no|auto, --mem MB  memory (auto, 1024)\n"
	       "  --core N       the core to run on (0)\n"
	       "  --gap-us U     a gap in the loop that counts as noise (10)\n"
	       "  --idle         sleep 50 us between looks, when rate matters less than the core\n"
	       "  --hiccup       only measure the core's noise for --seconds\n"
	       "attacks, for `vm N attack=NAME rate=STEPS_PER_SECOND`:\n");
	attack_list();
}

static int add_line(struct spec *spec, const char *what, const char *text)
{
	char line[1024];

	if (snprintf(line, sizeof(line), "%s %s", what, text) >= (int)sizeof(line)) {
		fprintf(stderr, "loadgen: too long: --%s %.40s...\n", what, text);
		return -1;
	}
	return spec_line(spec, line);
}

/* A number within [min, max] and nothing behind it. */
static int parse_number(const char *text, double min, double max, double *value)
{
	char *end;

	*value = strtod(text, &end);
	if (end != text && !*end && *value >= min && *value <= max)
		return 0;
	fprintf(stderr, "loadgen: not a number from %g to %g: %s\n", min, max, text);
	return -1;
}

static int parse_integer(const char *text, int min, int *value)
{
	double v;

	if (parse_number(text, min, INT_MAX, &v) < 0)
		return -1;
	*value = (int)v;
	return 0;
}

static int set_option(struct command *c, int opt)
{
	switch (opt) {
	case 'v':
		return add_line(&c->spec, "vm", optarg);
	case 's':
		return add_line(&c->spec, "stream", optarg);
	case 'p':
		return add_line(&c->spec, "phase", optarg);
	case 'f':
		return spec_file(&c->spec, optarg);
	case 't':
		return parse_number(optarg, 1e-3, 1e5, &c->options.seconds);
	case OPT_WARMUP:
		return parse_number(optarg, 0, 1e4, &c->options.warmup_seconds);
	case OPT_JSON:
		c->options.json = optarg;
		return 0;
	case OPT_MEM:
		return parse_integer(optarg, 1, &c->mem_mb);
	case OPT_HUGE:
		c->huge = optarg;
		return 0;
	case OPT_GAP:
		return parse_number(optarg, 1e-3, 1e6, &c->options.gap_us);
	case OPT_CORE:
		return parse_integer(optarg, 0, &c->core);
	case OPT_HICCUP:
		c->hiccup = true;
		return 0;
	case OPT_DONE:
		c->options.stop_when_done = true;
		return 0;
	case OPT_IDLE:
		c->options.idle = true;
		return 0;
	default:
		return -1;
	}
}

static long free_huge_mb(void)
{
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");
	char line[32] = "";

	if (!f)
		return 0;
	if (!fgets(line, sizeof(line), f))
		line[0] = 0;
	fclose(f);
	return 2 * strtol(line, NULL, 10);
}

static int start_eal(struct command *c)
{
	char lcore[16], prefix[48], mem[16];
	const char *args[20] = {"loadgen", "--no-pci", "--log-level=3", "--no-telemetry"};
	int n = 4;

	c->options.hugepages = strcmp(c->huge, "yes") == 0 ||
			       (strcmp(c->huge, "auto") == 0 && free_huge_mb() >= c->mem_mb);
	snprintf(lcore, sizeof(lcore), "0@%d", c->core);
	snprintf(prefix, sizeof(prefix), "--file-prefix=loadgen%d", getpid());
	snprintf(mem, sizeof(mem), "%d", c->mem_mb);
	args[n++] = "--lcores";
	args[n++] = lcore;
	args[n++] = prefix;
	args[n++] = "-m";
	args[n++] = mem;
	if (c->options.hugepages) {
		args[n++] = "--in-memory";
		args[n++] = "--single-file-segments";
	} else {
		args[n++] = "--no-huge";
		args[n++] = "--no-shconf";
	}
	return rte_eal_init(n, (char **)(uintptr_t)args);
}

int main(int argc, char **argv)
{
	static struct command c = {
		.options = {.seconds = 1, .warmup_seconds = 0.3, .gap_us = 10},
		.mem_mb = 1024,
		.huge = "auto",
	};
	int opt, rc;

	while ((opt = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		if (opt == 'h') {
			usage();
			return 0;
		}
		if (set_option(&c, opt) < 0)
			return 2; /* why was said there */
	}
	if (spec_check(&c.spec) < 0)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	alarm((unsigned int)((c.options.seconds + c.options.warmup_seconds) *
			     (c.spec.n_phases ? c.spec.n_phases : 1)) +
	      GRACE_SECONDS);
	if (c.hiccup)
		return noise_meter(c.core, c.options.seconds) < 0;
	if (start_eal(&c) < 0) {
		fprintf(stderr, "loadgen: DPDK does not start\n");
		return 1;
	}
	rc = run(&c.spec, &c.options);
	rte_eal_cleanup();
	spec_free(&c.spec);
	return rc;
}
