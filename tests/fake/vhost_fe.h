/* SPDX-License-Identifier: BSD-3-Clause */
/* A vhost-user front end made by hand: what QEMU does, one step at a time, so that tests and the
 * load generator can also do each step wrongly. No DPDK. It connects, sends any message, makes
 * guest memory and starts rings, which driver_ring.h drives.
 *
 * Every field is public, so that a hostile caller writes what it likes into the shared memory. All
 * functions return 0 or more, or a negative errno; none aborts. One thread per front end. */
#ifndef FAKE_VHOST_FE_H
#define FAKE_VHOST_FE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/fake/driver_ring.h"

#define FE_MAX_RINGS 32
#define FE_MAX_FDS   8
#define FE_GPA       0x40000000ULL /* where guest memory starts in guest physical addresses */
#define FE_PAYLOAD   512
#define FE_PAGE      4096

/* Requests of the vhost-user protocol (QEMU docs/interop/vhost-user.rst). */
enum fe_request {
	FE_GET_FEATURES = 1,
	FE_SET_FEATURES = 2,
	FE_SET_OWNER = 3,
	FE_RESET_OWNER = 4,
	FE_SET_MEM_TABLE = 5,
	FE_SET_LOG_BASE = 6,
	FE_SET_LOG_FD = 7,
	FE_SET_VRING_NUM = 8,
	FE_SET_VRING_ADDR = 9,
	FE_SET_VRING_BASE = 10,
	FE_GET_VRING_BASE = 11,
	FE_SET_VRING_KICK = 12,
	FE_SET_VRING_CALL = 13,
	FE_SET_VRING_ERR = 14,
	FE_GET_PROTOCOL_FEATURES = 15,
	FE_SET_PROTOCOL_FEATURES = 16,
	FE_GET_QUEUE_NUM = 17,
	FE_SET_VRING_ENABLE = 18,
	FE_SEND_RARP = 19,
	FE_NET_SET_MTU = 20,
	FE_GET_CONFIG = 24,
	FE_GET_INFLIGHT_FD = 31,
	FE_SET_INFLIGHT_FD = 32,
	FE_SET_STATUS = 39,
	FE_GET_STATUS = 40,
};

#define FE_F(bit) (1ULL << (bit))

/* Feature bits of virtio 1.1 (5.1.3, 6) and of the protocol. */
enum fe_feature {
	FE_NET_CSUM = 0,
	FE_NET_GUEST_CSUM = 1,
	FE_NET_MTU = 3,
	FE_NET_GUEST_TSO4 = 7,
	FE_NET_GUEST_TSO6 = 8,
	FE_NET_HOST_TSO4 = 11,
	FE_NET_HOST_TSO6 = 12,
	FE_NET_MRG_RXBUF = 15,
	FE_NET_MQ = 22,
	FE_LOG_ALL = 26,
	FE_INDIRECT = 28,
	FE_EVENT_IDX = 29,
	FE_PROTOCOL = 30,
	FE_VERSION_1 = 32,
	FE_PACKED = 34,
	FE_IN_ORDER = 35,
};

enum fe_protocol_feature {
	FE_P_MQ = 0,
	FE_P_LOG_SHMFD = 1,
	FE_P_REPLY_ACK = 3,
	FE_P_NET_MTU = 4,
	FE_P_CONFIG = 9,
	FE_P_INFLIGHT = 12,
	FE_P_STATUS = 16,
};

#define FE_FLAG_VERSION    0x1u
#define FE_FLAG_REPLY      0x4u
#define FE_FLAG_NEED_REPLY 0x8u
#define FE_VRING_NOFD      0x100u

struct fe_msg {
	uint32_t request;
	uint32_t flags;
	uint32_t size;
	union {
		uint64_t u64;
		struct {
			uint32_t index;
			uint32_t num;
		} state;
		uint8_t bytes[FE_PAYLOAD];
	} payload;
	int fds[FE_MAX_FDS]; /* the receiver owns them */
	int n_fds;
};

struct fe_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t user;
	uint64_t mmap_offset;
};

struct vhost_fe {
	int fd;
	uint64_t features;          /* agreed */
	uint64_t protocol_features; /* agreed */
	int mem_fd;
	uint8_t *mem;
	size_t mem_size, mem_used;
	struct driver_ring ring[FE_MAX_RINGS];
};

