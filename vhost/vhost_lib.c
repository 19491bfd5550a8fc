/* SPDX-License-Identifier: BSD-3-Clause */
/* DPDK's vhost library behind the gate.
 *
 * Owns one listening socket, whose file is unlinked and reached through /proc/self/fd, and one
 * descriptor of it per device: the library tells devices apart by their paths. All calls come from
 * the gate's thread; the library's own thread ("vhost-events") only answers what was judged before.
 */
#include "vhost/vhost_lib.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_vhost.h>

/* The library answers within microseconds, unless it maps very much memory. */
#define ANSWER_S 10

#define PATH_ROOM 32

struct vhost_lib {
	char path[PATH_ROOM];
	int file;   /* what the path names */
	int socket; /* our end of the connection */
	int vid;
};

static int listener = -1;
static int socket_file = -1; /* O_PATH */
static uint64_t net_features;

/* The device that is being connected: the library tells its number in a callback, on our thread. */
static struct vhost_lib *connecting;

static int on_connection(int vid)
{
	connecting->vid = vid;
	return 0;
}

static const struct rte_vhost_device_ops callbacks = {.new_connection = on_connection};

static int open_listener(const char *path, struct err *e)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	if (snprintf(sun.sun_path, sizeof(sun.sun_path), "%s.vhost", path) >=
	    (int)sizeof(sun.sun_path))
		return err_set(e, ERR_INVALID, NULL, "%s.vhost: too long for a socket", path);
	unlink(sun.sun_path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	    listen(listener, 8) < 0)
		return err_set(e, ERR_INTERNAL, NULL, "%s: %s", sun.sun_path, strerror(errno));
	socket_file = open(sun.sun_path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	unlink(sun.sun_path);
	if (socket_file < 0)
		return err_set(e, ERR_INTERNAL, NULL, "%s: %s", sun.sun_path, strerror(errno));
	return 0;
}

static struct vhost_lib *make_device(struct err *e)
{
	struct vhost_lib *lib = calloc(1, sizeof(*lib));

	if (!lib) {
		err_set(e, ERR_NO_SPACE, NULL, "out of memory");
		return NULL;
	}
	lib->vid = -1;
	lib->socket = -1;
	lib->file = fcntl(socket_file, F_DUPFD_CLOEXEC, 3);
	if (lib->file < 0) {
		err_set(e, ERR_NO_SPACE, NULL, "no descriptor for a device: %s", strerror(errno));
		free(lib);
		return NULL;
	}
	snprintf(lib->path, sizeof(lib->path), "/proc/self/fd/%d", lib->file);
	if (rte_vhost_driver_register(lib->path,
				      RTE_VHOST_USER_CLIENT | RTE_VHOST_USER_NO_RECONNECT |
					      RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS) < 0) {
		err_set(e, ERR_NO_SPACE, NULL, "the vhost library has no room for a device");
		close(lib->file);
		free(lib);
		return NULL;
	}
	return lib;
}

void vhost_lib_uninit(void)
{
	if (listener >= 0)
		close(listener);
	if (socket_file >= 0)
		close(socket_file);
	listener = socket_file = -1;
}

uint64_t vhost_lib_net_features(void)
{
	return net_features;
}

/* --- the front end that we play ------------------------------------------------------------------
 */

