/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames of ARP and of neighbour discovery, byte by byte. */
#ifndef FAKE_NEIGH_FRAME_H
#define FAKE_NEIGH_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#define NEIGH_FRAME_MAX 128
#define ARP_FRAME_LEN   42
#define ND_FRAME_LEN    86 /* with one option */

#define ND_TYPE_NS 135
#define ND_TYPE_NA 136

/* Offsets in a frame. */
enum {
	ARP_OP_AT = 20,
	ARP_SHA_AT = 22,
	ARP_SPA_AT = 28,
	ARP_THA_AT = 32,
	ARP_TPA_AT = 38,
	ND_LEN_AT = 18,
	ND_HOPS_AT = 21,
	ND_SRC_AT = 22,
	ND_DST_AT = 38,
	ND_ICMP_AT = 54,
	ND_FLAGS_AT = 58,
	ND_TARGET_AT = 62,
	ND_OPTION_AT = 78,
};

/* The addresses 10.1.0.N and fd00::N. */
void neigh_ip(uint8_t n, bool v6, uint8_t ip[16]);

/* A request of 10.1.0.`sender` (0: of nobody yet) for 10.1.0.`target`, to all; and the reply to
 * `dst`. Returns the length. */
uint32_t arp_request(uint8_t frame[NEIGH_FRAME_MAX], const uint8_t mac[6], uint8_t sender,
		     uint8_t target);
uint32_t arp_reply(uint8_t frame[NEIGH_FRAME_MAX], const uint8_t mac[6], uint8_t sender,
		   const uint8_t dst[6], uint8_t target);

/* A solicitation of fd00::`sender` (0: of nobody yet, without an option) for fd00::`target`, to its
 * group; and an advertisement of fd00::`sender` to fd00::`target`, solicited, or to all (0),
 * unsolicited. Returns the length. */
uint32_t nd_solicitation(uint8_t frame[NEIGH_FRAME_MAX], const uint8_t mac[6], uint8_t sender,
			 uint8_t target);
uint32_t nd_advertisement(uint8_t frame[NEIGH_FRAME_MAX], const uint8_t mac[6], uint8_t sender,
			  const uint8_t dst[6], uint8_t target, uint8_t flags);

/* Fills the checksum in anew, and says whether it is right. */
void nd_fill_sum(uint8_t *frame);
bool nd_has_right_sum(const uint8_t *frame);

#endif
