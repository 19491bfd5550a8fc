/* SPDX-License-Identifier: BSD-3-Clause */
/* From the wire: each packet is looked at once, as far as it takes to know the VM that it is for,
 * and then waits for that VM's next service (vswitch/staging.h). The receiver pays for both (lazy
 * receiver processing, Druschel and Banga 1996). What is for nobody is billed to the system. A turn
 * takes in a limited number of packets. */
#ifndef VSWITCH_INGRESS_H
#define VSWITCH_INGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/wire.h"
#include "vswitch/worker.h"

/* Takes in packets from uplinks and from other workers, and stages them for their VMs. Sends what
 * waits for uplinks. True when there were any. [worker] */
bool ingress_accept(struct worker *w);

/* Whether nothing is left of what was polled or came from other workers, and nothing waits for an
 * uplink. [worker] */
bool ingress_is_quiet(const struct wire *wire);

/* Drops what was polled from a queue that the worker lets go of, and not looked at yet. [worker] */
void ingress_drop_polled(struct wire *wire, const struct uplink_queue *q);

#endif
