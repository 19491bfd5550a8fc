/* SPDX-License-Identifier: BSD-3-Clause */
/* Learning of addresses from ports and from the wire, in whole turns of the loop. */
#include "vswitch/learn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "tests/fake/eal.h"
#include "tests/fake/wire_scene.h"
#include "vswitch/loop.h"

#define HOST 50

static uint16_t where(const struct wire_scene *ws, const uint8_t mac[6])
{
	return fdb_lookup(ws->s->net[0].fdb, fdb_mac(mac));
}

/* A frame from a host to guest 1 with this source address. */
static void arrive_from(struct wire_scene *ws, unsigned host, const uint8_t src[6])
{
	uint8_t frame[64] = {0};

	scene_mac(1, frame);
	memcpy(frame + 6, src, 6);
	wire_put_packet(ws, wire_packet(ws, host, WIRE_VNI, frame, sizeof(frame)));
	scene_turns(ws->s, 2);
	scene_receive_all(ws->s);
}

/* The same from guest 0. */
static void send_from(struct wire_scene *ws, const uint8_t src[6])
{
	uint8_t dst[6];

	scene_mac(1, dst);
	scene_send_frame(&ws->s->guest[0], dst, src, 0x0800, 64, 1);
	scene_turns(ws->s, 2);
	scene_receive_all(ws->s);
	wire_take_all(ws);
}

static void test_answers_find_their_way_back(void **state)
{
	struct wire_scene *ws = *state;

	wire_listen(ws);
	wire_arrive_for(ws, HOST, 0, 1);
	scene_turns(ws->s, 2);
	assert_int_equal(atomic_load(&ws->s->net[0].wire_macs), 1);
	wire_send_to(ws, HOST, 9);
	scene_turns(ws->s, 2);
	wire_assert_next(ws, HOST, 9);
	assert_int_equal(wire_take_all(ws), 0);
	assert_int_equal(scene_counters(ws->s, 0)->copies, 0);
}

static void test_learning_may_be_off(void **state)
{
	struct wire_scene *ws = *state;
	struct source_table *none = source_table_create(0);
	uint8_t mac[6];

	wire_listen(ws);
	wire_host_mac(HOST, mac);
	atomic_store(&ws->s->net[0].learn_from_wire, false);
	arrive_from(ws, HOST, mac);
	assert_int_equal(where(ws, mac), FDB_NO_PORT);
	/* Nor is there anything to learn about a host that is not known. */
	atomic_store(&ws->s->net[0].learn_from_wire, true);
	free(atomic_exchange(&ws->tables->sources, none));
	arrive_from(ws, HOST, mac);
	assert_int_equal(where(ws, mac), FDB_NO_PORT);
	assert_int_equal(atomic_load(&ws->s->net[0].wire_macs), 0);
}

static void test_a_static_entry_stays(void **state)
{
	struct wire_scene *ws = *state;
	struct vport *port = &ws->s->guest[2].port;
	uint8_t mac[6];

	wire_listen(ws);
	scene_mac(2, mac);
	assert_int_equal(fdb_add_static(ws->s->net[0].fdb, fdb_mac(mac), port->id), 0);
	arrive_from(ws, HOST, mac);
	assert_int_equal(where(ws, mac), port->id);
	assert_int_equal(atomic_load(&ws->s->net[0].wire_macs), 0);
	assert_int_equal(atomic_load(&port->macs), 0);
}

/* Where an address is seen last, there it is, and there it counts. */
static void test_an_address_that_moves_counts_once(void **state)
{
	static const uint8_t mac[6] = {0x52, 0x54, 7, 7, 7, 7};
	struct wire_scene *ws = *state;
	struct vport *port = &ws->s->guest[0].port;
	struct bridge *net = &ws->s->net[0];

	wire_listen(ws);
	send_from(ws, mac);
	assert_int_equal(where(ws, mac), port->id);
	assert_int_equal(atomic_load(&port->macs), 1);

	arrive_from(ws, HOST, mac);
	assert_int_equal(where(ws, mac), wire_host_dest(HOST));
	assert_int_equal(atomic_load(&port->macs), 0);
	assert_int_equal(atomic_load(&net->wire_macs), 1);

	arrive_from(ws, HOST + 1, mac);
	assert_int_equal(where(ws, mac), wire_host_dest(HOST + 1));
	assert_int_equal(atomic_load(&net->wire_macs), 1);

	send_from(ws, mac);
	assert_int_equal(where(ws, mac), port->id);
	assert_int_equal(atomic_load(&port->macs), 1);
	assert_int_equal(atomic_load(&net->wire_macs), 0);
}

/* Control may have corrected the count meanwhile. */
static void test_a_count_is_never_below_zero(void **state)
{
	static const uint8_t mac[6] = {0x52, 0x54, 7, 7, 7, 7};
	struct wire_scene *ws = *state;

	wire_listen(ws);
	arrive_from(ws, HOST, mac);
	atomic_store(&ws->s->net[0].wire_macs, 0);
	send_from(ws, mac);
	assert_int_equal(atomic_load(&ws->s->net[0].wire_macs), 0);
}

static void test_a_network_learns_up_to_its_limit(void **state)
{
	uint8_t mac[6] = {0x52, 0x54, 7, 7, 7, 0};
	struct wire_scene *ws = *state;
	struct bridge *net = &ws->s->net[0];

	wire_listen(ws);
	atomic_store(&net->wire_macs, LEARN_MAX_FROM_WIRE - 2);
	for (uint8_t i = 0; i < 4; i++) {
		mac[5] = i;
		arrive_from(ws, HOST, mac);
		assert_int_equal(where(ws, mac), i < 2 ? wire_host_dest(HOST) : FDB_NO_PORT);
	}
	assert_int_equal(atomic_load(&net->wire_macs), LEARN_MAX_FROM_WIRE);
	/* What moves to another host is no more than before. */
	mac[5] = 0;
	arrive_from(ws, HOST + 1, mac);
	assert_int_equal(where(ws, mac), wire_host_dest(HOST + 1));
	assert_int_equal(atomic_load(&net->wire_macs), LEARN_MAX_FROM_WIRE);
	/* Ports learn by limits of their own. */
	send_from(ws, mac);
	assert_int_equal(where(ws, mac), ws->s->guest[0].port.id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WIRE_CASE(test_answers_find_their_way_back),
		WIRE_CASE(test_learning_may_be_off),
		WIRE_CASE(test_a_static_entry_stays),
		WIRE_CASE(test_an_address_that_moves_counts_once),
		WIRE_CASE(test_a_count_is_never_below_zero),
		WIRE_CASE(test_a_network_learns_up_to_its_limit),
	};

	if (fake_eal_init("learn_test") < 0)
		return 1;
	return cmocka_run_group_tests_name("learn", tests, NULL, NULL);
}
