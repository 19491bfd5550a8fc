/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a device's rings are, and its memory. */
#include "tests/unit/vhost/vdev_fixture.h"

/* --- where rings are -----------------------------------------------------------------------------
 */

/* A ring that lies in the memory with one entry less than it is told to have. */
static void put_at_end(unsigned i, uint32_t num, size_t part, size_t bytes)
{
	uint8_t *end = fe.mem + fe.mem_size,
		*at[3] = {fe.mem, fe.mem + (1u << 20), fe.mem + (2u << 20)};

	at[part] = end - bytes;
	assert_int_equal(state_message(FE_SET_VRING_NUM, i, num), 0);
	assert_int_equal(addr_message(i, at[0], at[1], at[2]), 0);
}

static void restart_ring(unsigned i)
{
	uint64_t ring = i;
	int fd = eventfd(0, EFD_NONBLOCK);

	assert_int_equal(vhost_fe_send(&fe, FE_SET_VRING_KICK, &ring, 8, &fd, 1), 0);
	close(fd);
}

/* Each part must lie in one region with its whole length, at the size told last. */
static void rings_beyond_their_memory_are_refused(void **state)
{
	static const struct {
		const char *what;
		size_t part, bytes, room;
	} cases[] = {
		{"descriptor table", 0, 16 * SIZE, 16},
		{"available ring", 1, 4 + 2 * SIZE, 2},
		{"used ring", 2, 4 + 8 * SIZE, 4},
	};
	uint32_t base;
	char text[128];

	(void)state;
	open_fe(&split);
	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		assert_int_equal(vhost_fe_ring_stop(&fe, 1, &base), 0);
		put_at_end(1, SIZE, cases[k].part, cases[k].bytes - cases[k].room);
		restart_ring(1);
		snprintf(text, sizeof(text), "ring 1: its %s, %zu bytes for %d entries",
			 cases[k].what, cases[k].bytes, SIZE);
		expect_text(text);
		assert_int_equal(status().state, VDEV_DOWN);
		assert_true(status().is_refused);
		assert_false(pair()->tx_on);
		assert_true(pair()->rx_on);
		/* To the last byte it may. */
		assert_int_equal(vhost_fe_ring_stop(&fe, 1, &base), 0);
		put_at_end(1, SIZE, cases[k].part, (cases[k].bytes + 15) / 16 * 16);
		restart_ring(1);
		expect_state(VDEV_UP);
		assert_true(pair()->tx_on);
	}
}

/* The ring was checked for 256 entries; then it is told to have 32,768. */
static void a_started_ring_keeps_its_size(void **state)
{
	uint32_t base;

	(void)state;
	open_fe(&split);
	assert_int_equal(state_message(FE_SET_VRING_NUM, 1, 32768), -EPROTO);
	expect_text("refused SET_VRING_NUM: ring 1 is started");
	assert_int_equal(state_message(FE_SET_VRING_BASE, 1, 32000), -EPROTO);
	assert_int_equal(pair()->tx.q.size, SIZE);
	assert_int_equal(status().state, VDEV_UP);
	/* Stopped, told, and started again without addresses that fit. */
	assert_int_equal(vhost_fe_ring_stop(&fe, 1, &base), 0);
	put_at_end(1, SIZE, 2, (4 + 8 * SIZE + 15) / 16 * 16);
	assert_int_equal(state_message(FE_SET_VRING_NUM, 1, 32768), 0);
	restart_ring(1);
	expect_text("ring 1: its used ring, 262148 bytes for 32768 entries");
	assert_false(pair()->tx_on);
}

static void a_ring_across_two_regions_is_refused(void **state)
{
	uint8_t *border;

	(void)state;
	open_fe(&split);
	border = fe.mem + fe.mem_size / 2;
	assert_int_equal(addr_message(1, fe.mem, fe.mem + 8192, border - 64), 0);
	expect_state(VDEV_UP);
	assert_int_equal(vhost_fe_set_mem_table(&fe, 2), 0);
	expect_text("ring 1: its used ring");
	assert_false(pair()->tx_on);
	assert_true(pair()->rx_on);
	assert_int_equal(vhost_fe_set_mem_table(&fe, 1), 0);
	expect_state(VDEV_UP);
	assert_true(pair()->tx_on);
}

/* One region, of which the front end says that it is so many bytes further down than it is. */
static void share_memory_shifted(uint64_t by)
{
	struct {
		uint32_t n, padding;
		struct fe_region region;
	} table = {1, 0, {FE_GPA, fe.mem_size, (uintptr_t)fe.mem - by, 0}};

	assert_int_equal(vhost_fe_send(&fe, FE_SET_MEM_TABLE, &table, sizeof(table), &fe.mem_fd, 1),
			 0);
}

/* When they are told, and when the memory moves under them. */
static void rings_that_are_not_aligned_are_refused(void **state)
{
	uint32_t base;

	(void)state;
	open_fe(&split);
	share_memory_shifted(8);
	expect_text("ring 0: its descriptor table is not aligned to 16 bytes");
	assert_true(!pair()->rx_on && !pair()->tx_on);
	share_memory_shifted(0);
	expect_state(VDEV_UP);
	assert_true(pair()->rx_on && pair()->tx_on);
	assert_int_equal(vhost_fe_ring_stop(&fe, 1, &base), 0);
	assert_int_equal(addr_message(1, fe.mem, fe.mem + 8193, fe.mem + 16384), 0);
	restart_ring(1);
	expect_text("ring 1: its available ring is not aligned to 2 bytes");
	assert_int_equal(addr_message(1, fe.mem, fe.mem + 8192, fe.mem + 16386), 0);
	expect_text("ring 1: its used ring is not aligned to 4 bytes");
	assert_false(pair()->tx_on);
}

