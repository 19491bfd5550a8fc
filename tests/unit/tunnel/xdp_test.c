/* SPDX-License-Identifier: BSD-3-Clause */
/* The XDP program of uplinks: which packets it takes, by the kernel's test runs of it, and how it
 * is found, told its ports and detached, on a veth device in a network namespace of the test's own.
 */
#include "tunnel/xdp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <cap-ng.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <net/if.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "tests/unit/tunnel/xdp_fixture.h"
#include "tunnel/xdp/uplink.h"

#define DEVICE "stint0"
#define PORT   4789
#define OTHER  8472

static struct bpf_object *object;
static int program = -1, sockets = -1, ports = -1, afxdp = -1;
static unsigned ifindex;

static int load(void **state)
{
	uint32_t queue = 0;

	(void)state;
	xdp_init();
	assert_return_code(unshare(CLONE_NEWNET), errno);
	assert_int_equal(system("ip link add " DEVICE " type veth peer name stint1"), 0);
	ifindex = if_nametoindex(DEVICE);
	assert_int_not_equal(ifindex, 0);
	object = bpf_object__open_file(xdp_test_object(), NULL);
	assert_non_null(object);
	assert_return_code(bpf_object__load(object), errno);
	program = bpf_program__fd(bpf_object__find_program_by_name(object, XDP_PROGRAM));
	sockets = bpf_map__fd(bpf_object__find_map_by_name(object, "xsks_map"));
	ports = bpf_map__fd(bpf_object__find_map_by_name(object, XDP_PORTS_MAP));
	assert_true(program >= 0 && sockets >= 0 && ports >= 0);
	/* A packet that would go to a queue without a socket is passed. */
	afxdp = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_return_code(afxdp, errno);
	assert_return_code(bpf_map_update_elem(sockets, &queue, &afxdp, BPF_ANY), errno);
	return 0;
}

static int unload(void **state)
{
	(void)state;
	close(afxdp);
	bpf_object__close(object);
	return 0;
}

static int attach(void **state)
{
	const uint16_t taken[] = {PORT, OTHER};
	struct err e = {0};

	(void)state;
	assert_int_equal(bpf_xdp_attach((int)ifindex, program, 0, NULL), 0);
	assert_int_equal(xdp_set_ports(ifindex, taken, 2, &e), 0);
	return 0;
}

static int detach(void **state)
{
	(void)state;
	bpf_xdp_detach((int)ifindex, 0, NULL);
	return 0;
}

/* --- packets ---------------------------------------------------------------------------------- */

struct shape {
	bool is_v6;
	unsigned tags;
	uint16_t tag_type;    /* 0: 802.1Q */
	unsigned options;     /* bytes of IPv4 options */
	uint16_t fragment;    /* IPv4: flags and offset */
	uint8_t protocol;     /* 0: UDP */
	uint8_t version_ihl;  /* 0: as it should be */
	uint16_t ethertype;   /* 0: that of the IP version */
	uint16_t destination; /* 0: PORT */
	uint16_t source;
};

static uint8_t packet[256];

static void put16(unsigned *at, uint16_t value)
{
	packet[(*at)++] = (uint8_t)(value >> 8);
	packet[(*at)++] = (uint8_t)value;
}

/* Writes the headers of a packet; returns where the UDP header ends. */
static unsigned write_packet(const struct shape *s)
{
	uint8_t protocol = s->protocol ? s->protocol : IPPROTO_UDP;
	unsigned at = 12, ip;

	memset(packet, 0, sizeof(packet));
	for (unsigned i = 0; i < s->tags; i++) {
		put16(&at, s->tag_type ? s->tag_type : ETH_P_8021Q);
		put16(&at, (uint16_t)(100 + i));
	}
	put16(&at, s->ethertype ? s->ethertype : s->is_v6 ? ETH_P_IPV6 : ETH_P_IP);
	ip = at;
	if (s->is_v6) {
		packet[ip] = s->version_ihl ? s->version_ihl : 0x60;
		packet[ip + 6] = protocol;
		at += 40;
	} else {
		packet[ip] = s->version_ihl ? s->version_ihl : (uint8_t)(0x45 + s->options / 4);
		at = ip + 6;
		put16(&at, s->fragment);
		packet[ip + 9] = protocol;
		at = ip + 20 + s->options;
	}
	put16(&at, s->source ? s->source : 50000);
	put16(&at, s->destination ? s->destination : PORT);
	return at + 4;
}

