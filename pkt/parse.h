/* SPDX-License-Identifier: BSD-3-Clause */
/* The packet parser: every length and offset is computed once, here. */
#ifndef PKT_PARSE_H
#define PKT_PARSE_H

#include <stdbool.h>
#include <stdbool.h>
#include <stdint.h>

struct rte_mbuf;

#define PKT_MAX_VLANS        2
#define PKT_MAX_IPV6_EXT     8   /* extension headers that are parsed */
#define PKT_MAX_IPV6_EXT_LEN 256 /* their total length */

/* The last layer whose headers were sound. */
enum pkt_depth {
	PKT_NONE, /* nothing: the packet is shorter than an Ethernet header */
	PKT_L2,   /* Ethernet and VLAN tags; what follows is not IP, or malformed */
	PKT_L3,   /* IP too; what follows is not TCP, UDP or ICMP, or malformed, or the packet is a
		     later fragment */
	PKT_L4,
};

enum pkt_flag {
	PKT_IPV4 = 1 << 0,
	PKT_IPV6 = 1 << 1,
	PKT_FRAGMENT = 1 << 2,       /* a fragment of an IP datagram, the first one included */
	PKT_LATER_FRAGMENT = 1 << 3, /* a fragment without the L4 header */
	PKT_IP_OPTIONS = 1 << 4,     /* IPv4 options or IPv6 extension headers */
	PKT_GROUP = 1 << 5,          /* destination is a multicast or the broadcast address */
	PKT_MALFORMED = 1 << 6,      /* a header contradicts the packet's length or itself */
};

struct pkt_info {
	uint8_t depth;    /* enum pkt_depth */
	uint8_t flags;    /* enum pkt_flag */
	uint8_t ip_proto; /* of the L4 header; 0 unless depth >= PKT_L3 */
	uint8_t n_vlans;
	uint16_t vlan_tci[PKT_MAX_VLANS]; /* outer first */
	uint16_t ether_type;              /* after the tags, host order */
	uint8_t l2_len;
	uint8_t l4_len;  /* TCP with options, UDP 8, ICMP 8 */
	uint16_t l3_len; /* with options and extension headers */
	uint16_t ip_len; /* length of the datagram, from the IP header on, without padding */
};

/* Whether a protocol is an IPv6 extension header that the parser looks behind: as a packet's
 * protocol, the parser gave up there, and others may find more behind it. [any] */
bool pkt_is_ipv6_ext(uint8_t proto);

/* Parses a packet. Headers must lie in the first segment; one that does not counts as truncated.
 * IPv4 header checksums are not verified. Returns the depth. [any] */
enum pkt_depth pkt_parse(const struct rte_mbuf *m, struct pkt_info *info);

/* The same for bytes in memory: the first `len` of a packet of `total` bytes. [any] */
enum pkt_depth pkt_parse_bytes(const uint8_t *p, uint32_t len, uint32_t total,
			       struct pkt_info *info);

/* The same for what an ICMP error quotes: the first `len` bytes of a datagram, which is as long as
 * its header says. They begin with the IP header, so l2_len is 0. An L4 header that is cut short
 * counts as malformed; RFC 792 asks for 8 bytes of it only. [any] */
enum pkt_depth pkt_parse_quoted(const uint8_t *p, uint32_t len, bool is_v6, struct pkt_info *info);

#endif
