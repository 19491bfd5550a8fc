/* SPDX-License-Identifier: BSD-3-Clause */
/* A hostile front end: plays one named case against a port's socket. Exits 0 when it could do what
 * the case is about; whether the switch survived is for the caller to see. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "tests/fake/vhost_fe.h"

#define MEM_BYTES (4u << 20)
#define RING_SIZE 256
#define TX        1

static const struct fe_config split = {
	.features = FE_F(FE_VERSION_1) | FE_F(FE_NET_MRG_RXBUF) | FE_F(FE_INDIRECT),
	.protocol_features = FE_F(FE_P_REPLY_ACK) | FE_F(FE_P_MQ),
	.pairs = 1,
	.ring_size = RING_SIZE,
	.mem_size = MEM_BYTES,
};

static const struct fe_config packed = {
	.features = FE_F(FE_VERSION_1) | FE_F(FE_NET_MRG_RXBUF) | FE_F(FE_INDIRECT) |
		    FE_F(FE_PACKED),
	.protocol_features = FE_F(FE_P_REPLY_ACK) | FE_F(FE_P_MQ),
	.pairs = 1,
	.ring_size = RING_SIZE,
	.mem_size = MEM_BYTES,
};

static struct vhost_fe fe;
static const char *path;

static void rest_ms(long ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

static int open_fe(const struct fe_config *conf)
{
	int rc = vhost_fe_open(&fe, path, conf);

	if (rc < 0)
		fprintf(stderr, "cannot open a front end: %s\n", strerror(-rc));
	return rc;
}

/* Opens a front end where another one just hung up: until the switch has noticed, it may refuse. */
static int reopen_fe(const struct fe_config *conf)
{
	int rc = -1;

	for (int tries = 0; tries < 500; tries++) {
		rc = vhost_fe_open(&fe, path, conf);
		if (rc >= 0)
			return rc;
		vhost_fe_close(&fe);
		vhost_fe_init(&fe);
		rest_ms(10);
	}
	fprintf(stderr, "cannot reconnect: %s\n", strerror(-rc));
	return rc;
}

/* Waits until the switch gave the chain back, or took the ring out of service and never will. */
static int wait_used(struct fe_ring *r)
{
	uint32_t len;

	for (int i = 0; i < 1000; i++) {
		if (fe_ring_poll(r, &len) >= 0)
			return 0;
		rest_ms(1);
	}
	fprintf(stderr, "the chain never came back\n");
	return -ETIMEDOUT;
}

/* Returns when the caller wrote a line, or will not. */
static void await_line(void)
{
	int c;

	do
		c = getchar();
	while (c != '\n' && c != EOF);
}

/* A good frame, to an unknown address. */
static uint64_t frame(size_t *len)
{
	size_t hdr = vhost_fe_hdr_len(&fe);
	uint8_t *p = vhost_fe_alloc(&fe, hdr + 64, 64);

	memset(p + hdr, 0x02, 64);
	p[hdr + 11] = 0x77;
	*len = hdr + 64;
	return vhost_fe_gpa(&fe, p);
}

static void send_frame(void)
{
	size_t len;
	uint64_t gpa = frame(&len);
	struct fe_buf b = {gpa, (uint32_t)len, false};

	fe_ring_add(&fe.ring[TX], &b, 1);
	fe_ring_publish(&fe.ring[TX]);
	fe_ring_kick(&fe.ring[TX]);
}

/* Whatever the switch makes of them. */
static int start_rings(void)
{
	for (unsigned i = 0; i < 2; i++) {
		if (fe_ring_init(&fe, i, RING_SIZE) < 0)
			return -1;
		vhost_fe_ring_start(&fe, i);
		vhost_fe_ring_enable(&fe, i, true);
	}
	return 0;
}

/* --- the protocol ------------------------------------------------------------------------------
 */

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
		rc = fe_ring_init(&fe, i, RING_SIZE);
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
		fe_ring_kick(&fe.ring[i]);
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
			struct fe_ring *r = &fe.ring[i];
			uint32_t len;

			while (fe_ring_poll(r, &len) >= 0)
				continue;
			for (size_t k = 0; k < pages && r->free > 0; k++) {
				struct fe_buf b = {vhost_fe_gpa(&fe, at[i] + k * FE_PAGE), 2048,
						   i != TX};

				fe_ring_add(r, &b, 1);
			}
			if (fallocate(fe.mem_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				      at[i] - fe.mem, (off_t)bytes) < 0)
				return -errno;
			fe_ring_publish(r);
			fe_ring_kick(r);
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
	    vhost_fe_negotiate(&fe, split.features | FE_F(FE_PROTOCOL), 0) < 0 ||
	    vhost_fe_map(&fe, MEM_BYTES, false) < 0)
		return -1;
	close(fe.mem_fd);
	fe.mem_fd = mkstemp(name);
	if (fe.mem_fd < 0 || unlink(name) < 0 || ftruncate(fe.mem_fd, MEM_BYTES) < 0 ||
	    vhost_fe_set_mem_table(&fe, 1) < 0)
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
		fe_ring_kick(&fe.ring[i % 2]);
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
	await_line();
	return rc;
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

