/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages about neighbours. They are read with all suspicion: what is wrong in any way is left to
 * whom it is for. Has no state; any thread may call it. */
#include "pkt/neigh_msg.h"

#include <string.h>
#include <netinet/icmp6.h>

#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_ip.h>

#define MAC_SIZE  6
#define HOP_LIMIT 255 /* of neighbour discovery: no router forwarded it */

#define OPTION_UNIT 8 /* lengths of options are in these */

/* A neighbour solicitation or advertisement (RFC 4861, 4.3 and 4.4). */
struct nd_msg {
	uint8_t type;
	uint8_t code;
	uint16_t checksum;
	uint8_t flags; /* of an advertisement */
	uint8_t reserved[3];
	uint8_t target[16];
};
#define ND_ROUTER    0x80
#define ND_SOLICITED 0x40
#define ND_OVERRIDE  0x20

/* The option with a link-layer address (RFC 4861, 4.6.1). */
struct nd_mac {
	uint8_t type;
	uint8_t units;
	uint8_t mac[MAC_SIZE];
};

static struct ip_addr ipv4(rte_be32_t a)
{
	struct ip_addr addr = {0};

	memcpy(addr.bytes, &a, sizeof(a));
	return addr;
}

static struct ip_addr ipv6(const uint8_t a[16])
{
	struct ip_addr addr = {.is_v6 = true};

	memcpy(addr.bytes, a, sizeof(addr.bytes));
	return addr;
}

/* --- ARP ---------------------------------------------------------------------------------------
 */

static bool parse_arp(const uint8_t *frame, uint32_t len, struct neigh_msg *msg)
{
	struct rte_arp_hdr arp;
	bool is_request;

	if (len < RTE_ETHER_HDR_LEN + sizeof(arp))
		return false;
	memcpy(&arp, frame + RTE_ETHER_HDR_LEN, sizeof(arp));
	is_request = arp.arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST);
	if (arp.arp_hardware != RTE_BE16(RTE_ARP_HRD_ETHER) ||
	    arp.arp_protocol != RTE_BE16(RTE_ETHER_TYPE_IPV4) || arp.arp_hlen != MAC_SIZE ||
	    arp.arp_plen != sizeof(rte_be32_t) ||
	    (!is_request && arp.arp_opcode != RTE_BE16(RTE_ARP_OP_REPLY)) ||
	    memcmp(&arp.arp_data.arp_sha, msg->mac, MAC_SIZE) != 0)
		return false;
	msg->sender = ipv4(arp.arp_data.arp_sip);
	msg->target = ipv4(arp.arp_data.arp_tip);
	if (is_request && arp.arp_data.arp_sip == 0) {
		msg->kind = NEIGH_PROBE;
		return ip_addr_is_host(&msg->target);
	}
	msg->claims = true;
	msg->flags = NEIGH_OVERRIDE;
	/* A request for the sender's own address announces it (RFC 5227, 3). */
	msg->kind = is_request && arp.arp_data.arp_sip != arp.arp_data.arp_tip &&
				    ip_addr_is_host(&msg->target)
			    ? NEIGH_QUESTION
			    : NEIGH_NEWS;
	return ip_addr_is_host(&msg->sender);
}

static struct rte_mbuf *answer_arp(const struct neigh_msg *msg, const uint8_t mac[6],
				   struct rte_mbuf *m)
{
	struct rte_arp_hdr arp = {
		.arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER),
		.arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4),
		.arp_hlen = MAC_SIZE,
		.arp_plen = sizeof(rte_be32_t),
		.arp_opcode = RTE_BE16(RTE_ARP_OP_REPLY),
	};

	memcpy(&arp.arp_data.arp_sha, mac, MAC_SIZE);
	memcpy(&arp.arp_data.arp_tha, msg->mac, MAC_SIZE);
	memcpy(&arp.arp_data.arp_sip, msg->target.bytes, sizeof(rte_be32_t));
	memcpy(&arp.arp_data.arp_tip, msg->sender.bytes, sizeof(rte_be32_t));
	memcpy(rte_pktmbuf_append(m, sizeof(arp)), &arp, sizeof(arp));
	return m;
}

