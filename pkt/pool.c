/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet buffers of one owner: mempools in memory of their own. */
#include "pkt/pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "base/log.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

#define HUGE_PAGE (2UL << 20)
#define PAGE      4096UL

/* Memory that must be left on the host after a pool was created. */
#define HOST_RESERVE (64UL << 20)

/* The free lists are lock-free stacks: with any kind of ring a worker could wait for another one
 * that was preempted. The pools have no caches per thread: workers that only free packets of a pool
 * would keep a good part of it in theirs. */
#define POOL_OPS "lf_stack"

static struct pool_usage usage;
static bool no_hugepages;
static bool told_ordinary; /* it was logged that hugepages have run out */

void pool_configure(uint64_t limit_bytes, bool no_huge)
{
	usage.limit = limit_bytes;
	no_hugepages = no_huge;
	told_ordinary = no_huge;
}

void pool_usage(struct pool_usage *u)
{
	*u = usage;
}

/* The size of an mbuf with its room and the mempool's own overhead. */
static size_t element_bytes(void)
{
	struct rte_mempool_objsz size;

	return rte_mempool_calc_obj_size(
		sizeof(struct rte_mbuf) + RTE_PKTMBUF_HEADROOM + POOL_MBUF_ROOM, 0, &size);
}

uint64_t pool_bytes(uint32_t packets)
{
	uint64_t bytes = (uint64_t)packets * element_bytes() + RTE_MEMPOOL_ALIGN;

	return (bytes + PAGE - 1) & ~(PAGE - 1);
}

static uint64_t available_bytes(void)
{
	static const char name[] = "MemAvailable:";
	unsigned long long kb = UINT64_MAX >> 10;
	FILE *f = fopen("/proc/meminfo", "re");
	char line[128];

	if (!f)
		return UINT64_MAX;
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, name, sizeof(name) - 1) == 0)
			kb = strtoull(line + sizeof(name) - 1, NULL, 10);
	fclose(f);
	return kb << 10;
}

/* Maps memory and touches all of its pages (Linux 5.14); NULL on failure. So a page that a cgroup
 * or another owner withholds is an error here, not a signal when a packet is written to it. */
static void *map(uint64_t bytes, int flags)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags,
			-1, 0);

	if (at == MAP_FAILED)
		return NULL;
	if (madvise(at, bytes, MADV_POPULATE_WRITE) == 0 || errno == EINVAL)
		return at;
	munmap(at, bytes);
	return NULL;
}

/* The memory of a pool's packets. The mempool keeps it in its list of chunks. */
struct chunk {
	uint64_t bytes;
	bool is_huge;
};

static void *map_chunk(uint64_t bytes, struct chunk *c)
{
	uint64_t huge = (bytes + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	void *at = no_hugepages ? NULL : map(huge, MAP_HUGETLB | (21 << MAP_HUGE_SHIFT));

	*c = (struct chunk){at ? huge : bytes, at != NULL};
	if (at)
		return at;
	if (!told_ordinary)
		log_info("memory: no hugepages are free, packets are in ordinary pages");
	told_ordinary = true;
	return map(bytes, 0);
}

static void count(const struct chunk *c, int sign)
{
	usage.bytes += (uint64_t)sign * c->bytes;
	usage.huge_bytes += c->is_huge ? (uint64_t)sign * c->bytes : 0;
}

static void unmap_chunk(struct rte_mempool_memhdr *memhdr, void *opaque)
{
	const struct chunk c = {memhdr->len, opaque != NULL};

	count(&c, -1);
	munmap(memhdr->addr, memhdr->len);
}

static int refuse(uint64_t bytes, const char *why, uint64_t a, uint64_t b, struct err *e)
{
	char text[128];

	snprintf(text, sizeof(text), why, (unsigned long long)(a >> 20),
		 (unsigned long long)(b >> 20));
	return err_set(e, ERR_NO_SPACE, NULL, "%llu MiB: %s", (unsigned long long)(bytes >> 20) + 1,
		       text);
}

static int check_room(uint64_t bytes, struct err *e)
{
	uint64_t available = available_bytes();

	if (usage.bytes + bytes > usage.limit)
		return refuse(bytes, "%llu of the %llu MiB that --memory allows are in use",
			      usage.bytes, usage.limit, e);
	if (available < bytes + HOST_RESERVE)
		return refuse(bytes, "the host has %llu MiB of memory left, and keeps %llu",
			      available, HOST_RESERVE, e);
	return 0;
}

struct rte_mempool *pool_create_empty(const char *name, uint32_t packets, uint16_t room,
				      unsigned cache, unsigned flags)
{
	const uint16_t data_room = (uint16_t)(RTE_PKTMBUF_HEADROOM + room);
	struct rte_pktmbuf_pool_private private = {.mbuf_data_room_size = data_room};
	struct rte_mempool *mp =
		rte_mempool_create_empty(name, packets, sizeof(struct rte_mbuf) + data_room, cache,
					 sizeof(private), SOCKET_ID_ANY, flags);

	if (!mp)
		return NULL;
	if (rte_mempool_set_ops_byname(mp, POOL_OPS, NULL) < 0) {
		rte_mempool_free(mp);
		return NULL;
	}
	rte_pktmbuf_pool_init(mp, &private);
	return mp;
}

struct rte_mempool *pool_create(const char *name, uint32_t packets, struct err *e)
{
	uint64_t bytes = pool_bytes(packets);
	struct rte_mempool *mp;
	struct chunk c;
	void *at;
	int n;

	if (check_room(bytes, e) < 0)
		return NULL;
	mp = pool_create_empty(name, packets, POOL_MBUF_ROOM, 0, RTE_MEMPOOL_F_NO_IOVA_CONTIG);
	at = mp ? map_chunk(bytes, &c) : NULL;
	if (!at) {
		rte_mempool_free(mp);
		err_set(e, ERR_NO_SPACE, NULL, "%llu MiB: %s",
			(unsigned long long)(bytes >> 20) + 1,
			mp ? strerror(ENOMEM) : "DPDK has no room for another pool");
		return NULL;
	}
	count(&c, 1);
	n = rte_mempool_populate_iova(mp, at, RTE_BAD_IOVA, c.bytes, unmap_chunk,
				      c.is_huge ? &usage : NULL);
	if (n <= 0) {
		count(&c, -1);
		munmap(at, c.bytes);
	}
	if (n < (int)packets) {
		rte_mempool_free(mp);
		err_set(e, ERR_INTERNAL, NULL, "%d of %u packets fit their memory", n, packets);
		return NULL;
	}
	rte_mempool_obj_iter(mp, rte_pktmbuf_init, NULL);
	return mp;
}

void pool_destroy(struct rte_mempool *pool)
{
	rte_mempool_free(pool);
}