static uint32_t verdict(unsigned len)
{
	struct bpf_test_run_opts o = {
		.sz = sizeof(o), .data_in = packet, .data_size_in = len, .repeat = 1};

	assert_int_equal(bpf_prog_test_run_opts(program, &o), 0);
	return o.retval;
}

static uint32_t verdict_of(struct shape s)
{
	write_packet(&s);
	return verdict(sizeof(packet));
}

static void test_packets_to_our_ports_are_taken(void **state)
{
	(void)state;
	for (unsigned tags = 0; tags < 2; tags++) {
		for (unsigned options = 0; options <= 40; options += 4) {
			struct shape s = {.tags = tags, .options = options};

			assert_int_equal(verdict_of(s), XDP_REDIRECT);
			s.fragment = 0x4000; /* not to be fragmented */
			assert_int_equal(verdict_of(s), XDP_REDIRECT);
			s.destination = OTHER;
			assert_int_equal(verdict_of(s), XDP_REDIRECT);
		}
		assert_int_equal(verdict_of((struct shape){.is_v6 = true, .tags = tags}),
				 XDP_REDIRECT);
	}
}

static void test_all_else_is_the_kernels(void **state)
{
	const struct shape shapes[] = {
		{.ethertype = ETH_P_ARP},
		{.ethertype = ETH_P_LLDP},
		{.tags = 2},
		{.tags = 1, .tag_type = ETH_P_8021AD},
		{.version_ihl = 0x65},
		{.version_ihl = 0x44},
		{.protocol = IPPROTO_TCP},
		{.protocol = IPPROTO_ICMP},
		{.destination = PORT + 1},
		{.destination = 0xb512}, /* PORT in the other byte order */
		{.destination = 53, .source = PORT},
		{.fragment = 0x2000},
		{.fragment = 0x0001},
		{.fragment = 0x1fff},
		{.is_v6 = true, .version_ihl = 0x45},
		{.is_v6 = true, .protocol = IPPROTO_ICMPV6},
		{.is_v6 = true, .protocol = IPPROTO_FRAGMENT},
		{.is_v6 = true, .protocol = IPPROTO_DSTOPTS},
		{.is_v6 = true, .destination = 53},
		{.is_v6 = true, .ethertype = ETH_P_IP},
		{.ethertype = ETH_P_IPV6},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (verdict_of(shapes[i]) != XDP_PASS)
			fail_msg("packet %zu was taken", i);
}

/* Free places of the map are 0, which is no port of ours. */
static void test_port_0_is_the_kernels(void **state)
{
	unsigned end = write_packet(&(struct shape){0});

	(void)state;
	packet[end - 6] = packet[end - 5] = 0;
	assert_int_equal(verdict(sizeof(packet)), XDP_PASS);
}

static void test_cut_off_packets_are_the_kernels(void **state)
{
	const struct shape shapes[] = {
		{.tags = 0},
		{.options = 40},
		{.tags = 1, .options = 8},
		{.is_v6 = true},
		{.is_v6 = true, .tags = 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		unsigned end = write_packet(&shapes[i]);

		for (unsigned len = ETH_HLEN; len < end; len++)
			assert_int_equal(verdict(len), XDP_PASS);
		assert_int_equal(verdict(end), XDP_REDIRECT);
	}
}

static void test_queue_without_socket_is_the_kernels(void **state)
{
	uint32_t queue = 0;

	(void)state;
	assert_int_equal(bpf_map_delete_elem(sockets, &queue), 0);
	assert_int_equal(verdict_of((struct shape){0}), XDP_PASS);
	assert_int_equal(bpf_map_update_elem(sockets, &queue, &afxdp, BPF_ANY), 0);
	assert_int_equal(verdict_of((struct shape){0}), XDP_REDIRECT);
}

/* --- ports ------------------------------------------------------------------------------------ */

static void test_ports_are_exactly_those(void **state)
{
	const uint16_t first[] = {PORT, OTHER, 65535}, second[] = {PORT, 1};
	struct xdp_ports now, none = {0};
	struct err e = {0};
	uint32_t key = 0;

	(void)state;
	assert_int_equal(xdp_set_ports(ifindex, first, 3, &e), 0);
	assert_int_equal(verdict_of((struct shape){.destination = 65535}), XDP_REDIRECT);
	assert_int_equal(xdp_set_ports(ifindex, second, 2, &e), 0);
	assert_int_equal(bpf_map_lookup_elem(ports, &key, &now), 0);
	assert_int_equal(now.port[0], htons(PORT));
	assert_int_equal(now.port[1], htons(1));
	for (int i = 2; i < XDP_MAX_PORTS; i++)
		assert_int_equal(now.port[i], 0);
	assert_int_equal(verdict_of((struct shape){.destination = OTHER}), XDP_PASS);
	assert_int_equal(xdp_set_ports(ifindex, NULL, 0, &e), 0);
	assert_int_equal(bpf_map_lookup_elem(ports, &key, &now), 0);
	assert_memory_equal(&now, &none, sizeof(now));
	assert_int_equal(verdict_of((struct shape){0}), XDP_PASS);
}

static void test_wrong_ports_are_refused(void **state)
{
	uint16_t many[XDP_MAX_PORTS + 1];
	struct err e = {0};

	(void)state;
	for (uint16_t i = 0; i <= XDP_MAX_PORTS; i++)
		many[i] = (uint16_t)(1000 + i);
	assert_int_equal(xdp_set_ports(ifindex, many, XDP_MAX_PORTS + 1, &e), -EINVAL);
	assert_non_null(strstr(e.text, DEVICE));
	assert_int_equal(xdp_set_ports(ifindex, many, XDP_MAX_PORTS, &e), 0);
	many[1] = 0;
	assert_int_equal(xdp_set_ports(ifindex, many, 2, &e), -EINVAL);
	assert_int_equal(verdict_of((struct shape){.destination = 1015}), XDP_REDIRECT);
}

static void test_ports_need_our_program(void **state)
{
	const uint16_t port = PORT;
	struct err e = {0};

	(void)state;
	assert_int_equal(xdp_set_ports(ifindex, &port, 1, &e), -ENOENT);
	assert_non_null(strstr(e.text, DEVICE));
	assert_int_equal(xdp_set_ports(12345, &port, 1, &e), -ENOENT);
	assert_non_null(strstr(e.text, "12345"));
}

/* --- what is attached ------------------------------------------------------------------------- */

static uint32_t attached(void)
{
	uint32_t id = 0;

	assert_int_equal(bpf_xdp_query_id((int)ifindex, 0, &id), 0);
	return id;
}

static void test_our_program_is_detached(void **state)
{
	const uint32_t modes[] = {0, XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE};
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		assert_int_equal(bpf_xdp_attach((int)ifindex, program, modes[i], NULL), 0);
		assert_int_not_equal(attached(), 0);
		assert_int_equal(xdp_clear(ifindex, DEVICE, &e), 0);
		assert_int_equal(attached(), 0);
	}
	assert_int_equal(xdp_clear(ifindex, DEVICE, &e), 0);
}

static void test_anothers_program_stays(void **state)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "firewall", "BSD", pass, 2, NULL);
	const uint16_t port = PORT;
	struct err e = {0};
	char id[32];

	(void)state;
	assert_return_code(fd, errno);
	assert_int_equal(bpf_xdp_attach((int)ifindex, fd, 0, NULL), 0);
	snprintf(id, sizeof(id), "id %u", attached());
	assert_int_equal(xdp_clear(ifindex, DEVICE, &e), -EBUSY);
	assert_non_null(strstr(e.text, DEVICE));
	assert_non_null(strstr(e.text, "firewall"));
	assert_non_null(strstr(e.text, id));
	assert_int_not_equal(attached(), 0);
	assert_int_equal(xdp_set_ports(ifindex, &port, 1, &e), -ENOENT);
	assert_non_null(strstr(e.text, "firewall"));
	close(fd);
}

