/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets to other hosts that have to wait: because the uplink is full, or because a flood is more
 * work than a service. */
#include "vswitch/wire_tx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "tests/fake/eal.h"
#include "tests/fake/wire_scene.h"
#include "vswitch/backlog.h"
#include "vswitch/loop.h"

#define MANY 40 /* more than one part of a batch */

/* Local ports that guest 0's floods go to. */
#define OTHERS 4

/* --- a full uplink -----------------------------------------------------------------------------
 */

/* Chains of guest i that were given back. */
static unsigned given_back(const struct scene *s, unsigned i)
{
	return s->guest[i].fe.ring[1].used->idx;
}

static void test_packets_wait_in_the_guests_ring(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct uplink_queue *q = uplink_queue(ws->uplink, 0);
	unsigned before = 0;

	wire_introduce(ws, 50);
	wire_fill(ws, 5);
	for (uint8_t i = 0; i < MANY; i++)
		wire_send_to(ws, 50, i);
	for (unsigned i = 0; i < 20; i++) {
		scene_turns(s, 1);
		assert_true(i == 0 || given_back(s, 0) == before);
		before = given_back(s, 0);
	}
	/* One part was sent; its frames wait for the device, and the others in the guest's ring. */
	assert_int_equal(before, MAX_WORK);
	assert_int_equal(q->n_waiting, MAX_WORK - 5);
	assert_true(rte_mempool_full(s->guest[0].vm.pool));
	wire_make_room(ws, 5);
	for (uint8_t i = 0; i < MANY; i++)
		wire_assert_next(ws, 50, i);
	assert_int_equal(scene_counters(s, 0)->forwarded, MANY);
	assert_int_equal(q->counters.tx_packets, MANY);
	assert_int_equal(q->counters.tx_full, 0);
}

/* And their VM waits for as long as is worth it, while others are served. */
static void test_the_vm_is_held_and_others_are_not(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct sched_vm_stats st;

	wire_introduce_guest(ws, 1);
	wire_introduce_guest(ws, 3);
	wire_introduce(ws, 50);
	wire_fill(ws, 0);
	wire_send_to(ws, 50, 0);
	scene_turns(s, 2);
	wire_send_to(ws, 50, 1);
	scene_turns(s, 1);
	assert_in_range(sched_next_tsc(s->w->sched), s->now, s->now + WIRE_HOLD_US * 1000);
	for (unsigned i = 0; i < 3; i++) {
		scene_send_to(s, 3, 1, 5);
		scene_turns(s, 1);
		assert_int_equal(scene_received(s, 1), 1);
	}
	assert_int_equal(given_back(s, 0), 1);
	/* It is no limit of the VM's that holds it back. */
	sched_get_stats(s->w->sched, s->guest[0].vm.id, &st);
	assert_int_equal(st.throttled, 0);
	wire_make_room(ws, 2);
	wire_assert_next(ws, 50, 0);
	wire_assert_next(ws, 50, 1);
}

/* Packets to guests, and to hosts that are down, do not wait. */
static void test_only_packets_to_the_uplink_wait(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	wire_introduce_guest(ws, 1);
	wire_introduce(ws, 50);
	wire_introduce(ws, 51);
	wire_set_host(ws, 51, DROP_UNRESOLVED, WIRE_MTU, 1);
	wire_fill(ws, 0);
	wire_send_to(ws, 50, 0);
	scene_turns(s, 2);
	wire_send_to(ws, 51, 1);
	scene_send_to(s, 0, 1, 2);
	scene_turns(s, 2);
	assert_int_equal(scene_received(s, 1), 1);
	assert_int_equal(scene_dropped(s, 0, DROP_UNRESOLVED), 1);
	wire_drain_filling(ws);
	scene_turns(s, 1);
	wire_assert_next(ws, 50, 0);
}

