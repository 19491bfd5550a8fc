/* SPDX-License-Identifier: BSD-3-Clause */
/* A network's neighbours. */
#include "vswitch/neigh_table.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <rte_pause.h>

#define WAYS  6
#define TRIES 10 /* of a worker, for a bucket's lock */

struct entry {
	uint8_t ip[16]; /* of IPv4: mapped into IPv6 */
	uint64_t mac;   /* 0: the way is free */
	uint32_t seen_s;
	uint32_t settled_s;
	uint16_t origin;
	uint8_t flags;
	bool is_static;
};

struct bucket {
	_Atomic bool is_locked;
	struct entry way[WAYS];
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct bucket) == 256, "a bucket is four cache lines");

struct neigh_table {
	uint32_t mask;    /* buckets - 1 */
	uint64_t seed[2]; /* secret: a guest cannot choose addresses that share a bucket */
	struct bucket *bucket;
	_Atomic uint32_t learned[NEIGH_FROM_WIRE + 1]; /* from each origin, in the table now, */
	_Atomic uint32_t n_learned;                    /* and from all */
};

/* --- buckets -----------------------------------------------------------------------------------
 */

static void to_key(const struct ip_addr *a, uint8_t key[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (a->is_v6) {
		memcpy(key, a->bytes, 16);
		return;
	}
	memcpy(key, mapped, sizeof(mapped));
	memcpy(key + sizeof(mapped), a->bytes, 4);
}

static struct ip_addr from_key(const uint8_t key[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct ip_addr a = {.is_v6 = memcmp(key, mapped, sizeof(mapped)) != 0};

	if (a.is_v6)
		memcpy(a.bytes, key, 16);
	else
		memcpy(a.bytes, key + sizeof(mapped), 4);
	return a;
}

static struct bucket *bucket_of(const struct neigh_table *t, const uint8_t key[16])
{
	unsigned __int128 product;
	uint64_t half[2], h;

	memcpy(half, key, sizeof(half));
	product = (unsigned __int128)(half[0] ^ t->seed[0]) * (half[1] ^ t->seed[1]);
	h = (uint64_t)product ^ (uint64_t)(product >> 64);
	h *= 0x9e3779b97f4a7c15ULL;
	return &t->bucket[(uint32_t)(h >> 40) & t->mask];
}

static bool try_lock(struct bucket *b)
{
	return !atomic_exchange_explicit(&b->is_locked, true, memory_order_acquire);
}

/* A worker's try: who holds the lock is soon done, unless the kernel took its core away. */
static bool lock_soon(struct bucket *b)
{
	for (int i = 0; i < TRIES; i++) {
		if (try_lock(b))
			return true;
		rte_pause();
	}
	return false;
}

/* Control's, which may wait. */
static void lock(struct bucket *b)
{
	while (!try_lock(b))
		sched_yield();
}

static void unlock(struct bucket *b)
{
	atomic_store_explicit(&b->is_locked, false, memory_order_release);
}

static struct entry *find(struct bucket *b, const uint8_t key[16])
{
	for (int i = 0; i < WAYS; i++)
		if (b->way[i].mac != 0 && memcmp(b->way[i].ip, key, 16) == 0)
			return &b->way[i];
	return NULL;
}

/* The way for a new neighbour: a free one, else the learned one unseen for longest, else NULL. */
static struct entry *way_for_new(struct bucket *b)
{
	struct entry *best = NULL;

	for (int i = 0; i < WAYS; i++) {
		struct entry *e = &b->way[i];

		if (e->mac == 0)
			return e;
		if (!e->is_static && (!best || e->seen_s < best->seen_s))
			best = e;
	}
	return best;
}

/* --- entries: their bucket is locked -----------------------------------------------------------
 */

static void count(struct neigh_table *t, const struct entry *e, bool is_more)
{
	if (e->mac == 0 || e->is_static)
		return;
	atomic_fetch_add_explicit(&t->learned[e->origin], is_more ? 1u : -1u, memory_order_relaxed);
	atomic_fetch_add_explicit(&t->n_learned, is_more ? 1u : -1u, memory_order_relaxed);
}

static void replace(struct neigh_table *t, struct entry *e, const struct entry *by)
{
	count(t, e, false);
	*e = *by;
	count(t, e, true);
}

static struct neigh neigh_of(const struct entry *e)
{
	return (struct neigh){
		.address = from_key(e->ip),
		.mac = e->mac,
		.flags = e->flags,
		.is_static = e->is_static,
		.origin = e->origin,
		.seen_s = e->seen_s,
		.settled_s = e->settled_s,
	};
}

static struct entry entry_of(const struct neigh *n)
{
	struct entry e = {
		.mac = n->mac,
		.seen_s = n->seen_s,
		.settled_s = n->settled_s,
		.origin = n->origin,
		.flags = n->flags,
		.is_static = n->is_static,
	};

	to_key(&n->address, e.ip);
	return e;
}

/* Whether second `now_s` is before `then_s`. Both wrap around. */
static bool is_before(uint32_t now_s, uint32_t then_s)
{
	return (int32_t)(then_s - now_s) > 0;
}

/* --- the table ---------------------------------------------------------------------------------
 */

struct neigh_table *neigh_table_create(uint32_t size)
{
	struct neigh_table *t = calloc(1, sizeof(*t));
	uint32_t buckets = 1;

	if (!t)
		return NULL;
	while (buckets * WAYS < size)
		buckets *= 2;
	t->mask = buckets - 1;
	if (getrandom(t->seed, sizeof(t->seed), 0) != sizeof(t->seed))
		t->seed[0] = t->seed[1] = (uintptr_t)t * 0x9e3779b97f4a7c15ULL;
	t->bucket = aligned_alloc(64, buckets * sizeof(*t->bucket));
	if (!t->bucket) {
		free(t);
		return NULL;
	}
	memset(t->bucket, 0, buckets * sizeof(*t->bucket));
	return t;
}

void neigh_table_destroy(struct neigh_table *t)
{
	if (!t)
		return;
	free(t->bucket);
	free(t);
}

bool neigh_table_find(struct neigh_table *t, const struct ip_addr *address, uint32_t now_s,
		      struct neigh *found)
{
	const struct entry *e;
	struct bucket *b;
	uint8_t key[16];

	to_key(address, key);
	b = bucket_of(t, key);
	if (!lock_soon(b))
		return false;
	e = find(b, key);
	if (e)
		*found = neigh_of(e);
	unlock(b);
	return e && (found->is_static || !is_before(now_s, found->settled_s));
}

/* Changes a learned neighbour by a claim of the same or another station. */
static void update(struct neigh_table *t, struct entry *e, struct entry *claim, uint32_t now_s,
		   bool may_add)
{
	bool is_other = claim->mac != e->mac;

	if (claim->origin != e->origin && !may_add) {
		e->settled_s = is_other ? now_s + NEIGH_SETTLE_S : e->settled_s;
		return;
	}
	claim->settled_s = is_other ? now_s + NEIGH_SETTLE_S : e->settled_s;
	replace(t, e, claim);
}

void neigh_table_learn(struct neigh_table *t, const struct neigh *n, uint32_t now_s, uint32_t limit)
{
	bool may_add = atomic_load_explicit(&t->learned[n->origin], memory_order_relaxed) < limit;
	struct entry claim = entry_of(n), *e;
	struct bucket *b = bucket_of(t, claim.ip);

	claim.is_static = false;
	claim.seen_s = now_s;
	claim.settled_s = now_s;
	if (!lock_soon(b))
		return; /* the next packet tries again */
	e = find(b, claim.ip);
	if (e && !e->is_static)
		update(t, e, &claim, now_s, may_add);
	if (!e && may_add) {
		e = way_for_new(b);
		if (e)
			replace(t, e, &claim);
	}
	unlock(b);
}

void neigh_table_doubt(struct neigh_table *t, const struct ip_addr *address, uint64_t mac,
		       uint32_t now_s)
{
	struct bucket *b;
	struct entry *e;
	uint8_t key[16];

	to_key(address, key);
	b = bucket_of(t, key);
	if (!lock_soon(b))
		return;
	e = find(b, key);
	if (e && e->mac != mac)
		e->settled_s = now_s + NEIGH_SETTLE_S;
	unlock(b);
}

int neigh_table_add(struct neigh_table *t, const struct neigh *n)
{
	struct entry new = entry_of(n), *e;
	struct bucket *b = bucket_of(t, new.ip);
	int ret = 0;

	new.is_static = true;
	lock(b);
	e = find(b, new.ip);
	if (e && e->is_static)
		ret = -EEXIST;
	else if (!e && !(e = way_for_new(b)))
		ret = -ENOSPC;
	else
		replace(t, e, &new);
	unlock(b);
	return ret;
}

static const struct entry nobody;

int neigh_table_remove(struct neigh_table *t, const struct ip_addr *address)
{
	struct bucket *b;
	struct entry *e;
	uint8_t key[16];

	to_key(address, key);
	b = bucket_of(t, key);
	lock(b);
	e = find(b, key);
	if (e)
		replace(t, e, &nobody);
	unlock(b);
	return e ? 0 : -ENOENT;
}

/* Removes an entry if it is still what it was. */
static void remove_same(struct neigh_table *t, struct bucket *b, struct entry *e,
			const struct entry *was)
{
	lock(b);
	if (e->mac == was->mac && e->seen_s == was->seen_s && e->origin == was->origin &&
	    e->is_static == was->is_static && memcmp(e->ip, was->ip, sizeof(e->ip)) == 0)
		replace(t, e, &nobody);
	unlock(b);
}

void neigh_table_sweep(struct neigh_table *t, bool (*fn)(void *ctx, const struct neigh *n),
		       void *ctx)
{
	struct entry way[WAYS];

	for (uint32_t i = 0; i <= t->mask; i++) {
		struct bucket *b = &t->bucket[i];

		/* fn may take long, and workers do not wait for the lock. */
		lock(b);
		memcpy(way, b->way, sizeof(way));
		unlock(b);
		for (int k = 0; k < WAYS; k++) {
			const struct neigh n = neigh_of(&way[k]);

			if (n.mac != 0 && fn(ctx, &n))
				remove_same(t, b, &b->way[k], &way[k]);
		}
	}
}

static bool is_from(void *ctx, const struct neigh *n)
{
	return !n->is_static && n->origin == *(const uint16_t *)ctx;
}

void neigh_table_forget(struct neigh_table *t, uint16_t origin)
{
	if (atomic_load(&t->learned[origin]) > 0)
		neigh_table_sweep(t, is_from, &origin);
}

bool neigh_table_has_learned(const struct neigh_table *t)
{
	return atomic_load(&t->n_learned) > 0;
}
