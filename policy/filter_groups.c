/* SPDX-License-Identifier: BSD-3-Clause */
/* Which security groups an address is a member of.
 *
 * Members, sorted by where their prefixes begin, the longer one last, are walked through with a
 * stack of those prefixes that contain the current one: the groups of an address are those of the
 * innermost prefix around it and of all that contain that. Called by control; while a table is
 * made, it takes 80 bytes more for each member. */
#include "policy/filter_groups.h"

#include <stdlib.h>

#include "policy/filter_map.h"

#define MAX_DEPTH 129 /* prefixes of different lengths */
#define NO_GROUPS 0   /* the place of the empty set */

struct filter_groups {
	size_t size;
	struct filter_map v4, v6; /* values: places of sets in `sets` */
	uint16_t *sets;           /* struct filter_group_set, one after the other */
};

struct member {
	unsigned __int128 first;
	uint16_t group;
	uint8_t bits;
	bool is_v6;
};

/* A prefix, and the groups of addresses that are in it and in no longer one. */
struct scope {
	unsigned __int128 last;
	uint32_t set;
};

struct build {
	struct member *member;
	struct filter_ranges v4, v6;
	uint16_t *sets;
	uint32_t n_sets, room; /* numbers of 16 bits */
	uint32_t newest;       /* set */
	struct scope stack[MAX_DEPTH];
	unsigned depth;
	struct err *e;
};

void filter_groups_destroy(struct filter_groups *g)
{
	free(g);
}

size_t filter_groups_size(const struct filter_groups *g)
{
	return g->size;
}

const struct filter_group_set *filter_groups_find(const struct filter_groups *g, bool is_v6,
						  const uint8_t address[16])
{
	uint32_t place = is_v6 ? filter_map_wide(&g->v6, filter_number_v6(address))
			       : filter_map_narrow(&g->v4, filter_number_mapped(address));

	return (const struct filter_group_set *)(g->sets + place);
}

/* --- sets ---------------------------------------------------------------------------------------
 */

static const struct filter_group_set *set_at(const struct build *b, uint32_t place)
{
	return (const struct filter_group_set *)(b->sets + place);
}

/* Room for one more set. False when memory is short. */
static bool make_room(struct build *b)
{
	uint32_t room = b->room ? b->room : 1024;
	uint16_t *sets;

	while (room < b->n_sets + 1 + FILTER_MAX_MEMBERSHIPS)
		room *= 2;
	if (room == b->room)
		return true;
	sets = reallocarray(b->sets, room, sizeof(sets[0]));
	if (!sets)
		return false;
	b->sets = sets;
	b->room = room;
	return true;
}

static bool are_equal(const struct filter_group_set *x, const struct filter_group_set *y)
{
	return x->n == y->n && memcmp(x->group, y->group, x->n * sizeof(x->group[0])) == 0;
}

/* Keeps the set that was written behind the others, unless one equals it that is at hand: the
 * prefix's around it, or the newest. Returns its place. */
static uint32_t keep_set(struct build *b, uint32_t around)
{
	const struct filter_group_set *set = set_at(b, b->n_sets);

	if (are_equal(set, set_at(b, around)))
		return around;
	if (!are_equal(set, set_at(b, b->newest))) {
		b->newest = b->n_sets;
		b->n_sets += 1 + set->n;
	}
	return b->newest;
}

static int refuse_set(const struct build *b, const struct member *m)
{
	struct ip_addr address = {.is_v6 = m->is_v6};
	unsigned len = ip_addr_len(&address);
	char text[IP_ADDR_TEXT_SIZE];

	for (unsigned i = 0; i < len; i++)
		address.bytes[i] = (uint8_t)(m->first >> (8 * (len - 1 - i)));
	ip_addr_format(&address, text);
	return err_set(b->e, ERR_NO_SPACE, NULL, "address '%s/%u' is in more than %u groups", text,
		       m->bits, FILTER_MAX_MEMBERSHIPS);
}

