/* SPDX-License-Identifier: BSD-3-Clause */
/* A filter's internals, for policy/filter*.c only. */
#ifndef POLICY_FILTER_IMPL_H
#define POLICY_FILTER_IMPL_H

#include "policy/filter.h"
#include "policy/filter_map.h"

#define FILTER_WORDS    (FILTER_MAX_RULES / 64)
#define FILTER_NOT_USED UINT32_MAX

/* A group that rules of one family name. */
struct filter_named {
	uint32_t key;    /* filter_named_key(), or FILTER_NOT_USED: a free place */
	uint32_t bitmap; /* of those rules */
};

/* Hashed by open addressing, at most half full. */
struct filter_names {
	uint32_t n;     /* groups */
	uint32_t shift; /* 32 - log2 of the places */
	struct filter_named *at;
};

/* All in one block of memory. A bitmap is named by its number, shifted left by FILTER_WORDS, and
 * below that a bitmap of its words that are not 0: the others, which are most, need not be read.
 * Equal bitmaps are there once. */
struct filter {
	size_t size;
	uint32_t n_rules;
	uint32_t words; /* of a bitmap */
	uint64_t *bits;
	struct filter_map service; /* protocol << 16 | port, or ICMP's type and code */
	struct filter_map v4, v6;  /* remote addresses */
	struct filter_names names;
	uint64_t *allows; /* bitmap */
	uint32_t *id;     /* by rule */
};

/* What the service of a protocol is besides its number. */
enum filter_service { FILTER_NOTHING, FILTER_PORTS, FILTER_ICMP_V4, FILTER_ICMP_V6 };

extern const uint8_t filter_services[256]; /* by protocol */

static inline enum filter_service filter_icmp_of(bool is_v6)
{
	return is_v6 ? FILTER_ICMP_V6 : FILTER_ICMP_V4;
}

static inline uint32_t filter_named_key(uint16_t group, bool is_v6)
{
	return (uint32_t)is_v6 << 16 | group;
}

/* The place of a group, or the free place where it would be. Groups are numbered by us, so nobody
 * can choose numbers that collide. */
static inline struct filter_named *filter_named_find(const struct filter_names *t, uint32_t key)
{
	uint32_t mask = ~0u >> t->shift, i = (key * 0x9e3779b9u) >> t->shift;

	while (t->at[i].key != key && t->at[i].key != FILTER_NOT_USED)
		i = (i + 1) & mask;
	return &t->at[i];
}

#endif
