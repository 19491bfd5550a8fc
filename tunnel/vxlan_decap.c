/* SPDX-License-Identifier: BSD-3-Clause */
/* VXLAN headers, taken off packets from the wire: whoever can send a packet to this host chose
 * every byte of it. Workers call it; there is no state, and nothing is allocated. */
#include "tunnel/vxlan.h"

#include <string.h>
#include <netinet/in.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>
#include <rte_vxlan.h>

#include "pkt/checksum.h"
#include "pkt/ecn.h"
#include "pkt/parse.h"

#define FLAG_VNI 0x08 /* "I": the VNI is valid */
/* The bits of the VXLAN header that are neither this flag nor the VNI. */
#define RESERVED_FIRST  0xf7ffffff
#define RESERVED_SECOND 0x000000ff

#define NEXT_FRAGMENT 44 /* number of IPv6's fragment header */

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* --- outer headers ---------------------------------------------------------------------------- */

/* Whether the device knows that this is a tunnel's packet: then its flags without "outer" are about
 * the inner packet. */
static bool is_known_tunnel(const struct rte_mbuf *m)
{
	return m->packet_type & RTE_PTYPE_TUNNEL_MASK;
}

/* Whether the IPv4 header's checksum is right, by the device's word or by summing up. No flag says
 * that an outer one is. */
static bool is_ip_sum_right(const struct rte_mbuf *m, const uint8_t *ip, uint32_t len)
{
	uint64_t flags = m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;

	if (unlikely(is_known_tunnel(m)))
		flags = m->ol_flags & RTE_MBUF_F_RX_OUTER_IP_CKSUM_BAD
				? RTE_MBUF_F_RX_IP_CKSUM_BAD
				: RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN;
	if (flags == RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN)
		return rte_raw_cksum(ip, len) == UINT16_MAX;
	return flags != RTE_MBUF_F_RX_IP_CKSUM_BAD;
}

/* Parses the IPv4 header at `at`. Sets *end to the packet's end, relative to the frame. */
static enum wire_drop parse_ipv4(const struct rte_mbuf *m, uint32_t at, struct vxlan_outer *o,
				 uint32_t *end)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, at);
	uint32_t hlen, len;

	if (m->data_len < at + sizeof(struct rte_ipv4_hdr) || ip[0] >> 4 != 4)
		return WIRE_DROP_OUTER_MALFORMED;
	if (ip[9] != IPPROTO_UDP)
		return WIRE_DROP_NOT_VXLAN;
	hlen = (ip[0] & 0xf) * 4u;
	len = get16(ip + 2);
	if (hlen < sizeof(struct rte_ipv4_hdr) || m->data_len < at + hlen || len < hlen ||
	    m->pkt_len < at + len)
		return WIRE_DROP_OUTER_MALFORMED;
	if (!is_ip_sum_right(m, ip, hlen))
		return WIRE_DROP_OUTER_BAD_SUM;
	if (get16(ip + 6) & (RTE_IPV4_HDR_OFFSET_MASK | RTE_IPV4_HDR_MF_FLAG))
		return WIRE_DROP_OUTER_FRAGMENT;

	o->src = o->dst = (struct ip_addr){0};
	memcpy(o->src.bytes, ip + 12, 4);
	memcpy(o->dst.bytes, ip + 16, 4);
	o->tos = ip[1];
	o->udp_at = (uint16_t)(at + hlen);
	*end = at + len;
	return WIRE_DROP_COUNT;
}

/* The same for IPv6, without extension headers. */
static enum wire_drop parse_ipv6(const struct rte_mbuf *m, uint32_t at, struct vxlan_outer *o,
				 uint32_t *end)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, at);

	if (m->data_len < at + sizeof(struct rte_ipv6_hdr) || ip[0] >> 4 != 6)
		return WIRE_DROP_OUTER_MALFORMED;
	if (ip[6] != IPPROTO_UDP)
		return ip[6] == NEXT_FRAGMENT ? WIRE_DROP_OUTER_FRAGMENT : WIRE_DROP_NOT_VXLAN;
	o->udp_at = (uint16_t)(at + sizeof(struct rte_ipv6_hdr));
	*end = o->udp_at + get16(ip + 4);
	if (m->pkt_len < *end)
		return WIRE_DROP_OUTER_MALFORMED;

	o->src.is_v6 = o->dst.is_v6 = true;
	memcpy(o->src.bytes, ip + 8, 16);
	memcpy(o->dst.bytes, ip + 24, 16);
	o->tos = (uint8_t)(ip[0] << 4 | ip[1] >> 4);
	return WIRE_DROP_COUNT;
}

/* Cuts off all bytes from `len` on, which are in any segment. */
static void cut(struct rte_mbuf *m, uint32_t len)
{
	struct rte_mbuf *last = m;

	m->pkt_len = len;
	m->nb_segs = 1;
	for (; len > last->data_len; last = last->next) {
		len -= last->data_len;
		m->nb_segs++;
	}
	last->data_len = (uint16_t)len;
	rte_pktmbuf_free(last->next);
	last->next = NULL;
}

