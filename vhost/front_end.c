/* SPDX-License-Identifier: BSD-3-Clause */
/* The connection of a vhost-user front end. */
#include "vhost/front_end.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void front_end_open(struct front_end *fe, int fd)
{
	fe->fd = fd;
	fe->have = 0;
	fe->msg.n_fds = 0;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void front_end_close(struct front_end *fe)
{
	if (fe->fd < 0)
		return;
	message_close_fds(&fe->msg);
	close(fe->fd);
	fe->fd = -1;
}

/* Adds received descriptors to the message's. False when some were lost: there were more than any
 * message takes, or the kernel has closed those that it could not hand out. */
static bool take_fds(struct message *msg, struct msghdr *hdr)
{
	bool fit = !(hdr->msg_flags & MSG_CTRUNC);
	int fds[MESSAGE_MAX_FDS];
	size_t n;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(hdr); c; c = CMSG_NXTHDR(hdr, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(c), n * sizeof(int));
		for (size_t i = 0; i < n; i++) {
			if (msg->n_fds < MESSAGE_MAX_FDS) {
				msg->fds[msg->n_fds++] = fds[i];
			} else {
				close(fds[i]);
				fit = false;
			}
		}
	}
	return fit;
}

/* Reads what is there of the next `left` bytes. Returns what recvmsg() does; *lost is set where
 * descriptors were lost. */
static ssize_t receive(struct front_end *fe, uint32_t left, bool *lost)
{
	struct iovec iov = {(uint8_t *)&fe->msg + fe->have, left};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * MESSAGE_MAX_FDS)];
	} control;
	struct msghdr hdr = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.room,
			     .msg_controllen = sizeof(control.room)};
	ssize_t got;

	do
		got = recvmsg(fe->fd, &hdr, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	*lost = got >= 0 && !take_fds(&fe->msg, &hdr);
	return got;
}

/* Bytes of the message that are still to come: first of its header, then of the payload. */
static uint32_t left_of(const struct front_end *fe)
{
	return fe->have < MESSAGE_HEADER ? MESSAGE_HEADER - fe->have
					 : MESSAGE_HEADER + fe->msg.size - fe->have;
}

static enum front_end_read gone(const struct front_end *fe, struct err *e)
{
	if (fe->have > 0)
		err_set(e, ERR_INVALID, NULL, "front end hung up in the middle of a message");
	return FRONT_END_GONE;
}

enum front_end_read front_end_read(struct front_end *fe, uint64_t now_ns, struct err *e)
{
	bool lost;

	while (fe->have < MESSAGE_HEADER || left_of(fe) > 0) {
		ssize_t got = receive(fe, left_of(fe), &lost);

		if (got < 0)
			return errno == EAGAIN ? FRONT_END_NOTHING : gone(fe, e);
		if (got == 0)
			return gone(fe, e);
		if (fe->have == 0)
			fe->begun_ns = now_ns;
		fe->have += (uint32_t)got;
		if (lost) {
			err_set(e, ERR_INVALID, NULL,
				"front end sent more descriptors than %d, or than this process may "
				"have",
				MESSAGE_MAX_FDS);
			return FRONT_END_BAD;
		}
		if (fe->have >= MESSAGE_HEADER && fe->msg.size > MESSAGE_MAX_PAYLOAD) {
			err_set(e, ERR_INVALID, NULL,
				"front end sent a message of %u bytes, %d at most", fe->msg.size,
				MESSAGE_MAX_PAYLOAD);
			return FRONT_END_BAD;
		}
	}
	fe->have = 0;
	return FRONT_END_MESSAGE;
}

bool front_end_answer(struct front_end *fe, uint32_t size)
{
	size_t len = MESSAGE_HEADER + size;

	fe->msg.flags = MESSAGE_VERSION | MESSAGE_REPLY;
	fe->msg.size = size;
	return send(fe->fd, &fe->msg, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len;
}

bool front_end_answer_u64(struct front_end *fe, uint64_t value)
{
	fe->msg.payload.u64 = value;
	return front_end_answer(fe, sizeof(value));
}
