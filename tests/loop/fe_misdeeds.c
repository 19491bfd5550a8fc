/* SPDX-License-Identifier: BSD-3-Clause */
/* The whole protocol, wrongly: every request in every state, with lengths, values and descriptors
 * of all kinds. What is not refused may bring the device into any other state; that is part of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/loop/fe_bystanders.h"

#define RING     256
#define MEMORY   (4u << 20)
#define REQUESTS 46

struct misdeeds misdeeds;

static struct vhost_fe fe;
static char *const *sockets;
static unsigned n_sockets, next_socket;

static const uint64_t features = FE_F(FE_VERSION_1) | FE_F(FE_NET_MRG_RXBUF) | FE_F(FE_INDIRECT) |
				 FE_F(FE_PROTOCOL) | FE_F(FE_NET_MQ);
static const uint64_t protocol = FE_F(FE_P_REPLY_ACK) | FE_F(FE_P_MQ) | FE_F(FE_P_STATUS);

/* --- states --------------------------------------------------------------------------------------
 */

/* How far a front end gets before it goes wrong. */
enum progress {
	CONNECTED,
	NEGOTIATED,
	MEMORY_SHARED,
	RINGS_TOLD,
	STARTED,
	ENABLED,
	STOPPED,
	STARTED_AGAIN,
	STATES
};

static int connect_somewhere(void)
{
	int rc = -1;

	vhost_fe_close(&fe);
	vhost_fe_init(&fe);
	/* Ports let one front end in at a time, and not too often. */
	for (int tries = 0; tries < 2000; tries++) {
		uint64_t value;

		rc = vhost_fe_connect(&fe, sockets[next_socket++ % n_sockets]);
		if (rc == 0)
			rc = vhost_fe_get_u64(&fe, FE_GET_FEATURES, &value);
		if (rc == 0)
			return 0;
		vhost_fe_close(&fe);
		vhost_fe_init(&fe);
		poll(NULL, 0, 10);
	}
	return rc;
}

