/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets from other hosts that wait for their VM's service: how many may, what they take turns
 * with, and how they get to another worker. What goes meanwhile is in staging_gone_test.c. */
#include "vswitch/staging.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "pkt/ecn.h"
#include "tests/fake/eal.h"
#include "tests/fake/inner_frame.h"
#include "tests/fake/wire_scene.h"
#include "vswitch/attach.h"
#include "vswitch/backlog.h"
#include "vswitch/ingress.h"
#include "vswitch/loop.h"
#include "vswitch/sleep.h"

#define HOST    50
#define BUFFERS (SCENE_RING_SIZE - 1) /* of a guest that another one was introduced to */

static const struct staging *staging_of(const struct worker *w, const struct scene_guest *g)
{
	return &w->wire->staging[g->vm.id];
}

/* Guests 1 and 2 are known, and the wire is listened to. */
static void set_up(struct wire_scene *ws)
{
	wire_introduce_guest(ws, 1);
	wire_introduce_guest(ws, 2);
	wire_listen(ws);
}

/* --- limits -------------------------------------------------------------------------------------
 */

/* A packet to another VM gets through in the midst of a flood. */
static void test_a_flooded_vm_has_a_limit(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	set_up(ws);
	wire_arrive_many(ws, HOST, 1, 300);
	wire_arrive_many(ws, HOST, 2, 1);
	wire_arrive_many(ws, HOST, 1, 10);
	wire_take_in(ws);
	assert_int_equal(staging_of(s->w, &s->guest[1])->n, WIRE_MAX_STAGED);
	assert_int_equal(staging_of(s->w, &s->guest[2])->n, 1);
	assert_int_equal(wire_lost(ws, 1, DROP_WIRE_FULL), 310 - WIRE_MAX_STAGED);
	assert_int_equal(wire_lost(ws, 2, DROP_WIRE_FULL), 0);
	/* It pays for those that are dropped, too. */
	assert_true(s->w->ledger.vm[s->guest[1].vm.id][STAGE_WIRE_RX] >
		    100 * s->w->ledger.vm[s->guest[2].vm.id][STAGE_WIRE_RX]);
	scene_turns(s, 20);
	assert_int_equal(scene_received(s, 2), 1);
	assert_int_equal(scene_received(s, 1), BUFFERS);
	assert_int_equal(ws->wire[0]->n_staged, 0);
}

/* Where few buffers are free, as many stay so as one VM has. */
static void test_the_limit_is_what_is_free(void **state)
{
	static const struct {
		unsigned free, staged;
	} cases[] = {{40, 20}, {4, 8}};
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct rte_mempool *pool = uplink_queue(ws->uplink, 1)->rx_pool;
	static struct rte_mbuf *taken[UPLINK_RX_PACKETS];

	set_up(ws);
	for (unsigned i = 0; i < 2; i++) {
		unsigned n = 0;

		/* They come one by one, and the limit is read before each. */
		while (rte_mempool_avail_count(pool) > cases[i].free)
			taken[n++] = rte_pktmbuf_alloc(pool);
		for (unsigned k = 0; k < 40; k++) {
			if (rte_mempool_avail_count(pool) == 0)
				rte_pktmbuf_free(taken[--n]);
			wire_arrive_many(ws, HOST, 1, 1);
			wire_take_in(ws);
		}
		assert_in_range(staging_of(s->w, &s->guest[1])->n, cases[i].staged,
				cases[i].staged + 1);
		rte_pktmbuf_free_bulk(taken, n);
		scene_turns(s, 5);
		assert_int_equal(ws->wire[0]->n_staged, 0);
	}
}

/* Packets that wait behind half of what may are marked, if their ends understand that: one of a
 * flood, which other VMs have too, is not. */
static void test_congestion_is_told_before_packets_are_lost(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	const unsigned half = WIRE_MAX_STAGED / 2;
	struct inner_shape shape = {.proto = IPPROTO_UDP, .tos = ECN_ECT_0, .len = 20};
	unsigned marked = 0;

	set_up(ws);
	for (unsigned i = 0; i < WIRE_MAX_STAGED; i++) {
		uint8_t frame[INNER_FRAME_MAX];
		uint32_t len;

		shape.tos = i % 4 == 3 ? ECN_NOT_ECT : ECN_ECT_0;
		shape.v6 = i % 2;
		len = inner_frame_write(frame, &shape);
		if (i == half + 1)
			memcpy(frame, scene_all, 6);
		else
			scene_mac(1, frame);
		wire_host_mac(HOST, frame + 6);
		wire_put_packet(ws, wire_packet(ws, HOST, WIRE_VNI, frame, len));
		wire_take_in(ws);
	}
	for (unsigned i = 0, node = staging_of(s->w, &s->guest[1])->first; i < WIRE_MAX_STAGED;
	     i++, node = ws->wire[0]->node[node].next) {
		const uint8_t *p = rte_pktmbuf_mtod(ws->wire[0]->node[node].s.m, uint8_t *);
		uint8_t ecn = (i % 2 ? p[15] >> 4 : p[15]) & ECN_MASK;
		uint8_t before = i % 4 == 3 ? ECN_NOT_ECT : ECN_ECT_0;

		assert_int_equal(ecn, before && i >= half && i != half + 1 ? ECN_CE : before);
		assert_true(i % 2 || plain_sum(p + 14, 20, 0) == 0xffff);
		marked += ecn == ECN_CE;
	}
	assert_int_equal(marked, half / 4 * 3 - 1);
	scene_turns(s, 50);
	scene_receive_all(s);
}

