/* SPDX-License-Identifier: BSD-3-Clause */
/* A DPDK environment for unit tests that need mbufs: no hugepages, no devices, no files. */
#ifndef FAKE_EAL_H
#define FAKE_EAL_H

#include <stdint.h>

struct rte_mempool;
struct rte_mbuf;

/* Starts EAL, once per test program, whose name must be its own. 0, or -1. */
int fake_eal_init(const char *name);

/* A pool of n mbufs as a VM's has; aborts the test program without. */
struct rte_mempool *fake_eal_pool(const char *name, unsigned n);

/* A packet with these bytes, in segments of at most `seg` bytes (0: as the pool has room). */
struct rte_mbuf *fake_eal_packet(struct rte_mempool *pool, const void *data, uint32_t len,
				 uint32_t seg);

#endif
