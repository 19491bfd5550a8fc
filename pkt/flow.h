/* SPDX-License-Identifier: BSD-3-Clause */
/* A packet's flow, as the VM at one of its ends sees it: its own address is `local`, the other's
 * `remote`, whichever of them sent the packet. So both directions of a connection have one key. */
#ifndef PKT_FLOW_H
#define PKT_FLOW_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct rte_mbuf;

enum flow_kind {
	FLOW_OTHER,          /* not IP: rules do not speak of it */
	FLOW_EXEMPT,         /* ARP, ND, MLD, IGMP, a DHCP client's: always passes */
	FLOW_PACKET,         /* has the whole key */
	FLOW_ERROR,          /* an ICMP error: the key is that of the packet that it quotes */
	FLOW_LATER_FRAGMENT, /* no ports: judged as the first fragment was. Has the addresses */
	FLOW_MALFORMED,      /* IP, but with headers that cannot be relied upon */
};

/* Which way a packet goes, as the VM sees it. */
enum flow_side {
	FLOW_SENT,
	FLOW_RECEIVED,
};

/* What a connection is known by, without padding. IPv4 addresses are ::ffff:a.b.c.d. */
struct flow_key {
	uint8_t local[16], remote[16];
	/* Host order. An ICMP echo has its identifier in both; other ICMP has type << 8 | code in
	 * lport; other protocols have 0 in both. */
	uint16_t lport, rport;
	uint8_t proto;
	uint8_t is_asked; /* 1: of an ICMP echo that the remote asks for; else 0 */
	uint16_t port; /* tells the VM's ports apart, and the networks that they are or were in */
};
_Static_assert(sizeof(struct flow_key) == 40, "five words, which are hashed and compared");

struct flow {
	struct flow_key key;
	uint8_t kind; /* enum flow_kind */
	uint8_t side; /* enum flow_side */
	bool is_v6;
	bool is_first_fragment;
	uint8_t tcp_flags;            /* of TCP that is not quoted, else 0 */
	uint8_t icmp_type, icmp_code; /* of ICMP in IPv4, of ICMPv6 in IPv6, else 0 */
	uint32_t fragment_id;         /* of fragments, host order */
};

/* Reads the flow of a packet at a VM's port. Headers are read from the first segment only; a packet
 * whose headers reach beyond it is malformed. IP behind more than two VLAN tags, with more or
 * longer extension headers than pkt_parse() reads, or with IPv4 addresses in IPv6 headers counts as
 * malformed: a guest may read what rules then would not see. So does a later fragment that reaches
 * into the TCP header (RFC 1858, 3), and an error that quotes a later fragment, another error, or
 * what its receiver did not send. [any] */
void flow_read(const struct rte_mbuf *m, enum flow_side side, uint16_t port, struct flow *f);

/* Reads an ICMP error as the ICMP packet that it is itself: FLOW_PACKET. For packets that
 * flow_read() found to be FLOW_ERROR. [any] */
void flow_read_error(const struct rte_mbuf *m, enum flow_side side, uint16_t port, struct flow *f);

/* Whether a key has IPv6 addresses: no flow of IPv6 has mapped ones. [any] */
static inline bool flow_key_is_v6(const struct flow_key *key)
{
	static const uint8_t v4[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(key->local, v4, sizeof(v4)) != 0;
}

static inline bool flow_key_equal(const struct flow_key *a, const struct flow_key *b)
{
	uint64_t x[5], y[5];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4])) == 0;
}

#endif
