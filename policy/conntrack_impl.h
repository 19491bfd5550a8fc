/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of connections, for those who judge packets. Connections lie in an array; buckets of
 * eight, each one cache line, have their numbers and 16 bits of their hashes. A connection is in
 * one of two buckets that its hash names. All functions: [owner]. */
#ifndef POLICY_CONNTRACK_IMPL_H
#define POLICY_CONNTRACK_IMPL_H

#include "base/counter.h"
#include "policy/conntrack.h"
#include "policy/fragments.h"

#define CONN_SLOTS      8
#define CONN_HASH_WORDS 7
#define CONN_TOUCH_MS   500   /* a time-out may end so much early: spares a write per packet */
#define CONN_SKEW_MS    60000 /* clocks of two workers may differ by less */

/* Who has to make room first. */
enum conn_rank {
	CONN_RANK_EXPIRED,
	CONN_RANK_CLOSING,
	CONN_RANK_HALF_OPEN,
	CONN_RANK_ANSWERED,    /* of protocols that do not say when a conversation is over */
	CONN_RANK_ESTABLISHED, /* never */
};

struct conn_bucket {
	uint16_t tag[CONN_SLOTS]; /* 0: free */
	uint32_t conn[CONN_SLOTS];
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct conn_bucket) == 64, "one cache line");

struct conn {
	struct flow_key key;
	uint32_t seen_ms;
	uint32_t generation; /* of the rules that allowed it */
	uint32_t slot;       /* bucket * CONN_SLOTS + slot; the next one that is free */
	int16_t rule;
	uint8_t state;                /* enum conn_state */
	uint8_t opener;               /* enum flow_side */
	uint8_t fins;                 /* by side, one bit each */
	uint8_t alive;                /* sides that went on after a reset */
	uint8_t icmp_type, icmp_code; /* of its first packet */
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct conn) == 64, "one cache line");

struct conntrack {
	struct conn *conn;
	struct conn_bucket *bucket;
	uint32_t max, n_buckets;
	uint32_t first_free;
	uint32_t sweep_at;
	uint64_t secret[CONN_HASH_WORDS];
	uint64_t opened[2]; /* connections by enum flow_side of their opener */
	uint64_t created, expired, evicted, refused;
	struct fragments fragments;
};

/* Where a connection is, if it is in the table. */
struct conn_place {
	uint32_t bucket[2];
	uint16_t tag;
};

/* Milliseconds without a packet until a connection expires, and its rank until then, by state. */
extern const uint32_t conn_timeout_ms[CONN_STATES];
extern const uint8_t conn_rank[CONN_STATES];

/* Hashes a key, and begins to load the buckets. */
void conntrack_locate(const struct conntrack *c, const struct flow_key *key,
		      struct conn_place *place);

/* The connection that is probably the one there, whose loading begins; NULL when there is none. */
struct conn *conntrack_guess(const struct conntrack *c, const struct conn_place *place);

/* The connection of a key, expired or not; NULL when there is none. */
struct conn *conntrack_find(const struct conntrack *c, const struct flow_key *key,
			    const struct conn_place *place);

/* Whether there is room for a connection with this opener, once `gone` (or NULL) is removed. */
bool conntrack_has_room(const struct conntrack *c, const struct conn_place *place,
			enum flow_side opener, const struct conn *gone, uint32_t now_ms);

/* Adds the connection that a packet opens. In its two buckets others make room if need be: those
 * that have expired, then closing ones, half-open ones, and those that are not TCP, the oldest
 * first. What the VM opened never makes room for others. NULL, which is counted: there is no room.
 */
struct conn *conntrack_add(struct conntrack *c, const struct conn_place *place,
			   const struct flow *f, uint32_t now_ms);
void conntrack_remove(struct conntrack *c, struct conn *conn);

/* Follows what another packet of a connection says about its state. */
void conntrack_follow(struct conn *conn, const struct flow *f);

static inline uint32_t conn_idle_ms(const struct conn *conn, uint32_t now_ms)
{
	uint32_t idle = now_ms - conn->seen_ms;

	return idle > UINT32_MAX - CONN_SKEW_MS ? 0 : idle;
}

static inline bool conn_is_expired(const struct conn *conn, uint32_t now_ms)
{
	return conn_idle_ms(conn, now_ms) >= conn_timeout_ms[conn->state];
}

/* Notes another packet of a connection. */
static inline void conntrack_track(struct conn *conn, const struct flow *f, uint32_t now_ms)
{
	uint8_t before = conn->state;

	if (before != CONN_TCP_ESTABLISHED || f->tcp_flags & 7)
		conntrack_follow(conn, f);
	if (now_ms - conn->seen_ms >= CONN_TOUCH_MS || conn->state != before)
		conn->seen_ms = now_ms;
}

#endif
