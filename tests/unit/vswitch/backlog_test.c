/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets that go from one worker's VM to another worker's. */
#include "vswitch/backlog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <rte_mbuf.h>

#include "tests/fake/eal.h"
#include "tests/fake/scene.h"
#include "vswitch/attach.h"
#include "vswitch/loop.h"

static void test_packets_cross_workers(void **state)
{
	struct scene *s = *state;
	uint32_t len;

	scene_move(s, 1);
	scene_send_to(s, 0, 1, 42);
	scene_turns(s, 3);
	assert_int_equal(scene_receive(&s->guest[1], &len), -1);
	loop_turn(s->w2);
	assert_int_equal(scene_receive(&s->guest[1], &len), 42);
	assert_int_equal(len, 64);
	/* The sender pays at the other worker too. */
	assert_true(s->w2->ledger.vm[s->guest[0].vm.id][STAGE_RECEIVE] > 0);
}

static void test_a_vm_has_its_share_of_a_handoff_ring(void **state)
{
	struct scene *s = *state;
	unsigned sent = 0;

	scene_move(s, 1);
	scene_send_to(s, 1, 0, 1);
	loop_turn(s->w2);
	scene_turns(s, 2);
	for (unsigned round = 0; round < 10; round++) {
		for (unsigned i = 0; i < 30; i++, sent++)
			scene_send_to(s, 0, 1, 1);
		scene_turns(s, 5);
		scene_reclaim(s, 0);
	}
	assert_int_equal(sent, 300);
	/* Counted where it ends, so that no count is ever taken back. */
	assert_int_equal(scene_counters(s, 0)->forwarded, 0);
	assert_int_equal(scene_dropped(s, 0, DROP_HANDOFF_FULL), 300 - 128);
	for (unsigned i = 0; i < 20; i++)
		loop_turn(s->w2);
	assert_int_equal(scene_received(s, 1), SCENE_RING_SIZE);
	assert_int_equal(s->w2->counters[s->guest[0].port.id].forwarded, SCENE_RING_SIZE);
	assert_int_equal(s->w2->counters[s->guest[0].port.id].drops[DROP_RING_FULL],
			 128 - SCENE_RING_SIZE);
	scene_assert_conserved(s);
}

/* Guest 1 goes to the second worker, where a packet from guest 0 waits for it. */
static void hand_over_one(struct scene *s)
{
	scene_move(s, 1);
	scene_send_to(s, 1, 0, 1);
	loop_turn(s->w2);
	scene_turns(s, 2);
	scene_send_to(s, 0, 1, 1);
	scene_turns(s, 2);
}

static void test_what_is_handed_to_a_port_that_goes_is_dropped(void **state)
{
	struct scene *s = *state;

	hand_over_one(s);
	s->ports[s->guest[1].port.id] = NULL;
	loop_turn(s->w2);
	assert_int_equal(s->w2->counters[s->guest[0].port.id].drops[DROP_PORT_GONE], 1);
	scene_assert_conserved(s);
	s->ports[s->guest[1].port.id] = &s->guest[1].port;
}

/* Nor is it counted as delivered when another worker serves the port by now. */
static void test_what_is_handed_to_a_port_that_moves_is_dropped(void **state)
{
	struct scene *s = *state;
	const struct port_counters *c = &s->w2->counters[s->guest[0].port.id];

	hand_over_one(s);
	s->guest[1].port.worker = s->w;
	loop_turn(s->w2);
	assert_int_equal(c->drops[DROP_PORT_GONE], 1);
	assert_int_equal(c->forwarded, 0);
	s->guest[1].port.worker = s->w2;
}

/* A port with the same number is not the same port. */
static void test_what_is_handed_to_another_port_is_dropped(void **state)
{
	struct scene *s = *state;

	hand_over_one(s);
	atomic_fetch_add(&s->guest[1].port.epoch, 1);
	loop_turn(s->w2);
	assert_int_equal(scene_received(s, 1), 0);
	assert_int_equal(s->w2->counters[s->guest[0].port.id].drops[DROP_PORT_GONE], 1);
}

