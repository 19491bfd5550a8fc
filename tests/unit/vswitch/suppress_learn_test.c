/* SPDX-License-Identifier: BSD-3-Clause */
/* What packets teach about neighbours, and what they do not, in whole turns of the loop. */
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
#include "tests/fake/neigh_frame.h"
#include "tests/fake/suppress_scene.h"
#include "vswitch/learn.h"
#include "vswitch/neigh_table.h"

#define HOST 50
#define S    1000000000ULL /* in cycles */

/* Guest i's address as a number, or a host's. */
static uint64_t guest_mac(unsigned i)
{
	uint8_t mac[6];

	scene_mac(i, mac);
	return fdb_mac(mac);
}

static uint64_t host_mac(unsigned host)
{
	uint8_t mac[6];

	wire_host_mac(host, mac);
	return fdb_mac(mac);
}

/* A reply to guest 0 that `mac` has an address. Returns its length. */
static uint32_t make_reply(uint8_t frame[NEIGH_FRAME_MAX], const uint8_t mac[6], uint8_t ip,
			   bool v6, uint8_t flags)
{
	uint8_t dst[6];

	scene_mac(0, dst);
	return v6 ? nd_advertisement(frame, mac, ip, dst, GUEST_IP, flags | 0x40)
		  : arp_reply(frame, mac, ip, dst, GUEST_IP);
}

/* Guest i sends one. */
static void reply(struct wire_scene *ws, unsigned i, uint8_t ip, bool v6, uint8_t flags)
{
	uint8_t frame[NEIGH_FRAME_MAX], mac[6];

	scene_mac(i, mac);
	suppress_send(ws, i, frame, make_reply(frame, mac, ip, v6, flags));
	scene_receive_all(ws->s);
	wire_take_all(ws);
}

/* A station behind a host does. */
static void reply_from(struct wire_scene *ws, unsigned host, uint8_t ip, bool v6, uint8_t flags)
{
	uint8_t frame[NEIGH_FRAME_MAX], mac[6];

	wire_host_mac(host, mac);
	suppress_arrive(ws, host, frame, make_reply(frame, mac, ip, v6, flags));
	scene_receive_all(ws->s);
}

/* --- from the wire ------------------------------------------------------------------------------
 */

static void test_a_reply_to_one_guest_spares_the_next(void **state)
{
	struct wire_scene *ws = *state;
	uint8_t frame[NEIGH_FRAME_MAX];

	wire_introduce_guest(ws, 0);
	wire_listen(ws);
	for (int v6 = 0; v6 < 2; v6++) {
		uint32_t len;

		suppress_ask(ws, 0, v6, GUEST_IP, REMOTE_IP);
		suppress_assert_all_were_asked(ws);
		reply_from(ws, HOST, REMOTE_IP, v6, 0x80);
		assert_int_equal(suppress_known(ws, REMOTE_IP, v6), host_mac(HOST));
		suppress_ask(ws, 1, v6, LOCAL_IP, REMOTE_IP);
		len = scene_receive_frame(&ws->s->guest[1], frame, sizeof(frame));
		assert_int_equal(len, v6 ? ND_FRAME_LEN : ARP_FRAME_LEN);
		suppress_assert_nobody_was_asked(ws);
	}
	/* A router, which does not override: as it said itself. */
	assert_int_equal(frame[ND_FLAGS_AT], 0x80 | 0x40);
	assert_int_equal(scene_counters(ws->s, 1)->suppressed, 2);
}

/* A question from another host tells of its sender, in IPv4; it goes to all ports. */
static void test_questions_from_the_wire_teach(void **state)
{
	struct wire_scene *ws = *state;
	uint8_t frame[NEIGH_FRAME_MAX], mac[6];

	wire_listen(ws);
	wire_host_mac(HOST, mac);
	suppress_arrive(ws, HOST, frame, arp_request(frame, mac, REMOTE_IP, GUEST_IP));
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(scene_received(ws->s, i), 1);
	assert_int_equal(suppress_known(ws, REMOTE_IP, false), host_mac(HOST));
	suppress_arrive(ws, HOST, frame, nd_solicitation(frame, mac, REMOTE_IP, GUEST_IP));
	assert_int_equal(suppress_known(ws, REMOTE_IP, true), 0);
}