/* --- rings -------------------------------------------------------------------------------------
 */

static int avail_index_jumps(void)
{
	if (open_fe(&split) < 0)
		return -1;
	fe.ring[TX].split.avail->idx = 0x7fff;
	fe_ring_kick(&fe.ring[TX]);
	rest_ms(100);
	return 0;
}

/* Breaks a ring, then goes on without it, then with it repaired, each when it is told to. */
static int broken_ring_comes_back(void)
{
	if (avail_index_jumps() < 0)
		return -1;
	await_line();
	if (vhost_fe_ring_enable(&fe, TX, false) < 0)
		return -1;
	await_line();
	fe.ring[TX].split.avail->idx = 0;
	if (vhost_fe_ring_enable(&fe, TX, true) < 0)
		return -1;
	await_line();
	return 0;
}

/* Not hostile, but no other front end that we have does it: tells its MTU, when it is told to. */
static int tells_its_mtu(void)
{
	struct fe_config conf = split;

	conf.features |= FE_F(FE_NET_MTU);
	conf.protocol_features |= FE_F(FE_P_NET_MTU);
	if (open_fe(&conf) < 0)
		return -1;
	await_line();
	if (vhost_fe_set_u64(&fe, FE_NET_SET_MTU, 1400) < 0)
		return -1;
	await_line();
	return 0;
}

/* Nor this: has the switch make the region for what is in flight, and gives it back, as one that
 * reconnects would. Rings go on. */
static int inflight_region(void)
{
	struct {
		uint64_t mmap_size, mmap_offset;
		uint16_t num_queues, queue_size;
	} region = {.num_queues = 2, .queue_size = RING_SIZE};
	struct fe_config conf = split;
	struct fe_msg answer;
	struct fe_buf buf;
	size_t len;

	conf.protocol_features |= FE_F(FE_P_INFLIGHT);
	if (open_fe(&conf) < 0)
		return -1;
	if (!(fe.protocol_features & FE_F(FE_P_INFLIGHT)) ||
	    vhost_fe_send_raw(&fe, FE_GET_INFLIGHT_FD, FE_FLAG_VERSION, sizeof(region), &region,
			      sizeof(region), NULL, 0) < 0 ||
	    vhost_fe_recv(&fe, &answer, 1000) < 0 || answer.n_fds != 1) {
		fprintf(stderr, "no region for what is in flight\n");
		return -1;
	}
	memcpy(&region, answer.payload.bytes, sizeof(region));
	if (region.mmap_size == 0 ||
	    vhost_fe_send(&fe, FE_SET_INFLIGHT_FD, &region, sizeof(region), answer.fds, 1) < 0) {
		fprintf(stderr, "the region was refused\n");
		return -1;
	}
	close(answer.fds[0]);
	buf.gpa = frame(&len);
	buf.len = (uint32_t)len;
	buf.device_writes = false;
	if (fe_ring_add(&fe.ring[TX], &buf, 1) < 0)
		return -1;
	fe_ring_publish(&fe.ring[TX]);
	fe_ring_kick(&fe.ring[TX]);
	return wait_used(&fe.ring[TX]);
}

static int split_one(const struct vring_desc *descs, unsigned n)
{
	struct fe_ring *r = &fe.ring[TX];

	for (unsigned i = 0; i < n; i++)
		r->split.desc[i] = descs[i];
	r->split.avail->ring[r->split.avail->idx % r->num] = 0;
	__atomic_store_n(&r->split.avail->idx, (uint16_t)(r->split.avail->idx + 1),
			 __ATOMIC_RELEASE);
	fe_ring_kick(r);
	for (int i = 0; i < 1000; i++) {
		if (__atomic_load_n(&r->split.used->idx, __ATOMIC_ACQUIRE) == r->split.avail->idx)
			return 0;
		rest_ms(1);
	}
	fprintf(stderr, "a malformed chain wedged the ring\n");
	return -ETIMEDOUT;
}

static int bad_descriptors(void)
{
	const uint64_t outside = FE_GPA + MEM_BYTES;
	const struct vring_desc cases[][3] = {
		{{FE_GPA, 100, VRING_DESC_F_NEXT, 0}}, /* loops on itself */
		{{FE_GPA, 100, VRING_DESC_F_NEXT, 1}, {FE_GPA, 9, VRING_DESC_F_NEXT, 0}},
		{{FE_GPA, 100, VRING_DESC_F_NEXT, 0xffff}}, /* next out of range */
		{{outside, 100, 0, 0}},                     /* outside memory */
		{{outside - 50, 100, 0, 0}},                /* across its end */
		{{UINT64_MAX - 10, 100, 0, 0}},             /* wraps */
		{{FE_GPA, UINT32_MAX, 0, 0}},               /* length too large */
		{{FE_GPA, 0, 0, 0}},                        /* empty */
		{{FE_GPA, 4, 0, 0}},                        /* less than a header */
		{{FE_GPA, 100, VRING_DESC_F_WRITE, 0}},     /* wrong direction */
		{{FE_GPA, 17, VRING_DESC_F_INDIRECT, 0}},   /* odd table */
		{{outside, 32, VRING_DESC_F_INDIRECT, 0}},  /* table outside */
		{{FE_GPA, 32, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1}},
		{{FE_GPA, 16u << 16, VRING_DESC_F_INDIRECT, 0}}, /* huge table */
	};

	if (open_fe(&split) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (split_one(cases[i], 3) < 0) {
			fprintf(stderr, "case %zu\n", i);
			return -1;
		}
	}
	return 0;
}

