/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets' flows. What is read lies within the first segment, which no guest can change any more,
 * and within the datagram. Has no state and allocates nothing; any thread may call it. */
#include "pkt/flow.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include <rte_branch_prediction.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "pkt/bytes.h"
#include "pkt/parse.h"

#define PROTO_DCCP    33
#define PROTO_UDPLITE 136
#define PORTS_LEN     4 /* both, which all protocols that have some begin with */
#define ICMP_LEN      8
#define TCP_FLAGS_AT  13
#define FRAGMENT_EXT  44
#define EXT_UNIT      8
#define HOP_LIMIT_ND  255 /* no router forwarded it (RFC 4861) */
#define MLD2_REPORT   143 /* RFC 3810 */
#define DHCP_CLIENT   68
#define DHCP_SERVER   67
#define DHCPV6_CLIENT 546
#define DHCPV6_SERVER 547
#define IN_TCP_HEADER 1 /* offset of a fragment, in units of 8 bytes, with flags of TCP */

/* A datagram, as far as it can be read. */
struct datagram {
	const uint8_t *ip; /* its header */
	const uint8_t *l4;
	uint32_t l4_len; /* bytes that can be read at l4 */
	const struct pkt_info *info;
	enum flow_side side; /* which way it goes */
	bool is_quoted;
};

/* --- addresses and fragments -------------------------------------------------------------------
 */

static void set_v4(uint8_t to[16], const uint8_t *from)
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	memcpy(to, prefix, sizeof(prefix));
	memcpy(to + sizeof(prefix), from, 4);
}

/* Whether an address of IPv6 is one that stands for IPv4 here. It has no place on the wire
 * (RFC 4291, 2.5.5.2). */
static bool is_mapped(const uint8_t *address)
{
	uint64_t high;
	uint32_t low;

	memcpy(&high, address, sizeof(high));
	memcpy(&low, address + 8, sizeof(low));
	return high == 0 && low == RTE_BE32(0xffff);
}

/* False when the addresses cannot be relied upon. */
static bool read_addresses(const struct datagram *d, struct flow *f)
{
	uint8_t *src = d->side == FLOW_SENT ? f->key.local : f->key.remote;
	uint8_t *dst = d->side == FLOW_SENT ? f->key.remote : f->key.local;

	f->is_v6 = d->info->flags & PKT_IPV6;
	if (!f->is_v6) {
		set_v4(src, d->ip + offsetof(struct rte_ipv4_hdr, src_addr));
		set_v4(dst, d->ip + offsetof(struct rte_ipv4_hdr, dst_addr));
		return true;
	}
	memcpy(src, d->ip + offsetof(struct rte_ipv6_hdr, src_addr), 16);
	memcpy(dst, d->ip + offsetof(struct rte_ipv6_hdr, dst_addr), 16);
	return !is_mapped(src) && !is_mapped(dst);
}

/* The only fragment header among the extension headers, whose lengths pkt_parse() has checked; NULL
 * when there are several. */
static const uint8_t *fragment_ext(const struct datagram *d)
{
	const uint8_t *at = d->ip + sizeof(struct rte_ipv6_hdr), *end = d->ip + d->info->l3_len;
	const uint8_t *found = NULL;
	uint8_t proto = d->ip[offsetof(struct rte_ipv6_hdr, proto)];

	while (at < end) {
		uint8_t next = at[0];

		if (proto == FRAGMENT_EXT) {
			if (found)
				return NULL;
			found = at;
			at += EXT_UNIT;
		} else if (proto == IPPROTO_AH) {
			at += (at[1] + 2) * 4;
		} else {
			at += (at[1] + 1) * EXT_UNIT;
		}
		proto = next;
	}
	return found;
}

/* Reads what is known of a fragment. False when it cannot be relied upon. */
static bool read_fragment(const struct datagram *d, struct flow *f)
{
	bool is_later = d->info->flags & PKT_LATER_FRAGMENT;
	uint16_t offset;

	if (!f->is_v6) {
		f->fragment_id = get16(d->ip + offsetof(struct rte_ipv4_hdr, packet_id));
		offset = get16(d->ip + offsetof(struct rte_ipv4_hdr, fragment_offset)) &
			 RTE_IPV4_HDR_OFFSET_MASK;
	} else {
		const uint8_t *ext = fragment_ext(d);

		if (!ext)
			return false;
		f->fragment_id = get32(ext + 4);
		offset = get16(ext + 2) >> 3;
	}
	f->is_first_fragment = !is_later;
	/* In IPv6 the sender of a later fragment may name any protocol. */
	return !is_later || offset != IN_TCP_HEADER ||
	       (!f->is_v6 && d->info->ip_proto != IPPROTO_TCP);
}

