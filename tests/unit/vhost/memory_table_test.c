/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory tables: which are refused, and where rings are found in one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vhost/memory_table.h"

#define PAGE 4096ULL

static int make_memfd(off_t size)
{
	int fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	return fd;
}

static struct message table_of(int fd, uint32_t n)
{
	struct message m = {.request = REQUEST_SET_MEM_TABLE, .flags = 1, .size = 8 + 32 * n};

	m.payload.memory.n = n;
	m.n_fds = (int)n;
	for (uint32_t i = 0; i < n; i++) {
		m.payload.memory.region[i] = (struct message_region){.gpa = i * PAGE,
								     .size = PAGE,
								     .user = 0x7000000 + i * PAGE,
								     .offset = i * PAGE};
		m.fds[i] = fd;
	}
	return m;
}

static void expect_refused(const struct message *m, const char *words)
{
	struct err e = {0};

	assert_true(memory_table_check(m, &e) < 0);
	if (!strstr(e.text, words))
		fail_msg("'%s' does not say '%s'", e.text, words);
}

static void expect_passed(const struct message *m)
{
	struct err e = {0};

	if (memory_table_check(m, &e) < 0)
		fail_msg("%s", e.text);
}

static void memory_within_its_file_passes(void **state)
{
	int fd = make_memfd(8 * PAGE);
	struct message m = table_of(fd, 8);

	(void)state;
	expect_passed(&m);
	close(fd);
}

static void memory_beyond_its_file_is_refused(void **state)
{
	int fd = make_memfd(3 * PAGE), shorter = make_memfd(2 * PAGE - 1), empty = make_memfd(0);
	struct message m = table_of(fd, 3);

	(void)state;
	m.fds[1] = shorter;
	expect_refused(&m, "memory region 1 reaches beyond its file");
	m.fds[1] = empty;
	expect_refused(&m, "memory region 1 reaches beyond its file");
	m.fds[1] = fd;
	m.payload.memory.region[2].offset += 1;
	expect_refused(&m, "memory region 2 reaches beyond its file");
	close(fd);
	close(shorter);
	close(empty);
}

static void numbers_that_wrap_are_refused(void **state)
{
	int fd = make_memfd(8 * PAGE);
	struct message m = table_of(fd, 2);

	(void)state;
	m.payload.memory.region[1].size = UINT64_MAX;
	expect_refused(&m, "memory region 1 reaches beyond the end of addresses");
	m = table_of(fd, 2);
	m.payload.memory.region[1].gpa = UINT64_MAX - PAGE + 2;
	expect_refused(&m, "region 1 reaches beyond the end of addresses");
	m = table_of(fd, 2);
	m.payload.memory.region[1].user = UINT64_MAX - 1;
	expect_refused(&m, "region 1 reaches beyond the end of addresses");
	m = table_of(fd, 2);
	m.payload.memory.region[1].offset = UINT64_MAX;
	expect_refused(&m, "region 1 reaches beyond the end of addresses");
	m = table_of(fd, 2);
	m.payload.memory.region[0].size = 0;
	expect_refused(&m, "memory region 0 is empty");
	/* The very end is an address. */
	m = table_of(fd, 2);
	m.payload.memory.region[1].gpa = UINT64_MAX - PAGE + 1;
	expect_passed(&m);
	close(fd);
}

static void regions_that_overlap_are_refused(void **state)
{
	int fd = make_memfd(8 * PAGE);
	struct message m = table_of(fd, 3);

	(void)state;
	m.payload.memory.region[2].gpa = PAGE + PAGE - 1;
	expect_refused(&m, "memory region 2 overlaps");
	m = table_of(fd, 3);
	m.payload.memory.region[2].user = m.payload.memory.region[0].user;
	expect_refused(&m, "memory region 2 overlaps");
	m = table_of(fd, 3);
	m.payload.memory.region[0].gpa = 0;
	m.payload.memory.region[0].size = 8 * PAGE;
	expect_refused(&m, "memory region 1 overlaps");
	close(fd);
}

static void other_files_are_refused(void **state)
{
	int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC), fds[2];
	struct message m = table_of(maps, 1);

	(void)state;
	expect_refused(&m, "memory region 0 is a file that is not in memory");
	assert_int_equal(pipe(fds), 0);
	m.fds[0] = fds[1];
	expect_refused(&m, "memory region 0 is a file that is not in memory");
	m.fds[0] = -1;
	expect_refused(&m, "memory region 0 is a file that is not in memory");
	close(maps);
	close(fds[0]);
	close(fds[1]);
}

static void what_cannot_be_written_is_refused(void **state)
{
	int fd = make_memfd(PAGE), sealed = make_memfd(PAGE), read_only;
	struct message m = table_of(fd, 1);
	char path[64];

	(void)state;
	expect_passed(&m);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	read_only = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(read_only >= 0);
	m.fds[0] = read_only;
	expect_refused(&m, "memory region 0 cannot be written");
	assert_int_equal(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE), 0);
	m.fds[0] = sealed;
	expect_refused(&m, "memory region 0 cannot be written");
	close(fd);
	close(sealed);
	close(read_only);
}

/* Sparse files take no memory, but mappings of them take addresses. */
static void more_than_the_host_has_is_refused(void **state)
{
	uint64_t most = memory_table_most();
	int fd = make_memfd((off_t)most);
	struct message m = table_of(fd, 2);

	(void)state;
	m.payload.memory.region[1] = (struct message_region){
		.gpa = 1ULL << 40, .size = most - PAGE, .user = 1ULL << 46, .offset = 0};
	expect_passed(&m);
	m.payload.memory.region[1].size = most;
	expect_refused(&m, "more memory than");
	close(fd);
}

static void a_place_lies_within_one_region(void **state)
{
	static uint8_t hva[2][4096];
	const struct vhost_lib_memory memory = {
		.n = 2,
		.region = {{.user = 0x10000, .size = 4096, .hva = hva[0]},
			   {.user = 0x11000, .size = 4096, .hva = hva[1]}},
	};

	(void)state;
	assert_ptr_equal(memory_table_at(&memory, 0x10000, 4096), hva[0]);
	assert_ptr_equal(memory_table_at(&memory, 0x11fff, 1), &hva[1][4095]);
	assert_null(memory_table_at(&memory, 0x10fff, 2));
	assert_null(memory_table_at(&memory, 0x0ffff, 1));
	assert_null(memory_table_at(&memory, 0x12000, 0));
	assert_null(memory_table_at(&memory, 0x10000, UINT64_MAX));
	assert_null(memory_table_at(&memory, UINT64_MAX, 8));
	assert_null(memory_table_at(&memory, 0x10001, UINT64_MAX - 0x10000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_within_its_file_passes),
		cmocka_unit_test(memory_beyond_its_file_is_refused),
		cmocka_unit_test(numbers_that_wrap_are_refused),
		cmocka_unit_test(regions_that_overlap_are_refused),
		cmocka_unit_test(other_files_are_refused),
		cmocka_unit_test(what_cannot_be_written_is_refused),
		cmocka_unit_test(more_than_the_host_has_is_refused),
		cmocka_unit_test(a_place_lies_within_one_region),
	};

	return cmocka_run_group_tests_name("memory_table", tests, NULL, NULL);
}
