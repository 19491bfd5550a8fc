/* SPDX-License-Identifier: BSD-3-Clause */
/* What a VM's packets cost, learned from its services, to size bursts before they are taken.
 *
 * The model: time = packets x P + bytes x B + descriptors x D. Each service is compared with it. A
 * service that took longer raises the part of the model that the prediction was mostly made of, at
 * once, up to fourfold; one that was cheaper lowers that part by a little. So each kind of packet
 * (small ones, large ones, long chains) trains its own number, and a run of one kind makes the
 * others look no cheaper. A VM whose cost jumps without a visible reason is distrusted: its bursts
 * are cut and the numbers do not sink for a while, which doubles each time that it happens again. A
 * lone surprise, the first in COST_LONE services, teaches nothing: nearly always the machine took
 * the core away meanwhile, some hundred times a second where it is a virtual one.
 */
#ifndef POLICY_COST_H
#define POLICY_COST_H

#include <stdbool.h>
#include <stdint.h>

#define COST_FRAC_BITS   8
#define COST_MAX_PACKETS 64
#define COST_MAX_BYTES   (1u << 20)
#define COST_BURST_BYTES (32u << 10) /* 22 packets of 1500 bytes; more gains nothing */
#define COST_MAX_DESCS   2048
#define COST_MAX_DOUBT   3  /* cuts bursts to an eighth */
#define COST_LONE        32 /* services */

struct cost {
	uint32_t packet; /* cycles with COST_FRAC_BITS bits of fraction, as all that follow */
	uint32_t byte;
	uint32_t desc;
	uint32_t bytes_per_packet; /* moving averages, whole numbers */
	uint32_t descs_per_packet;
	uint16_t hold;     /* services until the numbers may sink */
	uint8_t surprises; /* of late */
	uint8_t warmup;    /* services that still teach fast */
	uint8_t calm;      /* services since the last that surprised, COST_LONE at most */
};

/* Whole words, so that it is returned in memory. Packed into registers it would be written in parts
 * and read back whole, which stalls until every store before has reached the cache: a quarter of a
 * worker's time under small packets. */
struct cost_limits {
	uint64_t packets;
	uint64_t bytes;
	uint64_t descs;
};

/* What is assumed of a VM that nothing is known of: more than most cost. [worker] */
void cost_reset(struct cost *c);

/* Learns from a service. [worker] */
void cost_learn(struct cost *c, uint64_t used_tsc, uint32_t packets, uint32_t bytes,
		uint32_t descs);

/* What may be taken in `left_tsc` cycles: at least one packet, at most COST_MAX_*, and no more
 * bytes than COST_BURST_BYTES: beyond that nothing is gained. Whatever is taken within the
 * answer is predicted to cost no more than left_tsc, unless it is a single packet. [worker] */
struct cost_limits cost_limits(const struct cost *c, uint64_t left_tsc);

/* Whether one more packet of the average kind is predicted to fit into `left_tsc`. [worker] */
bool cost_fits(const struct cost *c, uint64_t left_tsc);

#endif
