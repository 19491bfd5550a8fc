/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of policy/filter*.c: a million random packets through random rules and members, against a
 * search through all rules, one by one and bit by bit. */
#include "policy/filter.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "pkt/flow.h"

#define SEED        0x5eed5eed5eedull
#define FILTERS     1000
#define PACKETS     1000 /* through each */
#define MAX_MEMBERS 64
#define GROUPS      12

static uint64_t seed = SEED;
static struct filter_rule rule[FILTER_MAX_RULES];
static struct filter_member member[MAX_MEMBERS];
static unsigned n_rules, n_members;

static uint32_t rnd(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % below;
}

/* --- what is right ------------------------------------------------------------------------------
 */

static bool has_prefix(const uint8_t *address, const uint8_t *prefix, unsigned bits)
{
	for (unsigned i = 0; i < bits; i++)
		if ((address[i / 8] ^ prefix[i / 8]) & 0x80 >> i % 8)
			return false;
	return true;
}

/* The packet's own form of the address, IPv4 in four bytes. */
static const uint8_t *remote_of(const struct flow *k)
{
	return k->key.remote + (k->is_v6 ? 0 : 12);
}

static bool is_member(const struct flow *k, uint16_t group)
{
	for (unsigned i = 0; i < n_members; i++)
		if (member[i].group == group && member[i].address.is_v6 == k->is_v6 &&
		    has_prefix(remote_of(k), member[i].address.bytes, member[i].bits))
			return true;
	return false;
}

static bool service_matches(const struct filter_rule *r, const struct flow *k)
{
	unsigned got = 0;

	if (r->protocol == 0)
		return true;
	if (r->protocol != k->key.proto)
		return false;
	switch (r->protocol) {
	case 6:
	case 17:
	case 33:
	case 132:
	case 136:
		got = k->side == FLOW_SENT ? k->key.rport : k->key.lport;
		break;
	case 1:
	case 58:
		if ((r->protocol == 58) != k->is_v6)
			return true;
		got = k->icmp_type * 256u + k->icmp_code;
		break;
	default:
		return true;
	}
	return got >= r->first && got <= r->last;
}

static int search(const struct flow *k)
{
	for (unsigned i = 0; i < n_rules; i++) {
		const struct filter_rule *r = &rule[i];

		if (r->is_v6 != k->is_v6 || !service_matches(r, k))
			continue;
		if (r->group != FILTER_NO_GROUP
			    ? is_member(k, r->group)
			    : has_prefix(remote_of(k), r->remote, r->remote_bits))
			return (int)i;
	}
	return FILTER_NO_RULE;
}

/* --- what is random -----------------------------------------------------------------------------
 */

static const uint8_t protocols[] = {0, 1, 6, 6, 6, 17, 17, 33, 47, 50, 58, 132, 136, 255};

static uint8_t random_protocol(bool is_v6)
{
	if (rnd(8) == 0)
		return (uint8_t)rnd(256);
	if (rnd(6) == 0)
		return is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	return protocols[rnd(sizeof(protocols))];
}

/* Few addresses, and the ends of all of them, so that prefixes meet. */
static void random_address(uint8_t *bytes, bool is_v6)
{
	unsigned len = is_v6 ? 16 : 4;

	memset(bytes, rnd(8) ? 0 : 0xff, len);
	if (rnd(8) == 0)
		return;
	for (unsigned i = rnd(2) ? len - 2 : 0; i < len; i++)
		bytes[i] = (uint8_t)(rnd(2) ? rnd(4) : rnd(2) ? 0xff : rnd(256));
}

