/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames of ARP and of neighbour discovery. */
#include "tests/fake/neigh_frame.h"

#include <string.h>

#include <netinet/in.h>

#include "tests/fake/inner_frame.h"

static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

void neigh_ip(uint8_t n, bool v6, uint8_t ip[16])
{
	memset(ip, 0, 16);
	if (n == 0)
		return;
	if (v6) {
		ip[0] = 0xfd;
		ip[15] = n;
	} else {
		memcpy(ip, (const uint8_t[]){10, 1, 0, n}, 4);
	}
}

static void put_ether(uint8_t *frame, const uint8_t dst[6], const uint8_t src[6], uint16_t type)
{
	memset(frame, 0, NEIGH_FRAME_MAX);
	memcpy(frame, dst, 6);
	memcpy(frame + 6, src, 6);
	plain_put16(frame + 12, type);
}

static uint32_t put_arp(uint8_t *frame, uint16_t op, const uint8_t mac[6], uint8_t sender,
			uint8_t target)
{
	uint8_t ip[16];

	memcpy(frame + 14, (const uint8_t[]){0, 1, 8, 0, 6, 4}, 6);
	plain_put16(frame + ARP_OP_AT, op);
	memcpy(frame + ARP_SHA_AT, mac, 6);
	neigh_ip(sender, false, ip);
	memcpy(frame + ARP_SPA_AT, ip, 4);
	neigh_ip(target, false, ip);
	memcpy(frame + ARP_TPA_AT, ip, 4);
	return ARP_FRAME_LEN;
}

uint32_t arp_request(uint8_t frame[NEIGH_FRAME_MAX], const uint8_t mac[6], uint8_t sender,
		     uint8_t target)
{
	put_ether(frame, everybody, mac, 0x0806);
	return put_arp(frame, 1, mac, sender, target);
}

uint32_t arp_reply(uint8_t frame[NEIGH_FRAME_MAX], const uint8_t mac[6], uint8_t sender,
		   const uint8_t dst[6], uint8_t target)
{
	put_ether(frame, dst, mac, 0x0806);
	memcpy(frame + ARP_THA_AT, dst, 6);
	return put_arp(frame, 2, mac, sender, target);
}

void nd_fill_sum(uint8_t *frame)
{
	uint32_t len = plain_get16(frame + ND_LEN_AT);

	plain_put16(frame + ND_ICMP_AT + 2, 0);
	plain_put16(frame + ND_ICMP_AT + 2,
		    (uint16_t)~plain_l4_sum(frame + ND_SRC_AT, true, IPPROTO_ICMPV6,
					    frame + ND_ICMP_AT, len));
}

bool nd_has_right_sum(const uint8_t *frame)
{
	return plain_l4_sum(frame + ND_SRC_AT, true, IPPROTO_ICMPV6, frame + ND_ICMP_AT,
			    plain_get16(frame + ND_LEN_AT)) == 0xffff;
}

/* The option has the frame's source address. */
static uint32_t put_nd(uint8_t *frame, uint8_t type, uint8_t flags, const uint8_t target[16],
		       bool has_option)
{
	uint32_t len = has_option ? 32 : 24;

	frame[14] = 0x60;
	plain_put16(frame + ND_LEN_AT, (uint16_t)len);
	frame[20] = IPPROTO_ICMPV6;
	frame[ND_HOPS_AT] = 255;
	frame[ND_ICMP_AT] = type;
	frame[ND_FLAGS_AT] = flags;
	memcpy(frame + ND_TARGET_AT, target, 16);
	if (has_option) {
		frame[ND_OPTION_AT] = type == ND_TYPE_NS ? 1 : 2;
		frame[ND_OPTION_AT + 1] = 1;
		memcpy(frame + ND_OPTION_AT + 2, frame + 6, 6);
	}
	nd_fill_sum(frame);
	return ND_ICMP_AT + len;
}

uint32_t nd_solicitation(uint8_t frame[NEIGH_FRAME_MAX], const uint8_t mac[6], uint8_t sender,
			 uint8_t target)
{
	const uint8_t group_mac[6] = {0x33, 0x33, 0xff, 0, 0, target};
	uint8_t group[16] = {0xff, 2, [11] = 1, [12] = 0xff, [15] = target}, ip[16];

	put_ether(frame, group_mac, mac, 0x86dd);
	neigh_ip(sender, true, frame + ND_SRC_AT);
	memcpy(frame + ND_DST_AT, group, 16);
	neigh_ip(target, true, ip);
	return put_nd(frame, ND_TYPE_NS, 0, ip, sender != 0);
}

uint32_t nd_advertisement(uint8_t frame[NEIGH_FRAME_MAX], const uint8_t mac[6], uint8_t sender,
			  const uint8_t dst[6], uint8_t target, uint8_t flags)
{
	static const uint8_t all_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
	static const uint8_t all[16] = {0xff, 2, [15] = 1};
	uint8_t ip[16];

	put_ether(frame, target ? dst : all_mac, mac, 0x86dd);
	neigh_ip(sender, true, frame + ND_SRC_AT);
	neigh_ip(target, true, frame + ND_DST_AT);
	if (target == 0)
		memcpy(frame + ND_DST_AT, all, 16);
	neigh_ip(sender, true, ip);
	return put_nd(frame, ND_TYPE_NA, flags, ip, true);
}
