/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory whose file ends while it is mapped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ring/sigbus.h"

#define PAGE  4096u
#define PAGES 64u

static uint8_t *map_file(int *fd, size_t size)
{
	uint8_t *at;

	*fd = memfd_create("guest", MFD_CLOEXEC);
	assert_true(*fd >= 0);
	assert_int_equal(ftruncate(*fd, (off_t)size), 0);
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	return at;
}

static void missing_pages_are_replaced(void **state)
{
	uint64_t before = sigbus_count();
	atomic_bool lost = false;
	uint8_t *at;
	int fd;

	(void)state;
	assert_int_equal(sigbus_init(), 0); /* cmocka has its own handler before each test */
	at = map_file(&fd, PAGES * PAGE);
	sigbus_watch(at, PAGES * PAGE, fd, &lost);
	memset(at, 7, PAGES * PAGE);
	assert_false(atomic_load(&lost));
	assert_int_equal(ftruncate(fd, 3 * PAGE), 0);
	assert_int_equal(at[3 * PAGE - 1], 7);
	assert_false(atomic_load(&lost));
	assert_int_equal(at[3 * PAGE], 0);
	assert_true(atomic_load(&lost));
	at[PAGES * PAGE - 1] = 9;
	assert_int_equal(at[PAGES * PAGE - 1], 9);
	assert_int_equal(sigbus_count() - before, 2);
	sigbus_forget(at);
	munmap(at, PAGES * PAGE);
	close(fd);
}

/* Mapped from its middle on, with pages of 4 KiB, it is not to be taken for one of huge pages. */
static void only_what_is_watched_is_replaced(void **state)
{
	atomic_bool lost = false;
	int fd, status = 0;
	uint8_t *at;
	pid_t child;

	(void)state;
	assert_int_equal(sigbus_init(), 0);
	at = map_file(&fd, PAGES * PAGE);
	sigbus_watch(at, PAGES * PAGE / 2, fd, &lost);
	assert_int_equal(ftruncate(fd, 0), 0);
	child = fork();
	if (child == 0) {
		const struct rlimit none = {0, 0};

		setrlimit(RLIMIT_CORE, &none);
		at[PAGES * PAGE - 1] = 1;
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGBUS);
	at[0] = 1;
	assert_true(atomic_load(&lost));
	sigbus_forget(at);
	munmap(at, PAGES * PAGE);
	close(fd);
}

static void places_are_used_again(void **state)
{
	atomic_bool lost[3] = {false};
	uint8_t *at;
	int fd;

	(void)state;
	assert_int_equal(sigbus_init(), 0);
	at = map_file(&fd, 4 * PAGE);
	assert_int_equal(ftruncate(fd, 0), 0);
	for (int i = 0; i < 3; i++) {
		sigbus_watch(at, 4 * PAGE, fd, &lost[i]);
		assert_int_equal(at[i * PAGE], 0);
		assert_true(atomic_load(&lost[i]));
		sigbus_forget(at);
	}
	munmap(at, 4 * PAGE);
	close(fd);
}

/* Huge pages are replaced whole: a part of one cannot be. */
static void huge_pages_are_replaced_whole(void **state)
{
	const size_t huge = 2u << 20;
	int fd = memfd_create("guest", MFD_CLOEXEC | MFD_HUGETLB);
	atomic_bool lost = false;
	uint8_t *at = MAP_FAILED;

	(void)state;
	assert_int_equal(sigbus_init(), 0);
	if (fd >= 0 && ftruncate(fd, 2 * (off_t)huge) == 0)
		at = mmap(NULL, 2 * huge, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
			  0);
	if (at == MAP_FAILED) {
		print_message("no huge pages to map\n");
		skip();
	}
	/* There need not be any: a page that cannot be had is met the same way. */
	assert_int_equal(ftruncate(fd, 0), 0);
	sigbus_watch(at, 2 * huge, fd, &lost);
	at[huge + 5] = 3;
	assert_int_equal(at[huge + 5], 3);
	assert_int_equal(at[2 * huge - 1], 0);
	assert_true(atomic_load(&lost));
	sigbus_forget(at);
	munmap(at, 2 * huge);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(missing_pages_are_replaced),
		cmocka_unit_test(only_what_is_watched_is_replaced),
		cmocka_unit_test(places_are_used_again),
		cmocka_unit_test(huge_pages_are_replaced_whole),
	};

	return cmocka_run_group_tests_name("sigbus", tests, NULL, NULL);
}
