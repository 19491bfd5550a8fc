/* SPDX-License-Identifier: BSD-3-Clause */
/* VXLAN headers, put around frames. Workers call it; there is no state, and nothing is allocated.
 *
 * All outer headers end where the inner frame begins, so they are found by their distance from
 * there, whatever comes before them. Sums are in the order of bytes in memory. */
#include "tunnel/vxlan.h"

#include <assert.h>
#include <string.h>
#include <netinet/in.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_hash_crc.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>
#include <rte_vxlan.h>

#include "pkt/checksum.h"
#include "pkt/parse.h"

#define VXLAN_BEFORE 8
#define UDP_BEFORE   16
#define IPV4_BEFORE  36
#define IPV6_BEFORE  56

#define FLAG_VNI   0x08000000 /* "I": the VNI is valid */
#define FIRST_PORT 49152      /* of 2^14: the dynamic ones (RFC 6335) */
#define ECN_MASK   3

static uint16_t fold(uint32_t sum)
{
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

static uint32_t load32(const uint8_t *p)
{
	uint32_t n;

	memcpy(&n, p, sizeof(n));
	return n;
}

static uint64_t load64(const uint8_t *p)
{
	uint64_t n;

	memcpy(&n, p, sizeof(n));
	return n;
}

/* --- templates -------------------------------------------------------------------------------- */

static void put_ether(uint8_t *p, const struct vxlan_conf *c)
{
	uint16_t type = rte_cpu_to_be_16(c->dst.is_v6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);
	uint16_t tag[2] = {RTE_BE16(RTE_ETHER_TYPE_VLAN), rte_cpu_to_be_16(c->vlan)};

	memcpy(p, c->dst_mac, sizeof(c->dst_mac));
	memcpy(p + 6, c->src_mac, sizeof(c->src_mac));
	p += 12;
	if (c->vlan) {
		memcpy(p, tag, sizeof(tag));
		p += sizeof(tag);
	}
	memcpy(p, &type, sizeof(type));
}

static void put_ipv4(uint8_t *p, const struct vxlan_conf *c)
{
	struct rte_ipv4_hdr ip = {
		.version_ihl = RTE_IPV4_VHL_DEF,
		.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = c->ttl,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = load32(c->src.bytes),
		.dst_addr = load32(c->dst.bytes),
	};

	memcpy(p, &ip, sizeof(ip));
}

static void put_ipv6(uint8_t *p, const struct vxlan_conf *c)
{
	struct rte_ipv6_hdr ip = {
		.vtc_flow = RTE_BE32(6u << 28),
		.proto = IPPROTO_UDP,
		.hop_limits = c->ttl,
	};

	memcpy(ip.src_addr, c->src.bytes, sizeof(ip.src_addr));
	memcpy(ip.dst_addr, c->dst.bytes, sizeof(ip.dst_addr));
	memcpy(p, &ip, sizeof(ip));
}

void vxlan_template_init(struct vxlan_template *t, const struct vxlan_conf *c)
{
	const struct rte_udp_hdr udp = {.dst_port = rte_cpu_to_be_16(c->port)};
	const struct rte_vxlan_hdr vxlan = {.vx_flags = RTE_BE32(FLAG_VNI)};
	uint8_t *end = t->hdr + sizeof(t->hdr);
	const uint16_t proto = RTE_BE16(IPPROTO_UDP);
	struct checksum sum = {0};

	assert(c->src.is_v6 == c->dst.is_v6);
	*t = (struct vxlan_template){
		.len = (uint8_t)(RTE_ETHER_HDR_LEN + (c->vlan ? RTE_VLAN_HLEN : 0) +
				 (c->dst.is_v6 ? IPV6_BEFORE : IPV4_BEFORE)),
		.is_v6 = c->dst.is_v6,
		.sum = c->sum,
		.inherit_dscp = c->inherit_dscp,
		.tos = (uint8_t)(c->inherit_dscp ? 0 : c->dscp << 2),
	};
	put_ether(end - t->len, c);
	if (t->is_v6)
		put_ipv6(end - IPV6_BEFORE, c);
	else
		put_ipv4(end - IPV4_BEFORE, c);
	memcpy(end - UDP_BEFORE, &udp, sizeof(udp));
	memcpy(end - VXLAN_BEFORE, &vxlan, sizeof(vxlan));

	t->ip_sum = rte_raw_cksum(end - IPV4_BEFORE, sizeof(struct rte_ipv4_hdr));
	/* An IPv4 address is followed by zeroes. */
	checksum_add(&sum, c->src.bytes, sizeof(c->src.bytes));
	checksum_add(&sum, c->dst.bytes, sizeof(c->dst.bytes));
	checksum_add(&sum, &proto, sizeof(proto));
	checksum_add(&sum, end - UDP_BEFORE, UDP_BEFORE);
	t->udp_sum = checksum_fold(&sum);
}

/* --- what is derived from the inner frame ----------------------------------------------------- */

/* Whether the frame has the ports of an L4 header, at l4. */
static bool has_ports(const struct rte_mbuf *m, const struct pkt_info *in, uint32_t l4)
{
	return (in->ip_proto == IPPROTO_TCP || in->ip_proto == IPPROTO_UDP ||
		in->ip_proto == IPPROTO_SCTP) &&
	       !(in->flags & PKT_FRAGMENT) && in->ip_len >= in->l3_len + 4u &&
	       m->data_len >= l4 + 4;
}

/* The source port, by a hash of what makes a flow. Fragments have no ports, and are sent after
 * their flow's addresses, the first one too, so that they stay in order. */
static uint16_t source_port(const struct rte_mbuf *m, const uint8_t *frame,
			    const struct pkt_info *in, uint32_t hash)
{
	uint32_t l3 = in->l2_len, l4 = l3 + in->l3_len, ports;

	if (likely(in->depth >= PKT_L3)) {
		ports = has_ports(m, in, l4) ? load32(frame + l4) : 0;
		if (in->flags & PKT_IPV4) {
			hash = rte_hash_crc_8byte(load64(frame + l3 + 12), hash);
		} else {
			hash = rte_hash_crc_8byte(load64(frame + l3 + 8), hash);
			hash = rte_hash_crc_8byte(load64(frame + l3 + 16), hash);
			hash = rte_hash_crc_8byte(load64(frame + l3 + 24), hash);
			hash = rte_hash_crc_8byte(load64(frame + l3 + 32), hash);
		}
		hash = rte_hash_crc_8byte((uint64_t)in->ip_proto << 32 | ports, hash);
	} else if (in->depth == PKT_L2) {
		hash = rte_hash_crc_8byte(load64(frame), hash);
		hash = rte_hash_crc_8byte((uint64_t)in->ether_type << 32 | load32(frame + 8), hash);
	}
	return (uint16_t)(FIRST_PORT | hash);
}

/* The outer TOS or traffic class. */
static uint8_t outer_tos(const struct vxlan_template *t, const uint8_t *frame,
			 const struct pkt_info *in)
{
	const uint8_t *l3 = frame + in->l2_len;
	uint8_t tos;

	if (in->depth < PKT_L3)
		return t->tos;
	tos = in->flags & PKT_IPV4 ? l3[1] : (uint8_t)(l3[0] << 4 | l3[1] >> 4);
	return t->inherit_dscp ? tos : t->tos | (tos & ECN_MASK);
}

/* Whether the inner packet has a checksum over all that follows its IP header. Options and
 * extension headers may change the address that is summed up (RFC 1122, 4.1.3.5; RFC 8200, 8.1). */
static bool has_own_sum(const uint8_t *frame, const struct pkt_info *in)
{
	const struct rte_udp_hdr *udp = (const void *)(frame + in->l2_len + in->l3_len);

	if (in->depth != PKT_L4 || (in->flags & (PKT_FRAGMENT | PKT_IP_OPTIONS)))
		return false;
	return in->ip_proto == IPPROTO_TCP ||
	       (in->ip_proto == IPPROTO_UDP && udp->dgram_cksum != 0 &&
		rte_be_to_cpu_16(udp->dgram_len) == in->ip_len - in->l3_len);
}

/* The sum of the inner frame. What an inner checksum covers has the complement of the pseudo
 * header's sum; the addresses are in the IP header too, and cancel out. */
static uint32_t inner_sum(const struct rte_mbuf *m, const uint8_t *frame, const struct pkt_info *in)
{
	uint32_t end = (uint32_t)in->l2_len + in->ip_len, sum;
	uint16_t len, proto, pad;

	if (!has_own_sum(frame, in))
		return pkt_sum(m, 0);
	len = rte_cpu_to_be_16((uint16_t)(in->ip_len - in->l3_len));
	proto = rte_cpu_to_be_16(in->ip_proto);
	sum = rte_raw_cksum(frame, in->l2_len + (in->flags & PKT_IPV4 ? 12u : 8u));
	sum += (uint16_t)~len + (uint16_t)~proto;
	/* Padding behind the inner packet is payload of ours. */
	if (unlikely(end < m->pkt_len)) {
		pad = pkt_sum(m, end);
		sum += end % 2 ? rte_bswap16(pad) : pad;
	}
	return sum;
}

/* --- packets ---------------------------------------------------------------------------------- */

/* `len` is that of the UDP packet. */
static void fill_ipv4(const struct vxlan_template *t, uint8_t *frame, uint8_t tos, uint16_t len)
{
	struct rte_ipv4_hdr *ip = (void *)(frame - IPV4_BEFORE);
	uint16_t be_len = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + len));

	ip->type_of_service = tos;
	ip->total_length = be_len;
	ip->hdr_checksum = (uint16_t)~fold((uint32_t)t->ip_sum + be_len + rte_cpu_to_be_16(tos));
}