/* What is still on its way of a port that is gone is not counted as its successor's. */
static void test_a_successor_does_not_pay_for_its_predecessor(void **state)
{
	struct scene *s = *state;
	const struct port_counters *c = &s->w2->counters[s->guest[0].port.id];

	hand_over_one(s);
	s->guest[0].port.first_epoch++;
	memset(&s->w->counters[s->guest[0].port.id], 0, sizeof(*c));
	scene_enable(&s->guest[1], false);
	loop_turn(s->w2);
	assert_int_equal(c->forwarded, 0);
	assert_int_equal(c->drops[DROP_PORT_DOWN], 0);
	scene_enable(&s->guest[1], true);
}

/* What a port sent before it changed networks is its own still. */
static void test_a_port_in_another_network_pays_for_what_it_sent(void **state)
{
	struct scene *s = *state;

	hand_over_one(s);
	atomic_fetch_add(&s->guest[0].port.epoch, 1);
	loop_turn(s->w2);
	assert_int_equal(s->w2->counters[s->guest[0].port.id].forwarded, 1);
	scene_assert_conserved(s);
}

static void take_long(struct scene *s)
{
	s->now += 15000;
}

/* Guest 1 is at the second worker and knows how to reach guests 0 and 3; guest 2 is there too. */
static void set_up_receiver(struct scene *s)
{
	scene_move(s, 1);
	scene_move(s, 2);
	scene_send_to(s, 1, 0, 1);
	loop_turn(s->w2);
	scene_turns(s, 2);
	loop_turn(s->w2);
	scene_receive_all(s);
	assert_int_equal(sched_set_conf(s->w2->sched, SCHED_MODE_TIME, 20), 0);
}

/* A VM that handed over much keeps nobody waiting for longer than a slice. */
static void test_arrivals_are_served_in_turn(void **state)
{
	struct scene *s = *state;
	uint8_t to[6], from[6];
	unsigned before = 0;
	uint32_t len;

	set_up_receiver(s);
	scene_mac(1, to);
	scene_mac(0, from);
	for (unsigned i = 0; i < 60; i++)
		scene_send_frame(&s->guest[0], to, from, 0x0800, 1500, 7);
	scene_send_to(s, 3, 1, 8);
	scene_turns(s, 5);
	s->meanwhile = take_long; /* a batch takes more than a slice */
	loop_turn(s->w2);
	loop_turn(s->w2);
	s->meanwhile = NULL;
	while (scene_receive(&s->guest[1], &len) == 7)
		before++;
	assert_in_range(before, 0, 59);
	for (unsigned i = 0; i < 5; i++)
		loop_turn(s->w2);
	assert_int_equal(before + 1 + scene_received(s, 1), 61);
}

/* A guarantee comes before what others hand over. */
static void test_a_guarantee_comes_before_arrivals(void **state)
{
	struct budget b = budget_default();
	struct scene *s = *state;
	uint32_t len;

	set_up_receiver(s);
	b.guarantee_us = 300;
	assert_int_equal(sched_set_vm(s->w2->sched, s->guest[2].vm.id, &b), 0);
	attach_find_guaranteed(s->w2);
	for (unsigned i = 0; i < 30; i++)
		scene_send_to(s, 0, 1, 7);
	scene_turns(s, 3);
	scene_send_to(s, 2, 1, 9);
	loop_turn(s->w2);
	assert_int_equal(scene_receive(&s->guest[1], &len), 9);
	loop_turn(s->w2);
	assert_int_equal(scene_received(s, 1), 30);
}

/* What is on its way when its VM goes is freed; the end of the test looks after the buffers. */
static void test_arrivals_go_with_their_vm(void **state)
{
	struct scene *s = *state;

	set_up_receiver(s);
	for (unsigned i = 0; i < 30; i++)
		scene_send_to(s, 0, 1, 7);
	scene_turns(s, 3);
	assert_true(rte_mempool_in_use_count(s->guest[0].vm.pool) > 0);
	assert_int_equal(backlog_accept(s->w2, 10), 10);
	/* As the port, whose counters go with it, goes before the VM does. */
	memset(&s->w->counters[s->guest[0].port.id], 0, sizeof(s->w->counters[0]));
}

/* The sender's counters after a broadcast to guests of which those from `first_down` on are down,
 * and those from 2 on served by the other worker. */
static struct port_counters broadcast(struct scene *s, unsigned first_down)
{
	struct port_counters sum = {0};

