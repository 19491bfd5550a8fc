/* SPDX-License-Identifier: BSD-3-Clause */
/* A host and a peer for tests of the underlay. */
#include "tests/fake/underlay_lab.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "base/clock.h"
#include "tests/fake/netns.h"

#define WAIT_NS   (60 * CLOCK_NS_PER_S)
#define MOMENT_MS 20

static void changed(void *ctx, struct underlay_path *path)
{
	struct lab *l = ctx;

	l->changes++;
	if (l->remove)
		underlay_remove(l->u, path);
}

int lab_open(void **state)
{
	struct lab *l = calloc(1, sizeof(*l));
	struct err e;

	assert_non_null(l);
	l->first = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	l->there = netns_enter_new();
	l->here = netns_enter_new();
	assert_true(l->first >= 0 && l->there >= 0 && l->here >= 0);
	lab_here(l,
		 "ip link add va address " LAB_VA_MAC " type veth peer name vb address " LAB_VB_MAC
		 " netns /proc/%d/fd/%d && ip link set lo up && ip link set va up",
		 (int)getpid(), l->there);
	lab_there(l, "ip link set vb up && ip addr add 10.0.0.2/24 dev vb && "
		     "ip addr add fd00::2/64 dev vb nodad");
	lab_here(l, "ip addr add 10.0.0.1/24 dev va && ip addr add fd00::1/64 dev va nodad");
	/* Some of that the kernel does a little later. */
	lab_here(l, "for i in $(seq 6000); do ip link show va | grep -q 'state UP' && "
		    "ip -6 route show table local | grep -q 'local fd00::1 ' && exit 0; "
		    "sleep 0.01; done; exit 1");
	l->ifindex = if_nametoindex("va");
	l->u = underlay_create(changed, l, &e);
	assert_non_null(l->u);
	*state = l;
	return 0;
}

int lab_close(void **state)
{
	struct lab *l = *state;

	underlay_destroy(l->u);
	assert_int_equal(setns(l->first, CLONE_NEWNET), 0);
	close(l->first);
	close(l->here);
	close(l->there);
	free(l);
	return 0;
}

static int run(int ns, const char *fmt, va_list ap)
{
	char command[768];

	vsnprintf(command, sizeof(command), fmt, ap);
	return netns_run(ns, "%s", command);
}

void lab_here(struct lab *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	assert_int_equal(run(l->here, fmt, ap), 0);
	va_end(ap);
}

void lab_there(struct lab *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	assert_int_equal(run(l->there, fmt, ap), 0);
	va_end(ap);
}

bool lab_is(struct lab *l, const char *fmt, ...)
{
	va_list ap;
	int status;

	va_start(ap, fmt);
	status = run(l->here, fmt, ap);
	va_end(ap);
	return status == 0;
}

void lab_change_routes(struct lab *l)
{
	lab_here(l,
		 "seq 1 %d | awk '{print \"route add 10.\" 64 + int($1 / 16384) \".\" "
		 "int($1 / 128) %% 128 \".\" $1 %% 128 \"/32 dev va\"}' | ip -batch -",
		 LAB_ROUTES);
}

void lab_put_vlan(struct nlmsghdr *m, uint16_t id, uint16_t protocol)
{
	struct nlattr *info = mnl_attr_nest_start(m, IFLA_LINKINFO), *data;

	mnl_attr_put_strz(m, IFLA_INFO_KIND, "vlan");
	data = mnl_attr_nest_start(m, IFLA_INFO_DATA);
	mnl_attr_put_u16(m, IFLA_VLAN_ID, id);
	mnl_attr_put_u16(m, IFLA_VLAN_PROTOCOL, htons(protocol));
	mnl_attr_nest_end(m, data);
	mnl_attr_nest_end(m, info);
}

struct ip_addr lab_addr(const char *text)
{
	struct ip_addr a;

	assert_true(ip_addr_parse(text, &a));
	return a;
}

struct underlay_path *lab_add(struct lab *l, const char *src, const char *dst)
{
	const struct underlay_conf conf = {.src = lab_addr(src),
					   .dst = lab_addr(dst),
					   .port = 4789,
					   .ifindex = l->ifindex,
					   .owner = l};
	struct err e;
	struct underlay_path *p = underlay_add(l->u, &conf, &e);

	assert_non_null(p);
	assert_ptr_equal(underlay_conf_of(p)->owner, l);
	return p;
}

bool lab_wait(struct lab *l, uint64_t *deadline)
{
	struct pollfd p = {.fd = underlay_fd(l->u), .events = POLLIN};

	if (*deadline == 0)
		*deadline = clock_now_ns() + WAIT_NS;
	if (poll(&p, 1, MOMENT_MS) == 1)
		underlay_read(l->u);
	return clock_now_ns() < *deadline;
}

void lab_expect(struct lab *l, const struct underlay_path *p, const char *text)
{
	uint64_t deadline = 0;

	while (strcmp(underlay_way_of(p)->text, text) != 0 && lab_wait(l, &deadline))
		;
	assert_string_equal(underlay_way_of(p)->text, text);
}

void lab_check_mac(const uint8_t *mac, const char *text)
{
	char is[18];

	snprintf(is, sizeof(is), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		 mac[4], mac[5]);
	assert_string_equal(is, text);
}
