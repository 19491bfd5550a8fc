/* SPDX-License-Identifier: BSD-3-Clause */
/* stintd's command line. */
#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "daemon/eal.h"

#define DEFAULT_SOCKET "/run/stint/stint.sock"

struct options {
	const char *config; /* NULL: nothing is kept */
	const char *socket;
	const char *readonly_socket; /* NULL: none */
	const char *socket_group;    /* NULL: the daemon's own */
	const char *capture_dir;     /* NULL: captures have no files */
	int wake_latency_us;         /* -1: the machine's own */
	uint64_t memory_mib;         /* most that packets may take */
	uint64_t connections_mib;    /* most that connections of security groups may take */
	bool no_huge;                /* no hugepages, even where there are some */
	bool uplinks;                /* uplinks can be made */
	bool blocking_uplinks;       /* also of drivers that can block */
	struct eal_conf eal;
};

enum options_result {
	OPTIONS_RUN,
	OPTIONS_EXIT, /* --help or --version was answered */
	OPTIONS_BAD,  /* *e says which argument is wrong */
};

enum options_result options_parse(int argc, char **argv, struct options *o, struct err *e);

#endif
