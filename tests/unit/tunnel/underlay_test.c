/* SPDX-License-Identifier: BSD-3-Clause */
/* Ways through the underlay, in network namespaces of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/rtnetlink.h>

#include "base/clock.h"
#include "tests/fake/underlay_lab.h"
#include "tunnel/underlay_impl.h"

#define MANY     300
#define MAX_CALL 256 /* paths that one call asks for */

static void check_state(const struct underlay_path *p, enum underlay_state state)
{
	assert_string_equal(underlay_state_text(underlay_way_of(p)->state),
			    underlay_state_text(state));
}

static bool is_readable(const struct lab *l)
{
	struct pollfd p = {.fd = underlay_fd(l->u), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

/* --- neighbours --------------------------------------------------------------------------------*/

static void a_neighbour_is_resolved(void **state)
{
	struct lab *l = *state;
	struct underlay_path *v4 = lab_add(l, "10.0.0.1", "10.0.0.2");
	struct underlay_path *v6 = lab_add(l, "fd00::1", "fd00::2");
	const struct underlay_way *w = underlay_way_of(v4);
	struct ip_addr hop = lab_addr("10.0.0.2");

	lab_expect(l, v4, "up via 10.0.0.2 dev va");
	check_state(v4, UNDERLAY_UP);
	assert_int_equal(w->vlan, 0);
	assert_int_equal(w->mtu, 1500);
	assert_true(ip_addr_equal(&w->next_hop, &hop));
	lab_check_mac(w->src_mac, LAB_VA_MAC);
	lab_check_mac(w->dst_mac, LAB_VB_MAC);
	lab_expect(l, v6, "up via fd00::2 dev va");
	lab_check_mac(underlay_way_of(v6)->dst_mac, LAB_VB_MAC);
	assert_true(lab_is(l, "ip neigh show 10.0.0.2 dev va | grep -q managed"));
	assert_true(lab_is(l, "ip -6 neigh show fd00::2 dev va | grep -q managed"));
}

static void an_absent_neighbour_is_waited_for(void **state)
{
	struct lab *l = *state;
	struct underlay_path *p = lab_add(l, "10.0.0.1", "10.0.0.3");

	assert_string_equal(underlay_way_of(p)->text, "neighbour 10.0.0.3 does not answer");
	check_state(p, UNDERLAY_UNRESOLVED);
	lab_there(l, "ip addr add 10.0.0.3/24 dev vb");
	lab_expect(l, p, "up via 10.0.0.3 dev va");
	lab_there(l, "ip addr del 10.0.0.3/24 dev vb");
	lab_here(l, "ip neigh replace 10.0.0.3 dev va nud failed");
	lab_expect(l, p, "neighbour 10.0.0.3 does not answer");
}

static void another_mac_is_noticed(void **state)
{
	struct lab *l = *state;
	struct underlay_path *p = lab_add(l, "10.0.0.1", "10.0.0.2");
	uint64_t deadline = 0;

	lab_expect(l, p, "up via 10.0.0.2 dev va");
	l->changes = 0;
	lab_there(l, "ip link set vb address 02:00:00:00:00:b2");
	lab_here(l, "ip neigh replace 10.0.0.2 dev va lladdr 02:00:00:00:00:b2 nud reachable");
	while (underlay_way_of(p)->dst_mac[5] != 0xb2 && lab_wait(l, &deadline))
		;
	lab_check_mac(underlay_way_of(p)->dst_mac, "02:00:00:00:00:b2");
	check_state(p, UNDERLAY_UP);
	assert_int_equal(l->changes, 1);
	lab_here(l, "ip link set va address 02:00:00:00:00:a2");
	while (underlay_way_of(p)->src_mac[5] != 0xa2 && lab_wait(l, &deadline))
		;
	lab_check_mac(underlay_way_of(p)->src_mac, "02:00:00:00:00:a2");
}

static void the_last_path_takes_its_entry_along(void **state)
{
	struct lab *l = *state;
	struct underlay_path *a = lab_add(l, "10.0.0.1", "10.0.0.2");
	struct underlay_path *b = lab_add(l, "10.0.0.1", "10.0.0.2");

	lab_expect(l, a, "up via 10.0.0.2 dev va");
	lab_expect(l, b, "up via 10.0.0.2 dev va");
	underlay_remove(l->u, a);
	assert_true(lab_is(l, "ip neigh show 10.0.0.2 dev va | grep -q managed"));
	underlay_remove(l->u, b);
	assert_false(lab_is(l, "ip neigh show dev va nud all | grep -q '^10.0.0.2 '"));
}

static void an_operators_entry_is_used_as_it_is(void **state)
{
	static const char entry[] = "ip neigh show 10.0.0.9 dev va | "
				    "grep -q 'lladdr 02:00:00:00:00:09 PERMANENT'";
	struct lab *l = *state;
	struct underlay_path *p;

	lab_here(l, "ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev va nud permanent");
	p = lab_add(l, "10.0.0.1", "10.0.0.9");
	check_state(p, UNDERLAY_UP);
	lab_check_mac(underlay_way_of(p)->dst_mac, "02:00:00:00:00:09");
	assert_true(lab_is(l, entry));
	underlay_remove(l->u, p);
	assert_true(lab_is(l, entry));

	/* Also when it comes in place of ours, or goes and ours has to come. */
	lab_here(l, "ip neigh del 10.0.0.9 dev va");
	p = lab_add(l, "10.0.0.1", "10.0.0.9");
	check_state(p, UNDERLAY_UNRESOLVED);
	lab_here(l, "ip neigh replace 10.0.0.9 lladdr 02:00:00:00:00:09 dev va nud permanent");
	lab_expect(l, p, "up via 10.0.0.9 dev va");
	underlay_remove(l->u, p);
	assert_true(lab_is(l, entry));
	lab_there(l, "ip addr add 10.0.0.9/24 dev vb");
	p = lab_add(l, "10.0.0.1", "10.0.0.9");
	lab_here(l, "ip neigh del 10.0.0.9 dev va");
	lab_expect(l, p, "neighbour 10.0.0.9 does not answer");
	underlay_tick(l->u);
	lab_expect(l, p, "up via 10.0.0.9 dev va");
	lab_check_mac(underlay_way_of(p)->dst_mac, LAB_VB_MAC);
}

/* An entry that another program has the kernel manage is its own. */
static void anothers_managed_entry_stays(void **state)
{
	struct lab *l = *state;
	struct underlay_path *p;

	lab_here(l, "ip neigh add 10.0.0.2 dev va managed");
	p = lab_add(l, "10.0.0.1", "10.0.0.2");
	lab_expect(l, p, "up via 10.0.0.2 dev va");
	underlay_remove(l->u, p);
	assert_true(lab_is(l, "ip neigh show 10.0.0.2 dev va | grep -q managed"));
}

/* Entries that somebody deletes are asked for again by ticks. */
static void a_deleted_entry_comes_back(void **state)
{
	struct lab *l = *state;
	struct underlay_path *p = lab_add(l, "10.0.0.1", "10.0.0.2");

	for (int i = 0; i < 3; i++) {
		lab_expect(l, p, "up via 10.0.0.2 dev va");
		lab_here(l, "ip neigh del 10.0.0.2 dev va");
		lab_expect(l, p, "neighbour 10.0.0.2 does not answer");
		underlay_tick(l->u);
	}
	lab_expect(l, p, "up via 10.0.0.2 dev va");
	assert_true(lab_is(l, "ip neigh show 10.0.0.2 dev va | grep -q managed"));
}

/* --- routes ------------------------------------------------------------------------------------*/

static void routes_are_followed(void **state)
{
	struct lab *l = *state;
	struct underlay_path *p = lab_add(l, "10.0.0.1", "10.5.0.1");

	assert_string_equal(underlay_way_of(p)->text, "no route");
	check_state(p, UNDERLAY_NO_ROUTE);
	lab_there(l, "ip addr add 10.0.0.4/24 dev vb");
	lab_here(l, "ip route add 10.5.0.0/16 via 10.0.0.2");
	lab_expect(l, p, "up via 10.0.0.2 dev va");
	lab_here(l, "ip route replace 10.5.0.0/16 via 10.0.0.4");
	lab_expect(l, p, "up via 10.0.0.4 dev va");
	assert_false(lab_is(l, "ip neigh show 10.0.0.2 dev va | grep -q managed"));
	lab_here(l, "ip route replace 10.5.0.0/16 via inet6 fd00::2 dev va");
	lab_expect(l, p, "up via fd00::2 dev va");
	lab_check_mac(underlay_way_of(p)->dst_mac, LAB_VB_MAC);
	lab_here(l, "ip route add 10.5.0.1/32 via 10.0.0.2 mtu 1400");
	lab_expect(l, p, "up via 10.0.0.2 dev va");
	assert_int_equal(underlay_way_of(p)->mtu, 1400);
	lab_here(l, "ip route replace unreachable 10.5.0.1/32");
	lab_expect(l, p, "no route");
	lab_here(l, "ip route replace prohibit 10.5.0.1/32");
	lab_expect(l, p, "no route: Permission denied");
	lab_here(l, "ip route del 10.5.0.1/32");
	lab_expect(l, p, "up via fd00::2 dev va");
	lab_here(l, "ip route del 10.5.0.0/16");
	lab_expect(l, p, "no route");
}

static void routes_of_ipv6_are_followed(void **state)
{
	struct lab *l = *state;
	struct underlay_path *p = lab_add(l, "fd00::1", "fd05::1");

	check_state(p, UNDERLAY_NO_ROUTE);
	lab_there(l, "ip addr add fd00::4/64 dev vb nodad");
	lab_here(l, "ip route add fd05::/16 via fd00::2");
	lab_expect(l, p, "up via fd00::2 dev va");
	lab_here(l, "ip route replace fd05::/16 via fd00::4 mtu 1400");
	lab_expect(l, p, "up via fd00::4 dev va");
	assert_int_equal(underlay_way_of(p)->mtu, 1400);
	lab_here(l, "ip route del fd05::/16");
	lab_expect(l, p, "no route");
}

static void rules_and_next_hops_are_followed(void **state)
{
	struct lab *l = *state;
	struct underlay_path *p = lab_add(l, "10.0.0.1", "10.5.0.1");

	lab_there(l, "ip addr add 10.0.0.4/24 dev vb");
	lab_here(l, "ip nexthop add id 1 via 10.0.0.2 dev va && ip route add 10.5.0.0/16 nhid 1");
	lab_expect(l, p, "up via 10.0.0.2 dev va");
	lab_here(l, "ip nexthop replace id 1 via 10.0.0.4 dev va");
	lab_expect(l, p, "up via 10.0.0.4 dev va");
	lab_here(l, "ip rule add to 10.5.0.1 ipproto udp dport 4789 unreachable");
	lab_expect(l, p, "no route");
	lab_here(l, "ip rule del to 10.5.0.1 ipproto udp dport 4789 unreachable");
	lab_expect(l, p, "up via 10.0.0.4 dev va");
}

static void our_own_addresses_are_no_remotes(void **state)
{
	struct lab *l = *state;
	struct underlay_path *v4 = lab_add(l, "10.0.0.1", "10.0.0.1");
	struct underlay_path *v6 = lab_add(l, "fd00::1", "fd00::1");
	struct underlay_path *all = lab_add(l, "10.0.0.1", "10.0.0.255");

	assert_string_equal(underlay_way_of(v4)->text,
			    "no route: 10.0.0.1 is an address of this host");
	check_state(v4, UNDERLAY_NO_ROUTE);
	assert_string_equal(underlay_way_of(v6)->text,
			    "no route: fd00::1 is an address of this host");
	assert_string_equal(underlay_way_of(all)->text,
			    "no route: 10.0.0.255 is a broadcast address");
}

/* --- devices -----------------------------------------------------------------------------------*/

static void another_device_is_none(void **state)
{
	struct lab *l = *state;
	struct underlay_path *p = lab_add(l, "10.0.0.1", "10.0.0.2");

	lab_expect(l, p, "up via 10.0.0.2 dev va");
	lab_here(l, "ip link add vc type veth peer name vd && ip link set vc up && "
		    "ip link set vd up && ip route add 10.0.0.2/32 dev vc");
	lab_expect(l, p, "the route leaves by vc, which is no uplink");
	check_state(p, UNDERLAY_OTHER_DEVICE);
	lab_here(l, "ip link set vc name eth0");
	lab_expect(l, p, "the route leaves by eth0, which is no uplink");
	/* The kernel does not tell of routes that go with their device. */
	lab_here(l, "ip link del eth0");
	lab_expect(l, p, "up via 10.0.0.2 dev va");
}

static void settle(struct lab *l)
{
	while (is_readable(l))
		underlay_read(l->u);
}

/* Tells of a device what a kernel with VLANs would, which the one of the test's machine may be
 * without. The kernel tells otherwise when the device changes. */
static void tell_of_vlan(struct lab *l, const char *name, unsigned lower, uint16_t vlan,
			 uint16_t protocol)
{
	_Alignas(NLMSG_ALIGNTO) char bytes[512];
	struct nlmsghdr *m = mnl_nlmsg_put_header(bytes);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(m, sizeof(*ifi));
	struct netlink_link link;

	settle(l);
	assert_true(underlay_find_link(l->u, if_nametoindex(name), &link));
	m->nlmsg_type = RTM_NEWLINK;
	ifi->ifi_index = (int)link.ifindex;
	ifi->ifi_flags = IFF_UP | IFF_RUNNING;
	mnl_attr_put_strz(m, IFLA_IFNAME, name);
	mnl_attr_put_u32(m, IFLA_MTU, link.mtu);
	mnl_attr_put_u32(m, IFLA_LINK, lower);
	mnl_attr_put(m, IFLA_ADDRESS, sizeof(link.mac), link.mac);
	lab_put_vlan(m, vlan, protocol);
	underlay_heard_link(l->u, m);
	underlay_tick(l->u);
}

/* Tells of it until a path's text is this one: the kernel may have more to say of its own. */
static void expect_by_vlan(struct lab *l, const struct underlay_path *p, unsigned lower,
			   uint16_t protocol, const char *text)
{
	uint64_t deadline = 0;

	do
		tell_of_vlan(l, "va.100", lower, 100, protocol);
	while (strcmp(underlay_way_of(p)->text, text) != 0 && lab_wait(l, &deadline));
	assert_string_equal(underlay_way_of(p)->text, text);
}

/* A device of the host that is connected to one of the peer. */
static void add_vlan_devices(struct lab *l)
{
	lab_here(l,
		 "ip link add va.100 address 02:00:00:00:00:a9 type veth peer name vb.100 "
		 "address 02:00:00:00:00:b9 netns /proc/%d/fd/%d && "
		 "ip addr add 10.1.0.1/24 dev va.100 && ip link set va.100 up mtu 1450",
		 (int)getpid(), l->there);
	lab_there(l, "ip link set vb.100 up && ip addr add 10.1.0.2/24 dev vb.100");
}

static void a_vlan_device_is_on_the_uplink(void **state)
{
	struct lab *l = *state;
	struct underlay_path *p = lab_add(l, "10.1.0.1", "10.1.0.2");

	check_state(p, UNDERLAY_NO_ADDRESS);
	add_vlan_devices(l);
	lab_expect(l, p, "the route leaves by va.100, which is no uplink");
	expect_by_vlan(l, p, l->ifindex, ETH_P_8021Q, "up via 10.1.0.2 dev va.100");
	assert_int_equal(underlay_way_of(p)->vlan, 100);
	assert_int_equal(underlay_way_of(p)->mtu, 1450);
	lab_check_mac(underlay_way_of(p)->src_mac, "02:00:00:00:00:a9");
	lab_check_mac(underlay_way_of(p)->dst_mac, "02:00:00:00:00:b9");
	lab_here(l, "ip link set va down");
	lab_expect(l, p, "link of va is down");
	lab_here(l, "ip link set va up");
	expect_by_vlan(l, p, l->ifindex, ETH_P_8021Q, "up via 10.1.0.2 dev va.100");

	/* A tag of another kind, or a second one, is none that the tunnel could put there. */
	tell_of_vlan(l, "va.100", l->ifindex, 100, ETH_P_8021AD);
	lab_expect(l, p, "the route leaves by va.100, which is no uplink");
	expect_by_vlan(l, p, l->ifindex, ETH_P_8021Q, "up via 10.1.0.2 dev va.100");
	tell_of_vlan(l, "va.100", if_nametoindex("lo"), 100, ETH_P_8021Q);
	lab_expect(l, p, "the route leaves by va.100, which is no uplink");
}

static void a_link_goes_down_and_up(void **state)
{
	struct lab *l = *state;
	struct underlay_path *v4 = lab_add(l, "10.0.0.1", "10.0.0.2");
	struct underlay_path *v6 = lab_add(l, "fd00::1", "fd00::2");

	lab_expect(l, v4, "up via 10.0.0.2 dev va");
	lab_there(l, "ip link set vb down");
	lab_expect(l, v4, "link of va is down");
	lab_expect(l, v6, "link of va is down");
	check_state(v4, UNDERLAY_LINK_DOWN);
	lab_there(l, "ip link set vb up && ip addr replace fd00::2/64 dev vb nodad");
	lab_expect(l, v4, "up via 10.0.0.2 dev va");
	lab_expect(l, v6, "up via fd00::2 dev va");
	lab_here(l, "ip link set va down");
	lab_expect(l, v4, "link of va is down");
	lab_here(l, "ip link set va up");
	lab_expect(l, v4, "up via 10.0.0.2 dev va");
	lab_expect(l, v6, "fd00::1 is no address of this host");
	lab_here(l, "ip addr add fd00::1/64 dev va nodad");
	lab_expect(l, v6, "up via fd00::2 dev va");
	lab_here(l, "ip link del va");
	lab_expect(l, v4, "the uplink's device is gone");
}

static void an_address_goes_and_comes_back(void **state)
{
	struct lab *l = *state;
	struct ip_addr a = lab_addr("10.0.0.11"), none = lab_addr("10.0.0.12");
	struct underlay_path *p = lab_add(l, "10.0.0.11", "10.0.0.2");

	assert_string_equal(underlay_way_of(p)->text, "10.0.0.11 is no address of this host");
	check_state(p, UNDERLAY_NO_ADDRESS);
	assert_int_equal(underlay_find_address(l->u, &a), 0);
	lab_here(l, "ip addr add 10.0.0.11/24 dev va");
	lab_expect(l, p, "up via 10.0.0.2 dev va");
	assert_int_equal(underlay_find_address(l->u, &a), l->ifindex);
	assert_int_equal(underlay_find_address(l->u, &none), 0);
	lab_here(l, "ip addr del 10.0.0.11/24 dev va");
	lab_expect(l, p, "10.0.0.11 is no address of this host");
	lab_here(l, "ip addr add 10.0.0.11/32 dev lo");
	lab_expect(l, p, "up via 10.0.0.2 dev va");
}

/* Groups need no neighbour, and go where their source is. */
static void groups_have_macs_of_their_own(void **state)
{
	struct lab *l = *state;
	struct underlay_path *v4 = lab_add(l, "10.0.0.1", "239.129.2.3");
	struct underlay_path *v6 = lab_add(l, "fd00::1", "ff05::1:2:3");
	struct underlay_path *tagged;

	assert_string_equal(underlay_way_of(v4)->text, "up to group 239.129.2.3 dev va");
	check_state(v4, UNDERLAY_UP);
	lab_check_mac(underlay_way_of(v4)->dst_mac, "01:00:5e:01:02:03");
	lab_check_mac(underlay_way_of(v4)->src_mac, LAB_VA_MAC);
	assert_int_equal(underlay_way_of(v4)->mtu, 1500);
	check_state(v6, UNDERLAY_UP);
	lab_check_mac(underlay_way_of(v6)->dst_mac, "33:33:00:02:00:03");
	add_vlan_devices(l);
	lab_here(l, "ip addr add 10.2.0.1/32 dev lo");
	tagged = lab_add(l, "10.1.0.1", "239.1.1.1");
	expect_by_vlan(l, tagged, l->ifindex, ETH_P_8021Q, "up to group 239.1.1.1 dev va.100");
	assert_int_equal(underlay_way_of(tagged)->vlan, 100);
	assert_string_equal(underlay_way_of(lab_add(l, "10.2.0.1", "239.1.1.1"))->text,
			    "up to group 239.1.1.1 dev va");
	lab_there(l, "ip link set vb down");
	lab_expect(l, v4, "link of va is down");
}

/* --- many --------------------------------------------------------------------------------------*/

/* All paths by one gateway are told when its MAC changes, some in each call. */
static void all_paths_of_a_gateway_are_told(void **state)
{
	struct lab *l = *state;
	struct underlay_path *p[MANY];
	uint64_t deadline = 0;
	char dst[32];

	lab_here(l, "ip route add 10.5.0.0/16 via 10.0.0.2");
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(dst, sizeof(dst), "10.5.%u.%u", i / 200, 1 + i % 200);
		p[i] = lab_add(l, "10.0.0.1", dst);
	}
	for (unsigned i = 0; i < MANY; i++)
		lab_expect(l, p[i], "up via 10.0.0.2 dev va");
	l->changes = 0;
	lab_here(l, "ip neigh replace 10.0.0.2 dev va lladdr 02:00:00:00:00:b2 nud permanent");
	while (l->changes == 0 && lab_wait(l, &deadline))
		;
	assert_in_range(l->changes, 1, MAX_CALL);
	assert_true(is_readable(l));
	while (l->changes < MANY && lab_wait(l, &deadline))
		;
	for (unsigned i = 0; i < MANY; i++)
		lab_check_mac(underlay_way_of(p[i])->dst_mac, "02:00:00:00:00:b2");

	/* A path may be removed when it is told of. */
	l->remove = true;
	lab_here(l, "ip route del 10.5.0.0/16");
	while (l->changes < 2 * MANY && lab_wait(l, &deadline))
		;
	assert_int_equal(l->changes, 2 * MANY);
}

/* What was told while nobody listened, and more than the kernel keeps, is found out all the same.
 */
static void lost_messages_are_made_up_for(void **state)
{
	struct lab *l = *state;
	struct underlay_path *p = lab_add(l, "10.0.0.1", "10.0.0.2");
	struct underlay_path *q = lab_add(l, "10.0.0.11", "10.0.0.9");
	uint64_t deadline = 0;

	lab_expect(l, p, "up via 10.0.0.2 dev va");
	lab_change_routes(l);
	lab_here(l, "ip addr add 10.0.0.11/24 dev va && ip link set va mtu 1450 && "
		    "ip neigh replace 10.0.0.9 dev va lladdr 02:00:00:00:00:09 nud permanent && "
		    "ip neigh replace 10.0.0.2 dev va lladdr 02:00:00:00:00:b2 nud permanent");
	lab_expect(l, q, "up via 10.0.0.9 dev va");
	while (underlay_way_of(p)->dst_mac[5] != 0xb2 && lab_wait(l, &deadline))
		;
	lab_check_mac(underlay_way_of(p)->dst_mac, "02:00:00:00:00:b2");
	assert_int_equal(underlay_way_of(p)->mtu, 1450);
}

/* An ICMP error about a packet that is too long makes an exception, which only ticks can find. */
static void ticks_find_what_is_not_announced(void **state)
{
	static const char bytes[1400];
	struct lab *l = *state;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(4789)};
	struct underlay_path *p;
	int fd = socket(AF_INET, SOCK_DGRAM, 0), want = IP_PMTUDISC_DO;
	uint64_t deadline = 0;

	lab_there(l, "ip link add vc mtu 1300 type veth peer name vd && ip link set vc up && "
		     "ip link set vd up && ip route add 10.5.0.0/16 dev vc && "
		     "echo 1 >/proc/sys/net/ipv4/ip_forward");
	lab_here(l, "ip route add 10.5.0.0/16 via 10.0.0.2");
	p = lab_add(l, "10.0.0.1", "10.5.0.1");
	lab_expect(l, p, "up via 10.0.0.2 dev va");
	assert_int_equal(underlay_way_of(p)->mtu, 1500);
	assert_int_equal(inet_pton(AF_INET, "10.5.0.1", &to.sin_addr), 1);
	assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &want, sizeof(want)), 0);
	while (underlay_way_of(p)->mtu != 1300 && lab_wait(l, &deadline)) {
		/* It fails when the kernel has learned of the limit. */
		if (sendto(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&to, sizeof(to)) > 0)
			continue;
		underlay_tick(l->u);
	}
	assert_int_equal(underlay_way_of(p)->mtu, 1300);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB_TEST(a_neighbour_is_resolved),
		LAB_TEST(an_absent_neighbour_is_waited_for),
		LAB_TEST(another_mac_is_noticed),
		LAB_TEST(the_last_path_takes_its_entry_along),
		LAB_TEST(an_operators_entry_is_used_as_it_is),
		LAB_TEST(anothers_managed_entry_stays),
		LAB_TEST(a_deleted_entry_comes_back),
		LAB_TEST(routes_are_followed),
		LAB_TEST(routes_of_ipv6_are_followed),
		LAB_TEST(rules_and_next_hops_are_followed),
		LAB_TEST(our_own_addresses_are_no_remotes),
		LAB_TEST(another_device_is_none),
		LAB_TEST(a_vlan_device_is_on_the_uplink),
		LAB_TEST(a_link_goes_down_and_up),
		LAB_TEST(an_address_goes_and_comes_back),
		LAB_TEST(groups_have_macs_of_their_own),
		LAB_TEST(all_paths_of_a_gateway_are_told),
		LAB_TEST(lost_messages_are_made_up_for),
		LAB_TEST(ticks_find_what_is_not_announced),
	};

	return cmocka_run_group_tests_name("underlay", tests, NULL, NULL);
}
