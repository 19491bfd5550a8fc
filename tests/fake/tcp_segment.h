/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP segments as they come from the wire, one by one, with right checksums unless a test wants
 * others. */
#ifndef FAKE_TCP_SEGMENT_H
#define FAKE_TCP_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#define TCP_SEGMENT_MAX 9200

struct tcp_segment {
	bool v6;
	bool vlan;
	uint8_t dst_mac[6], src_mac[6];
	uint8_t host; /* last byte of the source address */
	uint8_t tos, ttl;
	uint32_t flow_label;
	uint16_t id;
	uint16_t frag; /* DF, MF and offset, as in the header */
	uint8_t ip_options;
	uint16_t sport;
	uint32_t seq, ack;
	uint16_t window, urgent;
	uint8_t flags, reserved;
	uint32_t timestamp; /* 0: the packet has no options */
	uint16_t len;       /* of the payload, whose bytes are those of the stream at seq */
	uint16_t padding;   /* behind the IP packet */
	bool is_sum_wrong, is_ip_sum_wrong;
};

/* A segment in the midst of a connection. */
struct tcp_segment tcp_segment_plain(uint32_t seq, uint16_t len);

/* The one that follows on it. */
struct tcp_segment tcp_segment_next(const struct tcp_segment *s);

/* The byte of any stream at this sequence number. */
uint8_t tcp_segment_byte(uint32_t seq);

/* Writes the frame, returns its length. */
uint32_t tcp_segment_write(uint8_t frame[TCP_SEGMENT_MAX], const struct tcp_segment *s);

#endif
