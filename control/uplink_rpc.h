/* SPDX-License-Identifier: BSD-3-Clause */
/* Uplinks and VTEPs in JSON. */
#ifndef CONTROL_UPLINK_RPC_H
#define CONTROL_UPLINK_RPC_H

#include <stddef.h>

#include <jansson.h>

struct uplink;
struct vtep;

/* The parameters that would create the object as it is now. New references. [control] */
json_t *uplink_conf_to_json(const struct uplink *u);
json_t *vtep_conf_to_json(const struct vtep *v);

/* The state of an uplink in words. [control] */
void uplink_state_text(const struct uplink *u, char *text, size_t size);

#endif
