/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole turns of the loop: how services are cut, what goes when a ring goes, nothing lost in much
 * traffic. */
#include "vswitch/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "tests/fake/eal.h"
#include "tests/fake/scene.h"
#include "vhost/net_lent.h"
#include "vswitch/attach.h"

static void wake_up_once(struct scene *s)
{
	if (scene_counters(s, 1)->in == 0)
		return;
	s->meanwhile = NULL;
	scene_send_to(s, 0, 2, 200);
}

/* How many packets of a VM with many arrive before that of one which wakes up meanwhile. */
static unsigned packets_before(struct scene *s, uint32_t guarantee_us)
{
	struct budget b = budget_default();
	unsigned n = 0;
	uint32_t len;

	scene_introduce(s, 2);
	b.guarantee_us = guarantee_us;
	assert_int_equal(sched_set_conf(s->w->sched, SCHED_MODE_TIME, 20), 0);
	assert_int_equal(sched_set_vm(s->w->sched, s->guest[0].vm.id, &b), 0);
	attach_find_guaranteed(s->w);
	for (unsigned i = 0; i < 60; i++)
		scene_send_to(s, 1, 2, (uint8_t)i);
	s->meanwhile = wake_up_once;
	scene_turns(s, 3);
	while (scene_receive(&s->guest[2], &len) < 200)
		n++;
	return n;
}

static void test_a_guarantee_preempts_between_bursts(void **state)
{
	struct scene *s = *state;

	assert_in_range(packets_before(s, 300), 1, 30);
}

static void test_without_a_guarantee_a_slice_is_served(void **state)
{
	struct scene *s = *state;

	assert_int_equal(packets_before(s, 0), 60);
}

static void take_a_slice(struct scene *s)
{
	s->now += 25000;
}

/* All at once each look at the clock finds a slice gone, for no reason that could be seen before.
 */
static void test_what_turns_dear_overruns_by_a_packet(void **state)
{
	struct scene *s = *state;
	uint32_t len;

	scene_introduce(s, 2);
	for (unsigned i = 0; i < 60; i++)
		scene_send_to(s, 1, 2, (uint8_t)i);
	s->meanwhile = take_a_slice;
	loop_turn(s->w);
	s->meanwhile = NULL;
	assert_int_equal(scene_counters(s, 1)->in, 1);
	scene_turns(s, 3);
	assert_int_equal(scene_counters(s, 1)->in, 60);
	for (int i = 0; i < 60; i++)
		assert_int_equal(scene_receive(&s->guest[2], &len), i);
}

/* A chain that is nowhere in the guest's memory. */
static void send_nonsense(struct scene_guest *g)
{
	const struct driver_buf b = {UINT64_MAX / 2, 64, false};

	assert_true(driver_ring_add(&g->fe.ring[1], &b, 1) >= 0);
	driver_ring_publish(&g->fe.ring[1]);
}

