/* SPDX-License-Identifier: BSD-3-Clause */
/* ARP and ND suppression in whole turns of the loop: which questions are answered, where others go,
 * and who pays. What packets teach is in suppress_learn_test.c. */
#include "vswitch/suppress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "pkt/neigh_msg.h"
#include "tests/fake/eal.h"
#include "tests/fake/inner_frame.h"
#include "tests/fake/neigh_frame.h"
#include "tests/fake/suppress_scene.h"
#include "vswitch/reply.h"

#define HOST 50

/* A station behind HOST is known to have an address. */
static void know_remote(struct wire_scene *ws, bool v6)
{
	uint8_t mac[6];

	wire_host_mac(HOST, mac);
	wire_introduce(ws, HOST);
	suppress_add(ws, REMOTE_IP, v6, mac, NEIGH_OVERRIDE);
}

static void test_the_switch_answers_for_other_hosts(void **state)
{
	struct wire_scene *ws = *state;
	uint8_t mine[6], theirs[6], expected[NEIGH_FRAME_MAX], frame[NEIGH_FRAME_MAX];
	uint32_t len;

	scene_mac(0, mine);
	wire_host_mac(HOST, theirs);
	wire_introduce(ws, HOST);
	for (int v6 = 0; v6 < 2; v6++) {
		suppress_add(ws, REMOTE_IP, v6, theirs, NEIGH_OVERRIDE);
		suppress_ask(ws, 0, v6, GUEST_IP, REMOTE_IP);
		len = v6 ? nd_advertisement(expected, theirs, REMOTE_IP, mine, GUEST_IP, 0x60)
			 : arp_reply(expected, theirs, REMOTE_IP, mine, GUEST_IP);
		assert_int_equal(scene_receive_frame(&ws->s->guest[0], frame, sizeof(frame)), len);
		assert_memory_equal(frame, expected, len);
		suppress_assert_nobody_was_asked(ws);
		assert_int_equal(scene_counters(ws->s, 0)->consumed, v6 + 1);
		assert_int_equal(scene_counters(ws->s, 0)->suppressed, v6 + 1);
		assert_int_equal(scene_counters(ws->s, 0)->flooded, 0);
	}
	/* The question has taught where the guest is, as one that goes to all does. */
	assert_int_equal(fdb_lookup(ws->s->net[0].fdb, fdb_mac(mine)), ws->s->guest[0].port.id);
}

/* Hosts give a router up that says that it is none. */
static void test_routers_are_called_routers(void **state)
{
	struct wire_scene *ws = *state;
	uint8_t theirs[6], frame[NEIGH_FRAME_MAX];

	wire_host_mac(HOST, theirs);
	wire_introduce(ws, HOST);
	suppress_add(ws, REMOTE_IP, true, theirs, NEIGH_ROUTER);
	suppress_ask(ws, 0, true, GUEST_IP, REMOTE_IP);
	assert_true(scene_receive_frame(&ws->s->guest[0], frame, sizeof(frame)) > 0);
	assert_int_equal(frame[ND_FLAGS_AT], 0x80 | 0x40);
	assert_true(nd_has_right_sum(frame));
}

static void test_what_is_not_known_is_flooded(void **state)
{
	struct wire_scene *ws = *state;
	uint8_t theirs[6];

	wire_host_mac(HOST, theirs);
	for (int v6 = 0; v6 < 2; v6++) {
		suppress_ask(ws, 0, v6, GUEST_IP, REMOTE_IP);
		suppress_assert_all_were_asked(ws);
		/* Nor is one whose MAC address is nowhere. */
		suppress_add(ws, REMOTE_IP, v6, theirs, NEIGH_OVERRIDE);
		suppress_ask(ws, 0, v6, GUEST_IP, REMOTE_IP);
		suppress_assert_all_were_asked(ws);
	}
	assert_int_equal(scene_counters(ws->s, 0)->consumed, 0);
}