struct fe_config {
	uint64_t features;          /* wanted; what the back end lacks is dropped */
	uint64_t protocol_features; /* wanted */
	uint16_t pairs;
	uint16_t ring_size;
	size_t mem_size;
	size_t mem_skip; /* unused memory before it */
	bool hugepages;
};

/* Makes an unconnected front end: every descriptor closed, no memory. Call first, once. */
void vhost_fe_init(struct vhost_fe *fe);

/* Waits at `path` for a back end to connect. -ETIMEDOUT when none does. */
int vhost_fe_accept(struct vhost_fe *fe, const char *path, int patience_ms);

/* Connects to the back end that listens at `path`. */
int vhost_fe_connect(struct vhost_fe *fe, const char *path);

/* The same with a connected socket, which it takes over: for back ends that connect to us. */
void vhost_fe_adopt(struct vhost_fe *fe, int fd);

/* Drops the connection, keeping memory and rings: a second connect can start them again. */
void vhost_fe_disconnect(struct vhost_fe *fe);

/* Frees everything. */
void vhost_fe_close(struct vhost_fe *fe);

/* Sends any message: `size` is what the header claims, `len` is how much payload follows. */
int vhost_fe_send_raw(struct vhost_fe *fe, uint32_t request, uint32_t flags, uint32_t size,
		      const void *payload, size_t len, const int *fds, int n_fds);

/* Sends a well-formed message; where REPLY_ACK was agreed asks for the answer and returns -EPROTO
 * when the back end says that it failed. */
int vhost_fe_send(struct vhost_fe *fe, uint32_t request, const void *payload, uint32_t size,
		  const int *fds, int n_fds);

/* Waits for one message, -ETIMEDOUT after timeout_ms, -ECONNRESET when the back end hung up. */
int vhost_fe_recv(struct vhost_fe *fe, struct fe_msg *msg, int timeout_ms);

/* A request that is answered with a number, and one that carries a number. */
int vhost_fe_get_u64(struct vhost_fe *fe, uint32_t request, uint64_t *value);
int vhost_fe_set_u64(struct vhost_fe *fe, uint32_t request, uint64_t value);

/* True when the back end has hung up. */
bool vhost_fe_hung_up(struct vhost_fe *fe);

/* GET/SET_FEATURES, GET/SET_PROTOCOL_FEATURES and SET_OWNER: agrees on what both have. */
int vhost_fe_negotiate(struct vhost_fe *fe, uint64_t features, uint64_t protocol_features);

/* Makes guest memory: a memfd, of 2 MiB pages when asked for. */
int vhost_fe_map(struct vhost_fe *fe, size_t bytes, bool hugepages);

/* Takes a piece of guest memory, zeroed; NULL when there is no more. */
void *vhost_fe_alloc(struct vhost_fe *fe, size_t bytes, size_t align);

/* The guest physical address of a place in guest memory. */
uint64_t vhost_fe_gpa(const struct vhost_fe *fe, const void *p);

/* SET_MEM_TABLE with guest memory cut into n_regions (1 to 8) equal pieces. */
int vhost_fe_set_mem_table(struct vhost_fe *fe, int n_regions);

/* Lays ring `index` out in guest memory, empty. */
int vhost_fe_ring_init(struct vhost_fe *fe, unsigned int index, uint16_t size);

/* Sends the messages that start ring `index`, and stop it. */
int vhost_fe_ring_start(struct vhost_fe *fe, unsigned int index);
int vhost_fe_ring_enable(struct vhost_fe *fe, unsigned int index, bool on);
int vhost_fe_ring_stop(struct vhost_fe *fe, unsigned int index, uint32_t *base);

/* All of the above in order: connected, negotiated, memory, 2 * pairs rings started and enabled.
 * Ring 2k receives, ring 2k+1 transmits, as seen by the guest. */
int vhost_fe_open(struct vhost_fe *fe, const char *path, const struct fe_config *cfg);

/* The virtio_net_hdr's length under the agreed features. */
size_t vhost_fe_hdr_len(const struct vhost_fe *fe);

#endif
