/* SPDX-License-Identifier: BSD-3-Clause */
/* Netlink: whose messages count, what they say, and what is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "tests/fake/underlay_lab.h"
#include "tunnel/netlink.h"

/* A message under construction, in memory of exactly its size when it is parsed. */
struct message {
	_Alignas(NLMSG_ALIGNTO) char bytes[1024];
};

static struct nlmsghdr *begin(struct message *b, uint16_t type, size_t size, void **extra)
{
	struct nlmsghdr *m = mnl_nlmsg_put_header(b->bytes);

	m->nlmsg_type = type;
	*extra = mnl_nlmsg_put_extra_header(m, size);
	return m;
}

static struct nlmsghdr *begin_link(struct message *b)
{
	struct ifinfomsg *ifi;
	struct nlmsghdr *m = begin(b, RTM_NEWLINK, sizeof(*ifi), (void **)&ifi);

	ifi->ifi_index = 7;
	ifi->ifi_flags = IFF_UP | IFF_RUNNING;
	mnl_attr_put_strz(m, IFLA_IFNAME, "ens3.100");
	mnl_attr_put_u32(m, IFLA_MTU, 1496);
	mnl_attr_put(m, IFLA_ADDRESS, 6, "\x02\x00\x00\x00\x00\x01");
	return m;
}

static void a_vlan_device_says_what_it_is_on(void **state)
{
	struct netlink_link link;
	struct message b;
	struct nlmsghdr *m = begin_link(&b);

	(void)state;
	mnl_attr_put_u32(m, IFLA_LINK, 3);
	lab_put_vlan(m, 100, ETH_P_8021Q);
	assert_true(netlink_parse_link(m, &link));
	assert_string_equal(link.name, "ens3.100");
	assert_string_equal(link.kind, "vlan");
	assert_int_equal(link.ifindex, 7);
	assert_true(link.up && link.running);
	assert_int_equal(link.mtu, 1496);
	assert_int_equal(link.mac[5], 1);
	assert_int_equal(link.lower, 3);
	assert_int_equal(link.vlan, 100);

	/* An index of another namespace means nothing here. */
	mnl_attr_put_u32(m, IFLA_LINK_NETNSID, 0);
	assert_true(netlink_parse_link(m, &link));
	assert_int_equal(link.lower, 0);
	assert_int_equal(link.vlan, 0);

	m = begin_link(&b);
	mnl_attr_put_u32(m, IFLA_LINK, 3);
	lab_put_vlan(m, 100, ETH_P_8021AD);
	assert_true(netlink_parse_link(m, &link));
	assert_int_equal(link.lower, 0);
}

static void a_route_has_a_gateway_of_either_family(void **state)
{
	struct ip_addr v4 = lab_addr("10.0.0.2"), v6 = lab_addr("fe80::2");
	struct netlink_route r;
	struct message b;
	struct rtmsg *rt;
	struct nlmsghdr *m = begin(&b, RTM_NEWROUTE, sizeof(*rt), (void **)&rt);
	struct {
		uint16_t family;
		uint8_t bytes[16];
	} via = {.family = AF_INET6};

	(void)state;
	rt->rtm_family = AF_INET;
	rt->rtm_type = RTN_UNICAST;
	rt->rtm_dst_len = 8;
	assert_false(netlink_parse_route(m, &r)); /* a prefix without an address */
	mnl_attr_put(m, RTA_DST, 4, "\x0a\x00\x00\x00");
	mnl_attr_put_u32(m, RTA_OIF, 4);
	assert_true(netlink_parse_route(m, &r));
	assert_false(r.has_gateway);
	assert_int_equal(r.ifindex, 4);
	mnl_attr_put(m, RTA_GATEWAY, 4, v4.bytes);
	assert_true(netlink_parse_route(m, &r));
	assert_true(r.has_gateway && ip_addr_equal(&r.gateway, &v4));
	rt->rtm_dst_len = 33;
	assert_false(netlink_parse_route(m, &r));

	m = begin(&b, RTM_NEWROUTE, sizeof(*rt), (void **)&rt);
	rt->rtm_family = AF_INET;
	memcpy(via.bytes, v6.bytes, sizeof(via.bytes));
	mnl_attr_put(m, RTA_VIA, sizeof(via), &via);
	assert_true(netlink_parse_route(m, &r));
	assert_true(r.has_gateway && ip_addr_equal(&r.gateway, &v6));
	rt->rtm_family = AF_BRIDGE;
	assert_false(netlink_parse_route(m, &r));
}

static void a_bridges_entries_are_no_neighbours(void **state)
{
	struct netlink_neigh n;
	struct message b;
	struct ndmsg *nd;
	struct nlmsghdr *m = begin(&b, RTM_NEWNEIGH, sizeof(*nd), (void **)&nd);

	(void)state;
	nd->ndm_family = AF_INET;
	nd->ndm_state = NUD_REACHABLE;
	mnl_attr_put(m, NDA_DST, 4, "\x0a\x00\x00\x02");
	mnl_attr_put_u32(m, NDA_FLAGS_EXT, NTF_EXT_MANAGED);
	assert_true(netlink_parse_neigh(m, &n));
	assert_true(n.managed && !n.has_mac);
	nd->ndm_flags = NTF_PROXY;
	assert_false(netlink_parse_neigh(m, &n));
	nd->ndm_flags = 0;
	nd->ndm_family = AF_BRIDGE;
	assert_false(netlink_parse_neigh(m, &n));
}

