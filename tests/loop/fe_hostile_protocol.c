/* SPDX-License-Identifier: BSD-3-Clause */
/* Hostile front ends: what they send, and what they do with what they shared. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tests/loop/fe_hostile_impl.h"

/* Gets so far with the protocol. */
static int negotiate_until(const struct fe_config *conf, int step)
{
	int rc = vhost_fe_connect(&fe, path);

	if (rc == 0 && step > 0)
		rc = vhost_fe_negotiate(&fe, conf->features | FE_F(FE_PROTOCOL),
					conf->protocol_features);
	if (rc == 0 && step > 1)
		rc = vhost_fe_map(&fe, MEM_BYTES, false);
	if (rc == 0 && step > 2)
		rc = vhost_fe_set_mem_table(&fe, 1);
	for (unsigned i = 0; rc == 0 && step > 3 && i < 2; i++)
		rc = vhost_fe_ring_init(&fe, i, RING_SIZE);
	if (rc == 0 && step > 4)
		rc = vhost_fe_ring_start(&fe, 0);
	if (rc == 0 && step > 5)
		rc = vhost_fe_ring_start(&fe, 1);
	if (rc == 0 && step > 6)
		rc = vhost_fe_ring_enable(&fe, 1, true);
	return rc;
}

/* The switch turns a second front end away until it noticed that the one before is gone. */
static bool is_turned_away(int rc)
{
	return rc == -ECONNRESET || rc == -EPIPE;
}

static int hang_up_at_each_step(const struct fe_config *conf)
{
	for (int step = 0; step < 8; step++) {
		int rc = negotiate_until(conf, step);

		for (int tries = 0; is_turned_away(rc) && tries < 500; tries++) {
			vhost_fe_close(&fe);
			vhost_fe_init(&fe);
			rest_ms(10);
			rc = negotiate_until(conf, step);
		}
		if (rc < 0) {
			fprintf(stderr, "step %d: %s\n", step, strerror(-rc));
			return rc;
		}
		vhost_fe_close(&fe);
		vhost_fe_init(&fe);
	}
	return 0;
}

static int hang_up_half_way(void)
{
	return hang_up_at_each_step(&split);
}

static int garbage_bytes(void)
{
	uint8_t bytes[512];

	for (int i = 0; i < 20; i++) {
		if (vhost_fe_connect(&fe, path) < 0)
			return -1;
		if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
			return -1;
		if (send(fe.fd, bytes, sizeof(bytes), MSG_NOSIGNAL) < 0 && errno != EPIPE)
			return -1;
		rest_ms(10);
		vhost_fe_close(&fe);
		vhost_fe_init(&fe);
	}
	return 0;
}

/* Half a header, and a header whose payload never comes: then silence. */
static int half_a_message(void)
{
	static const uint32_t header[3] = {FE_SET_MEM_TABLE, FE_FLAG_VERSION, 200};

	if (vhost_fe_connect(&fe, path) < 0 || send(fe.fd, header, 5, MSG_NOSIGNAL) != 5)
		return -1;
	rest_ms(300);
	vhost_fe_close(&fe);
	vhost_fe_init(&fe);
	if (vhost_fe_connect(&fe, path) < 0 || send(fe.fd, header, 12, MSG_NOSIGNAL) != 12)
		return -1;
	rest_ms(1000);
	return 0;
}

static int bad_requests(void)
{
	static const uint8_t payload[FE_PAYLOAD];

	for (uint32_t request = 0; request < 60; request++) {
		if (vhost_fe_connect(&fe, path) < 0)
			return -1;
		if (request % 2)
			vhost_fe_negotiate(&fe, split.features | FE_F(FE_PROTOCOL), 0);
		/* An empty one, then one as large as can be. */
		vhost_fe_send_raw(&fe, request, FE_FLAG_VERSION, 0, NULL, 0, NULL, 0);
		vhost_fe_send_raw(&fe, request, FE_FLAG_VERSION, 256, payload, 256, NULL, 0);
		rest_ms(2);
		vhost_fe_close(&fe);
		vhost_fe_init(&fe);
	}
	return 0;
}

