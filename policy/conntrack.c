/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM's connections.
 *
 * Hashes are keyed with a secret of the table, so nobody can aim at a bucket. With two buckets to
 * choose from, half full on average, it hardly ever happens that both are full before the table is.
 * Nothing is swept while packets wait: what has expired makes room where room is needed, and
 * control has the rest swept in steps. */
#include "policy/conntrack.h"

#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "policy/conntrack_impl.h"

#define NO_CONN   UINT32_MAX
#define HUGE_PAGE (1u << 21)

/* Pairs of buckets that are looked at besides a connection's own when a number is exceeded: with a
 * quarter of all slots taken, some connection is there but for one time in a million. */
#define CONN_NEARBY 3

const uint32_t conn_timeout_ms[CONN_STATES] = {
#define X(name, text, seconds, rank) [CONN_##name] = (seconds)*1000u,
#include "policy/conntrack_states.def"
#undef X
};

const uint8_t conn_rank[CONN_STATES] = {
#define X(name, text, seconds, rank) [CONN_##name] = CONN_RANK_##rank,
#include "policy/conntrack_states.def"
#undef X
};

const char *conn_state_text(enum conn_state state)
{
	static const char *const texts[CONN_STATES] = {
		[CONN_FREE] = "free",
#define X(name, text, seconds, rank) [CONN_##name] = text,
#include "policy/conntrack_states.def"
#undef X
	};

	return texts[state];
}

/* --- memory ------------------------------------------------------------------------------------
 */

/* Twice as many slots as connections. */
static uint32_t buckets_for(uint32_t max)
{
	return (max * 2 + CONN_SLOTS - 1) / CONN_SLOTS;
}

static size_t round_up(size_t size, size_t unit)
{
	return (size + unit - 1) / unit * unit;
}

static size_t unit_of(size_t size)
{
	return size >= HUGE_PAGE ? HUGE_PAGE : sizeof(struct conn);
}

/* Memory that is there already, so that no packet waits for a page; on large pages if there are
 * some, since each packet goes to another place. */
static void *take_memory(size_t size)
{
	size_t unit = unit_of(size), whole = round_up(size, unit);
	void *p = aligned_alloc(unit, whole);

	if (!p)
		return NULL;
	if (unit == HUGE_PAGE)
		madvise(p, whole, MADV_HUGEPAGE);
	memset(p, 0, whole);
	return p;
}

size_t conntrack_size(uint32_t max)
{
	size_t conns = (size_t)max * sizeof(struct conn);
	size_t buckets = (size_t)buckets_for(max) * sizeof(struct conn_bucket);

	return sizeof(struct conntrack) + round_up(conns, unit_of(conns)) +
	       round_up(buckets, unit_of(buckets));
}

/* An entry that no packet's key is equal to. */
static void release_entry(struct conntrack *c, struct conn *conn)
{
	*conn = (struct conn){.key.is_asked = UINT8_MAX, .slot = c->first_free};
	c->first_free = (uint32_t)(conn - c->conn);
}

struct conntrack *conntrack_create(uint32_t max)
{
	struct conntrack *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->max = max;
	c->n_buckets = buckets_for(max);
	c->first_free = NO_CONN;
	c->conn = take_memory(max * sizeof(*c->conn));
	c->bucket = take_memory(c->n_buckets * sizeof(*c->bucket));
	if (!c->conn || !c->bucket ||
	    getrandom(c->secret, sizeof(c->secret), 0) != sizeof(c->secret)) {
		conntrack_destroy(c);
		return NULL;
	}
	for (uint32_t i = max; i-- > 0;)
		release_entry(c, &c->conn[i]);
	return c;
}

void conntrack_destroy(struct conntrack *c)
{
	if (!c)
		return;
	free(c->conn);
	free(c->bucket);
	free(c);
}

void conntrack_get_stats(const struct conntrack *c, struct conntrack_stats *stats)
{
	*stats = (struct conntrack_stats){
		.max = c->max,
		.opened_by_vm = counter_read(&c->opened[FLOW_SENT]),
		.opened_by_others = counter_read(&c->opened[FLOW_RECEIVED]),
		.created = counter_read(&c->created),
		.expired = counter_read(&c->expired),
		.evicted = counter_read(&c->evicted),
		.refused = counter_read(&c->refused),
	};
	stats->used = stats->opened_by_vm + stats->opened_by_others;
}

/* --- looking -----------------------------------------------------------------------------------
 */

static unsigned __int128 product(uint64_t a, uint64_t b)
{
	return (unsigned __int128)a * b;
}

