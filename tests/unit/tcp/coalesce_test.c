/* SPDX-License-Identifier: BSD-3-Clause */
/* Coalescing of TCP segments. Whatever is merged has to give, when it is segmented again, the very
 * packets that came, and those of a flow in their order. */
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
#include "tests/fake/eal.h"
#include "tests/fake/inner_frame.h"
#include "tests/fake/tcp_packet.h"
#include "tests/fake/tcp_segment.h"

#define MOST COALESCE_MAX_PACKETS
#define BOTH (COALESCE_IPV4 | COALESCE_IPV6)

/* A run: packets that were offered, as they came, and what became of them. */
struct run {
	struct coalescer c;
	unsigned n;
	struct rte_mbuf *m[MOST];
	uint8_t *bytes[MOST];
	uint32_t len[MOST];
	int in[MOST]; /* the packet that it is part of: its own number where it stayed alone */
};

static struct rte_mempool *pool;
static struct run run;

static void begin(void)
{
	memset(&run, 0, sizeof(run));
	coalesce_begin(&run.c);
}

/* Offers a packet; the result is that of coalesce_add(). */
static int offer_mbuf(struct rte_mbuf *m, uint16_t lane, uint8_t families)
{
	unsigned i = run.n++;
	int in;

	assert_in_range(i, 0, MOST - 1);
	run.m[i] = m;
	run.len[i] = m->pkt_len;
	run.bytes[i] = malloc(m->pkt_len);
	assert_non_null(run.bytes[i]);
	for (uint32_t at = 0; m; at += m->data_len, m = m->next)
		memcpy(run.bytes[i] + at, rte_pktmbuf_mtod(m, void *), m->data_len);
	in = coalesce_add(&run.c, run.m[i], lane, families, (uint16_t)i);
	run.in[i] = in < 0 ? (int)i : in;
	return in;
}

static int offer(const struct tcp_segment *s)
{
	static uint8_t frame[TCP_SEGMENT_MAX];
	uint32_t len = tcp_segment_write(frame, s);

	return offer_mbuf(fake_eal_packet(pool, frame, len, 0), 0, BOTH);
}

static void assert_same(const struct rte_mbuf *m, unsigned i)
{
	static uint8_t flat[TCP_PACKET_MAX];

	assert_int_equal(m->pkt_len, run.len[i]);
	assert_memory_equal(rte_pktmbuf_read(m, 0, m->pkt_len, flat), run.bytes[i], m->pkt_len);
}

/* With DF an identification means nothing (RFC 6864), so it may differ: the original gets ours. */
static void align_id(unsigned i, const struct rte_mbuf *m, uint32_t l3)
{
	uint8_t *ours = run.bytes[i] + l3;
	const uint8_t *theirs = rte_pktmbuf_mtod_offset(m, const uint8_t *, l3);

	if (ours[0] >> 4 != 4 || !(ours[6] & 0x40))
		return;
	memcpy(ours + 4, theirs + 4, 2);
	plain_put16(ours + 10, 0);
	plain_put16(ours + 10, (uint16_t)~plain_sum(ours, 20, 0));
}

/* What is in a large packet, segmented again, is what came. */
static void assert_gives(struct rte_mbuf *m, unsigned head)
{
	struct segmenter s;
	unsigned i = head;

	assert_int_equal(segment_begin(&s, m), 0);
	assert_true(m->pkt_len - m->l2_len <= 65535);
	assert_true(segment_count(&s) <= COALESCE_MAX_SEGMENTS);
	for (struct rte_mbuf *part; (part = segment_next(&s, pool)); i++) {
		while (i < run.n && run.in[i] != (int)head)
			i++;
		assert_true(i < run.n);
		align_id(i, part, m->l2_len);
		assert_same(part, i);
		rte_pktmbuf_free(part);
	}
	for (; i < run.n; i++)
		assert_int_not_equal(run.in[i], head);
}

/* Packets of one flow leave in the order in which they came: none is in a large packet that leaves
 * before one of its flow that came earlier. `flow` tells flows apart. */
static void assert_order(const unsigned *flow)
{
	for (unsigned i = 0; i < run.n; i++)
		for (unsigned k = i + 1; k < run.n; k++)
			if (flow[i] == flow[k])
				assert_true(run.in[i] <= run.in[k]);
}

