/* SPDX-License-Identifier: BSD-3-Clause */
/* Eventfds that a front end holds too: what it may do to them, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "ring/guest_fd.h"

/* More than the kernel keeps account of before they are collected. */
#define MANY 1000

static int setup(void **state)
{
	(void)state;
	return guest_fd_init();
}

static uint64_t count_of(int fd)
{
	uint64_t n = 0;

	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	return n;
}

static void test_every_signal_arrives(void **state)
{
	int fd = eventfd(0, 0);

	(void)state;
	for (int i = 0; i < MANY; i++)
		assert_int_equal(guest_fd_signal(fd), 0);
	assert_int_equal(count_of(fd), MANY);
	close(fd);
}

/* A write(2) would wait until somebody reads, which nobody does here. */
static void test_a_full_counter_is_left_full(void **state)
{
	uint64_t full = UINT64_MAX - 1;
	int fd = eventfd(0, 0);

	(void)state;
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	for (int i = 0; i < MANY; i++)
		assert_int_equal(guest_fd_signal(fd), 0);
	assert_true(count_of(fd) >= full);
	assert_int_equal(guest_fd_signal(fd), 0);
	assert_int_equal(count_of(fd), 1);
	close(fd);
}

static void test_one_that_is_closed_is_an_error(void **state)
{
	int fd = eventfd(0, 0);

	(void)state;
	close(fd);
	assert_true(guest_fd_signal(fd) < 0);
	assert_true(guest_fd_signal(-1) < 0);
}

static void test_other_files_are_no_eventfds(void **state)
{
	int ends[2];
	int others[4];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	others[0] = ends[1];
	others[1] = timerfd_create(CLOCK_MONOTONIC, 0);
	others[2] = epoll_create1(0);
	others[3] = open("/dev/null", O_RDWR);
	for (int i = 0; i < 4; i++) {
		assert_true(others[i] >= 0);
		assert_false(guest_fd_is_eventfd(others[i]));
		assert_true(guest_fd_signal(others[i]) < 0);
		close(others[i]);
	}
	close(ends[0]);
	assert_false(guest_fd_is_eventfd(-1));
}

static void test_an_eventfd_is_one(void **state)
{
	int plain = eventfd(0, 0);
	int semaphore = eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK);

	(void)state;
	assert_true(guest_fd_is_eventfd(plain));
	assert_true(guest_fd_is_eventfd(semaphore));
	close(plain);
	close(semaphore);
}

static void *signal_many(void *fd)
{
	for (int i = 0; i < MANY; i++)
		if (guest_fd_signal(*(int *)fd) < 0)
			return fd;
	return NULL;
}

static void test_threads_signal_side_by_side(void **state)
{
	int fd = eventfd(0, 0);
	pthread_t thread[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, signal_many, &fd), 0);
	for (int i = 0; i < 2; i++) {
		void *failed;

		assert_int_equal(pthread_join(thread[i], &failed), 0);
		assert_null(failed);
	}
	assert_int_equal(count_of(fd), 2 * MANY);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_signal_arrives),
		cmocka_unit_test(test_a_full_counter_is_left_full),
		cmocka_unit_test(test_one_that_is_closed_is_an_error),
		cmocka_unit_test(test_other_files_are_no_eventfds),
		cmocka_unit_test(test_an_eventfd_is_one),
		cmocka_unit_test(test_threads_signal_side_by_side),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