/* --- layer 4 -----------------------------------------------------------------------------------
 */

static void set_ports(const struct datagram *d, uint16_t src, uint16_t dst, struct flow *f)
{
	f->key.lport = d->side == FLOW_SENT ? src : dst;
	f->key.rport = d->side == FLOW_SENT ? dst : src;
}

static enum flow_kind read_ports(const struct datagram *d, struct flow *f)
{
	if (d->l4_len < PORTS_LEN)
		return FLOW_MALFORMED;
	set_ports(d, get16(d->l4), get16(d->l4 + 2), f);
	return FLOW_PACKET;
}

static enum flow_kind read_tcp(const struct datagram *d, struct flow *f)
{
	if (!d->is_quoted)
		f->tcp_flags = d->l4[TCP_FLAGS_AT];
	return read_ports(d, f);
}

/* A DHCP client's messages pass, or no VM would get an address. */
static enum flow_kind read_udp(const struct datagram *d, struct flow *f)
{
	enum flow_kind kind = read_ports(d, f);
	uint16_t client = f->is_v6 ? DHCPV6_CLIENT : DHCP_CLIENT;
	uint16_t server = f->is_v6 ? DHCPV6_SERVER : DHCP_SERVER;

	if (kind != FLOW_PACKET || d->is_quoted)
		return kind;
	return f->key.lport == client && f->key.rport == server ? FLOW_EXEMPT : FLOW_PACKET;
}

static bool is_error(const struct flow *f)
{
	if (f->is_v6)
		return f->icmp_type >= ICMP6_DST_UNREACH && f->icmp_type <= ICMP6_PARAM_PROB;
	return f->icmp_type == ICMP_DEST_UNREACH || f->icmp_type == ICMP_TIME_EXCEEDED ||
	       f->icmp_type == ICMP_PARAMETERPROB;
}

static bool is_echo(const struct flow *f, bool *is_question)
{
	*is_question = f->icmp_type == (f->is_v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO);
	return *is_question || f->icmp_type == (f->is_v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY);
}

/* Messages between neighbours and about groups, which always pass: without them there is no IPv6.
 * Advertisements of routers are left to the guard of their sender. */
static bool is_of_link(const struct datagram *d, const struct flow *f)
{
	bool has_hops = d->ip[offsetof(struct rte_ipv6_hdr, hop_limits)] == HOP_LIMIT_ND;

	if (f->is_first_fragment) /* RFC 6980 */
		return false;
	switch (f->icmp_type) {
	case ND_NEIGHBOR_SOLICIT:
	case ND_NEIGHBOR_ADVERT:
	case ND_ROUTER_SOLICIT:
		return has_hops;
	case ND_ROUTER_ADVERT:
		return has_hops && d->side == FLOW_RECEIVED;
	case MLD_LISTENER_QUERY:
	case MLD_LISTENER_REPORT:
	case MLD_LISTENER_REDUCTION:
	case MLD2_REPORT:
		return true;
	default:
		return false;
	}
}

static enum flow_kind read_icmp(const struct datagram *d, struct flow *f)
{
	bool is_question;

	if (d->l4_len < ICMP_LEN)
		return FLOW_MALFORMED;
	f->icmp_type = d->l4[0];
	f->icmp_code = d->l4[1];
	if (f->is_v6 && !d->is_quoted && is_of_link(d, f))
		return FLOW_EXEMPT;
	if (is_echo(f, &is_question)) {
		f->key.lport = f->key.rport = get16(d->l4 + 4);
		f->key.is_asked = is_question == (d->side == FLOW_RECEIVED);
		return FLOW_PACKET;
	}
	f->key.lport = get16(d->l4);
	return is_error(f) ? FLOW_ERROR : FLOW_PACKET;
}

static enum flow_kind read_l4(const struct datagram *d, struct flow *f)
{
	switch (d->info->ip_proto) {
	case IPPROTO_TCP:
		return read_tcp(d, f);
	case IPPROTO_UDP:
		return read_udp(d, f);
	case IPPROTO_SCTP:
	case PROTO_DCCP:
	case PROTO_UDPLITE:
		return read_ports(d, f);
	case IPPROTO_ICMP:
		return f->is_v6 ? FLOW_PACKET : read_icmp(d, f);
	case IPPROTO_ICMPV6:
		return f->is_v6 ? read_icmp(d, f) : FLOW_PACKET;
	case IPPROTO_IGMP:
		return f->is_v6 ? FLOW_PACKET : FLOW_EXEMPT;
	default:
		return f->is_v6 && pkt_is_ipv6_ext(d->info->ip_proto) ? FLOW_MALFORMED
								      : FLOW_PACKET;
	}
}

