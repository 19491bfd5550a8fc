/* SPDX-License-Identifier: BSD-3-Clause */
/* What compiled rules cost: cycles of the TSC for filter_match() with random packets of both
 * families, each of another service and another remote address, so that nothing can be predicted:
 * one after the other, as the processor likes, and in turn, each begun when the one before is done.
 * In the last filters, half of the rules are for groups, and the tenant has 1,000 to 100,000
 * members. Then their size, and how long they take to make. Rules are random ranges of ports and
 * prefixes, so that their bounds differ: nearly the worst for memory. Lowest and median of 200
 * rounds of 4,096 packets, or of 20 filters. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>

#include "base/clock.h"
#include "pkt/flow.h"
#include "policy/filter.h"

#define PACKETS     4096
#define ROUNDS      200
#define BUILDS      20
#define GROUPS      50
#define MAX_FIGURES (ROUNDS > BUILDS ? ROUNDS : BUILDS)

static uint64_t seed = 88172645463325252ull;
static struct flow packet[PACKETS];
static double figure[MAX_FIGURES];
static struct filter_rule rule[FILTER_MAX_RULES];
static struct filter_member member[FILTER_MAX_MEMBERS];

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Addresses of IPv4 in 10.0.0.0/8, of IPv6 in fd00::/8. */
static void write_address(uint8_t *bytes, bool is_v6)
{
	unsigned len = is_v6 ? 16 : 4;

	for (unsigned i = 1; i < len; i++)
		bytes[i] = (uint8_t)rnd();
	bytes[0] = is_v6 ? 0xfd : 10;
}

static struct filter_rule random_rule(bool with_groups)
{
	struct filter_rule r = {.is_v6 = rnd() % 2, .is_allow = true, .group = FILTER_NO_GROUP};
	unsigned bits = r.is_v6 ? 32 + rnd() % 97 : 12 + rnd() % 21;

	r.protocol = rnd() % 2 ? IPPROTO_TCP : IPPROTO_UDP;
	r.first = (uint16_t)rnd();
	r.last = (uint16_t)(r.first + rnd() % (65536u - r.first));
	if (with_groups && rnd() % 2) {
		r.group = (uint16_t)(rnd() % GROUPS);
		return r;
	}
	write_address(r.remote, r.is_v6);
	r.remote_bits = (uint8_t)bits;
	for (unsigned i = 0; i < 16; i++) {
		unsigned kept = bits > 8 * i ? bits - 8 * i : 0;

		r.remote[i] &= kept < 8 ? (uint8_t)(0xff00 >> kept) : 0xff;
	}
	return r;
}

/* Packets to members in half of the cases, if there are any. */
static void make_packets(unsigned n_members)
{
	for (unsigned i = 0; i < PACKETS; i++) {
		struct flow *k = &packet[i];

		*k = (struct flow){.kind = FLOW_PACKET, .is_v6 = rnd() % 2};
		if (n_members && rnd() % 2) {
			const struct filter_member *m = &member[rnd() % n_members];

			k->is_v6 = m->address.is_v6;
			memcpy(k->key.remote + (k->is_v6 ? 0 : 12), m->address.bytes,
			       ip_addr_len(&m->address));
		} else {
			write_address(k->key.remote + (k->is_v6 ? 0 : 12), k->is_v6);
		}
		if (!k->is_v6)
			memset(k->key.remote + 10, 0xff, 2);
		k->key.proto = rnd() % 2 ? IPPROTO_TCP : IPPROTO_UDP;
		k->side = rnd() % 2 ? FLOW_SENT : FLOW_RECEIVED;
		k->key.lport = (uint16_t)rnd();
		k->key.rport = (uint16_t)rnd();
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_figures(const char *what, unsigned n_rules, unsigned n_members, unsigned n,
			  const char *unit)
{
	qsort(figure, n, sizeof(figure[0]), compare);
	printf("filter.%s rules %u, members %u: min %.1f, p50 %.1f %s\n", what, n_rules, n_members,
	       figure[0], figure[n / 2], unit);
}

/* One round. When packets are to follow each other, the rule that decides is added to the place of
 * the next one: 0 in effect, but the processor does not know. Returns how many rules matched. */
static unsigned match_all(const struct filter *f, const struct filter_groups *g, bool in_turn)
{
	unsigned next = 0, matched = 0;

	for (unsigned i = 0; i < PACKETS; i++) {
		int r = filter_match(f, g, &packet[i + next]);

		if (in_turn)
			__asm__ volatile("and $0, %0" : "=r"(next) : "0"(r));
		matched += r != FILTER_NO_RULE;
	}
	return matched;
}

static void measure_match(const struct filter *f, const struct filter_groups *g, unsigned n_rules,
			  unsigned n_members)
{
	unsigned matched = 0;

	for (unsigned in_turn = 0; in_turn < 2; in_turn++) {
		for (unsigned k = 0; k < ROUNDS; k++) {
			uint64_t start = rte_rdtsc();

			matched = match_all(f, g, in_turn);
			figure[k] = (double)(rte_rdtsc() - start) / PACKETS;
		}
		print_figures(in_turn ? "match_in_turn" : "match", n_rules, n_members, ROUNDS,
			      "cycles");
	}
	printf("filter.matched %.0f %%, filter.bytes %zu\n", 100.0 * matched / PACKETS,
	       filter_size(f));
}

static void measure_build(unsigned n_rules)
{
	for (unsigned k = 0; k < BUILDS; k++) {
		uint64_t start = clock_now_ns();

		filter_destroy(filter_create(rule, n_rules, NULL));
		figure[k] = (double)(clock_now_ns() - start) / 1e6;
	}
	print_figures("build", n_rules, 0, BUILDS, "ms");
}

static struct filter_groups *make_groups(unsigned n)
{
	struct filter_groups *g = NULL;

	for (unsigned i = 0; i < n; i++) {
		member[i] = (struct filter_member){.group = (uint16_t)(rnd() % GROUPS)};
		member[i].address.is_v6 = rnd() % 2;
		member[i].bits = member[i].address.is_v6 ? 128 : 32;
		write_address(member[i].address.bytes, member[i].address.is_v6);
	}
	for (unsigned k = 0; k < BUILDS; k++) {
		uint64_t start = clock_now_ns();

		filter_groups_destroy(g);
		g = filter_groups_create(member, n, NULL);
		figure[k] = (double)(clock_now_ns() - start) / 1e6;
		if (!g)
			exit(1);
	}
	print_figures("groups_build", 0, n, BUILDS, "ms");
	printf("filter.groups_bytes %zu\n", filter_groups_size(g));
	return g;
}

static void measure(unsigned n_rules, unsigned n_members)
{
	struct filter_groups *g = n_members ? make_groups(n_members) : NULL;
	struct filter *f;

	for (unsigned i = 0; i < n_rules; i++)
		rule[i] = random_rule(n_members != 0);
	f = filter_create(rule, n_rules, NULL);
	if (!f)
		exit(1);
	make_packets(n_members);
	measure_match(f, g, n_rules, n_members);
	measure_build(n_rules);
	filter_destroy(f);
	filter_groups_destroy(g);
}

int main(void)
{
	measure(20, 0);
	measure(1000, 0);
	measure(20, 1000);
	measure(1000, 1000);
	measure(1000, 10000);
	measure(1000, 100000);
	return 0;
}
