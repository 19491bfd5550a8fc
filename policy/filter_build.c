/* SPDX-License-Identifier: BSD-3-Clause */
/* Compilation of rules.
 *
 * For each of a filter's maps, rules are intervals. Their ends, sorted, are swept: the bitmap of
 * rules changes at each, and is noted for the range that begins there. Equal bitmaps, of all maps,
 * are then found by sorting, and kept once. Called by control; allocates what `n` rules need at
 * most, twice: to work with, and for the filter. */
#include <netinet/in.h>
#include <stdlib.h>

#include "policy/filter.h"
#include "policy/filter_impl.h"

#define MAX_PORT      UINT16_MAX
#define MAX_SERVICE   0xffffffu
#define SERVICE_WIDTH 32 /* bits of the map's numbers, of which 24 are used */

/* Where a rule begins to match, or ends to. */
struct edge {
	unsigned __int128 at;
	uint32_t rule;
};

/* A filter that is being made. Values of ranges and of names number bitmaps, in the order in which
 * they were noted. */
struct build {
	const struct filter_rule *rules;
	uint32_t n, words;
	uint32_t n_edges;
	struct edge *edge;
	uint32_t n_bitmaps, n_kept;
	uint64_t *bits;
	uint32_t *order; /* bitmaps, sorted */
	uint32_t *kept;  /* by bitmap: the number of it among those that differ */
	struct filter_ranges service, v4, v6;
	struct filter_names names;
	uint64_t current[FILTER_WORDS];
};

/* --- rules --------------------------------------------------------------------------------------
 */

static bool is_icmp(const struct filter_rule *r)
{
	return filter_services[r->protocol] == filter_icmp_of(r->is_v6);
}

static bool has_ports(const struct filter_rule *r)
{
	return filter_services[r->protocol] == FILTER_PORTS;
}

static int check_service(const struct filter_rule *r, struct err *e)
{
	if (r->first > r->last && is_icmp(r))
		return err_set(e, ERR_INVALID, "icmp_type", "ICMP types and codes %u to %u: none",
			       r->first, r->last);
	if (r->first > r->last)
		return err_set(e, ERR_INVALID, "port_min", "port_min %u: over port_max %u",
			       r->first, r->last);
	if ((r->first == 0 && r->last == MAX_PORT) || is_icmp(r) || has_ports(r))
		return 0;
	return err_set(e, ERR_INVALID, "port_min", "ports %u to %u: protocol %u has none", r->first,
		       r->last, r->protocol);
}

/* Whether bits are set that the prefix leaves open. */
static bool has_host_bits(const struct filter_rule *r)
{
	for (unsigned i = 0; i < sizeof(r->remote); i++) {
		unsigned kept = r->remote_bits > 8 * i ? r->remote_bits - 8 * i : 0;

		if (kept < 8 && (uint8_t)(r->remote[i] << kept))
			return true;
	}
	return false;
}

static int check_remote(const struct filter_rule *r, struct err *e)
{
	unsigned width = r->is_v6 ? 128 : 32;

	if (r->remote_bits > width)
		return err_set(e, ERR_INVALID, "remote_prefix", "prefix of %u bits: at most %u",
			       r->remote_bits, width);
	if (has_host_bits(r))
		return err_set(e, ERR_INVALID, "remote_prefix",
			       "prefix of %u bits: the address has bits set beyond it",
			       r->remote_bits);
	if (r->group != FILTER_NO_GROUP && r->remote_bits)
		return err_set(e, ERR_INVALID, "remote_group",
			       "remote_group: the rule has a remote_prefix as well");
	return 0;
}

int filter_rule_check(const struct filter_rule *r, struct err *e)
{
	int ret = check_service(r, e);

	return ret < 0 ? ret : check_remote(r, e);
}

/* --- bitmaps and ranges -------------------------------------------------------------------------
 */

static uint64_t *bitmap_at(const struct build *b, uint32_t i)
{
	return b->bits + (size_t)i * b->words;
}

static uint32_t add_bitmap(struct build *b, const uint64_t *bits)
{
	memcpy(bitmap_at(b, b->n_bitmaps), bits, b->words * sizeof(bits[0]));
	return b->n_bitmaps++;
}

static void flip_rule(uint64_t *bits, uint32_t rule)
{
	bits[rule / 64] ^= (uint64_t)1 << (rule % 64);
}

/* Has a rule match the numbers from `first` to `last`, of which the greatest is `most`. */
static void add_interval(struct build *b, uint32_t rule, unsigned __int128 first,
			 unsigned __int128 last, unsigned __int128 most)
{
	b->edge[b->n_edges++] = (struct edge){first, rule};
	if (last != most)
		b->edge[b->n_edges++] = (struct edge){last + 1, rule};
}