static void test_a_port_is_asked_alone(void **state)
{
	struct wire_scene *ws = *state;
	uint8_t mac[6];
	uint32_t len;

	scene_mac(2, mac);
	wire_introduce_guest(ws, 2);
	for (int v6 = 0; v6 < 2; v6++) {
		suppress_add(ws, LOCAL_IP, v6, mac, NEIGH_OVERRIDE);
		suppress_ask(ws, 0, v6, GUEST_IP, LOCAL_IP);
		assert_true(scene_receive(&ws->s->guest[2], &len) >= 0);
		assert_int_equal(len, v6 ? ND_FRAME_LEN : ARP_FRAME_LEN);
		suppress_assert_nobody_was_asked(ws);
	}
	assert_int_equal(scene_received(ws->s, 0), 0);
	assert_int_equal(scene_counters(ws->s, 0)->forwarded, 2);
	assert_int_equal(scene_counters(ws->s, 0)->flooded, 0);
	/* A stale place is not followed: the port has left the network. */
	ws->s->guest[2].port.bridge = &ws->s->net[1];
	suppress_ask(ws, 0, false, GUEST_IP, LOCAL_IP);
	assert_int_equal(scene_counters(ws->s, 0)->flooded, 1);
	scene_receive_all(ws->s);
	wire_take_all(ws);
	ws->s->guest[2].port.bridge = &ws->s->net[0];
}

/* A guest that is a bridge may have asker and neighbour behind the same port. */
static void test_a_port_is_not_told_of_itself(void **state)
{
	struct wire_scene *ws = *state;
	uint8_t mac[6];

	scene_mac(0, mac);
	wire_introduce_guest(ws, 0);
	suppress_add(ws, LOCAL_IP, false, mac, NEIGH_OVERRIDE);
	suppress_ask(ws, 0, false, GUEST_IP, LOCAL_IP);
	suppress_assert_all_were_asked(ws);
}

/* Else nobody would notice that an address is there twice. */
static void test_probes_and_announcements_are_flooded(void **state)
{
	struct wire_scene *ws = *state;
	uint8_t frame[NEIGH_FRAME_MAX], mine[6], theirs[6];

	scene_mac(0, mine);
	wire_host_mac(HOST, theirs);
	wire_introduce(ws, HOST);
	for (int v6 = 0; v6 < 2; v6++) {
		suppress_add(ws, REMOTE_IP, v6, theirs, NEIGH_OVERRIDE);
		suppress_ask(ws, 0, v6, 0, REMOTE_IP);
		suppress_assert_all_were_asked(ws);
	}
	suppress_send(ws, 0, frame, arp_request(frame, mine, REMOTE_IP, REMOTE_IP));
	suppress_assert_all_were_asked(ws);
	suppress_send(ws, 0, frame, arp_reply(frame, mine, REMOTE_IP, scene_all, REMOTE_IP));
	suppress_assert_all_were_asked(ws);
	suppress_send(ws, 0, frame, nd_advertisement(frame, mine, REMOTE_IP, NULL, 0, 0x20));
	suppress_assert_all_were_asked(ws);
	assert_int_equal(scene_counters(ws->s, 0)->consumed, 0);
}

/* A question to one station checks whether it is still there. */
static void test_questions_to_one_station_reach_it(void **state)
{
	struct wire_scene *ws = *state;
	uint8_t frame[NEIGH_FRAME_MAX], mine[6], theirs[6];
	struct wire_sent sent;
	uint32_t len;

	scene_mac(0, mine);
	wire_host_mac(HOST, theirs);
	wire_introduce(ws, HOST);
	for (int v6 = 0; v6 < 2; v6++) {
		suppress_add(ws, REMOTE_IP, v6, theirs, NEIGH_OVERRIDE);
		len = v6 ? nd_solicitation(frame, mine, GUEST_IP, REMOTE_IP)
			 : arp_request(frame, mine, GUEST_IP, REMOTE_IP);
		memcpy(frame, theirs, 6);
		suppress_send(ws, 0, frame, len);
		assert_true(wire_take(ws, &sent));
		assert_int_equal(sent.host, HOST);
		suppress_assert_nobody_was_asked(ws);
		/* To one that is not known, it goes to all. */
		frame[5]++;
		suppress_send(ws, 0, frame, len);
		suppress_assert_all_were_asked(ws);
	}
	assert_int_equal(scene_received(ws->s, 0), 0);
}

