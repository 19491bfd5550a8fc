/* SPDX-License-Identifier: BSD-3-Clause */
/* A ring with both its ends in one test. Failures end the test, as cmocka's do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/fake/net_ring_rig.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <rte_mempool.h>

#include "ring/guest_fd.h"
#include "vhost/net_lent.h"

#define REGION_SIZE (8u << 20)

void rig_open(struct rig *g, const struct rig_conf *conf)
{
	const uint64_t long_hdr = RIG_F(VIRTIO_F_VERSION_1) | RIG_F(VIRTIO_NET_F_MRG_RXBUF);
	struct virtq_conf vc;

	assert_int_equal(guest_fd_init(), 0);
	driver_mem_init(&g->mem, conf->regions ? conf->regions : 1,
			conf->region_size ? conf->region_size : REGION_SIZE, conf->adjacent);
	driver_ring_init(&g->ring, &g->mem, conf->size, conf->features, conf->start);
	g->call_fd = conf->no_call_fd ? -1 : eventfd(0, EFD_CLOEXEC);
	vc = driver_ring_conf(&g->ring, g->call_fd);
	assert_int_equal(net_ring_open(&g->net, &vc), 0);
	g->loan = conf->lend ? net_lent_create() : NULL;
	g->hdr_len = conf->features & long_hdr ? 12 : 10;
}

void rig_close(struct rig *g, struct rte_mempool *pool)
{
	assert_true(driver_mem_guards_ok(&g->mem));
	if (pool)
		assert_true(rte_mempool_full(pool));
	net_lent_destroy(g->loan);
	driver_ring_free(&g->ring);
	driver_mem_free(&g->mem);
	if (g->call_fd >= 0)
		close(g->call_fd);
}

uint64_t rig_notified(struct rig *g)
{
	struct pollfd poll_fd = {.fd = g->call_fd, .events = POLLIN};
	uint64_t n = 0;

	/* It blocks, as a front end may make any. */
	if (poll(&poll_fd, 1, 0) != 1 || read(g->call_fd, &n, sizeof(n)) < 0)
		return 0;
	return n;
}

uint16_t rig_dequeue(struct rig *g, struct rte_mempool *pool, struct rte_mbuf **pkts,
		     const struct net_limits *limits, struct net_taken *work)
{
	struct pkt taken[NET_MAX_BURST];
	uint16_t n = net_dequeue(&g->net, pool, g->loan, taken, limits, work);

	for (uint16_t i = 0; i < n; i++) {
		pkts[i] = taken[i].m;
		if (pkt_is_lent(pkts[i]))
			pkts[i] = rte_pktmbuf_copy(pkts[i], pool, 0, UINT32_MAX);
		assert_non_null(pkts[i]);
	}
	if (g->loan)
		net_give_back(&g->net, g->loan);
	return n;
}

uint16_t rig_take(struct rig *g, struct rte_mempool *pool, struct rte_mbuf **pkts, uint16_t n,
		  struct net_taken *work)
{
	struct net_limits limits = {n, UINT32_MAX, UINT32_MAX, NULL};
	uint16_t got = 0, more;

	/* A chain of an odd shape ends a loan: what is behind it comes with the next. */
	do {
		limits.packets = n - got;
		more = rig_dequeue(g, pool, pkts + got, &limits, work);
		got += more;
	} while (g->loan && more > 0 && got < n);
	return got;
}

void rig_pattern(uint8_t *p, size_t n, uint32_t seed)
{
	uint32_t x = seed * 2654435761u + 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		p[i] = (uint8_t)(x >> 24);
	}
}