/* Products of pairs of words (NH: Black et al., UMAC, 1999), folded and mixed once more. */
static uint64_t hash(const struct conntrack *c, const struct flow_key *key)
{
	const uint64_t *s = c->secret;
	unsigned __int128 sum;
	uint64_t w[5];

	memcpy(w, key, sizeof(w));
	sum = product(w[0] + s[0], w[1] + s[1]) + product(w[2] + s[2], w[3] + s[3]) +
	      product(w[4] + s[4], s[5] | 1);
	sum = product((uint64_t)sum ^ s[6], (uint64_t)(sum >> 64) ^ s[5]);
	return (uint64_t)sum ^ (uint64_t)(sum >> 64);
}

void conntrack_locate(const struct conntrack *c, const struct flow_key *key,
		      struct conn_place *place)
{
	uint64_t h = hash(c, key), n = c->n_buckets;

	place->bucket[0] = (uint32_t)((h >> 32) * n >> 32);
	place->bucket[1] = (uint32_t)((uint64_t)(uint32_t)h * n >> 32);
	if (place->bucket[1] == place->bucket[0])
		place->bucket[1] = place->bucket[0] + 1 < n ? place->bucket[0] + 1 : 0;
	/* From the middle: the upper bits of both halves chose the buckets. */
	place->tag = (uint16_t)(h >> 32 ^ h);
	if (place->tag == 0)
		place->tag = 1;
	__builtin_prefetch(&c->bucket[place->bucket[0]]);
	__builtin_prefetch(&c->bucket[place->bucket[1]]);
}

typedef uint16_t tags_vec __attribute__((vector_size(2 * CONN_SLOTS)));
typedef int8_t bytes_vec __attribute__((vector_size(CONN_SLOTS)));

/* The slots with a tag: a byte for each, 0xff where it is, the first slot lowest. */
static inline uint64_t slots_with(const struct conn_bucket *b, uint16_t tag)
{
	tags_vec tags;
	uint64_t found;

	memcpy(&tags, b->tag, sizeof(tags));
	bytes_vec is_equal = __builtin_convertvector(tags == tag, bytes_vec);
	memcpy(&found, &is_equal, sizeof(found));
	return found;
}

static inline unsigned first_slot(uint64_t slots)
{
	return (unsigned)__builtin_ctzll(slots) / 8;
}

struct conn *conntrack_guess(const struct conntrack *c, const struct conn_place *place)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct conn_bucket *b = &c->bucket[place->bucket[i]];
		uint64_t slots = slots_with(b, place->tag);

		if (slots) {
			struct conn *conn = &c->conn[b->conn[first_slot(slots)]];

			__builtin_prefetch(conn);
			return conn;
		}
	}
	return NULL;
}

struct conn *conntrack_find(const struct conntrack *c, const struct flow_key *key,
			    const struct conn_place *place)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct conn_bucket *b = &c->bucket[place->bucket[i]];

		for (uint64_t slots = slots_with(b, place->tag); slots;) {
			unsigned slot = first_slot(slots);

			if (flow_key_equal(&c->conn[b->conn[slot]].key, key))
				return &c->conn[b->conn[slot]];
			slots &= ~((uint64_t)0xff << slot * 8);
		}
	}
	return NULL;
}

/* --- room --------------------------------------------------------------------------------------
 */

static unsigned free_slots(const struct conn_bucket *b)
{
	return (unsigned)__builtin_popcountll(slots_with(b, 0)) / 8;
}

static enum conn_rank rank_of(const struct conn *conn, uint32_t now_ms)
{
	return conn_is_expired(conn, now_ms) ? CONN_RANK_EXPIRED
					     : (enum conn_rank)conn_rank[conn->state];
}

/* Who may make room for a connection. */
struct claim {
	enum flow_side opener;
	bool is_over_half; /* only what others opened helps */
};

static bool may_go(const struct conn *conn, enum conn_rank rank, const struct claim *claim)
{
	if (rank == CONN_RANK_ESTABLISHED)
		return false;
	if (claim->opener == FLOW_SENT || conn->opener == FLOW_RECEIVED)
		return true;
	return rank == CONN_RANK_EXPIRED && !claim->is_over_half;
}