/* Merges the groups of `n` members, which have the same prefix, with those of the prefix around it.
 * Negative errno, or 0 with the set's place in `place`. */
static int make_set(struct build *b, const struct member *m, uint32_t n, uint32_t around,
		    uint32_t *place)
{
	const struct filter_group_set *outer;
	struct filter_group_set *set;
	uint32_t i = 0, k = 0;

	if (!make_room(b))
		return err_set(b->e, ERR_NO_SPACE, NULL, "out of memory for members of groups");
	outer = set_at(b, around);
	set = (struct filter_group_set *)(b->sets + b->n_sets);
	set->n = 0;
	while (i < n || k < outer->n) {
		uint16_t own = i < n ? m[i].group : FILTER_NO_GROUP;
		uint16_t other = k < outer->n ? outer->group[k] : FILTER_NO_GROUP;
		uint16_t next = own < other ? own : other;

		if (set->n == FILTER_MAX_MEMBERSHIPS)
			return refuse_set(b, m);
		set->group[set->n++] = next;
		while (i < n && m[i].group == next)
			i++;
		k += other == next;
	}
	*place = keep_set(b, around);
	return 0;
}

/* --- ranges -------------------------------------------------------------------------------------
 */

/* Has the numbers from `first` on, as far as is known, belong to a set. */
static void begin_range(struct filter_ranges *r, unsigned __int128 first, uint32_t set)
{
	if (r->n && r->first[r->n - 1] == first)
		r->n--;
	if (r->n && r->value[r->n - 1] == set)
		return;
	r->first[r->n] = first;
	r->value[r->n++] = set;
}

static uint32_t set_around(const struct build *b)
{
	return b->depth ? b->stack[b->depth - 1].set : NO_GROUPS;
}

/* Leaves the innermost prefix. What comes behind it belongs to the one around it. */
static void leave(struct build *b, struct filter_ranges *r, unsigned __int128 most)
{
	const struct scope *s = &b->stack[--b->depth];

	if (s->last != most)
		begin_range(r, s->last + 1, set_around(b));
}

static uint32_t count_same(const struct member *m, uint32_t n)
{
	uint32_t i = 1;

	while (i < n && m[i].first == m[0].first && m[i].bits == m[0].bits)
		i++;
	return i;
}

/* Makes ranges of `n` members of one family. */
static int walk(struct build *b, struct filter_ranges *r, const struct member *m, uint32_t n,
		unsigned width)
{
	unsigned __int128 most = filter_span(0, width);
	uint32_t same, set = NO_GROUPS;

	b->depth = 0;
	begin_range(r, 0, NO_GROUPS);
	for (uint32_t i = 0; i < n; i += same) {
		int ret;

		while (b->depth && b->stack[b->depth - 1].last < m[i].first)
			leave(b, r, most);
		same = count_same(&m[i], n - i);
		ret = make_set(b, &m[i], same, set_around(b), &set);
		if (ret < 0)
			return ret;
		begin_range(r, m[i].first, set);
		b->stack[b->depth++] =
			(struct scope){m[i].first + filter_span(m[i].bits, width), set};
	}
	while (b->depth)
		leave(b, r, most);
	return 0;
}

/* --- members ------------------------------------------------------------------------------------
 */

static int compare_members(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->is_v6 != y->is_v6)
		return x->is_v6 - y->is_v6;
	if (x->first != y->first)
		return x->first > y->first ? 1 : -1;
	if (x->bits != y->bits)
		return x->bits - y->bits;
	return x->group - y->group;
}

static int take_member(struct member *to, const struct filter_member *from, struct err *e)
{
	unsigned len = ip_addr_len(&from->address);
	char text[IP_ADDR_TEXT_SIZE];

	*to = (struct member){.first = filter_number(from->address.bytes, len),
			      .bits = from->bits,
			      .is_v6 = from->address.is_v6,
			      .group = from->group};
	if (from->bits <= 8 * len && from->group != FILTER_NO_GROUP &&
	    (to->first & filter_span(from->bits, 8 * len)) == 0)
		return 0;
	ip_addr_format(&from->address, text);
	return err_set(e, ERR_INVALID, NULL, "member '%s/%u' of group %u: no prefix, or no group",
		       text, from->bits, from->group);
}

