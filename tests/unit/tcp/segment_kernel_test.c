/* SPDX-License-Identifier: BSD-3-Clause */
/* Our segments against those that the Linux kernel makes of the same packet, byte by byte: it is
 * given the packet by a packet socket with a virtio_net_hdr, for a tap device that takes no large
 * ones, in a network namespace of the test's own. */
#include "tcp/segment.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>

#include <rte_mbuf.h>
#include <rte_tcp.h>

#include "tests/fake/eal.h"
#include "tests/fake/tcp_packet.h"
#include "tests/fake/tun.h"

#define PACKETS    300
#define PATIENCE_S 60

static struct rte_mempool *pool;
static int tap = -1, out = -1;

static void configure(int s, unsigned long what, struct ifreq *ifr)
{
	if (ioctl(s, what, ifr) < 0)
		fail_msg("ioctl %#lx: %s", what, strerror(errno));
}

static int open_tap(void **state)
{
	struct ifreq ifr = {.ifr_name = "segments", .ifr_flags = IFF_TAP | IFF_NO_PI};
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int one = 1;

	(void)state;
	assert_return_code(unshare(CLONE_NEWNET), errno);
	tap = fake_tun_open();
	assert_return_code(tap, -tap);
	configure(tap, TUNSETIFF, &ifr);
	out = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_return_code(out, errno);
	ifr.ifr_qlen = 2000; /* all segments of a packet */
	configure(out, SIOCSIFTXQLEN, &ifr);
	ifr.ifr_mtu = 9000;
	configure(out, SIOCSIFMTU, &ifr);
	ifr.ifr_flags = IFF_UP;
	configure(out, SIOCSIFFLAGS, &ifr);
	configure(out, SIOCGIFINDEX, &ifr);
	at.sll_ifindex = ifr.ifr_ifindex;
	assert_return_code(bind(out, (struct sockaddr *)&at, sizeof(at)), errno);
	assert_return_code(setsockopt(out, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), errno);
	return 0;
}

static int close_tap(void **state)
{
	(void)state;
	close(out);
	close(tap);
	return 0;
}

static void give_to_kernel(const struct tcp_shape *c)
{
	static uint8_t packet[TCP_PACKET_MAX];
	struct tcp_lens lens;
	uint32_t len = tcp_packet_write(packet, c, &lens);
	struct virtio_net_hdr h = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = c->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = (uint16_t)(lens.l2 + lens.l3 + lens.l4),
		.gso_size = c->mss,
		.csum_start = (uint16_t)(lens.l2 + lens.l3),
		.csum_offset = offsetof(struct rte_tcp_hdr, cksum),
	};
	struct iovec iov[2] = {{&h, sizeof(h)}, {packet, len}};

	if (c->flags & RTE_TCP_CWR_FLAG)
		h.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	assert_int_equal(writev(out, iov, 2), sizeof(h) + len);
}

/* The next frame from the tap device that is one of ours: the kernel has its own. */
static uint32_t read_segment(uint8_t *to, uint32_t size)
{
	static const uint8_t ours[6] = {2, 0, 0, 0, 0, 1};
	struct pollfd p = {.fd = tap, .events = POLLIN};

	for (;;) {
		ssize_t n;

		assert_int_equal(poll(&p, 1, PATIENCE_S * 1000), 1);
		n = read(tap, to, size);
		if (n >= 14 && memcmp(to, ours, sizeof(ours)) == 0)
			return (uint32_t)n;
	}
}

static void compare(const struct tcp_shape *c)
{
	static uint8_t kernels[TCP_PACKET_MAX], flat[TCP_PACKET_MAX];
	struct rte_mbuf *m = tcp_packet_make(pool, c), *part;
	struct segmenter s;

	assert_int_equal(segment_begin(&s, m), 0);
	give_to_kernel(c);
	while ((part = segment_next(&s, pool))) {
		const uint8_t *p = rte_pktmbuf_read(part, 0, part->pkt_len, flat);

		assert_int_equal(read_segment(kernels, sizeof(kernels)), part->pkt_len);
		assert_memory_equal(p, kernels, part->pkt_len);
		rte_pktmbuf_free(part);
	}
	assert_int_equal(segment_count(&s), 0);
	rte_pktmbuf_free(m);
}

static void test_segments_are_the_kernels(void **state)
{
	(void)state;
	srand(2);
	for (int i = 0; i < PACKETS; i++) {
		struct tcp_shape c = tcp_shape_random(500);

		c.flags |= RTE_TCP_ACK_FLAG;
		c.len += c.mss; /* at least two segments */
		compare(&c);
	}
	assert_true(rte_mempool_full(pool));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_segments_are_the_kernels),
	};

	if (fake_eal_init("segment_kernel_test") < 0)
		return 1;
	pool = fake_eal_pool("segment", 255);
	return cmocka_run_group_tests_name("segment_kernel", tests, open_tap, close_tap);
}