/* Its packets wait, as many as may, and cost no other VM anything. */
static void test_a_vm_over_its_limit_keeps_its_packets(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct budget b = budget_default();

	set_up(ws);
	assert_int_equal(sched_set_conf(s->w->sched, SCHED_MODE_TIME, 20), 0);
	b.limit_percent = 1;
	assert_int_equal(sched_set_vm(s->w->sched, s->guest[1].vm.id, &b), 0);
	/* It has used what it may for some time. */
	sched_charge_other(s->w->sched, s->guest[1].vm.id, 1000000);
	for (unsigned i = 0; i < 20; i++) {
		wire_arrive_many(ws, HOST, 1, 20);
		wire_arrive_many(ws, HOST, 2, 1);
		scene_turns(s, 2);
		assert_int_equal(scene_received(s, 2), 1);
	}
	assert_int_equal(scene_received(s, 1), 0);
	assert_int_equal(staging_of(s->w, &s->guest[1])->n, WIRE_MAX_STAGED);
	assert_int_equal(wire_lost(ws, 1, DROP_WIRE_FULL), 400 - WIRE_MAX_STAGED);
	/* It may go on later. */
	s->now += 1000000000;
	scene_turns(s, 20);
	assert_int_equal(scene_received(s, 1), BUFFERS);
}

/* A packet for all counts once for each port, and what is too much is made up for by the turns that
 * follow: the rest stays where it was polled into. */
static void test_a_turn_stages_some(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	uint64_t before = 0;

	wire_listen(ws);
	for (unsigned i = 0; i < 100; i++)
		wire_arrive(ws, HOST, WIRE_VNI, scene_all, 1);
	for (unsigned turn = 1; turn <= 7; turn++) {
		uint64_t n = 0;

		assert_true(ingress_accept(s->w));
		for (unsigned i = 0; i < 5; i++)
			n += scene_counters(s, i)->wire_in;
		assert_in_range(n, turn * 64, turn * 64 + 4);
		assert_in_range(n - before, 60, 68);
		before = n;
	}
	scene_turns(s, 20);
	assert_true(ingress_is_quiet(ws->wire[0]));
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(scene_counters(s, i)->wire_in, 100);
		scene_received(s, i);
	}
}

/* Packets that were polled go with their queue. */
static void test_what_was_polled_is_dropped(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	wire_listen(ws);
	for (unsigned i = 0; i < 20; i++)
		wire_arrive(ws, HOST, WIRE_VNI, scene_all, 1);
	assert_true(ingress_accept(s->w));
	assert_false(ingress_is_quiet(ws->wire[0]));
	ingress_drop_polled(ws->wire[0], uplink_queue(ws->uplink, 0));
	assert_false(ingress_is_quiet(ws->wire[0]));
	ingress_drop_polled(ws->wire[0], uplink_queue(ws->uplink, 1));
	assert_true(ingress_is_quiet(ws->wire[0]));
	scene_turns(s, 5);
	assert_true(rte_mempool_full(uplink_queue(ws->uplink, 1)->rx_pool));
	assert_int_equal(scene_received(s, 1), 13);
}

/* --- turns --------------------------------------------------------------------------------------
 */

/* What a VM sends and what it is sent take turns: with little time, both go on. */
static void test_neither_the_ring_nor_the_wire_starves(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	set_up(ws);
	s->meanwhile = scene_take_long;
	for (unsigned i = 0; i < 20; i++) {
		while (staging_of(s->w, &s->guest[1])->n < 100) {
			wire_arrive_many(ws, HOST, 1, 32);
			wire_take_in(ws);
		}
		while (s->guest[1].fe.ring[1].n_free > 10)
			scene_send_to(s, 1, 2, 1);
		scene_turns(s, 2);
		scene_offer_again(s, 1);
		scene_offer_again(s, 2);
		scene_reclaim(s, 1);
	}
	s->meanwhile = NULL;
	assert_true(scene_counters(s, 1)->forwarded > 100);
	assert_true(wire_delivered(ws, 1) > 100);
	scene_turns(s, 20);
}