static void test_device_that_is_not_there(void **state)
{
	struct err e = {0};

	(void)state;
	assert_int_equal(xdp_clear(12345, "stint9", &e), -ENOENT);
	assert_non_null(strstr(e.text, "stint9"));
}

/* The daemon, which keeps few capabilities, loads the program itself and so may use it. After a
 * restart the program is one that only CAP_SYS_ADMIN can tell from another's. */
static int child_without_sys_admin(void)
{
	const uint16_t port = 5000;
	struct err e = {0};

	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN, CAP_BPF,
			  -1) < 0 ||
	    capng_apply(CAPNG_SELECT_CAPS) < 0)
		return 1;
	if (xdp_set_ports(ifindex, &port, 1, &e) != 0)
		return 2;
	bpf_object__close(object);
	if (xdp_set_ports(ifindex, &port, 1, &e) != -EACCES || !strstr(e.text, DEVICE))
		return 3;
	if (xdp_clear(ifindex, DEVICE, &e) != -EACCES || !strstr(e.text, "CAP_SYS_ADMIN"))
		return 4;
	return 0;
}

static void test_few_capabilities_are_enough_for_the_owner(void **state)
{
	int status = -1;
	pid_t pid = fork();

	(void)state;
	assert_return_code(pid, errno);
	if (pid == 0)
		_exit(child_without_sys_admin());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(verdict_of((struct shape){.destination = 5000}), XDP_REDIRECT);
}

