/* SPDX-License-Identifier: BSD-3-Clause */
/* The Internet checksum over packets (RFC 1071). */
#ifndef PKT_CHECKSUM_H
#define PKT_CHECKSUM_H

#include <stdbool.h>
#include <stdint.h>

struct rte_mbuf;

/* A sum that grows piece by piece. Zeroes are an empty one. */
struct checksum {
	uint64_t sum;
	bool is_odd; /* the next byte is the second of its 16 bits */
};

/* Adds `len` bytes to the sum. [any] */
void checksum_add(struct checksum *c, const void *from, uint32_t len);

/* Copies `len` bytes and adds them to the sum. Each byte is read once, so that what is added is
 * what was copied, whatever its owner does meanwhile; and it takes hardly longer than copying.
 * [any] */
void checksum_copy(struct checksum *c, void *to, const void *from, uint32_t len);

/* The ones' complement sum, not inverted, in the order of bytes that they have in memory. [any] */
uint16_t checksum_fold(const struct checksum *c);

/* The sum of the packet's bytes from `start` to its end. Segments may be of any length: DPDK's own
 * function loses carries behind a segment of odd length. `start` is within the packet. [any] */
uint16_t pkt_sum(const struct rte_mbuf *m, uint32_t start);

#endif
