/* SPDX-License-Identifier: BSD-3-Clause */
/* What coalescing merges, and what it leaves alone, however packets of flows come: those of a flow
 * keep their order. */
#include "tcp/coalesce.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "tests/fake/coalesce_run.h"
#include "tests/fake/eal.h"
#include "tests/fake/inner_frame.h"
#include "tests/fake/tcp_segment.h"

static struct rte_mempool *pool;
static struct coalesce_run run;

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
	run_begin(&run, pool);
	run_offer_segment(&run, &s);
	s = tcp_segment_next(&s);
	changed = s;
	t->change(&changed);
	run_offer_segment(&run, &changed);
	for (unsigned i = 0; i < 2; i++) {
		s = tcp_segment_next(&s);
		run_offer_segment(&run, &s);
	}
	left = run_end(&run);
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
	run_begin(&run, pool);
	s.is_sum_wrong = true;
	run_offer_segment(&run, &s);
	s.is_sum_wrong = false;
	for (unsigned i = 0; i < 3; i++) {
		s = tcp_segment_next(&s);
		run_offer_segment(&run, &s);
	}
	assert_int_equal(run.in[3], 1);
	assert_int_equal(run_end(&run), 2);
}

/* Nothing joins a packet with PSH, nor a short one. */
static void test_what_begins_nothing(void **state)
{
	static const uint16_t lens[] = {47, 48, 49};
	struct tcp_segment s = tcp_segment_plain(1, 1000);

	(void)state;
	run_begin(&run, pool);
	for (unsigned i = 0; i < 3; i++, s = tcp_segment_next(&s)) {
		s.flags = i == 0 ? 0x18 : 0x10;
		run_offer_segment(&run, &s);
	}
	assert_int_equal(run.in[2], 1);
	assert_int_equal(run_end(&run), 2);
	for (unsigned k = 0; k < 3; k++) {
		s = tcp_segment_plain(1, lens[k]);
		run_begin(&run, pool);
		run_offer_segment(&run, &s);
		s = tcp_segment_next(&s);
		run_offer_segment(&run, &s);
		assert_int_equal(run_end(&run), lens[k] < COALESCE_LEAST_PAYLOAD ? 2 : 1);
	}
}

/* Others see the same bytes. */
static void test_what_others_refer_to_does_not_join(void **state)
{
	struct tcp_segment s = tcp_segment_plain(1, 1000);
	struct rte_mbuf *last[3];

	(void)state;
	for (unsigned k = 0; k < 6; k++) {
		unsigned shared = k % 3;

		run_begin(&run, pool);
		for (unsigned i = 0; i < 3; i++, s = tcp_segment_next(&s)) {
			static uint8_t frame[TCP_SEGMENT_MAX];
			uint32_t len = tcp_segment_write(frame, &s);
			struct rte_mbuf *m = fake_eal_packet(pool, frame, len, k < 3 ? 0 : 600);

			/* Who lets go of a packet may be done with its first part only. */
			last[i] = rte_pktmbuf_lastseg(m);
			if (i == shared)
				rte_mbuf_refcnt_update(last[i], 1);
			run_offer(&run, m, 0, RUN_BOTH);
		}
		rte_mbuf_refcnt_update(last[shared], -1);
		assert_int_equal(run_end(&run), shared == 1 ? 3 : 2);
	}
}

static void test_a_family_that_is_not_to_be_merged(void **state)
{
	static uint8_t frame[TCP_SEGMENT_MAX];

	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		for (uint8_t families = 0; families <= RUN_BOTH; families++) {
			struct tcp_segment s = tcp_segment_plain(1, 1000);
			bool merges = families & (v6 ? COALESCE_IPV6 : COALESCE_IPV4);

			s.v6 = v6;
			run_begin(&run, pool);
			for (unsigned i = 0; i < 4; i++, s = tcp_segment_next(&s)) {
				uint32_t len = tcp_segment_write(frame, &s);

				run_offer(&run, fake_eal_packet(pool, frame, len, 0), 0, families);
			}
			assert_int_equal(run_end(&run), merges ? 1 : 4);
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
		unsigned rounds = RUN_MOST / flows, flow[RUN_MOST];

		run_begin(&run, pool);
		for (unsigned r = 0; r < rounds; r++) {
			for (unsigned f = 0; f < flows; f++) {
				struct tcp_segment s = tcp_segment_plain(1 + r * 500, 500);

				s.sport = (uint16_t)(5000 + f / 2);
				s.host = (uint8_t)(f % 2);
				s.v6 = f % 4 == 2;
				flow[run.n] = f;
				run_offer_segment(&run, &s);
			}
		}
		run_assert_order(&run, flow);
		assert_int_equal(run_end(&run), flows <= COALESCE_WINDOW ? flows : flows * rounds);
	}
}

static void test_lanes_are_apart(void **state)
{
	struct tcp_segment s = tcp_segment_plain(1, 500);
	static uint8_t frame[TCP_SEGMENT_MAX];

	(void)state;
	run_begin(&run, pool);
	for (unsigned i = 0; i < 6; i++) {
		struct rte_mbuf *m = fake_eal_packet(pool, frame, tcp_segment_write(frame, &s), 0);

		assert_int_equal(run_offer(&run, m, (uint16_t)(i % 2), RUN_BOTH),
				 i < 2 ? -1 : (int)i % 2);
		if (i % 2)
			s = tcp_segment_next(&s);
	}
	assert_int_equal(run_end(&run), 2);
}