	for (unsigned i = 2; i < SCENE_GUESTS; i++)
		scene_move(s, i);
	for (unsigned i = first_down; i < SCENE_GUESTS; i++)
		scene_enable(&s->guest[i], false);
	scene_send_to_all(s, 0, 1);
	scene_turns(s, 2);
	loop_turn(s->w2);
	for (unsigned i = first_down; i < SCENE_GUESTS; i++)
		scene_enable(&s->guest[i], true);
	port_counters_add(&sum, &s->w->counters[s->guest[0].port.id]);
	port_counters_add(&sum, &s->w2->counters[s->guest[0].port.id]);
	return sum;
}

/* A packet that none of several receivers got is dropped, not forwarded. */
static void test_a_flood_that_nobody_gets_is_dropped(void **state)
{
	struct port_counters sum = broadcast(*state, 1);

	assert_int_equal(sum.forwarded, 0);
	assert_int_equal(sum.copies, 0);
	assert_int_equal(sum.drops[DROP_PORT_DOWN], 1);
}

static void test_a_flood_that_one_gets_is_forwarded(void **state)
{
	struct port_counters sum = broadcast(*state, 2);

	assert_int_equal(sum.forwarded, 1);
	assert_int_equal(sum.copies, 0);
	assert_int_equal(sum.drops[DROP_PORT_DOWN], 0);
}

/* What a service has no time for, because a receiver's pages are missing, goes on in the next. */
static void test_packets_into_missing_pages_arrive_in_order(void **state)
{
	struct scene *s = *state;
	struct page_faults *faults = &s->w->deadline.faults;
	uint32_t len;
	int got = 0;

	if (page_faults_open(faults) < 0)
		skip();
	scene_introduce(s, 1);
	for (unsigned i = 0; i < 30; i++)
		scene_send_to(s, 0, 1, (uint8_t)i);
	scene_turn_without_pages(s, 1);
	while (scene_receive(&s->guest[1], &len) == got)
		got++;
	assert_in_range(got, 1, 3);
	assert_int_equal(s->w->backlog[s->guest[0].vm.id].n, 30 - got);
	for (unsigned i = 30; i < 40; i++)
		scene_send_to(s, 0, 1, (uint8_t)i);
	scene_turns(s, 50);
	for (; got < 40; got++)
		assert_int_equal(scene_receive(&s->guest[1], &len), got);
	assert_int_equal(scene_counters(s, 0)->forwarded, 40);
	assert_true(rte_mempool_full(s->guest[0].vm.pool));
	page_faults_close(faults);
}

/* A flood that its first receiver gets later than the others is counted once. */
static void test_a_flood_that_goes_on_later_is_counted_once(void **state)
{
	struct scene *s = *state;
	struct page_faults *faults = &s->w->deadline.faults;

	if (page_faults_open(faults) < 0)
		skip();
	for (unsigned i = 0; i < 10; i++)
		scene_send_to_all(s, 0, (uint8_t)i);
	scene_turn_without_pages(s, 1);
	assert_true(s->w->backlog[s->guest[0].vm.id].n > 0);
	scene_turns(s, 50);
	for (unsigned i = 1; i < 5; i++)
		assert_int_equal(scene_received(s, i), 10);
	assert_int_equal(scene_counters(s, 0)->forwarded, 10);
	assert_int_equal(scene_counters(s, 0)->copies, 30);
	page_faults_close(faults);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_CASE(test_packets_cross_workers),
		SCENE_CASE(test_a_vm_has_its_share_of_a_handoff_ring),
		SCENE_CASE(test_what_is_handed_to_a_port_that_goes_is_dropped),
		SCENE_CASE(test_what_is_handed_to_a_port_that_moves_is_dropped),
		SCENE_CASE(test_what_is_handed_to_another_port_is_dropped),
		SCENE_CASE(test_a_successor_does_not_pay_for_its_predecessor),
		SCENE_CASE(test_a_port_in_another_network_pays_for_what_it_sent),
		SCENE_CASE(test_arrivals_are_served_in_turn),
		SCENE_CASE(test_a_guarantee_comes_before_arrivals),
		SCENE_CASE(test_arrivals_go_with_their_vm),
		SCENE_CASE(test_a_flood_that_nobody_gets_is_dropped),
		SCENE_CASE(test_a_flood_that_one_gets_is_forwarded),
		SCENE_CASE(test_packets_into_missing_pages_arrive_in_order),
		SCENE_CASE(test_a_flood_that_goes_on_later_is_counted_once),
	};

	if (fake_eal_init("handoff_test") < 0)
		return 1;
	return cmocka_run_group_tests_name("handoff", tests, NULL, NULL);
}