/* The connection in the two buckets that has to make room; NULL when none may. */
static struct conn *find_victim(const struct conntrack *c, const struct conn_place *place,
				const struct claim *claim, const struct conn *gone, uint32_t now_ms)
{
	struct conn *victim = NULL;
	uint64_t best = UINT64_MAX;

	for (unsigned i = 0; i < 2 * CONN_SLOTS; i++) {
		const struct conn_bucket *b = &c->bucket[place->bucket[i / CONN_SLOTS]];
		struct conn *conn = &c->conn[b->conn[i % CONN_SLOTS]];
		enum conn_rank rank;
		uint64_t order;

		if (b->tag[i % CONN_SLOTS] == 0 || conn == gone)
			continue;
		rank = rank_of(conn, now_ms);
		order = (uint64_t)rank << 32 | (UINT32_MAX - conn_idle_ms(conn, now_ms));
		if (may_go(conn, rank, claim) && order < best) {
			victim = conn;
			best = order;
		}
	}
	return victim;
}

/* The same in a few buckets that follow, for a connection that has a slot, but exceeds a number. */
static struct conn *find_victim_nearby(const struct conntrack *c, const struct conn_place *place,
				       const struct claim *claim, const struct conn *gone,
				       uint32_t now_ms)
{
	struct conn *victim = NULL;

	for (uint32_t i = 1; i <= CONN_NEARBY && !victim; i++) {
		const struct conn_place near = {.bucket = {(place->bucket[0] + i) % c->n_buckets,
							   (place->bucket[1] + i) % c->n_buckets}};

		victim = find_victim(c, &near, claim, gone, now_ms);
	}
	return victim;
}

/* Whether there is room, once `gone` is removed. *victim has to go for it, if it is not NULL. */
static bool find_room(const struct conntrack *c, const struct conn_place *place,
		      enum flow_side opener, const struct conn *gone, uint32_t now_ms,
		      struct conn **victim)
{
	uint64_t others = c->opened[FLOW_RECEIVED], used = others + c->opened[FLOW_SENT];
	struct claim claim = {.opener = opener};
	bool has_slot = gone || free_slots(&c->bucket[place->bucket[0]]) > 0 ||
			free_slots(&c->bucket[place->bucket[1]]) > 0;

	if (gone) {
		used--;
		others -= gone->opener == FLOW_RECEIVED;
	}
	claim.is_over_half = opener == FLOW_RECEIVED && others >= c->max / 2;
	*victim = NULL;
	if (used < c->max && has_slot && !claim.is_over_half)
		return true;
	*victim = find_victim(c, place, &claim, gone, now_ms);
	if (!*victim && has_slot)
		*victim = find_victim_nearby(c, place, &claim, gone, now_ms);
	return *victim;
}

bool conntrack_has_room(const struct conntrack *c, const struct conn_place *place,
			enum flow_side opener, const struct conn *gone, uint32_t now_ms)
{
	struct conn *victim;

	return find_room(c, place, opener, gone, now_ms, &victim);
}

void conntrack_remove(struct conntrack *c, struct conn *conn)
{
	c->bucket[conn->slot / CONN_SLOTS].tag[conn->slot % CONN_SLOTS] = 0;
	counter_add(&c->opened[conn->opener], (uint64_t)-1);
	release_entry(c, conn);
}

static void evict(struct conntrack *c, struct conn *conn, uint32_t now_ms)
{
	counter_add(conn_is_expired(conn, now_ms) ? &c->expired : &c->evicted, 1);
	conntrack_remove(c, conn);
}

/* Puts a connection's number into a free slot: of the first bucket, unless that is half full and
 * has less room than the other, for a look into the second costs a miss of the cache. */
static uint32_t take_slot(struct conntrack *c, const struct conn_place *place, uint32_t conn)
{
	unsigned room[2] = {free_slots(&c->bucket[place->bucket[0]]),
			    free_slots(&c->bucket[place->bucket[1]])};
	uint32_t at = place->bucket[room[0] <= CONN_SLOTS / 2 && room[0] < room[1]];
	struct conn_bucket *b = &c->bucket[at];
	unsigned slot = first_slot(slots_with(b, 0));

	b->tag[slot] = place->tag;
	b->conn[slot] = conn;
	return at * CONN_SLOTS + slot;
}

/* A connection's state after its first packet. What does not begin with a SYN may have begun before
 * the switch did, and is half-open until there is an answer. */
static enum conn_state first_state(const struct flow *f)
{
	switch (f->key.proto) {
	case IPPROTO_TCP:
		return f->tcp_flags & TH_FIN ? CONN_TCP_FIN : CONN_TCP_SYN_SENT;
	case IPPROTO_UDP:
		return CONN_UDP_ONE_WAY;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return CONN_ICMP_ONE_WAY;
	default:
		return CONN_OTHER_ONE_WAY;
	}
}

