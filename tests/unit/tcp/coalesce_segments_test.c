/* SPDX-License-Identifier: BSD-3-Clause */
/* Coalescing as the reverse of segmentation: the segments of a packet become that packet again, and
 * what was merged becomes the segments that came, by segmentation or when it is taken apart. */
#include "tcp/coalesce.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "tcp/segment.h"
#include "tests/fake/coalesce_run.h"
#include "tests/fake/eal.h"
#include "tests/fake/inner_frame.h"
#include "tests/fake/tcp_packet.h"
#include "tests/fake/tcp_segment.h"

static struct rte_mempool *pool;
static struct coalesce_run run;

static void copy_flat(const struct rte_mbuf *m, uint8_t *to)
{
	for (; m; to += m->data_len, m = m->next)
		memcpy(to, rte_pktmbuf_mtod(m, const void *), m->data_len);
}

/* Whether a packet's segments become that packet again. */
static bool is_whole(const struct tcp_shape *c, uint32_t n)
{
	return n > 1 && n <= COALESCE_MAX_SEGMENTS && c->ip_options == 0 &&
	       (c->flags & ~0x08) == 0x10;
}

/* The packet as a guest would hand it over, but for the IPv4 header's checksum. */
static void assert_is_original(const struct rte_mbuf *m, const struct tcp_shape *c)
{
	static uint8_t flat[TCP_PACKET_MAX], original[TCP_PACKET_MAX];
	struct tcp_lens lens;

	assert_int_equal(m->pkt_len, tcp_packet_write(original, c, &lens));
	copy_flat(m, flat);
	if (!c->v6) {
		assert_int_equal(plain_sum(flat + lens.l2, lens.l3, 0), 0xffff);
		memset(flat + lens.l2 + 10, 0, 2);
	}
	assert_memory_equal(flat, original, m->pkt_len);
	assert_int_equal(m->tso_segsz, c->mss);
	assert_int_equal(m->l2_len, lens.l2);
	assert_int_equal(m->l3_len, lens.l3);
	assert_int_equal(m->l4_len, lens.l4);
	assert_int_equal(m->ol_flags, RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM |
					      (c->v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4));
}

/* Offers the segments of a packet, at most as many as there is room for. */
static uint32_t offer_segments(const struct tcp_shape *c)
{
	struct rte_mbuf *m = tcp_packet_make(pool, c), *part;
	struct segmenter s;
	uint32_t n;

	assert_int_equal(segment_begin(&s, m), 0);
	n = segment_count(&s);
	while (run.n < RUN_MOST && (part = segment_next(&s, pool)))
		run_offer(&run, part, 0, RUN_BOTH);
	rte_pktmbuf_free(m);
	return n;
}

static void check_shape(const struct tcp_shape *c)
{
	uint32_t n;
	unsigned left;

	run_begin(&run, pool);
	n = offer_segments(c);
	coalesce_end(&run.c);
	if (is_whole(c, n))
		assert_is_original(run.m[0], c);
	left = run_end(&run);
	if (is_whole(c, n))
		assert_int_equal(left, 1);
	else if (c->ip_options || (c->flags & ~0xc9) != 0x10)
		assert_int_equal(left, RTE_MIN(n, (uint32_t)RUN_MOST));
}

static void test_segments_become_what_they_were(void **state)
{
	static const struct tcp_shape shapes[] = {
		{.flags = 0x10, .len = 2896, .mss = 1448},
		{.flags = 0x18, .len = 63700, .mss = 1448},
		{.flags = 0x18, .len = 65000, .mss = 1448},
		{.flags = 0x18, .len = 5000, .mss = 1000, .tcp_options = 12},
		{.v6 = true, .flags = 0x18, .len = 9999, .mss = 1428, .tcp_options = 40},
		{.v6 = true, .vlan = true, .flags = 0x10, .len = 2857, .mss = 1428},
		{.vlan = true, .flags = 0x18, .len = 65000, .mss = 8948, .tcp_options = 12},
		{.flags = 0x18, .len = 48 * 10 + 1, .mss = 48},
		{.flags = 0x10, .len = 3001, .mss = 1000, .ip_options = 8},
		{.flags = 0xd8, .len = 5000, .mss = 1000},
		{.flags = 0x19, .len = 5000, .mss = 1000},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		check_shape(&shapes[i]);
}

/* COALESCE_PACKETS=100000 tries more. */
static void test_random_segments_become_what_they_were(void **state)
{
	const char *most = getenv("COALESCE_PACKETS");

	(void)state;
	srand(1);
	for (int i = most ? atoi(most) : 3000; i > 0; i--) {
		struct tcp_shape c = tcp_shape_random(48);

		if (rand() % 4) {
			c.flags = (c.flags & 0x08) | 0x10;
			c.ip_options = 0;
		}
		check_shape(&c);
	}
}

/* --- taking apart -------------------------------------------------------------------------------
 */

/* All is as it was, also packets of several mbufs. */
static void test_taking_apart(void **state)
{
	static const uint32_t pieces[] = {0, 700, 90};
	static uint8_t frame[TCP_SEGMENT_MAX];

	(void)state;
	for (unsigned k = 0; k < 6; k++) {
		struct tcp_segment s = tcp_segment_plain(1, 1500);

		s.v6 = k % 2;
		s.vlan = k > 2;
		run_begin(&run, pool);
		for (unsigned i = 0; i < 8; i++, s = tcp_segment_next(&s)) {
			uint32_t len;

			s.flags = i == 5 ? 0x18 : 0x10;
			len = tcp_segment_write(frame, &s);
			run_offer(&run, fake_eal_packet(pool, frame, len, pieces[k / 2]), 0,
				  RUN_BOTH);
		}
		coalesce_end(&run.c);
		assert_int_equal(run.m[0]->pkt_len, run.len[0] + 5 * 1500);
		coalesce_undo(&run.c, 0);
		for (unsigned i = 0; i < 6; i++) {
			assert_int_equal(rte_mbuf_check(run.m[i], 1, NULL), 0);
			run.in[i] = (int)i;
		}
		assert_int_equal(run_end(&run), 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_segments_become_what_they_were),
		cmocka_unit_test(test_random_segments_become_what_they_were),
		cmocka_unit_test(test_taking_apart),
	};

	if (fake_eal_init("coalesce_segments_test") < 0)
		return 1;
	pool = fake_eal_pool("coalesce", 1023);
	return cmocka_run_group_tests_name("coalesce_segments", tests, NULL, NULL);
}
