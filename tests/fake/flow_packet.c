/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets of flows, byte by byte. */
#include "tests/fake/flow_packet.h"

#include <string.h>
#include <netinet/in.h>

#include "tests/fake/inner_frame.h"

static uint32_t write_l2(uint8_t *p, const struct flow_shape *s)
{
	uint32_t at = 12;

	memset(p, 2, at);
	for (unsigned i = 0; i < s->n_vlans; i++, at += 4) {
		plain_put16(p + at, 0x8100);
		plain_put16(p + at + 2, 7);
	}
	plain_put16(p + at, s->v6 ? 0x86dd : 0x0800);
	return at + 2;
}

static uint32_t write_l4(uint8_t *p, const struct flow_shape *s)
{
	uint32_t len = s->proto == IPPROTO_TCP && s->offset == 0 ? 20 : 8;

	memset(p, 0, len);
	if (s->offset > 0)
		return len;
	if (s->proto == IPPROTO_ICMP || s->proto == IPPROTO_ICMPV6) {
		p[0] = s->icmp_type;
		p[1] = s->icmp_code;
		plain_put16(p + 4, s->icmp_id);
	} else {
		plain_put16(p, s->sport);
		plain_put16(p + 2, s->dport);
	}
	if (s->proto == IPPROTO_TCP) {
		p[12] = 5 << 4;
		p[13] = s->tcp_flags;
	}
	if (s->quoted) {
		memcpy(p + len, s->quoted + 14, s->quoted_len);
		len += s->quoted_len;
	}
	return len;
}

static uint32_t write_v4(uint8_t *p, const struct flow_shape *s)
{
	uint32_t len = 20 + write_l4(p + 20, s);

	memset(p, 0, 20);
	p[0] = 0x45;
	plain_put16(p + 2, (uint16_t)len);
	plain_put16(p + 4, (uint16_t)s->id);
	if (s->is_fragment)
		plain_put16(p + 6, (uint16_t)(s->offset | (s->has_more ? 0x2000 : 0)));
	p[8] = s->hops ? s->hops : 64;
	p[9] = s->proto;
	p[12] = p[16] = 10;
	p[13] = p[17] = 1;
	plain_put16(p + 14, s->src);
	plain_put16(p + 18, s->dst);
	return len;
}

static uint32_t write_fragment_ext(uint8_t *p, const struct flow_shape *s)
{
	memset(p, 0, 8);
	p[0] = s->proto;
	plain_put16(p + 2, (uint16_t)(s->offset << 3 | s->has_more));
	plain_put16(p + 4, (uint16_t)(s->id >> 16));
	plain_put16(p + 6, (uint16_t)s->id);
	return 8;
}

static uint32_t write_v6(uint8_t *p, const struct flow_shape *s)
{
	uint8_t last = s->is_fragment ? IPPROTO_FRAGMENT : s->proto;
	uint32_t at = 40;

	memset(p, 0, at);
	p[0] = 0x60;
	p[6] = s->n_ext > 0 ? IPPROTO_DSTOPTS : last;
	p[7] = s->hops ? s->hops : 64;
	flow_packet_address(p + 8, s->src, true);
	flow_packet_address(p + 24, s->dst, true);
	for (unsigned i = 0; i < s->n_ext; i++, at += 8) {
		memset(p + at, 0, 8);
		p[at] = i + 1 < s->n_ext ? IPPROTO_DSTOPTS : last;
		p[at + 2] = 1; /* PadN */
		p[at + 3] = 4;
	}
	if (s->is_fragment)
		at += write_fragment_ext(p + at, s);
	at += write_l4(p + at, s);
	plain_put16(p + 4, (uint16_t)(at - 40));
	return at;
}

uint32_t flow_packet_write(uint8_t frame[FLOW_PACKET_MAX], const struct flow_shape *s)
{
	uint32_t at = write_l2(frame, s);

	return at + (s->v6 ? write_v6(frame + at, s) : write_v4(frame + at, s));
}

void flow_packet_address(uint8_t to[16], uint16_t n, bool v6)
{
	static const uint8_t v4[16] = {[10] = 0xff, 0xff, 10, 1}, ula[16] = {0xfd};

	memcpy(to, v6 ? ula : v4, 16);
	plain_put16(to + 14, n);
}

void flow_packet_attach(struct rte_mbuf *m, uint8_t *frame, uint32_t len)
{
	memset(m, 0, sizeof(*m));
	m->buf_addr = frame;
	m->buf_len = m->data_len = (uint16_t)len;
	m->pkt_len = len;
	m->refcnt = 1;
	m->nb_segs = 1;
}
