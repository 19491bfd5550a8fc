/* SPDX-License-Identifier: BSD-3-Clause */
/* A network's forwarding database: MAC address -> port, learned or static.
 *
 * A fixed table of buckets, each one cache line of eight 64-bit entries (48 bits of address, 15 of
 * port, one says static). An entry is one atomic word, so that lookups take no lock and never see
 * half of one, and several workers may learn while the control thread ages. Memory is bounded by
 * the table's size, and each port by its own limit of learned addresses. */
#ifndef VSWITCH_FDB_H
#define VSWITCH_FDB_H

#include <stdbool.h>
#include <stdint.h>

struct fdb;

#define FDB_NO_PORT 0x7fff /* also the largest port number, which no port has */

/* A table for about `size` addresses (rounded up to a power of two), NULL when memory is short.
 * [control] */
struct fdb *fdb_create(uint32_t size);
void fdb_destroy(struct fdb *f);

/* Converts an address from six bytes on the wire to the 48-bit number that fdb functions take, and
 * back. */
static inline uint64_t fdb_mac(const uint8_t mac[6])
{
	uint64_t low;
	uint32_t hi;
	uint16_t lo;

	__builtin_memcpy(&hi, mac, 4);
	__builtin_memcpy(&lo, mac + 4, 2);
	low = hi;
	return low | (uint64_t)lo << 32;
}

static inline void fdb_mac_bytes(uint64_t mac, uint8_t bytes[6])
{
	for (int i = 0; i < 6; i++)
		bytes[i] = (uint8_t)(mac >> (8 * i));
}

/* Group (multicast or broadcast) addresses have the lowest bit of their first byte set. */
static inline bool fdb_mac_is_group(uint64_t mac)
{
	return mac & 1;
}

/* 01-80-C2-00-00-00 to -0F never pass a bridge (IEEE 802.1Q-2018, table 8-1). */
static inline bool fdb_mac_is_reserved(uint64_t mac)
{
	return (mac & 0xf0ffffffffffULL) == 0x000000c28001ULL;
}

/* Begins to load what fdb_lookup() of the address will read. [worker] */
void fdb_prefetch(const struct fdb *f, uint64_t mac);

/* The port behind an address, or FDB_NO_PORT. [any] */
uint16_t fdb_lookup(const struct fdb *f, uint64_t mac);

/* What learning an address did. */
enum fdb_learned {
	FDB_KNOWN,  /* was there, its age refreshed */
	FDB_NEW,    /* added: counts against the port's limit */
	FDB_MOVED,  /* was behind another port until now: counts as well */
	FDB_STATIC, /* a static entry binds it to another port: not changed */
	FDB_FULL,   /* the port is at its limit, or the bucket holds static entries only */
};

/* Learns that `mac` is behind `port` at second `now_s`. With `may_add` false (the port is at its
 * limit) only known addresses are refreshed. In a full bucket the learned entry unseen for longest
 * is replaced. *loser is the port that lost an address by this, else FDB_NO_PORT. [worker] */
enum fdb_learned fdb_learn(struct fdb *f, uint64_t mac, uint16_t port, uint32_t now_s, bool may_add,
			   uint16_t *loser);

/* Adds a static entry, replacing a learned one. -EEXIST when it is static already, -ENOSPC when its
 * bucket is full of static ones. [control] */
int fdb_add_static(struct fdb *f, uint64_t mac, uint16_t port);

struct fdb_entry {
	uint64_t mac;
	uint16_t port;
	bool is_static;
	uint32_t seen_s; /* when it was last seen as a source, in the worker's seconds */
};

/* Removes an address of either kind. *was is what it was. -ENOENT. [control] */
int fdb_remove(struct fdb *f, uint64_t mac, struct fdb_entry *was);

/* Calls `fn` for every entry, and removes the entry where it returns true. [control] */
void fdb_sweep(struct fdb *f, bool (*fn)(void *ctx, const struct fdb_entry *e), void *ctx);

uint32_t fdb_capacity(const struct fdb *f);

#endif
