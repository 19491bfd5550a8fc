/* SPDX-License-Identifier: BSD-3-Clause */
/* From the wire: each packet is looked at once, as far as it takes to know the VM that it is for,
 * and then waits for that VM's next service. The receiver pays for both (lazy receiver processing,
 * Druschel and Banga 1996). What is for nobody is billed to the system, which takes in a limited
 * number of packets per turn. */
#ifndef VSWITCH_INGRESS_H
#define VSWITCH_INGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/wire.h"
#include "vswitch/worker.h"

/* Takes in packets from uplinks and from other workers, and stages them for their VMs. Sends what
 * waits for uplinks. True when there were any. [worker] */
bool ingress_accept(struct worker *w);

/* Delivers some of the packets that are staged for a VM, and bills it. Adds their bytes to *bytes;
 * returns their number. [worker] */
uint16_t ingress_serve(struct worker *w, uint16_t vm, uint32_t *bytes);

/* Whether packets are staged for a VM and it is their turn, which alternates with that of the VM's
 * own rings. [worker] */
static inline bool ingress_has_turn(struct wire *wire, uint16_t vm)
{
	struct staging *s = &wire->staging[vm];

	s->had_turn = s->n > 0 && !s->had_turn;
	return s->had_turn;
}

/* Whether nothing has come from other workers, and nothing waits for an uplink. [worker] */
bool ingress_is_quiet(const struct wire *wire);

/* Drops what is staged for a VM, and what is on its way there. No other worker may hand over any
 * more. [worker] */
void ingress_forget_vm(struct worker *w, uint16_t vm);

/* Drops what is staged in buffers of an uplink, which no worker takes packets from any more. What
 * came from other uplinks stays. [worker] */
void ingress_forget_device(struct worker *w, const struct uplink_device *u);

#endif
