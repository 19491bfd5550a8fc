/* SPDX-License-Identifier: BSD-3-Clause */
/* A ring with both its ends in one test. Failures end the test, as cmocka's do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/fake/net_ring_rig.h"

#include <errno.h>
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
#define TABLE_BYTES (RIG_TABLE * sizeof(struct vring_desc))

void rig_open(struct rig *g, const struct rig_conf *conf)
{
	const uint64_t long_hdr = RIG_F(VIRTIO_F_VERSION_1) | RIG_F(VIRTIO_NET_F_MRG_RXBUF);
	struct virtq_conf vc;

	assert_int_equal(guest_fd_init(), 0);
	driver_mem_init(&g->mem, conf->regions ? conf->regions : 1,
			conf->region_size ? conf->region_size : REGION_SIZE, conf->adjacent);
	driver_mem_ring(&g->mem, &g->ring, conf->size, conf->features, conf->start);
	g->tables = NULL;
	if (conf->features & RIG_F(VIRTIO_RING_F_INDIRECT_DESC))
		g->tables = driver_mem_alloc(&g->mem, 0, conf->size * TABLE_BYTES, 16);
	g->call_fd = conf->no_call_fd ? -1 : eventfd(0, EFD_CLOEXEC);
	vc = driver_ring_conf(&g->ring, &g->mem.map, g->call_fd);
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

static int add_through_table(struct rig *g, const struct driver_buf *bufs, unsigned n)
{
	uint8_t *table = g->tables + g->ring.free_id * TABLE_BYTES;

	assert_true(g->tables && n <= RIG_TABLE);
	return driver_ring_add_indirect(&g->ring, table, driver_mem_gpa(&g->mem, table), bufs, n);
}

int rig_add(struct rig *g, const struct driver_buf *bufs, unsigned n, bool indirect)
{
	int id;

	if (g->ring.n_free == 0)
		return -ENOSPC;
	id = indirect ? add_through_table(g, bufs, n) : driver_ring_add(&g->ring, bufs, n);
	driver_ring_publish(&g->ring);
	return id;
}

bool rig_poll(struct rig *g, uint16_t *id, uint32_t *len)
{
	uint16_t at = g->ring.used_at;
	int used = driver_ring_poll(&g->ring, len);

	if (used == -EAGAIN)
		return false;
	assert_true(used >= 0);
	*id = (uint16_t)used;
	if (g->ring.packed)
		assert_int_equal(!(g->ring.pdesc[at].flags & VRING_DESC_F_WRITE), *len == 0);
	return true;
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
