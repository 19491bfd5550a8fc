/* SPDX-License-Identifier: BSD-3-Clause */
/* A guard against forged sources.
 *
 * It reads the first segment of a packet only, which is a copy that the guest cannot change any
 * more, and each of its bytes is what the receivers get. What it cannot read it drops: a filter
 * that lets pass what it does not understand is one that is easy to get by (RFC 7113,
 * CVE-2021-27853 and its kin). Has no state but the guard, which it does not change; any worker may
 * call it. */
#include "policy/guard.h"

#include <string.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>

#include "pkt/bytes.h"
#include "pkt/drops.h"
#include "pkt/parse.h"
#include "pkt/pkt.h"

#define MAC_SIZE 6
#define SRC_AT   6  /* of the Ethernet header: the source address, */
#define L2_LEN   14 /* and its length */

#define TYPE_IPV4    0x0800
#define TYPE_ARP     0x0806
#define TYPE_VLAN    0x8100
#define TYPE_IPV6    0x86dd
#define TYPE_QINQ    0x88a8
#define TYPE_LEAST   0x0600 /* less is a length: an LLC header follows (IEEE 802.3) */
#define LLC_SNAP     0xaa
#define SNAP_LEN     8
#define SNAP_TYPE_AT 6

/* Offsets in IP headers, and in what follows them. */
enum {
	V4_LEN_AT = 2,
	V4_FRAGMENT_AT = 6,
	V4_PROTO_AT = 9,
	V4_SRC_AT = 12,
	V4_DST_AT = 16,
	V4_LEN = 20,
	V6_LEN_AT = 4,
	V6_PROTO_AT = 6,
	V6_SRC_AT = 8,
	V6_LEN = 40,
	L4_DPORT_AT = 2,
	UDP_LEN = 8,
	ND_TARGET_AT = 8,
};

/* Ports that DHCP clients listen on: whoever sends to these, from whatever port, plays the server
 * for them. */
#define DHCP_CLIENT   68
#define DHCP_SERVER   67
#define DHCPV6_CLIENT 546

/* An ARP packet for IPv4 over Ethernet (RFC 826). */
enum {
	ARP_OP_AT = 6,
	ARP_SHA_AT = 8,
	ARP_SPA_AT = 14,
	ARP_LEN = 28,
	ARP_REQUEST = 1,
};

#define ND_UNIT      8   /* lengths of options are in these */
#define MLDV2_REPORT 143 /* RFC 3810, 5.2 */

#define PASS DROP_COUNT

/* The source that passed last: what comes from it too needs fewer looks. */
struct memo {
	enum { MEMO_NONE, MEMO_V4, MEMO_V6 } kind;
	uint64_t src_type; /* MAC address and EtherType */
	uint64_t ip[2];    /* 0 where the mask is, */
	uint64_t mask[2];  /* which is 0 when the guard has no prefixes */
};

static inline uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t load_mac(const uint8_t *p)
{
	uint64_t mac = 0;

	memcpy(&mac, p, MAC_SIZE);
	return mac;
}

/* --- making ------------------------------------------------------------------------------------
 */

void guard_add_mac(struct guard *g, uint64_t mac)
{
	g->mac[g->n_macs++] = mac;
}

void guard_add_prefix(struct guard *g, const struct ip_prefix *p)
{
	uint8_t mask[16];

	ip_prefix_mask(p, mask);
	if (p->address.is_v6) {
		struct guard_v6 *v6 = &g->v6[g->n_v6++];

		memcpy(v6->net, p->address.bytes, sizeof(v6->net));
		memcpy(v6->mask, mask, sizeof(v6->mask));
	} else {
		struct guard_v4 *v4 = &g->v4[g->n_v4++];

		memcpy(&v4->net, p->address.bytes, sizeof(v4->net));
		memcpy(&v4->mask, mask, sizeof(v4->mask));
	}
}

/* --- addresses ---------------------------------------------------------------------------------
 */

static bool has_prefixes(const struct guard *g)
{
	return g->n_v4 + g->n_v6 > 0;
}

static bool has_v4(const struct guard *g, const uint8_t *p)
{
	uint32_t address = load32(p);

	if (!has_prefixes(g))
		return true;
	for (unsigned i = 0; i < g->n_v4; i++)
		if ((address & g->v4[i].mask) == g->v4[i].net)
			return true;
	return false;
}

static bool has_v6(const struct guard *g, const uint8_t *p)
{
	uint64_t high = load64(p), low = load64(p + 8);

	if (p[0] == 0xfe && (p[1] & 0xc0) == 0x80 && g->allow & GUARD_LINK_LOCAL)
		return true;
	if (!has_prefixes(g))
		return true;
	for (unsigned i = 0; i < g->n_v6; i++)
		if ((high & g->v6[i].mask[0]) == g->v6[i].net[0] &&
		    (low & g->v6[i].mask[1]) == g->v6[i].net[1])
			return true;
	return false;
}

