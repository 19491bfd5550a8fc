/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of policy/hostile.c: when a guest is told to be hostile, and how often. */
#include "policy/hostile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct guest {
	struct hostile h;
	uint64_t total[HOSTILE_KINDS];
	uint64_t since[HOSTILE_KINDS];
	uint32_t now_s;
};

/* A second with so many malformed chains of a kind. */
static bool second(struct guest *g, unsigned kind, uint64_t n)
{
	g->now_s++;
	g->total[kind] += n;
	return hostile_look(&g->h, g->total, g->now_s, g->since);
}

static void test_a_handful_is_no_story(void **state)
{
	struct guest g = {0};

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		assert_false(second(&g, i % HOSTILE_KINDS, HOSTILE_HANDFUL));
}

/* At once, whatever the clock says, and of all kinds together. */
static void test_the_first_second_is_told(void **state)
{
	struct guest g = {.now_s = UINT32_MAX};

	(void)state;
	g.total[0] = HOSTILE_HANDFUL;
	assert_true(second(&g, 1, 1));
	assert_int_equal(g.since[0], HOSTILE_HANDFUL);
	assert_int_equal(g.since[1], 1);
	for (unsigned i = 2; i < HOSTILE_KINDS; i++)
		assert_int_equal(g.since[i], 0);
}

/* Once in ten seconds, with all that came meanwhile. */
static void test_it_goes_on(void **state)
{
	struct guest g = {0};

	(void)state;
	assert_true(second(&g, 0, 100));
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 1; i < HOSTILE_PAUSE_S; i++)
			assert_false(second(&g, 0, 100));
		assert_true(second(&g, 2, 7));
		assert_int_equal(g.since[0], 100 * (HOSTILE_PAUSE_S - 1));
		assert_int_equal(g.since[2], 7);
	}
}

static void test_it_ends_and_begins_anew(void **state)
{
	struct guest g = {0};

	(void)state;
	assert_true(second(&g, 0, 100));
	for (unsigned i = 0; i < 3 * HOSTILE_PAUSE_S; i++)
		assert_false(second(&g, 0, i == 0 ? 2 : 0));
	assert_true(second(&g, 0, 8));
	assert_int_equal(g.since[0], 10);
}

/* A hostile second soon after the last event is told when the pause is over, if it goes on. */
static void test_the_clock_wraps(void **state)
{
	struct guest g = {.now_s = UINT32_MAX - 4};

	(void)state;
	assert_true(second(&g, 0, 6));
	for (unsigned i = 1; i < HOSTILE_PAUSE_S; i++)
		assert_false(second(&g, 0, 6));
	assert_true(second(&g, 0, 6));
}

static void test_counters_begin_anew(void **state)
{
	struct guest g = {0};

	(void)state;
	assert_true(second(&g, 0, 1000));
	g.total[0] = 3;
	g.now_s += HOSTILE_PAUSE_S;
	assert_false(second(&g, 0, 0));
	assert_true(second(&g, 0, 6));
	assert_int_equal(g.since[0], 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_handful_is_no_story),
		cmocka_unit_test(test_the_first_second_is_told),
		cmocka_unit_test(test_it_goes_on),
		cmocka_unit_test(test_it_ends_and_begins_anew),
		cmocka_unit_test(test_the_clock_wraps),
		cmocka_unit_test(test_counters_begin_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
