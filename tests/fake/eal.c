/* SPDX-License-Identifier: BSD-3-Clause */
/* A DPDK environment for unit tests. */
#include "tests/fake/eal.h"

#include "pkt/pool.h"

#include <stdio.h>
#include <stdlib.h>

#include <rte_eal.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf.h>

#include "ring/virtq.h"

int fake_eal_init(const char *name)
{
	static char prefix[64];
	char *argv[] = {(char *)(uintptr_t)name,
			"--no-huge",
			"--no-pci",
			"--no-shconf",
			"--no-telemetry",
			"-m",
			"256",
			"--file-prefix",
			prefix,
			"--log-level",
			"lib.eal:error",
			"-l",
			"0"};

	snprintf(prefix, sizeof(prefix), "stint-%s", name);
	return rte_eal_init(sizeof(argv) / sizeof(argv[0]), argv) < 0 ? -1 : 0;
}

struct rte_mempool *fake_eal_pool(const char *name, unsigned n)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create(
		name, n, 0, 0, RTE_PKTMBUF_HEADROOM + POOL_MBUF_ROOM, (int)rte_socket_id());

	if (!pool) {
		fprintf(stderr, "no memory for pool %s\n", name);
		abort();
	}
	return pool;
}

struct rte_mbuf *fake_eal_packet(struct rte_mempool *pool, const void *data, uint32_t len,
				 uint32_t seg)
{
	struct rte_mbuf *head = NULL, *last = NULL, *m;
	const uint8_t *from = data;
	uint32_t n;

	do {
		m = rte_pktmbuf_alloc(pool);
		if (!m) {
			fprintf(stderr, "pool %s is empty\n", pool->name);
			abort();
		}
		n = rte_pktmbuf_tailroom(m);
		if (seg && seg < n)
			n = seg;
		if (n > len)
			n = len;
		memcpy(rte_pktmbuf_append(m, (uint16_t)n), from, n);
		from += n;
		len -= n;
		if (!head) {
			head = m;
		} else {
			last->next = m;
			head->nb_segs++;
			head->pkt_len += n;
		}
		last = m;
	} while (len > 0);
	return head;
}