static int compare_edges(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

/* Makes ranges of the intervals that were added. */
static void sweep(struct build *b, struct filter_ranges *r)
{
	unsigned __int128 at = 0;
	uint32_t i = 0;

	qsort(b->edge, b->n_edges, sizeof(b->edge[0]), compare_edges);
	memset(b->current, 0, sizeof(b->current));
	for (;;) {
		for (; i < b->n_edges && b->edge[i].at == at; i++)
			flip_rule(b->current, b->edge[i].rule);
		r->first[r->n] = at;
		r->value[r->n++] = add_bitmap(b, b->current);
		if (i == b->n_edges)
			break;
		at = b->edge[i].at;
	}
	b->n_edges = 0;
}

static void sweep_services(struct build *b)
{
	for (uint32_t i = 0; i < b->n; i++) {
		const struct filter_rule *r = &b->rules[i];
		uint32_t protocol = (uint32_t)r->protocol << 16;

		if (r->protocol == 0)
			add_interval(b, i, 0, MAX_SERVICE, MAX_SERVICE);
		else
			add_interval(b, i, protocol | r->first, protocol | r->last, MAX_SERVICE);
	}
	sweep(b, &b->service);
}

static void sweep_remotes(struct build *b, struct filter_ranges *ranges, bool is_v6)
{
	unsigned width = is_v6 ? 128 : 32;

	for (uint32_t i = 0; i < b->n; i++) {
		const struct filter_rule *r = &b->rules[i];
		unsigned __int128 first = filter_number(r->remote, width / 8);

		if (r->is_v6 == is_v6 && r->group == FILTER_NO_GROUP)
			add_interval(b, i, first, first + filter_span(r->remote_bits, width),
				     filter_span(0, width));
	}
	sweep(b, ranges);
}

/* Notes, by family and group, the rules that name it. */
static void add_names(struct build *b)
{
	static const uint64_t none[FILTER_WORDS];

	for (uint32_t i = 0; i < b->n; i++) {
		const struct filter_rule *r = &b->rules[i];
		uint32_t key = filter_named_key(r->group, r->is_v6);
		struct filter_named *named;

		if (r->group == FILTER_NO_GROUP)
			continue;
		named = filter_named_find(&b->names, key);
		if (named->key == FILTER_NOT_USED) {
			*named = (struct filter_named){key, add_bitmap(b, none)};
			b->names.n++;
		}
		flip_rule(bitmap_at(b, named->bitmap), i);
	}
}

/* --- equal bitmaps ------------------------------------------------------------------------------
 */

static int compare_bitmaps(const void *x, const void *y, void *ctx)
{
	const struct build *b = ctx;

	return memcmp(bitmap_at(b, *(const uint32_t *)x), bitmap_at(b, *(const uint32_t *)y),
		      b->words * sizeof(b->bits[0]));
}

/* Sorts the bitmaps, and numbers those that differ. */
static void find_equal(struct build *b)
{
	for (uint32_t i = 0; i < b->n_bitmaps; i++)
		b->order[i] = i;
	qsort_r(b->order, b->n_bitmaps, sizeof(b->order[0]), compare_bitmaps, b);
	for (uint32_t i = 0; i < b->n_bitmaps; i++) {
		if (i == 0 || compare_bitmaps(&b->order[i - 1], &b->order[i], b))
			b->n_kept++;
		b->kept[b->order[i]] = b->n_kept - 1;
	}
}

/* What the filter names a bitmap by. */
static uint32_t place_of(const struct build *b, uint32_t bitmap)
{
	const uint64_t *bits = bitmap_at(b, bitmap);
	uint32_t words = 0;

	for (uint32_t w = 0; w < b->words; w++)
		words |= (uint32_t)(bits[w] != 0) << w;
	return b->kept[bitmap] << FILTER_WORDS | words;
}

static void settle_ranges(const struct build *b, struct filter_ranges *r)
{
	for (uint32_t i = 0; i < r->n; i++)
		r->value[i] = place_of(b, r->value[i]);
}

static void settle(struct build *b)
{
	find_equal(b);
	settle_ranges(b, &b->service);
	settle_ranges(b, &b->v4);
	settle_ranges(b, &b->v6);
	for (uint32_t i = 0; b->names.n && i <= ~0u >> b->names.shift; i++)
		if (b->names.at[i].key != FILTER_NOT_USED)
			b->names.at[i].bitmap = place_of(b, b->names.at[i].bitmap);
}

/* --- memory -------------------------------------------------------------------------------------
 */

static size_t names_bytes(const struct filter_names *t)
{
	return ((size_t)1 << (32 - t->shift)) * sizeof(t->at[0]);
}

/* What compiling needs at most. A rule adds two ends to the services, and two to the addresses of
 * its family or one bitmap of its group. */
static void lay_out_build(struct build *b, struct filter_block *m)
{
	uint32_t most = 2 * b->n + 1, most_bitmaps = 4 * b->n + 3;

	b->edge = filter_block_take(m, 2 * b->n * sizeof(b->edge[0]));
	b->bits = filter_block_take(m, (size_t)most_bitmaps * b->words * sizeof(b->bits[0]));
	b->order = filter_block_take(m, most_bitmaps * sizeof(b->order[0]));
	b->kept = filter_block_take(m, most_bitmaps * sizeof(b->kept[0]));
	filter_ranges_take(&b->service, m, most);
	filter_ranges_take(&b->v4, m, most);
	filter_ranges_take(&b->v6, m, most);
	b->names.at = filter_block_take(m, names_bytes(&b->names));
}

/* A filter's parts, at the front those of which a match reads most. */
static void lay_out_filter(struct filter *f, const struct build *b, struct filter_block *m)
{
	size_t bits_bytes = (size_t)b->n_kept * b->words * sizeof(f->bits[0]);

	filter_block_take(m, sizeof(*f));
	f->bits = filter_block_take(m, bits_bytes);
	filter_map_place(&f->service, m, &b->service, false);
	filter_map_place(&f->v4, m, &b->v4, false);
	filter_map_place(&f->v6, m, &b->v6, true);
	f->names = b->names;
	f->names.at = b->names.n ? filter_block_take(m, names_bytes(&b->names)) : NULL;
	f->allows = filter_block_take(m, b->words * sizeof(f->allows[0]));
	f->id = filter_block_take(m, b->n * sizeof(f->id[0]));
	f->size = m->used;
}

static void fill_filter(struct filter *f, const struct build *b)
{
	f->n_rules = b->n;
	f->words = b->words;
	for (uint32_t i = 0; i < b->n_bitmaps; i++)
		memcpy(f->bits + (size_t)b->kept[i] * b->words, bitmap_at(b, i),
		       b->words * sizeof(f->bits[0]));
	if (b->names.n)
		memcpy(f->names.at, b->names.at, names_bytes(&b->names));
	memset(f->allows, 0, b->words * sizeof(f->allows[0]));
	for (uint32_t i = 0; i < b->n; i++) {
		f->id[i] = b->rules[i].id;
		if (b->rules[i].is_allow)
			flip_rule(f->allows, i);
	}
}

static struct filter *assemble(const struct build *b)
{
	struct filter_block m = {0};
	struct filter sizes;

	lay_out_filter(&sizes, b, &m);
	m = (struct filter_block){.base = aligned_alloc(FILTER_LINE, m.used)};
	if (!m.base)
		return NULL;
	lay_out_filter((struct filter *)m.base, b, &m);
	fill_filter((struct filter *)m.base, b);
	return (struct filter *)m.base;
}

/* --- all of it ----------------------------------------------------------------------------------
 */

/* The least number of bits whose numbers are twice as many as the rules that name groups. */
static uint32_t names_shift(const struct filter_rule *rules, uint32_t n)
{
	uint32_t n_named = 0, bits = 1;

	for (uint32_t i = 0; i < n; i++)
		n_named += rules[i].group != FILTER_NO_GROUP;
	while (1u << bits < 2 * n_named)
		bits++;
	return 32 - bits;
}

static struct filter *compile(struct build *b)
{
	struct filter_block m = {0};
	struct filter *f;

	lay_out_build(b, &m);
	m = (struct filter_block){.base = aligned_alloc(FILTER_LINE, m.used)};
	if (!m.base)
		return NULL;
	lay_out_build(b, &m);
	memset(b->names.at, 0xff, names_bytes(&b->names));
	sweep_services(b);
	sweep_remotes(b, &b->v4, false);
	sweep_remotes(b, &b->v6, true);
	add_names(b);
	settle(b);
	f = assemble(b);
	free(m.base);
	return f;
}

struct filter *filter_create(const struct filter_rule *rules, unsigned n, struct err *e)
{
	struct build b = {.rules = rules, .n = n, .words = (n + 63) / 64};
	struct filter *f;

	if (n > FILTER_MAX_RULES) {
		err_set(e, ERR_NO_SPACE, NULL, "%u rules in one direction: at most %u", n,
			FILTER_MAX_RULES);
		return NULL;
	}
	for (unsigned i = 0; i < n; i++)
		if (filter_rule_check(&rules[i], e) < 0)
			return NULL;
	b.names.shift = names_shift(rules, n);
	f = compile(&b);
	if (!f)
		err_set(e, ERR_NO_SPACE, NULL, "out of memory for %u rules", n);
	return f;
}
