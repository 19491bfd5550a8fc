/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages about neighbours: right ones, wrong ones, and answers. */
#include "pkt/neigh_msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "tests/fake/eal.h"
#include "tests/fake/inner_frame.h"
#include "tests/fake/neigh_frame.h"

static struct rte_mempool *pool;

static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 1}, mac_b[6] = {2, 0, 0, 0, 0, 2};

/* Parses a frame in a buffer that ends where it does. */
static bool parse(const uint8_t *frame, uint32_t len, struct neigh_msg *msg)
{
	struct rte_mbuf *m = fake_eal_packet(pool, frame, len, 0);
	bool is_one = neigh_msg_parse(m, msg);

	rte_pktmbuf_free(m);
	return is_one;
}

static void assert_ip(const struct ip_addr *a, uint8_t n, bool v6)
{
	uint8_t ip[16];

	neigh_ip(n, v6, ip);
	assert_int_equal(a->is_v6, v6);
	assert_memory_equal(a->bytes, ip, 16);
}

/* --- right ones --------------------------------------------------------------------------------
 */

static void test_questions(void **state)
{
	uint8_t frame[NEIGH_FRAME_MAX];
	struct neigh_msg msg;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		uint32_t len = v6 ? nd_solicitation(frame, mac_a, 1, 2)
				  : arp_request(frame, mac_a, 1, 2);

		assert_true(parse(frame, len, &msg));
		assert_int_equal(msg.kind, NEIGH_QUESTION);
		/* A solicitation does not tell whether its sender is a router. */
		assert_int_equal(msg.claims, !v6);
		assert_memory_equal(msg.mac, mac_a, 6);
		assert_ip(&msg.sender, 1, v6);
		assert_ip(&msg.target, 2, v6);
	}
}

static void test_probes(void **state)
{
	uint8_t frame[NEIGH_FRAME_MAX];
	struct neigh_msg msg;
	uint32_t len;

	(void)state;
	assert_true(parse(frame, arp_request(frame, mac_a, 0, 2), &msg));
	assert_int_equal(msg.kind, NEIGH_PROBE);
	assert_false(msg.claims);
	assert_ip(&msg.target, 2, false);
	len = nd_solicitation(frame, mac_a, 0, 2);
	assert_true(parse(frame, len, &msg));
	assert_int_equal(msg.kind, NEIGH_PROBE);
	assert_false(msg.claims);
	assert_ip(&msg.target, 2, true);
	/* With a nonce, as Linux has it (RFC 7527). */
	frame[len] = 14;
	frame[len + 1] = 1;
	plain_put16(frame + ND_LEN_AT, (uint16_t)(len + 8 - ND_ICMP_AT));
	nd_fill_sum(frame);
	assert_true(parse(frame, len + 8, &msg));
	assert_int_equal(msg.kind, NEIGH_PROBE);
}

static void test_claims(void **state)
{
	uint8_t frame[NEIGH_FRAME_MAX];
	struct neigh_msg msg;

	(void)state;
	assert_true(parse(frame, arp_reply(frame, mac_a, 1, mac_b, 2), &msg));
	assert_int_equal(msg.kind, NEIGH_NEWS);
	assert_true(msg.claims);
	assert_ip(&msg.sender, 1, false);
	/* A gratuitous request asks nothing. */
	assert_true(parse(frame, arp_request(frame, mac_a, 1, 1), &msg));
	assert_int_equal(msg.kind, NEIGH_NEWS);
	assert_true(msg.claims);
	for (int i = 0; i < 4; i++) {
		uint8_t flags = (uint8_t)((i & 1 ? 0x80 : 0) | (i & 2 ? 0x20 : 0));

		assert_true(parse(frame, nd_advertisement(frame, mac_a, 1, mac_b, 2, flags | 0x40),
				  &msg));
		assert_int_equal(msg.kind, NEIGH_NEWS);
		assert_true(msg.claims);
		assert_ip(&msg.sender, 1, true);
		assert_int_equal(msg.flags,
				 (i & 1 ? NEIGH_ROUTER : 0) | (i & 2 ? NEIGH_OVERRIDE : 0));
	}
	assert_true(parse(frame, nd_advertisement(frame, mac_a, 1, NULL, 0, 0x20), &msg));
	assert_true(msg.claims);
}

/* --- wrong ones --------------------------------------------------------------------------------
 */

/* A frame with some bytes of others. */
struct wrong {
	const char *what;
	uint8_t at, n, bytes[16];
	bool keeps_sum;
};

