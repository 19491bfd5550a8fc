/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel takes from a thread, read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/thread_stat.h"

static _Atomic bool stop;

static void *spin(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop))
		continue;
	return NULL;
}

/* Two threads that want the same core all the time: the kernel has to take it from one of them. */
static void test_a_shared_core_shows(void **state)
{
	struct thread_stat before, now;
	pthread_t other;
	cpu_set_t all, one;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_ZERO(&one);
	for (int core = 0; core < CPU_SETSIZE && CPU_COUNT(&one) == 0; core++)
		if (CPU_ISSET(core, &all))
			CPU_SET(core, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_int_equal(thread_stat_read(gettid(), &before), 0);
	assert_int_equal(pthread_create(&other, NULL, spin, NULL), 0);
	do
		assert_int_equal(thread_stat_read(gettid(), &now), 0);
	while (now.preemptions == before.preemptions || now.lost_ns == before.lost_ns);
	assert_true(now.preemptions > before.preemptions && now.lost_ns > before.lost_ns);
	atomic_store(&stop, true);
	pthread_join(other, NULL);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
}

static void test_a_thread_that_is_not_there(void **state)
{
	struct thread_stat st;

	(void)state;
	assert_int_equal(thread_stat_read(0, &st), -ENOENT);
	/* Not one of this process. */
	assert_int_equal(thread_stat_read(getppid(), &st), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_shared_core_shows),
		cmocka_unit_test(test_a_thread_that_is_not_there),
	};

	return cmocka_run_group_tests_name("thread_stat", tests, NULL, NULL);
}
