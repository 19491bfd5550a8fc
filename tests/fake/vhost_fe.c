/* SPDX-License-Identifier: BSD-3-Clause */
/* The vhost-user protocol from the front end's side. Owns the socket, guest memory and the
 * eventfds of its rings; memory is bounded by what vhost_fe_map was asked for. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memfd_create */
#endif
#include "tests/fake/vhost_fe.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HDR_SIZE  12
#define HUGE_PAGE (2u << 20)
#define ANSWER_MS 5000

void vhost_fe_init(struct vhost_fe *fe)
{
	memset(fe, 0, sizeof(*fe));
	fe->fd = -1;
	fe->mem_fd = -1;
}

/* A socket for the path, which *addr is set to. */
static int open_socket(const char *path, struct sockaddr_un *addr)
{
	int fd;

	*addr = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(addr->sun_path))
		return -ENAMETOOLONG;
	strcpy(addr->sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

int vhost_fe_accept(struct vhost_fe *fe, const char *path, int patience_ms)
{
	struct sockaddr_un addr;
	int fd = open_socket(path, &addr), rc = 0;
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (fd < 0)
		return fd;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 1) < 0) {
		rc = -errno;
	} else if (poll(&p, 1, patience_ms) != 1) {
		rc = -ETIMEDOUT;
	} else {
		rc = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (rc >= 0)
			vhost_fe_adopt(fe, rc);
		rc = rc < 0 ? -errno : 0;
	}
	close(fd);
	unlink(path);
	return rc;
}

int vhost_fe_connect(struct vhost_fe *fe, const char *path)
{
	struct sockaddr_un addr;
	int fd = open_socket(path, &addr);

	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int err = errno;

		close(fd);
		return -err;
	}
	vhost_fe_adopt(fe, fd);
	return 0;
}

void vhost_fe_adopt(struct vhost_fe *fe, int fd)
{
	vhost_fe_disconnect(fe);
	fe->fd = fd;
}

void vhost_fe_disconnect(struct vhost_fe *fe)
{
	if (fe->fd >= 0)
		close(fe->fd);
	fe->fd = -1;
	fe->features = 0;
	fe->protocol_features = 0;
}

void vhost_fe_close(struct vhost_fe *fe)
{
	vhost_fe_disconnect(fe);
	for (int i = 0; i < FE_MAX_RINGS; i++)
		driver_ring_free(&fe->ring[i]);
	if (fe->mem)
		munmap(fe->mem, fe->mem_size);
	if (fe->mem_fd >= 0)
		close(fe->mem_fd);
	vhost_fe_init(fe);
}

