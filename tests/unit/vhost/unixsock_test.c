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

static const struct unixsock_access nobodys = {(uid_t)-1, (gid_t)-1, 0};

static int serve(const char *at, struct err *e)
{
	return unixsock_listen(at, &nobodys, e);
}

static void test_nothing_there(void **state)
{
	struct stat st;
	struct err e;
	int fd = serve(path, &e), client;

	(void)state;
	assert_true(fd >= 0);
	client = unixsock_connect(path);
	assert_true(client >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(unixsock_inode(path), st.st_ino);
	close(client);
	close(fd);
	assert_int_equal(unixsock_connect(path), -ECONNREFUSED);
}

static void test_a_stale_socket_is_replaced(void **state)
{
	int fd;
	struct err e;

	(void)state;
	close(listen_at(path));
	assert_int_equal(access(path, F_OK), 0);
	fd = serve(path, &e);
	assert_true(fd >= 0);
	close(fd);
}

static void test_a_served_socket_is_left_alone(void **state)
{
	int fd = listen_at(path);
	struct err e;

	(void)state;
	assert_true(serve(path, &e) < 0);
	assert_int_equal(e.code, ERR_BUSY);
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
	assert_true(serve(path, &e) < 0);
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(access(path, F_OK), 0);
}

/* Whatever the umask is. */
static void test_one_level_of_folder_is_made(void **state)
{
	mode_t mask = umask(077);
	char deep[128];
	struct stat st;
	struct err e;
	int fd;

	(void)state;
	snprintf(deep, sizeof(deep), "%s/a/s", folder);
	fd = serve(deep, &e);
	assert_true(fd >= 0);
	close(fd);
	unlink(deep);
	snprintf(deep, sizeof(deep), "%s/a", folder);
	assert_int_equal(stat(deep, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0755);
	assert_int_equal(rmdir(deep), 0);
	snprintf(deep, sizeof(deep), "%s/a/b/s", folder);
	assert_true(serve(deep, &e) < 0);
	assert_non_null(strstr(e.text, "directory"));
	umask(mask);
}

static void test_the_mode_is_what_was_asked_for(void **state)
{
	const struct unixsock_access access = {(uid_t)-1, (gid_t)-1, 0666};
	mode_t mask = umask(077);
	struct stat st;
	struct err e;
	int fd = unixsock_listen(path, &access, &e);

	(void)state;
	umask(mask);
	assert_true(fd >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_stale_socket_is_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_served_socket_is_left_alone, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_file_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_level_of_folder_is_made, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_mode_is_what_was_asked_for, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("unixsock", tests, NULL, NULL);
}
