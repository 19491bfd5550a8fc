/* SPDX-License-Identifier: BSD-3-Clause */
/* What a front end sends: messages, memory and eventfds. */
#include "vhost/vdev_input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096

/* A table of regions of one page each, all of which are the file's second page. */
static struct rte_vhost_memory *make_table(int fd, uint32_t n)
{
	struct rte_vhost_memory *t = calloc(1, sizeof(*t) + n * sizeof(t->regions[0]));

	assert_non_null(t);
	t->nregions = n;
	for (uint32_t i = 0; i < n; i++)
		t->regions[i] = (struct rte_vhost_mem_region){
			.guest_phys_addr = (uint64_t)i * PAGE,
			.host_user_addr = 0x101000,
			.size = PAGE,
			.mmap_addr = (void *)0x100000,
			.mmap_size = 2 * PAGE,
			.fd = fd,
		};
	return t;
}

static int make_memfd(off_t size)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	return fd;
}

static void memory_becomes_a_snapshot(void **state)
{
	int fd = make_memfd(2 * PAGE);
	struct rte_vhost_memory *t = make_table(fd, GUEST_MEM_MAX_REGIONS + 1);
	struct guest_mem mem;
	struct err e = {0};

	(void)state;
	assert_int_equal(vdev_input_memory(t, &mem, &e), 0);
	assert_int_equal(mem.n, GUEST_MEM_MAX_REGIONS);
	assert_int_equal(mem.r[1].gpa, PAGE);
	assert_int_equal(mem.r[1].size, PAGE);
	assert_int_equal((uintptr_t)mem.r[1].hva, 0x101000);
	free(t);
	close(fd);
}

static void memory_beyond_its_file_is_refused(void **state)
{
	int fd = make_memfd(2 * PAGE), shorter = make_memfd(2 * PAGE - 1), empty = make_memfd(0);
	struct rte_vhost_memory *t = make_table(fd, 3);
	struct guest_mem mem;
	struct err e = {0};

	(void)state;
	t->regions[1].fd = shorter;
	assert_true(vdev_input_memory(t, &mem, &e) < 0);
	assert_int_equal(mem.n, 0);
	assert_string_equal(e.text, "memory region 1 reaches beyond its file");
	t->regions[1].fd = empty;
	assert_true(vdev_input_memory(t, &mem, &e) < 0);
	t->regions[1].fd = fd;
	t->regions[1].size = UINT64_MAX;
	assert_true(vdev_input_memory(t, &mem, &e) < 0);
	free(t);
	close(fd);
	close(shorter);
	close(empty);
}

static void memory_that_is_none_is_refused(void **state)
{
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	struct rte_vhost_memory *t = make_table(fd, 1);
	struct guest_mem mem;
	struct err e = {0};

	(void)state;
	assert_true(vdev_input_memory(t, &mem, &e) < 0);
	assert_int_equal(mem.n, 0);
	assert_non_null(strstr(e.text, "memory region 0 is a file that is not in memory"));
	free(t);
	close(fd);
}

static void only_eventfds_notify(void **state)
{
	int event = eventfd(0, EFD_CLOEXEC), file = make_memfd(0);
	struct rte_vhost_vring v = {.callfd = -1, .kickfd = -1};
	struct err e = {0};

	(void)state;
	assert_int_equal(vdev_input_eventfds(3, &v, &e), 0);
	v.callfd = v.kickfd = event;
	assert_int_equal(vdev_input_eventfds(3, &v, &e), 0);
	v.callfd = file;
	assert_true(vdev_input_eventfds(3, &v, &e) < 0);
	assert_string_equal(e.text, "ring 3: its call descriptor is no eventfd");
	v.callfd = event;
	v.kickfd = file;
	assert_true(vdev_input_eventfds(3, &v, &e) < 0);
	assert_string_equal(e.text, "ring 3: its kick descriptor is no eventfd");
	close(event);
	close(file);
}

/* Numbers and layout as in QEMU's docs/interop/vhost-user.rst. */
static void messages_are_told_apart(void **state)
{
	struct {
		uint32_t request, flags, size;
		uint64_t value;
	} __attribute__((packed)) msg = {.request = 17, .flags = 1};
	uint32_t get_features = 1, set_mem_table = 5, set_vring_call = 13;

	(void)state;
	assert_false(vdev_input_changes_rings(&get_features));
	assert_true(vdev_input_changes_rings(&set_mem_table));
	assert_true(vdev_input_changes_rings(&set_vring_call));
	assert_false(vdev_input_changes_rings(&msg));
	assert_false(vdev_input_asks_queues(&set_mem_table));
	assert_true(vdev_input_asks_queues(&msg));
	vdev_input_answer_queues(&msg, 4);
	assert_int_equal(msg.request, 17);
	assert_int_equal(msg.size, 8);
	assert_int_equal(msg.value, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_becomes_a_snapshot),
		cmocka_unit_test(memory_beyond_its_file_is_refused),
		cmocka_unit_test(memory_that_is_none_is_refused),
		cmocka_unit_test(only_eventfds_notify),
		cmocka_unit_test(messages_are_told_apart),
	};

	return cmocka_run_group_tests_name("vdev_input", tests, NULL, NULL);
}
