/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtual queues: how long packets for a guest would have waited, had they come through a link of
 * its rates. Nothing waits in fact: packets are marked or dropped as such a link would do it.
 * Levels of the buckets below 0 are what is queued. */
#ifndef POLICY_VQUEUE_H
#define POLICY_VQUEUE_H

#include "policy/rates.h"
#include "policy/shared_rate.h"

#define VQUEUE_MARK_US  1000  /* packets that would wait longer are marked, */
#define VQUEUE_BURST_US 10000 /* and those that would wait longer are dropped */

struct vqueue {
	struct rates rates;
	struct {
		int64_t bits, packets;
	} mark, burst; /* the same in bits and packets */
};

enum vqueue_verdict { VQUEUE_PASS, VQUEUE_MARK, VQUEUE_DROP };

/* Sets the rates. What is queued stays queued, within the new bounds. [worker] */
void vqueue_set(struct vqueue *q, const struct rates_conf *conf, uint64_t tsc_hz, uint64_t now);

/* Lets the queue drain until `now`. [worker] */
void vqueue_drain(struct vqueue *q, uint64_t now);

/* Whether all these packets can come at once, and the last would not be marked. [worker] */
bool vqueue_has_room(const struct vqueue *q, uint64_t packets, uint64_t bits);

/* What is to become of the next packet. [worker] */
enum vqueue_verdict vqueue_judge(const struct vqueue *q);

/* Queues packets, or takes back those that were queued and not delivered. [worker] */
static inline void vqueue_add(struct vqueue *q, uint64_t packets, uint64_t bits)
{
	rates_take(&q->rates, packets, bits);
}
static inline void vqueue_return(struct vqueue *q, uint64_t packets, uint64_t bits)
{
	rates_return(&q->rates, packets, bits);
}

/* The same for a queue that several workers share: it is in rates that are set to its own. It
 * drains by itself. [worker] */
bool vqueue_shared_has_room(const struct shared_rates *r, uint64_t packets, uint64_t bits,
			    uint64_t now);
enum vqueue_verdict vqueue_shared_judge(const struct shared_rates *r, uint64_t now);
void vqueue_shared_add(struct shared_rates *r, uint64_t packets, uint64_t bits, uint64_t now);
void vqueue_shared_return(struct shared_rates *r, uint64_t packets, uint64_t bits);

#endif