static int tell_ring(unsigned i)
{
	struct driver_ring *r = &fe.ring[i];
	uint32_t num[2] = {i, r->size}, base[2] = {i, 0};
	struct {
		uint32_t index, flags;
		uint64_t desc, used, avail, log;
	} addr = {.index = i,
		  .desc = (uintptr_t)r->desc,
		  .used = (uintptr_t)r->used,
		  .avail = (uintptr_t)r->avail};
	int rc = vhost_fe_send(&fe, FE_SET_VRING_NUM, num, sizeof(num), NULL, 0);

	if (rc == 0)
		rc = vhost_fe_send(&fe, FE_SET_VRING_BASE, base, sizeof(base), NULL, 0);
	if (rc == 0)
		rc = vhost_fe_send(&fe, FE_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
	return rc;
}

static int for_both(int (*fn)(unsigned i))
{
	int rc = fn(0);

	return rc < 0 ? rc : fn(1);
}

static int start_ring(unsigned i)
{
	return vhost_fe_ring_start(&fe, i);
}

static int enable_ring(unsigned i)
{
	return vhost_fe_ring_enable(&fe, i, true);
}

static int stop_ring(unsigned i)
{
	uint32_t base;

	return vhost_fe_ring_stop(&fe, i, &base);
}

static int make_ring(unsigned i)
{
	return vhost_fe_ring_init(&fe, i, RING);
}

static int step(enum progress p)
{
	switch (p) {
	case CONNECTED:
		return connect_somewhere();
	case NEGOTIATED:
		return vhost_fe_negotiate(&fe, features, protocol);
	case MEMORY_SHARED: {
		int rc = vhost_fe_map(&fe, MEMORY, false);

		return rc < 0 ? rc : vhost_fe_set_mem_table(&fe, 2);
	}
	case RINGS_TOLD: {
		int rc = for_both(make_ring);

		return rc < 0 ? rc : for_both(tell_ring);
	}
	case STARTED:
	case STARTED_AGAIN:
		return for_both(start_ring);
	case ENABLED: {
		int rc = for_both(enable_ring);

		return rc < 0 ? rc : vhost_fe_set_u64(&fe, FE_SET_STATUS, 15);
	}
	case STOPPED:
		return for_both(stop_ring);
	default:
		return -EINVAL;
	}
}

static int bring_to(enum progress p)
{
	for (enum progress at = CONNECTED; at <= p; at++) {
		int rc = step(at);

		if (rc < 0) {
			fprintf(stderr, "step %d: %s\n", (int)at, strerror(-rc));
			return rc;
		}
	}
	return 0;
}

/* --- descriptors ---------------------------------------------------------------------------------
 */

enum fd_kind { EVENTFD, MEMFD, PIPE, NULL_FILE, SOCKET, READ_ONLY, FD_KINDS };

static int make_fd(enum fd_kind kind)
{
	char path[64];
	int fds[2] = {-1, -1}, fd;

	switch (kind) {
	case EVENTFD:
		return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	case MEMFD:
		fd = memfd_create("misdeed", MFD_CLOEXEC);
		if (ftruncate(fd, 8192) < 0)
			perror("ftruncate");
		return fd;
	case PIPE:
		if (pipe(fds) == 0)
			close(fds[0]);
		return fds[1];
	case NULL_FILE:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case SOCKET:
		return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	default:
		fd = make_fd(MEMFD);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		fds[0] = open(path, O_RDONLY | O_CLOEXEC);
		close(fd);
		return fds[0];
	}
}

/* --- misdeeds ------------------------------------------------------------------------------------
 */

/* The length that the protocol gives a request's payload. */
static uint32_t due(uint32_t request)
{
	switch (request) {
	case FE_GET_FEATURES:
	case FE_SET_OWNER:
	case FE_RESET_OWNER:
	case FE_GET_PROTOCOL_FEATURES:
	case FE_GET_QUEUE_NUM:
	case FE_GET_STATUS:
		return 0;
	case FE_SET_VRING_ADDR:
		return 40;
	case FE_SET_MEM_TABLE:
		return 8 + 32;
	case FE_GET_INFLIGHT_FD:
	case FE_SET_INFLIGHT_FD:
		return 24;
	default:
		return 8;
	}
}

/* Sends one, and sees what is said to it. Negative when the connection is gone. */
static int commit(uint32_t request, const void *payload, uint32_t size, const int *fds, int n_fds)
{
	static const uint8_t zeroes[FE_PAYLOAD];
	struct fe_msg answer;
	int rc;

	misdeeds.n++;
	rc = vhost_fe_send_raw(&fe, request, FE_FLAG_VERSION | FE_FLAG_NEED_REPLY, size,
			       payload ? payload : zeroes, size <= FE_PAYLOAD ? size : 0, fds,
			       n_fds);
	if (rc == 0)
		rc = vhost_fe_recv(&fe, &answer, 5000);
	for (int i = 0; rc == 0 && i < answer.n_fds; i++)
		close(answer.fds[i]);
	if (rc < 0)
		misdeeds.hung_up++;
	else if (answer.size == 8 && answer.payload.u64 == 1)
		misdeeds.refused++;
	if (misdeeds.n % 64 == 0)
		pump();
	return rc;
}

static int commit_with(uint32_t request, const void *payload, uint32_t size, enum fd_kind kind,
		       int n_fds)
{
	int fds[8] = {0}, rc;

	for (int i = 0; i < n_fds; i++)
		fds[i] = make_fd(kind);
	rc = commit(request, payload, size, fds, n_fds);
	for (int i = 0; i < n_fds; i++)
		close(fds[i]);
	return rc;
}

/* Lengths, with descriptors of all kinds. */
static int wrong_lengths(uint32_t request)
{
	const uint32_t sizes[] = {0, due(request) - 1, due(request), due(request) + 1, FE_PAYLOAD};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (sizes[i] > FE_PAYLOAD)
			continue;
		for (enum fd_kind kind = 0; kind < FD_KINDS; kind++)
			if (commit_with(request, NULL, sizes[i], kind, kind == EVENTFD ? 0 : 1) < 0)
				return -1;
		if (commit_with(request, NULL, sizes[i], EVENTFD, 8) < 0)
			return -1;
	}
	return 0;
}

/* Numbers at and beyond their ends, as pairs of 32 bits and as one of 64. */
static int wrong_values(uint32_t request)
{
	static const uint32_t index[] = {0, 1, 2, 31, 32, 255, 256, 0x80000000u, UINT32_MAX};
	static const uint32_t num[] = {0,     1,     255,   256,   257,       32767,
				       32768, 32769, 65535, 65536, UINT32_MAX};
	uint32_t payload[FE_PAYLOAD / 4];

	for (size_t i = 0; i < sizeof(index) / sizeof(index[0]); i++) {
		for (size_t k = 0; k < sizeof(num) / sizeof(num[0]); k++) {
			memset(payload, 0xff, sizeof(payload));
			payload[0] = index[i];
			payload[1] = num[k];
			if (commit_with(request, payload, due(request), EVENTFD, (int)(k % 2)) < 0)
				return -1;
		}
	}
	return 0;
}

/* Any bytes, from a seed that the caller can repeat. */
static int random_values(uint32_t request, unsigned seed)
{
	uint32_t payload[FE_PAYLOAD / 4];

	srand(seed);
	for (int i = 0; i < 10; i++) {
		for (size_t k = 0; k < sizeof(payload) / sizeof(payload[0]); k++)
			payload[k] = (uint32_t)rand() ^ (uint32_t)rand() << 16;
		payload[0] %= 4;
		if (commit_with(request, payload, due(request), (enum fd_kind)(i % FD_KINDS),
				i % 3) < 0)
			return -1;
	}
	return 0;
}

