/* SPDX-License-Identifier: BSD-3-Clause */
/* stintd's command line. */
#include "daemon/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/log.h"

/* Enough for the highest number of VMs. */
#define DEFAULT_MEMORY_MIB 8192

/* Enough for some 800,000 connections. */
#define DEFAULT_CONNECTIONS_MIB 64

static const char usage[] =
	"Usage: stintd [OPTION]...\n"
	"A vhost-user switch for VM tenants. Runs in the foreground until SIGTERM or SIGINT.\n"
	"\n"
	"  --config FILE           keep the configuration in FILE: load it at start, save each "
	"change\n"
	"  --socket PATH           JSON-RPC socket (default " DEFAULT_SOCKET ")\n"
	"  --readonly-socket PATH  a second socket that answers only calls that change nothing\n"
	"  --socket-group GROUP    group that may use the sockets\n"
	"  --workers CORES         cores that switch, such as 1 or 1,3-5 (default: the last one)\n"
	"  --wake-latency US       let idle cores sleep no deeper than they wake in US; 0: not at "
	"all\n"
	"  --no-huge               do without hugepages although there are some\n"
	"  --uplinks               let uplinks to other hosts be made; keeps the capabilities for "
	"that\n"
	"  --allow-blocking-uplinks  the same, also of drivers for tests, which can hold up all "
	"VMs\n"
	"  --memory MIB            packets take no more than that (default 8192; a VM's take 5 or "
	"6)\n"
	"  --connections-memory MIB  connections of security groups take no more than that "
	"(default "
	"64)\n"
	"  --capture-dir FOLDER    captures may be written to new files in FOLDER\n"
	"  --log-level LEVEL       error, warn, info or debug (default info)\n"
	"  --help                  show this and exit\n"
	"  --version               show the version and exit\n"
	"\n"
	"stintctl(1) manages it. See stintd(8).\n";

enum {
	OPT_CONFIG = 256,
	OPT_SOCKET,
	OPT_READONLY,
	OPT_GROUP,
	OPT_WORKERS,
	OPT_WAKE_LATENCY,
	OPT_NO_HUGE,
	OPT_MEMORY,
	OPT_CONNECTIONS,
	OPT_UPLINKS,
	OPT_BLOCKING_UPLINKS,
	OPT_CAPTURE_DIR,
	OPT_LOG,
	OPT_HELP,
	OPT_VERSION
};

static const struct option longopts[] = {
	{"config", required_argument, NULL, OPT_CONFIG},
	{"socket", required_argument, NULL, OPT_SOCKET},
	{"readonly-socket", required_argument, NULL, OPT_READONLY},
	{"socket-group", required_argument, NULL, OPT_GROUP},
	{"workers", required_argument, NULL, OPT_WORKERS},
	{"wake-latency", required_argument, NULL, OPT_WAKE_LATENCY},
	{"no-huge", no_argument, NULL, OPT_NO_HUGE},
	{"memory", required_argument, NULL, OPT_MEMORY},
	{"connections-memory", required_argument, NULL, OPT_CONNECTIONS},
	{"uplinks", no_argument, NULL, OPT_UPLINKS},
	{"allow-blocking-uplinks", no_argument, NULL, OPT_BLOCKING_UPLINKS},
	{"capture-dir", required_argument, NULL, OPT_CAPTURE_DIR},
	{"log-level", required_argument, NULL, OPT_LOG},
	{"help", no_argument, NULL, OPT_HELP},
	{"version", no_argument, NULL, OPT_VERSION},
	{NULL, 0, NULL, 0},
};

static bool parse_number(const char *text, unsigned long min, unsigned long max, unsigned long *n)
{
	char *end;

	*n = strtoul(text, &end, 10);
	return end != text && !*end && text[0] != '-' && *n >= min && *n <= max;
}

static int parse_wake_latency(const char *text, struct options *o, struct err *e)
{
	unsigned long us;

	if (!parse_number(text, 0, 1000000, &us))
		return err_set(e, ERR_INVALID, "wake-latency",
			       "--wake-latency '%s': not a number of us from 0 to 1000000", text);
	o->wake_latency_us = (int)us;
	return 0;
}

static int parse_mib(const char *option, const char *text, unsigned long min, uint64_t *mib,
		     struct err *e)
{
	const unsigned long max = 1024 * 1024;
	unsigned long n;

	if (!parse_number(text, min, max, &n))
		return err_set(e, ERR_INVALID, option,
			       "--%s '%s': not a number of MiB from %lu to %lu", option, text, min,
			       max);
	*mib = n;
	return 0;
}

static int parse_log_level(const char *text, struct err *e)
{
	enum log_level level;

	if (log_level_parse(text, &level) < 0)
		return err_set(e, ERR_INVALID, "log-level",
			       "--log-level '%s': not error, warn, info or debug", text);
	log_set_level(level);
	return 0;
}

static int check_path(const char *option, const char *path, struct err *e)
{
	struct sockaddr_un sun;

	if (strlen(path) == 0 || strlen(path) >= sizeof(sun.sun_path))
		return err_set(e, ERR_INVALID, option, "--%s '%s': must have 1 to %zu bytes",
			       option, path, sizeof(sun.sun_path) - 1);
	return 0;
}

static int set(struct options *o, int option, struct err *e)
{
	switch (option) {
	case OPT_CONFIG:
		o->config = optarg;
		return 0;
	case OPT_SOCKET:
		o->socket = optarg;
		return check_path("socket", optarg, e);
	case OPT_READONLY:
		o->readonly_socket = optarg;
		return check_path("readonly-socket", optarg, e);
	case OPT_GROUP:
		o->socket_group = optarg;
		return 0;
	case OPT_WORKERS:
		return eal_parse_cores(optarg, &o->eal, e);
	case OPT_WAKE_LATENCY:
		return parse_wake_latency(optarg, o, e);
	case OPT_NO_HUGE:
		o->no_huge = true;
		return 0;
	case OPT_UPLINKS:
		o->uplinks = true;
		return 0;
	case OPT_BLOCKING_UPLINKS:
		o->uplinks = true;
		o->blocking_uplinks = true;
		return 0;
	case OPT_CAPTURE_DIR:
		o->capture_dir = optarg;
		return 0;
	case OPT_MEMORY:
		return parse_mib("memory", optarg, 16, &o->memory_mib, e);
	case OPT_CONNECTIONS:
		return parse_mib("connections-memory", optarg, 1, &o->connections_mib, e);
	case OPT_LOG:
		return parse_log_level(optarg, e);
	default:
		return err_set(e, ERR_INVALID, NULL, "see stintd --help");
	}
}

enum options_result options_parse(int argc, char **argv, struct options *o, struct err *e)
{
	int option;

	*o = (struct options){.socket = DEFAULT_SOCKET,
			      .wake_latency_us = -1,
			      .memory_mib = DEFAULT_MEMORY_MIB,
			      .connections_mib = DEFAULT_CONNECTIONS_MIB};
	eal_default_core(&o->eal);
	while ((option = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		if (option == OPT_HELP) {
			fputs(usage, stdout);
			return OPTIONS_EXIT;
		}
		if (option == OPT_VERSION) {
			puts("stintd " STINT_VERSION);
			return OPTIONS_EXIT;
		}
		if (set(o, option, e) < 0)
			return OPTIONS_BAD;
	}
	if (optind < argc) {
		err_set(e, ERR_INVALID, NULL, "'%s': no such argument; see stintd --help",
			argv[optind]);
		return OPTIONS_BAD;
	}
	return OPTIONS_RUN;
}
