/* SPDX-License-Identifier: BSD-3-Clause */
/* What becomes of packets from other hosts that wait, or are on their way to another worker, when
 * their port, VM or uplink goes. */
#include "vswitch/staging.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "tests/fake/eal.h"
#include "tests/fake/wire_scene.h"
#include "vswitch/ingress.h"
#include "vswitch/loop.h"

#define HOST 50

/* Guests 1 and 2 are known, and the wire is listened to. */
static void set_up(struct wire_scene *ws)
{
	wire_introduce_guest(ws, 1);
	wire_introduce_guest(ws, 2);
	wire_listen(ws);
}

/* Guest 1 lost 10 packets, and has none. */
static void assert_gone(struct wire_scene *ws, enum drop_reason reason)
{
	struct scene *s = ws->s;

	scene_turns(s, 3);
	loop_turn(s->w2);
	loop_turn(s->w2);
	assert_int_equal(wire_lost(ws, 1, reason), 10);
	assert_int_equal(wire_delivered(ws, 1), 0);
	assert_int_equal(scene_received(s, 1), 0);
	assert_true(rte_mempool_full(uplink_queue(ws->uplink, 1)->rx_pool));
}

/* Ten packets for guest 1 wait for its VM's service. */
static void stage_ten(struct wire_scene *ws)
{
	set_up(ws);
	wire_arrive_many(ws, HOST, 1, 10);
	wire_take_in(ws);
	assert_int_equal(ws->wire[0]->n_staged, 10);
}

/* Ten are on their way to it, at another worker. */
static void hand_over_ten(struct wire_scene *ws)
{
	set_up(ws);
	scene_move(ws->s, 1);
	wire_arrive_many(ws, HOST, 1, 10);
	wire_take_in(ws);
	assert_int_equal(rte_ring_count(ws->wire[1]->inbox), 10);
}

/* Another port takes the id that guest 1's had, with counters of its own. */
static void reuse_id(struct scene *s, bool is_new_port)
{
	struct vport *port = &s->guest[1].port;

	memset(&s->w->counters[port->id], 0, sizeof(s->w->counters[0]));
	memset(&s->w2->counters[port->id], 0, sizeof(s->w2->counters[0]));
	if (is_new_port)
		atomic_store(&port->epoch, ++port->first_epoch);
}

/* Its packets are lost, and counted for nobody. */
static void assert_gone_with_its_counters(struct wire_scene *ws)
{
	struct scene *s = ws->s;

	scene_turns(s, 3);
	loop_turn(s->w2);
	loop_turn(s->w2);
	for (int why = 0; why < DROP_COUNT; why++)
		assert_int_equal(wire_lost(ws, 1, why), 0);
	assert_int_equal(wire_delivered(ws, 1), 0);
	assert_int_equal(scene_received(s, 1), 0);
	assert_true(rte_mempool_full(uplink_queue(ws->uplink, 1)->rx_pool));
}

static void test_a_port_that_is_deleted(void **state)
{
	struct wire_scene *ws = *state;
	struct vport **entry = &ws->s->ports[ws->s->guest[1].port.id];

	stage_ten(ws);
	*entry = NULL;
	reuse_id(ws->s, false);
	assert_gone_with_its_counters(ws);
	*entry = &ws->s->guest[1].port;
}

static void test_a_port_whose_id_is_used_again(void **state)
{
	struct wire_scene *ws = *state;

	stage_ten(ws);
	reuse_id(ws->s, true);
	assert_gone_with_its_counters(ws);
}

static void test_a_port_whose_id_is_used_again_on_the_way(void **state)
{
	struct wire_scene *ws = *state;

	hand_over_ten(ws);
	reuse_id(ws->s, true);
	assert_gone_with_its_counters(ws);
}

/* The network that a packet belongs to was found before the port changed networks. */
static void test_a_port_that_changes_networks_meanwhile(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct rte_mbuf *m = rte_pktmbuf_alloc(uplink_queue(ws->uplink, 1)->rx_pool);

	assert_non_null(m);
	staging_put(s->w, &s->guest[1].port, &s->net[1], m, 0, WIRE_MAX_STAGED);
	assert_int_equal(ws->wire[0]->n_staged, 0);
	assert_int_equal(wire_lost(ws, 1, DROP_PORT_GONE), 1);
}

static void test_a_port_that_changes_networks(void **state)
{
	struct wire_scene *ws = *state;

	stage_ten(ws);
	atomic_fetch_add(&ws->s->guest[1].port.epoch, 1);
	assert_gone(ws, DROP_PORT_GONE);
}

static void test_a_port_that_goes_to_another_worker(void **state)
{
	struct wire_scene *ws = *state;

	stage_ten(ws);
	scene_move(ws->s, 1);
	assert_gone(ws, DROP_PORT_GONE);
}

static void test_a_port_that_changes_networks_on_the_way(void **state)
{
	struct wire_scene *ws = *state;

	hand_over_ten(ws);
	atomic_fetch_add(&ws->s->guest[1].port.epoch, 1);
	assert_gone(ws, DROP_PORT_GONE);
}