/* Takes the members, sorted. Returns how many are of IPv4, or a negative errno. */
static int take_members(struct build *b, const struct filter_member *members, uint32_t n)
{
	int n_v4 = 0;

	for (uint32_t i = 0; i < n; i++) {
		int ret = take_member(&b->member[i], &members[i], b->e);

		if (ret < 0)
			return ret;
		n_v4 += !b->member[i].is_v6;
	}
	qsort(b->member, n, sizeof(b->member[0]), compare_members);
	return n_v4;
}

static int make_ranges(struct build *b, const struct filter_member *members, uint32_t n)
{
	int n_v4 = take_members(b, members, n), ret;

	if (n_v4 < 0)
		return n_v4;
	if (!make_room(b))
		return err_set(b->e, ERR_NO_SPACE, NULL, "out of memory for members of groups");
	b->sets[b->n_sets++] = 0; /* the empty set */
	ret = walk(b, &b->v4, b->member, (uint32_t)n_v4, 32);
	return ret < 0 ? ret : walk(b, &b->v6, b->member + n_v4, n - (uint32_t)n_v4, 128);
}

/* --- memory -------------------------------------------------------------------------------------
 */

static void lay_out_build(struct build *b, uint32_t n, uint32_t n_v6, struct filter_block *m)
{
	b->member = filter_block_take(m, n * sizeof(b->member[0]));
	filter_ranges_take(&b->v4, m, 2 * (n - n_v6) + 1);
	filter_ranges_take(&b->v6, m, 2 * n_v6 + 1);
}

static void lay_out_groups(struct filter_groups *g, const struct build *b, struct filter_block *m)
{
	filter_block_take(m, sizeof(*g));
	filter_map_place(&g->v4, m, &b->v4, false);
	filter_map_place(&g->v6, m, &b->v6, true);
	g->sets = filter_block_take(m, b->n_sets * sizeof(g->sets[0]));
	g->size = m->used;
}

static struct filter_groups *assemble(const struct build *b)
{
	struct filter_block m = {0};
	struct filter_groups sizes, *g;

	lay_out_groups(&sizes, b, &m);
	m = (struct filter_block){.base = aligned_alloc(FILTER_LINE, m.used)};
	g = (struct filter_groups *)m.base;
	if (!g) {
		err_set(b->e, ERR_NO_SPACE, NULL, "out of memory for members of groups");
		return NULL;
	}
	lay_out_groups(g, b, &m);
	memcpy(g->sets, b->sets, b->n_sets * sizeof(g->sets[0]));
	return g;
}

static struct filter_groups *build(struct build *b, const struct filter_member *members, uint32_t n)
{
	struct filter_groups *g = NULL;
	struct filter_block m = {0};
	uint32_t n_v6 = 0;

	for (uint32_t i = 0; i < n; i++)
		n_v6 += members[i].address.is_v6;
	lay_out_build(b, n, n_v6, &m);
	m = (struct filter_block){.base = aligned_alloc(FILTER_LINE, m.used)};
	if (!m.base) {
		err_set(b->e, ERR_NO_SPACE, NULL, "out of memory for members of groups");
		return NULL;
	}
	lay_out_build(b, n, n_v6, &m);
	if (make_ranges(b, members, n) == 0)
		g = assemble(b);
	free(b->sets);
	free(m.base);
	return g;
}

struct filter_groups *filter_groups_create(const struct filter_member *members, unsigned n,
					   struct err *e)
{
	struct build b = {.e = e};

	if (n > FILTER_MAX_MEMBERS) {
		err_set(e, ERR_NO_SPACE, NULL, "%u members of groups: at most %u", n,
			FILTER_MAX_MEMBERS);
		return NULL;
	}
	return build(&b, members, n);
}
