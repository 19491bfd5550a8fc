/* SPDX-License-Identifier: BSD-3-Clause */
/* Neighbours in JSON. */
#ifndef CONTROL_NEIGHBOUR_RPC_H
#define CONTROL_NEIGHBOUR_RPC_H

#include <jansson.h>

struct network;

/* Appends the calls that add a network's static neighbours to an array. [control] */
void neighbour_append_calls(struct network *net, json_t *calls);

#endif
