/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets of flows: headers only, without checksums, which nothing that judges flows reads. */
#ifndef FAKE_FLOW_PACKET_H
#define FAKE_FLOW_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#define FLOW_PACKET_MAX 512

struct flow_shape {
	bool v6;
	uint8_t n_vlans;
	uint8_t proto;
	uint16_t src, dst;     /* 10.1.x.y, fd00::x:y */
	uint16_t sport, dport; /* of TCP, UDP and others that have some */
	uint8_t tcp_flags;
	uint8_t icmp_type, icmp_code;
	uint16_t icmp_id;
	bool is_fragment; /* with the three of */
	bool has_more;
	uint16_t offset; /* in 8 bytes */
	uint32_t id;
	uint8_t n_ext; /* IPv6 destination headers of 8 bytes */
	uint8_t hops;  /* 0: 64 */
	/* What an ICMP error quotes: of `quoted`, a frame, this many bytes from its IP header on.
	 */
	const uint8_t *quoted;
	uint16_t quoted_len;
};

/* Writes the frame, returns its length. The L4 part is a header of TCP (20 bytes) or 8 bytes. */
uint32_t flow_packet_write(uint8_t frame[FLOW_PACKET_MAX], const struct flow_shape *s);

/* The address that a shape has as `n`, as in struct flow_key. */
void flow_packet_address(uint8_t to[16], uint16_t n, bool v6);

/* Makes m a packet of one segment, which is `frame`. */
void flow_packet_attach(struct rte_mbuf *m, uint8_t *frame, uint32_t len);

#endif
