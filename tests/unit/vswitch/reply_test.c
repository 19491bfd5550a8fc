/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers to the sender of a packet. */
#include "vswitch/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ip.h>

#include "tests/fake/eal.h"
#include "tests/fake/scene.h"
#include "vswitch/loop.h"

#define LONG_FRAME 1600 /* with an MTU of 1500 */

/* Guest 0 sends a UDP datagram with DF to guest 1 that is too long. */
static void send_long(struct scene *s)
{
	uint8_t frame[LONG_FRAME] = {0};
	struct rte_ipv4_hdr ip = {
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = RTE_BE16(LONG_FRAME - 14),
		.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = RTE_BE32(RTE_IPV4(10, 0, 0, 1)),
		.dst_addr = RTE_BE32(RTE_IPV4(10, 0, 0, 2)),
	};

	scene_mac(1, frame);
	scene_mac(0, frame + 6);
	frame[12] = 0x08;
	memcpy(frame + 14, &ip, sizeof(ip));
	frame[14 + sizeof(ip) + 4] = (LONG_FRAME - 34) >> 8;
	frame[14 + sizeof(ip) + 5] = (LONG_FRAME - 34) & 0xff;
	scene_send_bytes(&s->guest[0], frame, sizeof(frame));
}

static void test_a_packet_over_the_mtu_is_answered(void **state)
{
	struct scene *s = *state;
	uint32_t len;

	scene_introduce(s, 1);
	send_long(s);
	scene_turns(s, 3);
	/* Its first byte behind the Ethernet header. */
	assert_int_equal(scene_receive(&s->guest[0], &len), RTE_IPV4_VHL_DEF);
	assert_in_range(len, 14 + 20 + 8 + 28, 14 + 576);
	assert_int_equal(scene_counters(s, 0)->consumed, 1);
	assert_int_equal(scene_dropped(s, 0, DROP_OVER_MTU), 0);
	assert_int_equal(scene_received(s, 1), 0);
	assert_true(rte_mempool_full(s->guest[0].vm.pool));
}

static void test_answers_are_rate_limited(void **state)
{
	struct scene *s = *state;

	for (unsigned i = 0; i < REPLY_BURST + 5; i++)
		send_long(s);
	scene_turns(s, 3);
	assert_int_equal(scene_received(s, 0), REPLY_BURST);
	assert_int_equal(scene_counters(s, 0)->consumed, REPLY_BURST);
	assert_int_equal(scene_dropped(s, 0, DROP_OVER_MTU), 5);
	s->now += 1000000000 / REPLY_RATE;
	send_long(s);
	scene_turns(s, 3);
	assert_int_equal(scene_received(s, 0), 1);
}

static void test_without_a_receive_ring_there_is_no_answer(void **state)
{
	struct scene *s = *state;

	scene_enable(&s->guest[0], false);
	send_long(s);
	scene_turns(s, 3);
	assert_int_equal(scene_counters(s, 0)->consumed, 0);
	assert_int_equal(scene_dropped(s, 0, DROP_OVER_MTU), 1);
	assert_true(rte_mempool_full(s->guest[0].vm.pool));
}

/* What is not forwarded has taught the switch nothing. */
static void test_what_is_answered_is_not_learned(void **state)
{
	struct scene *s = *state;

	send_long(s);
	scene_turns(s, 3);
	assert_int_equal(scene_counters(s, 0)->consumed, 1);
	assert_int_equal(s->guest[0].port.macs, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_CASE(test_a_packet_over_the_mtu_is_answered),
		SCENE_CASE(test_answers_are_rate_limited),
		SCENE_CASE(test_without_a_receive_ring_there_is_no_answer),
		SCENE_CASE(test_what_is_answered_is_not_learned),
	};

	if (fake_eal_init("reply_test") < 0)
		return 1;
	return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
