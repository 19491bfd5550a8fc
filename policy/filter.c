/* SPDX-License-Identifier: BSD-3-Clause */
/* Compiled rules: the match. */
#include "policy/filter.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "pkt/flow.h"
#include "policy/filter_impl.h"

const uint8_t filter_services[256] = {
	[IPPROTO_TCP] = FILTER_PORTS,      [IPPROTO_UDP] = FILTER_PORTS,
	[IPPROTO_SCTP] = FILTER_PORTS,     [IPPROTO_DCCP] = FILTER_PORTS,
	[IPPROTO_UDPLITE] = FILTER_PORTS,  [IPPROTO_ICMP] = FILTER_ICMP_V4,
	[IPPROTO_ICMPV6] = FILTER_ICMP_V6,
};

void filter_destroy(struct filter *f)
{
	free(f);
}

size_t filter_size(const struct filter *f)
{
	return f->size;
}

/* The number of a packet's service. */
static uint32_t service_of(const struct flow *k)
{
	uint32_t port = k->side == FLOW_SENT ? k->key.rport : k->key.lport;
	uint32_t icmp = (uint32_t)k->icmp_type << 8 | k->icmp_code;
	enum filter_service service = filter_services[k->key.proto];

	port = service == FILTER_PORTS ? port : 0;
	port = service == filter_icmp_of(k->is_v6) ? icmp : port;
	return (uint32_t)k->key.proto << 16 | port;
}

/* A bitmap of rules. */
struct rules {
	const uint64_t *bits;
	uint32_t words; /* bitmap of the words that are not 0 */
};

static struct rules rules_at(const struct filter *f, uint32_t place)
{
	return (struct rules){f->bits + (size_t)(place >> FILTER_WORDS) * f->words,
			      place & ((1u << FILTER_WORDS) - 1)};
}

/* The rules for a remote address, with those added that name a group that it is in. `sum` is where
 * they go, if there are any. */
static struct rules add_groups(const struct filter *f, const struct filter_groups *g,
			       const struct flow *k, struct rules all, uint64_t *sum)
{
	const struct filter_group_set *set = filter_groups_find(g, k->is_v6, k->key.remote);

	for (uint16_t i = 0; i < set->n; i++) {
		uint32_t key = filter_named_key(set->group[i], k->is_v6);
		const struct filter_named *named = filter_named_find(&f->names, key);
		struct rules more;

		if (named->key != key)
			continue;
		more = rules_at(f, named->bitmap);
		for (uint32_t w = 0; w < f->words; w++)
			sum[w] = all.bits[w] | more.bits[w];
		all = (struct rules){sum, all.words | more.words};
	}
	return all;
}

/* The first rule that is in both. */
static int first_of_both(struct rules a, struct rules b)
{
	for (uint32_t words = a.words & b.words; words; words &= words - 1) {
		unsigned w = (unsigned)__builtin_ctz(words);
		uint64_t both = a.bits[w] & b.bits[w];

		if (both)
			return (int)(w * 64) + __builtin_ctzll(both);
	}
	return FILTER_NO_RULE;
}

int filter_match(const struct filter *f, const struct filter_groups *g, const struct flow *k)
{
	uint32_t service = filter_map_narrow(&f->service, service_of(k)), remote;
	uint64_t sum[FILTER_WORDS];
	struct rules all;

	if (k->is_v6)
		remote = filter_map_wide(&f->v6, filter_number_v6(k->key.remote));
	else
		remote = filter_map_narrow(&f->v4, filter_number_mapped(k->key.remote));
	all = rules_at(f, remote);
	if (f->names.n && g)
		all = add_groups(f, g, k, all, sum);
	return first_of_both(rules_at(f, service), all);
}

bool filter_allows(const struct filter *f, int rule)
{
	return rule >= 0 && (f->allows[rule / 64] >> (rule % 64) & 1);
}

uint32_t filter_rule_id(const struct filter *f, int rule)
{
	return f->id[rule];
}