int vhost_fe_send_raw(struct vhost_fe *fe, uint32_t request, uint32_t flags, uint32_t size,
		      const void *payload, size_t len, const int *fds, int n_fds)
{
	uint32_t hdr[3] = {request, flags, size};
	struct iovec iov[2] = {{hdr, HDR_SIZE}, {(void *)(uintptr_t)payload, len}};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * FE_MAX_FDS)];
	} control;
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = len ? 2 : 1};

	if (fe->fd < 0)
		return -ENOTCONN;
	if (n_fds < 0 || n_fds > FE_MAX_FDS)
		return -EINVAL;
	if (n_fds) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		m.msg_control = control.room;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n_fds);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)n_fds);
	}
	for (;;) {
		if (sendmsg(fe->fd, &m, MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
}

/* Reads exactly n bytes of payload; the header came with the descriptors before. */
static int read_all(int fd, uint8_t *to, size_t n)
{
	while (n > 0) {
		ssize_t got = recv(fd, to, n, 0);

		if (got == 0)
			return -ECONNRESET;
		if (got < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		to += got;
		n -= (size_t)got;
	}
	return 0;
}

static void take_fds(struct msghdr *m, struct fe_msg *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		msg->n_fds = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(msg->fds, CMSG_DATA(c), sizeof(int) * (size_t)msg->n_fds);
	}
}

int vhost_fe_recv(struct vhost_fe *fe, struct fe_msg *msg, int timeout_ms)
{
	uint32_t hdr[3];
	struct iovec iov = {hdr, HDR_SIZE};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * FE_MAX_FDS)];
	} control;
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.room,
			   .msg_controllen = sizeof(control.room)};
	struct pollfd p = {.fd = fe->fd, .events = POLLIN};
	ssize_t got;
	int rc;

	memset(msg, 0, sizeof(*msg));
	if (fe->fd < 0)
		return -ENOTCONN;
	do {
		rc = poll(&p, 1, timeout_ms);
	} while (rc < 0 && errno == EINTR);
	if (rc == 0)
		return -ETIMEDOUT;
	if (rc < 0)
		return -errno;
	do {
		got = recvmsg(fe->fd, &m, MSG_CMSG_CLOEXEC | MSG_WAITALL);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	if (got != HDR_SIZE)
		return -ECONNRESET;
	take_fds(&m, msg);
	msg->request = hdr[0];
	msg->flags = hdr[1];
	msg->size = hdr[2];
	if (msg->size > FE_PAYLOAD)
		return -EMSGSIZE;
	return read_all(fe->fd, msg->payload.bytes, msg->size);
}

int vhost_fe_send(struct vhost_fe *fe, uint32_t request, const void *payload, uint32_t size,
		  const int *fds, int n_fds)
{
	bool ack = fe->protocol_features & FE_F(FE_P_REPLY_ACK);
	uint32_t flags = FE_FLAG_VERSION | (ack ? FE_FLAG_NEED_REPLY : 0);
	struct fe_msg answer;
	int rc = vhost_fe_send_raw(fe, request, flags, size, payload, size, fds, n_fds);

	if (rc < 0 || !ack)
		return rc;
	rc = vhost_fe_recv(fe, &answer, ANSWER_MS);
	if (rc < 0)
		return rc;
	return answer.request == request && answer.payload.u64 == 0 ? 0 : -EPROTO;
}

int vhost_fe_get_u64(struct vhost_fe *fe, uint32_t request, uint64_t *value)
{
	struct fe_msg answer;
	int rc = vhost_fe_send_raw(fe, request, FE_FLAG_VERSION, 0, NULL, 0, NULL, 0);

	if (rc == 0)
		rc = vhost_fe_recv(fe, &answer, ANSWER_MS);
	if (rc < 0)
		return rc;
	if (answer.request != request || answer.size != sizeof(*value))
		return -EPROTO;
	*value = answer.payload.u64;
	return 0;
}

int vhost_fe_set_u64(struct vhost_fe *fe, uint32_t request, uint64_t value)
{
	return vhost_fe_send(fe, request, &value, sizeof(value), NULL, 0);
}