/* With the event index both rings are two bytes longer. */
static void the_event_index_counts(void **state)
{
	struct fe_config conf = split;
	uint32_t base;

	(void)state;
	conf.features |= FE_F(FE_EVENT_IDX);
	open_fe(&conf);
	assert_int_equal(vhost_fe_ring_stop(&fe, 1, &base), 0);
	put_at_end(1, SIZE, 1, 4 + 2 * SIZE);
	restart_ring(1);
	expect_text("ring 1: its available ring, 518 bytes");
}

static void packed_rings_have_three_parts_too(void **state)
{
	struct fe_config conf = split;
	uint8_t *end;
	uint32_t base;

	(void)state;
	conf.features |= FE_F(FE_PACKED);
	open_fe(&conf);
	end = fe.mem + fe.mem_size;
	assert_int_equal(vhost_fe_ring_stop(&fe, 1, &base), 0);
	assert_int_equal(addr_message(1, end - 16 * SIZE + 16, fe.mem, fe.mem + 64), 0);
	restart_ring(1);
	expect_text("ring 1: its ring, 4096 bytes");
	assert_int_equal(addr_message(1, end - 16 * SIZE, end, fe.mem + 64), 0);
	expect_text("ring 1: its driver event, 4 bytes");
	assert_int_equal(addr_message(1, end - 16 * SIZE, fe.mem, end - 2), 0);
	expect_text("ring 1: its device event, 4 bytes");
	assert_int_equal(addr_message(1, end - 16 * SIZE, fe.mem, fe.mem + 64), 0);
	expect_state(VDEV_UP);
}

static void bad_sizes_are_refused(void **state)
{
	static const uint32_t sizes[] = {0, 3, 100, 32769, 65535, 65536, 0x80000000u, UINT32_MAX};
	uint32_t base;

	(void)state;
	open_fe(&split);
	assert_int_equal(vhost_fe_ring_stop(&fe, 1, &base), 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		assert_int_equal(state_message(FE_SET_VRING_NUM, 1, sizes[i]), -EPROTO);
	assert_int_equal(state_message(FE_SET_VRING_BASE, 1, 65536), -EPROTO);
	assert_int_equal(state_message(FE_SET_VRING_NUM, 1, 1), 0);
}

/* --- memory --------------------------------------------------------------------------------------
 */

static void a_new_memory_table_moves_the_rings(void **state)
{
	struct virtq before;

	(void)state;
	open_fe(&split);
	serve_up_to(3, 3, true);
	before = pair()->tx.q;
	assert_int_equal(vhost_fe_set_mem_table(&fe, 4), 0);
	assert_int_equal(library_devices, 1);
	assert_true(pair()->tx.q.desc != before.desc);
	assert_true(pair()->tx.q.mem != before.mem);
	assert_int_equal(pair()->tx.q.mem->n, 4);
	assert_int_equal(pair()->tx.q.avail_at, 3);
	assert_int_equal(status().state, VDEV_UP);
}

static void a_memory_table_that_fails_changes_nothing(void **state)
{
	struct virtq before;
	int mem_fd, fds[2];

	(void)state;
	open_fe(&split);
	before = pair()->tx.q;
	mem_fd = fe.mem_fd;
	assert_int_equal(pipe(fds), 0);
	fe.mem_fd = fds[1];
	assert_int_equal(vhost_fe_set_mem_table(&fe, 1), -EPROTO);
	expect_text("refused SET_MEM_TABLE: memory region 0 is a file that is not in memory");
	fe.mem_fd = mem_fd;
	library_refuses = true;
	assert_int_equal(vhost_fe_set_mem_table(&fe, 2), -EPROTO);
	expect_text("refused SET_MEM_TABLE: the library refused it");
	assert_int_equal(status().state, VDEV_UP);
	assert_memory_equal(&pair()->tx, &before, sizeof(before));
	library_refuses = false;
	assert_int_equal(vhost_fe_set_mem_table(&fe, 2), 0);
	assert_null(strstr(status().text, "refused"));
	close(fds[0]);
	close(fds[1]);
}

static void who_shares_nothing_is_told_from_who_negotiates(void **state)
{
	(void)state;
	assert_int_equal(vhost_fe_connect(&fe, path), 0);
	expect_text("negotiating: the front end shared no memory yet");
	assert_false(status().has_memory);
	assert_int_equal(vhost_fe_negotiate(&fe, split.features | FE_F(FE_PROTOCOL), 0), 0);
	assert_int_equal(vhost_fe_map(&fe, MEM_BYTES, false), 0);
	assert_int_equal(vhost_fe_set_mem_table(&fe, 1), 0);
	expect_text("negotiating: 0 rings known, 0 enabled");
	assert_true(status().has_memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rings_beyond_their_memory_are_refused),
		TEST(a_started_ring_keeps_its_size),
		TEST(a_ring_across_two_regions_is_refused),
		TEST(rings_that_are_not_aligned_are_refused),
		TEST(the_event_index_counts),
		TEST(packed_rings_have_three_parts_too),
		TEST(bad_sizes_are_refused),
		TEST(a_new_memory_table_moves_the_rings),
		TEST(a_memory_table_that_fails_changes_nothing),
		TEST(who_shares_nothing_is_told_from_who_negotiates),
	};

	return cmocka_run_group_tests_name("vdev_rings", tests, NULL, NULL);
}
