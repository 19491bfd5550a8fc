/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers to the sender of a packet, in its own receive ring. */
#ifndef VSWITCH_REPLY_H
#define VSWITCH_REPLY_H

#include <stdbool.h>
#include <stdint.h>

struct pkt;
struct rate;
struct rte_mbuf;
struct vport;
struct worker;

#define REPLY_WORK 4 /* see vswitch/outbox.h */

/* The limit of answers per port, a token bucket: the rate per second, and the burst. */
#define REPLY_RATE  100
#define REPLY_BURST 10
/* The same for answers to questions about neighbours. */
#define REPLY_QUESTION_RATE  1000
#define REPLY_QUESTION_BURST 20

/* Sends the answer that p->reason asks for to the packet's sender. False when there is no such
 * answer, the limit is reached, or it cannot be delivered: the packet is to be dropped then.
 * [worker] */
bool reply_to(struct worker *w, struct vport *from, uint16_t pair, const struct pkt *p);

/* Whether a port's limit allows for another answer. [worker] */
bool reply_is_allowed(const struct worker *w, struct rate *limit);

/* Puts the switch's own packet, which stays the caller's, into a port's receive ring, and counts it
 * against the limit. False when there is no room for it. [worker] */
bool reply_deliver(struct worker *w, struct vport *to, uint16_t pair, struct rte_mbuf *m,
		   struct rate *limit);

/* Starts a port's limits of answers, with full buckets. [worker] */
void reply_init(struct vport *port, uint64_t tsc_hz, uint64_t now);

#endif