static void test_networks_may_learn_nothing(void **state)
{
	struct wire_scene *ws = *state;
	struct bridge *net = &ws->s->net[0];

	wire_introduce_guest(ws, 0);
	wire_listen(ws);
	/* Only from the wire, */
	atomic_store(&net->learn_from_wire, false);
	reply_from(ws, HOST, REMOTE_IP, false, 0);
	reply(ws, 1, LOCAL_IP, false, 0);
	assert_int_equal(suppress_known(ws, REMOTE_IP, false), 0);
	assert_int_equal(suppress_known(ws, LOCAL_IP, false), guest_mac(1));
	/* or from anybody; and what was learned before is not used. */
	atomic_store(&net->learn_from_wire, true);
	atomic_store(&net->suppress, SUPPRESS_STATIC);
	reply_from(ws, HOST, REMOTE_IP, true, 0);
	reply(ws, 1, LOCAL_IP, true, 0);
	assert_int_equal(suppress_known(ws, REMOTE_IP, true), 0);
	assert_int_equal(suppress_known(ws, LOCAL_IP, true), 0);
	suppress_ask(ws, 0, false, GUEST_IP, LOCAL_IP);
	suppress_assert_all_were_asked(ws);
}

/* The forwarding database does not know where an unknown host's addresses are. */
static void test_strangers_teach_nothing(void **state)
{
	struct wire_scene *ws = *state;
	const struct ip_addr stranger = {.bytes = {10, 7, 0, 1}}, ours = {.bytes = {10, 9, 0, 1}};
	uint8_t frame[NEIGH_FRAME_MAX], mac[6];

	wire_listen(ws);
	wire_host_mac(HOST, mac);
	wire_put_packet(ws, wire_packet_between(ws, &stranger, &ours, WIRE_VNI, frame,
						arp_request(frame, mac, REMOTE_IP, GUEST_IP)));
	scene_turns(ws->s, 3);
	assert_int_equal(scene_received(ws->s, 1), 1);
	assert_int_equal(suppress_known(ws, REMOTE_IP, false), 0);
	scene_receive_all(ws->s);
}

/* The table is so large that no bucket of it is full. */
static void test_the_wire_has_a_limit(void **state)
{
	struct wire_scene *ws = *state;
	struct neigh_table *t = neigh_table_create(64 * SUPPRESS_MAX_FROM_WIRE);
	uint8_t frame[NEIGH_FRAME_MAX], mac[6];

	assert_non_null(t);
	neigh_table_destroy(atomic_exchange(&ws->s->net[0].neighbours, t));
	wire_listen(ws);
	wire_host_mac(HOST, mac);
	for (unsigned i = 0; i < SUPPRESS_MAX_FROM_WIRE; i++) {
		struct neigh n = {.address = {.bytes = {11, 0, (uint8_t)(i >> 8), (uint8_t)i}},
				  .mac = host_mac(HOST),
				  .origin = NEIGH_FROM_WIRE};

		neigh_table_learn(t, &n, ws->s->w->now_s, SUPPRESS_MAX_FROM_WIRE);
	}
	suppress_arrive(ws, HOST, frame, arp_request(frame, mac, REMOTE_IP, GUEST_IP));
	assert_int_equal(suppress_known(ws, REMOTE_IP, false), 0);
	/* That of a port is its own. */
	scene_receive_all(ws->s);
	reply(ws, 1, LOCAL_IP, false, 0);
	assert_int_equal(suppress_known(ws, LOCAL_IP, false), guest_mac(1));
}

/* --- from ports --------------------------------------------------------------------------------
 */

static void test_guests_teach_where_they_are(void **state)
{
	struct wire_scene *ws = *state;
	uint32_t len;

	wire_introduce_guest(ws, 0);
	for (int v6 = 0; v6 < 2; v6++) {
		reply(ws, 1, LOCAL_IP, v6, 0x20);
		assert_int_equal(suppress_known(ws, LOCAL_IP, v6), guest_mac(1));
		suppress_ask(ws, 0, v6, GUEST_IP, LOCAL_IP);
		assert_true(scene_receive(&ws->s->guest[1], &len) >= 0);
		suppress_assert_nobody_was_asked(ws);
	}
	/* The question has taught who asked. */
	assert_int_equal(suppress_known(ws, GUEST_IP, false), guest_mac(0));
}