/* Jobs that wait for a full uplink keep no packets away from the VM that sent them. */
static void test_a_vm_that_waits_for_an_uplink_receives(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct backlog *b = &s->w->backlog[s->guest[0].vm.id];

	wire_introduce_guest(ws, 0);
	wire_introduce(ws, HOST);
	wire_listen(ws);
	wire_fill(ws, 0);
	wire_send_to(ws, HOST, 1);
	scene_turns(s, 2);
	scene_send_to_all(s, 0, 2);
	scene_turns(s, 3);
	assert_int_equal(b->n, 1);
	wire_arrive_many(ws, HOST, 0, 100);
	for (unsigned i = 0; i < 50; i++) {
		s->now += WIRE_HOLD_US * 1000;
		scene_turns(s, 1);
	}
	assert_int_equal(b->n, 1);
	assert_int_equal(scene_received(s, 0), BUFFERS + 1);
	wire_make_room(ws, 10);
	assert_int_equal(b->n, 0);
}

/* What a service has no time for, because a receiver's pages are missing, stays staged, in its
 * place. */
static void test_packets_into_missing_pages_arrive_in_order(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct page_faults *faults = &s->w->deadline.faults;
	uint32_t len;
	int got = 0;

	if (page_faults_open(faults) < 0)
		skip();
	set_up(ws);
	wire_arrive_many(ws, HOST, 1, 30);
	wire_take_in(ws);
	scene_turn_without_pages(s, 1);
	while (scene_receive(&s->guest[1], &len) == got)
		got++;
	assert_in_range(got, 1, 20);
	assert_int_equal(staging_of(s->w, &s->guest[1])->n, 30 - got);
	for (int i = 30; i < 40; i++)
		wire_arrive_for(ws, HOST, 1, (uint8_t)i);
	scene_turns(s, 50);
	for (; got < 40; got++)
		assert_int_equal(scene_receive(&s->guest[1], &len), got);
	assert_int_equal(wire_delivered(ws, 1), 40);
	page_faults_close(faults);
}

/* --- to another worker --------------------------------------------------------------------------
 */

static void test_another_workers_vm_gets_them_there(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	uint16_t vm = s->guest[1].vm.id;
	uint32_t len;

	set_up(ws);
	scene_move(s, 1);
	wire_arrive_many(ws, HOST, 1, 10);
	scene_turns(s, 3);
	assert_int_equal(scene_received(s, 1), 0);
	assert_int_equal(atomic_load(&ws->wire[1]->on_their_way[vm]), 10);
	assert_int_equal(ws->wire[0]->n_staged, 0);
	loop_turn(s->w2);
	for (int i = 0; i < 10; i++)
		assert_int_equal(scene_receive(&s->guest[1], &len), i);
	assert_int_equal(atomic_load(&ws->wire[1]->on_their_way[vm]), 0);
	assert_int_equal(wire_delivered(ws, 1), 10);
	/* It pays at both: for finding out whose they are, and for taking them over. */
	assert_true(s->w->ledger.vm[vm][STAGE_WIRE_RX] > 0);
	assert_true(s->w2->ledger.vm[vm][STAGE_WIRE_RX] > 0);
	assert_true(s->w2->ledger.vm[vm][STAGE_RECEIVE] > 0);
	assert_int_equal(s->w->ledger.vm[vm][STAGE_RECEIVE], 0);
}

/* On the way as many may wait as there, and no more. */
static void test_the_way_there_has_a_limit(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	set_up(ws);
	scene_move(s, 1);
	scene_move(s, 2);
	wire_arrive_many(ws, HOST, 1, 300);
	wire_arrive_many(ws, HOST, 2, 1);
	wire_take_in(ws);
	assert_int_equal(rte_ring_count(ws->wire[1]->inbox), WIRE_MAX_STAGED + 1);
	assert_int_equal(wire_lost(ws, 1, DROP_WIRE_FULL), 300 - WIRE_MAX_STAGED);
	/* The other worker takes in a limited number a turn. */
	ingress_accept(s->w2);
	assert_int_equal(rte_ring_count(ws->wire[1]->inbox), WIRE_MAX_STAGED + 1 - 64);
	for (unsigned i = 0; i < 20; i++)
		loop_turn(s->w2);
	assert_int_equal(scene_received(s, 1), BUFFERS);
	assert_int_equal(scene_received(s, 2), 1);
}

/* One packet for all: the same buffer goes to ports of both workers. */
static void test_a_flood_goes_to_both_workers(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	wire_listen(ws);
	scene_move(s, 3);
	scene_move(s, 4);
	wire_arrive(ws, HOST, WIRE_VNI, scene_all, 7);
	scene_turns(s, 3);
	loop_turn(s->w2);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(scene_received(s, i), 1);
		assert_int_equal(wire_delivered(ws, i), 1);
	}
	assert_true(rte_mempool_full(uplink_queue(ws->uplink, 1)->rx_pool));
}

