/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost-user sockets: what may be at a path, and what is replaced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "vhost/unixsock.h"

static char folder[64];
static char path[96];

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/unixsock_test.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/s", folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static int listen_at(const char *at)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(sun.sun_path, at, sizeof(sun.sun_path) - 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(fd, 5), 0);
	return fd;
}

static int connect_to(const char *at)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(sun.sun_path, at, sizeof(sun.sun_path) - 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

static void test_nothing_there(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(unixsock_prepare(path, &e), 0);
}

static void test_a_stale_socket_is_removed(void **state)
{
	struct err e;

	(void)state;
	close(listen_at(path));
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(unixsock_prepare(path, &e), 0);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_a_served_socket_is_left_alone(void **state)
{
	int fd = listen_at(path);
	struct err e;

	(void)state;
	assert_int_equal(unixsock_prepare(path, &e), -EBUSY);
	assert_string_equal(e.field, "socket");
	assert_non_null(strstr(e.text, path));
	assert_int_equal(access(path, F_OK), 0);
	close(fd);
}

static void test_a_file_is_left_alone(void **state)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0600);
	struct err e;

	(void)state;
	close(fd);
	assert_int_equal(unixsock_prepare(path, &e), -EINVAL);
	assert_int_equal(access(path, F_OK), 0);
}

static void test_one_level_of_folder_is_made(void **state)
{
	char deep[128];
	struct err e;

	(void)state;
	snprintf(deep, sizeof(deep), "%s/a/s", folder);
	assert_int_equal(unixsock_prepare(deep, &e), 0);
	snprintf(deep, sizeof(deep), "%s/a", folder);
	assert_int_equal(rmdir(deep), 0);
	snprintf(deep, sizeof(deep), "%s/a/b/s", folder);
	assert_int_equal(unixsock_prepare(deep, &e), -EINVAL);
	assert_non_null(strstr(e.text, "directory"));
}

static void test_reads_are_bounded(void **state)
{
	int listening = listen_at(path), client = connect_to(path);
	int accepted = accept(listening, NULL, NULL);
	struct timeval tv = {0};
	socklen_t len = sizeof(tv);
	char byte;

	(void)state;
	unixsock_bound_blocking(path, false, 50);
	assert_int_equal(getsockopt(accepted, SOL_SOCKET, SO_RCVTIMEO, &tv, &len), 0);
	assert_true(tv.tv_usec > 0);
	assert_int_equal(read(accepted, &byte, 1), -1);
	assert_int_equal(errno, EAGAIN);
	/* Neither the listening socket nor the other end was touched. */
	len = sizeof(tv);
	assert_int_equal(getsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &tv, &len), 0);
	assert_int_equal(tv.tv_usec, 0);
	close(accepted);
	close(client);
	close(listening);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_stale_socket_is_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_served_socket_is_left_alone, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_file_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_level_of_folder_is_made, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reads_are_bounded, setup, teardown),
	};

	return cmocka_run_group_tests_name("unixsock", tests, NULL, NULL);
}
