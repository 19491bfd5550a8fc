/* SPDX-License-Identifier: BSD-3-Clause */
/* VXLAN (RFC 7348) over IPv4 and IPv6: headers around packets, bytes in and bytes out. Knows no
 * tables and no devices. */
#ifndef TUNNEL_VXLAN_H
#define TUNNEL_VXLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ip_addr.h"
#include "tunnel/wire_drops.h"

struct rte_mbuf;

#define VXLAN_PORT     4789
#define VXLAN_MAX_HDR  74 /* Ethernet, VLAN tag, IPv6, UDP, VXLAN */
#define VXLAN_HEADROOM 80 /* what vxlan_encap() may write before the frame */
#define VXLAN_MAX_VNI  0xffffff

/* --- to the wire ------------------------------------------------------------------------------ */

/* An encapsulated packet, in an mbuf. Only vxlan_encap() makes one, and uplinks send nothing else:
 * so no frame of a guest's can get to the wire as it is. */
struct wire_frame;

static inline struct rte_mbuf *wire_frame_mbuf(struct wire_frame *f)
{
	return (struct rte_mbuf *)f;
}

struct vxlan_conf {
	uint8_t src_mac[6], dst_mac[6];
	uint16_t vlan; /* tag of the outer frame, 0: none */
	struct ip_addr src, dst;
	uint16_t port; /* of the receiving VTEP */
	uint8_t ttl;
	uint8_t dscp;      /* of the outer header, */
	bool inherit_dscp; /* or that of the inner one, 0 if that is not IP */
	bool sum;          /* fill in the outer UDP checksum; without, it is 0 (RFC 6935) */
};

/* The outer headers for one remote VTEP, as far as they are the same for all packets. They end
 * where `hdr` ends, so that copies of it have one size for all kinds of headers. */
struct vxlan_template {
	uint8_t hdr[VXLAN_HEADROOM]; /* lengths, checksums, source port and VNI are 0 */
	uint8_t len;                 /* of the headers */
	bool is_v6;
	bool sum;
	bool inherit_dscp;
	uint8_t tos;      /* of the outer header, but for ECN: 0 where it is inherited */
	uint16_t ip_sum;  /* sum of the IPv4 header without its length and TOS */
	uint16_t udp_sum; /* of the pseudo header, UDP and VXLAN, as far as they are constant */
};

/* Makes the headers of what the configuration says, whose addresses are of one version. [any] */
void vxlan_template_init(struct vxlan_template *t, const struct vxlan_conf *c);

/* Puts the outer header before the frame in *m, whose headroom must be VXLAN_HEADROOM at least,
 * whose own checksums must be complete, and which together with the header fits into an IP packet.
 * `hash_key` makes the choice of source ports unpredictable. The source port is one of 49152 to
 * 65535, the same for all packets of a flow (RFC 7348, 5); ECN is copied to the outer header (RFC
 * 6040, 4.1, normal mode), IPv4 has DF set. The outer UDP checksum is derived from the inner one
 * where the inner packet is TCP or UDP, without a look at the payload (local checksum offload,
 * Linux' checksum-offloads.rst); otherwise the packet is summed up. Inner headers are read from the
 * first segment only. [worker] */
struct wire_frame *vxlan_encap(const struct vxlan_template *t, struct rte_mbuf *m, uint32_t vni,
			       uint32_t hash_key);

/* --- from the wire ---------------------------------------------------------------------------- */

/* The outer headers of a packet from the wire. */
struct vxlan_outer {
	struct ip_addr src, dst;
	uint16_t port;     /* destination */
	uint16_t flow;     /* source port: the same for all packets of a flow */
	uint16_t inner_at; /* offset of the inner frame */
	uint16_t udp_at;
	uint8_t tos;
	uint8_t flags; /* of the VXLAN header */
	bool reserved; /* whether any of its reserved bits are set */
	uint32_t vni;
};

/* Parses the outer headers, which must be in the first segment. Checks the lengths of all before
 * UDP, that it is no fragment, and the IPv4 header's checksum if the device has not. UDP packets
 * without room for a VXLAN header are not VXLAN, whatever their port. Tells nothing about
 * addresses: whether they are ours is for the caller to find out, before anything is made of the
 * VXLAN header, which is meaningful only if `port` is a VTEP's. Trailing bytes behind the outer IP
 * packet are cut off. Returns WIRE_DROP_COUNT or the reason why it is none; then *m is not changed.
 * [worker] */
enum wire_drop vxlan_parse(struct rte_mbuf *m, struct vxlan_outer *o);

struct vxlan_policy {
	bool strict_reserved; /* drop packets with reserved bits set */
	bool accept_zero_sum; /* a UDP checksum of 0 over IPv6 (RFC 6935); over IPv4 it always is */
	bool drop_inner_vlan; /* RFC 7348, 6.1; else tags pass, as with Linux */
};

/* Checks what follows the outer IP header (UDP's length, its checksum if there is one and the
 * device has not checked it, VXLAN flags, the inner frame, whose Ethernet header must be in the
 * first segment) and takes off the outer headers, with the congestion mark going to the inner
 * packet (RFC 6040, 4.2). Afterwards *m is the inner frame, without offload flags. Nobody else may
 * refer to *m. Returns WIRE_DROP_COUNT or the reason for a drop; then *m is not changed. [worker]
 */
enum wire_drop vxlan_decap(struct rte_mbuf *m, const struct vxlan_outer *o,
			   const struct vxlan_policy *policy);

#endif
