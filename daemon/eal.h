/* SPDX-License-Identifier: BSD-3-Clause */
/* DPDK's environment: memory and threads. */
#ifndef DAEMON_EAL_H
#define DAEMON_EAL_H

#include <stdbool.h>

#include "base/err.h"
#include "vswitch/limits.h"

struct eal_conf {
	unsigned worker_core[MAX_WORKERS];
	unsigned n_workers;
};

/* Parses "1,3-5" into worker cores, which must be cores that this process may run on. */
int eal_parse_cores(const char *text, struct eal_conf *conf, struct err *e);

/* The default: the last core that the process may run on. */
void eal_default_core(struct eal_conf *conf);

/* Starts EAL, without a PCI bus. DPDK's log goes into ours. Worker i of the configuration becomes
 * lcore i + 1. Once per process. [control] */
int eal_init(const struct eal_conf *conf, const char *program, struct err *e);
void eal_uninit(void);

#endif
