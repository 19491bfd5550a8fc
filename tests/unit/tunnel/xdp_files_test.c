/* SPDX-License-Identifier: BSD-3-Clause */
/* DPDK's AF_XDP driver with our XDP program: a device of two queues, created and removed again and
 * again in one process. The device is a tap in a network namespace of the test's own, and the test
 * is the wire behind it. */
#include "tunnel/xdp_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <net/if.h>

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "tests/fake/eal.h"
#include "tests/fake/tun.h"
#include "tests/unit/tunnel/xdp_fixture.h"
#include "tunnel/xdp.h"

#define DEVICE     "stint0"
#define PORT       4789
#define QUEUES     2
#define MBUFS      2500 /* a queue; the driver keeps 2,048 */
#define PACKET     100
#define TIMES      3
#define PATIENCE_S 60

static int tap[QUEUES];
static unsigned ifindex;

static void configure(unsigned long what, struct ifreq *ifr)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_return_code(s, errno);
	assert_return_code(ioctl(s, what, ifr), errno);
	close(s);
}

static int open_tap(void **state)
{
	struct ifreq ifr = {.ifr_name = DEVICE, .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE};

	(void)state;
	xdp_init();
	assert_return_code(unshare(CLONE_NEWNET), errno);
	for (int q = 0; q < QUEUES; q++) {
		tap[q] = fake_tun_open();
		assert_return_code(tap[q], -tap[q]);
		assert_return_code(ioctl(tap[q], TUNSETIFF, &ifr), errno);
	}
	ifr.ifr_flags = IFF_UP;
	configure(SIOCSIFFLAGS, &ifr);
	ifindex = if_nametoindex(DEVICE);
	return 0;
}

static int close_tap(void **state)
{
	(void)state;
	for (int q = 0; q < QUEUES; q++)
		close(tap[q]);
	return 0;
}

static unsigned open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static unsigned mapped_sockets(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	unsigned n = 0;

	while (fgets(line, sizeof(line), f))
		n += strstr(line, " socket:[") != NULL;
	fclose(f);
	return n;
}

/* --- the device ------------------------------------------------------------------------------- */

struct device {
	struct xdp_files *files;
	struct rte_mempool *pool[QUEUES];
	uint16_t port;
};

static void remove_device(struct device *d)
{
	struct rte_eth_dev_info info;

	assert_int_equal(rte_eth_dev_info_get(d->port, &info), 0);
	rte_eth_dev_stop(d->port);
	assert_int_equal(rte_dev_remove(info.device), 0);
	xdp_files_destroy(d->files);
	/* The driver gives no mbufs back. */
	for (int q = 0; q < QUEUES; q++)
		rte_mempool_free(d->pool[q]);
}

static int set_up(struct device *d)
{
	const struct rte_eth_conf conf = {0};

	assert_int_equal(rte_eth_dev_configure(d->port, QUEUES, QUEUES, &conf), 0);
	for (uint16_t q = 0; q < QUEUES; q++) {
		if (rte_eth_rx_queue_setup(d->port, q, 256, 0, NULL, d->pool[q]) != 0)
			return -1;
		xdp_files_take(d->files);
		assert_int_equal(rte_eth_tx_queue_setup(d->port, q, 256, 0, NULL), 0);
	}
	return rte_eth_dev_start(d->port);
}

static void create_pools(struct device *d)
{
	static unsigned n;
	char name[32];

	for (int q = 0; q < QUEUES; q++) {
		snprintf(name, sizeof(name), "queue%u", n++);
		d->pool[q] = fake_eal_pool(name, MBUFS);
	}
}

/* Creates the device, at once or when the kernel has freed the queues of the one before. */
static void create_device(struct device *d)
{
	char args[PATH_MAX + 128];

	snprintf(args, sizeof(args), "net_af_xdp0,iface=" DEVICE ",queue_count=%d,xdp_prog=%s",
		 QUEUES, xdp_test_object());
	for (int i = 0; i < PATIENCE_S * 10; i++) {
		create_pools(d);
		d->files = xdp_files_create();
		assert_non_null(d->files);
		assert_int_equal(rte_dev_probe(args), 0);
		assert_int_equal(rte_eth_dev_get_port_by_name("net_af_xdp0", &d->port), 0);
		if (set_up(d) == 0)
			return;
		xdp_files_take(d->files);
		remove_device(d);
		usleep(100000);
	}
	fail_msg("the queues of " DEVICE " stay busy");
}

