/* SPDX-License-Identifier: BSD-3-Clause */
/* ARP and ND suppression (RFC 9161): a guest's question about a neighbour that the switch knows
 * does not go to all. If the neighbour is behind another host the switch answers for it, in the
 * guest's own receive ring; if it is behind a port, the question goes to that port only. Probes and
 * announcements go to all as ever, so that duplicate addresses are noticed. */
#ifndef VSWITCH_SUPPRESS_H
#define VSWITCH_SUPPRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/batch.h"
#include "vswitch/worker.h"

/* The most neighbours that are learned: behind a port, for each MAC address that it may have; and
 * behind all other hosts. */
#define SUPPRESS_MAX_OF_MAC    4
#define SUPPRESS_MAX_FROM_WIRE 2048

/* Finds the packets that ask for neighbours that the switch knows, and those that tell of
 * neighbours: a stage of ports whose network suppresses. [worker] */
void suppress_stage(struct worker *w, struct batch *b);

/* Answers a packet that asks, and counts it as consumed. False when it is to be flooded after all:
 * the limit of answers is reached, or there is no room for one. [worker] */
bool suppress_answer(struct worker *w, struct batch *b, const struct pkt *p);

/* Learns what a packet from a port tells, within the limit of the port. The forwarding database has
 * learned from it before. [worker] */
void suppress_learn_from_port(struct worker *w, const struct vport *from, const struct rte_mbuf *m);

/* The same for a packet from another host (a destination of vswitch/batch.h, 0 when it is not
 * known), if it tells anything. [worker] */
void suppress_look_at_wire(struct worker *w, const struct bridge *bridge, uint16_t dest,
			   const struct rte_mbuf *m);

#endif