static void test_a_stuck_uplink_drops_what_waited_for_long(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct uplink_queue *q = uplink_queue(ws->uplink, 0);

	wire_introduce(ws, 50);
	wire_fill(ws, 0);
	for (uint8_t i = 0; i < 10; i++)
		wire_send_to(ws, 50, i);
	scene_turns(s, 3);
	assert_int_equal(q->n_waiting, 10);
	s->now += WIRE_WAIT_US * 1000 - 10000;
	scene_turns(s, 1);
	assert_int_equal(q->n_waiting, 10);
	s->now += 20000;
	scene_turns(s, 1);
	assert_int_equal(q->n_waiting, 0);
	assert_int_equal(q->counters.tx_full, 10);
	assert_int_equal(q->counters.tx_packets, 0);
	/* What was forwarded stays so: the guest has its buffers back since then. */
	assert_int_equal(scene_counters(s, 0)->forwarded, 10);
}

static void test_an_uplink_that_goes_down_drops_at_once(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct uplink_queue *q = uplink_queue(ws->uplink, 0);
	struct uplink_status st;

	wire_introduce(ws, 50);
	wire_fill(ws, 0);
	for (uint8_t i = 0; i < 10; i++)
		wire_send_to(ws, 50, i);
	scene_turns(s, 3);
	assert_int_equal(rte_eth_dev_set_link_down(q->port_id), 0);
	uplink_look(ws->uplink, &st);
	assert_false(st.is_up);
	scene_turns(s, 1);
	assert_int_equal(q->counters.tx_down, 10);
	assert_int_equal(q->counters.tx_full, 0);
}

/* All buffers of the queue are in use: the packets are dropped, none is half sent. */
static void test_without_buffers_packets_are_dropped(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct rte_mempool *pool = uplink_queue(ws->uplink, 0)->tx_pool;
	struct rte_mbuf *taken[4096];
	uint8_t dst[6], src[6];
	unsigned n = 0;

	wire_introduce(ws, 50);
	while (n < 4096 && (taken[n] = rte_pktmbuf_alloc(pool)))
		n++;
	assert_in_range(n, 1, 4095);
	for (unsigned i = 0; i < 3; i++)
		wire_send_to(ws, 50, 1);
	scene_turns(s, 3);
	assert_int_equal(scene_dropped(s, 0, DROP_UPLINK_FULL), 3);
	assert_int_equal(wire_take_all(ws), 0);
	/* One is not enough for a long packet. */
	rte_pktmbuf_free(taken[--n]);
	atomic_store(&s->net[0].mtu, 9000);
	wire_set_host(ws, 50, DROP_COUNT, 8950, 1);
	wire_host_mac(50, dst);
	scene_mac(0, src);
	scene_send_frame(&s->guest[0], dst, src, 0x0800, 5000, 1);
	scene_turns(s, 3);
	assert_int_equal(scene_dropped(s, 0, DROP_UPLINK_FULL), 4);
	assert_int_equal(wire_take_all(ws), 0);
	assert_int_equal(rte_mempool_avail_count(pool), 1);
	rte_pktmbuf_free_bulk(taken, n);
}

/* --- floods that take several services ---------------------------------------------------------
 */

static void test_a_flood_to_many_hosts_takes_several_services(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct backlog *b = &s->w->backlog[s->guest[0].vm.id];
	unsigned services = 0;

	wire_flood_to(ws, 0, 100);
	scene_send_to_all(s, 0, 3);
	s->meanwhile = scene_take_long;
	loop_turn(s->w);
	assert_int_equal(b->n, 1);
	assert_int_equal(backlog_at(b, 0)->kind, JOB_FLOOD);
	assert_int_equal(scene_counters(s, 0)->forwarded, 1);
	for (; b->n > 0 && services < 20; services++)
		loop_turn(s->w);
	s->meanwhile = NULL;
	assert_in_range(services, 2, 5);
	for (unsigned i = 0; i < 100; i++)
		wire_assert_next(ws, i, 3);
	assert_int_equal(wire_take_all(ws), 0);
	for (unsigned i = 1; i <= OTHERS; i++)
		assert_int_equal(scene_received(s, i), 1);
	assert_int_equal(scene_counters(s, 0)->forwarded, 1);
	assert_int_equal(scene_counters(s, 0)->flooded, 1);
	assert_int_equal(scene_counters(s, 0)->copies, OTHERS + 100 - 1);
}

