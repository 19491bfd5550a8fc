/* SPDX-License-Identifier: BSD-3-Clause */
/* The packet parser. It has no state and allocates nothing; any thread may call it. For a malformed
 * packet it returns the depth of the layers that were sound. */
#include "pkt/parse.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "pkt/bytes.h"

/* IPv6 extension headers by number (RFC 8200, RFC 4302). */
enum ipv6_ext {
	EXT_HOP_BY_HOP = 0,
	EXT_ROUTING = 43,
	EXT_FRAGMENT = 44,
	EXT_AUTH = 51,
	EXT_DESTINATION = 60,
};

#define ICMP_LEN        8
#define FRAGMENT_OFFSET 0xfff8 /* in an IPv6 fragment header */
#define FRAGMENT_MORE   0x0001

static bool is_vlan(uint16_t ether_type)
{
	return ether_type == RTE_ETHER_TYPE_VLAN || ether_type == RTE_ETHER_TYPE_QINQ;
}

/* Parses the Ethernet header and VLAN tags. False when the packet ends within the former. */
static bool parse_l2(const uint8_t *p, uint32_t len, struct pkt_info *info)
{
	if (len < RTE_ETHER_HDR_LEN)
		return false;
	if (p[0] & 1)
		info->flags |= PKT_GROUP;
	info->l2_len = RTE_ETHER_HDR_LEN;
	info->ether_type = get16(p + 12);
	while (is_vlan(info->ether_type) && info->n_vlans < PKT_MAX_VLANS) {
		if (len < info->l2_len + (uint32_t)RTE_VLAN_HLEN) {
			info->flags |= PKT_MALFORMED;
			return true;
		}
		info->vlan_tci[info->n_vlans++] = get16(p + info->l2_len);
		info->ether_type = get16(p + info->l2_len + 2);
		info->l2_len += RTE_VLAN_HLEN;
	}
	return true;
}

/* Parses an IPv4 header at p: `len` bytes can be read there, of `total` up to the packet's end. */
static bool parse_ipv4(const uint8_t *p, uint32_t len, uint32_t total, struct pkt_info *info)
{
	uint16_t fragment, hlen;

	if (len < sizeof(struct rte_ipv4_hdr) || p[0] >> 4 != 4)
		return false;
	hlen = (p[0] & 0xf) * 4u;
	info->ip_len = get16(p + 2);
	if (hlen < sizeof(struct rte_ipv4_hdr) || hlen > len || info->ip_len < hlen ||
	    info->ip_len > total)
		return false;

	fragment = get16(p + 6);
	if (fragment & RTE_IPV4_HDR_OFFSET_MASK)
		info->flags |= PKT_FRAGMENT | PKT_LATER_FRAGMENT;
	else if (fragment & RTE_IPV4_HDR_MF_FLAG)
		info->flags |= PKT_FRAGMENT;
	if (hlen > sizeof(struct rte_ipv4_hdr))
		info->flags |= PKT_IP_OPTIONS;
	info->flags |= PKT_IPV4;
	info->ip_proto = p[9];
	info->l3_len = hlen;
	return true;
}

/* The length of the extension header at p, 0 when `proto` is none; needs 8 bytes there. */
static uint16_t ext_len(uint8_t proto, const uint8_t *p)
{
	switch (proto) {
	case EXT_HOP_BY_HOP:
	case EXT_ROUTING:
	case EXT_DESTINATION:
		return (uint16_t)((p[1] + 1) * 8);
	case EXT_AUTH:
		return (uint16_t)((p[1] + 2) * 4);
	case EXT_FRAGMENT:
		return 8;
	default:
		return 0;
	}
}

bool pkt_is_ipv6_ext(uint8_t proto)
{
	return proto == EXT_HOP_BY_HOP || proto == EXT_ROUTING || proto == EXT_DESTINATION ||
	       proto == EXT_AUTH || proto == EXT_FRAGMENT;
}

static void note_fragment(const uint8_t *ext, struct pkt_info *info)
{
	uint16_t offset = get16(ext + 2);

	if (offset & FRAGMENT_OFFSET)
		info->flags |= PKT_FRAGMENT | PKT_LATER_FRAGMENT;
	else if (offset & FRAGMENT_MORE)
		info->flags |= PKT_FRAGMENT;
}

/* Parses an IPv6 header and its extension headers. If these are too many or too long, ip_proto is
 * left at the number of an extension header, so that no L4 header is looked for. */
