/* SPDX-License-Identifier: BSD-3-Clause */
/* What JSON-RPC handlers work on. */
#ifndef CONTROL_CTX_RPC_H
#define CONTROL_CTX_RPC_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "control/switch.h"

struct journal;
struct refused;

struct rpc_ctx {
	struct vswitch *sw;
	const char *config_file; /* NULL: the configuration is not kept */
	struct refused *refused; /* of the configuration file */
	struct journal *journal; /* NULL: none could be opened yet */
	json_int_t generation;   /* of the configuration file, as this process wrote it last */
	bool is_unsaved;         /* the whole file is to be written */
	bool is_replaying;       /* the file: a VM whose worker is not there gets another */
	char unsaved[160];       /* why the last change could not be saved, "" when it was */
	uint64_t started_ns;     /* on clock_now_ns() */
};

/* The text of a setting of the schema's type Switched. */
static inline const char *on_off(bool on)
{
	return on ? "on" : "off";
}

#endif