static int bad_ring_setup(void)
{
	static const uint32_t bad[][3] = {
		{FE_SET_VRING_NUM, 1, 0},           {FE_SET_VRING_NUM, 1, 0xffff},
		{FE_SET_VRING_NUM, 1, 100},         {FE_SET_VRING_NUM, 0xffff, 256},
		{FE_SET_VRING_BASE, 1, 0xffffffff}, {FE_GET_VRING_BASE, 0xff, 0},
		{FE_SET_VRING_ENABLE, 0xffff, 1},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (reopen_fe(&split) < 0)
			return -1;
		vhost_fe_send_raw(&fe, bad[i][0], FE_FLAG_VERSION, 8, &bad[i][1], 8, NULL, 0);
		rest_ms(20);
		vhost_fe_close(&fe);
		vhost_fe_init(&fe);
	}
	return 0;
}

/* A region that says it is larger than its file. */
static int region_beyond_file(void)
{
	struct {
		uint32_t n, padding;
		struct fe_region region;
	} table = {.n = 1, .region = {FE_GPA, 64u << 20, 0x10000, 0}};

	if (vhost_fe_connect(&fe, path) < 0 ||
	    vhost_fe_negotiate(&fe, split.features | FE_F(FE_PROTOCOL), 0) < 0 ||
	    vhost_fe_map(&fe, MEM_BYTES, false) < 0)
		return -1;
	table.region.user = (uintptr_t)fe.mem;
	vhost_fe_send(&fe, FE_SET_MEM_TABLE, &table, sizeof(table), &fe.mem_fd, 1);
	if (start_rings() < 0)
		return -1;
	rest_ms(200);
	return 0;
}

/* The file shrinks while the switch works on it. */
static int memory_vanishes(void)
{
	if (open_fe(&split) < 0)
		return -1;
	for (int i = 0; i < 50; i++)
		send_frame();
	if (ftruncate(fe.mem_fd, 0) < 0)
		return -errno;
	for (unsigned i = 0; i < 2; i++)
		driver_ring_kick(&fe.ring[i]);
	rest_ms(300);
	return 0;
}

/* Packets in pages that are taken away after they were sent, and receive buffers likewise. */
static int memory_given_away(void)
{
	const size_t pages = RING_SIZE, bytes = pages * FE_PAGE;
	uint8_t *at[2];

	if (open_fe(&split) < 0)
		return -1;
	for (unsigned i = 0; i < 2; i++)
		at[i] = vhost_fe_alloc(&fe, bytes, FE_PAGE);
	if (!at[0] || !at[1])
		return -1;
	for (unsigned round = 0; round < 50; round++) {
		for (unsigned i = 0; i < 2; i++) {
			struct driver_ring *r = &fe.ring[i];
			uint32_t len;

			while (driver_ring_poll(r, &len) >= 0)
				continue;
			for (size_t k = 0; k < pages && r->n_free > 0; k++) {
				struct driver_buf b = {vhost_fe_gpa(&fe, at[i] + k * FE_PAGE), 2048,
						       i != TX};

				driver_ring_add(r, &b, 1);
			}
			if (fallocate(fe.mem_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				      at[i] - fe.mem, (off_t)bytes) < 0)
				return -errno;
			driver_ring_publish(r);
			driver_ring_kick(r);
		}
		rest_ms(5);
	}
	return 0;
}

/* Guest memory in a file on a disk: each page fault would wait for it. */
static int memory_on_disk(void)
{
	char name[] = "/var/tmp/fe_hostile.XXXXXX";

	if (vhost_fe_connect(&fe, path) < 0 ||
	    vhost_fe_negotiate(&fe, split.features | FE_F(FE_PROTOCOL), split.protocol_features) <
		    0 ||
	    vhost_fe_map(&fe, MEM_BYTES, false) < 0)
		return -1;
	close(fe.mem_fd);
	fe.mem_fd = mkstemp(name);
	if (fe.mem_fd < 0 || unlink(name) < 0 || ftruncate(fe.mem_fd, MEM_BYTES) < 0 ||
	    vhost_fe_set_mem_table(&fe, 1) != -EPROTO)
		return -1;
	if (start_rings() < 0)
		return -1;
	await_line();
	return 0;
}

