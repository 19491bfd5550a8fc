/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet buffers of one owner, in memory of their own: hugepages while there are some, else
 * ordinary pages, so that what can be created does not depend on what else runs on the host.
 * Devices cannot use these buffers, as they have no IO addresses. */
#ifndef PKT_POOL_H
#define PKT_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct rte_mempool;

#define POOL_MBUF_ROOM 2048u /* data room of an mbuf after its headroom, in all pools */

struct pool_usage {
	uint64_t bytes;      /* memory of all pools */
	uint64_t huge_bytes; /* the part of it in hugepages */
	uint64_t limit;      /* limit of `bytes` */
};

/* Sets the memory that all pools may take together, and whether hugepages may not be used.
 * [control, before any pool] */
void pool_configure(uint64_t limit_bytes, bool no_huge);

/* Creates a pool of `packets` mbufs. NULL with *e filled, and nothing taken, when the limit or the
 * host's memory is not enough. Its pages are touched at once (from Linux 5.14 on), not on first
 * use. Any thread may allocate and free packets, and none ever waits for another. [control] */
struct rte_mempool *pool_create(const char *name, uint32_t packets, struct err *e);

/* A pool of `packets` mbufs with this data room behind their headroom, that has no memory yet: the
 * caller gives it some (rte_mempool_populate_*). Its free list is for threads of any kind. Each
 * thread of DPDK's may keep some `cache` free ones to itself: 0 where buffers are freed by other
 * threads than the one that takes them. NULL when DPDK has no room for it. [control] */
struct rte_mempool *pool_create_empty(const char *name, uint32_t packets, uint16_t room,
				      unsigned cache, unsigned flags);

/* Frees a pool, to which all packets have returned. NULL is fine. [control] */
void pool_destroy(struct rte_mempool *pool);

/* The memory that a pool of `packets` mbufs takes, in ordinary pages. */
uint64_t pool_bytes(uint32_t packets);

void pool_usage(struct pool_usage *u);

#endif