static bool parse_ipv6(const uint8_t *p, uint32_t len, uint32_t total, struct pkt_info *info)
{
	uint32_t off = sizeof(struct rte_ipv6_hdr);
	uint8_t proto;

	if (len < off || p[0] >> 4 != 6)
		return false;
	if (get16(p + 4) > total - off || get16(p + 4) > UINT16_MAX - off)
		return false;
	info->ip_len = (uint16_t)(get16(p + 4) + off);
	if (len > info->ip_len)
		len = info->ip_len;

	proto = p[6];
	for (int i = 0; i < PKT_MAX_IPV6_EXT && pkt_is_ipv6_ext(proto); i++) {
		uint16_t n = len - off < 8 ? 0 : ext_len(proto, p + off);

		if (n == 0 || n > len - off)
			return false;
		if (off + n > sizeof(struct rte_ipv6_hdr) + PKT_MAX_IPV6_EXT_LEN)
			break;
		if (proto == EXT_FRAGMENT)
			note_fragment(p + off, info);
		proto = p[off];
		off += n;
		/* A later fragment continues with data, whatever it looks like. */
		if (info->flags & PKT_LATER_FRAGMENT)
			break;
	}
	if (off > sizeof(struct rte_ipv6_hdr))
		info->flags |= PKT_IP_OPTIONS;
	info->flags |= PKT_IPV6;
	info->ip_proto = proto;
	info->l3_len = (uint16_t)off;
	return true;
}

/* Sets l4_len. False when there is no TCP, UDP or ICMP header; with PKT_MALFORMED when there should
 * be. */
static bool parse_l4(const uint8_t *p, uint32_t len, struct pkt_info *info)
{
	uint32_t need;

	switch (info->ip_proto) {
	case IPPROTO_TCP:
		need = len < sizeof(struct rte_tcp_hdr) ? UINT32_MAX : (p[12] >> 4) * 4u;
		if (need < sizeof(struct rte_tcp_hdr))
			need = UINT32_MAX;
		break;
	case IPPROTO_UDP:
		need = sizeof(struct rte_udp_hdr);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		need = ICMP_LEN;
		break;
	default:
		return false;
	}
	if (need > len) {
		info->flags |= PKT_MALFORMED;
		return false;
	}
	info->l4_len = (uint8_t)need;
	return true;
}

/* Parses a datagram of the type that info says, from its IP header at p on. */
static enum pkt_depth parse_datagram(const uint8_t *p, uint32_t len, uint32_t total,
				     struct pkt_info *info)
{
	bool ok;

	info->depth = PKT_L2;
	if (info->ether_type == RTE_ETHER_TYPE_IPV4)
		ok = parse_ipv4(p, len, total, info);
	else if (info->ether_type == RTE_ETHER_TYPE_IPV6)
		ok = parse_ipv6(p, len, total, info);
	else
		return PKT_L2;
	if (!ok) {
		info->flags |= PKT_MALFORMED;
		info->ip_len = 0;
		return PKT_L2;
	}
	info->depth = PKT_L3;
	if (info->flags & PKT_LATER_FRAGMENT)
		return PKT_L3;

	/* The L4 header must lie within the datagram, not in padding behind it. */
	if (len > info->ip_len)
		len = info->ip_len;
	if (parse_l4(p + info->l3_len, len - info->l3_len, info))
		info->depth = PKT_L4;
	return (enum pkt_depth)info->depth;
}

enum pkt_depth pkt_parse_bytes(const uint8_t *p, uint32_t len, uint32_t total,
			       struct pkt_info *info)
{
	memset(info, 0, sizeof(*info));
	if (!parse_l2(p, len, info))
		return PKT_NONE;
	info->depth = PKT_L2;
	if (info->flags & PKT_MALFORMED)
		return PKT_L2;
	return parse_datagram(p + info->l2_len, len - info->l2_len, total - info->l2_len, info);
}

enum pkt_depth pkt_parse_quoted(const uint8_t *p, uint32_t len, bool is_v6, struct pkt_info *info)
{
	memset(info, 0, sizeof(*info));
	info->ether_type = is_v6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4;
	return parse_datagram(p, len, UINT32_MAX, info);
}

enum pkt_depth pkt_parse(const struct rte_mbuf *m, struct pkt_info *info)
{
	return pkt_parse_bytes(rte_pktmbuf_mtod(m, const uint8_t *), rte_pktmbuf_data_len(m),
			       rte_pktmbuf_pkt_len(m), info);
}
