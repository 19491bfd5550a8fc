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
#include "tests/fake/tcp_packet.h"

static struct rte_mempool *pool;

/* The flags of the ith of `n` segments (RFC 3168, 6.1.2). */
static uint8_t flags_of(uint8_t flags, uint32_t i, uint32_t n)
{
	if (i > 0)
		flags &= (uint8_t)~RTE_TCP_CWR_FLAG;
	if (i + 1 < n)
		flags &= (uint8_t) ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
	return flags;
}

static void check_segment(const struct tcp_shape *c, const struct rte_mbuf *m, uint32_t i,
			  uint32_t n)
{
	static uint8_t flat[TCP_PACKET_MAX];
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
	assert_memory_equal(p + hdr, tcp_packet_payload() + at, len);
	tcp = (const void *)(p + info.l2_len + info.l3_len);
	assert_int_equal(rte_be_to_cpu_32(tcp->sent_seq), TCP_PACKET_SEQ + at);
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
			 (uint16_t)(TCP_PACKET_IP_ID + i));
}

static void check_shape(const struct tcp_shape *c)
{
	struct rte_mbuf *m = tcp_packet_make(pool, c), *part;
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
	static const struct tcp_shape shapes[] = {
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
		struct tcp_shape c = tcp_shape_random(48);

		check_shape(&c);
	}
}

static void test_what_cannot_be_segmented(void **state)
{
	const struct tcp_shape c = {.flags = 0x18, .len = 3000, .mss = 1000};
	struct rte_mbuf *m = tcp_packet_make(pool, &c);
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

/* It goes on behind any segment. */
static void test_segments_that_were_made_before(void **state)
{
	const struct tcp_shape c = {.v6 = true, .flags = 0x98, .len = 9999, .mss = 701};
	const uint32_t n = 15;
	struct rte_mbuf *m = tcp_packet_make(pool, &c);

	(void)state;
	for (uint32_t from = 0; from <= n + 1; from++) {
		struct rte_mbuf *part;
		struct segmenter s;
		uint32_t i = from;

		assert_int_equal(segment_begin(&s, m), 0);
		segment_skip(&s, from);
		assert_int_equal(segment_count(&s), from < n ? n - from : 0);
		for (; (part = segment_next(&s, pool)); i++) {
			check_segment(&c, part, i, n);
			rte_pktmbuf_free(part);
		}
		assert_int_equal(i, from < n ? n : from);
	}
	rte_pktmbuf_free(m);
}

/* It goes on where it stands when there are buffers again. */
static void test_an_empty_pool(void **state)
{
	const struct tcp_shape c = {.flags = 0x18, .len = 9000, .mss = 4000};
	struct rte_mbuf *m = tcp_packet_make(pool, &c), *taken[512], *part;
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
		cmocka_unit_test(test_segments_that_were_made_before),
		cmocka_unit_test(test_an_empty_pool),
	};

	if (fake_eal_init("segment_test") < 0)
		return 1;
	pool = fake_eal_pool("segment", 255);
	return cmocka_run_group_tests_name("segment", tests, NULL, NULL);
}
