/* SPDX-License-Identifier: BSD-3-Clause */
/* A network's forwarding database. */
#include "vswitch/fdb.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define WAYS     8
#define MAC_MASK ((1ULL << 48) - 1)
#define STATIC   (1ULL << 63)

struct fdb_bucket {
	_Atomic uint64_t way[WAYS];
} __attribute__((aligned(64)));

struct fdb {
	uint32_t mask; /* buckets - 1 */
	uint64_t seed; /* secret, odd: a guest cannot choose addresses that share a bucket */
	_Atomic uint32_t *seen_s;
	struct fdb_bucket *bucket;
};

_Static_assert(sizeof(struct fdb_bucket) == 64, "a bucket is one cache line");

static uint64_t entry_make(uint64_t mac, uint16_t port, bool is_static)
{
	return mac | (uint64_t)port << 48 | (is_static ? STATIC : 0);
}

static uint16_t entry_port(uint64_t e)
{
	return (uint16_t)(e >> 48) & FDB_NO_PORT;
}

static uint32_t bucket_of(const struct fdb *f, uint64_t mac)
{
	uint64_t h = (mac ^ f->seed >> 16) * f->seed;

	h ^= h >> 32;
	h *= 0x9e3779b97f4a7c15ULL;
	return (uint32_t)(h >> 40) & f->mask;
}

struct fdb *fdb_create(uint32_t size)
{
	struct fdb *f = calloc(1, sizeof(*f));
	uint32_t buckets = 1;

	if (!f)
		return NULL;
	while (buckets * WAYS < size)
		buckets *= 2;
	f->mask = buckets - 1;
	if (getrandom(&f->seed, sizeof(f->seed), 0) != sizeof(f->seed))
		f->seed = (uintptr_t)f * 0x9e3779b97f4a7c15ULL;
	f->seed |= 1;
	f->bucket = aligned_alloc(64, buckets * sizeof(*f->bucket));
	f->seen_s = calloc((size_t)buckets * WAYS, sizeof(*f->seen_s));
	if (!f->bucket || !f->seen_s) {
		fdb_destroy(f);
		return NULL;
	}
	memset(f->bucket, 0, buckets * sizeof(*f->bucket));
	return f;
}

void fdb_destroy(struct fdb *f)
{
	if (!f)
		return;
	free(f->bucket);
	free(f->seen_s);
	free(f);
}

uint32_t fdb_capacity(const struct fdb *f)
{
	return (f->mask + 1) * WAYS;
}

static uint64_t load(const _Atomic uint64_t *way)
{
	return atomic_load_explicit(way, memory_order_relaxed);
}

/* The way that holds `mac`, or -1. Address zero marks a free way; nobody learns it. */
static int way_of(const struct fdb_bucket *b, uint64_t mac)
{
	for (int i = 0; i < WAYS; i++)
		if ((load(&b->way[i]) & MAC_MASK) == mac)
			return i;
	return -1;
}

void fdb_prefetch(const struct fdb *f, uint64_t mac)
{
	__builtin_prefetch(&f->bucket[bucket_of(f, mac)]);
}

uint16_t fdb_lookup(const struct fdb *f, uint64_t mac)
{
	const struct fdb_bucket *b = &f->bucket[bucket_of(f, mac)];

	for (int i = 0; i < WAYS; i++) {
		uint64_t e = load(&b->way[i]);

		if ((e & MAC_MASK) == mac)
			return e ? entry_port(e) : FDB_NO_PORT;
	}
	return FDB_NO_PORT;
}

static bool swap(struct fdb *f, uint32_t bucket, int way, uint64_t from, uint64_t to,
		 uint32_t now_s)
{
	if (!atomic_compare_exchange_strong(&f->bucket[bucket].way[way], &from, to))
		return false;
	atomic_store_explicit(&f->seen_s[bucket * WAYS + (uint32_t)way], now_s,
			      memory_order_relaxed);
	return true;
}

/* The way to put a new entry in: a free one, else the learned one unseen for longest, else -1. */
static int way_for_new(const struct fdb *f, uint32_t bucket)
{
	const struct fdb_bucket *b = &f->bucket[bucket];
	uint32_t oldest_s = UINT32_MAX;
	int best = -1;

	for (int i = 0; i < WAYS; i++) {
		uint64_t e = load(&b->way[i]);
		uint32_t seen_s;

		if (e == 0)
			return i;
		if (e & STATIC)
			continue;
		seen_s = atomic_load_explicit(&f->seen_s[bucket * WAYS + (uint32_t)i],
					      memory_order_relaxed);
		if (seen_s < oldest_s || best < 0) {
			oldest_s = seen_s;
			best = i;
		}
	}
	return best;
}

