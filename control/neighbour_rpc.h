/* SPDX-License-Identifier: BSD-3-Clause */
/* Neighbours in JSON. */
#ifndef CONTROL_NEIGHBOUR_RPC_H
#define CONTROL_NEIGHBOUR_RPC_H

#include <jansson.h>

struct neigh;
struct network;

/* The parameters of the call that adds a static neighbour. New reference. [control] */
json_t *neighbour_conf_to_json(const struct network *net, const struct neigh *n);

#endif
