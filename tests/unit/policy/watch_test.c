/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of policy/watch.c: when a VM is told to be over its budget, and when not any more. */
#include "policy/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define INTERVAL 500000000ull

static struct budget tenth(void)
{
	struct budget b = budget_default();

	b.guarantee_us = 100;
	return b;
}

/* How many looks of a kind it takes until the VM's state is another one; 0: more than 20. */
static unsigned looks(struct watch *w, const struct budget *b, enum sched_mode mode,
		      uint64_t throttled, uint64_t used)
{
	for (unsigned n = 1; n <= 20; n++) {
		w->seen.throttled += throttled;
		w->seen.used_tsc += used;
		if (watch_look(w, b, mode, INTERVAL))
			return n;
	}
	return 0;
}

static void test_limit(void **state)
{
	const struct budget b = budget_default();
	struct watch w = {0};

	(void)state;
	assert_int_equal(looks(&w, &b, SCHED_MODE_TIME, 0, INTERVAL), 0);
	assert_int_equal(looks(&w, &b, SCHED_MODE_RATE, 1, 0), WATCH_PATIENCE);
	assert_int_equal(w.reason, WATCH_LIMIT);
	assert_int_equal(looks(&w, &b, SCHED_MODE_TIME, 1, 0), 0);
	assert_int_equal(looks(&w, &b, SCHED_MODE_TIME, 0, INTERVAL), WATCH_PATIENCE);
	assert_int_equal(w.reason, WATCH_NONE);
}

static void test_guarantee(void **state)
{
	const struct budget b = tenth();
	struct watch w = {0};

	(void)state;
	assert_int_equal(looks(&w, &b, SCHED_MODE_TIME, 0, INTERVAL / 100 * 10), 0);
	assert_int_equal(looks(&w, &b, SCHED_MODE_NONE, 0, INTERVAL), 0);
	assert_int_equal(looks(&w, &b, SCHED_MODE_TIME, 0, INTERVAL / 100 * 12), WATCH_PATIENCE);
	assert_int_equal(w.reason, WATCH_GUARANTEE);
	/* Held back by a limit it is over its budget no less: nothing to tell. */
	assert_int_equal(looks(&w, &b, SCHED_MODE_TIME, 1, 0), 0);
	assert_int_equal(looks(&w, &b, SCHED_MODE_TIME, 0, 0), WATCH_PATIENCE);
}

/* On and off for less than a second at a time: neither. */
static void test_flicker(void **state)
{
	const struct budget b = budget_default();
	struct watch w = {0};

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		w.seen.throttled += i % WATCH_PATIENCE > 0;
		assert_false(watch_look(&w, &b, SCHED_MODE_TIME, INTERVAL));
	}
}

/* Counters that begin anew, because the VM went to another worker, are no use. */
static void test_counters_begin_anew(void **state)
{
	const struct budget b = tenth();
	struct watch w = {0};

	(void)state;
	w.seen = (struct sched_vm_stats){.used_tsc = UINT64_MAX, .throttled = UINT64_MAX};
	watch_look(&w, &b, SCHED_MODE_TIME, INTERVAL);
	w.seen = (struct sched_vm_stats){0};
	assert_int_equal(looks(&w, &b, SCHED_MODE_TIME, 0, 0), 0);
	assert_int_equal(w.streak, 0);
}

static void test_words(void **state)
{
	(void)state;
	assert_string_equal(watch_reason_text(WATCH_LIMIT), "limit");
	assert_string_equal(watch_reason_text(WATCH_GUARANTEE), "guarantee");
	assert_true(strlen(watch_reason_help(WATCH_NONE)) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limit),   cmocka_unit_test(test_guarantee),
		cmocka_unit_test(test_flicker), cmocka_unit_test(test_counters_begin_anew),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