static int longest_chains(const struct fe_config *conf)
{
	struct fe_buf bufs[200];
	size_t len;
	uint64_t gpa;

	if (open_fe(conf) < 0)
		return -1;
	gpa = frame(&len);
	for (unsigned i = 0; i < 200; i++)
		bufs[i] = (struct fe_buf){gpa, i == 0 ? (uint32_t)len : 7, false};
	for (int i = 0; i < 100; i++) {
		if (fe_ring_add(&fe.ring[TX], bufs, 200) < 0)
			return -1;
		fe_ring_publish(&fe.ring[TX]);
		fe_ring_kick(&fe.ring[TX]);
		if (wait_used(&fe.ring[TX]) < 0)
			return -1;
	}
	return 0;
}

static int long_chains_split(void)
{
	return longest_chains(&split);
}

static int long_chains_packed(void)
{
	return longest_chains(&packed);
}

/* Every descriptor says that it continues. */
static int endless_chain_packed(void)
{
	struct fe_ring *r = &fe.ring[TX];

	if (open_fe(&packed) < 0)
		return -1;
	for (unsigned i = 0; i < r->num; i++)
		r->pk.desc[i] = (struct vring_packed_desc){FE_GPA, 64, (uint16_t)i,
							   VRING_DESC_F_NEXT |
								   1u << VRING_PACKED_DESC_F_AVAIL};
	fe_ring_kick(r);
	rest_ms(100);
	return 0;
}

/* Ring memory that changes all the time, from a seed that the caller can repeat. */
static int scribble(const struct fe_config *conf, unsigned seed)
{
	size_t words = MEM_BYTES / 4;
	uint32_t *mem;

	srand(seed);
	if (reopen_fe(conf) < 0)
		return -1;
	mem = (uint32_t *)(void *)fe.mem;
	for (int i = 0; i < 400000; i++) {
		/* Where the rings are: the first pages. */
		size_t at = (size_t)rand() % (i % 4 ? 8192 : words);

		__atomic_store_n(&mem[at], (uint32_t)rand() ^ (uint32_t)rand() << 16,
				 __ATOMIC_RELAXED);
		if (i % 256 == 0)
			fe_ring_kick(&fe.ring[TX]);
	}
	return 0;
}

static int scribble_split(void)
{
	for (unsigned seed = 1; seed <= 5; seed++) {
		if (scribble(&split, seed) < 0)
			return -1;
		vhost_fe_close(&fe);
		vhost_fe_init(&fe);
	}
	return 0;
}

static int scribble_packed(void)
{
	for (unsigned seed = 1; seed <= 5; seed++) {
		if (scribble(&packed, seed) < 0)
			return -1;
		vhost_fe_close(&fe);
		vhost_fe_init(&fe);
		rest_ms(10);
	}
	return 0;
}

static const struct {
	const char *name;
	int (*run)(void);
} cases[] = {
#define CASE(fn)        \
	{               \
#fn, fn \
	}
	CASE(hang_up_half_way),   CASE(garbage_bytes),      CASE(half_a_message),
	CASE(bad_requests),       CASE(bad_ring_setup),     CASE(region_beyond_file),
	CASE(memory_vanishes),    CASE(memory_given_away),  CASE(memory_on_disk),
	CASE(memory_table_storm), CASE(kick_storm),         CASE(call_fds_that_block),
	CASE(call_is_a_timer),    CASE(kick_is_a_timer),    CASE(reconnects),
	CASE(second_front_end),   CASE(avail_index_jumps),  CASE(bad_descriptors),
	CASE(long_chains_split),  CASE(long_chains_packed), CASE(endless_chain_packed),
	CASE(scribble_split),     CASE(scribble_packed),    CASE(broken_ring_comes_back),
	CASE(tells_its_mtu),      CASE(inflight_region),
#undef CASE
};

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
			puts(cases[i].name);
		return 0;
	}
	if (argc != 3) {
		fprintf(stderr, "usage: fe_hostile SOCKET CASE | --list\n");
		return 2;
	}
	path = argv[1];
	vhost_fe_init(&fe);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(argv[2], cases[i].name) == 0) {
			int rc = cases[i].run();

			vhost_fe_close(&fe);
			return rc < 0 ? 1 : 0;
		}
	}
	fprintf(stderr, "no such case: %s\n", argv[2]);
	return 2;
}
