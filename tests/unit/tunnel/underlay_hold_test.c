/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel holds for the tunnel: UDP ports and memberships of groups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fake/underlay_lab.h"

static bool has_holder(struct lab *l)
{
	return lab_is(l, "ip -d link show st4789 | tr '\n' ' ' | grep -q "
			 "'UP.*xdpgeneric.*vxlan external.*dstport 4789 nolearning.* "
			 "udp6zerocsumrx.*name stint_drop'");
}

static void a_port_is_held_while_it_is_used(void **state)
{
	struct lab *l = *state;
	struct err e;

	assert_int_equal(underlay_hold_port(l->u, 4789, &e), 0);
	assert_true(has_holder(l));
	assert_int_equal(underlay_hold_port(l->u, 4789, &e), 0);
	assert_int_equal(underlay_hold_port(l->u, 8472, &e), 0);
	assert_true(if_nametoindex("st8472") > 0);
	underlay_release_port(l->u, 4789);
	assert_true(has_holder(l));
	underlay_release_port(l->u, 4789);
	assert_int_equal(if_nametoindex("st4789"), 0);
	underlay_release_port(l->u, 4789);
	assert_true(if_nametoindex("st8472") > 0);
	underlay_release_port(l->u, 8472);
	assert_int_equal(if_nametoindex("st8472"), 0);
}

/* Another's device that has the port is used, whatever its name; when it goes, ours comes. */
static void anothers_device_serves_too(void **state)
{
	static const char *const kinds[] = {
		"id 7 dev va", "external", "external nolearning udp6zerocsumrx", /* as ours */
	};
	struct lab *l = *state;
	struct err e;

	for (int i = 0; i < 3; i++) {
		lab_here(l, "ip link add vx type vxlan dstport 4789 %s && ip link set vx up",
			 kinds[i]);
		assert_int_equal(underlay_hold_port(l->u, 4789, &e), 0);
		assert_int_equal(if_nametoindex("st4789"), 0);
		underlay_tick(l->u);
		assert_int_equal(if_nametoindex("st4789"), 0);
		lab_here(l, "ip link del vx");
		underlay_tick(l->u); /* hears of it, */
		underlay_tick(l->u); /* and acts */
		assert_true(has_holder(l));
		underlay_release_port(l->u, 4789);
		assert_int_equal(if_nametoindex("st4789"), 0);
	}
	lab_here(l, "ip link add vx type vxlan dstport 4789 %s && ip link set vx up", kinds[1]);
	assert_int_equal(underlay_hold_port(l->u, 4789, &e), 0);
	underlay_release_port(l->u, 4789);
	assert_true(if_nametoindex("vx") > 0);
}

static void a_device_of_a_killed_process_is_used(void **state)
{
	struct lab *l = *state;
	struct err e;
	unsigned ifindex;

	lab_here(l, "ip link add st4789 type vxlan external dstport 4789 nolearning "
		    "udp6zerocsumrx");
	ifindex = if_nametoindex("st4789");
	assert_int_equal(underlay_hold_port(l->u, 4789, &e), 0);
	assert_int_equal(if_nametoindex("st4789"), ifindex);
	assert_true(has_holder(l));
	underlay_release_port(l->u, 4789);
	assert_int_equal(if_nametoindex("st4789"), 0);
}

static void what_cannot_be_held_is_said(void **state)
{
	struct lab *l = *state;
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(4789)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct err e;

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_true(underlay_hold_port(l->u, 4789, &e) < 0);
	assert_int_equal(e.code, ERR_BUSY);
	assert_string_equal(e.text, "UDP port 4789 is used by a program of this host");
	assert_int_equal(if_nametoindex("st4789"), 0);
	close(fd);

	lab_here(l, "ip link add vx type vxlan external dstport 4789 nolearning udp6zerocsumrx");
	assert_true(underlay_hold_port(l->u, 4789, &e) < 0);
	assert_int_equal(e.code, ERR_WRONG_STATE);
	assert_string_equal(e.text, "vxlan device 'vx' has UDP port 4789, but is down");
	lab_here(l, "ip link set vx name st4790");
	assert_true(underlay_hold_port(l->u, 4790, &e) < 0);
	assert_int_equal(e.code, ERR_EXISTS);
	assert_string_equal(e.text, "device 'st4790' is none for tunnels by UDP port 4790");
	assert_true(if_nametoindex("st4790") > 0);
}

/* A holder that somebody deletes is made again. */
static void a_deleted_holder_comes_back(void **state)
{
	struct lab *l = *state;
	struct err e;

	assert_int_equal(underlay_hold_port(l->u, 4789, &e), 0);
	underlay_tick(l->u);
	lab_here(l, "ip link del st4789");
	underlay_tick(l->u);
	underlay_tick(l->u);
	assert_true(has_holder(l));
}

static void groups_are_counted(void **state)
{
	static const char v4[] = "ip maddr show dev va | grep -q 'inet  *239.1.1.1'";
	static const char v6[] = "ip maddr show dev va | grep -q 'inet6  *ff05::77'";
	struct lab *l = *state;
	struct ip_addr a = lab_addr("239.1.1.1"), b = lab_addr("ff05::77");
	struct ip_addr none = lab_addr("10.0.0.2");
	struct err e;

	assert_int_equal(underlay_join(l->u, &a, l->ifindex, &e), 0);
	assert_int_equal(underlay_join(l->u, &a, l->ifindex, &e), 0);
	assert_int_equal(underlay_join(l->u, &b, l->ifindex, &e), 0);
	assert_true(lab_is(l, v4) && lab_is(l, v6));
	underlay_leave(l->u, &a, l->ifindex);
	assert_true(lab_is(l, v4));
	underlay_leave(l->u, &a, l->ifindex);
	assert_false(lab_is(l, v4));
	underlay_leave(l->u, &a, l->ifindex);
	underlay_leave(l->u, &b, l->ifindex);
	assert_false(lab_is(l, v6));
	assert_true(underlay_join(l->u, &none, l->ifindex, &e) < 0);
	assert_true(underlay_join(l->u, &a, 9999, &e) < 0);
	assert_string_equal(e.text, "group 239.1.1.1 on device 9999: No such device");
}

/* Nothing stays behind. */
static void destruction_gives_all_up(void **state)
{
	struct lab *l = *state;
	struct ip_addr a = lab_addr("239.1.1.1");
	struct err e;

	assert_int_equal(underlay_hold_port(l->u, 4789, &e), 0);
	assert_int_equal(underlay_hold_port(l->u, 4789, &e), 0);
	assert_int_equal(underlay_join(l->u, &a, l->ifindex, &e), 0);
	lab_expect(l, lab_add(l, "10.0.0.1", "10.0.0.2"), "up via 10.0.0.2 dev va");
	underlay_destroy(l->u);
	l->u = NULL;
	assert_int_equal(if_nametoindex("st4789"), 0);
	assert_false(lab_is(l, "ip maddr show dev va | grep -q 239.1.1.1"));
	assert_false(lab_is(l, "ip neigh show dev va nud all | grep -q '^10.0.0.2 '"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB_TEST(a_port_is_held_while_it_is_used),
		LAB_TEST(anothers_device_serves_too),
		LAB_TEST(a_device_of_a_killed_process_is_used),
		LAB_TEST(what_cannot_be_held_is_said),
		LAB_TEST(a_deleted_holder_comes_back),
		LAB_TEST(groups_are_counted),
		LAB_TEST(destruction_gives_all_up),
	};

	return cmocka_run_group_tests_name("underlay_hold", tests, NULL, NULL);
}
