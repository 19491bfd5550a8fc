/* SPDX-License-Identifier: BSD-3-Clause */
/* A model of what a VM's packets cost, learned from its services. It sizes bursts before they are
 * taken.
 *
 * The model: time = packets x P + bytes x B + descriptors x D. Each service corrects the one
 * coefficient that contributed most to its prediction: a service that took longer than predicted
 * raises it at once, up to fourfold; one that was cheaper lowers it by a little. So each kind of
 * packet (small ones, large ones, long chains) trains its own coefficient, and a run of one kind
 * does not make the others look cheaper. A VM whose cost jumps without a visible reason is
 * distrusted: its bursts are cut and its coefficients are not lowered for a while, which doubles
 * with each further surprise. A lone surprise, the first in COST_LONE services, teaches nothing:
 * nearly always the machine took the core away meanwhile, some hundred times a second where it is a
 * virtual one. */
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
	uint32_t packet; /* cycles, with COST_FRAC_BITS bits of fraction, as below */
	uint32_t byte;
	uint32_t desc;
	uint32_t bytes_per_packet; /* moving averages, whole numbers */
	uint32_t descs_per_packet;
	uint16_t hold;     /* services until coefficients may be lowered */
	uint8_t surprises; /* recent ones: each halves the time that is planned with */
	uint8_t warmup;    /* services left in which learning is fast */
	uint8_t calm;      /* services since the last surprise, COST_LONE at most */
};

/* The limits are 64-bit words, so that the struct is too large for registers and is returned in
 * memory. In registers, its parts would be stored one by one and then loaded as whole words; such
 * loads cannot be forwarded and wait until all earlier stores have reached the cache: a quarter of
 * a worker's time with small packets. */
struct cost_limits {
	uint64_t packets;
	uint64_t bytes;
	uint64_t descs;
};

/* The initial model of a VM that nothing is known of: it assumes more than most packets cost.
 * [worker] */
void cost_reset(struct cost *c);

/* Learns from a service. [worker] */
void cost_learn(struct cost *c, uint64_t used_tsc, uint32_t packets, uint32_t bytes,
		uint32_t descs);

/* Limits of a burst that has `left_tsc` cycles: at least one packet, at most COST_MAX_PACKETS and
 * COST_MAX_DESCS, and at most COST_BURST_BYTES, beyond which nothing is gained. A burst within the
 * limits is predicted to cost no more than left_tsc, unless it is a single packet. [worker] */
struct cost_limits cost_limits(const struct cost *c, uint64_t left_tsc);

/* Whether one more packet of the average kind is predicted to fit into `left_tsc`. [worker] */
bool cost_fits(const struct cost *c, uint64_t left_tsc);

#endif