/* Rings whose parts lie at and beyond the ends of memory, at each size. */
static int wrong_places(void)
{
	static const uint32_t sizes[] = {1, RING, 4096, 32768};
	uint64_t base = (uintptr_t)fe.mem, end = base + MEMORY;
	const uint64_t places[] = {0,          1,
				   base - 16,  base,
				   end - 4096, end - 16,
				   end - 8,    end,
				   end + 4096, ~15ULL,
				   UINT64_MAX, base + 8,
				   base + 1,   base + MEMORY / 2 - 16};
	const size_t n = sizeof(places) / sizeof(places[0]);

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		uint32_t num[2] = {1, sizes[s]};

		if (commit(FE_SET_VRING_NUM, num, sizeof(num), NULL, 0) < 0)
			return -1;
		for (size_t i = 0; i < 3 * n; i++) {
			struct {
				uint32_t index, flags;
				uint64_t part[3], log;
			} addr = {.index = 1, .part = {base, base + (1u << 20), base + (2u << 20)}};
			uint64_t ring = 1;

			addr.part[i % 3] = places[i / 3];
			if (commit(FE_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0) < 0 ||
			    commit_with(FE_SET_VRING_KICK, &ring, sizeof(ring), EVENTFD, 1) < 0)
				return -1;
		}
	}
	return 0;
}

static int wrong_tables(void)
{
	const struct fe_region good = {FE_GPA, 8192, 0x10000, 0};
	struct fe_region bad[] = {
		{FE_GPA, 0, 0x10000, 0},
		{FE_GPA, 8193, 0x10000, 0},
		{FE_GPA, UINT64_MAX, 0x10000, 0},
		{FE_GPA, 8192, 0x10000, 1},
		{FE_GPA, 4096, 0x10000, 8192},
		{FE_GPA, 4096, 0x10000, UINT64_MAX - 4095},
		{UINT64_MAX - 4096, 8192, 0x10000, 0},
		{FE_GPA, 8192, UINT64_MAX - 4096, 0},
		{FE_GPA + 4096, 8192, 0x1000000, 0},
		{FE_GPA + 8192, 8192, 0x11000, 0},
		{FE_GPA + 8192, 1ULL << 46, 0x1000000, 0},
	};
	struct {
		uint32_t n, padding;
		struct fe_region region[8];
	} table = {.n = 2, .region = {good}};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (enum fd_kind kind = 0; kind < FD_KINDS; kind++) {
			table.region[1] = bad[i];
			if (commit_with(FE_SET_MEM_TABLE, &table, 8 + 2 * 32, kind, 2) < 0)
				return -1;
		}
	}
	for (uint32_t n = 0; n < 12; n++) {
		table.n = n;
		if (commit_with(FE_SET_MEM_TABLE, &table, 8 + (n < 8 ? n : 8) * 32, MEMFD,
				n < 8 ? (int)n : 8) < 0)
			return -1;
	}
	return 0;
}

/* A header that promises more than there may be ends the connection, whatever else is in it. */
static int wrong_headers(enum progress p)
{
	static const uint32_t headers[][3] = {
		{FE_SET_OWNER, FE_FLAG_VERSION, 513},
		{FE_SET_MEM_TABLE, FE_FLAG_VERSION, UINT32_MAX},
		{UINT32_MAX, UINT32_MAX, UINT32_MAX},
	};

	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		if (bring_to(p) < 0)
			return -1;
		misdeeds.n++;
		if (send(fe.fd, headers[i], 12, MSG_NOSIGNAL) != 12)
			return -1;
		for (int k = 0; k < 5000 && !vhost_fe_hung_up(&fe); k++)
			poll(NULL, 0, 1);
		if (!vhost_fe_hung_up(&fe)) {
			fprintf(stderr, "a header of %u bytes was taken\n", headers[i][2]);
			return -1;
		}
		misdeeds.hung_up++;
	}
	return 0;
}

static int play_state(enum progress p)
{
	for (uint32_t request = 0; request < REQUESTS; request++) {
		if (bring_to(p) < 0)
			return -1;
		/* Each goes on where the one before left the device, or the connection. */
		if (wrong_lengths(request) < 0 && bring_to(p) < 0)
			return -1;
		if (wrong_values(request) < 0 && bring_to(p) < 0)
			return -1;
		random_values(request, (unsigned)p * REQUESTS + request);
		pump();
	}
	if (bring_to(p) < 0)
		return -1;
	if (p >= MEMORY_SHARED)
		wrong_places();
	if (bring_to(p) < 0)
		return -1;
	wrong_tables();
	return wrong_headers(p);
}

int play_misdeeds(char *const *at, unsigned n)
{
	sockets = at;
	n_sockets = n;
	vhost_fe_init(&fe);
	for (enum progress p = CONNECTED; p < STATES; p++) {
		fprintf(stderr, "state %d\n", (int)p);
		if (play_state(p) < 0)
			return -1;
	}
	/* All of them are as good as new. */
	for (unsigned i = 0; i < n; i++)
		if (bring_to(ENABLED) < 0)
			return -1;
	vhost_fe_close(&fe);
	return 0;
}