/* --- neighbour discovery -----------------------------------------------------------------------
 */

/* Bytes of options that are read: hosts send two, of 8 bytes each. */
#define MAX_OPTIONS 64

/* What options there are. */
struct nd_options {
	bool has_mac;   /* the sender's own */
	bool has_other; /* such as a signature or a nonce, which only the two hosts can deal with */
};

/* Reads the options, of which those of `type` have a MAC address. False when one is malformed, or
 * has an address that is not the sender's. */
static bool parse_options(const uint8_t *at, uint32_t len, uint8_t type, const uint8_t mac[6],
			  struct nd_options *found)
{
	struct nd_mac option;
	uint32_t n;

	*found = (struct nd_options){0};
	for (; len > 0; at += n, len -= n) {
		if (len < sizeof(option))
			return false;
		memcpy(&option, at, sizeof(option));
		n = option.units * OPTION_UNIT;
		if (n == 0 || n > len)
			return false;
		if (option.type != type) {
			found->has_other = true;
			continue;
		}
		if (n != sizeof(option) || memcmp(option.mac, mac, MAC_SIZE) != 0)
			return false;
		found->has_mac = true;
	}
	return true;
}

static bool parse_solicitation(const struct rte_ipv6_hdr *ip, const struct nd_msg *nd,
			       const uint8_t *options, uint32_t len, struct neigh_msg *msg)
{
	static const uint8_t unspecified[16];
	struct nd_options found;

	if (!parse_options(options, len, ND_OPT_SOURCE_LINKADDR, msg->mac, &found))
		return false;
	msg->sender = ipv6(ip->src_addr);
	msg->target = ipv6(nd->target);
	if (memcmp(ip->src_addr, unspecified, sizeof(unspecified)) == 0) {
		msg->kind = NEIGH_PROBE;
		return !found.has_mac && ip_addr_is_host(&msg->target);
	}
	msg->kind = NEIGH_QUESTION;
	msg->hints = true;
	return !found.has_other && ip_addr_is_host(&msg->sender) && ip_addr_is_host(&msg->target);
}

/* Whether a neighbour is a router is told by its advertisements only, and hosts give a router up
 * when it says that it is none: so these alone are claims (RFC 9161, 3.2). Hosts leave their MAC
 * address out where they answer one station that has it. */
static bool parse_advertisement(const struct rte_ipv6_hdr *ip, const struct nd_msg *nd,
				const uint8_t *options, uint32_t len, struct neigh_msg *msg)
{
	bool is_to_group = ip->dst_addr[0] == 0xff;
	struct nd_options found;

	if (!parse_options(options, len, ND_OPT_TARGET_LINKADDR, msg->mac, &found) ||
	    found.has_other || (is_to_group && nd->flags & ND_SOLICITED))
		return false;
	msg->kind = NEIGH_NEWS;
	msg->claims = found.has_mac;
	msg->hints = !found.has_mac;
	msg->sender = ipv6(nd->target);
	msg->flags = (nd->flags & ND_ROUTER ? NEIGH_ROUTER : 0) |
		     (nd->flags & ND_OVERRIDE ? NEIGH_OVERRIDE : 0);
	return ip_addr_is_host(&msg->sender);
}