enum wire_drop vxlan_parse(struct rte_mbuf *m, struct vxlan_outer *o)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t at = RTE_ETHER_HDR_LEN, end = 0, first, second;
	const struct rte_vxlan_hdr *vxlan;
	enum wire_drop drop;
	uint16_t type;

	if (m->data_len < RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN)
		return WIRE_DROP_OUTER_MALFORMED;
	type = get16(p + 12);
	if (type == RTE_ETHER_TYPE_VLAN) {
		type = get16(p + 16);
		at += RTE_VLAN_HLEN;
	}
	if (type == RTE_ETHER_TYPE_IPV4)
		drop = parse_ipv4(m, at, o, &end);
	else if (type == RTE_ETHER_TYPE_IPV6)
		drop = parse_ipv6(m, at, o, &end);
	else
		drop = WIRE_DROP_NOT_VXLAN;
	if (drop != WIRE_DROP_COUNT)
		return drop;

	o->inner_at = (uint16_t)(o->udp_at + RTE_ETHER_VXLAN_HLEN);
	if (end < o->inner_at)
		return WIRE_DROP_NOT_VXLAN;
	if (m->data_len < o->inner_at)
		return WIRE_DROP_OUTER_MALFORMED;
	o->port = get16(p + o->udp_at + 2);
	o->flow = get16(p + o->udp_at);
	vxlan = (const void *)(p + o->udp_at + sizeof(struct rte_udp_hdr));
	first = rte_be_to_cpu_32(vxlan->vx_flags);
	second = rte_be_to_cpu_32(vxlan->vx_vni);
	o->flags = (uint8_t)(first >> 24);
	o->reserved = (first & RESERVED_FIRST) || (second & RESERVED_SECOND);
	o->vni = second >> 8;
	if (unlikely(end < m->pkt_len))
		cut(m, end);
	return WIRE_DROP_COUNT;
}

/* --- the rest --------------------------------------------------------------------------------- */

/* Whether the UDP checksum, which is not 0, is right. */
static bool is_udp_sum_right(const struct rte_mbuf *m, const struct vxlan_outer *o)
{
	uint64_t flags = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	uint16_t rest[3];
	struct checksum c = {0};

	if (unlikely(is_known_tunnel(m))) {
		flags = m->ol_flags & RTE_MBUF_F_RX_OUTER_L4_CKSUM_MASK;
		if (flags == RTE_MBUF_F_RX_OUTER_L4_CKSUM_BAD)
			return false;
		if (flags == RTE_MBUF_F_RX_OUTER_L4_CKSUM_GOOD)
			return true;
	} else if (flags != RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN) {
		return flags != RTE_MBUF_F_RX_L4_CKSUM_BAD;
	}
	/* An IPv4 address is followed by zeroes. */
	checksum_add(&c, o->src.bytes, sizeof(o->src.bytes));
	checksum_add(&c, o->dst.bytes, sizeof(o->dst.bytes));
	rest[0] = RTE_BE16(IPPROTO_UDP);
	rest[1] = rte_cpu_to_be_16((uint16_t)(m->pkt_len - o->udp_at));
	rest[2] = pkt_sum(m, o->udp_at);
	checksum_add(&c, rest, sizeof(rest));
	return checksum_fold(&c) == UINT16_MAX;
}

/* Whether an address can be a packet's source: it is no group's, and not zero. */
static bool is_station(const uint8_t *mac)
{
	static const uint8_t zero[RTE_ETHER_ADDR_LEN];

	return !(mac[0] & 1) && memcmp(mac, zero, sizeof(zero)) != 0;
}

static bool is_vlan(const uint8_t *frame)
{
	uint16_t type = get16(frame + 12);

	return type == RTE_ETHER_TYPE_VLAN || type == RTE_ETHER_TYPE_QINQ;
}

enum wire_drop vxlan_decap(struct rte_mbuf *m, const struct vxlan_outer *o,
			   const struct vxlan_policy *policy)
{
	const struct rte_udp_hdr *udp =
		rte_pktmbuf_mtod_offset(m, const struct rte_udp_hdr *, o->udp_at);
	uint8_t *frame = rte_pktmbuf_mtod_offset(m, uint8_t *, o->inner_at);

	if (rte_be_to_cpu_16(udp->dgram_len) != m->pkt_len - o->udp_at)
		return WIRE_DROP_OUTER_MALFORMED;
	if (udp->dgram_cksum ? !is_udp_sum_right(m, o) : o->src.is_v6 && !policy->accept_zero_sum)
		return WIRE_DROP_OUTER_BAD_SUM;
	if (!(o->flags & FLAG_VNI) || (o->reserved && policy->strict_reserved))
		return WIRE_DROP_VXLAN_MALFORMED;
	if (m->data_len < o->inner_at + RTE_ETHER_HDR_LEN || !is_station(frame + 6))
		return WIRE_DROP_INNER_MALFORMED;
	if (policy->drop_inner_vlan && is_vlan(frame))
		return WIRE_DROP_INNER_VLAN;
	/* CE or ECT(1): other marks change nothing. */
	if (unlikely(o->tos & ECN_ECT_1) &&
	    !ecn_take_outer(frame, m->data_len - o->inner_at, m->pkt_len - o->inner_at,
			    o->tos & ECN_MASK))
		return WIRE_DROP_ECN;

	rte_pktmbuf_adj(m, o->inner_at);
	/* Flags that say whose the mbuf's memory is are no offloads. */
	m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	m->packet_type = 0;
	return WIRE_DROP_COUNT;
}