/* --- the object file -------------------------------------------------------------------------- */

static void test_object_is_found_beside_the_program(void **state)
{
	char folder[PATH_MAX], path[PATH_MAX + 16];
	ssize_t n = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
	struct err e = {0};
	FILE *f;

	(void)state;
	assert_true(n > 0);
	folder[n] = '\0';
	strcpy(strrchr(folder, '/'), "/xdp");
	snprintf(path, sizeof(path), "%s/uplink.o", folder);
	unlink(path);
	assert_null(xdp_object_path(&e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_true(mkdir(folder, 0700) == 0 || errno == EEXIST);
	f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
	assert_string_equal(xdp_object_path(&e), path);
	unlink(path);
	rmdir(folder);
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, attach, detach)
	const struct CMUnitTest tests[] = {
		ATTACHED(test_packets_to_our_ports_are_taken),
		ATTACHED(test_all_else_is_the_kernels),
		ATTACHED(test_port_0_is_the_kernels),
		ATTACHED(test_cut_off_packets_are_the_kernels),
		ATTACHED(test_queue_without_socket_is_the_kernels),
		ATTACHED(test_ports_are_exactly_those),
		ATTACHED(test_wrong_ports_are_refused),
		cmocka_unit_test(test_ports_need_our_program),
		cmocka_unit_test_teardown(test_our_program_is_detached, detach),
		cmocka_unit_test_teardown(test_anothers_program_stays, detach),
		cmocka_unit_test(test_device_that_is_not_there),
		ATTACHED(test_few_capabilities_are_enough_for_the_owner),
		cmocka_unit_test(test_object_is_found_beside_the_program),
	};

	return cmocka_run_group_tests_name("xdp", tests, load, unload);
}
