/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports in JSON. */
#ifndef CONTROL_PORT_RPC_H
#define CONTROL_PORT_RPC_H

#include <jansson.h>

#include "control/switch.h"

/* The parameters of the port_create call that makes this port again. New reference. */
json_t *port_conf_to_json(const struct port *port);

#endif