/* In the middle of a batch: what is behind the flood stays behind it, and is not flooded. */
static void test_a_flood_that_finds_the_uplink_full_goes_on_later(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	uint32_t len;

	wire_introduce_guest(ws, 1);
	wire_introduce(ws, 50);
	wire_fill(ws, 0);
	wire_send_to(ws, 50, 1);
	scene_turns(s, 2);
	assert_int_equal(uplink_queue(ws->uplink, 0)->n_waiting, 1);
	scene_send_to_all(s, 0, 2);
	scene_send_to(s, 0, 1, 3);
	scene_send_to_all(s, 0, 4);
	for (unsigned i = 0; i < 30; i++)
		scene_turns(s, 1);
	wire_make_room(ws, 10);
	wire_assert_next(ws, 50, 1);
	for (uint8_t tag = 2; tag <= 4; tag += 2)
		for (unsigned i = 0; i < WIRE_FLOODED; i++)
			wire_assert_next(ws, i, tag);
	assert_int_equal(wire_take_all(ws), 0);
	for (uint8_t tag = 2; tag <= 4; tag++)
		assert_int_equal(scene_receive(&s->guest[1], &len), tag);
	for (unsigned i = 2; i <= OTHERS; i++)
		assert_int_equal(scene_received(s, i), 2);
	assert_int_equal(scene_counters(s, 0)->forwarded, 4);
	assert_int_equal(scene_counters(s, 0)->copies, 2 * (OTHERS + WIRE_FLOODED - 1));
}

/* A host that was down when there was said to be room, and is up by now: what waits for the uplink
 * is kept. */
static void test_a_host_that_comes_up_in_between(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct batch *b = s->w->job_batch;
	struct rte_mbuf *m = rte_pktmbuf_alloc(s->guest[0].vm.pool);

	assert_non_null(m);
	rte_pktmbuf_append(m, 64);
	wire_introduce(ws, 50);
	wire_fill(ws, 0);
	wire_send_to(ws, 50, 1);
	scene_turns(s, 2);
	wire_set_host(ws, 51, DROP_UNRESOLVED, WIRE_MTU, 1);
	batch_begin_part(b);
	b->pkt[0] = (struct pkt){.m = m, .asked = 1};
	assert_true(wire_has_room(s->w, 51));
	wire_set_host(ws, 51, DROP_COUNT, WIRE_MTU, 1);
	wire_put(s->w, b, 0, 51);
	assert_int_equal(b->pkt[0].missed, 1);
	assert_int_equal(b->pkt[0].reason, DROP_UPLINK_FULL);
	assert_int_equal(ws->wire[0]->n_out, 0);
	rte_pktmbuf_free(m);
	wire_drain_filling(ws);
	scene_turns(s, 1);
	wire_assert_next(ws, 50, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WIRE_CASE(test_packets_wait_in_the_guests_ring),
		WIRE_CASE(test_the_vm_is_held_and_others_are_not),
		WIRE_CASE(test_only_packets_to_the_uplink_wait),
		WIRE_CASE(test_a_stuck_uplink_drops_what_waited_for_long),
		WIRE_CASE(test_an_uplink_that_goes_down_drops_at_once),
		WIRE_CASE(test_without_buffers_packets_are_dropped),
		WIRE_CASE(test_a_flood_to_many_hosts_takes_several_services),
		WIRE_CASE(test_a_flood_that_finds_the_uplink_full_goes_on_later),
		WIRE_CASE(test_a_host_that_comes_up_in_between),
	};

	if (fake_eal_init("wire_tx_full_test") < 0)
		return 1;
	return cmocka_run_group_tests_name("wire_tx_full", tests, NULL, NULL);
}
