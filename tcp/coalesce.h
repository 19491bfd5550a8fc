/* SPDX-License-Identifier: BSD-3-Clause */
/* Coalescing of TCP segments into large packets, the reverse of tcp/segment.h (generic receive
 * offload): a receiver has one packet to look at instead of many. What is merged is known to be
 * right, and a large packet that is segmented again gives the segments that came, but for the
 * identification of those that must not be fragmented (RFC 6864).
 *
 * Packets are offered one by one, in their order, and the packets of one flow keep it. A coalescer
 * is a matter of one service: it has no timers, and nothing of it stays, so there is no memory of
 * flows that others could exhaust. It allocates nothing, and belongs to one thread. */
#ifndef TCP_COALESCE_H
#define TCP_COALESCE_H

#include <stdbool.h>
#include <stdint.h>

struct rte_mbuf;

#define COALESCE_MAX_PACKETS 64 /* that may begin a large packet; those behind them stay alone */
#define COALESCE_WINDOW      16 /* of those, the last ones that others may still join */
/* Segments of a large packet: 64 KiB with an MTU of 1500. A part of a service has fewer. */
#define COALESCE_MAX_SEGMENTS 44
/* Shorter payloads begin nothing: they would be the segment size of a large packet, and who gets it
 * and passes it on is refused with a smaller one (Linux' smallest MSS is 48). */
#define COALESCE_LEAST_PAYLOAD 48

/* Families of packets. */
enum coalesce_family {
	COALESCE_IPV4 = 1 << 0,
	COALESCE_IPV6 = 1 << 1,
};

/* A packet that others may join, or did. */
struct coalesced {
	struct rte_mbuf *head, *last;
	uint32_t ports; /* as the header has them */
	uint32_t next_seq;
	uint16_t next_id;
	uint16_t lane, index; /* the caller's */
	uint16_t n;           /* segments */
	uint16_t mss;
	uint8_t l2_len, l3_len, l4_len;
	bool is_v6;
	bool is_open;     /* another one may join */
	bool is_verified; /* the first one's checksum is right */
	bool has_push;
	/* The head as it came. */
	uint8_t flags;
	uint16_t n_mbufs;
	uint16_t ip_len, ip_sum, tcp_sum;
	uint32_t len;
	uint64_t ol_flags;
};

struct coalescer {
	uint16_t n;
	uint16_t first; /* nobody may join those before it */
	struct coalesced at[COALESCE_MAX_PACKETS];
};

/* Begins anew. [worker] */
static inline void coalesce_begin(struct coalescer *c)
{
	c->n = c->first = 0;
}

/* Offers the next packet for a `lane`: packets of different lanes have nothing to do with each
 * other. Those of `families`, a mask, may be merged. If it joins one that was offered before, its
 * mbufs are that one's from now on, and the result is that one's `index`. Otherwise it stays as it
 * is, others may join it, and the result is -1.
 *
 * A packet joins if it is TCP in IPv4 or IPv6, no fragment, without options of IP, extension
 * headers or padding, with no flags but ACK and PSH; if it goes on where the other one ends, and
 * all its headers say the same otherwise (RFC 9293; as Linux' GRO has it): acknowledgement, window,
 * options with their timestamps, addresses, tags, TTL, TOS with ECN, DF; if its IPv4 identification
 * is the next one, or is atomic with DF (RFC 6864); and if the checksums of both are right. PSH, a
 * payload shorter than the first one's, and 64 KiB end a large packet, as does any other packet of
 * its flow, or one that might be. Nobody else may refer to what joins. [worker] */
int coalesce_add(struct coalescer *c, struct rte_mbuf *m, uint16_t lane, uint8_t families,
		 uint16_t index);

/* Makes what was merged complete: lengths and flags in the headers, and the mbuf's request to be
 * segmented, as vhost/net_hdr.h has them. [worker] */
void coalesce_end(struct coalescer *c);

/* Takes the large packet with that index apart again, if there is one: its segments are then as
 * they were offered. To be called after coalesce_end(), once for an index. [worker] */
void coalesce_undo(struct coalescer *c, uint16_t index);

#endif
