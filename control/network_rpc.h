/* SPDX-License-Identifier: BSD-3-Clause */
/* Networks in JSON. */
#ifndef CONTROL_NETWORK_RPC_H
#define CONTROL_NETWORK_RPC_H

#include <jansson.h>

struct network;

/* The parameters that would create the network as it is now. New reference. [control] */
json_t *network_conf_to_json(struct network *net);

#endif