/* Frees what is left of the run. Returns how many packets were left. */
static unsigned end(void)
{
	unsigned n = 0;

	coalesce_end(&run.c);
	for (unsigned i = 0; i < run.n; i++) {
		if (run.in[i] != (int)i)
			continue;
		n++;
		if (run.m[i]->ol_flags & RTE_MBUF_F_TX_TCP_SEG)
			assert_gives(run.m[i], i);
		else
			assert_same(run.m[i], i);
		rte_pktmbuf_free(run.m[i]);
	}
	for (unsigned i = 0; i < run.n; i++)
		free(run.bytes[i]);
	assert_true(rte_mempool_full(pool));
	return n;
}

/* --- the reverse of segmentation ---------------------------------------------------------------
 */

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
	while (run.n < MOST && (part = segment_next(&s, pool)))
		offer_mbuf(part, 0, BOTH);
	rte_pktmbuf_free(m);
	return n;
}

static void check_shape(const struct tcp_shape *c)
{
	uint32_t n;
	unsigned left;

	begin();
	n = offer_segments(c);
	coalesce_end(&run.c);
	if (is_whole(c, n))
		assert_is_original(run.m[0], c);
	left = end();
	if (is_whole(c, n))
		assert_int_equal(left, 1);
	else if (c->ip_options || (c->flags & ~0xc9) != 0x10)
		assert_int_equal(left, RTE_MIN(n, (uint32_t)MOST));
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

/* --- what does not join -------------------------------------------------------------------------
 */

/* Changes of the second of four segments. `left` packets are left then; 1 is as if nothing were. */
static void change_nothing(struct tcp_segment *s)
{
	(void)s;
}

#define CHANGE(name, ...)                                \
	static void change_##name(struct tcp_segment *s) \
	{                                                \
		__VA_ARGS__;                             \
	}

CHANGE(seq, s->seq++)
CHANGE(seq_back, s->seq -= 1000)
CHANGE(ack, s->ack++)
CHANGE(window, s->window++)
CHANGE(timestamp, s->timestamp++)
CHANGE(options, s->timestamp = 0)
CHANGE(psh, s->flags |= 0x08)
CHANGE(fin, s->flags |= 0x01)
CHANGE(syn, s->flags |= 0x02)
CHANGE(rst, s->flags |= 0x04)
CHANGE(urg, s->flags |= 0x20)
CHANGE(ece, s->flags |= 0x40)
CHANGE(cwr, s->flags |= 0x80)
CHANGE(no_ack, s->flags = 0)
CHANGE(accurate_ecn, s->reserved = 1)
CHANGE(urgent, s->urgent = 1)
CHANGE(shorter, s->len -= 1)
CHANGE(longer, s->len += 1)
CHANGE(empty, s->len = 0)
CHANGE(padding, s->padding = 2)
CHANGE(sum, s->is_sum_wrong = true)
CHANGE(ip_sum, s->is_ip_sum_wrong = true)
CHANGE(tos, s->tos = 4)
CHANGE(ecn, s->tos = 3)
CHANGE(ttl, s->ttl--)
CHANGE(flow_label, s->flow_label = 9)
CHANGE(id, s->id += 5)
CHANGE(df, s->frag = 0)
CHANGE(first_fragment, s->frag = 0x2000)
CHANGE(later_fragment, s->frag = 5)
CHANGE(reserved_bit, s->frag |= 0x8000)
CHANGE(ip_options, s->ip_options = 8)
CHANGE(vlan, s->vlan = !s->vlan)
CHANGE(dst_mac, s->dst_mac[5]++)
CHANGE(src_mac, s->src_mac[5]++)

#define V4 1
#define V6 2

static const struct change {
	const char *name;
	void (*change)(struct tcp_segment *s);
	unsigned left;
	int families;
	bool has_no_df;
} changes[] = {
	/* Four segments of 1000 bytes, of which the changed one is the second. */
	{"nothing", change_nothing, 1, V4 | V6, false},
	{"nothing", change_nothing, 1, V4, true},
	/* It begins anew, and the next one does again. */
	{"seq", change_seq, 3, V4 | V6, false},
	{"seq_back", change_seq_back, 3, V4 | V6, false},
	{"ack", change_ack, 3, V4 | V6, false},
	{"window", change_window, 3, V4 | V6, false},
	{"timestamp", change_timestamp, 3, V4 | V6, false},
	{"options", change_options, 3, V4 | V6, false},
	{"tos", change_tos, 3, V4 | V6, false},
	{"ecn", change_ecn, 3, V4 | V6, false},
	{"ttl", change_ttl, 3, V4 | V6, false},
	{"flow_label", change_flow_label, 3, V6, false},
	{"vlan", change_vlan, 3, V4 | V6, false},
	{"dst_mac", change_dst_mac, 3, V4 | V6, false},
	{"src_mac", change_src_mac, 3, V4 | V6, false},
	{"df", change_df, 3, V4, false},
	{"id without df", change_id, 3, V4, true},
	/* With DF the identification means nothing. */
	{"id", change_id, 1, V4, false},
	/* It joins, and is the last one. */
	{"psh", change_psh, 2, V4 | V6, false},
	{"shorter", change_shorter, 2, V4 | V6, false},
	/* It begins anew, and the others are not longer. */
	{"longer", change_longer, 3, V4 | V6, false},
	/* It stays alone. */
	{"fin", change_fin, 3, V4 | V6, false},
	{"syn", change_syn, 3, V4 | V6, false},
	{"rst", change_rst, 3, V4 | V6, false},
	{"urg", change_urg, 3, V4 | V6, false},
	{"ece", change_ece, 3, V4 | V6, false},
	{"cwr", change_cwr, 3, V4 | V6, false},
	{"no_ack", change_no_ack, 3, V4 | V6, false},
	{"accurate_ecn", change_accurate_ecn, 3, V4 | V6, false},
	{"urgent", change_urgent, 3, V4 | V6, false},
	{"empty", change_empty, 3, V4 | V6, false},
	{"padding", change_padding, 3, V4 | V6, false},
	{"sum", change_sum, 3, V4 | V6, false},
	{"ip_sum", change_ip_sum, 3, V4, false},
	{"first_fragment", change_first_fragment, 3, V4, true},
	{"later_fragment", change_later_fragment, 3, V4, true},
	{"reserved_bit", change_reserved_bit, 3, V4, false},
	{"ip_options", change_ip_options, 3, V4, false},
};

/* The one after it goes on where the unchanged one would have ended, but for a shorter one. */
static void check_change(const struct change *t, bool v6)
{
	struct tcp_segment s = tcp_segment_plain(0xfffffa00u, 1000), changed;
	unsigned left;

	s.v6 = v6;
	if (t->has_no_df)
		s.frag = 0;
	begin();
	offer(&s);
	s = tcp_segment_next(&s);
	changed = s;
	t->change(&changed);
	offer(&changed);
	for (unsigned i = 0; i < 2; i++) {
		s = tcp_segment_next(&s);
		offer(&s);
	}
	left = end();
	if (left != t->left)
		fail_msg("%s: %u packets are left instead of %u", t->name, left, t->left);
}

static void test_what_differs_does_not_join(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		if (changes[i].families & V4)
			check_change(&changes[i], false);
		if (changes[i].families & V6)
			check_change(&changes[i], true);
	}
}