static bool parse_nd(const uint8_t *frame, uint32_t len, struct neigh_msg *msg)
{
	const uint8_t *at = frame + RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv6_hdr);
	struct rte_ipv6_hdr ip;
	struct nd_msg nd;
	uint32_t n;

	if (len < RTE_ETHER_HDR_LEN + sizeof(ip) + sizeof(nd))
		return false;
	memcpy(&ip, frame + RTE_ETHER_HDR_LEN, sizeof(ip));
	memcpy(&nd, at, sizeof(nd));
	n = rte_be_to_cpu_16(ip.payload_len);
	if ((ip.vtc_flow & RTE_BE32(0xf0000000)) != RTE_BE32(0x60000000) ||
	    ip.proto != IPPROTO_ICMPV6 || ip.hop_limits != HOP_LIMIT || nd.code != 0 ||
	    n < sizeof(nd) || n > sizeof(nd) + MAX_OPTIONS ||
	    n > len - RTE_ETHER_HDR_LEN - sizeof(ip) ||
	    (nd.type != ND_NEIGHBOR_SOLICIT && nd.type != ND_NEIGHBOR_ADVERT))
		return false;
	if (rte_ipv6_udptcp_cksum_verify(&ip, at) != 0)
		return false;
	at += sizeof(nd);
	n -= (uint32_t)sizeof(nd);
	return nd.type == ND_NEIGHBOR_SOLICIT ? parse_solicitation(&ip, &nd, at, n, msg)
					      : parse_advertisement(&ip, &nd, at, n, msg);
}

static struct rte_mbuf *answer_nd(const struct neigh_msg *msg, const uint8_t mac[6], uint8_t flags,
				  struct rte_mbuf *m)
{
	struct {
		struct nd_msg nd;
		struct nd_mac option;
	} payload = {
		.nd = {.type = ND_NEIGHBOR_ADVERT, .flags = ND_SOLICITED},
		.option = {.type = ND_OPT_TARGET_LINKADDR, .units = 1},
	};
	struct rte_ipv6_hdr ip = {
		.vtc_flow = RTE_BE32(6u << 28),
		.payload_len = RTE_BE16(sizeof(payload)),
		.proto = IPPROTO_ICMPV6,
		.hop_limits = HOP_LIMIT,
	};

	memcpy(ip.src_addr, msg->target.bytes, sizeof(ip.src_addr));
	memcpy(ip.dst_addr, msg->sender.bytes, sizeof(ip.dst_addr));
	payload.nd.flags |= (flags & NEIGH_ROUTER ? ND_ROUTER : 0) |
			    (flags & NEIGH_OVERRIDE ? ND_OVERRIDE : 0);
	memcpy(payload.nd.target, msg->target.bytes, sizeof(payload.nd.target));
	memcpy(payload.option.mac, mac, MAC_SIZE);
	payload.nd.checksum = rte_ipv6_udptcp_cksum(&ip, &payload);
	memcpy(rte_pktmbuf_append(m, sizeof(ip)), &ip, sizeof(ip));
	memcpy(rte_pktmbuf_append(m, sizeof(payload)), &payload, sizeof(payload));
	return m;
}

/* --- both --------------------------------------------------------------------------------------
 */

bool neigh_msg_parse(const struct rte_mbuf *m, struct neigh_msg *msg)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);

	if (!neigh_msg_may_be(m))
		return false;
	memset(msg, 0, sizeof(*msg));
	memcpy(msg->mac, frame + MAC_SIZE, MAC_SIZE);
	return frame[12] == 0x08 ? parse_arp(frame, m->data_len, msg)
				 : parse_nd(frame, m->data_len, msg);
}

struct rte_mbuf *neigh_msg_answer(const struct neigh_msg *msg, const uint8_t mac[6], uint8_t flags,
				  struct rte_mempool *pool)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct rte_ether_hdr eth = {
		.ether_type = msg->target.is_v6 ? RTE_BE16(RTE_ETHER_TYPE_IPV6)
						: RTE_BE16(RTE_ETHER_TYPE_ARP),
	};

	if (!m)
		return NULL;
	memcpy(&eth.dst_addr, msg->mac, MAC_SIZE);
	memcpy(&eth.src_addr, mac, MAC_SIZE);
	memcpy(rte_pktmbuf_append(m, sizeof(eth)), &eth, sizeof(eth));
	return msg->target.is_v6 ? answer_nd(msg, mac, flags, m) : answer_arp(msg, mac, m);
}
