/* SPDX-License-Identifier: BSD-3-Clause */
/* Where packets go: layer 2 switching of one batch from one port. */
#ifndef VSWITCH_FORWARD_H
#define VSWITCH_FORWARD_H

#include <stdint.h>

#include "vswitch/worker.h"

/* Switches the first packets of a batch that one queue pair of `from` sent: learns, looks up, and
 * delivers them into the receivers' rings. Counts each packet once, as forwarded or dropped. The
 * packets stay the caller's, to be freed. Takes at least one packet and stops where the deliveries
 * reach about a burst (a packet to a whole network is many), so that the caller can look at the
 * clock; returns how many were taken. [worker] */
uint16_t forward_batch(struct worker *w, struct port *from, uint16_t pair, struct rte_mbuf **pkts,
		       uint16_t n);

/* Delivers packets that other workers handed over, at most `max`, and begins none once `most_tsc`
 * cycles are over; frees them. Bills each to the VM that sent it. Returns how many. [worker] */
unsigned forward_receive(struct worker *w, unsigned max, uint64_t most_tsc);

#endif
