/* SPDX-License-Identifier: BSD-3-Clause */
/* The socket itself: one owner at a time, its mode, what is left alone. */
#include "tests/unit/rpc/server_fixture.h"

static void a_second_instance_is_refused(void **state)
{
	struct fixture *f = *state;
	struct err e = {0};
	char pid[32];

	assert_null(rpc_server_create(f->loop, &f->conf, &e));
	assert_int_equal(e.code, ERR_BUSY);
	snprintf(pid, sizeof(pid), "process %d ", (int)getpid());
	assert_non_null(strstr(e.text, pid));
	assert_non_null(strstr(e.text, f->path));
}

static void a_stale_socket_is_taken_over(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct rpc_server *other;
	struct err e = {0};
	char path[80], lock[90];
	int fd;

	/* What a process that was killed leaves: a socket, and a lock file that nobody locks. */
	snprintf(path, sizeof(path), "%s/stale", f->folder);
	snprintf(lock, sizeof(lock), "%s.lock", path);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	close(open(lock, O_CREAT | O_WRONLY, 0600));
	f->conf.path = path;
	f->conf.read_only_path = NULL;
	other = rpc_server_create(f->loop, &f->conf, &e);
	assert_non_null(other);
	rpc_server_destroy(other);
	assert_true(access(path, F_OK) != 0 && access(lock, F_OK) != 0);
}

static void what_is_no_socket_stays(void **state)
{
	struct fixture *f = *state;
	struct err e = {0};
	char path[80];

	snprintf(path, sizeof(path), "%s/file", f->folder);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	f->conf.path = path;
	f->conf.read_only_path = NULL;
	assert_null(rpc_server_create(f->loop, &f->conf, &e));
	assert_int_equal(e.code, ERR_EXISTS);
	assert_int_equal(unlink(path), 0);
}

static void a_foreign_listener_stays(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct err e = {0};
	char path[80];
	int fd;

	snprintf(path, sizeof(path), "%s/foreign", f->folder);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	f->conf.path = path;
	f->conf.read_only_path = NULL;
	assert_null(rpc_server_create(f->loop, &f->conf, &e));
	assert_int_equal(e.code, ERR_BUSY);
	close(fd);
	assert_int_equal(unlink(path), 0);
}

static void the_socket_has_its_mode(void **state)
{
	struct fixture *f = *state;
	struct err e = {0};
	struct stat st;

	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	f->conf.group = "no such group";
	assert_null(rpc_server_create(f->loop, &f->conf, &e));
	assert_string_equal(e.field, "group");
}

static void a_missing_folder_is_named(void **state)
{
	struct fixture *f = *state;
	struct err e = {0};
	char path[80], text[128];

	snprintf(path, sizeof(path), "%s/none/s", f->folder);
	f->conf.path = path;
	f->conf.read_only_path = NULL;
	assert_null(rpc_server_create(f->loop, &f->conf, &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_string_equal(e.field, "socket");
	assert_non_null(strstr(e.text, path));
	assert_null(strstr(e.text, ".lock"));
	snprintf(text, sizeof(text), "folder %s/none does not exist", f->folder);
	assert_non_null(strstr(e.text, text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_second_instance_is_refused), TEST(a_stale_socket_is_taken_over),
		TEST(what_is_no_socket_stays),      TEST(a_foreign_listener_stays),
		TEST(the_socket_has_its_mode),      TEST(a_missing_folder_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