/* --- queue pairs --------------------------------------------------------------------------------
 */

/* Of a port with two queues, a flow's packets all go to one; here the second is guest 2's ring. */
static void test_a_flow_stays_in_its_queue(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct scene_guest *g = &s->guest[1];
	struct vdev_pair pairs[2];
	uint8_t frame[64] = {0};
	unsigned first, second;

	wire_introduce_guest(ws, 1);
	attach_change(s->w, &s->guest[2].port, NULL, NULL, NULL, 0);
	pairs[0] = g->pair;
	pairs[1] = s->guest[2].pair;
	pairs[1].tx_on = false;
	attach_change(s->w, &g->port, NULL, NULL, pairs, 2);
	wire_listen(ws);
	scene_mac(1, frame);
	wire_host_mac(HOST, frame + 6);
	/* Flows are told apart by what follows. */
	for (uint8_t i = 0; i < 60; i++) {
		frame[12] = (uint8_t)(0x90 + i % 6);
		wire_put_packet(ws, wire_packet(ws, HOST, WIRE_VNI, frame, sizeof(frame)));
	}
	scene_turns(s, 10);
	first = scene_received(s, 1);
	second = scene_received(s, 2);
	assert_int_equal(first + second, 60);
	assert_int_equal(first % 10, 0);
	assert_int_equal(wire_delivered(ws, 1), 60);
	attach_change(s->w, &g->port, NULL, NULL, NULL, 0);
	g->pair.rx = pairs[0].rx;
	attach_change(s->w, &g->port, NULL, NULL, &g->pair, 1);
	attach_change(s->w, &s->guest[2].port, NULL, NULL, &s->guest[2].pair, 1);
}

/* --- sleep --------------------------------------------------------------------------------------
 */

static void test_quiet_is_when_nothing_is_on_its_way(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	set_up(ws);
	wire_introduce(ws, HOST);
	assert_true(ingress_is_quiet(ws->wire[0]));
	scene_move(s, 1);
	wire_arrive_many(ws, HOST, 1, 1);
	wire_take_in(ws);
	assert_true(ingress_is_quiet(ws->wire[0]));
	assert_false(ingress_is_quiet(ws->wire[1]));
	loop_turn(s->w2);
	assert_true(ingress_is_quiet(ws->wire[1]));
	/* Frames that wait for an uplink. */
	wire_fill(ws, 0);
	wire_send_to(ws, HOST, 1);
	scene_turns(s, 2);
	assert_false(ingress_is_quiet(ws->wire[0]));
	wire_drain_filling(ws);
	scene_turns(s, 1);
	assert_true(ingress_is_quiet(ws->wire[0]));
}

/* A worker naps where an uplink wakes nobody up, and does not while something is on its way. */
static void test_a_worker_naps(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	uint16_t unwatched = s->w->n_unwatched;
	uint64_t before;

	wire_listen(ws);
	wire_introduce(ws, HOST);
	s->w->n_unwatched = 0; /* the guests of the scene have nothing to kick */
	ws->wire[0]->n_silent = 1;
	before = s->w->sleeps;
	sleep_begin(s->w);
	assert_int_equal(s->w->sleeps, before + 1);
	sleep_end(s->w);
	wire_fill(ws, 0);
	wire_send_to(ws, HOST, 1);
	scene_turns(s, 2);
	sleep_begin(s->w);
	sleep_end(s->w);
	assert_int_equal(s->w->sleeps, before + 1);
	s->w->n_unwatched = unwatched;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WIRE_CASE(test_a_flooded_vm_has_a_limit),
		WIRE_CASE(test_the_limit_is_what_is_free),
		WIRE_CASE(test_congestion_is_told_before_packets_are_lost),
		WIRE_CASE(test_a_vm_over_its_limit_keeps_its_packets),
		WIRE_CASE(test_a_turn_stages_some),
		WIRE_CASE(test_what_was_polled_is_dropped),
		WIRE_CASE(test_neither_the_ring_nor_the_wire_starves),
		WIRE_CASE(test_a_vm_that_waits_for_an_uplink_receives),
		WIRE_CASE(test_packets_into_missing_pages_arrive_in_order),
		WIRE_CASE(test_another_workers_vm_gets_them_there),
		WIRE_CASE(test_the_way_there_has_a_limit),
		WIRE_CASE(test_a_flood_goes_to_both_workers),
		WIRE_CASE(test_a_flow_stays_in_its_queue),
		WIRE_CASE(test_quiet_is_when_nothing_is_on_its_way),
		WIRE_CASE(test_a_worker_naps),
	};

	if (fake_eal_init("staging_test") < 0)
		return 1;
	return cmocka_run_group_tests_name("staging", tests, NULL, NULL);
}
