/* SPDX-License-Identifier: BSD-3-Clause */
/* Chains that no driver makes, from one table (bad_chains.def), so that the ring engine's tests,
 * the hostile front end and the load generator's attacks mean the same by them. No DPDK. */
#ifndef FAKE_BAD_CHAIN_H
#define FAKE_BAD_CHAIN_H

#include "tests/fake/driver_ring.h"

enum bad_chain {
#define X(name, ...) BAD_CHAIN_##name,
#include "tests/fake/bad_chains.def"
#undef X
	BAD_CHAIN_COUNT
};

#define BAD_CHAIN_GOOD  (1u << 17) /* bytes */
#define BAD_CHAIN_TABLE 48

/* Where in a guest's memory they are to be bad. */
struct bad_chain_places {
	uint64_t gpa, size; /* the memory */
	uint64_t good;      /* BAD_CHAIN_GOOD bytes of it */
	uint64_t table;     /* BAD_CHAIN_TABLE bytes of it, for an indirect table */
	void *table_at;     /* the same in our memory; NULL for a chain that needs none */
};

const char *bad_chain_name(enum bad_chain c);

/* Adds one to a ring; it is not visible until driver_ring_publish. With `device_writes` each buffer
 * is turned over: what was to be sent is to receive. Returns what driver_ring_add_raw does. */
int bad_chain_add(struct driver_ring *r, enum bad_chain c, const struct bad_chain_places *p,
		  bool device_writes);

#endif