static void test_hostile_questions_are_not_answered(void **state)
{
	struct wire_scene *ws = *state;
	uint8_t frame[NEIGH_FRAME_MAX], mine[6], theirs[6];
	uint32_t len;

	scene_mac(0, mine);
	wire_host_mac(HOST, theirs);
	wire_introduce(ws, HOST);
	for (int v6 = 0; v6 < 2; v6++)
		suppress_add(ws, REMOTE_IP, v6, theirs, NEIGH_OVERRIDE);
	/* In the name of another station. */
	arp_request(frame, mine, GUEST_IP, REMOTE_IP);
	frame[ARP_SHA_AT + 5]++;
	suppress_send(ws, 0, frame, ARP_FRAME_LEN);
	suppress_assert_all_were_asked(ws);
	/* Truncated, with other lengths, a wrong checksum. */
	suppress_send(ws, 0, frame, arp_request(frame, mine, GUEST_IP, REMOTE_IP) - 1);
	suppress_assert_all_were_asked(ws);
	arp_request(frame, mine, GUEST_IP, REMOTE_IP);
	frame[18] = 255;
	suppress_send(ws, 0, frame, ARP_FRAME_LEN);
	suppress_assert_all_were_asked(ws);
	suppress_send(ws, 0, frame, nd_solicitation(frame, mine, GUEST_IP, REMOTE_IP) - 1);
	suppress_assert_all_were_asked(ws);
	len = nd_solicitation(frame, mine, GUEST_IP, REMOTE_IP);
	frame[ND_ICMP_AT + 3]++;
	suppress_send(ws, 0, frame, len);
	suppress_assert_all_were_asked(ws);
	suppress_send(ws, 0, frame, 14 + 7);
	suppress_assert_all_were_asked(ws);
	/* In a VLAN, of which the neighbour may be another's. */
	len = arp_request(frame, mine, GUEST_IP, REMOTE_IP);
	memmove(frame + 16, frame + 12, len - 12);
	memcpy(frame + 12, (const uint8_t[]){0x81, 0, 0, 7}, 4);
	suppress_send(ws, 0, frame, len + 4);
	suppress_assert_all_were_asked(ws);
	assert_int_equal(scene_counters(ws->s, 0)->consumed, 0);
}

static void test_networks_that_do_not_suppress_flood(void **state)
{
	struct wire_scene *ws = *state;

	know_remote(ws, false);
	atomic_store(&ws->s->guest[0].port.stages, 0);
	suppress_ask(ws, 0, false, GUEST_IP, REMOTE_IP);
	suppress_assert_all_were_asked(ws);
	assert_int_equal(ws->s->w->ledger.vm[ws->s->guest[0].vm.id][STAGE_SUPPRESS], 0);
}

/* Beyond the limit questions go to all, as without suppression. */
static void test_answers_are_rate_limited(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	uint8_t frame[NEIGH_FRAME_MAX], mine[6];

	scene_mac(0, mine);
	know_remote(ws, false);
	arp_request(frame, mine, GUEST_IP, REMOTE_IP);
	for (unsigned i = 0; i < REPLY_QUESTION_BURST + 5; i++)
		scene_send_bytes(&s->guest[0], frame, ARP_FRAME_LEN);
	scene_turns(s, 5);
	assert_int_equal(scene_received(s, 0), REPLY_QUESTION_BURST);
	assert_int_equal(scene_counters(s, 0)->suppressed, REPLY_QUESTION_BURST);
	assert_int_equal(scene_received(s, 1), 5);
	assert_int_equal(wire_take_all(ws), 5 * WIRE_FLOODED);
	s->now += 1000000000 / REPLY_QUESTION_RATE;
	suppress_ask(ws, 0, false, GUEST_IP, REMOTE_IP);
	assert_int_equal(scene_received(s, 0), 1);
	/* Another port has a limit of its own. */
	suppress_ask(ws, 1, false, GUEST_IP, REMOTE_IP);
	assert_int_equal(scene_received(s, 1), 1);
	scene_receive_all(s);
}

