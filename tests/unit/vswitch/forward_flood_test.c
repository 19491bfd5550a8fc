/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets to a whole network that are more work than a batch, or a slice. */
#include "vswitch/forward.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "tests/fake/eal.h"
#include "tests/fake/scene.h"
#include "pkt/pkt.h"
#include "vswitch/attach.h"
#include "vswitch/backlog.h"
#include "vswitch/loop.h"
#include "vswitch/outbox.h"

#define FLOODS 20 /* more than one batch takes to four receivers */

/* One packet to a single receiver, so that batches end within a packet, and those to all. */
static void send_floods(struct scene *s)
{
	scene_introduce(s, 1);
	scene_send_to(s, 0, 1, 100);
	for (uint8_t i = 0; i < FLOODS; i++)
		scene_send_to_all(s, 0, i);
}

/* A turn in which nothing fits into the slice after the first batch: the clock is read a few times
 * while packets are taken. */
static void slow_turn(struct scene *s)
{
	s->meanwhile = scene_take_long;
	loop_turn(s->w);
	s->meanwhile = NULL;
}

/* All have the first `whole` floods in order. Returns how many have one more: the first receivers.
 */
static unsigned assert_received(struct scene *s, unsigned whole)
{
	unsigned more = 0;
	uint32_t len;

	assert_int_equal(scene_receive(&s->guest[1], &len), 100);
	for (unsigned i = 1; i < 5; i++) {
		int tag;

		for (unsigned k = 0; k < whole; k++)
			assert_int_equal(scene_receive(&s->guest[i], &len), k);
		tag = scene_receive(&s->guest[i], &len);
		if (tag < 0)
			continue;
		assert_int_equal(tag, whole);
		assert_int_equal(more, i - 1);
		assert_int_equal(scene_receive(&s->guest[i], &len), -1);
		more++;
	}
	return more;
}

static void test_a_flood_is_cut_into_batches(void **state)
{
	struct scene *s = *state;

	send_floods(s);
	loop_turn(s->w);
	assert_int_equal(assert_received(s, FLOODS), 0);
	assert_int_equal(scene_counters(s, 0)->forwarded, 1 + FLOODS);
	assert_int_equal(scene_counters(s, 0)->flooded, FLOODS);
	assert_int_equal(scene_counters(s, 0)->copies, 3 * FLOODS);
	assert_true(rte_mempool_full(s->guest[0].vm.pool));
}

/* Ends a service within a flood. Returns how many floods before it were whole. */
static unsigned cut_by_the_slice(struct scene *s)
{
	struct backlog *b = &s->w->backlog[s->guest[0].vm.id];

	send_floods(s);
	slow_turn(s);
	assert_int_equal(b->n, 1);
	assert_int_equal(backlog_at(b, 0)->kind, JOB_FLOOD);
	assert_false(pkt_is_lent(backlog_at(b, 0)->m));
	assert_int_equal(scene_counters(s, 0)->in, scene_counters(s, 0)->forwarded);
	return (unsigned)scene_counters(s, 0)->in - 2;
}

static void test_a_flood_goes_on_in_the_next_service(void **state)
{
	struct scene *s = *state;
	unsigned whole = cut_by_the_slice(s);

	assert_in_range(whole, 4, 10);
	/* What was not begun is in the ring again. */
	assert_int_equal(s->guest[0].fe.ring[1].used->idx, 1 + whole + 1);
	scene_turns(s, 3);
	assert_int_equal(assert_received(s, FLOODS), 0);
	assert_int_equal(scene_counters(s, 0)->forwarded, 1 + FLOODS);
	assert_int_equal(scene_counters(s, 0)->copies, 3 * FLOODS);
	assert_true(rte_mempool_full(s->guest[0].vm.pool));
}

/* A notification takes as long as many small packets. */
static void test_receivers_to_notify_make_batches_shorter(void **state)
{
	struct scene *s = *state;

	for (unsigned i = 0; i < SCENE_GUESTS; i++)
		s->guest[i].pair.rx.q.notifies = true;
	assert_int_equal(cut_by_the_slice(s), 0);
}