/* A wrong one that is first is passed on alone, and the others go together. */
static void test_a_first_one_with_a_wrong_sum(void **state)
{
	struct tcp_segment s = tcp_segment_plain(1, 1000);

	(void)state;
	begin();
	s.is_sum_wrong = true;
	offer(&s);
	s.is_sum_wrong = false;
	for (unsigned i = 0; i < 3; i++) {
		s = tcp_segment_next(&s);
		offer(&s);
	}
	assert_int_equal(run.in[3], 1);
	assert_int_equal(end(), 2);
}

/* Nothing joins a packet with PSH, nor a short one. */
static void test_what_begins_nothing(void **state)
{
	static const uint16_t lens[] = {47, 48, 49};
	struct tcp_segment s = tcp_segment_plain(1, 1000);

	(void)state;
	begin();
	for (unsigned i = 0; i < 3; i++, s = tcp_segment_next(&s)) {
		s.flags = i == 0 ? 0x18 : 0x10;
		offer(&s);
	}
	assert_int_equal(run.in[2], 1);
	assert_int_equal(end(), 2);
	for (unsigned k = 0; k < 3; k++) {
		s = tcp_segment_plain(1, lens[k]);
		begin();
		offer(&s);
		s = tcp_segment_next(&s);
		offer(&s);
		assert_int_equal(end(), lens[k] < COALESCE_LEAST_PAYLOAD ? 2 : 1);
	}
}

