/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets that go from one worker's VM to another worker's. */
#include "vswitch/forward.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fake/eal.h"
#include "tests/fake/scene.h"
#include "vswitch/loop.h"

static void test_packets_cross_workers(void **state)
{
	struct scene *s = *state;
	uint32_t len;

	scene_move(s, 1);
	scene_send_to(s, 0, 1, 42);
	scene_turns(s, 3);
	assert_int_equal(scene_receive(&s->guest[1], &len), -1);
	turn(s->w2);
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
	turn(s->w2);
	scene_turns(s, 2);
	for (unsigned round = 0; round < 10; round++) {
		for (unsigned i = 0; i < 30; i++, sent++)
			scene_send_to(s, 0, 1, 1);
		scene_turns(s, 5);
		scene_reclaim(s, 0);
	}
	assert_int_equal(sent, 300);
	assert_int_equal(scene_counters(s, 0)->forwarded, 128);
	assert_int_equal(scene_dropped(s, 0, DROP_HANDOFF_FULL), 300 - 128);
	for (unsigned i = 0; i < 20; i++)
		turn(s->w2);
	/* 64 buffers were there: what did not fit is taken back from what was forwarded. */
	assert_int_equal(scene_received(s, 1), SCENE_RING_SIZE);
	scene_assert_conserved(s);
}

static void test_what_is_handed_to_a_port_that_goes_is_dropped(void **state)
{
	struct scene *s = *state;

	scene_move(s, 1);
	scene_send_to(s, 1, 0, 1);
	turn(s->w2);
	scene_turns(s, 2);
	scene_send_to(s, 0, 1, 1);
	scene_turns(s, 2);
	s->ports[s->guest[1].port.id] = NULL;
	turn(s->w2);
	assert_int_equal(s->w2->counters[s->guest[0].port.id].drops[DROP_PORT_GONE], 1);
	scene_assert_conserved(s);
	s->ports[s->guest[1].port.id] = &s->guest[1].port;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_CASE(test_packets_cross_workers),
		SCENE_CASE(test_a_vm_has_its_share_of_a_handoff_ring),
		SCENE_CASE(test_what_is_handed_to_a_port_that_goes_is_dropped),
	};

	if (fake_eal_init("forward_handoff_test") < 0)
		return 1;
	return cmocka_run_group_tests_name("forward_handoff", tests, NULL, NULL);
}