/* --- datagrams ---------------------------------------------------------------------------------
 */

static enum flow_kind read_datagram(const struct datagram *d, struct flow *f)
{
	const struct pkt_info *info = d->info;

	f->key.proto = info->ip_proto;
	if (unlikely(!read_addresses(d, f)))
		return FLOW_MALFORMED;
	if (unlikely(info->flags & PKT_FRAGMENT)) {
		if (!read_fragment(d, f))
			return FLOW_MALFORMED;
		if (info->flags & PKT_LATER_FRAGMENT)
			return FLOW_LATER_FRAGMENT;
	}
	return read_l4(d, f);
}

/* Puts the flow of what the error at `d` quotes into *f. Errors go to the sender of what they
 * quote, so it went the other way. */
static enum flow_kind read_quoted(const struct datagram *d, struct flow *f)
{
	const uint8_t *ip = d->l4 + ICMP_LEN;
	struct pkt_info info;
	struct flow quoted = {.key.port = f->key.port};
	struct datagram q = {
		.ip = ip,
		.info = &info,
		.side = d->side == FLOW_SENT ? FLOW_RECEIVED : FLOW_SENT,
		.is_quoted = true,
	};
	uint32_t len = d->l4_len - ICMP_LEN;
	enum flow_kind kind;

	if (pkt_parse_quoted(ip, len, f->is_v6, &info) < PKT_L3)
		return FLOW_MALFORMED;
	if (len > info.ip_len)
		len = info.ip_len;
	q.l4 = ip + info.l3_len;
	q.l4_len = len - info.l3_len;
	kind = read_datagram(&q, &quoted);
	if (kind != FLOW_PACKET && kind != FLOW_EXEMPT)
		return FLOW_MALFORMED;
	if (memcmp(d->side == FLOW_SENT ? f->key.remote : f->key.local,
		   d->side == FLOW_SENT ? quoted.key.remote : quoted.key.local, 16) != 0)
		return FLOW_MALFORMED;
	f->key = quoted.key;
	f->icmp_type = quoted.icmp_type;
	f->icmp_code = quoted.icmp_code;
	return FLOW_ERROR;
}

/* What is behind the Ethernet header, when it is no sound IP header. */
static enum flow_kind kind_of_frame(const struct pkt_info *info)
{
	if (info->depth < PKT_L2 || info->flags & PKT_MALFORMED)
		return FLOW_MALFORMED;
	switch (info->ether_type) {
	case RTE_ETHER_TYPE_ARP:
		return FLOW_EXEMPT;
	case RTE_ETHER_TYPE_VLAN:
	case RTE_ETHER_TYPE_QINQ:
		return FLOW_MALFORMED;
	default:
		return FLOW_OTHER;
	}
}

/* Reads a packet; errors as what they quote, or as they are. */
static enum flow_kind read_packet(const struct rte_mbuf *m, bool quotes, struct flow *f)
{
	struct pkt_info info;
	struct datagram d = {.info = &info, .side = (enum flow_side)f->side};
	enum flow_kind kind;
	uint32_t len;

	if (unlikely(pkt_parse(m, &info) < PKT_L3))
		return kind_of_frame(&info);
	if (unlikely(info.flags & PKT_MALFORMED))
		return FLOW_MALFORMED;
	len = rte_pktmbuf_data_len(m) - info.l2_len;
	if (len > info.ip_len)
		len = info.ip_len;
	d.ip = rte_pktmbuf_mtod(m, const uint8_t *) + info.l2_len;
	d.l4 = d.ip + info.l3_len;
	d.l4_len = len - info.l3_len;
	kind = read_datagram(&d, f);
	if (unlikely(kind == FLOW_ERROR))
		return quotes ? read_quoted(&d, f) : FLOW_PACKET;
	return kind;
}

void flow_read(const struct rte_mbuf *m, enum flow_side side, uint16_t port, struct flow *f)
{
	*f = (struct flow){.key.port = port, .side = (uint8_t)side};
	f->kind = (uint8_t)read_packet(m, true, f);
}

void flow_read_error(const struct rte_mbuf *m, enum flow_side side, uint16_t port, struct flow *f)
{
	*f = (struct flow){.key.port = port, .side = (uint8_t)side};
	f->kind = (uint8_t)read_packet(m, false, f);
}
