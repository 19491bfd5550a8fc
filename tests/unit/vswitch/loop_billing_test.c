/* SPDX-License-Identifier: BSD-3-Clause */
/* What the time of a turn is billed to. */
#include "vswitch/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fake/eal.h"
#include "tests/fake/scene.h"
#include "vswitch/attach.h"

static void test_the_sender_pays(void **state)
{
	struct scene *s = *state;
	uint64_t sender, receiver;

	scene_send_to(s, 1, 0, 1);
	scene_turns(s, 3);
	sender = ledger_vm_sum(&s->w->ledger, s->guest[0].vm.id);
	receiver = ledger_vm_sum(&s->w->ledger, s->guest[1].vm.id);
	for (unsigned i = 0; i < 30; i++)
		scene_send_to(s, 0, 1, 1);
	scene_turns(s, 5);
	assert_true(ledger_vm_sum(&s->w->ledger, s->guest[0].vm.id) > sender);
	assert_int_equal(ledger_vm_sum(&s->w->ledger, s->guest[1].vm.id), receiver);
}

static void test_busy_turns_are_those_that_find_something(void **state)
{
	struct scene *s = *state;
	const struct worker *w = s->w;
	uint64_t turns, cycles, before;

	scene_introduce(s, 1);
	scene_turns(s, 3);
	turns = w->busy_turns;
	cycles = w->busy_cycles;
	scene_turns(s, 3);
	assert_int_equal(w->busy_turns, turns);
	assert_int_equal(w->busy_cycles, cycles);
	before = w->ledger.last_tsc;
	scene_send_to(s, 0, 1, 1);
	loop_turn(s->w);
	assert_int_equal(w->busy_turns, turns + 1);
	assert_int_equal(w->busy_cycles - cycles, w->ledger.last_tsc - before);
}

static uint64_t used_tsc(const struct scene *s, unsigned i)
{
	struct sched_vm_stats st;

	sched_get_stats(s->w->sched, s->guest[i].vm.id, &st);
	return st.used_tsc;
}

/* Once it is known that a ring is slow to fill. */
static void test_a_slow_ring_is_billed_to_the_receiver(void **state)
{
	struct scene *s = *state;
	const uint64_t *rows = s->w->ledger.vm[s->guest[1].vm.id];
	uint64_t before;

	scene_introduce(s, 1);
	before = rows[STAGE_DELIVER];
	s->guest[1].pair.rx.excess = 200;
	for (unsigned i = 0; i < 3; i++)
		scene_send_to(s, 0, 1, 1);
	scene_turns(s, 2);
	assert_int_equal(scene_received(s, 1), 3);
	assert_true(rows[STAGE_DELIVER] > before);
	/* The scheduler charged what the ledger says. */
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(used_tsc(s, i), ledger_vm_sum(&s->w->ledger, s->guest[i].vm.id));

	/* It is not for long: the buffers are whole. */
	scene_send_to(s, 0, 1, 1);
	scene_turns(s, 2);
	before = rows[STAGE_DELIVER];
	scene_send_to(s, 0, 1, 1);
	scene_turns(s, 2);
	assert_int_equal(rows[STAGE_DELIVER], before);
}

static void test_every_stage_is_billed(void **state)
{
	struct scene *s = *state;
	const uint64_t *rows = s->w->ledger.vm[s->guest[0].vm.id];

	scene_send_to(s, 0, 1, 1);
	scene_turns(s, 2);
	assert_true(rows[STAGE_DEQUEUE] > 0);
	assert_true(rows[STAGE_CLASSIFY] > 0);
	assert_true(rows[STAGE_DELIVER] > 0);
	assert_true(rows[STAGE_NOTIFY] > 0);
	assert_true(s->w->ledger.sys[SYSROW_POLL] > 0);
	assert_true(s->w->ledger.sys[SYSROW_CONTROL] > 0);
	assert_int_equal(ledger_sum(&s->w->ledger),
			 s->w->ledger.last_tsc - s->w->ledger.opened_tsc);
}

/* A front end that changes its device again and again pays for what that takes. */
static void test_device_changes_are_billed_to_the_vm(void **state)
{
	struct scene *s = *state;
	const uint64_t *rows = s->w->ledger.vm[s->guest[0].vm.id];
	uint64_t system = s->w->ledger.sys[SYSROW_CONTROL], before = rows[STAGE_CONTROL], once;
	struct sched_vm_stats st;

	attach_change(s->w, &s->guest[0].port, NULL, NULL, NULL, 0);
	once = rows[STAGE_CONTROL] - before;
	assert_true(once > 0);
	attach_change(s->w, &s->guest[0].port, NULL, NULL, &s->guest[0].pair, 1);
	assert_true(rows[STAGE_CONTROL] > before + once);
	sched_get_stats(s->w->sched, s->guest[0].vm.id, &st);
	assert_int_equal(st.used_tsc, ledger_vm_sum(&s->w->ledger, s->guest[0].vm.id));
	/* What went before was not the VM's. */
	assert_true(s->w->ledger.sys[SYSROW_CONTROL] > system);
	assert_int_equal(ledger_sum(&s->w->ledger),
			 s->w->ledger.last_tsc - s->w->ledger.opened_tsc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_CASE(test_the_sender_pays),
		SCENE_CASE(test_a_slow_ring_is_billed_to_the_receiver),
		SCENE_CASE(test_busy_turns_are_those_that_find_something),
		SCENE_CASE(test_every_stage_is_billed),
		SCENE_CASE(test_device_changes_are_billed_to_the_vm),
	};

	if (fake_eal_init("loop_billing_test") < 0)
		return 1;
	return cmocka_run_group_tests_name("loop_billing", tests, NULL, NULL);
}