static bool is_unspecified(const uint8_t *v6)
{
	return (load64(v6) | load64(v6 + 8)) == 0;
}

/* --- IPv4 and ARP ------------------------------------------------------------------------------
 */

/* Whether a packet without a source address is a DHCP client's first one (RFC 2131, 4.1). */
static bool is_dhcp_discovery(const uint8_t *ip, const struct pkt_info *info)
{
	const uint8_t *udp = ip + info->l3_len;

	return load32(ip + V4_DST_AT) == UINT32_MAX && info->depth == PKT_L4 &&
	       info->ip_proto == IPPROTO_UDP && !(info->flags & PKT_FRAGMENT) &&
	       get16(udp) == DHCP_CLIENT && get16(udp + L4_DPORT_AT) == DHCP_SERVER;
}

static enum drop_reason check_v4(const struct guard *g, const uint8_t *ip,
				 const struct pkt_info *info)
{
	bool is_udp = info->ip_proto == IPPROTO_UDP && !(info->flags & PKT_LATER_FRAGMENT);

	if (load32(ip + V4_SRC_AT) == 0) {
		if (has_prefixes(g) && !is_dhcp_discovery(ip, info))
			return DROP_SPOOFED_IP;
	} else if (!has_v4(g, ip + V4_SRC_AT)) {
		return DROP_SPOOFED_IP;
	}
	if (!is_udp || g->allow & GUARD_DHCP_SERVER)
		return PASS;
	if (info->depth != PKT_L4)
		return DROP_UNREADABLE;
	return get16(ip + info->l3_len + L4_DPORT_AT) == DHCP_CLIENT ? DROP_DHCP_SERVER : PASS;
}

/* Whatever the operation is, the sender's addresses are what others believe. A request from nobody
 * asks whether an address is in use (RFC 5227). */
static enum drop_reason check_arp(const struct guard *g, const uint8_t *arp, uint32_t len)
{
	static const uint8_t ethernet_ipv4[] = {0, 1, 8, 0, MAC_SIZE, 4};

	if (len < ARP_LEN || memcmp(arp, ethernet_ipv4, sizeof(ethernet_ipv4)) != 0)
		return DROP_UNREADABLE;
	if (!guard_has_mac(g, load_mac(arp + ARP_SHA_AT)))
		return DROP_SPOOFED_ARP;
	if (load32(arp + ARP_SPA_AT) == 0 && get16(arp + ARP_OP_AT) == ARP_REQUEST)
		return PASS;
	return has_v4(g, arp + ARP_SPA_AT) ? PASS : DROP_SPOOFED_ARP;
}

/* --- IPv6 and neighbour discovery --------------------------------------------------------------
 */

/* Checks the options with a MAC address of the sender's: they are of `type`. */
static enum drop_reason check_options(const struct guard *g, const uint8_t *at, uint32_t len,
				      uint8_t type)
{
	for (uint32_t n; len > 0; at += n, len -= n) {
		n = len < 2 ? 0 : at[1] * ND_UNIT;
		if (n == 0 || n > len)
			return DROP_UNREADABLE;
		if (at[0] == type && (n != ND_UNIT || !guard_has_mac(g, load_mac(at + 2))))
			return DROP_SPOOFED_ND;
	}
	return PASS;
}

/* The length of a message of neighbour discovery without its options; 0: it is none. */
static uint32_t nd_len(uint8_t type)
{
	switch (type) {
	case ND_ROUTER_SOLICIT:
		return 8;
	case ND_ROUTER_ADVERT:
		return 16;
	case ND_NEIGHBOR_SOLICIT:
	case ND_NEIGHBOR_ADVERT:
		return 24;
	case ND_REDIRECT:
		return 40;
	default:
		return 0;
	}
}

/* Checks an ICMPv6 message of `len` bytes, of which there may be more in other segments or
 * fragments. One of neighbour discovery has to be whole, for its options (RFC 6980). */
static enum drop_reason check_icmp6(const struct guard *g, const uint8_t *icmp, uint32_t len,
				    bool is_whole)
{
	uint32_t fixed = nd_len(icmp[0]);

	if (fixed == 0)
		return PASS;
	if (icmp[0] == ND_ROUTER_ADVERT || icmp[0] == ND_REDIRECT)
		return g->allow & GUARD_ROUTER ? PASS : DROP_ROUTER_ADVERT;
	if (!is_whole || len < fixed)
		return DROP_UNREADABLE;
	if (icmp[0] == ND_NEIGHBOR_ADVERT && !has_v6(g, icmp + ND_TARGET_AT))
		return DROP_SPOOFED_ND;
	return check_options(g, icmp + fixed, len - fixed,
			     icmp[0] == ND_NEIGHBOR_ADVERT ? ND_OPT_TARGET_LINKADDR
							   : ND_OPT_SOURCE_LINKADDR);
}

