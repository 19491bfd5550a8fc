/* SPDX-License-Identifier: BSD-3-Clause */
/* The Internet checksum over packets. */
#include "pkt/checksum.h"

#include <stdbool.h>

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

uint16_t pkt_sum(const struct rte_mbuf *m, uint32_t start)
{
	bool is_odd = false;
	uint64_t sum = 0;

	for (; m; m = m->next) {
		uint32_t len = rte_pktmbuf_data_len(m);
		uint16_t part;

		if (start >= len) {
			start -= len;
			continue;
		}
		len -= start;
		part = rte_raw_cksum(rte_pktmbuf_mtod_offset(m, const void *, start), len);
		start = 0;
		/* Bytes at odd places are the other halves of their 16 bits (RFC 1071, 2 B). */
		sum += is_odd ? rte_bswap16(part) : part;
		is_odd ^= len & 1;
	}
	while (sum > UINT16_MAX)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)sum;
}