/* What is answered is for nobody else: the limit of what is for all does not hold for it. */
static void test_answered_questions_are_no_floods(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	know_remote(ws, false);
	pps_set(&s->guest[0].port.floods, 1);
	suppress_ask(ws, 0, false, GUEST_IP, LOCAL_IP);
	suppress_assert_all_were_asked(ws);
	for (unsigned i = 0; i < 5; i++)
		suppress_ask(ws, 0, false, GUEST_IP, REMOTE_IP);
	assert_int_equal(scene_received(s, 0), 5);
	assert_int_equal(scene_dropped(s, 0, DROP_FLOOD_LIMIT), 0);
	suppress_ask(ws, 0, false, GUEST_IP, LOCAL_IP);
	assert_int_equal(scene_dropped(s, 0, DROP_FLOOD_LIMIT), 1);
	suppress_assert_nobody_was_asked(ws);
}

static void test_without_a_receive_ring_all_are_asked(void **state)
{
	struct wire_scene *ws = *state;

	know_remote(ws, false);
	scene_enable(&ws->s->guest[0], false);
	suppress_ask(ws, 0, false, GUEST_IP, REMOTE_IP);
	suppress_assert_all_were_asked(ws);
	assert_int_equal(scene_counters(ws->s, 0)->consumed, 0);
}

/* With so little time that most packets go back into the ring, each is answered once. */
static void test_each_is_answered_once_whatever_the_time(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	uint8_t frame[NEIGH_FRAME_MAX], mine[6];
	const unsigned n = REPLY_QUESTION_BURST;

	scene_mac(0, mine);
	know_remote(ws, true);
	nd_solicitation(frame, mine, GUEST_IP, REMOTE_IP);
	for (unsigned i = 0; i < n; i++) {
		scene_send_bytes(&s->guest[0], frame, ND_FRAME_LEN);
		scene_send_to(s, 0, 3, (uint8_t)i);
	}
	s->meanwhile = scene_take_long;
	scene_turns(s, 100);
	s->meanwhile = NULL;
	assert_int_equal(scene_counters(s, 0)->in, 2 * n);
	assert_int_equal(scene_counters(s, 0)->suppressed, n);
	assert_int_equal(scene_received(s, 0), n);
	assert_int_equal(scene_received(s, 3), n);
}

/* The asker pays, and ports of other networks pay nothing. */
static void test_who_asks_pays(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	know_remote(ws, false);
	suppress_ask(ws, 0, false, GUEST_IP, REMOTE_IP);
	suppress_ask(ws, 5, false, GUEST_IP, REMOTE_IP);
	assert_true(s->w->ledger.vm[s->guest[0].vm.id][STAGE_SUPPRESS] > 0);
	assert_int_equal(s->w->ledger.vm[s->guest[5].vm.id][STAGE_SUPPRESS], 0);
	assert_int_equal(scene_received(s, 0), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SUPPRESS_CASE(test_the_switch_answers_for_other_hosts),
		SUPPRESS_CASE(test_routers_are_called_routers),
		SUPPRESS_CASE(test_what_is_not_known_is_flooded),
		SUPPRESS_CASE(test_a_port_is_asked_alone),
		SUPPRESS_CASE(test_a_port_is_not_told_of_itself),
		SUPPRESS_CASE(test_probes_and_announcements_are_flooded),
		SUPPRESS_CASE(test_questions_to_one_station_reach_it),
		SUPPRESS_CASE(test_hostile_questions_are_not_answered),
		SUPPRESS_CASE(test_networks_that_do_not_suppress_flood),
		SUPPRESS_CASE(test_answers_are_rate_limited),
		SUPPRESS_CASE(test_answered_questions_are_no_floods),
		SUPPRESS_CASE(test_without_a_receive_ring_all_are_asked),
		SUPPRESS_CASE(test_each_is_answered_once_whatever_the_time),
		SUPPRESS_CASE(test_who_asks_pays),
	};

	if (fake_eal_init("suppress_test") < 0)
		return 1;
	return cmocka_run_group_tests_name("suppress", tests, NULL, NULL);
}