/* Others see the same bytes. */
static void test_what_others_refer_to_does_not_join(void **state)
{
	struct tcp_segment s = tcp_segment_plain(1, 1000);

	(void)state;
	for (unsigned shared = 0; shared < 3; shared++) {
		begin();
		for (unsigned i = 0; i < 3; i++, s = tcp_segment_next(&s)) {
			static uint8_t frame[TCP_SEGMENT_MAX];
			uint32_t len = tcp_segment_write(frame, &s);
			struct rte_mbuf *m = fake_eal_packet(pool, frame, len, 0);

			if (i == shared)
				rte_pktmbuf_refcnt_update(m, 1);
			offer_mbuf(m, 0, BOTH);
		}
		rte_pktmbuf_refcnt_update(run.m[shared], -1);
		assert_int_equal(end(), shared == 1 ? 3 : 2);
	}
}

static void test_a_family_that_is_not_to_be_merged(void **state)
{
	static uint8_t frame[TCP_SEGMENT_MAX];

	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		for (uint8_t families = 0; families <= BOTH; families++) {
			struct tcp_segment s = tcp_segment_plain(1, 1000);
			bool merges = families & (v6 ? COALESCE_IPV6 : COALESCE_IPV4);

			s.v6 = v6;
			begin();
			for (unsigned i = 0; i < 4; i++, s = tcp_segment_next(&s)) {
				uint32_t len = tcp_segment_write(frame, &s);

				offer_mbuf(fake_eal_packet(pool, frame, len, 0), 0, families);
			}
			assert_int_equal(end(), merges ? 1 : 4);
		}
	}
}

/* --- several flows ------------------------------------------------------------------------------
 */

/* As many flows as the window has by turns, and one more than that. */
static void test_flows_by_turns(void **state)
{
	(void)state;
	for (unsigned flows = 2; flows <= COALESCE_WINDOW + 1; flows++) {
		unsigned rounds = MOST / flows, flow[MOST];

		begin();
		for (unsigned r = 0; r < rounds; r++) {
			for (unsigned f = 0; f < flows; f++) {
				struct tcp_segment s = tcp_segment_plain(1 + r * 500, 500);

				s.sport = (uint16_t)(5000 + f / 2);
				s.host = (uint8_t)(f % 2);
				s.v6 = f % 4 == 2;
				flow[run.n] = f;
				offer(&s);
			}
		}
		assert_order(flow);
		assert_int_equal(end(), flows <= COALESCE_WINDOW ? flows : flows * rounds);
	}
}

static void test_lanes_are_apart(void **state)
{
	struct tcp_segment s = tcp_segment_plain(1, 500);
	static uint8_t frame[TCP_SEGMENT_MAX];

	(void)state;
	begin();
	for (unsigned i = 0; i < 6; i++) {
		struct rte_mbuf *m = fake_eal_packet(pool, frame, tcp_segment_write(frame, &s), 0);

		assert_int_equal(offer_mbuf(m, (uint16_t)(i % 2), BOTH), i < 2 ? -1 : (int)i % 2);
		if (i % 2)
			s = tcp_segment_next(&s);
	}
	assert_int_equal(end(), 2);
}

/* Anything may come between: what is of another protocol ends nothing. */
static void test_other_packets_end_nothing(void **state)
{
	struct tcp_segment s = tcp_segment_plain(1, 500);
	struct inner_shape udp = {.proto = 17, .len = 100}, arp = {.proto = 1};
	static uint8_t frame[INNER_FRAME_MAX];

	(void)state;
	begin();
	offer(&s);
	offer_mbuf(fake_eal_packet(pool, frame, inner_frame_write(frame, &udp), 0), 0, BOTH);
	inner_frame_write(frame, &arp);
	plain_put16(frame + 12, 0x0806);
	offer_mbuf(fake_eal_packet(pool, frame, 60, 0), 0, BOTH);
	s = tcp_segment_next(&s);
	assert_int_equal(offer(&s), 0);
	assert_int_equal(end(), 3);
}

/* What might be of any flow ends all. */
static void test_what_cannot_be_told_ends_all(void **state)
{
	struct tcp_segment s = tcp_segment_plain(1, 500), fragment = s;

	(void)state;
	begin();
	offer(&s);
	fragment.host = 9;
	fragment.frag = 5;
	offer(&fragment);
	s = tcp_segment_next(&s);
	assert_int_equal(offer(&s), -1);
	s = tcp_segment_next(&s);
	assert_int_equal(offer(&s), 2);
	assert_int_equal(end(), 3);
}