static int memory_table_storm(void)
{
	if (open_fe(&split) < 0)
		return -1;
	for (int i = 0; i < 300; i++)
		if (vhost_fe_set_mem_table(&fe, 1 + i % 8) < 0)
			return -1;
	return 0;
}

static int kick_storm(void)
{
	if (open_fe(&split) < 0)
		return -1;
	for (int i = 0; i < 20000; i++)
		driver_ring_kick(&fe.ring[i % 2]);
	return 0;
}

/* A front end holds the same open files as the switch: here writes to them never return. */
static int call_fds_that_block(void)
{
	uint64_t full = UINT64_MAX - 1;

	if (open_fe(&split) < 0)
		return -1;
	for (unsigned i = 0; i < 2; i++) {
		int fd = fe.ring[i].callfd;

		if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) < 0 ||
		    write(fd, &full, sizeof(full)) != sizeof(full))
			return -errno;
	}
	for (int i = 0; i < 50; i++) {
		send_frame();
		if (wait_used(&fe.ring[TX]) < 0)
			return -1;
	}
	return 0;
}

/* Sets a ring up with a descriptor of another kind. */
static int other_file(uint32_t request, int fd)
{
	uint64_t ring = TX;
	int rc;

	if (open_fe(&split) < 0)
		return -1;
	rc = vhost_fe_send(&fe, request, &ring, sizeof(ring), &fd, 1);
	close(fd);
	if (rc != -EPROTO) {
		fprintf(stderr, "it was not refused\n");
		return -1;
	}
	/* The ring goes on as it was. */
	send_frame();
	if (wait_used(&fe.ring[TX]) < 0)
		return -1;
	await_line();
	return 0;
}

static int call_is_a_timer(void)
{
	return other_file(FE_SET_VRING_CALL, timerfd_create(CLOCK_MONOTONIC, 0));
}

static int kick_is_a_timer(void)
{
	return other_file(FE_SET_VRING_KICK, timerfd_create(CLOCK_MONOTONIC, 0));
}

static int reconnects(void)
{
	for (int i = 0; i < 100; i++) {
		if (reopen_fe(i % 2 ? &split : &packed) < 0)
			return -1;
		vhost_fe_close(&fe);
		vhost_fe_init(&fe);
	}
	return 0;
}

static int second_front_end(void)
{
	struct vhost_fe second;
	int rc;

	if (open_fe(&split) < 0)
		return -1;
	vhost_fe_init(&second);
	rc = vhost_fe_open(&second, path, &split);
	vhost_fe_close(&second);
	if (rc >= 0) {
		fprintf(stderr, "a second front end was served\n");
		return -1;
	}
	rest_ms(50);
	return vhost_fe_hung_up(&fe) ? -1 : 0;
}

const struct hostile_case protocol_cases[] = {
	HOSTILE_CASE(hang_up_half_way),
	HOSTILE_CASE(garbage_bytes),
	HOSTILE_CASE(half_a_message),
	HOSTILE_CASE(bad_requests),
	HOSTILE_CASE(bad_ring_setup),
	HOSTILE_CASE(region_beyond_file),
	HOSTILE_CASE(memory_vanishes),
	HOSTILE_CASE(memory_given_away),
	HOSTILE_CASE(memory_on_disk),
	HOSTILE_CASE(memory_table_storm),
	HOSTILE_CASE(kick_storm),
	HOSTILE_CASE(call_fds_that_block),
	HOSTILE_CASE(call_is_a_timer),
	HOSTILE_CASE(kick_is_a_timer),
	HOSTILE_CASE(reconnects),
	HOSTILE_CASE(second_front_end),
	{NULL, NULL},
};