/* Anything may come between: what is of another protocol ends nothing. */
static void test_other_packets_end_nothing(void **state)
{
	struct tcp_segment s = tcp_segment_plain(1, 500);
	struct inner_shape udp = {.proto = 17, .len = 100}, arp = {.proto = 1};
	static uint8_t frame[INNER_FRAME_MAX];

	(void)state;
	run_begin(&run, pool);
	run_offer_segment(&run, &s);
	run_offer(&run, fake_eal_packet(pool, frame, inner_frame_write(frame, &udp), 0), 0,
		  RUN_BOTH);
	inner_frame_write(frame, &arp);
	plain_put16(frame + 12, 0x0806);
	run_offer(&run, fake_eal_packet(pool, frame, 60, 0), 0, RUN_BOTH);
	s = tcp_segment_next(&s);
	assert_int_equal(run_offer_segment(&run, &s), 0);
	assert_int_equal(run_end(&run), 3);
}

/* What might be of any flow ends all. */
static void test_what_cannot_be_told_ends_all(void **state)
{
	struct tcp_segment s = tcp_segment_plain(1, 500), fragment = s;

	(void)state;
	run_begin(&run, pool);
	run_offer_segment(&run, &s);
	fragment.host = 9;
	fragment.frag = 5;
	run_offer_segment(&run, &fragment);
	s = tcp_segment_next(&s);
	assert_int_equal(run_offer_segment(&run, &s), -1);
	s = tcp_segment_next(&s);
	assert_int_equal(run_offer_segment(&run, &s), 2);
	assert_int_equal(run_end(&run), 3);
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
		unsigned flow[RUN_MOST], flows = 1 + (unsigned)rand() % 5;

		for (unsigned f = 0; f < flows; f++) {
			s[f] = tcp_segment_plain((uint32_t)rand(), (uint16_t)(40 + rand() % 300));
			s[f].sport = (uint16_t)(7 + f);
			s[f].v6 = rand() % 2;
			s[f].frag = rand() % 2 ? 0x4000 : 0;
		}
		run_begin(&run, pool);
		for (unsigned i = 0; i < RUN_MOST; i++) {
			struct tcp_segment one;

			flow[i] = (unsigned)rand() % flows;
			one = s[flow[i]];
			if (rand() % 6 == 0)
				change_at_random(&one);
			run_offer_segment(&run, &one);
			if (rand() % 20)
				s[flow[i]] = tcp_segment_next(&s[flow[i]]);
		}
		run_assert_order(&run, flow);
		merged += RUN_MOST - run_end(&run);
	}
	assert_true(merged > 2000 * RUN_MOST / 4);
}

/* Frames that are cut off, or of which any bytes differ, among those of a flow: each is passed on
 * as it came. */
static void test_anything_may_come(void **state)
{
	static uint8_t frame[TCP_SEGMENT_MAX];

	(void)state;
	srand(3);
	for (unsigned k = 0; k < 2000; k++) {
		struct tcp_segment s = tcp_segment_plain(1, 100);

		s.v6 = k % 2;
		s.vlan = k % 4 > 1;
		run_begin(&run, pool);
		for (unsigned i = 0; i < RUN_MOST; i++, s = tcp_segment_next(&s)) {
			uint32_t len = tcp_segment_write(frame, &s), pieces = rand() % 4 ? 0 : 80;

			if (rand() % 4 == 0)
				len = 1 + (uint32_t)rand() % len;
			for (int n = rand() % 4 ? 0 : 3; n > 0; n--)
				frame[(uint32_t)rand() % len] = (uint8_t)rand();
			run_offer(&run, fake_eal_packet(pool, frame, len, pieces), 0, RUN_BOTH);
		}
		run_end(&run);
	}
}

/* More than there is room for stay alone, and nothing joins one that came before them. */
static void test_more_than_there_is_room_for(void **state)
{
	static struct coalescer c;
	static struct rte_mbuf *m[RUN_MOST + 2];
	static uint8_t frame[TCP_SEGMENT_MAX];
	struct tcp_segment s = tcp_segment_plain(1, 500);

	(void)state;
	coalesce_begin(&c);
	for (unsigned i = 0; i < RUN_MOST + 2; i++) {
		s.sport = (uint16_t)i;
		if (i == RUN_MOST + 1) {
			s.sport = RUN_MOST - 1;
			s = tcp_segment_next(&s);
		}
		m[i] = fake_eal_packet(pool, frame, tcp_segment_write(frame, &s), 0);
		assert_int_equal(coalesce_add(&c, m[i], 0, RUN_BOTH, (uint16_t)i), -1);
	}
	coalesce_end(&c);
	rte_pktmbuf_free_bulk(m, RUN_MOST + 2);
	assert_true(rte_mempool_full(pool));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
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
		cmocka_unit_test(test_anything_may_come),
		cmocka_unit_test(test_more_than_there_is_room_for),
	};

	if (fake_eal_init("coalesce_test") < 0)
		return 1;
	pool = fake_eal_pool("coalesce", 1023);
	return cmocka_run_group_tests_name("coalesce", tests, NULL, NULL);
}