/* --- whose messages count ----------------------------------------------------------------------*/

static void count(void *ctx, const struct nlmsghdr *m)
{
	unsigned *n = ctx;

	(void)m;
	++*n;
}

/* Sends a message as any process with the capability can. */
static void forge(const struct netlink *to, const struct nlmsghdr *m)
{
	struct mnl_socket *s = mnl_socket_open(NETLINK_ROUTE);
	struct sockaddr_nl at = {0};
	socklen_t len = sizeof(at);

	assert_non_null(s);
	assert_int_equal(getsockname(netlink_fd(to), (struct sockaddr *)&at, &len), 0);
	assert_int_equal(sendto(mnl_socket_get_fd(s), m, m->nlmsg_len, 0, (struct sockaddr *)&at,
				sizeof(at)),
			 m->nlmsg_len);
	mnl_socket_close(s);
}

static void only_the_kernel_is_believed(void **state)
{
	struct netlink *events = netlink_listen(NULL), *requests = netlink_open(NULL);
	struct netlink_link link;
	struct message b;
	struct nlmsghdr *m = begin_link(&b);
	unsigned n = 0;

	(void)state;
	assert_int_equal(netlink_receive(events, count, &n), 0);
	forge(events, m);
	assert_int_equal(netlink_receive(events, count, &n), 1);
	assert_int_equal(n, 0);
	for (m->nlmsg_seq = 0; m->nlmsg_seq < 3; m->nlmsg_seq++)
		forge(requests, m);
	assert_int_equal(netlink_get_link(requests, if_nametoindex("va"), NULL, &link), 0);
	assert_string_equal(link.name, "va");
	assert_int_equal(netlink_get_link(requests, 0, "lo", &link), 0);
	assert_string_equal(link.name, "lo");
	assert_int_equal(netlink_get_link(requests, 0, "none", &link), -ENODEV);
	netlink_close(events);
	netlink_close(requests);
}

static void lost_messages_are_an_error(void **state)
{
	struct lab *l = *state;
	struct netlink *events = netlink_listen(NULL);
	unsigned n = 0;
	int ret;

	lab_change_routes(l);
	do
		ret = netlink_receive(events, count, &n);
	while (ret == 1);
	assert_int_equal(ret, -ENOBUFS);
	do
		ret = netlink_receive(events, count, &n);
	while (ret == 1);
	assert_int_equal(ret, 0);
	assert_in_range(n, 1, LAB_ROUTES - 1);
	netlink_close(events);
}

/* --- messages that end too early ---------------------------------------------------------------*/

static void parse_all(void *ctx, const struct nlmsghdr *m)
{
	unsigned *n = ctx;
	union {
		struct netlink_route route;
		struct netlink_neigh neigh;
		struct netlink_link link;
		struct netlink_addr addr;
	} out;

	*n += netlink_parse_route(m, &out.route) || netlink_parse_neigh(m, &out.neigh) ||
	      netlink_parse_link(m, &out.link) || netlink_parse_addr(m, &out.addr);
}

/* A message of the kernel's, cut after each of its bytes. */
static void cut(void *ctx, const struct nlmsghdr *m)
{
	unsigned *n = ctx;

	for (uint32_t len = sizeof(*m); len <= m->nlmsg_len; len++) {
		struct nlmsghdr *some = malloc(len);

		assert_non_null(some);
		memcpy(some, m, len);
		some->nlmsg_len = len;
		netlink_walk(some, len, parse_all, n);
		netlink_walk(some, len - 1, parse_all, n);
		free(some);
	}
}

static void nothing_is_read_behind_a_message(void **state)
{
	static const uint16_t gets[] = {RTM_GETLINK, RTM_GETADDR, RTM_GETNEIGH};
	struct lab *l = *state;
	struct netlink *n = netlink_open(NULL);
	unsigned parsed = 0;

	lab_here(l, "ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev va");
	for (size_t i = 0; i < sizeof(gets) / sizeof(gets[0]); i++) {
		unsigned before = parsed;

		assert_int_equal(netlink_dump(n, gets[i], cut, &parsed), 0);
		assert_true(parsed > before);
	}
	netlink_close(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vlan_device_says_what_it_is_on),
		cmocka_unit_test(a_route_has_a_gateway_of_either_family),
		cmocka_unit_test(a_bridges_entries_are_no_neighbours),
		LAB_TEST(only_the_kernel_is_believed),
		LAB_TEST(lost_messages_are_an_error),
		LAB_TEST(nothing_is_read_behind_a_message),
	};

	return cmocka_run_group_tests_name("netlink", tests, NULL, NULL);
}
