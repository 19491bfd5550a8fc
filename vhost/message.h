/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of the vhost-user protocol (QEMU's docs/interop/vhost-user.rst): their layout, and the
 * checks that need no more than the message itself. */
#ifndef VHOST_MESSAGE_H
#define VHOST_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define MESSAGE_HEADER      12
#define MESSAGE_MAX_PAYLOAD 512 /* more than any request of the protocol takes */
#define MESSAGE_MAX_FDS     8
#define MESSAGE_MAX_REGIONS 8

#define MESSAGE_VERSION      0x1u
#define MESSAGE_VERSION_MASK 0x3u
#define MESSAGE_REPLY        0x4u
#define MESSAGE_NEED_REPLY   0x8u

/* In the payload of SET_VRING_KICK, _CALL and _ERR. */
#define MESSAGE_RING_MASK 0xffu
#define MESSAGE_NO_FD     0x100u

enum request {
#define X(number, name, payload, fds, action) REQUEST_##name = (number),
#include "vhost/requests.def"
#undef X
	REQUEST_END
};

struct message_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t user; /* in the front end's address space */
	uint64_t offset;
};

struct message {
	/* The header and the payload as they stand on the wire. */
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of the payload */
	union {
		uint64_t u64;
		struct {
			uint32_t index;
			uint32_t num;
		} state;
		struct {
			uint32_t index;
			uint32_t flags;
			uint64_t desc;
			uint64_t used;
			uint64_t avail;
			uint64_t log;
		} addr;
		struct {
			uint32_t n;
			uint32_t padding;
			struct message_region region[MESSAGE_MAX_REGIONS];
		} memory;
		uint8_t bytes[MESSAGE_MAX_PAYLOAD];
	} payload __attribute__((packed));

	/* The receiver's; -1 where one was taken out. */
	int n_fds;
	int fds[MESSAGE_MAX_FDS];
};

/* A request's name, NULL when the protocol has none of that number. [any] */
const char *message_name(uint32_t request);

/* Checks a message by itself: flags, request, length, number of descriptors. Negative with *e
 * naming the request and the fault. [gate] */
int message_check(const struct message *m, struct err *e);

/* Closes the descriptors that the message still has. [gate] */
void message_close_fds(struct message *m);

/* Takes a descriptor out of the message. [gate] */
int message_take_fd(struct message *m, int i);

#endif
