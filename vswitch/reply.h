/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers to the sender of a packet, in its own receive ring. */
#ifndef VSWITCH_REPLY_H
#define VSWITCH_REPLY_H

#include <stdbool.h>
#include <stdint.h>

struct pkt;
struct rte_mbuf;
struct vport;
struct worker;

#define REPLY_WORK 4 /* see vswitch/outbox.h */

/* How many answers a port gets: so many in a second, and that many at once. */
#define REPLY_RATE  100
#define REPLY_BURST 10

/* Tells the sender why its packet is not forwarded, as p->reason asks for. False when there is no
 * such answer, or it cannot be delivered: the packet is to be dropped then. [worker] */
bool reply_to(struct worker *w, struct vport *from, uint16_t pair, const struct pkt *p);

/* Allows a port its answers. [worker] */
void reply_init(struct vport *port, uint64_t tsc_hz, uint64_t now);

#endif