static enum fdb_learned refresh(struct fdb *f, uint32_t bucket, int way, uint64_t e, uint16_t port,
				uint32_t now_s, bool may_add, uint16_t *loser)
{
	_Atomic uint32_t *seen_s = &f->seen_s[bucket * WAYS + (uint32_t)way];

	if (entry_port(e) == port) {
		/* Once a second at most: the line is shared with other workers. */
		if (atomic_load_explicit(seen_s, memory_order_relaxed) != now_s)
			atomic_store_explicit(seen_s, now_s, memory_order_relaxed);
		return FDB_KNOWN;
	}
	if (e & STATIC)
		return FDB_STATIC;
	if (!may_add)
		return FDB_FULL;
	if (!swap(f, bucket, way, e, entry_make(e & MAC_MASK, port, false), now_s))
		return FDB_KNOWN; /* moved or aged meanwhile: the next packet tries again */
	*loser = entry_port(e);
	return FDB_MOVED;
}

enum fdb_learned fdb_learn(struct fdb *f, uint64_t mac, uint16_t port, uint32_t now_s, bool may_add,
			   uint16_t *loser)
{
	uint32_t bucket = bucket_of(f, mac);
	int way = way_of(&f->bucket[bucket], mac);
	uint64_t e;

	*loser = FDB_NO_PORT;
	if (way >= 0) {
		e = load(&f->bucket[bucket].way[way]);
		if ((e & MAC_MASK) == mac)
			return refresh(f, bucket, way, e, port, now_s, may_add, loser);
	}
	if (!may_add)
		return FDB_FULL;
	way = way_for_new(f, bucket);
	if (way < 0)
		return FDB_FULL;
	e = load(&f->bucket[bucket].way[way]);
	if (e & STATIC || !swap(f, bucket, way, e, entry_make(mac, port, false), now_s))
		return FDB_FULL; /* another worker was there first: the next packet tries again */
	if (e != 0)
		*loser = entry_port(e);
	return FDB_NEW;
}

int fdb_add_static(struct fdb *f, uint64_t mac, uint16_t port)
{
	uint32_t bucket = bucket_of(f, mac);
	uint64_t e;
	int way;

	do {
		way = way_of(&f->bucket[bucket], mac);
		if (way < 0)
			way = way_for_new(f, bucket);
		if (way < 0)
			return -ENOSPC;
		e = load(&f->bucket[bucket].way[way]);
		if (e & STATIC && (e & MAC_MASK) == mac)
			return -EEXIST;
	} while (e & STATIC || !swap(f, bucket, way, e, entry_make(mac, port, true), 0));
	return 0;
}

/* What the word in a way of a bucket says. */
static struct fdb_entry entry_of(const struct fdb *f, uint32_t bucket, int way, uint64_t e)
{
	return (struct fdb_entry){
		.mac = e & MAC_MASK,
		.port = entry_port(e),
		.is_static = e & STATIC,
		.seen_s = atomic_load_explicit(&f->seen_s[bucket * WAYS + (uint32_t)way],
					       memory_order_relaxed),
	};
}

int fdb_remove(struct fdb *f, uint64_t mac, struct fdb_entry *was)
{
	uint32_t bucket = bucket_of(f, mac);
	uint64_t e;
	int way;

	do {
		way = way_of(&f->bucket[bucket], mac);
		if (way < 0)
			return -ENOENT;
		e = load(&f->bucket[bucket].way[way]);
		*was = entry_of(f, bucket, way, e);
	} while (was->mac != mac || !swap(f, bucket, way, e, 0, 0));
	return 0;
}

void fdb_sweep(struct fdb *f, bool (*fn)(void *ctx, const struct fdb_entry *e), void *ctx)
{
	for (uint32_t b = 0; b <= f->mask; b++) {
		for (int i = 0; i < WAYS; i++) {
			uint64_t e = load(&f->bucket[b].way[i]);
			struct fdb_entry entry = entry_of(f, b, i, e);

			if (e && fn(ctx, &entry))
				swap(f, b, i, e, 0, 0);
		}
	}
}