static uint8_t random_prefix(uint8_t *bytes, bool is_v6)
{
	unsigned width = is_v6 ? 128 : 32, bits = rnd(2) ? width - rnd(9) : rnd(width + 1);

	random_address(bytes, is_v6);
	for (unsigned i = bits; i < width; i++)
		bytes[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	return (uint8_t)bits;
}

static uint16_t random_port(void)
{
	return (uint16_t)(rnd(4) ? rnd(64) * 256 + rnd(3) : rnd(2) ? rnd(65536) : rnd(2) * 65535);
}

static struct filter_rule random_rule(bool with_groups)
{
	struct filter_rule r = {.is_v6 = rnd(2), .is_allow = rnd(2), .group = FILTER_NO_GROUP};
	uint16_t a = random_port(), b = random_port();

	r.protocol = random_protocol(r.is_v6);
	r.first = a < b ? a : b;
	r.last = a < b ? b : a;
	if (rnd(3) == 0)
		r.last = r.first;
	r.id = rnd(UINT32_MAX);
	if (with_groups && rnd(3) == 0)
		r.group = (uint16_t)(rnd(GROUPS) * 5461);
	else if (rnd(8))
		r.remote_bits = random_prefix(r.remote, r.is_v6);
	if (filter_rule_check(&r, NULL) < 0) {
		r.first = 0;
		r.last = UINT16_MAX;
	}
	return r;
}

static void random_members(void)
{
	n_members = rnd(MAX_MEMBERS + 1);
	for (unsigned i = 0; i < n_members; i++) {
		struct filter_member *m = &member[i];

		*m = (struct filter_member){.group = (uint16_t)(rnd(GROUPS) * 5461)};
		m->address.is_v6 = rnd(2);
		m->bits = random_prefix(m->address.bytes, m->address.is_v6);
	}
}

/* A number, the one before or the one behind it, of so many bytes in network order. */
static void step(uint8_t *bytes, unsigned len)
{
	unsigned how = rnd(2) ? 0 : rnd(3);

	for (unsigned i = len; how && i-- > 0;) {
		bytes[i] = (uint8_t)(how == 1 ? bytes[i] + 1 : bytes[i] - 1);
		if (bytes[i] != (how == 1 ? 0 : 0xff))
			break;
	}
}

/* The first address of a rule's prefix or of a member's, or the last one. */
static void aim(uint8_t *bytes, bool is_v6, const struct filter_rule *r)
{
	unsigned width = is_v6 ? 128 : 32, bits = r->remote_bits;

	memcpy(bytes, r->remote, width / 8);
	if (n_members && r->group != FILTER_NO_GROUP) {
		const struct filter_member *m = &member[rnd(n_members)];

		memcpy(bytes, m->address.bytes, width / 8);
		bits = m->bits < width ? m->bits : width;
	}
	for (unsigned i = rnd(2) ? width : bits; i < width; i++)
		bytes[i / 8] |= (uint8_t)(0x80 >> i % 8);
}

/* A packet that a rule matches, or hardly; or any. */
static struct flow random_packet(void)
{
	const struct filter_rule none = {.is_v6 = rnd(2), .protocol = random_protocol(false)};
	const struct filter_rule *r = n_rules ? &rule[rnd(n_rules)] : &none;
	struct flow k = {.kind = FLOW_PACKET, .side = rnd(2) ? FLOW_SENT : FLOW_RECEIVED};
	uint16_t port = rnd(2) ? (rnd(2) ? r->first : r->last) : random_port();
	uint8_t *remote;

	k.is_v6 = rnd(16) ? r->is_v6 : rnd(2);
	remote = k.key.remote + (k.is_v6 ? 0 : 12);
	if (!k.is_v6)
		memset(k.key.remote + 10, 0xff, 2);
	if (rnd(4))
		aim(remote, k.is_v6, r);
	else
		random_address(remote, k.is_v6);
	step(remote, k.is_v6 ? 16 : 4);
	k.key.proto = rnd(4) && r->protocol ? r->protocol : random_protocol(k.is_v6);
	if (rnd(2))
		port = (uint16_t)(port + rnd(3) - 1);
	k.icmp_type = (uint8_t)(port >> 8);
	k.icmp_code = (uint8_t)port;
	k.key.lport = k.side == FLOW_RECEIVED ? port : random_port();
	k.key.rport = k.side == FLOW_SENT ? port : random_port();
	return k;
}

/* --- both ---------------------------------------------------------------------------------------
 */

static void fail_at(unsigned filter, unsigned packet, int got, int right)
{
	fail_msg("seed %#llx, filter %u, packet %u: rule %d of %u, not %d", SEED, filter, packet,
		 got, n_rules, right);
}

static unsigned n_matched[FILTER_MAX_RULES + 1]; /* by rule; in the last place: by none */

static void check_filter(unsigned i)
{
	struct filter_groups *g;
	struct filter *f;

	random_members();
	n_rules = i % 50 ? rnd(i % 5 ? 32 : 300) : FILTER_MAX_RULES - rnd(100);
	for (unsigned k = 0; k < n_rules; k++)
		rule[k] = random_rule(i % 3);
	f = filter_create(rule, n_rules, NULL);
	g = filter_groups_create(member, n_members, NULL);
	assert_non_null(f);
	assert_non_null(g);
	for (unsigned k = 0; k < PACKETS; k++) {
		struct flow flow = random_packet();
		int got = filter_match(f, g, &flow), right = search(&flow);

		if (got != right)
			fail_at(i, k, got, right);
		n_matched[right == FILTER_NO_RULE ? FILTER_MAX_RULES : right]++;
	}
	for (unsigned k = 0; k < n_rules; k++) {
		assert_int_equal(filter_allows(f, (int)k), rule[k].is_allow);
		assert_int_equal(filter_rule_id(f, (int)k), rule[k].id);
	}
	filter_destroy(f);
	filter_groups_destroy(g);
}

static void test_random_packets(void **state)
{
	unsigned late = 0;

	(void)state;
	print_message("seed %#llx\n", SEED);
	for (unsigned i = 0; i < FILTERS; i++)
		check_filter(i);
	/* What is compared is worth it: some match nothing, some match rules of any word. */
	for (unsigned i = 512; i < FILTER_MAX_RULES; i++)
		late += n_matched[i];
	print_message("none %u, first %u, beyond the 512th %u of %u\n", n_matched[FILTER_MAX_RULES],
		      n_matched[0], late, FILTERS * PACKETS);
	assert_true(n_matched[FILTER_MAX_RULES] > FILTERS * PACKETS / 20);
	assert_true(n_matched[FILTER_MAX_RULES] < FILTERS * PACKETS / 4 * 3);
	assert_true(late > 100);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_random_packets),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}
