/* SPDX-License-Identifier: BSD-3-Clause */
/* Netlink sockets: requests with their answers, and notifications.
 *
 * A socket owns one buffer, as long as the longest datagrams of a dump, and a backlog in the
 * kernel, which says when it was too short. [control] */
#include "tunnel/netlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "tunnel/netlink_impl.h"

#define BUFFER_BYTES  32768
#define BACKLOG_BYTES (1 << 20) /* of notifications that wait in the kernel */

struct netlink {
	struct mnl_socket *sock;
	uint32_t seq; /* of the last request */
	_Alignas(NLMSG_ALIGNTO) uint8_t buffer[BUFFER_BYTES];
};

static struct netlink *open_socket(int flags, struct err *e)
{
	struct netlink *n = calloc(1, sizeof(*n));

	if (!n) {
		err_set(e, ERR_NO_SPACE, NULL, "no memory");
		return NULL;
	}
	n->sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | flags);
	if (n->sock && mnl_socket_bind(n->sock, 0, MNL_SOCKET_AUTOPID) == 0)
		return n;
	err_set(e, ERR_INTERNAL, NULL, "netlink socket: %s", strerror(errno));
	netlink_close(n);
	return NULL;
}

struct netlink *netlink_open(struct err *e)
{
	const struct timeval second = {.tv_sec = 1};
	struct netlink *n = open_socket(0, e);

	if (!n)
		return NULL;
	if (setsockopt(netlink_fd(n), SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second)) == 0)
		return n;
	err_set(e, ERR_INTERNAL, NULL, "netlink socket's timeout: %s", strerror(errno));
	netlink_close(n);
	return NULL;
}

struct netlink *netlink_listen(struct err *e)
{
	static const int groups[] = {
		RTNLGRP_NEIGH,       RTNLGRP_IPV4_ROUTE,  RTNLGRP_IPV6_ROUTE,
		RTNLGRP_IPV4_RULE,   RTNLGRP_IPV6_RULE,   RTNLGRP_LINK,
		RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_NEXTHOP,
	};
	const int bytes = BACKLOG_BYTES;
	struct netlink *n = open_socket(SOCK_NONBLOCK, e);

	if (!n)
		return NULL;
	/* A smaller one serves too: lost messages are noticed. */
	if (setsockopt(netlink_fd(n), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(netlink_fd(n), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(n->sock, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) <
		    0) {
			err_set(e, ERR_INTERNAL, NULL, "netlink group %d: %s", group,
				strerror(errno));
			netlink_close(n);
			return NULL;
		}
	}
	return n;
}

void netlink_close(struct netlink *n)
{
	if (!n)
		return;
	if (n->sock)
		mnl_socket_close(n->sock);
	free(n);
}

int netlink_fd(const struct netlink *n)
{
	return mnl_socket_get_fd(n->sock);
}

void netlink_walk(const void *datagram, size_t len, void (*f)(void *ctx, const struct nlmsghdr *m),
		  void *ctx)
{
	const struct nlmsghdr *m = datagram;
	int left = (int)len;

	/* libmnl takes a length of more than 2 GiB for a negative one. */
	while (mnl_nlmsg_ok(m, left) && m->nlmsg_len <= (uint32_t)left) {
		f(ctx, m);
		m = mnl_nlmsg_next(m, &left);
	}
}

/* The bytes of a datagram of the kernel's, 0 for another sender's, a negative errno. */
static int take_datagram(struct netlink *n)
{
	struct sockaddr_nl from = {0};
	struct iovec iov = {.iov_base = n->buffer, .iov_len = sizeof(n->buffer)};
	struct msghdr msg = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1};
	ssize_t len;

	do
		len = recvmsg(netlink_fd(n), &msg, 0);
	while (len < 0 && errno == EINTR);
	if (len < 0)
		return -errno;
	if (msg.msg_namelen != sizeof(from) || from.nl_pid != 0)
		return 0;
	return msg.msg_flags & MSG_TRUNC ? -ENOBUFS : (int)len;
}

int netlink_receive(struct netlink *n, void (*f)(void *ctx, const struct nlmsghdr *m), void *ctx)
{
	int len = take_datagram(n);

	if (len == -EAGAIN)
		return 0;
	if (len < 0)
		return -ENOBUFS;
	netlink_walk(n->buffer, (size_t)len, f, ctx);
	return 1;
}

/* An exchange under way. */
struct exchange {
	uint32_t seq;
	enum netlink_until until;
	void (*f)(void *ctx, const struct nlmsghdr *m);
	void *ctx;
	bool ended;
	int result;
};

/* The code at the start of what a message carries, 0 when it carries none. */
static int code_of(const struct nlmsghdr *m)
{
	int code = 0;

	if (mnl_nlmsg_get_payload_len(m) >= sizeof(code))
		memcpy(&code, mnl_nlmsg_get_payload(m), sizeof(code));
	return code < 0 ? code : 0;
}

/* One message of the answer. Others belong to requests that were given up. */
static void take_answer(void *ctx, const struct nlmsghdr *m)
{
	struct exchange *x = ctx;

	if (x->ended || m->nlmsg_seq != x->seq)
		return;
	if (m->nlmsg_flags & NLM_F_DUMP_INTR)
		x->result = -EINTR;
	if (m->nlmsg_type == NLMSG_ERROR || m->nlmsg_type == NLMSG_DONE) {
		x->ended = true;
		if (code_of(m) < 0)
			x->result = code_of(m);
	} else if (m->nlmsg_type >= NLMSG_MIN_TYPE) {
		if (x->f)
			x->f(x->ctx, m);
		x->ended = x->until == NETLINK_UNTIL_ANSWER;
	}
}

int netlink_exchange(struct netlink *n, struct nlmsghdr *request, enum netlink_until until,
		     void (*f)(void *ctx, const struct nlmsghdr *m), void *ctx)
{
	struct exchange x = {.seq = ++n->seq, .until = until, .f = f, .ctx = ctx};

	request->nlmsg_seq = x.seq;
	request->nlmsg_flags |= NLM_F_REQUEST;
	if (until == NETLINK_UNTIL_ACK)
		request->nlmsg_flags |= NLM_F_ACK;
	if (until == NETLINK_UNTIL_DONE)
		request->nlmsg_flags |= NLM_F_DUMP;
	if (mnl_socket_sendto(n->sock, request, request->nlmsg_len) < 0)
		return -errno;
	while (!x.ended) {
		int len = take_datagram(n);

		if (len < 0)
			return len;
		netlink_walk(n->buffer, (size_t)len, take_answer, &x);
	}
	return x.result;
}