/* A question that is answered teaches as one that is flooded does. */
static void test_an_answered_question_teaches(void **state)
{
	struct wire_scene *ws = *state;
	uint8_t mac[6];

	wire_host_mac(HOST, mac);
	wire_introduce(ws, HOST);
	suppress_add(ws, REMOTE_IP, false, mac, 0);
	suppress_ask(ws, 0, false, GUEST_IP, REMOTE_IP);
	assert_int_equal(scene_counters(ws->s, 0)->suppressed, 1);
	assert_int_equal(suppress_known(ws, GUEST_IP, false), guest_mac(0));
	scene_receive_all(ws->s);
}

static void test_liars_teach_nothing(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct guard guard = {.allow = GUARD_ALLOW_USUAL};
	uint8_t frame[NEIGH_FRAME_MAX], mac[6], other[6];

	scene_mac(1, mac);
	scene_mac(2, other);
	wire_introduce_guest(ws, 0);
	/* In the name of another station, within the frame; */
	arp_request(frame, mac, LOCAL_IP, GUEST_IP);
	memcpy(frame + ARP_SHA_AT, other, 6);
	suppress_send(ws, 1, frame, ARP_FRAME_LEN);
	assert_int_equal(suppress_known(ws, LOCAL_IP, false), 0);
	/* as a whole, where the guard does not let it; */
	guard_add_mac(&guard, fdb_mac(mac));
	s->guest[1].port.guard = &guard;
	s->guest[1].port.stages = 1u << STAGE_GUARD | 1u << STAGE_SUPPRESS;
	suppress_send(ws, 1, frame, arp_request(frame, other, LOCAL_IP, GUEST_IP));
	assert_int_equal(scene_dropped(s, 1, DROP_SPOOFED_MAC), 1);
	assert_int_equal(suppress_known(ws, LOCAL_IP, false), 0);
	/* or where the operator has said where that station is. */
	s->guest[1].port.guard = NULL;
	s->guest[1].port.stages = 1u << STAGE_SUPPRESS;
	assert_int_equal(fdb_add_static(s->net[0].fdb, fdb_mac(other), s->guest[2].port.id), 0);
	suppress_send(ws, 1, frame, arp_request(frame, other, LOCAL_IP, GUEST_IP));
	assert_int_equal(suppress_known(ws, LOCAL_IP, false), 0);
	/* The address of a static neighbour is nobody else's. */
	suppress_add(ws, REMOTE_IP, false, other, 0);
	reply(ws, 1, REMOTE_IP, false, 0);
	assert_int_equal(suppress_known(ws, REMOTE_IP, false), fdb_mac(other));
	scene_receive_all(s);
	wire_take_all(ws);
}

static void test_a_port_has_a_limit(void **state)
{
	struct wire_scene *ws = *state;
	const unsigned limit = ws->s->guest[1].port.mac_limit * SUPPRESS_MAX_OF_MAC;
	unsigned known = 0;

	wire_introduce_guest(ws, 0);
	for (unsigned i = 0; i < limit + 20; i++)
		reply(ws, 1, (uint8_t)(10 + i), false, 0);
	for (unsigned i = 0; i < limit + 20; i++)
		known += suppress_known(ws, (uint8_t)(10 + i), false) != 0;
	assert_int_equal(known, limit);
	reply(ws, 2, LOCAL_IP, false, 0);
	assert_int_equal(suppress_known(ws, LOCAL_IP, false), guest_mac(2));
}

/* --- addresses that move -----------------------------------------------------------------------
 */

/* While two claim an address, questions for it reach both, as without suppression. */
static void test_a_contested_address_is_asked_for(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	wire_introduce_guest(ws, 0);
	reply(ws, 1, LOCAL_IP, false, 0);
	reply(ws, 2, LOCAL_IP, false, 0);
	suppress_ask(ws, 0, false, GUEST_IP, LOCAL_IP);
	suppress_assert_all_were_asked(ws);
	/* Whoever is left has it. */
	s->now += NEIGH_SETTLE_S * S;
	scene_turns(s, 2);
	assert_int_equal(suppress_known(ws, LOCAL_IP, false), guest_mac(2));
}

/* A station that says what is not learned, for want of room or because it is not enough, is heard
 * all the same: it casts doubt on another one's claim. */
