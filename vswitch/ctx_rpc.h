/* SPDX-License-Identifier: BSD-3-Clause */
/* What JSON-RPC handlers work on. */
#ifndef VSWITCH_CTX_RPC_H
#define VSWITCH_CTX_RPC_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "vswitch/switch.h"

struct rpc_ctx {
	struct vswitch *sw;
	const char *config_file; /* NULL: the configuration is not kept */
	/* Calls of the configuration file that were refused at start: they are saved again, so that
	 * nothing is lost, and tried again at the next start. */
	json_t *refused;
	uint64_t started_ns; /* CLOCK_MONOTONIC */
};

#endif
