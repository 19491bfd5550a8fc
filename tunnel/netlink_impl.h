/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of netlink share: one exchange with the kernel. */
#ifndef TUNNEL_NETLINK_IMPL_H
#define TUNNEL_NETLINK_IMPL_H

#include "tunnel/netlink.h"

/* What ends an exchange. */
enum netlink_until {
	NETLINK_UNTIL_ACK,
	NETLINK_UNTIL_ANSWER, /* one message, or an error */
	NETLINK_UNTIL_DONE    /* the end of a dump */
};

/* Sends a request and calls f for its answers. Numbers the request. */
int netlink_exchange(struct netlink *n, struct nlmsghdr *request, enum netlink_until until,
		     void (*f)(void *ctx, const struct nlmsghdr *m), void *ctx);

#endif