bool vhost_fe_hung_up(struct vhost_fe *fe)
{
	char byte;

	if (fe->fd < 0)
		return true;
	ssize_t got = recv(fe->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

int vhost_fe_negotiate(struct vhost_fe *fe, uint64_t features, uint64_t protocol_features)
{
	uint64_t offered, protocol;
	int rc = vhost_fe_get_u64(fe, FE_GET_FEATURES, &offered);

	if (rc < 0)
		return rc;
	features &= offered;
	if (features & FE_F(FE_PROTOCOL)) {
		rc = vhost_fe_get_u64(fe, FE_GET_PROTOCOL_FEATURES, &protocol);
		if (rc == 0)
			rc = vhost_fe_set_u64(fe, FE_SET_PROTOCOL_FEATURES,
					      protocol & protocol_features);
		if (rc < 0)
			return rc;
		fe->protocol_features = protocol & protocol_features;
	}
	rc = vhost_fe_send(fe, FE_SET_OWNER, NULL, 0, NULL, 0);
	if (rc == 0)
		rc = vhost_fe_set_u64(fe, FE_SET_FEATURES, features);
	if (rc == 0)
		fe->features = features;
	return rc;
}

int vhost_fe_map(struct vhost_fe *fe, size_t bytes, bool hugepages)
{
	size_t page = hugepages ? HUGE_PAGE : FE_PAGE;
	size_t size = (bytes + page - 1) / page * page;
	void *p;
	int err;

	fe->mem_fd = memfd_create("guest", MFD_CLOEXEC | (hugepages ? MFD_HUGETLB : 0));
	if (fe->mem_fd < 0)
		return -errno;
	if (ftruncate(fe->mem_fd, (off_t)size) < 0)
		goto fail;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fe->mem_fd, 0);
	if (p == MAP_FAILED)
		goto fail;
	fe->mem = p;
	fe->mem_size = size;
	fe->mem_used = 0;
	return 0;
fail:
	err = errno;
	close(fe->mem_fd);
	fe->mem_fd = -1;
	return -err;
}

void *vhost_fe_alloc(struct vhost_fe *fe, size_t bytes, size_t align)
{
	size_t at = (fe->mem_used + align - 1) / align * align;

	if (!fe->mem || at > fe->mem_size || bytes > fe->mem_size - at)
		return NULL;
	fe->mem_used = at + bytes;
	memset(fe->mem + at, 0, bytes);
	return fe->mem + at;
}

uint64_t vhost_fe_gpa(const struct vhost_fe *fe, const void *p)
{
	return FE_GPA + (uint64_t)((const uint8_t *)p - fe->mem);
}

int vhost_fe_set_mem_table(struct vhost_fe *fe, int n_regions)
{
	struct {
		uint32_t n, padding;
		struct fe_region region[FE_MAX_FDS];
	} table = {.n = (uint32_t)n_regions};
	int fds[FE_MAX_FDS];
	size_t piece;

	if (n_regions < 1 || n_regions > FE_MAX_FDS)
		return -EINVAL;
	piece = fe->mem_size / (size_t)n_regions / FE_PAGE * FE_PAGE;
	for (int i = 0; i < n_regions; i++) {
		size_t at = piece * (size_t)i;

		fds[i] = fe->mem_fd;
		table.region[i] = (struct fe_region){
			.gpa = FE_GPA + at,
			.size = i == n_regions - 1 ? fe->mem_size - at : piece,
			.user = (uintptr_t)fe->mem + at,
			.mmap_offset = at,
		};
	}
	return vhost_fe_send(fe, FE_SET_MEM_TABLE, &table,
			     (uint32_t)(8 + sizeof(struct fe_region) * (size_t)n_regions), fds,
			     n_regions);
}

static int send_state(struct vhost_fe *fe, uint32_t request, uint32_t index, uint32_t num)
{
	uint32_t state[2] = {index, num};

	return vhost_fe_send(fe, request, state, sizeof(state), NULL, 0);
}

static int send_addr(struct vhost_fe *fe, unsigned int index)
{
	const struct driver_ring *r = &fe->ring[index];
	struct {
		uint32_t index, flags;
		uint64_t desc, used, avail, log;
	} addr = {.index = index};

	addr.desc = (uintptr_t)r->desc;
	addr.avail = (uintptr_t)r->avail;
	addr.used = (uintptr_t)r->used;
	return vhost_fe_send(fe, FE_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
}

static int send_eventfd(struct vhost_fe *fe, uint32_t request, unsigned int index, int *fd)
{
	uint64_t value = index;

	if (*fd < 0)
		*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (*fd < 0)
		return -errno;
	return vhost_fe_send(fe, request, &value, sizeof(value), fd, 1);
}

int vhost_fe_ring_init(struct vhost_fe *fe, unsigned int index, uint16_t size)
{
	/* A packed ring begins with its wrap counter at 1 (virtio 1.1, 2.7.1). */
	uint16_t start = fe->features & FE_F(FE_PACKED) ? 0x8000 : 0;
	void *at;

	if (index >= FE_MAX_RINGS || size == 0 || fe->ring[index].size)
		return -EINVAL;
	at = vhost_fe_alloc(fe, vring_size(size, FE_PAGE), FE_PAGE);
	if (!at)
		return -ENOMEM;
	return driver_ring_init(&fe->ring[index], at, FE_PAGE, size, fe->features, start);
}

int vhost_fe_ring_start(struct vhost_fe *fe, unsigned int index)
{
	struct driver_ring *r;
	int rc;

	if (index >= FE_MAX_RINGS || !fe->ring[index].size)
		return -EINVAL;
	r = &fe->ring[index];
	/* A packed ring has two places to begin at: the driver's and the device's. */
	rc = send_state(fe, FE_SET_VRING_NUM, index, r->size);
	if (rc == 0)
		rc = send_state(fe, FE_SET_VRING_BASE, index,
				r->packed ? r->start * 0x10001u : r->start);
	if (rc == 0)
		rc = send_addr(fe, index);
	if (rc == 0)
		rc = send_eventfd(fe, FE_SET_VRING_CALL, index, &r->callfd);
	if (rc == 0)
		rc = send_eventfd(fe, FE_SET_VRING_KICK, index, &r->kickfd);
	return rc;
}

int vhost_fe_ring_enable(struct vhost_fe *fe, unsigned int index, bool on)
{
	return send_state(fe, FE_SET_VRING_ENABLE, index, on);
}

int vhost_fe_ring_stop(struct vhost_fe *fe, unsigned int index, uint32_t *base)
{
	uint32_t state[2] = {index, 0};
	struct fe_msg answer;
	int rc = vhost_fe_send_raw(fe, FE_GET_VRING_BASE, FE_FLAG_VERSION, sizeof(state), state,
				   sizeof(state), NULL, 0);

	if (rc == 0)
		rc = vhost_fe_recv(fe, &answer, ANSWER_MS);
	if (rc < 0)
		return rc;
	if (answer.request != FE_GET_VRING_BASE || answer.payload.state.index != index)
		return -EPROTO;
	*base = answer.payload.state.num;
	return 0;
}

size_t vhost_fe_hdr_len(const struct vhost_fe *fe)
{
	return fe->features & (FE_F(FE_VERSION_1) | FE_F(FE_NET_MRG_RXBUF)) ? 12 : 10;
}

static int open_rings(struct vhost_fe *fe, const struct fe_config *cfg)
{
	unsigned int n = 2u * cfg->pairs;
	int rc = 0;

	for (unsigned int i = 0; i < n && rc == 0; i++)
		rc = vhost_fe_ring_init(fe, i, cfg->ring_size);
	for (unsigned int i = 0; i < n && rc == 0; i++)
		rc = vhost_fe_ring_start(fe, i);
	for (unsigned int i = 0; i < n && rc == 0; i++)
		rc = vhost_fe_ring_enable(fe, i, true);
	return rc;
}

int vhost_fe_open(struct vhost_fe *fe, const char *path, const struct fe_config *cfg)
{
	uint64_t features = cfg->features | FE_F(FE_PROTOCOL);
	int rc;

	if (cfg->pairs < 1 || 2u * cfg->pairs > FE_MAX_RINGS)
		return -EINVAL;
	rc = vhost_fe_connect(fe, path);
	if (rc == 0)
		rc = vhost_fe_negotiate(fe, features, cfg->protocol_features);
	if (rc == 0)
		rc = vhost_fe_map(fe, cfg->mem_skip + cfg->mem_size, cfg->hugepages);
	if (rc == 0) {
		fe->mem_used = cfg->mem_skip;
		rc = vhost_fe_set_mem_table(fe, 1);
	}
	if (rc == 0)
		rc = open_rings(fe, cfg);
	return rc;
}
