/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet buffers of one owner, in memory of their own: hugepages while there are some, ordinary
 * pages otherwise, so that what can be created does not depend on what else runs on the host. They
 * are not for devices, which want addresses of their own kind. */
#ifndef PKT_POOL_H
#define PKT_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct rte_mempool;

#define POOL_MBUF_ROOM 2048u /* of an mbuf behind its headroom, in all pools */

struct pool_usage {
	uint64_t bytes;      /* of all pools */
	uint64_t huge_bytes; /* of these, in hugepages */
	uint64_t limit;      /* on `bytes` */
};

/* What all pools may take together, and whether hugepages may be used. [control, before any pool]
 */
void pool_configure(uint64_t limit_bytes, bool no_huge);

/* Creates a pool. NULL with *e filled when the limit, or the host's memory, is not enough: then
 * nothing was taken. Its pages are there when it returns. Packets may be allocated and freed by any
 * thread, none of which ever waits for another. [control] */
struct rte_mempool *pool_create(const char *name, uint32_t packets, struct err *e);

/* Frees it; all packets are back. NULL is fine. [control] */
void pool_destroy(struct rte_mempool *pool);

/* What a pool of so many packets takes. */
uint64_t pool_bytes(uint32_t packets);

void pool_usage(struct pool_usage *u);

#endif
