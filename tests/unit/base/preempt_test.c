/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/preempt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <sys/rseq.h>
#include <time.h>

static void sleep_a_little(void)
{
	const struct timespec t = {.tv_nsec = 1000000};

	nanosleep(&t, NULL);
}

static void test_a_thread_that_slept_lost_its_core(void **state)
{
	(void)state;
	preempt_happened();
	for (int i = 0; i < 20; i++) {
		sleep_a_little();
		/* Where the C library has no such memory, nothing is ever said to have happened. */
		assert_int_equal(preempt_happened(), __rseq_size > 0);
	}
}

/* Most of the time nothing happens between two calls. */
static void test_nothing_happened_to_who_just_ran(void **state)
{
	unsigned n = 0;

	(void)state;
	preempt_happened();
	for (int i = 0; i < 100000; i++)
		n += preempt_happened();
	assert_true(n < 50000);
}

static void *first_call(void *happened)
{
	sleep_a_little();
	*(bool *)happened = preempt_happened();
	return NULL;
}

static void test_a_thread_begins_with_its_first_call(void **state)
{
	bool happened = true;
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, first_call, &happened), 0);
	pthread_join(t, NULL);
	assert_false(happened);
}

static void on_signal(int sig)
{
	(void)sig;
	preempt_forget();
}

/* The kernel forgets the name to deliver a signal. */
static void test_a_signal_takes_the_core_from_nobody(void **state)
{
	unsigned n = 0;

	(void)state;
	signal(SIGUSR1, on_signal);
	preempt_happened();
	for (int i = 0; i < 1000; i++) {
		raise(SIGUSR1);
		n += preempt_happened();
	}
	signal(SIGUSR1, SIG_DFL);
	assert_true(n < 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_thread_that_slept_lost_its_core),
		cmocka_unit_test(test_nothing_happened_to_who_just_ran),
		cmocka_unit_test(test_a_thread_begins_with_its_first_call),
		cmocka_unit_test(test_a_signal_takes_the_core_from_nobody),
	};

	return cmocka_run_group_tests_name("preempt", tests, NULL, NULL);
}
