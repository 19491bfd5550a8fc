/* SPDX-License-Identifier: BSD-3-Clause */
/* Ethernet frames of many shapes. */
#include "tests/fake/inner_frame.h"

#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

uint16_t plain_sum(const uint8_t *p, uint32_t len, uint32_t sum)
{
	for (uint32_t i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

uint16_t plain_l4_sum(const uint8_t *addrs, bool v6, uint8_t proto, const uint8_t *l4, uint32_t len)
{
	uint8_t rest[4] = {0, proto, (uint8_t)(len >> 8), (uint8_t)len};

	return plain_sum(l4, len, plain_sum(rest, 4, plain_sum(addrs, v6 ? 32 : 8, 0)));
}

static uint32_t put_ether(uint8_t *p, const struct inner_shape *s)
{
	static const uint8_t macs[12] = {2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 1, 2};
	uint32_t at = 12;

	memcpy(p, macs, sizeof(macs));
	for (unsigned i = 0; i < s->n_vlans; i++, at += 4) {
		plain_put16(p + at, i + 1 < s->n_vlans ? 0x88a8 : 0x8100);
		plain_put16(p + at + 2, (uint16_t)(100 + i));
	}
	plain_put16(p + at, s->v6 ? 0x86dd : 0x0800);
	return at + 2;
}

static uint32_t put_ipv4(uint8_t *p, const struct inner_shape *s, uint32_t l4_len)
{
	uint32_t hlen = 20u + s->options;

	memset(p, 0, 20);
	memset(p + 20, 1, s->options); /* no operation */
	p[0] = (uint8_t)(0x40 | hlen / 4);
	p[1] = s->tos;
	plain_put16(p + 2, (uint16_t)(hlen + l4_len));
	plain_put16(p + 6, s->is_fragment ? 0x2000 : 0x4000);
	p[8] = 64;
	p[9] = s->proto;
	memcpy(p + 12, (const uint8_t[]){10, 1, 0, s->host, 10, 1, 0, 200}, 8);
	plain_put16(p + 10, (uint16_t)~plain_sum(p, hlen, 0));
	return hlen;
}

static uint32_t put_ipv6(uint8_t *p, const struct inner_shape *s, uint32_t l4_len)
{
	memset(p, 0, 40u + s->options);
	p[0] = (uint8_t)(0x60 | s->tos >> 4);
	p[1] = (uint8_t)(s->tos << 4 | 5);
	plain_put16(p + 4, (uint16_t)(s->options + l4_len));
	p[6] = s->options ? IPPROTO_DSTOPTS : s->proto;
	p[7] = 64;
	p[8] = p[24] = 0xfd;
	p[23] = s->host;
	p[39] = 200;
	if (s->options) {
		p[40] = s->proto;
		p[41] = (uint8_t)(s->options / 8 - 1);
		p[42] = 1; /* PadN */
		p[43] = (uint8_t)(s->options - 4);
	}
	return 40u + s->options;
}

/* The L4 header's length, and where its checksum is. */
static uint32_t put_l4(uint8_t *p, const struct inner_shape *s, uint32_t *sum_at)
{
	uint32_t hlen = s->proto == IPPROTO_TCP ? 20 : s->proto == IPPROTO_UDP ? 8 : 0;

	*sum_at = s->proto == IPPROTO_TCP ? 16 : 6;
	memset(p, 0, hlen);
	if (hlen > 0) {
		plain_put16(p, s->sport);
		plain_put16(p + 2, s->dport);
	}
	if (s->proto == IPPROTO_TCP)
		p[12] = 0x50;
	if (s->proto == IPPROTO_UDP)
		plain_put16(p + 4, (uint16_t)(hlen + s->len));
	return hlen;
}

uint32_t inner_frame_write(uint8_t frame[INNER_FRAME_MAX], const struct inner_shape *s)
{
	uint32_t l3 = put_ether(frame, s), l4, len, sum_at;
	uint8_t scratch[20];

	len = put_l4(scratch, s, &sum_at) + s->len;
	l4 = l3 + (s->v6 ? put_ipv6(frame + l3, s, len) : put_ipv4(frame + l3, s, len));
	for (uint32_t i = l4; i < l4 + len + s->padding; i++)
		frame[i] = (uint8_t)rand();
	put_l4(frame + l4, s, &sum_at);
	if (s->proto == IPPROTO_TCP || (s->proto == IPPROTO_UDP && !s->has_zero_sum)) {
		uint16_t sum = plain_l4_sum(frame + l3 + (s->v6 ? 8 : 12), s->v6, s->proto,
					    frame + l4, len);

		plain_put16(frame + l4 + sum_at, sum == 0xffff ? sum : (uint16_t)~sum);
	}
	return l4 + len + s->padding;
}

struct inner_shape inner_shape_random(void)
{
	static const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDP, 47};
	struct inner_shape s = {
		.v6 = rand() % 2,
		.n_vlans = (uint8_t)(rand() % 3),
		.proto = protos[rand() % 5],
		.tos = (uint8_t)rand(),
		.options = (uint8_t)(rand() % 8 ? 0 : 8 * (1 + rand() % 3)),
		.is_fragment = rand() % 16 == 0,
		.has_zero_sum = rand() % 8 == 0,
		.sport = (uint16_t)rand(),
		.dport = (uint16_t)rand(),
		.host = (uint8_t)rand(),
		.len = (uint16_t)(rand() % 2 ? rand() % 64 : rand() % 1900),
		.padding = (uint16_t)(rand() % 3 ? 0 : rand() % 47),
	};

	return s;
}