static void test_a_flood_that_cannot_be_kept_ends(void **state)
{
	struct scene *s = *state;
	struct rte_mempool *pool = s->guest[0].vm.pool;
	unsigned whole, n = 0;
	struct rte_mbuf *taken[512];

	while (n < 512 && (taken[n] = rte_pktmbuf_alloc(pool)))
		n++;
	assert_in_range(n, 1, 511);
	send_floods(s);
	slow_turn(s);
	assert_int_equal(s->w->backlog[s->guest[0].vm.id].n, 0);
	whole = (unsigned)scene_counters(s, 0)->in - 2;
	assert_in_range(assert_received(s, whole), 1, 3);
	assert_int_equal(scene_counters(s, 0)->forwarded, 1 + whole + 1);
	rte_pktmbuf_free_bulk(taken, n);
}

static void test_a_flood_ends_with_its_port(void **state)
{
	struct scene *s = *state;
	unsigned whole = cut_by_the_slice(s), more;

	attach_change(s->w, &s->guest[0].port, NULL, NULL, NULL, 0);
	/* As a change of its network does. */
	s->guest[0].port.epoch++;
	more = assert_received(s, whole);
	assert_in_range(more, 1, 3);
	slow_turn(s);
	assert_int_equal(scene_counters(s, 0)->forwarded, 1 + whole + 1);
	assert_int_equal(scene_counters(s, 0)->copies, 3 * whole + more - 1);
	assert_int_equal(scene_dropped(s, 0, DROP_PORT_GONE), 0);
	assert_int_equal(s->w->backlog[s->guest[0].vm.id].n, 0);
	attach_change(s->w, &s->guest[0].port, NULL, NULL, &s->guest[0].pair, 1);
}

/* Its new worker alone may hand anything over for it. */
static void test_a_flood_ends_when_its_vm_moves(void **state)
{
	struct scene *s = *state;
	unsigned whole = cut_by_the_slice(s), more;

	scene_move(s, 0);
	more = assert_received(s, whole);
	assert_in_range(more, 1, 3);
	scene_turns(s, 3);
	assert_int_equal(s->w->backlog[s->guest[0].vm.id].n, 0);
	assert_int_equal(s->w2->jobs_put[s->guest[0].vm.id], 0);
	assert_int_equal(scene_counters(s, 0)->forwarded, 1 + whole + 1);
	assert_int_equal(scene_counters(s, 0)->copies, 3 * whole + more - 1);
}

/* The part ends within the flood, and all of it was for one port. */
static void test_a_flood_behind_packets_to_its_first_receiver(void **state)
{
	struct scene *s = *state;

	scene_introduce(s, 1);
	for (unsigned i = 0; i < MAX_WORK - 1; i++)
		scene_send_to(s, 0, 1, (uint8_t)i);
	scene_send_to_all(s, 0, 1);
	scene_turns(s, 5);
	assert_int_equal(scene_received(s, 1), MAX_WORK);
	for (unsigned i = 2; i < 5; i++)
		assert_int_equal(scene_received(s, i), 1);
	assert_int_equal(scene_counters(s, 0)->forwarded, MAX_WORK);
	assert_int_equal(scene_counters(s, 0)->copies, 3);
}

/* A port that leaves the network meanwhile changes nothing for the others. */
static void test_a_flood_outlives_a_change_of_members(void **state)
{
	struct scene *s = *state;
	struct members *m = atomic_load(&s->net[0].members);
	unsigned whole = cut_by_the_slice(s);
	uint32_t len;

	assert_in_range(backlog_at(&s->w->backlog[s->guest[0].vm.id], 0)->cursor,
			s->guest[2].port.id, s->guest[4].port.id);
	/* The first receiver, which has it. */
	assert_ptr_equal(m->port[1], &s->guest[1].port);
	memmove(&m->port[1], &m->port[2], 3 * sizeof(struct vport *));
	m->n = 4;
	scene_turns(s, 3);
	assert_int_equal(scene_receive(&s->guest[1], &len), 100);
	for (unsigned k = 0; k <= whole; k++)
		assert_int_equal(scene_receive(&s->guest[1], &len), k);
	assert_int_equal(scene_receive(&s->guest[1], &len), -1);
	for (unsigned i = 2; i < 5; i++) {
		for (unsigned k = 0; k < FLOODS; k++)
			assert_int_equal(scene_receive(&s->guest[i], &len), k);
		assert_int_equal(scene_receive(&s->guest[i], &len), -1);
	}
}