static const struct wrong wrong_arp[] = {
	{"other hardware", 14, 2, {0, 6}, false},
	{"another protocol", 16, 2, {0x86, 0xdd}, false},
	{"a MAC address of 8 bytes", 18, 1, {8}, false},
	{"an address of 16 bytes", 19, 1, {16}, false},
	{"no operation", ARP_OP_AT, 2, {0, 0}, false},
	{"RARP's", ARP_OP_AT, 2, {0, 3}, false},
	{"another operation", ARP_OP_AT, 2, {1, 1}, false},
	{"somebody else's MAC address", ARP_SHA_AT, 6, {2, 0, 0, 0, 0, 2}, false},
	{"from loopback", ARP_SPA_AT, 4, {127, 0, 0, 1}, false},
	{"from a group", ARP_SPA_AT, 4, {239, 1, 1, 1}, false},
	{"from all", ARP_SPA_AT, 4, {255, 255, 255, 255}, false},
	{"a VLAN tag", 12, 4, {0x81, 0, 0, 7}, false},
};

static const struct wrong wrong_nd[] = {
	{"IP version 4", 14, 1, {0x40}, false},
	{"through a router", ND_HOPS_AT, 1, {254}, false},
	{"a wrong checksum", ND_ICMP_AT + 2, 2, {0, 1}, true},
	{"another code", ND_ICMP_AT + 1, 1, {1}, false},
	{"another type", ND_ICMP_AT, 1, {137}, false},
	{"a router's solicitation", ND_ICMP_AT, 1, {133}, false},
	{"shorter than its header", ND_LEN_AT, 2, {0, 23}, true},
	{"longer than the packet", ND_LEN_AT, 2, {0, 40}, true},
	{"longer than all packets", ND_LEN_AT, 2, {255, 255}, true},
	{"half an option", ND_LEN_AT, 2, {0, 28}, false},
	{"an option of no length", ND_OPTION_AT + 1, 1, {0}, false},
	{"an option beyond the end", ND_OPTION_AT + 1, 1, {2}, false},
	{"a longer option than there is", ND_OPTION_AT + 1, 1, {255}, false},
	{"somebody else's MAC address", ND_OPTION_AT + 2, 6, {2, 0, 0, 0, 0, 2}, false},
	{"about a group", ND_TARGET_AT, 2, {0xff, 2}, false},
	{"about nobody", ND_TARGET_AT, 16, {0}, false},
	{"another protocol", 20, 1, {17}, true},
	{"a VLAN tag", 12, 4, {0x81, 0, 0, 7}, true},
};

static void assert_all_wrong(const uint8_t *right, uint32_t len, const struct wrong *w, size_t n)
{
	uint8_t frame[NEIGH_FRAME_MAX];
	struct neigh_msg msg;

	assert_true(parse(right, len, &msg));
	for (size_t i = 0; i < n; i++) {
		memcpy(frame, right, sizeof(frame));
		memcpy(frame + w[i].at, w[i].bytes, w[i].n);
		if (!w[i].keeps_sum && frame[12] == 0x86)
			nd_fill_sum(frame);
		if (parse(frame, len, &msg))
			fail_msg("%s is taken", w[i].what);
	}
}

static void test_what_is_wrong_is_not_relied_upon(void **state)
{
	uint8_t frame[NEIGH_FRAME_MAX];
	uint32_t len;

	(void)state;
	len = arp_request(frame, mac_a, 1, 2);
	assert_all_wrong(frame, len, wrong_arp, sizeof(wrong_arp) / sizeof(wrong_arp[0]));
	len = arp_reply(frame, mac_a, 1, mac_b, 2);
	assert_all_wrong(frame, len, wrong_arp, sizeof(wrong_arp) / sizeof(wrong_arp[0]));
	len = nd_solicitation(frame, mac_a, 1, 2);
	assert_all_wrong(frame, len, wrong_nd, sizeof(wrong_nd) / sizeof(wrong_nd[0]));
	len = nd_advertisement(frame, mac_a, 1, mac_b, 2, 0x60);
	assert_all_wrong(frame, len, wrong_nd, sizeof(wrong_nd) / sizeof(wrong_nd[0]));
}

static void test_truncated_ones_are_none(void **state)
{
	uint8_t frame[NEIGH_FRAME_MAX];
	struct neigh_msg msg;
	uint32_t len;

	(void)state;
	for (uint32_t n = 14; n < ARP_FRAME_LEN; n++) {
		arp_request(frame, mac_a, 1, 2);
		assert_false(parse(frame, n, &msg));
	}
	len = nd_solicitation(frame, mac_a, 1, 2);
	for (uint32_t n = 14; n < len; n++)
		assert_false(parse(frame, n, &msg));
	/* Padding, and what lies in a second segment. */
	assert_true(parse(frame, NEIGH_FRAME_MAX, &msg));
	{
		struct rte_mbuf *m = fake_eal_packet(pool, frame, len, len - 4);

		assert_false(neigh_msg_parse(m, &msg));
		rte_pktmbuf_free(m);
	}
}

