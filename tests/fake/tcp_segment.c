/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP segments as they come from the wire. */
#include "tests/fake/tcp_segment.h"

#include <string.h>

#include <netinet/in.h>

#include "tests/fake/inner_frame.h"

static void put32(uint8_t *p, uint32_t n)
{
	plain_put16(p, (uint16_t)(n >> 16));
	plain_put16(p + 2, (uint16_t)n);
}

struct tcp_segment tcp_segment_plain(uint32_t seq, uint16_t len)
{
	return (struct tcp_segment){
		.dst_mac = {2, 0, 0, 0, 1, 1},
		.src_mac = {2, 0, 0, 0, 1, 2},
		.host = 1,
		.ttl = 64,
		.id = 0xfffe,
		.frag = 0x4000,
		.sport = 5001,
		.seq = seq,
		.ack = 77,
		.window = 501,
		.flags = 0x10,
		.timestamp = 1000,
		.len = len,
	};
}

struct tcp_segment tcp_segment_next(const struct tcp_segment *s)
{
	struct tcp_segment next = *s;

	next.seq += s->len;
	next.id++;
	return next;
}

uint8_t tcp_segment_byte(uint32_t seq)
{
	return (uint8_t)(seq * 7 + seq / 251);
}

static uint32_t put_ether(uint8_t *p, const struct tcp_segment *s)
{
	uint32_t at = 12;

	memcpy(p, s->dst_mac, 6);
	memcpy(p + 6, s->src_mac, 6);
	if (s->vlan) {
		put32(p + at, 0x81000007);
		at += 4;
	}
	plain_put16(p + at, s->v6 ? 0x86dd : 0x0800);
	return at + 2;
}

static uint32_t put_ipv4(uint8_t *p, const struct tcp_segment *s, uint32_t l4_len)
{
	uint32_t hlen = 20u + s->ip_options;

	memset(p, 1, hlen); /* options: no operation */
	p[0] = (uint8_t)(0x40 | hlen / 4);
	p[1] = s->tos;
	plain_put16(p + 2, (uint16_t)(hlen + l4_len));
	plain_put16(p + 4, s->id);
	plain_put16(p + 6, s->frag);
	p[8] = s->ttl;
	p[9] = IPPROTO_TCP;
	plain_put16(p + 10, 0);
	memcpy(p + 12, (const uint8_t[]){10, 1, 0, s->host, 10, 1, 0, 200}, 8);
	plain_put16(p + 10, (uint16_t)~plain_sum(p, hlen, s->is_ip_sum_wrong));
	return hlen;
}

static uint32_t put_ipv6(uint8_t *p, const struct tcp_segment *s, uint32_t l4_len)
{
	memset(p, 0, 40);
	put32(p, 6u << 28 | (uint32_t)s->tos << 20 | s->flow_label);
	plain_put16(p + 4, (uint16_t)l4_len);
	p[6] = IPPROTO_TCP;
	p[7] = s->ttl;
	p[8] = p[24] = 0xfd;
	p[23] = s->host;
	p[39] = 200;
	return 40;
}

static uint32_t put_tcp(uint8_t *p, const struct tcp_segment *s)
{
	uint32_t hlen = s->timestamp ? 32 : 20;

	memset(p, 0, hlen);
	plain_put16(p, s->sport);
	plain_put16(p + 2, 80);
	put32(p + 4, s->seq);
	put32(p + 8, s->ack);
	p[12] = (uint8_t)(hlen / 4 << 4 | s->reserved);
	p[13] = s->flags;
	plain_put16(p + 14, s->window);
	plain_put16(p + 18, s->urgent);
	if (s->timestamp) {
		put32(p + 20, 0x0101080a);
		put32(p + 24, s->timestamp);
		put32(p + 28, 55);
	}
	for (uint32_t i = 0; i < s->len; i++)
		p[hlen + i] = tcp_segment_byte(s->seq + i);
	return hlen + s->len;
}

uint32_t tcp_segment_write(uint8_t frame[TCP_SEGMENT_MAX], const struct tcp_segment *s)
{
	uint32_t l3 = put_ether(frame, s), l4_len = (s->timestamp ? 32u : 20u) + s->len, l4;
	uint16_t sum;

	l4 = l3 + (s->v6 ? put_ipv6(frame + l3, s, l4_len) : put_ipv4(frame + l3, s, l4_len));
	put_tcp(frame + l4, s);
	sum = (uint16_t)~plain_l4_sum(frame + l3 + (s->v6 ? 8 : 12), s->v6, IPPROTO_TCP, frame + l4,
				      l4_len);
	plain_put16(frame + l4 + 16, (uint16_t)(sum + s->is_sum_wrong));
	memset(frame + l4 + l4_len, 0xaa, s->padding);
	return l4 + l4_len + s->padding;
}
