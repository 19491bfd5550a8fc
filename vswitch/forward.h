/* SPDX-License-Identifier: BSD-3-Clause */
/* Where packets go: layer 2 switching of one batch from one port. */
#ifndef VSWITCH_FORWARD_H
#define VSWITCH_FORWARD_H

#include <stdint.h>

#include "vswitch/worker.h"

/* Switches the first packets of a batch that one queue pair of `from` sent: learns, looks up, and
 * delivers them into the receivers' rings. Counts each packet once, as forwarded or dropped. The
 * packets stay the caller's, to be freed. Does a part of a burst's work (MAX_WORK) at most, or one
 * delivery, so that the caller can look at the clock. Returns how many packets are done with; where
 * one to a whole network is not, *flood tells how far it came, and the next call has to begin with
 * it. [worker] */
uint16_t forward_batch(struct worker *w, struct port *from, uint16_t pair, struct rte_mbuf **pkts,
		       uint16_t n, struct flood *flood);

/* Counts a packet that goes no further than *flood tells. [worker] */
void forward_end_flood(struct worker *w, const struct port *from, struct flood *flood);

#endif