/* Whether a host that has no address yet says such things: duplicate address detection, router
 * solicitation (RFC 4861, 4.1), and multicast listener discovery (RFC 3590, 4). */
static bool is_without_address(const struct pkt_info *info, const uint8_t *icmp)
{
	if (info->depth != PKT_L4 || info->ip_proto != IPPROTO_ICMPV6)
		return false;
	switch (icmp[0]) {
	case ND_NEIGHBOR_SOLICIT:
	case ND_ROUTER_SOLICIT:
	case MLD_LISTENER_REPORT:
	case MLD_LISTENER_REDUCTION:
	case MLDV2_REPORT:
		return true;
	default:
		return false;
	}
}

/* Whether the parser got to the end of the extension headers. */
static bool is_chain_whole(const struct pkt_info *info)
{
	if (pkt_is_ipv6_ext(info->ip_proto))
		return false;
	switch (info->ip_proto) {
	case IPPROTO_UDP:
	case IPPROTO_ICMPV6:
		return info->depth == PKT_L4;
	default:
		return true;
	}
}

/* A first fragment without all its headers is not put together by hosts (RFC 7112), so its later
 * ones are nobody's; those that are put together begin with one that was checked. `len` bytes of
 * the datagram can be read. */
static enum drop_reason check_v6(const struct guard *g, const uint8_t *ip, uint32_t len,
				 const struct pkt_info *info)
{
	const uint8_t *l4 = ip + info->l3_len;
	bool is_later = info->flags & PKT_LATER_FRAGMENT, is_cut;

	if (!is_later && !is_chain_whole(info))
		return DROP_UNREADABLE;
	if (is_unspecified(ip + V6_SRC_AT)) {
		if (has_prefixes(g) && (is_later || !is_without_address(info, l4)))
			return DROP_SPOOFED_IP;
	} else if (!has_v6(g, ip + V6_SRC_AT)) {
		return DROP_SPOOFED_IP;
	}
	if (is_later)
		return PASS;
	if (info->ip_proto == IPPROTO_UDP)
		return get16(l4 + L4_DPORT_AT) == DHCPV6_CLIENT && !(g->allow & GUARD_DHCP_SERVER)
			       ? DROP_DHCP_SERVER
			       : PASS;
	if (info->ip_proto != IPPROTO_ICMPV6)
		return PASS;
	is_cut = len < info->ip_len;
	return check_icmp6(g, l4, (is_cut ? len : info->ip_len) - info->l3_len,
			   !is_cut && !(info->flags & PKT_FRAGMENT));
}

/* --- all ---------------------------------------------------------------------------------------
 */

static bool is_watched_type(uint16_t type)
{
	return type == TYPE_IPV4 || type == TYPE_IPV6 || type == TYPE_ARP || type == TYPE_VLAN ||
	       type == TYPE_QINQ;
}

/* Checks what is none of the protocols that are looked into. There are hosts that take these out of
 * an LLC header as well (RFC 1042), and under more tags than the parser reads. */
static enum drop_reason check_other(const struct guard *g, const struct rte_mbuf *m,
				    const uint8_t *frame, const struct pkt_info *info)
{
	const uint8_t *llc = frame + info->l2_len;
	uint16_t type = info->ether_type;

	if (is_watched_type(type))
		return DROP_UNREADABLE;
	if (type < TYPE_LEAST && m->pkt_len >= info->l2_len + (uint32_t)SNAP_LEN) {
		if (m->data_len < info->l2_len + SNAP_LEN)
			return DROP_UNREADABLE;
		if (llc[0] == LLC_SNAP && is_watched_type(get16(llc + SNAP_TYPE_AT)))
			return DROP_UNREADABLE;
	}
	return g->allow & GUARD_OTHER_ETHERTYPES ? PASS : DROP_OTHER_ETHERTYPE;
}

static enum drop_reason check_frame(const struct guard *g, const struct rte_mbuf *m,
				    const uint8_t *frame, struct pkt_info *info)
{
	const uint8_t *l3;
	uint32_t len;

	if (pkt_parse(m, info) == PKT_NONE)
		return DROP_UNREADABLE;
	l3 = frame + info->l2_len;
	len = m->data_len - info->l2_len;
	if (info->flags & PKT_IPV4)
		return check_v4(g, l3, info);
	if (info->flags & PKT_IPV6)
		return check_v6(g, l3, len, info);
	if (info->flags & PKT_MALFORMED)
		return DROP_UNREADABLE;
	if (info->ether_type == TYPE_ARP)
		return check_arp(g, l3, len);
	return check_other(g, m, frame, info);
}

