/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP errors. Only the packet's first segment is read, which the guest cannot change any more. */
#include "pkt/icmp.h"

#include <stdbool.h>
#include <string.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "pkt/parse.h"

#define ICMP_TTL 64
#define ICMP_LEN 8 /* the ICMP header, before the quoted packet */

/* Smaller MTUs are never reported, and answers are never longer. Every IPv4 host takes 576 bytes
 * (RFC 1122, 3.3.2), every IPv6 link carries 1280 (RFC 8200, 5). */
#define IPV4_MIN_MTU 576
#define IPV6_MIN_MTU 1280

/* Whether an IPv4 address can be that of one host: not 0/8, loopback, multicast or reserved. */
static bool is_host_v4(rte_be32_t addr)
{
	uint32_t a = rte_be_to_cpu_32(addr);

	return a >> 24 != 0 && a >> 24 != 127 && a >> 28 < 14;
}

static bool is_host_v6(const uint8_t addr[16])
{
	static const uint8_t low[15]; /* common to the unspecified and the loopback address */

	return addr[0] != 0xff && (memcmp(addr, low, sizeof(low)) != 0 || addr[15] > 1);
}

/* Whether the packet is an ICMP message that must not be answered by an error. Of ICMPv4, only echo
 * and timestamp messages may be. */
static bool is_error(const struct rte_mbuf *m, const struct pkt_info *info)
{
	uint8_t type;

	if (info->depth < PKT_L4)
		return false;
	type = *rte_pktmbuf_mtod_offset(m, const uint8_t *, info->l2_len + info->l3_len);
	if (info->ip_proto == IPPROTO_ICMP)
		return type != ICMP_ECHO && type != ICMP_ECHOREPLY && type != ICMP_TIMESTAMP &&
		       type != ICMP_TIMESTAMPREPLY;
	return info->ip_proto == IPPROTO_ICMPV6 && !(type & ICMP6_INFOMSG_MASK);
}

/* Allocates the answer, of l2_len + len bytes, and fills its Ethernet header. */
static struct rte_mbuf *start(const struct rte_mbuf *m, const struct pkt_info *info, uint32_t len,
			      struct rte_mempool *pool)
{
	const struct rte_ether_hdr *asked = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	struct rte_mbuf *answer = rte_pktmbuf_alloc(pool);
	struct rte_ether_hdr *eth;

	if (!answer)
		return NULL;
	eth = (struct rte_ether_hdr *)(void *)rte_pktmbuf_append(answer,
								 (uint16_t)(info->l2_len + len));
	/* The VLAN tags are kept. */
	memcpy(eth, asked, info->l2_len);
	eth->src_addr = asked->dst_addr;
	eth->dst_addr = asked->src_addr;
	return answer;
}

static struct rte_mbuf *too_big_v4(const struct rte_mbuf *m, const struct pkt_info *info,
				   uint32_t mtu, struct rte_mempool *pool)
{
	const uint8_t *at = rte_pktmbuf_mtod_offset(m, const uint8_t *, info->l2_len);
	uint32_t quoted = RTE_MIN((uint32_t)m->data_len - info->l2_len,
				  IPV4_MIN_MTU - sizeof(struct rte_ipv4_hdr) - ICMP_LEN);
	uint32_t len = sizeof(struct rte_ipv4_hdr) + ICMP_LEN + quoted;
	struct icmphdr icmp = {.type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED};
	struct rte_ipv4_hdr asked, ip;
	struct rte_mbuf *answer;
	uint8_t *to;

	memcpy(&asked, at, sizeof(asked));
	if (mtu < IPV4_MIN_MTU || !(asked.fragment_offset & RTE_BE16(RTE_IPV4_HDR_DF_FLAG)) ||
	    !is_host_v4(asked.src_addr) || !is_host_v4(asked.dst_addr))
		return NULL;
	answer = start(m, info, len, pool);
	if (!answer)
		return NULL;
	ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16((uint16_t)len),
		.time_to_live = ICMP_TTL,
		.next_proto_id = IPPROTO_ICMP,
		.src_addr = asked.dst_addr,
		.dst_addr = asked.src_addr,
	};
	ip.hdr_checksum = rte_ipv4_cksum(&ip);
	icmp.un.frag.mtu = rte_cpu_to_be_16((uint16_t)RTE_MIN(mtu, (uint32_t)UINT16_MAX));
	to = rte_pktmbuf_mtod_offset(answer, uint8_t *, info->l2_len);
	memcpy(to, &ip, sizeof(ip));
	to += sizeof(ip);
	memcpy(to, &icmp, sizeof(icmp));
	memcpy(to + ICMP_LEN, at, quoted);
	icmp.checksum = (uint16_t)~rte_raw_cksum(to, ICMP_LEN + quoted);
	memcpy(to, &icmp, sizeof(icmp));
	return answer;
}

static struct rte_mbuf *too_big_v6(const struct rte_mbuf *m, const struct pkt_info *info,
				   uint32_t mtu, struct rte_mempool *pool)
{
	const uint8_t *at = rte_pktmbuf_mtod_offset(m, const uint8_t *, info->l2_len);
	uint32_t quoted = RTE_MIN((uint32_t)m->data_len - info->l2_len,
				  IPV6_MIN_MTU - sizeof(struct rte_ipv6_hdr) - ICMP_LEN);
	struct icmp6_hdr icmp = {.icmp6_type = ICMP6_PACKET_TOO_BIG};
	struct rte_ipv6_hdr asked, ip;
	struct rte_mbuf *answer;
	uint8_t *to;

	memcpy(&asked, at, sizeof(asked));
	if (mtu < IPV6_MIN_MTU || !is_host_v6(asked.src_addr) || !is_host_v6(asked.dst_addr))
		return NULL;
	answer = start(m, info, sizeof(ip) + ICMP_LEN + quoted, pool);
	if (!answer)
		return NULL;
	ip = (struct rte_ipv6_hdr){
		.vtc_flow = RTE_BE32(6u << 28),
		.payload_len = rte_cpu_to_be_16((uint16_t)(ICMP_LEN + quoted)),
		.proto = IPPROTO_ICMPV6,
		.hop_limits = ICMP_TTL,
	};
	memcpy(ip.src_addr, asked.dst_addr, sizeof(ip.src_addr));
	memcpy(ip.dst_addr, asked.src_addr, sizeof(ip.dst_addr));
	icmp.icmp6_mtu = rte_cpu_to_be_32(mtu);
	to = rte_pktmbuf_mtod_offset(answer, uint8_t *, info->l2_len);
	memcpy(to, &ip, sizeof(ip));
	to += sizeof(ip);
	memcpy(to, &icmp, sizeof(icmp));
	memcpy(to + ICMP_LEN, at, quoted);
	icmp.icmp6_cksum = rte_ipv6_udptcp_cksum(&ip, to);
	memcpy(to, &icmp, sizeof(icmp));
	return answer;
}

struct rte_mbuf *icmp_too_big(const struct rte_mbuf *m, const struct pkt_info *info, uint32_t mtu,
			      struct rte_mempool *pool)
{
	if (info->depth < PKT_L3 || (info->flags & (PKT_FRAGMENT | PKT_MALFORMED | PKT_GROUP)) ||
	    is_error(m, info))
		return NULL;
	return info->flags & PKT_IPV4 ? too_big_v4(m, info, mtu, pool)
				      : too_big_v6(m, info, mtu, pool);
}
