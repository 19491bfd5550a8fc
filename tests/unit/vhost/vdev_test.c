/* SPDX-License-Identifier: BSD-3-Clause */
/* A device at the gate, with a front end on the other end of a real socket, the vhost library
 * played by a mapping of our own, and no worker: what is handed over stays with the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/fake/vhost_fe.h"
#include "vhost/vdev_net.h"
#include "vhost/vdev_text.h"
#include "vhost/vhost_lib.h"

#define SIZE      256
#define MEM_BYTES (4u << 20)
#define PATIENCE  20000 /* ms */

/* --- the vhost library, as far as devices know it ------------------------------------------------
 */

struct vhost_lib {
	struct vhost_lib_memory memory;
};

static bool library_refuses;
static int library_devices; /* that are there */

uint64_t vhost_lib_net_features(void)
{
	return FE_F(FE_VERSION_1) | FE_F(FE_NET_MRG_RXBUF) | FE_F(FE_INDIRECT) |
	       FE_F(FE_EVENT_IDX) | FE_F(FE_PACKED) | FE_F(FE_PROTOCOL) | FE_F(FE_NET_MQ) |
	       FE_F(FE_NET_MTU) | FE_F(FE_NET_CSUM);
}

struct vhost_lib *vhost_lib_open(uint64_t features, const struct message *m,
				 struct vhost_lib_memory *memory, struct err *e)
{
	struct vhost_lib *lib = library_refuses ? NULL : calloc(1, sizeof(*lib));

	(void)features;
	if (!lib) {
		err_set(e, ERR_INVALID, NULL, "the library refused it");
		return NULL;
	}
	for (uint32_t i = 0; i < m->payload.memory.n; i++) {
		const struct message_region r = m->payload.memory.region[i];
		void *at = mmap(NULL, r.offset + r.size, PROT_READ | PROT_WRITE, MAP_SHARED,
				m->fds[i], 0);

		assert_ptr_not_equal(at, MAP_FAILED);
		lib->memory.region[lib->memory.n++] = (struct vhost_lib_region){
			r.gpa,    r.size, r.user, (uint8_t *)at + r.offset, at, r.offset + r.size,
			m->fds[i]};
	}
	*memory = lib->memory;
	library_devices++;
	return lib;
}

void vhost_lib_close(struct vhost_lib *lib)
{
	if (!lib)
		return;
	for (uint32_t i = 0; i < lib->memory.n; i++)
		munmap(lib->memory.region[i].mapped, lib->memory.region[i].mapped_size);
	library_devices--;
	free(lib);
}

/* --- the scene -----------------------------------------------------------------------------------
 */

static char folder[64], path[96];
static struct gate *gate;
static struct vdev *dev;
static struct vhost_fe fe;
static struct vdev_pair *pairs;
static _Atomic uint16_t n_pairs;

static void on_change(void *ctx, void (*fn)(void *arg), void *arg, struct vdev_pair *p, uint16_t n)
{
	(void)ctx;
	fn(arg);
	pairs = p;
	n_pairs = n;
}

static struct vdev_pair seen[2];

static void look(void *arg)
{
	(void)arg;
	memset(seen, 0, sizeof(seen));
	memcpy(seen, pairs, n_pairs * sizeof(seen[0]));
}

/* The first pair as the gate's thread has it, which is the one that changes it. */
static const struct vdev_pair *pair(void)
{
	gate_call(gate, look, NULL);
	return seen;
}

struct place {
	uint16_t avail, used;
	bool avail_wrap;
};

static void put(void *arg)
{
	struct place *at = arg;

	pairs[0].tx.q.avail_at = at->avail;
	pairs[0].tx.q.used_at = at->used;
	pairs[0].tx.q.avail_wrap = at->avail_wrap;
}

/* What a worker has done by now. */
static void serve_up_to(uint16_t avail, uint16_t used, bool avail_wrap)
{
	gate_call(gate, put, &(struct place){avail, used, avail_wrap});
}

static void on_changed(void *ctx, enum vdev_state state, const char *text)
{
	(void)ctx;
	(void)state;
	(void)text;
}

static const struct vdev_net_ops ops = {.change = on_change, .changed = on_changed};

