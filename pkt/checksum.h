/* SPDX-License-Identifier: BSD-3-Clause */
/* The Internet checksum over packets (RFC 1071). */
#ifndef PKT_CHECKSUM_H
#define PKT_CHECKSUM_H

#include <stdbool.h>
#include <stdint.h>

struct rte_mbuf;

/* A partial sum. Zeroes are an empty one. */
struct checksum {
	uint64_t sum;
	bool is_odd; /* an odd number of bytes was added so far */
};

/* Adds `len` bytes to the sum. [any] */
void checksum_add(struct checksum *c, const void *from, uint32_t len);

/* Copies `len` bytes and adds them to the sum. Each byte is read once, so that what is added is
 * what was copied, even if a guest changes the bytes meanwhile. Takes hardly longer than copying.
 * [any] */
void checksum_copy(struct checksum *c, void *to, const void *from, uint32_t len);

/* The sum folded to 16 bits: a ones' complement sum, not inverted, in the byte order of memory.
 * [any] */
uint16_t checksum_fold(const struct checksum *c);

/* The sum of the packet's bytes from `start`, which is within the packet, to its end. Its segments
 * may be of any length; DPDK's own function loses carries after a segment of odd length. [any] */
uint16_t pkt_sum(const struct rte_mbuf *m, uint32_t start);

#endif