/* A port may be kept from sending many packets to all. Others pass. */
static void test_a_port_has_a_limit_of_floods(void **state)
{
	struct scene *s = *state;

	scene_introduce(s, 1);
	scene_introduce(s, 2);
	s->now += 1000000000;
	pps_set(&s->guest[0].port.floods, 50);
	for (uint8_t i = 0; i < 20; i++) {
		scene_send_to_all(s, 0, i);
		scene_send_to(s, 0, 1, i);
	}
	scene_turns(s, 5);
	assert_int_equal(scene_received(s, 2), 6);
	assert_int_equal(scene_received(s, 1), 6 + 20);
	assert_int_equal(scene_dropped(s, 0, DROP_FLOOD_LIMIT), 14);
	s->now += 1000000000 / 50;
	scene_send_to_all(s, 0, 1);
	scene_turns(s, 2);
	assert_int_equal(scene_received(s, 2), 1);
}

/* Guards of all guests but the first. */
static void guard_others(struct scene *s, struct guard *guard)
{
	for (unsigned i = 1; i < s->n_guests; i++) {
		uint8_t mac[6];

		scene_mac(i, mac);
		guard[i] = (struct guard){.allow = GUARD_ALLOW_USUAL};
		guard_add_mac(&guard[i], fdb_mac(mac));
		atomic_store(&s->guest[i].port.guard, &guard[i]);
	}
}

/* What is for one station reaches a guarded port only if it is that station's. */
static void test_guarded_ports_get_what_is_for_them(void **state)
{
	static const uint8_t nobody[6] = {2, 0, 0, 0, 0x99, 0x99};
	struct guard guard[SCENE_MOST];
	struct scene *s = *state;
	uint8_t src[6];

	scene_mac(0, src);
	guard_others(s, guard);
	scene_send_to(s, 0, 3, 1);
	scene_turns(s, 3);
	for (unsigned i = 1; i < 5; i++)
		assert_int_equal(scene_received(s, i), i == 3);
	assert_int_equal(scene_counters(s, 0)->forwarded, 1);
	assert_int_equal(scene_counters(s, 0)->copies, 0);
	scene_send_frame(&s->guest[0], nobody, src, 0x88b5, 64, 2);
	scene_turns(s, 3);
	assert_int_equal(scene_dropped(s, 0, DROP_NO_RECEIVER), 1);
	scene_send_to_all(s, 0, 3);
	scene_turns(s, 3);
	for (unsigned i = 1; i < 5; i++)
		assert_int_equal(scene_received(s, i), 1);
	atomic_store(&s->guest[2].port.guard, NULL);
	scene_send_frame(&s->guest[0], nobody, src, 0x88b5, 64, 4);
	scene_turns(s, 3);
	for (unsigned i = 1; i < 5; i++)
		assert_int_equal(scene_received(s, i), i == 2);
}

/* Ports that are passed over are work, too: such a flood is cut before its end, and counts once,
 * when that is reached. */
static void test_a_flood_past_guarded_ports_is_cut(void **state)
{
	static const uint8_t nobody[6] = {2, 0, 0, 0, 0x99, 0x99};
	struct guard guard[SCENE_MOST];
	struct scene *s = *state;
	uint8_t src[6];

	scene_join(s, 0, SCENE_MOST - SCENE_GUESTS);
	scene_mac(0, src);
	guard_others(s, guard);
	for (uint8_t i = 0; i < FLOODS; i++)
		scene_send_frame(&s->guest[0], nobody, src, 0x88b5, 64, i);
	slow_turn(s);
	scene_turns(s, 20);
	assert_int_equal(scene_dropped(s, 0, DROP_NO_RECEIVER), FLOODS);
	for (unsigned i = 0; i < s->n_guests; i++)
		assert_int_equal(scene_received(s, i), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_CASE(test_a_flood_is_cut_into_batches),
		SCENE_CASE(test_guarded_ports_get_what_is_for_them),
		SCENE_CASE(test_a_flood_past_guarded_ports_is_cut),
		SCENE_CASE(test_a_flood_goes_on_in_the_next_service),
		SCENE_CASE(test_receivers_to_notify_make_batches_shorter),
		SCENE_CASE(test_a_flood_that_cannot_be_kept_ends),
		SCENE_CASE(test_a_flood_ends_with_its_port),
		SCENE_CASE(test_a_flood_ends_when_its_vm_moves),
		SCENE_CASE(test_a_flood_behind_packets_to_its_first_receiver),
		SCENE_CASE(test_a_flood_outlives_a_change_of_members),
		SCENE_CASE(test_a_port_has_a_limit_of_floods),
	};

	if (fake_eal_init("forward_flood_test") < 0)
		return 1;
	return cmocka_run_group_tests_name("forward_flood", tests, NULL, NULL);
}