/* Notes the source of a packet that passed, if packets of that kind are recognised. */
static void note(struct memo *memo, const struct guard *g, const uint8_t *frame,
		 const struct pkt_info *info)
{
	const uint8_t *ip = frame + L2_LEN;
	uint64_t all = has_prefixes(g) ? UINT64_MAX : 0;

	memo->kind = MEMO_NONE;
	memo->src_type = load64(frame + SRC_AT);
	if (info->n_vlans > 0)
		return;
	if (info->flags & PKT_IPV4 && load32(ip + V4_SRC_AT) != 0) {
		memo->ip[0] = load32(ip + V4_SRC_AT) & all;
		memo->mask[0] = (uint32_t)all;
		memo->kind = MEMO_V4;
	} else if (info->flags & PKT_IPV6 && !is_unspecified(ip + V6_SRC_AT)) {
		memo->ip[0] = load64(ip + V6_SRC_AT) & all;
		memo->ip[1] = load64(ip + V6_SRC_AT + 8) & all;
		memo->mask[0] = memo->mask[1] = all;
		memo->kind = MEMO_V6;
	}
}

/* Whether a packet of IPv4 is from the noted address, and what it is cannot be a DHCP server's: a
 * plain header, and ports behind it. Where they are something else, a closer look finds that. */
static inline bool is_known_v4(const struct memo *memo, const struct rte_mbuf *m, const uint8_t *ip)
{
	uint32_t len = get16(ip + V4_LEN_AT);

	return (load32(ip + V4_SRC_AT) & memo->mask[0]) == memo->ip[0] && ip[0] == 0x45 &&
	       (load32(ip + V4_SRC_AT) != 0) && len >= V4_LEN + UDP_LEN &&
	       len <= m->pkt_len - L2_LEN &&
	       (ip[V4_PROTO_AT] != IPPROTO_UDP || get16(ip + V4_LEN + L4_DPORT_AT) != DHCP_CLIENT);
}

static inline bool is_known_v6(const struct memo *memo, const struct rte_mbuf *m, const uint8_t *ip)
{
	uint64_t high = load64(ip + V6_SRC_AT), low = load64(ip + V6_SRC_AT + 8);
	uint32_t len = get16(ip + V6_LEN_AT);

	return (((high & memo->mask[0]) ^ memo->ip[0]) | ((low & memo->mask[1]) ^ memo->ip[1])) ==
		       0 &&
	       ip[0] >> 4 == 6 && len >= UDP_LEN && len <= m->pkt_len - L2_LEN - V6_LEN &&
	       (high | low) != 0 &&
	       (ip[V6_PROTO_AT] == IPPROTO_TCP ||
		(ip[V6_PROTO_AT] == IPPROTO_UDP &&
		 get16(ip + V6_LEN + L4_DPORT_AT) != DHCPV6_CLIENT));
}

/* Whether a packet needs no closer look, since it is like the one before. */
static inline bool is_known(const struct memo *memo, const struct rte_mbuf *m, const uint8_t *frame)
{
	const uint8_t *ip = frame + L2_LEN;

	if (load64(frame + SRC_AT) != memo->src_type)
		return false;
	if (memo->kind == MEMO_V4)
		return m->data_len >= L2_LEN + V4_LEN + UDP_LEN && is_known_v4(memo, m, ip);
	return memo->kind == MEMO_V6 && m->data_len >= L2_LEN + V6_LEN + UDP_LEN &&
	       is_known_v6(memo, m, ip);
}

void guard_check(const struct guard *g, struct pkt *p, uint16_t n)
{
	struct memo memo = {0};

	for (uint16_t i = 0; i < n; i++) {
		const uint8_t *frame = pkt_data(&p[i]);
		struct pkt_info info;
		enum drop_reason why;

		if (likely(is_known(&memo, p[i].m, frame)))
			continue;
		why = guard_has_mac(g, load_mac(frame + SRC_AT))
			      ? check_frame(g, p[i].m, frame, &info)
			      : DROP_SPOOFED_MAC;
		if (likely(why == PASS)) {
			note(&memo, g, frame, &info);
			continue;
		}
		/* The first reason counts. */
		if (p[i].verdict != PKT_DROP)
			p[i].reason = (uint8_t)why;
		p[i].verdict = PKT_DROP;
	}
}