static void test_an_owner_that_teaches_nothing_is_heard(void **state)
{
	struct wire_scene *ws = *state;
	struct bridge *net = &ws->s->net[0];
	uint8_t frame[NEIGH_FRAME_MAX], mac[6];

	wire_introduce_guest(ws, 0);
	wire_listen(ws);
	for (int v6 = 0; v6 < 2; v6++) {
		reply_from(ws, HOST, REMOTE_IP, v6, 0x20);
		suppress_ask(ws, 0, v6, GUEST_IP, REMOTE_IP);
		suppress_assert_nobody_was_asked(ws);
	}
	scene_receive_all(ws->s);
	atomic_store(&net->wire_macs, LEARN_MAX_FROM_WIRE);
	reply_from(ws, HOST + 1, REMOTE_IP, false, 0);
	suppress_ask(ws, 0, false, GUEST_IP, REMOTE_IP);
	suppress_assert_all_were_asked(ws);
	wire_host_mac(HOST + 2, mac);
	suppress_arrive(ws, HOST + 2, frame, nd_solicitation(frame, mac, REMOTE_IP, GUEST_IP));
	scene_receive_all(ws->s);
	suppress_ask(ws, 0, true, GUEST_IP, REMOTE_IP);
	suppress_assert_all_were_asked(ws);
}

/* Somebody who would like an address gets to know whether it is taken, and then may take it. */
static void test_a_probe_is_heard(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	wire_introduce_guest(ws, 0);
	for (int v6 = 0; v6 < 2; v6++) {
		reply(ws, 1, LOCAL_IP, v6, 0x20);
		assert_int_equal(suppress_known(ws, LOCAL_IP, v6), guest_mac(1));
		/* Its owner may, */
		suppress_ask(ws, 1, v6, 0, LOCAL_IP);
		scene_receive_all(s);
		wire_take_all(ws);
		assert_int_equal(suppress_known(ws, LOCAL_IP, v6), guest_mac(1));
		/* another one casts doubt. */
		suppress_ask(ws, 2, v6, 0, LOCAL_IP);
		assert_int_equal(scene_received(s, 1), 1);
		scene_receive_all(s);
		wire_take_all(ws);
		assert_int_equal(suppress_known(ws, LOCAL_IP, v6), 0);
	}
}

/* A neighbour whose station moves is found there at once. */
static void test_a_station_moves(void **state)
{
	struct wire_scene *ws = *state;
	uint8_t frame[NEIGH_FRAME_MAX], mac[6];
	struct fdb_entry was;
	struct wire_sent sent;

	wire_introduce_guest(ws, 0);
	wire_listen(ws);
	reply(ws, 1, LOCAL_IP, false, 0);
	scene_mac(1, mac);
	suppress_arrive(ws, HOST, frame, arp_request(frame, mac, LOCAL_IP, LOCAL_IP));
	scene_receive_all(ws->s);
	suppress_ask(ws, 0, false, GUEST_IP, LOCAL_IP);
	assert_int_equal(scene_received(ws->s, 0), 1);
	assert_int_equal(scene_counters(ws->s, 0)->suppressed, 1);
	assert_false(wire_take(ws, &sent));
	/* And when it is not known where it is, all are asked. */
	assert_int_equal(fdb_remove(ws->s->net[0].fdb, fdb_mac(mac), &was), 0);
	suppress_ask(ws, 0, false, GUEST_IP, LOCAL_IP);
	suppress_assert_all_were_asked(ws);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SUPPRESS_CASE(test_a_reply_to_one_guest_spares_the_next),
		SUPPRESS_CASE(test_questions_from_the_wire_teach),
		SUPPRESS_CASE(test_networks_may_learn_nothing),
		SUPPRESS_CASE(test_strangers_teach_nothing),
		SUPPRESS_CASE(test_the_wire_has_a_limit),
		SUPPRESS_CASE(test_guests_teach_where_they_are),
		SUPPRESS_CASE(test_an_answered_question_teaches),
		SUPPRESS_CASE(test_liars_teach_nothing),
		SUPPRESS_CASE(test_a_port_has_a_limit),
		SUPPRESS_CASE(test_a_contested_address_is_asked_for),
		SUPPRESS_CASE(test_an_owner_that_teaches_nothing_is_heard),
		SUPPRESS_CASE(test_a_probe_is_heard),
		SUPPRESS_CASE(test_a_station_moves),
	};

	if (fake_eal_init("suppress_learn_test") < 0)
		return 1;
	return cmocka_run_group_tests_name("suppress_learn", tests, NULL, NULL);
}