struct conn *conntrack_add(struct conntrack *c, const struct conn_place *place,
			   const struct flow *f, uint32_t now_ms)
{
	enum flow_side opener = (enum flow_side)f->side;
	struct conn *victim, *conn;

	if (!find_room(c, place, opener, NULL, now_ms, &victim)) {
		counter_add(&c->refused, 1);
		return NULL;
	}
	if (victim)
		evict(c, victim, now_ms);
	conn = &c->conn[c->first_free];
	c->first_free = conn->slot;
	*conn = (struct conn){
		.key = f->key,
		.seen_ms = now_ms,
		.slot = take_slot(c, place, (uint32_t)(conn - c->conn)),
		.state = (uint8_t)first_state(f),
		.opener = f->side,
		.fins = f->tcp_flags & TH_FIN ? (uint8_t)(1 << f->side) : 0,
		.icmp_type = f->icmp_type,
		.icmp_code = f->icmp_code,
	};
	counter_add(&c->opened[opener], 1);
	counter_add(&c->created, 1);
	return conn;
}

/* --- states ------------------------------------------------------------------------------------
 */

#define BOTH 3 /* sides */

/* A reset ends a connection, but may be forged, since sequence numbers are not looked at: if both
 * sides go on, it did not. */
static enum conn_state after_reset(struct conn *conn, const struct flow *f)
{
	if (!(f->tcp_flags & (TH_SYN | TH_FIN)))
		conn->alive |= (uint8_t)(1 << f->side);
	return conn->alive == BOTH ? CONN_TCP_ESTABLISHED : CONN_TCP_RESET;
}

static enum conn_state next_of_tcp(struct conn *conn, const struct flow *f)
{
	bool is_answer = f->side != conn->opener;

	if (f->tcp_flags & TH_RST) {
		conn->alive = 0;
		return CONN_TCP_RESET;
	}
	if (conn->state == CONN_TCP_RESET)
		return after_reset(conn, f);
	if (f->tcp_flags & TH_FIN)
		conn->fins |= (uint8_t)(1 << f->side);
	if (conn->fins)
		return conn->fins == BOTH ? CONN_TCP_CLOSED : CONN_TCP_FIN;
	if (conn->state == CONN_TCP_SYN_SENT && is_answer)
		return f->tcp_flags & TH_SYN ? CONN_TCP_SYN_RECV : CONN_TCP_ESTABLISHED;
	if (conn->state == CONN_TCP_SYN_RECV && !is_answer && !(f->tcp_flags & TH_SYN))
		return CONN_TCP_ESTABLISHED;
	return (enum conn_state)conn->state;
}

void conntrack_follow(struct conn *conn, const struct flow *f)
{
	if (conn->key.proto == IPPROTO_TCP) {
		conn->state = (uint8_t)next_of_tcp(conn, f);
		return;
	}
	if (f->side == conn->opener)
		return;
	if (conn->state == CONN_UDP_ONE_WAY)
		conn->state = CONN_UDP_TWO_WAY;
	else if (conn->state == CONN_ICMP_ONE_WAY)
		conn->state = CONN_ICMP_TWO_WAY;
	else if (conn->state == CONN_OTHER_ONE_WAY)
		conn->state = CONN_OTHER_TWO_WAY;
}

/* --- control -----------------------------------------------------------------------------------
 */

uint32_t conntrack_sweep(struct conntrack *c, uint32_t n, uint32_t now_ms)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < n && i < c->max; i++) {
		struct conn *conn = &c->conn[c->sweep_at];

		c->sweep_at = c->sweep_at + 1 < c->max ? c->sweep_at + 1 : 0;
		if (conn->state == CONN_FREE || !conn_is_expired(conn, now_ms))
			continue;
		evict(c, conn, now_ms);
		found++;
	}
	return found;
}

static void describe(const struct conn *conn, uint32_t now_ms, struct conn_info *info)
{
	uint32_t idle = conn_idle_ms(conn, now_ms);

	*info = (struct conn_info){
		.key = conn->key,
		.state = conn->state,
		.opener = conn->opener,
		.is_v6 = flow_key_is_v6(&conn->key),
		.rule = conn->rule,
		.generation = conn->generation,
		.idle_ms = idle,
		.left_ms = conn_timeout_ms[conn->state] - idle,
	};
}

uint32_t conntrack_list(const struct conntrack *c, uint32_t *at, uint32_t n, uint32_t now_ms,
			struct conn_info *info)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < n && *at < c->max; i++) {
		const struct conn *conn = &c->conn[(*at)++];

		if (conn->state != CONN_FREE && !conn_is_expired(conn, now_ms))
			describe(conn, now_ms, &info[found++]);
	}
	if (*at >= c->max)
		*at = UINT32_MAX;
	return found;
}
