/* SPDX-License-Identifier: BSD-3-Clause */
/* Segmentation of TCP packets. */
#include "tcp/segment.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include "pkt/parse.h"
#include "tests/fake/eal.h"

#define MAX_PAYLOAD 65000
#define SEQ         0xfffff000u /* it wraps on the way */
#define IP_ID       0xfffe

static struct rte_mempool *pool;
static uint8_t payload[MAX_PAYLOAD];

struct shape {
	bool v6, vlan;
	uint8_t ip_options, tcp_options; /* bytes */
	uint8_t flags;
	uint32_t len; /* of the payload */
	uint16_t mss;
};

static uint32_t put_ether(uint8_t *p, const struct shape *c)
{
	static const uint8_t macs[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
	static const uint8_t tag[4] = {0x81, 0, 0, 7};
	uint32_t n = 12;

	memcpy(p, macs, 12);
	if (c->vlan) {
		memcpy(p + n, tag, 4);
		n += 4;
	}
	p[n] = c->v6 ? 0x86 : 0x08;
	p[n + 1] = c->v6 ? 0xdd : 0;
	return n + 2;
}

static uint32_t put_ip(uint8_t *p, const struct shape *c)
{
	uint32_t l4 = sizeof(struct rte_tcp_hdr) + c->tcp_options + c->len;
	struct rte_ipv6_hdr v6 = {.vtc_flow = RTE_BE32(6u << 28),
				  .payload_len = rte_cpu_to_be_16((uint16_t)l4),
				  .proto = IPPROTO_TCP,
				  .src_addr = {0xfd, [15] = 1},
				  .dst_addr = {0xfd, [15] = 2}};
	struct rte_ipv4_hdr v4 = {
		.version_ihl = (uint8_t)(0x45 + c->ip_options / 4),
		.total_length = rte_cpu_to_be_16((uint16_t)(sizeof(v4) + c->ip_options + l4)),
		.packet_id = rte_cpu_to_be_16(IP_ID),
		.next_proto_id = IPPROTO_TCP,
		.src_addr = RTE_BE32(0x0a000001),
		.dst_addr = RTE_BE32(0x0a000002)};

	if (c->v6) {
		memcpy(p, &v6, sizeof(v6));
		return sizeof(v6);
	}
	memcpy(p, &v4, sizeof(v4));
	memset(p + sizeof(v4), 1, c->ip_options); /* no operation */
	return (uint32_t)sizeof(v4) + c->ip_options;
}

static struct rte_mbuf *make(const struct shape *c)
{
	static uint8_t packet[MAX_PAYLOAD + SEGMENT_MAX_HDR];
	uint32_t l2 = put_ether(packet, c), l3 = put_ip(packet + l2, c);
	uint32_t l4 = (uint32_t)sizeof(struct rte_tcp_hdr) + c->tcp_options;
	struct rte_tcp_hdr tcp = {.sent_seq = RTE_BE32(SEQ),
				  .data_off = (uint8_t)(l4 / 4 << 4),
				  .tcp_flags = c->flags};
	struct rte_mbuf *m;

	memcpy(packet + l2 + l3, &tcp, sizeof(tcp));
	memset(packet + l2 + l3 + sizeof(tcp), 1, c->tcp_options);
	memcpy(packet + l2 + l3 + l4, payload, c->len);
	m = fake_eal_packet(pool, packet, l2 + l3 + l4 + c->len, 700);
	m->l2_len = l2;
	m->l3_len = l3;
	m->l4_len = l4;
	m->tso_segsz = c->mss;
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM |
		       (c->v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4);
	return m;
}

/* The flags of the ith of `n` segments (RFC 3168, 6.1.2). */
static uint8_t flags_of(uint8_t flags, uint32_t i, uint32_t n)
{
	if (i > 0)
		flags &= (uint8_t)~RTE_TCP_CWR_FLAG;
	if (i + 1 < n)
		flags &= (uint8_t) ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
	return flags;
}

static void check_segment(const struct shape *c, const struct rte_mbuf *m, uint32_t i, uint32_t n)
{
	static uint8_t flat[MAX_PAYLOAD + SEGMENT_MAX_HDR];
	const uint8_t *p = rte_pktmbuf_read(m, 0, m->pkt_len, flat);
	uint32_t at = i * c->mss, len = RTE_MIN(c->len - at, (uint32_t)c->mss), hdr;
	const struct rte_tcp_hdr *tcp;
	struct pkt_info info;

	assert_int_equal(pkt_parse(m, &info), PKT_L4);
	assert_int_equal(info.n_vlans, c->vlan);
	assert_int_equal(info.flags & PKT_MALFORMED, 0);
	hdr = (uint32_t)info.l2_len + info.l3_len + info.l4_len;
	assert_int_equal(m->pkt_len, hdr + len);
	assert_int_equal(info.ip_len, m->pkt_len - info.l2_len);
	assert_memory_equal(p + hdr, payload + at, len);
	tcp = (const void *)(p + info.l2_len + info.l3_len);
	assert_int_equal(rte_be_to_cpu_32(tcp->sent_seq), SEQ + at);
	assert_int_equal(tcp->tcp_flags, flags_of(c->flags, i, n));
	assert_int_equal(m->ol_flags, 0);
	if (c->v6) {
		assert_int_equal(rte_ipv6_udptcp_cksum_verify((const void *)(p + info.l2_len), tcp),
				 0);
		return;
	}
	assert_int_equal(rte_raw_cksum(p + info.l2_len, info.l3_len), 0xffff);
	assert_int_equal(rte_ipv4_udptcp_cksum_verify((const void *)(p + info.l2_len), tcp), 0);
	assert_int_equal(rte_be_to_cpu_16(*(const uint16_t *)(p + info.l2_len + 4)),
			 (uint16_t)(IP_ID + i));
}

static void check_shape(const struct shape *c)
{
	struct rte_mbuf *m = make(c), *part;
	uint32_t n = (c->len + c->mss - 1) / c->mss, i = 0;
	struct segmenter s;

	assert_int_equal(segment_begin(&s, m), 0);
	assert_int_equal(segment_count(&s), n);
	for (; (part = segment_next(&s, pool)); i++) {
		check_segment(c, part, i, n);
		rte_pktmbuf_free(part);
	}
	assert_int_equal(i, n);
	assert_int_equal(segment_count(&s), 0);
	rte_pktmbuf_free(m);
	assert_true(rte_mempool_full(pool));
}

static void test_shapes(void **state)
{
	static const struct shape shapes[] = {
		{.flags = 0x18, .len = 1448, .mss = 1448},
		{.flags = 0x19, .len = 65000, .mss = 1448},
		{.flags = 0xd8, .len = 5000, .mss = 1000, .tcp_options = 12},
		{.flags = 0x10, .len = 3001, .mss = 1000, .ip_options = 8},
		{.v6 = true, .flags = 0x98, .len = 9999, .mss = 1428, .tcp_options = 20},
		{.v6 = true, .vlan = true, .flags = 0x11, .len = 2857, .mss = 1428},
		{.vlan = true, .flags = 0x18, .len = 30000, .mss = 8948, .tcp_options = 40},
		{.flags = 0x18, .len = 48 * 10 + 1, .mss = 48},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		check_shape(&shapes[i]);
}

static void test_random_shapes(void **state)
{
	(void)state;
	srand(1);
	for (int i = 0; i < 2000; i++) {
		struct shape c = {
			.v6 = rand() % 2,
			.vlan = rand() % 2,
			.tcp_options = (uint8_t)(rand() % 11 * 4),
			.flags = (uint8_t)rand() & 0xd9,
			.len = 1 + (uint32_t)rand() % 20000,
			.mss = (uint16_t)(48 + rand() % 4000),
		};

		if (!c.v6)
			c.ip_options = (uint8_t)(rand() % 11 * 4);
		check_shape(&c);
	}
}

static void test_what_cannot_be_segmented(void **state)
{
	const struct shape c = {.flags = 0x18, .len = 3000, .mss = 1000};
	struct rte_mbuf *m = make(&c);
	struct segmenter s;

	(void)state;
	m->tso_segsz = 0;
	assert_int_equal(segment_begin(&s, m), -EINVAL);
	m->tso_segsz = 1000;
	m->l4_len = 16;
	assert_int_equal(segment_begin(&s, m), -EINVAL);
	m->l4_len = 20;
	m->l3_len = 400;
	assert_int_equal(segment_begin(&s, m), -EINVAL);
	m->l3_len = 20;
	m->ol_flags &= ~RTE_MBUF_F_TX_TCP_SEG;
	assert_int_equal(segment_begin(&s, m), -EINVAL);
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
	assert_int_equal(segment_begin(&s, m), 0);
	rte_pktmbuf_free(m);
}

/* It goes on where it stands when there are buffers again. */
static void test_an_empty_pool(void **state)
{
	const struct shape c = {.flags = 0x18, .len = 9000, .mss = 4000};
	struct rte_mbuf *m = make(&c), *taken[512], *part;
	struct segmenter s;
	unsigned n = 0;

	(void)state;
	assert_int_equal(segment_begin(&s, m), 0);
	while (n < 512 && (taken[n] = rte_pktmbuf_alloc(pool)))
		n++;
	rte_pktmbuf_free(taken[--n]); /* one is not enough */
	assert_null(segment_next(&s, pool));
	assert_int_equal(segment_count(&s), 3);
	rte_pktmbuf_free_bulk(taken, n);
	for (uint32_t i = 0; i < 3; i++) {
		part = segment_next(&s, pool);
		assert_non_null(part);
		check_segment(&c, part, i, 3);
		rte_pktmbuf_free(part);
	}
	rte_pktmbuf_free(m);
	assert_true(rte_mempool_full(pool));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_random_shapes),
		cmocka_unit_test(test_what_cannot_be_segmented),
		cmocka_unit_test(test_an_empty_pool),
	};

	for (unsigned i = 0; i < MAX_PAYLOAD; i++)
		payload[i] = (uint8_t)(i * 7 + i / 251);
	if (fake_eal_init("segment_test") < 0)
		return 1;
	pool = fake_eal_pool("segment", 255);
	return cmocka_run_group_tests_name("segment", tests, NULL, NULL);
}
