/* SPDX-License-Identifier: BSD-3-Clause */
/* Ethernet frames of many shapes, with right checksums, and sums byte by byte. */
#ifndef FAKE_INNER_FRAME_H
#define FAKE_INNER_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#define INNER_FRAME_MAX 2200

struct inner_shape {
	bool v6;
	uint8_t n_vlans;
	uint8_t proto; /* TCP, UDP or another, which is payload only */
	uint8_t tos;
	uint8_t options;   /* bytes of IPv4 options or of an IPv6 destination header */
	bool is_fragment;  /* the first one; not of IPv6 */
	bool has_zero_sum; /* of UDP: no checksum */
	uint16_t sport, dport;
	uint8_t host;     /* last byte of the source address */
	uint16_t len;     /* of the L4 payload */
	uint16_t padding; /* behind the IP packet */
};

/* Writes the frame, returns its length. The payload is the seed's of rand(). */
uint32_t inner_frame_write(uint8_t frame[INNER_FRAME_MAX], const struct inner_shape *s);

struct inner_shape inner_shape_random(void);

/* Two bytes, in the order of the network. */
static inline void plain_put16(uint8_t *p, uint16_t n)
{
	p[0] = (uint8_t)(n >> 8);
	p[1] = (uint8_t)n;
}

static inline uint16_t plain_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* The ones' complement sum of bytes, in the order of bytes of the network, from `sum` on, which is
 * of an even number of bytes. */
uint16_t plain_sum(const uint8_t *p, uint32_t len, uint32_t sum);

/* The sum over an L4 packet with its pseudo header: 0xffff when its checksum is right. `addrs` are
 * the IP header's two addresses. */
uint16_t plain_l4_sum(const uint8_t *addrs, bool v6, uint8_t proto, const uint8_t *l4,
		      uint32_t len);

#endif
