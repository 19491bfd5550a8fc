/* SPDX-License-Identifier: BSD-3-Clause */
/* The Internet checksum over packets (RFC 1071). */
#ifndef PKT_CHECKSUM_H
#define PKT_CHECKSUM_H

#include <stdint.h>

struct rte_mbuf;

/* The ones' complement sum, not inverted, of the packet's bytes from `start` to its end, in the
 * order of bytes that they have there. Segments may be of any length: DPDK's own function loses
 * carries behind a segment of odd length. `start` is within the packet. [any] */
uint16_t pkt_sum(const struct rte_mbuf *m, uint32_t start);

#endif