static int setup(void **state)
{
	struct vdev_net_conf conf = {.max_pairs = 2,
				     .socket = {.owner = (uid_t)-1, .group = (gid_t)-1}};
	struct err e = {0};

	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/vdev_test.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/s", folder);
	snprintf(conf.socket.path, sizeof(conf.socket.path), "%s", path);
	library_refuses = false;
	vhost_fe_init(&fe);
	gate = gate_create(&e);
	assert_non_null(gate);
	dev = vdev_net_create(gate, &conf, &ops, NULL, &e);
	assert_non_null(dev);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vhost_fe_close(&fe);
	vdev_destroy(dev);
	gate_destroy(gate);
	assert_int_equal(n_pairs, 0);
	assert_int_equal(library_devices, 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(rmdir(folder), 0);
	return 0;
}

static struct vdev_status status(void)
{
	struct vdev_status st;

	vdev_status(dev, &st);
	return st;
}

/* Waits until the device says so. */
static void expect_text(const char *words)
{
	struct vdev_status st;

	for (int i = 0; i < PATIENCE; i++) {
		st = status();
		if (strstr(st.text, words))
			return;
		poll(NULL, 0, 1);
	}
	fail_msg("'%s' does not say '%s'", st.text, words);
}

static void expect_state(enum vdev_state state)
{
	for (int i = 0; i < PATIENCE && status().state != state; i++)
		poll(NULL, 0, 1);
	if (status().state != state)
		fail_msg("%s", status().text);
}

static const struct fe_config split = {
	.features = FE_F(FE_VERSION_1) | FE_F(FE_NET_MRG_RXBUF) | FE_F(FE_NET_MQ) |
		    FE_F(FE_NET_MTU),
	.protocol_features = FE_F(FE_P_REPLY_ACK) | FE_F(FE_P_MQ) | FE_F(FE_P_NET_MTU),
	.pairs = 1,
	.ring_size = SIZE,
	.mem_size = MEM_BYTES,
};

static void open_fe(const struct fe_config *conf)
{
	assert_int_equal(vhost_fe_open(&fe, path, conf), 0);
	expect_state(VDEV_UP);
}

static int state_message(uint32_t request, uint32_t index, uint32_t num)
{
	uint32_t payload[2] = {index, num};

	return vhost_fe_send(&fe, request, payload, sizeof(payload), NULL, 0);
}

static int addr_message(unsigned index, const void *desc, const void *avail, const void *used)
{
	struct {
		uint32_t index, flags;
		uint64_t desc, used, avail, log;
	} addr = {.index = index,
		  .desc = (uintptr_t)desc,
		  .avail = (uintptr_t)avail,
		  .used = (uintptr_t)used};

	return vhost_fe_send(&fe, FE_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
}

static void do_nothing(void *arg)
{
	(void)arg;
}

/* Once the gate is done with what it was sent: it answers before it closes what came along. */
static int open_files(void)
{
	DIR *dir;
	int n = 0;

	gate_call(gate, do_nothing, NULL);
	dir = opendir("/proc/self/fd");
	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* --- bringing up, and down -----------------------------------------------------------------------
 */

static void a_front_end_comes_and_goes(void **state)
{
	uint32_t base;
	int files = open_files();

	(void)state;
	assert_int_equal(status().state, VDEV_WAITING);
	for (int i = 0; i < 3; i++) {
		open_fe(&split);
		assert_int_equal(n_pairs, 1);
		assert_true(pair()->rx_on && pair()->tx_on && !pair()->tx_discard);
		assert_int_equal(status().pairs, 1);
		assert_int_equal(status().connects, i + 1);
		assert_int_equal(vhost_fe_ring_stop(&fe, 0, &base), 0);
		assert_int_equal(vhost_fe_ring_stop(&fe, 1, &base), 0);
		expect_text("down: the guest is paused, or its driver stopped the rings");
		assert_int_equal(n_pairs, 0);
		vhost_fe_close(&fe);
		vhost_fe_init(&fe);
		expect_state(VDEV_WAITING);
		expect_text("front end disconnected");
		assert_int_equal(library_devices, 0);
	}
	assert_int_equal(open_files(), files);
}

/* The ring's place in the worker's hands is the one that the guest sees next. */
static void a_stopped_ring_says_where_it_is(void **state)
{
	uint32_t base;

	(void)state;
	open_fe(&split);
	serve_up_to(7, 7, true);
	assert_int_equal(vhost_fe_ring_stop(&fe, 1, &base), 0);
	assert_int_equal(base, 7);
	assert_true(pair()->rx_on && !pair()->tx_on);
	/* And goes on there. */
	fe.ring[1].used->idx = 7;
	assert_int_equal(vhost_fe_ring_start(&fe, 1), 0);
	assert_int_equal(state_message(FE_SET_VRING_ENABLE, 1, 1), 0);
	assert_true(pair()->tx_on);
	assert_int_equal(pair()->tx.q.avail_at, 7);
}

static void a_packed_ring_says_both_places(void **state)
{
	struct fe_config conf = split;
	uint32_t base;

	(void)state;
	conf.features |= FE_F(FE_PACKED);
	open_fe(&conf);
	serve_up_to(9, 5, false);
	assert_int_equal(vhost_fe_ring_stop(&fe, 1, &base), 0);
	assert_int_equal(base, 9 | (5 | 0x8000u) << 16);
}

static void without_protocol_features_rings_start_enabled(void **state)
{
	(void)state;
	assert_int_equal(vhost_fe_connect(&fe, path), 0);
	assert_int_equal(vhost_fe_negotiate(&fe, FE_F(FE_VERSION_1), 0), 0);
	assert_int_equal(vhost_fe_map(&fe, MEM_BYTES, false), 0);
	assert_int_equal(vhost_fe_set_mem_table(&fe, 1), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(vhost_fe_ring_init(&fe, i, SIZE), 0);
		assert_int_equal(vhost_fe_ring_start(&fe, i), 0);
	}
	expect_state(VDEV_UP);
}

/* Its status is agreed on: then nothing is used before DRIVER_OK (virtio 1.1, 3.1.1). */
static void a_driver_that_is_not_ok_is_not_served(void **state)
{
	struct fe_config conf = split;
	uint64_t bits = 0;

	(void)state;
	conf.protocol_features |= FE_F(FE_P_STATUS);
	assert_int_equal(vhost_fe_open(&fe, path, &conf), 0);
	assert_int_equal(status().state, VDEV_NEGOTIATING);
	assert_int_equal(n_pairs, 0);
	assert_int_equal(vhost_fe_set_u64(&fe, FE_SET_STATUS, 15), 0);
	assert_int_equal(status().state, VDEV_UP);
	assert_int_equal(vhost_fe_get_u64(&fe, FE_GET_STATUS, &bits), 0);
	assert_int_equal(bits, 15);
	assert_int_equal(vhost_fe_set_u64(&fe, FE_SET_STATUS, 0), 0);
	assert_int_equal(status().state, VDEV_DOWN);
	assert_int_equal(vhost_fe_set_u64(&fe, FE_SET_STATUS, 256), -EPROTO);
}

static void queue_pairs_are_as_many_as_configured(void **state)
{
	struct fe_config conf = split;
	uint64_t n = 0;

	(void)state;
	conf.pairs = 2;
	open_fe(&conf);
	assert_int_equal(vhost_fe_get_u64(&fe, FE_GET_QUEUE_NUM, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(n_pairs, 2);
	assert_int_equal(state_message(FE_SET_VRING_ENABLE, 4, 1), -EPROTO);
	expect_text("refused SET_VRING_ENABLE: ring 4, of 4");
	assert_int_equal(status().state, VDEV_UP);
}

/* Several pairs are a feature that has to be agreed on (virtio 1.1, 5.1.5). */
static void without_mq_one_pair_is_used(void **state)
{
	struct fe_config conf = split;

	(void)state;
	conf.pairs = 2;
	conf.features &= ~FE_F(FE_NET_MQ);
	open_fe(&conf);
	assert_int_equal(n_pairs, 1);
}

/* vhost-user, ring states: a started ring that is disabled is processed without effects. */
static void disabled_rings_are_kept_but_discarded(void **state)
{
	(void)state;
	open_fe(&split);
	assert_int_equal(state_message(FE_SET_VRING_ENABLE, 1, 0), 0);
	assert_true(pair()->tx_on && pair()->tx_discard && pair()->rx_on);
	assert_int_equal(state_message(FE_SET_VRING_ENABLE, 0, 0), 0);
	assert_false(pair()->rx_on);
	assert_int_equal(status().state, VDEV_DOWN);
	assert_int_equal(state_message(FE_SET_VRING_ENABLE, 0, 1), 0);
	assert_int_equal(state_message(FE_SET_VRING_ENABLE, 1, 1), 0);
	assert_true(pair()->tx_on && !pair()->tx_discard && pair()->rx_on);
	assert_int_equal(vhost_fe_send(&fe, FE_RESET_OWNER, NULL, 0, NULL, 0), 0);
	assert_true(pair()->tx_discard && !pair()->rx_on);
}

static void notifications_move_without_the_rings(void **state)
{
	uint64_t ring = 1, none = 1 | FE_VRING_NOFD;
	int fd = eventfd(0, EFD_NONBLOCK), old;
	struct virtq before;

	(void)state;
	open_fe(&split);
	before = pair()->tx.q;
	old = before.call_fd;
	assert_int_equal(vhost_fe_send(&fe, FE_SET_VRING_CALL, &ring, 8, &fd, 1), 0);
	assert_int_not_equal(pair()->tx.q.call_fd, -1);
	assert_ptr_equal(pair()->tx.q.desc, before.desc);
	assert_int_equal(fcntl(old, F_GETFD), -1); /* the old one is closed */
	assert_int_equal(vhost_fe_send(&fe, FE_SET_VRING_CALL, &none, 8, NULL, 0), 0);
	assert_int_equal(pair()->tx.q.call_fd, -1);
	assert_int_equal(vhost_fe_send(&fe, FE_SET_VRING_KICK, &none, 8, NULL, 0), 0);
	assert_int_equal(pair()->tx_kick_fd, -1);
	assert_int_equal(status().state, VDEV_UP);
	close(fd);
}

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

/* --- misdeeds ------------------------------------------------------------------------------------
 */

static void refused_without_an_answer_is_hung_up(void **state)
{
	(void)state;
	open_fe(&split);
	assert_int_equal(vhost_fe_send_raw(&fe, FE_SET_INFLIGHT_FD, FE_FLAG_VERSION, 20, fe.mem, 20,
					   NULL, 0),
			 0);
	expect_text(
		"waiting for front end (listening); last: refused SET_INFLIGHT_FD, which is not "
		"offered");
	assert_int_equal(n_pairs, 0);
}

/* Whatever comes with a message that is refused, or that takes none, is closed. */
static void descriptors_are_not_kept(void **state)
{
	static const uint32_t requests[] = {
		FE_GET_QUEUE_NUM,   FE_GET_FEATURES,    FE_SET_VRING_ENABLE, FE_SET_MEM_TABLE,
		FE_SET_VRING_KICK,  FE_SET_INFLIGHT_FD, FE_SET_VRING_CALL,   FE_SET_VRING_ERR,
		FE_GET_INFLIGHT_FD, FE_SET_LOG_BASE,    FE_SET_STATUS,       99};
	int fds[8], files;
	struct fe_msg answer;

	(void)state;
	open_fe(&split);
	for (int i = 0; i < 8; i++)
		fds[i] = fe.mem_fd;
	files = open_files();
	for (int round = 0; round < 50; round++) {
		for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
			assert_int_equal(vhost_fe_send_raw(&fe, requests[i],
							   FE_FLAG_VERSION | FE_FLAG_NEED_REPLY, 8,
							   fe.mem, 8, fds, 8),
					 0);
			assert_int_equal(vhost_fe_recv(&fe, &answer, 5000), 0);
			assert_int_equal(answer.payload.u64, 1);
		}
	}
	assert_int_equal(open_files(), files);
	assert_int_equal(status().state, VDEV_UP);
}

static void half_a_message_is_given_up(void **state)
{
	static const uint32_t header[3] = {FE_SET_MEM_TABLE, FE_FLAG_VERSION, 200};

	(void)state;
	assert_int_equal(vhost_fe_connect(&fe, path), 0);
	assert_int_equal(send(fe.fd, header, 5, MSG_NOSIGNAL), 5);
	expect_text("negotiating");
	vhost_fe_disconnect(&fe);
	expect_text("last: front end hung up in the middle of a message");
	assert_int_equal(vhost_fe_connect(&fe, path), 0);
	assert_int_equal(send(fe.fd, header, 12, MSG_NOSIGNAL), 12);
	expect_text("last: front end sent half a message and no more");
	assert_true(vhost_fe_hung_up(&fe));
}

static void a_message_may_come_in_pieces(void **state)
{
	uint32_t message[5] = {FE_SET_VRING_ENABLE, FE_FLAG_VERSION | FE_FLAG_NEED_REPLY, 8, 1, 0};
	struct fe_msg answer;

	(void)state;
	open_fe(&split);
	for (size_t i = 0; i < sizeof(message); i++) {
		assert_int_equal(send(fe.fd, (uint8_t *)message + i, 1, MSG_NOSIGNAL), 1);
		if (i % 5 == 0)
			poll(NULL, 0, 1);
	}
	assert_int_equal(vhost_fe_recv(&fe, &answer, 5000), 0);
	assert_int_equal(answer.payload.u64, 0);
	assert_true(pair()->tx_discard);
}

static void too_long_messages_end_the_connection(void **state)
{
	static const uint32_t sizes[] = {513, 4096, 0x7fffffff, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(vhost_fe_connect(&fe, path), 0);
		vhost_fe_send_raw(&fe, FE_SET_OWNER, FE_FLAG_VERSION, sizes[i], NULL, 0, NULL, 0);
		expect_text("last: front end sent a message of ");
	}
}

/* Nothing is kept for who does not read: the socket's own buffer is all there is. */
static void who_does_not_read_is_hung_up(void **state)
{
	(void)state;
	open_fe(&split);
	for (int i = 0; i < 1000000; i++)
		if (vhost_fe_send_raw(&fe, FE_GET_FEATURES, FE_FLAG_VERSION, 0, NULL, 0, NULL, 0) <
		    0)
			break;
	expect_text("last: front end does not read its answers");
}

static void a_second_front_end_is_turned_away(void **state)
{
	struct vhost_fe second;

	(void)state;
	open_fe(&split);
	vhost_fe_init(&second);
	assert_int_equal(vhost_fe_connect(&second, path), 0);
	for (int i = 0; i < PATIENCE && !vhost_fe_hung_up(&second); i++)
		poll(NULL, 0, 1);
	assert_true(vhost_fe_hung_up(&second));
	vhost_fe_close(&second);
	assert_int_equal(status().turned_away, 1);
	assert_int_equal(status().state, VDEV_UP);
}

/* A front end that hung up is gone before its successor is looked at. */
static void a_front_end_comes_back_at_once(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		open_fe(&split);
		vhost_fe_close(&fe);
		vhost_fe_init(&fe);
	}
	assert_int_equal(status().turned_away, 0);
	assert_int_equal(status().connects, 5);
}

static void a_removed_socket_comes_back(void **state)
{
	(void)state;
	assert_int_equal(unlink(path), 0);
	for (int i = 0; i < PATIENCE && access(path, F_OK) < 0; i++)
		poll(NULL, 0, 1);
	open_fe(&split);
	/* And is not forced on who put something else there. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	vhost_fe_close(&fe);
	vhost_fe_init(&fe);
	expect_text("its file was removed, and cannot be made");
	assert_int_equal(rmdir(path), 0);
	for (int i = 0; i < PATIENCE && access(path, F_OK) < 0; i++)
		poll(NULL, 0, 1);
	open_fe(&split);
}

/* Features are settled before rings are: what a ring's parts are depends on them. */
static void features_are_settled_by_started_rings(void **state)
{
	(void)state;
	open_fe(&split);
	assert_int_equal(vhost_fe_set_u64(&fe, FE_SET_FEATURES, fe.features), 0);
	assert_int_equal(vhost_fe_set_u64(&fe, FE_SET_FEATURES, fe.features | FE_F(FE_PACKED)),
			 -EPROTO);
	expect_text("refused SET_FEATURES: other features than before, while rings are started");
	assert_int_equal(vhost_fe_set_u64(&fe, FE_SET_FEATURES, FE_F(33)), -EPROTO);
	expect_text("refused SET_FEATURES: features 0x200000000 are not offered");
	assert_int_equal(vhost_fe_set_u64(&fe, FE_SET_PROTOCOL_FEATURES, FE_F(FE_P_INFLIGHT)),
			 -EPROTO);
	expect_text("refused SET_PROTOCOL_FEATURES: protocol features 0x1000 are not offered");
}

static void mtus_are_noted(void **state)
{
	(void)state;
	open_fe(&split);
	assert_int_equal(status().mtu, 0);
	assert_int_equal(vhost_fe_set_u64(&fe, FE_NET_SET_MTU, 1400), 0);
	assert_int_equal(status().mtu, 1400);
	assert_int_equal(vhost_fe_set_u64(&fe, FE_NET_SET_MTU, 67), -EPROTO);
	assert_int_equal(vhost_fe_set_u64(&fe, FE_NET_SET_MTU, 65536), -EPROTO);
	assert_int_equal(status().mtu, 1400);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_front_end_comes_and_goes),
		TEST(a_stopped_ring_says_where_it_is),
		TEST(a_packed_ring_says_both_places),
		TEST(without_protocol_features_rings_start_enabled),
		TEST(a_driver_that_is_not_ok_is_not_served),
		TEST(queue_pairs_are_as_many_as_configured),
		TEST(without_mq_one_pair_is_used),
		TEST(disabled_rings_are_kept_but_discarded),
		TEST(notifications_move_without_the_rings),
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
		TEST(refused_without_an_answer_is_hung_up),
		TEST(descriptors_are_not_kept),
		TEST(half_a_message_is_given_up),
		TEST(a_message_may_come_in_pieces),
		TEST(too_long_messages_end_the_connection),
		TEST(who_does_not_read_is_hung_up),
		TEST(a_second_front_end_is_turned_away),
		TEST(a_front_end_comes_back_at_once),
		TEST(a_removed_socket_comes_back),
		TEST(features_are_settled_by_started_rings),
		TEST(mtus_are_noted),
	};

	return cmocka_run_group_tests_name("vdev", tests, NULL, NULL);
}
