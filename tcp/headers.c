/* SPDX-License-Identifier: BSD-3-Clause */
/* Fields of IP and TCP headers that depend on the packet's length. */
#include "tcp/headers.h"

#include <stddef.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>

#include "pkt/checksum.h"

void headers_add_pseudo(struct checksum *sum, const uint8_t *l3, bool is_v6, uint32_t l4_len)
{
	const uint8_t *addrs = l3 + (is_v6 ? offsetof(struct rte_ipv6_hdr, src_addr)
					   : offsetof(struct rte_ipv4_hdr, src_addr));
	const rte_be16_t rest[2] = {RTE_BE16(IPPROTO_TCP), rte_cpu_to_be_16((uint16_t)l4_len)};

	checksum_add(sum, addrs, is_v6 ? 32 : 8);
	checksum_add(sum, rest, sizeof(rest));
}

void headers_set_len(uint8_t *l3, bool is_v6, uint16_t l3_len, uint32_t l4_len)
{
	uint32_t len = l3_len + l4_len;
	struct rte_ipv4_hdr v4;
	struct rte_ipv6_hdr v6;

	if (is_v6) {
		memcpy(&v6, l3, sizeof(v6));
		v6.payload_len = rte_cpu_to_be_16((uint16_t)(len - sizeof(v6)));
		memcpy(l3, &v6, sizeof(v6));
		return;
	}
	memcpy(&v4, l3, sizeof(v4));
	v4.total_length = rte_cpu_to_be_16((uint16_t)len);
	v4.hdr_checksum = 0;
	memcpy(l3, &v4, sizeof(v4));
	/* The checksum covers the options. */
	v4.hdr_checksum = (uint16_t)~rte_raw_cksum(l3, l3_len);
	memcpy(l3, &v4, sizeof(v4));
}
