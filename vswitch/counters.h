/* SPDX-License-Identifier: BSD-3-Clause */
/* Per-port packet counters. Each worker has its own set for every port, so that each counter has
 * one writer and only grows; readers add the workers' up. Once nothing is held back or handed over,
 * in == forwarded + consumed + sum(drops) holds for every port. */
#ifndef VSWITCH_COUNTERS_H
#define VSWITCH_COUNTERS_H

#include <stdint.h>

#include "pkt/drops.h"
#include "vswitch/limits.h"

struct queue_counters {
	uint64_t rx_packets; /* from the guest */
	uint64_t rx_bytes;
	uint64_t tx_packets; /* to the guest */
	uint64_t tx_bytes;
	uint64_t notifications; /* eventfd writes to the guest */
};

/* All members are uint64_t counters: port_counters_add() takes the struct as an array of them. */
struct port_counters {
	uint64_t in;         /* packets the guest sent, malformed ones included */
	uint64_t forwarded;  /* delivered to at least one receiver */
	uint64_t consumed;   /* answered or used up by the switch itself */
	uint64_t suppressed; /* of those, questions about neighbours, answered for them */
	uint64_t copies;     /* deliveries beyond each packet's first */
	uint64_t flooded;    /* packets whose destination was not known or a group */
	uint64_t drops[DROP_COUNT];
	/* Packets sent to this port that it did not get. One that other ports did get counts as
	 * forwarded all the same; one to this port alone is among its sender's drops too. */
	uint64_t tx_drops[DROP_COUNT];
	/* Packets from other hosts. Once none is staged any more,
	 * wire_in == wire_delivered + sum(wire_drops). */
	uint64_t wire_in;
	uint64_t wire_delivered;
	uint64_t wire_merged; /* of wire_delivered, those that the guest got as a part of another */
	uint64_t wire_drops[DROP_COUNT];
	struct queue_counters queue[MAX_PAIRS];
};

/* Adds the counters of one worker, which may be running, to a sum. [any] */
void port_counters_add(struct port_counters *sum, const struct port_counters *c);

#endif
