/* SPDX-License-Identifier: BSD-3-Clause */
/* Learning of source addresses. */
#ifndef VSWITCH_LEARN_H
#define VSWITCH_LEARN_H

#include <stdint.h>

#include "vswitch/worker.h"

struct bridge;
struct rte_mbuf;
struct vport;

#define LEARN_MAX_FROM_WIRE 1024 /* addresses of one network behind other hosts */

/* Learns that a packet's source address is behind the port it came from, within the port's limit.
 * [worker] */
void learn_from_port(struct worker *w, struct vport *from, const struct rte_mbuf *m);

/* Learns that it is behind another host (a destination of vswitch/batch.h), within the limit of the
 * network. [worker] */
void learn_from_wire(struct worker *w, struct bridge *bridge, uint16_t dest,
		     const struct rte_mbuf *m);

#endif
