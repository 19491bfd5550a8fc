/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets composed from their fields. */
#ifndef PKT_COMPOSE_H
#define PKT_COMPOSE_H

#include <stdint.h>

#include "base/ip_addr.h"

/* Bytes of the shortest frame, without its check sequence, and of the longest: 64 KiB of IP behind
 * an Ethernet header. */
#define PKT_MIN_COMPOSED 60
#define PKT_MAX_COMPOSED 65549

struct pkt_fields {
	uint8_t src_mac[6], dst_mac[6];
	bool is_ip;              /* else it is of an experimental type (IEEE 802, 0x88b5) */
	struct ip_addr src, dst; /* of one version */
	uint8_t protocol;
	uint16_t src_port, dst_port; /* host order, of protocols with ports */
	uint8_t icmp_type, icmp_code;
	uint8_t tcp_flags;
	uint32_t length; /* of the frame; less than its headers take: as short as they allow */
};

/* Writes the frame to `to`, which has room for PKT_MAX_COMPOSED bytes, with zeroes for payload and
 * right checksums of IPv4, TCP, UDP and ICMP. Returns its length. [any] */
uint32_t pkt_compose(const struct pkt_fields *f, uint8_t *to);

#endif
