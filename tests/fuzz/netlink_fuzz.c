/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes the parser of netlink messages, whatever their types: nothing outside the datagram is
 * read, and what it says can be used. The input is the datagram. */
#include "tests/fuzz/input.h"

#include <linux/rtnetlink.h>

#include "tunnel/netlink.h"

static void check_addr(const struct ip_addr *a)
{
	for (unsigned i = ip_addr_len(a); i < sizeof(a->bytes); i++)
		MUST(a->bytes[i] == 0);
}

static void check_route(const struct nlmsghdr *m)
{
	struct netlink_route r;

	if (!netlink_parse_route(m, &r))
		return;
	check_addr(&r.dst);
	check_addr(&r.gateway);
	MUST(r.dst.is_v6 == r.is_v6 && r.dst_len <= 8 * ip_addr_len(&r.dst));
}

static void check_link(const struct nlmsghdr *m)
{
	struct netlink_link link;

	if (!netlink_parse_link(m, &link))
		return;
	MUST(link.ifindex > 0);
	MUST(memchr(link.name, 0, sizeof(link.name)) && memchr(link.kind, 0, sizeof(link.kind)));
	MUST(link.lower == 0 || link.vlan != 0);
	MUST(link.up || !link.running);
}

static void check(void *ctx, const struct nlmsghdr *m)
{
	const struct input *whole = ctx;
	struct netlink_neigh n;
	struct netlink_addr a;

	MUST((const uint8_t *)m >= whole->at);
	MUST((const uint8_t *)m + m->nlmsg_len <= whole->at + whole->left);
	check_route(m);
	check_link(m);
	if (netlink_parse_neigh(m, &n))
		check_addr(&n.addr);
	if (netlink_parse_addr(m, &a))
		check_addr(&a.addr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *datagram = malloc(size + !size);
	struct input whole = {datagram, size};

	MUST(datagram);
	memcpy(datagram, data, size);
	netlink_walk(datagram, size, check, &whole);
	free(datagram);
	return 0;
}
