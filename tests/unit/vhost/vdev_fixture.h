/* SPDX-License-Identifier: BSD-3-Clause */
/* A device at the gate, with a front end on the other end of a real socket, the vhost library
 * played by a mapping of our own, and no worker: what is handed over stays with the test. */
#ifndef VDEV_FIXTURE_H
#define VDEV_FIXTURE_H

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
	       FE_F(FE_NET_MTU) | FE_F(FE_NET_CSUM) | FE_F(FE_NET_GUEST_CSUM) |
	       FE_F(FE_NET_HOST_TSO4) | FE_F(FE_NET_GUEST_TSO4);
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

static inline void on_change(void *ctx, void (*fn)(void *arg), void *arg, struct vdev_pair *p,
			     uint16_t n)
{
	(void)ctx;
	fn(arg);
	pairs = p;
	n_pairs = n;
}

static struct vdev_pair seen[2];

static inline void look(void *arg)
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

static inline void put(void *arg)
{
	struct place *at = arg;

	pairs[0].tx.q.avail_at = at->avail;
	pairs[0].tx.q.used_at = at->used;
	pairs[0].tx.q.avail_wrap = at->avail_wrap;
}

/* What a worker has done by now. */
static inline void serve_up_to(uint16_t avail, uint16_t used, bool avail_wrap)
{
	gate_call(gate, put, &(struct place){avail, used, avail_wrap});
}

static inline void on_changed(void *ctx, enum vdev_state state, const char *text)
{
	(void)ctx;
	(void)state;
	(void)text;
}

static const struct vdev_net_ops ops = {.change = on_change, .changed = on_changed};

static enum vdev_net_offloads offloads;

static inline int setup(void **state)
{
	struct vdev_net_conf conf = {.max_pairs = 2,
				     .offloads = offloads,
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

static inline int teardown(void **state)
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

static inline struct vdev_status status(void)
{
	struct vdev_status st;

	vdev_status(dev, &st);
	return st;
}

/* Waits until the device says so. */
static inline void expect_text(const char *words)
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

static inline void expect_state(enum vdev_state state)
{
	for (int i = 0; i < PATIENCE && status().state != state; i++)
		poll(NULL, 0, 1);
	if (status().state != state)
		fail_msg("%s", status().text);
}

__attribute__((unused)) static const struct fe_config split = {
	.features = FE_F(FE_VERSION_1) | FE_F(FE_NET_MRG_RXBUF) | FE_F(FE_NET_MQ) |
		    FE_F(FE_NET_MTU),
	.protocol_features = FE_F(FE_P_REPLY_ACK) | FE_F(FE_P_MQ) | FE_F(FE_P_NET_MTU),
	.pairs = 1,
	.ring_size = SIZE,
	.mem_size = MEM_BYTES,
};

static inline void open_fe(const struct fe_config *conf)
{
	assert_int_equal(vhost_fe_open(&fe, path, conf), 0);
	expect_state(VDEV_UP);
}

static inline int state_message(uint32_t request, uint32_t index, uint32_t num)
{
	uint32_t payload[2] = {index, num};

	return vhost_fe_send(&fe, request, payload, sizeof(payload), NULL, 0);
}

static inline int addr_message(unsigned index, const void *desc, const void *avail,
			       const void *used)
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

static inline void do_nothing(void *arg)
{
	(void)arg;
}

/* Once the gate is done with what it was sent: it answers before it closes what came along. */
static inline int open_files(void)
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

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

#endif