static void fill_ipv6(uint8_t *frame, uint8_t tos, uint16_t len)
{
	struct rte_ipv6_hdr *ip = (void *)(frame - IPV6_BEFORE);

	ip->vtc_flow = rte_cpu_to_be_32(6u << 28 | (uint32_t)tos << RTE_IPV6_HDR_TC_SHIFT);
	ip->payload_len = rte_cpu_to_be_16(len);
}

/* The UDP checksum, of which 0 means that there is none. */
static uint16_t udp_checksum(uint32_t sum)
{
	uint16_t checksum = (uint16_t)~fold(sum);

	return checksum ? checksum : UINT16_MAX;
}

struct wire_frame *vxlan_encap(const struct vxlan_template *t, struct rte_mbuf *m, uint32_t vni,
			       uint32_t hash_key)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	struct rte_udp_hdr *udp = (void *)(frame - UDP_BEFORE);
	struct rte_vxlan_hdr *vxlan = (void *)(frame - VXLAN_BEFORE);
	uint16_t len = (uint16_t)(m->pkt_len + UDP_BEFORE), be_len = rte_cpu_to_be_16(len);
	uint32_t be_vni = rte_cpu_to_be_32(vni << 8);
	uint16_t be_port;
	struct pkt_info in;

	assert(rte_pktmbuf_headroom(m) >= VXLAN_HEADROOM);
	assert(m->pkt_len <= UINT16_MAX - VXLAN_MAX_HDR && vni <= VXLAN_MAX_VNI);
	pkt_parse(m, &in);
	be_port = rte_cpu_to_be_16(source_port(m, frame, &in, hash_key));
	memcpy(frame - sizeof(t->hdr), t->hdr, sizeof(t->hdr));
	if (t->is_v6)
		fill_ipv6(frame, outer_tos(t, frame, &in), len);
	else
		fill_ipv4(t, frame, outer_tos(t, frame, &in), len);
	udp->src_port = be_port;
	udp->dgram_len = be_len;
	vxlan->vx_vni = be_vni;
	/* The length is in the pseudo header too. */
	if (t->sum)
		udp->dgram_cksum =
			udp_checksum(t->udp_sum + be_port + 2u * be_len + (be_vni & UINT16_MAX) +
				     (be_vni >> 16) + inner_sum(m, frame, &in));
	rte_pktmbuf_prepend(m, t->len);
	return (struct wire_frame *)m;
}
