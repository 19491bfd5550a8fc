/* SPDX-License-Identifier: BSD-3-Clause */
/* Which rings a turn looks at, where a worker has 40 ports: those of the scene and a crowd. */
#include "vswitch/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fake/eal.h"
#include "tests/fake/scene.h"
#include "vswitch/attach.h"

#define CROWD    (SCENE_MOST - SCENE_GUESTS)
#define PER_TURN 16
#define ROUND    3 /* turns until all were looked at */

/* VMs of a port each, which send to guest 5. */
static struct scene_guest *crowd;

static int crowd_setup(void **state)
{
	struct scene *s;

	if (scene_setup(state) < 0)
		return -1;
	s = *state;
	crowd = &s->guest[SCENE_GUESTS];
	scene_join(s, 1, CROWD);
	scene_send_to(s, 5, SCENE_GUESTS, 1); /* where guest 5 is gets known */
	scene_turns(s, 2);
	return 0;
}

static void crowd_sends(struct scene *s, unsigned k)
{
	scene_send_to(s, SCENE_GUESTS + k, 5, 1);
}

static uint64_t seen(const struct scene *s, unsigned k)
{
	return s->w->counters[crowd[k].port.id].in;
}

/* How many packets of VMs from the k-th on were seen. */
static uint64_t seen_from(const struct scene *s, unsigned k)
{
	uint64_t n = 0;

	for (; k < CROWD; k++)
		n += seen(s, k);
	return n;
}

/* Guest 0 never runs out of packets. Looks at the clock take less than usual, so that whoever is
 * seen in a turn is also served in it. */
static void refill(struct scene *s)
{
	struct vhost_fe *fe = &s->guest[0].fe;
	size_t used = fe->mem_used;

	s->now -= 80;
	scene_reclaim(s, 0);
	if (fe->ring[1].n_free == 0)
		return;
	scene_send_to(s, 0, 1, 1);
	fe->mem_used = used; /* all its packets are the same one */
}

static void start_flood(struct scene *s, enum sched_mode mode)
{
	scene_send_to(s, 1, 0, 1); /* where guest 1 is gets known */
	scene_turns(s, 2);
	assert_int_equal(sched_set_conf(s->w->sched, mode, 1), 0);
	s->meanwhile = refill;
	scene_turns(s, 2);
}

static void test_a_busy_worker_looks_at_some_rings_per_turn(void **state)
{
	struct scene *s = *state;

	start_flood(s, SCHED_MODE_NONE);
	for (unsigned round = 1; round <= 4; round++) {
		for (unsigned k = 0; k < CROWD; k++)
			crowd_sends(s, k);
		for (unsigned i = 0; i < ROUND; i++) {
			uint64_t before = seen_from(s, 0);

			scene_turns(s, 1);
			assert_in_range(seen_from(s, 0) - before, 1, PER_TURN);
		}
		for (unsigned k = 0; k < CROWD; k++)
			assert_int_equal(seen(s, k), round);
	}
}

static void guarantee(struct scene *s, uint16_t vm)
{
	struct budget b = budget_default();

	b.guarantee_us = 400;
	assert_int_equal(sched_set_vm(s->w->sched, vm, &b), 0);
	attach_find_guaranteed(s->w);
}

/* Among services that are paid from a guarantee, too: nobody looks at rings during those. */
static void test_a_guaranteed_vm_is_seen_in_the_next_turn(void **state)
{
	struct scene *s = *state;
	struct sched_vm_stats before, after;

	guarantee(s, s->guest[0].vm.id);
	guarantee(s, crowd[CROWD - 1].vm.id);
	start_flood(s, SCHED_MODE_TIME);
	sched_get_stats(s->w->sched, s->guest[0].vm.id, &before);
	for (unsigned i = 1; i <= 2 * ROUND; i++) {
		crowd_sends(s, CROWD - 1);
		scene_turns(s, 1);
		assert_int_equal(seen(s, CROWD - 1), i);
	}
	sched_get_stats(s->w->sched, s->guest[0].vm.id, &after);
	assert_true(after.funded_tsc > before.funded_tsc);
	assert_int_equal(after.funded_tsc - before.funded_tsc, after.used_tsc - before.used_tsc);
}

static void test_an_idle_worker_looks_at_all_rings(void **state)
{
	struct scene *s = *state;

	for (unsigned k = 0; k < CROWD; k++) {
		crowd_sends(s, k);
		assert_true(loop_turn(s->w));
		assert_int_equal(seen(s, k), 1);
		assert_false(loop_turn(s->w));
	}
}

/* Who waits for a limit keeps nobody busy. */
static void test_a_worker_whose_vms_are_held_back_looks_at_all_rings(void **state)
{
	struct scene *s = *state;
	struct budget b = budget_default();

	start_flood(s, SCHED_MODE_RATE);
	b.rate_pps = 1;
	assert_int_equal(sched_set_vm(s->w->sched, s->guest[0].vm.id, &b), 0);
	while (loop_turn(s->w))
		continue;
	for (unsigned k = 0; k < CROWD; k++) {
		crowd_sends(s, k);
		scene_turns(s, 1);
		assert_int_equal(seen(s, k), 1);
	}
}

static void detach_crowd(struct scene *s, unsigned n)
{
	for (unsigned k = 0; k < n; k++)
		attach_change(s->w, &crowd[k].port, NULL, NULL, NULL, 0);
}

static void attach_crowd(struct scene *s, unsigned n)
{
	for (unsigned k = 0; k < n; k++)
		attach_change(s->w, &crowd[k].port, NULL, NULL, &crowd[k].pair, 1);
}

/* Wherever the worker had come to: nobody is looked at who is gone, and everybody else is. */
static void test_ports_come_and_go_between_looks(void **state)
{
	struct scene *s = *state;
	uint64_t before;

	start_flood(s, SCHED_MODE_NONE);
	for (unsigned gone = 1; gone <= CROWD; gone++) {
		scene_turns(s, 1);
		detach_crowd(s, gone);
		before = seen_from(s, 0);
		for (unsigned k = 0; k < CROWD; k++)
			crowd_sends(s, k);
		scene_turns(s, ROUND);
		assert_int_equal(seen_from(s, 0) - before, CROWD - gone);
		assert_int_equal(seen_from(s, gone), (uint64_t)gone * (CROWD - gone));
		attach_crowd(s, gone);
		scene_turns(s, ROUND);
		assert_int_equal(seen_from(s, 0) - before, CROWD);
		for (unsigned k = 0; k < CROWD; k++)
			assert_int_equal(seen(s, k), gone);
	}
}

#define CROWD_CASE(fn) cmocka_unit_test_setup_teardown(fn, crowd_setup, scene_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CROWD_CASE(test_a_busy_worker_looks_at_some_rings_per_turn),
		CROWD_CASE(test_a_guaranteed_vm_is_seen_in_the_next_turn),
		CROWD_CASE(test_an_idle_worker_looks_at_all_rings),
		CROWD_CASE(test_a_worker_whose_vms_are_held_back_looks_at_all_rings),
		CROWD_CASE(test_ports_come_and_go_between_looks),
	};

	if (fake_eal_init("loop_poll_test") < 0)
		return 1;
	return cmocka_run_group_tests_name("loop_poll", tests, NULL, NULL);
}
