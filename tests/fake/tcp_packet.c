/* SPDX-License-Identifier: BSD-3-Clause */
/* Large TCP packets. */
#include "tests/fake/tcp_packet.h"

#include <stdlib.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include "tests/fake/eal.h"

const uint8_t *tcp_packet_payload(void)
{
	static uint8_t payload[TCP_PACKET_MAX_PAYLOAD];

	if (payload[1] == 0)
		for (unsigned i = 0; i < sizeof(payload); i++)
			payload[i] = (uint8_t)(i * 7 + i / 251);
	return payload;
}

static uint16_t put_ether(uint8_t *p, const struct tcp_shape *c)
{
	static const uint8_t macs[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
	static const uint8_t tag[4] = {0x81, 0, 0, 7};
	uint16_t n = 12;

	memcpy(p, macs, 12);
	if (c->vlan) {
		memcpy(p + n, tag, 4);
		n += 4;
	}
	p[n] = c->v6 ? 0x86 : 0x08;
	p[n + 1] = c->v6 ? 0xdd : 0;
	return n + 2;
}

/* Returns its length, and the pseudo header's sum. */
static uint16_t put_ip(uint8_t *p, const struct tcp_shape *c, uint16_t *sum)
{
	uint32_t l4 = (uint32_t)sizeof(struct rte_tcp_hdr) + c->tcp_options + c->len;
	struct rte_ipv6_hdr v6 = {.vtc_flow = RTE_BE32(6u << 28),
				  .payload_len = rte_cpu_to_be_16((uint16_t)l4),
				  .proto = IPPROTO_TCP,
				  .hop_limits = 64,
				  .src_addr = {0xfd, [15] = 1},
				  .dst_addr = {0xfd, [15] = 2}};
	struct rte_ipv4_hdr v4 = {
		.version_ihl = (uint8_t)(0x45 + c->ip_options / 4),
		.total_length = rte_cpu_to_be_16((uint16_t)(sizeof(v4) + c->ip_options + l4)),
		.packet_id = rte_cpu_to_be_16(TCP_PACKET_IP_ID),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_TCP,
		.src_addr = RTE_BE32(0x0a000001),
		.dst_addr = RTE_BE32(0x0a000002)};

	if (c->v6) {
		*sum = rte_ipv6_phdr_cksum(&v6, 0);
		memcpy(p, &v6, sizeof(v6));
		return sizeof(v6);
	}
	*sum = rte_ipv4_phdr_cksum(&v4, 0);
	memcpy(p, &v4, sizeof(v4));
	memset(p + sizeof(v4), 1, c->ip_options); /* no operation */
	return (uint16_t)(sizeof(v4) + c->ip_options);
}

uint32_t tcp_packet_write(uint8_t packet[TCP_PACKET_MAX], const struct tcp_shape *c,
			  struct tcp_lens *lens)
{
	uint16_t sum, l2 = put_ether(packet, c), l3 = put_ip(packet + l2, c, &sum);
	uint16_t l4 = (uint16_t)sizeof(struct rte_tcp_hdr) + c->tcp_options;
	struct rte_tcp_hdr tcp = {.sent_seq = RTE_BE32(TCP_PACKET_SEQ),
				  .data_off = (uint8_t)(l4 / 4 << 4),
				  .tcp_flags = c->flags,
				  .cksum = sum};

	*lens = (struct tcp_lens){l2, l3, l4};
	memcpy(packet + l2 + l3, &tcp, sizeof(tcp));
	memset(packet + l2 + l3 + sizeof(tcp), 1, c->tcp_options);
	memcpy(packet + l2 + l3 + l4, tcp_packet_payload(), c->len);
	return (uint32_t)l2 + l3 + l4 + c->len;
}

struct rte_mbuf *tcp_packet_make(struct rte_mempool *pool, const struct tcp_shape *c)
{
	static uint8_t packet[TCP_PACKET_MAX];
	struct tcp_lens lens;
	uint32_t len = tcp_packet_write(packet, c, &lens);
	struct rte_mbuf *m = fake_eal_packet(pool, packet, len, 700);

	m->l2_len = lens.l2;
	m->l3_len = lens.l3;
	m->l4_len = lens.l4;
	m->tso_segsz = c->mss;
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM |
		       (c->v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4);
	return m;
}

struct tcp_shape tcp_shape_random(uint16_t least)
{
	struct tcp_shape c = {
		.v6 = rand() % 2,
		.vlan = rand() % 2,
		.tcp_options = (uint8_t)(rand() % 11 * 4),
		.flags = (uint8_t)rand() & 0xd9,
		.len = 1 + (uint32_t)rand() % 20000,
		.mss = (uint16_t)(least + rand() % 4000),
	};

	if (!c.v6)
		c.ip_options = (uint8_t)(rand() % 11 * 4);
	return c;
}
