/* SPDX-License-Identifier: BSD-3-Clause */
/* Large TCP packets of many shapes, as guests hand them over. */
#ifndef FAKE_TCP_PACKET_H
#define FAKE_TCP_PACKET_H

#include <stdbool.h>
#include <stdint.h>

struct rte_mbuf;
struct rte_mempool;

#define TCP_PACKET_MAX_PAYLOAD 65000
#define TCP_PACKET_MAX         (TCP_PACKET_MAX_PAYLOAD + 256)
#define TCP_PACKET_SEQ         0xfffff000u /* it wraps on the way */
#define TCP_PACKET_IP_ID       0xfffe

struct tcp_shape {
	bool v6, vlan;
	uint8_t ip_options, tcp_options; /* bytes */
	uint8_t flags;
	uint32_t len; /* of the payload */
	uint16_t mss;
};

struct tcp_lens {
	uint16_t l2, l3, l4;
};

/* The payload of every packet. */
const uint8_t *tcp_packet_payload(void);

/* Writes the packet, its TCP checksum as virtio drivers leave it; returns its length. */
uint32_t tcp_packet_write(uint8_t packet[TCP_PACKET_MAX], const struct tcp_shape *c,
			  struct tcp_lens *lens);

/* The packet in buffers of 700 bytes, to be segmented. */
struct rte_mbuf *tcp_packet_make(struct rte_mempool *pool, const struct tcp_shape *c);

/* A shape of the seed's, with mss from `least` on. */
struct tcp_shape tcp_shape_random(uint16_t least);

#endif