static int connect_device(struct vhost_lib *lib, struct err *e)
{
	const struct timeval patience = {.tv_sec = ANSWER_S};
	int ret;

	connecting = lib;
	ret = rte_vhost_driver_callback_register(lib->path, &callbacks);
	if (ret == 0)
		ret = rte_vhost_driver_start(lib->path);
	connecting = NULL;
	if (ret < 0)
		return err_set(e, ERR_INTERNAL, NULL, "the vhost library does not start");
	/* The library connects before it returns, and nobody else can find the socket. */
	lib->socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (lib->socket < 0 ||
	    setsockopt(lib->socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return err_set(e, ERR_INTERNAL, NULL, "the vhost library's connection: %s",
			       strerror(errno));
	return 0;
}

int vhost_lib_init(const char *path, struct err *e)
{
	struct vhost_lib *probe;
	int ret = open_listener(path, e);

	probe = ret < 0 ? NULL : make_device(e);
	/* The first device starts the library's thread, which is to happen here. */
	if (probe)
		ret = connect_device(probe, e);
	if (!probe || ret < 0) {
		vhost_lib_close(probe);
		vhost_lib_uninit();
		return -EIO;
	}
	rte_vhost_driver_get_features(probe->path, &net_features);
	vhost_lib_close(probe);
	return 0;
}

static bool send_message(const struct vhost_lib *lib, const struct message *m)
{
	struct iovec iov = {(void *)(uintptr_t)m, MESSAGE_HEADER + m->size};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * MESSAGE_MAX_FDS)];
	} control = {0};
	struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};
	size_t bytes = sizeof(int) * (size_t)m->n_fds;

	if (m->n_fds > 0) {
		struct cmsghdr *c = &control.align;

		hdr.msg_control = control.room;
		hdr.msg_controllen = CMSG_SPACE(bytes);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(bytes);
		memcpy(CMSG_DATA(c), m->fds, bytes);
	}
	return sendmsg(lib->socket, &hdr, MSG_NOSIGNAL) == (ssize_t)iov.iov_len;
}

/* Sends a message and waits until the library has handled it. The library acknowledges each message
 * that asks for it, also without REPLY_ACK. */
static int tell(const struct vhost_lib *lib, struct message *m, struct err *e)
{
	struct {
		uint32_t request, flags, size;
		uint64_t value;
	} __attribute__((packed)) answer;
	const char *name = message_name(m->request);

	m->flags = MESSAGE_VERSION | MESSAGE_NEED_REPLY;
	if (!send_message(lib, m) ||
	    recv(lib->socket, &answer, sizeof(answer), MSG_WAITALL) != sizeof(answer))
		return err_set(e, ERR_INTERNAL, NULL, "%s: the vhost library gave up", name);
	if (answer.request != m->request || answer.value != 0)
		return err_set(e, ERR_INVALID, NULL, "%s: the vhost library refused it", name);
	return 0;
}

static int tell_features(const struct vhost_lib *lib, uint64_t features, struct err *e)
{
	struct message m = {.request = REQUEST_SET_FEATURES, .size = 8, .payload.u64 = features};

	return tell(lib, &m, e);
}

static int read_memory(const struct vhost_lib *lib, struct vhost_lib_memory *memory, struct err *e)
{
	struct rte_vhost_memory *table = NULL;

	if (rte_vhost_get_mem_table(lib->vid, &table) < 0 || !table)
		return err_set(e, ERR_INTERNAL, NULL, "the vhost library has no memory table");
	memory->n = 0;
	for (uint32_t i = 0; i < table->nregions && i < MESSAGE_MAX_REGIONS; i++) {
		const struct rte_vhost_mem_region *r = &table->regions[i];

		memory->region[memory->n++] = (struct vhost_lib_region){
			.gpa = r->guest_phys_addr,
			.size = r->size,
			.user = r->guest_user_addr,
			.hva = (uint8_t *)(uintptr_t)r->host_user_addr,
			.mapped = r->mmap_addr,
			.mapped_size = r->mmap_size,
			.fd = r->fd,
		};
	}
	free(table);
	return 0;
}

struct vhost_lib *vhost_lib_open(uint64_t features, const struct message *m,
				 struct vhost_lib_memory *memory, struct err *e)
{
	struct vhost_lib *lib = make_device(e);
	struct message table = *m;

	if (!lib)
		return NULL;
	if (connect_device(lib, e) == 0 && tell_features(lib, features, e) == 0 &&
	    tell(lib, &table, e) == 0 && read_memory(lib, memory, e) == 0)
		return lib;
	vhost_lib_close(lib);
	return NULL;
}

void vhost_lib_close(struct vhost_lib *lib)
{
	if (!lib)
		return;
	rte_vhost_driver_unregister(lib->path);
	if (lib->socket >= 0)
		close(lib->socket);
	close(lib->file);
	free(lib);
}