/* --- packets ---------------------------------------------------------------------------------- */

static void write_packet(uint8_t *to, uint16_t port)
{
	memset(to, 0, PACKET);
	memset(to, 0xff, ETH_ALEN);
	to[6] = 2;
	to[12] = ETH_P_IP >> 8;
	to[14] = 0x45;
	to[23] = IPPROTO_UDP;
	to[36] = (uint8_t)(port >> 8);
	to[37] = (uint8_t)port;
}

/* Sends a packet to another port, then one to ours, from the wire. Only ours is to come, by the
 * queue that it was sent by, with the queue's socket readable. It is sent back by that queue. */
static void exchange(const struct device *d, uint16_t q)
{
	struct pollfd wait = {.fd = xdp_files_socket(d->files, q), .events = POLLIN};
	uint8_t out[PACKET], in[2048];
	struct rte_mbuf *m = NULL;
	ssize_t n = 0;

	write_packet(out, 53);
	assert_int_equal(write(tap[q], out, sizeof(out)), sizeof(out));
	write_packet(out, PORT);
	assert_int_equal(write(tap[q], out, sizeof(out)), sizeof(out));
	assert_true(wait.fd >= 0);
	assert_int_equal(poll(&wait, 1, PATIENCE_S * 1000), 1);
	assert_int_equal(rte_eth_rx_burst(d->port, q, &m, 1), 1);
	assert_int_equal(rte_pktmbuf_pkt_len(m), PACKET);
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), out, PACKET);
	assert_int_equal(rte_eth_tx_burst(d->port, q, &m, 1), 1);
	do { /* the kernel sends packets of its own */
		struct pollfd wire = {.fd = tap[q], .events = POLLIN};

		assert_int_equal(poll(&wire, 1, PATIENCE_S * 1000), 1);
		n = read(tap[q], in, sizeof(in));
	} while (n != PACKET || memcmp(in, out, PACKET) != 0);
	assert_int_equal(rte_eth_rx_burst(d->port, q, &m, 1), 0);
}

static void test_devices_come_and_go(void **state)
{
	const uint16_t ports[] = {PORT};
	unsigned files = open_files();
	struct device d = {0};
	struct err e = {0};

	(void)state;
	for (int i = 0; i < TIMES; i++) {
		create_device(&d);
		assert_int_equal(xdp_files_socket(d.files, QUEUES), -1);
		assert_int_equal(xdp_set_ports(ifindex, ports, 1, &e), 0);
		for (uint16_t q = 0; q < QUEUES; q++)
			exchange(&d, q);
		remove_device(&d);
		assert_int_equal(open_files(), files);
		assert_int_equal(mapped_sockets(), 0);
	}
}

static void test_files_of_other_devices_stay(void **state)
{
	int other = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0), ours;
	struct xdp_files *f = xdp_files_create();

	(void)state;
	assert_return_code(other, errno);
	assert_non_null(f);
	xdp_files_take(f);
	assert_int_equal(xdp_files_socket(f, 0), -1);
	ours = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_return_code(ours, errno);
	xdp_files_take(f);
	assert_int_equal(xdp_files_socket(f, 0), ours);
	xdp_files_destroy(f);
	assert_int_equal(close(ours), -1);
	assert_int_equal(close(other), 0);
}

/* A number that has become that of another file is not ours to close. */
static void test_other_files_are_not_closed(void **state)
{
	struct xdp_files *f = xdp_files_create();
	int ours = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	(void)state;
	assert_non_null(f);
	assert_return_code(ours, errno);
	xdp_files_take(f);
	close(ours);
	assert_int_equal(socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0), ours);
	xdp_files_destroy(f);
	assert_int_equal(close(ours), 0);
	xdp_files_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files_of_other_devices_stay),
		cmocka_unit_test(test_other_files_are_not_closed),
		cmocka_unit_test(test_devices_come_and_go),
	};

	if (fake_eal_init("xdp_files_test") < 0)
		return 1;
	return cmocka_run_group_tests_name("xdp_files", tests, open_tap, close_tap);
}