static void change_at_random(struct tcp_segment *s)
{
	const struct change *t = &changes[(unsigned)rand() % (sizeof(changes) / sizeof(*changes))];

	if (t->families & (s->v6 ? V6 : V4))
		t->change(s);
}

/* Some flows, with gaps, repetitions, and all that may differ. */
static void test_nothing_is_ever_reordered(void **state)
{
	unsigned merged = 0;

	(void)state;
	srand(2);
	for (unsigned k = 0; k < 2000; k++) {
		struct tcp_segment s[5];
		unsigned flow[MOST], flows = 1 + (unsigned)rand() % 5;

		for (unsigned f = 0; f < flows; f++) {
			s[f] = tcp_segment_plain((uint32_t)rand(), (uint16_t)(40 + rand() % 300));
			s[f].sport = (uint16_t)(7 + f);
			s[f].v6 = rand() % 2;
			s[f].frag = rand() % 2 ? 0x4000 : 0;
		}
		begin();
		for (unsigned i = 0; i < MOST; i++) {
			struct tcp_segment one;

			flow[i] = (unsigned)rand() % flows;
			one = s[flow[i]];
			if (rand() % 6 == 0)
				change_at_random(&one);
			offer(&one);
			if (rand() % 20)
				s[flow[i]] = tcp_segment_next(&s[flow[i]]);
		}
		assert_order(flow);
		merged += MOST - end();
	}
	assert_true(merged > 2000 * MOST / 4);
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
		begin();
		for (unsigned i = 0; i < 8; i++, s = tcp_segment_next(&s)) {
			uint32_t len;

			s.flags = i == 5 ? 0x18 : 0x10;
			len = tcp_segment_write(frame, &s);
			offer_mbuf(fake_eal_packet(pool, frame, len, pieces[k / 2]), 0, BOTH);
		}
		coalesce_end(&run.c);
		assert_int_equal(run.m[0]->pkt_len, run.len[0] + 5 * 1500);
		coalesce_undo(&run.c, 0);
		for (unsigned i = 0; i < 6; i++) {
			assert_int_equal(rte_mbuf_check(run.m[i], 1, NULL), 0);
			run.in[i] = (int)i;
		}
		assert_int_equal(end(), 7);
	}
}

/* More than there is room for stay alone, and nothing joins one that came before them. */
static void test_more_than_there_is_room_for(void **state)
{
	static struct coalescer c;
	static struct rte_mbuf *m[MOST + 2];
	static uint8_t frame[TCP_SEGMENT_MAX];
	struct tcp_segment s = tcp_segment_plain(1, 500);

	(void)state;
	coalesce_begin(&c);
	for (unsigned i = 0; i < MOST + 2; i++) {
		s.sport = (uint16_t)i;
		if (i == MOST + 1) {
			s.sport = MOST - 1;
			s = tcp_segment_next(&s);
		}
		m[i] = fake_eal_packet(pool, frame, tcp_segment_write(frame, &s), 0);
		assert_int_equal(coalesce_add(&c, m[i], 0, BOTH, (uint16_t)i), -1);
	}
	coalesce_end(&c);
	rte_pktmbuf_free_bulk(m, MOST + 2);
	assert_true(rte_mempool_full(pool));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_segments_become_what_they_were),
		cmocka_unit_test(test_random_segments_become_what_they_were),
		cmocka_unit_test(test_what_differs_does_not_join),
		cmocka_unit_test(test_a_first_one_with_a_wrong_sum),
		cmocka_unit_test(test_what_begins_nothing),
		cmocka_unit_test(test_what_others_refer_to_does_not_join),
		cmocka_unit_test(test_a_family_that_is_not_to_be_merged),
		cmocka_unit_test(test_flows_by_turns),
		cmocka_unit_test(test_lanes_are_apart),
		cmocka_unit_test(test_other_packets_end_nothing),
		cmocka_unit_test(test_what_cannot_be_told_ends_all),
		cmocka_unit_test(test_nothing_is_ever_reordered),
		cmocka_unit_test(test_taking_apart),
		cmocka_unit_test(test_more_than_there_is_room_for),
	};

	if (fake_eal_init("coalesce_test") < 0)
		return 1;
	pool = fake_eal_pool("coalesce", 1023);
	return cmocka_run_group_tests_name("coalesce", tests, NULL, NULL);
}
