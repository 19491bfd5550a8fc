/* SPDX-License-Identifier: BSD-3-Clause */
/* The connection of a vhost-user front end: whole messages from a socket that never blocks. */
#ifndef VHOST_FRONT_END_H
#define VHOST_FRONT_END_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vhost/message.h"

struct front_end {
	int fd;            /* -1: not connected */
	uint32_t have;     /* bytes of the message under way */
	uint64_t begun_ns; /* when its first byte came */
	struct message msg;
};

enum front_end_read {
	FRONT_END_NOTHING, /* no whole message yet */
	FRONT_END_MESSAGE, /* fe->msg is one; its descriptors are the caller's to take or to close
			    */
	FRONT_END_GONE,    /* it hung up; *e is filled if that was within a message */
	FRONT_END_BAD,     /* what it sent is invalid, and reading cannot go on; *e says why */
};

/* Takes over a connected socket, which is made non-blocking. [gate] */
void front_end_open(struct front_end *fe, int fd);

/* Hangs up, and closes the descriptors of a message under way. [gate] */
void front_end_close(struct front_end *fe);

/* Reads on, one message at most. Never blocks, and holds at most MESSAGE_MAX_FDS descriptors.
 * [gate] */
enum front_end_read front_end_read(struct front_end *fe, uint64_t now_ns, struct err *e);

/* Sends fe->msg back as the answer, with `size` bytes of payload. False when the front end does not
 * read its answers: none are queued for it. [gate] */
bool front_end_answer(struct front_end *fe, uint32_t size);

/* The same with one number. */
bool front_end_answer_u64(struct front_end *fe, uint64_t value);

#endif