/* Only the neighbour itself can answer a signed question, or vouch for a signed answer. */
static void test_options_of_others_are_left_alone(void **state)
{
	uint8_t frame[NEIGH_FRAME_MAX];
	struct neigh_msg msg;

	(void)state;
	for (int is_answer = 0; is_answer < 2; is_answer++) {
		uint32_t len = is_answer ? nd_advertisement(frame, mac_a, 1, mac_b, 2, 0x60)
					 : nd_solicitation(frame, mac_a, 1, 2);

		assert_true(parse(frame, len, &msg));
		frame[len] = 14;
		frame[len + 1] = 1;
		plain_put16(frame + ND_LEN_AT, (uint16_t)(len + 8 - ND_ICMP_AT));
		nd_fill_sum(frame);
		assert_false(parse(frame, len + 8, &msg));
	}
}

static void test_advertisements_without_an_address_claim_nothing(void **state)
{
	uint8_t frame[NEIGH_FRAME_MAX];
	struct neigh_msg msg;

	(void)state;
	nd_advertisement(frame, mac_a, 1, mac_b, 2, 0x60);
	plain_put16(frame + ND_LEN_AT, 24);
	nd_fill_sum(frame);
	assert_true(parse(frame, ND_OPTION_AT, &msg));
	assert_false(msg.claims);
	assert_true(msg.hints);
	assert_ip(&msg.sender, 1, true);
	/* One to all cannot have been asked for. */
	assert_false(parse(frame, nd_advertisement(frame, mac_a, 1, NULL, 0, 0x60), &msg));
}

static void test_noise_is_none(void **state)
{
	uint8_t frame[NEIGH_FRAME_MAX];
	struct neigh_msg msg;

	(void)state;
	srand(1);
	for (int i = 0; i < 100000; i++) {
		uint32_t len = 14 + (uint32_t)rand() % (NEIGH_FRAME_MAX - 14);

		if (i % 2)
			arp_request(frame, mac_a, 1, 2);
		else
			nd_solicitation(frame, mac_a, 1, 2);
		for (int k = rand() % 4; k >= 0; k--)
			frame[rand() % NEIGH_FRAME_MAX] = (uint8_t)rand();
		if (parse(frame, len, &msg))
			assert_memory_equal(msg.mac, frame + 6, 6);
	}
}

/* --- answers -----------------------------------------------------------------------------------
 */

static void test_answers_are_the_targets_own(void **state)
{
	uint8_t frame[NEIGH_FRAME_MAX], expected[NEIGH_FRAME_MAX];
	struct neigh_msg msg;

	(void)state;
	for (int i = 0; i < 5; i++) {
		bool v6 = i > 0;
		uint8_t flags = (uint8_t)(i & 3);
		uint32_t len = v6 ? nd_solicitation(frame, mac_a, 1, 2)
				  : arp_request(frame, mac_a, 1, 2);
		struct rte_mbuf *m;

		assert_true(parse(frame, len, &msg));
		m = neigh_msg_answer(&msg, mac_b, flags, pool);
		assert_non_null(m);
		if (v6)
			len = nd_advertisement(expected, mac_b, 2, mac_a, 1,
					       0x40 | (flags & NEIGH_ROUTER ? 0x80 : 0) |
						       (flags & NEIGH_OVERRIDE ? 0x20 : 0));
		else
			len = arp_reply(expected, mac_b, 2, mac_a, 1);
		assert_int_equal(m->pkt_len, len);
		assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), expected, len);
		rte_pktmbuf_free(m);
	}
}

static void test_an_empty_pool_gives_no_answer(void **state)
{
	struct rte_mempool *small = fake_eal_pool("small", 1);
	struct rte_mbuf *last = rte_pktmbuf_alloc(small);
	uint8_t frame[NEIGH_FRAME_MAX];
	struct neigh_msg msg;

	(void)state;
	assert_non_null(last);
	assert_true(parse(frame, arp_request(frame, mac_a, 1, 2), &msg));
	assert_null(neigh_msg_answer(&msg, mac_b, 0, small));
	rte_pktmbuf_free(last);
	rte_mempool_free(small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_questions),
		cmocka_unit_test(test_probes),
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_what_is_wrong_is_not_relied_upon),
		cmocka_unit_test(test_truncated_ones_are_none),
		cmocka_unit_test(test_options_of_others_are_left_alone),
		cmocka_unit_test(test_advertisements_without_an_address_claim_nothing),
		cmocka_unit_test(test_noise_is_none),
		cmocka_unit_test(test_answers_are_the_targets_own),
		cmocka_unit_test(test_an_empty_pool_gives_no_answer),
	};

	if (fake_eal_init("neigh_msg_test") < 0)
		return 1;
	pool = fake_eal_pool("packets", 63);
	return cmocka_run_group_tests_name("neigh_msg", tests, NULL, NULL);
}