/* What is dropped on the way in is not for free: the switch looked at it. */
static void test_nonsense_counts_against_a_rate(void **state)
{
	struct scene *s = *state;
	struct budget b = budget_default();

	b.rate_pps = 1000;
	assert_int_equal(sched_set_conf(s->w->sched, SCHED_MODE_RATE, 20), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(sched_set_vm(s->w->sched, s->guest[i].vm.id, &b), 0);
	for (unsigned round = 0; round < 4; round++) {
		for (unsigned i = 0; i < SCENE_RING_SIZE / 2; i++) {
			scene_send_to(s, 0, 2, 1);
			send_nonsense(&s->guest[1]);
		}
		scene_turns(s, 5);
		for (unsigned i = 0; i < 2; i++)
			scene_reclaim(s, i);
		if (scene_counters(s, 0)->in < (round + 1) * SCENE_RING_SIZE / 2)
			break;
	}
	assert_in_range(scene_counters(s, 0)->in, 1, 2 * SCENE_RING_SIZE - 1);
	assert_int_equal(scene_dropped(s, 1, DROP_BAD_DESCRIPTOR), scene_counters(s, 0)->in);
}

static void test_an_idle_turn_says_so(void **state)
{
	struct scene *s = *state;

	scene_turns(s, 2);
	assert_false(loop_turn(s->w));
	scene_send_to(s, 0, 1, 1);
	assert_true(loop_turn(s->w));
}

/* A packet in so many pieces that it has to be copied. */
static void send_in_pieces(struct scene *s)
{
	enum { PIECES = NET_LENT_PIECES + 1, SIZE = 64 };
	struct scene_guest *g = &s->guest[0];
	uint8_t *p = vhost_fe_alloc(&g->fe, PIECES * SIZE, 64);
	struct driver_buf b[PIECES];

	assert_non_null(p);
	memset(p, 0, PIECES * SIZE);
	scene_mac(1, p + SCENE_HDR);
	scene_mac(0, p + SCENE_HDR + 6);
	for (unsigned i = 0; i < PIECES; i++)
		b[i] = (struct driver_buf){vhost_fe_gpa(&g->fe, p + i * SIZE), SIZE, false};
	assert_true(driver_ring_add(&g->fe.ring[1], b, PIECES) >= 0);
	driver_ring_publish(&g->fe.ring[1]);
}

/* Its packets wait in its ring, and the worker does not look at them all the time. */
static void test_a_vm_without_buffers_is_held(void **state)
{
	struct scene *s = *state;
	struct rte_mempool *pool = s->guest[0].vm.pool;
	struct rte_mbuf *taken[512];
	struct sched_vm_stats before, after;
	unsigned n = 0;
	uint32_t len;

	scene_introduce(s, 1);
	while (n < 512 && (taken[n] = rte_pktmbuf_alloc(pool)))
		n++;
	assert_in_range(n, 1, 511);
	send_in_pieces(s);
	loop_turn(s->w);
	sched_get_stats(s->w->sched, s->guest[0].vm.id, &before);
	scene_turns(s, 20);
	sched_get_stats(s->w->sched, s->guest[0].vm.id, &after);
	assert_int_equal(after.services, before.services);
	/* Others are served meanwhile. */
	scene_send_to(s, 2, 1, 7);
	scene_turns(s, 3);
	assert_int_equal(scene_receive(&s->guest[1], &len), 7);
	rte_pktmbuf_free_bulk(taken, n);
	s->now += 100000;
	scene_turns(s, 3);
	assert_int_equal(scene_received(s, 1), 1);
	assert_int_equal(scene_counters(s, 0)->forwarded, 1);
	assert_int_equal(scene_dropped(s, 0, DROP_NO_BUFFER), 0);
}

static void test_a_detached_ring_is_left_alone(void **state)
{
	struct scene *s = *state;

	attach_change(s->w, &s->guest[0].port, NULL, NULL, NULL, 0);
	scene_send_to(s, 0, 1, 1);
	scene_turns(s, 5);
	assert_int_equal(scene_counters(s, 0)->in, 0);
	attach_change(s->w, &s->guest[0].port, NULL, NULL, &s->guest[0].pair, 1);
	scene_turns(s, 5);
	assert_int_equal(scene_counters(s, 0)->in, 1);
}

static void test_random_traffic_is_conserved(void **state)
{
	struct scene *s = *state;
	unsigned seed = 42;

	for (unsigned round = 0; round < 300; round++) {
		for (unsigned i = 0; i < 20; i++) {
			unsigned from = (unsigned)rand_r(&seed) % SCENE_GUESTS;

			if (s->guest[from].fe.ring[1].n_free > 0 &&
			    s->guest[from].fe.mem_used + 4096 < s->guest[from].fe.mem_size)
				scene_send_to(s, from, (unsigned)rand_r(&seed) % 8, 1);
		}
		scene_turns(s, 1 + (unsigned)rand_r(&seed) % 3);
		for (unsigned i = 0; i < SCENE_GUESTS; i++)
			scene_reclaim(s, i);
	}
	scene_turns(s, 20);
	scene_assert_conserved(s);
	assert_true(scene_counters(s, 0)->in > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_CASE(test_a_guarantee_preempts_between_bursts),
		SCENE_CASE(test_without_a_guarantee_a_slice_is_served),
		SCENE_CASE(test_what_turns_dear_overruns_by_a_packet),
		SCENE_CASE(test_nonsense_counts_against_a_rate),
		SCENE_CASE(test_an_idle_turn_says_so),
		SCENE_CASE(test_a_vm_without_buffers_is_held),
		SCENE_CASE(test_a_detached_ring_is_left_alone),
		SCENE_CASE(test_random_traffic_is_conserved),
	};

	if (fake_eal_init("loop_test") < 0)
		return 1;
	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
