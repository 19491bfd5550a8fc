/* SPDX-License-Identifier: BSD-3-Clause */
/* Composing packets. */
#include "pkt/compose.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "base/ip_proto.h"
#include "pkt/checksum.h"

#define TYPE_EXPERIMENTAL 0x88b5
#define TTL               64
#define WINDOW            0xffff

static uint32_t l4_length(uint8_t protocol)
{
	if (protocol == IPPROTO_TCP)
		return sizeof(struct rte_tcp_hdr);
	return ip_proto_has_ports(protocol) || ip_proto_is_icmp(protocol)
		       ? sizeof(struct rte_udp_hdr)
		       : 0;
}

static void write_ipv4(const struct pkt_fields *f, uint32_t length, uint8_t *to)
{
	struct rte_ipv4_hdr ip = {
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16((uint16_t)length),
		.time_to_live = TTL,
		.next_proto_id = f->protocol,
	};

	memcpy(&ip.src_addr, f->src.bytes, 4);
	memcpy(&ip.dst_addr, f->dst.bytes, 4);
	ip.hdr_checksum = rte_ipv4_cksum(&ip);
	memcpy(to, &ip, sizeof(ip));
}

static void write_ipv6(const struct pkt_fields *f, uint32_t length, uint8_t *to)
{
	struct rte_ipv6_hdr ip = {
		.vtc_flow = rte_cpu_to_be_32(6U << 28),
		.payload_len = rte_cpu_to_be_16((uint16_t)(length - sizeof(ip))),
		.proto = f->protocol,
		.hop_limits = TTL,
	};

	memcpy(ip.src_addr, f->src.bytes, 16);
	memcpy(ip.dst_addr, f->dst.bytes, 16);
	memcpy(to, &ip, sizeof(ip));
}

/* The checksum over the L4 header and payload, with the pseudo header but for ICMP of IPv4. */
static uint16_t l4_checksum(const struct pkt_fields *f, const uint8_t *l4, uint32_t length)
{
	const uint32_t pseudo[2] = {rte_cpu_to_be_32(length), rte_cpu_to_be_32(f->protocol)};
	struct checksum c = {0};

	if (f->protocol != IPPROTO_ICMP) {
		checksum_add(&c, f->src.bytes, ip_addr_len(&f->src));
		checksum_add(&c, f->dst.bytes, ip_addr_len(&f->dst));
		checksum_add(&c, pseudo, sizeof(pseudo));
	}
	checksum_add(&c, l4, length);
	return (uint16_t)~checksum_fold(&c);
}

static void write_l4(const struct pkt_fields *f, uint32_t length, uint8_t *to)
{
	uint16_t ports[2] = {rte_cpu_to_be_16(f->src_port), rte_cpu_to_be_16(f->dst_port)};
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)to;
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)to;
	struct rte_icmp_hdr *icmp = (struct rte_icmp_hdr *)to;
	uint16_t sum;

	if (ip_proto_has_ports(f->protocol))
		memcpy(to, ports, sizeof(ports));
	if (f->protocol == IPPROTO_TCP) {
		tcp->data_off = sizeof(*tcp) / 4 << 4;
		tcp->tcp_flags = f->tcp_flags;
		tcp->rx_win = WINDOW;
		sum = l4_checksum(f, to, length);
		memcpy(&tcp->cksum, &sum, sizeof(sum));
	} else if (f->protocol == IPPROTO_UDP) {
		udp->dgram_len = rte_cpu_to_be_16((uint16_t)length);
		sum = l4_checksum(f, to, length);
		memcpy(&udp->dgram_cksum, &sum, sizeof(sum));
	} else if (ip_proto_is_icmp(f->protocol)) {
		icmp->icmp_type = f->icmp_type;
		icmp->icmp_code = f->icmp_code;
		sum = l4_checksum(f, to, length);
		memcpy(&icmp->icmp_cksum, &sum, sizeof(sum));
	}
}

uint32_t pkt_compose(const struct pkt_fields *f, uint8_t *to)
{
	uint32_t l3 = f->src.is_v6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);
	uint32_t headers = RTE_ETHER_HDR_LEN + (f->is_ip ? l3 + l4_length(f->protocol) : 0);
	uint32_t length = RTE_MAX(RTE_MAX(f->length, headers), (uint32_t)PKT_MIN_COMPOSED);
	/* Beyond the headers, a length is asked for; padding is no part of the datagram. */
	uint32_t datagram = RTE_MAX(f->length, headers) - RTE_ETHER_HDR_LEN;
	uint16_t type = f->src.is_v6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4;

	memset(to, 0, length);
	memcpy(to, f->dst_mac, 6);
	memcpy(to + 6, f->src_mac, 6);
	type = rte_cpu_to_be_16(f->is_ip ? type : TYPE_EXPERIMENTAL);
	memcpy(to + 12, &type, sizeof(type));
	if (!f->is_ip)
		return length;
	to += RTE_ETHER_HDR_LEN;
	if (f->src.is_v6)
		write_ipv6(f, datagram, to);
	else
		write_ipv4(f, datagram, to);
	write_l4(f, datagram - l3, to + l3);
	return length;
}