/* What is staged for a VM goes with it; what is staged for others stays. */
static void test_a_vm_that_is_deleted(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	stage_ten(ws);
	wire_arrive_many(ws, HOST, 2, 1);
	wire_take_in(ws);
	staging_forget_vm(s->w, s->guest[1].vm.id);
	assert_int_equal(ws->wire[0]->n_staged, 1);
	scene_turns(s, 3);
	assert_int_equal(scene_received(s, 2), 1);
	assert_gone(ws, DROP_PORT_GONE);
}

/* What is on its way there is dropped when it arrives: then the port is gone as well. */
static void test_a_vm_that_is_deleted_on_the_way(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct vport **entry = &s->ports[s->guest[1].port.id];

	hand_over_ten(ws);
	*entry = NULL;
	reuse_id(s, false);
	staging_forget_vm(s->w2, s->guest[1].vm.id);
	assert_gone_with_its_counters(ws);
	assert_int_equal(atomic_load(&ws->wire[1]->on_their_way[s->guest[1].vm.id]), 0);
	*entry = &s->guest[1].port;
}

/* Lets a worker go of all in the uplink's buffers. Returns the number of steps. */
static unsigned purge(struct worker *w, const struct uplink_device *uplink)
{
	struct staging_purge p = {.uplink = uplink};
	unsigned n = 0;

	for (; !p.is_done; n++)
		staging_purge(w, &p);
	return n;
}

static void test_an_uplink_that_is_closed(void **state)
{
	struct wire_scene *ws = *state;

	stage_ten(ws);
	purge(ws->s->w, ws->uplink);
	assert_gone(ws, DROP_UPLINK_DOWN);
}

static void test_an_uplink_that_is_closed_on_the_way(void **state)
{
	struct wire_scene *ws = *state;

	hand_over_ten(ws);
	purge(ws->s->w2, ws->uplink);
	assert_gone(ws, DROP_UPLINK_DOWN);
}

/* Many packets take several steps. */
static void test_an_uplink_is_let_go_of_in_steps(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	set_up(ws);
	scene_move(s, 2);
	wire_arrive_many(ws, HOST, 1, 250);
	wire_arrive_many(ws, HOST, 2, 250);
	wire_take_in(ws);
	ingress_accept(s->w2);
	assert_true(purge(s->w2, ws->uplink) > 1);
	assert_int_equal(purge(s->w, ws->uplink), 1);
	assert_int_equal(wire_lost(ws, 1, DROP_UPLINK_DOWN), 250);
	assert_int_equal(wire_lost(ws, 2, DROP_UPLINK_DOWN), 250);
	assert_int_equal(ws->wire[0]->n_staged + ws->wire[1]->n_staged, 0);
	assert_true(rte_mempool_full(uplink_queue(ws->uplink, 1)->rx_pool));
}

/* What came from another uplink stays, in order: here, in buffers of another pool. */
static void test_what_came_from_another_uplink_stays(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	uint32_t len;

	set_up(ws);
	for (uint8_t i = 0; i < 10; i++) {
		struct rte_mbuf *other;
		void *m = NULL;

		wire_take_in(ws);
		wire_arrive_for(ws, HOST, 1, i);
		if (i % 3 == 0)
			continue;
		assert_int_equal(rte_ring_dequeue(ws->ring[1], &m), 0);
		other = rte_pktmbuf_copy(m, s->guest[0].vm.pool, 0, UINT32_MAX);
		rte_pktmbuf_free(m);
		wire_put_packet(ws, other);
	}
	wire_take_in(ws);
	purge(s->w, ws->uplink);
	assert_int_equal(s->w->wire->staging[s->guest[1].vm.id].n, 6);
	scene_turns(s, 3);
	for (int i = 0; i < 10; i++)
		if (i % 3 != 0)
			assert_int_equal(scene_receive(&s->guest[1], &len), i);
	assert_int_equal(wire_lost(ws, 1, DROP_UPLINK_DOWN), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WIRE_CASE(test_a_port_that_is_deleted),
		WIRE_CASE(test_a_port_whose_id_is_used_again),
		WIRE_CASE(test_a_port_whose_id_is_used_again_on_the_way),
		WIRE_CASE(test_a_port_that_changes_networks_meanwhile),
		WIRE_CASE(test_a_port_that_changes_networks),
		WIRE_CASE(test_a_port_that_goes_to_another_worker),
		WIRE_CASE(test_a_port_that_changes_networks_on_the_way),
		WIRE_CASE(test_a_vm_that_is_deleted),
		WIRE_CASE(test_a_vm_that_is_deleted_on_the_way),
		WIRE_CASE(test_an_uplink_that_is_closed),
		WIRE_CASE(test_an_uplink_that_is_closed_on_the_way),
		WIRE_CASE(test_an_uplink_is_let_go_of_in_steps),
		WIRE_CASE(test_what_came_from_another_uplink_stays),
	};

	if (fake_eal_init("staging_gone_test") < 0)
		return 1;
	return cmocka_run_group_tests_name("staging_gone", tests, NULL, NULL);
}
