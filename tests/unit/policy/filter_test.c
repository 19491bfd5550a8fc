/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of policy/filter*.c: each kind of rule and its bounds, by table. */
#include "policy/filter.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pkt/flow.h"

#define MAX_PORT         UINT16_MAX
#define ANY_PORTS        .first = 0, .last = MAX_PORT
#define ALLOW            .is_allow = true, .group = FILTER_NO_GROUP
#define PORTS(a, b)      .first = (a), .last = (b)
#define ICMP(type, code) ((type) << 8 | (code))

/* A packet that the VM received, unless it says otherwise. */
struct packet {
	const char *remote;
	uint8_t proto;
	uint16_t port; /* of the receiver's; ICMP(type, code) */
	bool is_sent;
	uint16_t other_port;
};

static struct flow flow_of(const struct packet *p)
{
	struct flow k = {.kind = FLOW_PACKET, .side = p->is_sent ? FLOW_SENT : FLOW_RECEIVED};
	struct ip_addr a;

	assert_true(ip_addr_parse(p->remote, &a));
	k.is_v6 = a.is_v6;
	if (!a.is_v6)
		memset(k.key.remote + 10, 0xff, 2);
	memcpy(k.key.remote + (a.is_v6 ? 0 : 12), a.bytes, ip_addr_len(&a));
	k.key.proto = p->proto;
	if (p->proto == (a.is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)) {
		k.icmp_type = (uint8_t)(p->port >> 8);
		k.icmp_code = (uint8_t)p->port;
		k.key.lport = k.key.rport = 4711;
	} else {
		*(p->is_sent ? &k.key.rport : &k.key.lport) = p->port;
		*(p->is_sent ? &k.key.lport : &k.key.rport) = p->other_port;
	}
	return k;
}

static void set_remote(struct filter_rule *r, const char *address, uint8_t bits)
{
	struct ip_addr a;

	assert_true(ip_addr_parse(address, &a));
	assert_int_equal(a.is_v6, r->is_v6);
	memcpy(r->remote, a.bytes, sizeof(r->remote));
	r->remote_bits = bits;
}

static struct filter *create(const struct filter_rule *rules, unsigned n)
{
	struct err e = {0};
	struct filter *f = filter_create(rules, n, &e);

	if (!f)
		fail_msg("%s", e.text);
	return f;
}

static struct filter_member member(const char *address, uint8_t bits, uint16_t group)
{
	struct filter_member m = {.bits = bits, .group = group};

	assert_true(ip_addr_parse(address, &m.address));
	return m;
}

static struct filter_groups *create_groups(const struct filter_member *m, unsigned n)
{
	struct err e = {0};
	struct filter_groups *g = filter_groups_create(m, n, &e);

	if (!g)
		fail_msg("%s", e.text);
	return g;
}

static int match(const struct filter *f, const struct filter_groups *g, struct packet p)
{
	struct flow k = flow_of(&p);

	return filter_match(f, g, &k);
}

/* --- one rule -----------------------------------------------------------------------------------
 */

struct kind {
	struct filter_rule rule;
	const char *remote; /* and the prefix's length in the rule; NULL: any */
	struct {
		struct packet p;
		bool matches;
	} packet[8];
};

#define GOT(from, protocol, number)                                     \
	{                                                               \
		.remote = (from), .proto = (protocol), .port = (number) \
	}
#define SENT(to, protocol, number, other)                                                     \
	{                                                                                     \
		.remote = (to), .proto = (protocol), .port = (number), .other_port = (other), \
		.is_sent = true                                                               \
	}
#define YES(...)                       \
	{                              \
		GOT(__VA_ARGS__), true \
	}
#define NO(...)                         \
	{                               \
		GOT(__VA_ARGS__), false \
	}
#define YES_SENT(...)                   \
	{                               \
		SENT(__VA_ARGS__), true \
	}
#define NO_SENT(...)                     \
	{                                \
		SENT(__VA_ARGS__), false \
	}

static const struct kind kinds[] = {
	/* Anything of a family. */
	{{ALLOW, ANY_PORTS},
	 NULL,
	 {YES("0.0.0.0", IPPROTO_TCP, 0), YES("255.255.255.255", IPPROTO_UDP, MAX_PORT),
	  YES("10.0.0.1", 0, 0), YES("10.0.0.1", 255, 0), YES("10.0.0.1", IPPROTO_ICMP, 0x800),
	  NO("fd00::1", IPPROTO_TCP, 80), NO("::ffff:10.0.0.1", IPPROTO_TCP, 80),
	  NO("::", IPPROTO_TCP, 0)}},
	{{ALLOW, ANY_PORTS, .is_v6 = true},
	 NULL,
	 {YES("::", IPPROTO_TCP, 0),
	  YES("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", IPPROTO_UDP, MAX_PORT),
	  YES("::ffff:10.0.0.1", IPPROTO_TCP, 80), YES("fd00::1", 255, 0), YES("fd00::1", 0, 0),
	  NO("10.0.0.1", IPPROTO_TCP, 80), NO("0.0.0.0", 0, 0)}},
	/* Ports, those of the receiver. */
	{{ALLOW, .protocol = IPPROTO_TCP, PORTS(80, 443)},
	 NULL,
	 {YES("10.0.0.1", IPPROTO_TCP, 80), YES("10.0.0.1", IPPROTO_TCP, 443),
	  NO("10.0.0.1", IPPROTO_TCP, 79), NO("10.0.0.1", IPPROTO_TCP, 444),
	  NO("10.0.0.1", IPPROTO_UDP, 80), YES_SENT("10.0.0.1", IPPROTO_TCP, 80, 9),
	  NO_SENT("10.0.0.1", IPPROTO_TCP, 9, 80), NO("10.0.0.1", IPPROTO_TCP, 9)}},
	{{ALLOW, .protocol = IPPROTO_TCP, PORTS(0, 0)},
	 NULL,
	 {YES("10.0.0.1", IPPROTO_TCP, 0), NO("10.0.0.1", IPPROTO_TCP, 1),
	  NO("10.0.0.1", IPPROTO_TCP, MAX_PORT), NO("10.0.0.1", IPPROTO_TCP - 1, 0)}},
	{{ALLOW, .protocol = IPPROTO_UDP, PORTS(MAX_PORT, MAX_PORT)},
	 NULL,
	 {YES("10.0.0.1", IPPROTO_UDP, MAX_PORT), NO("10.0.0.1", IPPROTO_UDP, MAX_PORT - 1),
	  NO("10.0.0.1", IPPROTO_UDP, 0), NO("10.0.0.1", IPPROTO_UDP + 1, 0)}},
	{{ALLOW, .protocol = IPPROTO_UDP, ANY_PORTS},
	 NULL,
	 {YES("10.0.0.1", IPPROTO_UDP, 0), YES("10.0.0.1", IPPROTO_UDP, MAX_PORT),
	  NO("10.0.0.1", IPPROTO_UDP - 1, 0), NO("10.0.0.1", IPPROTO_UDP + 1, 0)}},
	{{ALLOW, .protocol = IPPROTO_SCTP, PORTS(5, 5)},
	 NULL,
	 {YES("10.0.0.1", IPPROTO_SCTP, 5), NO("10.0.0.1", IPPROTO_SCTP, 6)}},
	{{ALLOW, .protocol = IPPROTO_DCCP, PORTS(5, 5)},
	 NULL,
	 {YES("10.0.0.1", IPPROTO_DCCP, 5), NO("10.0.0.1", IPPROTO_DCCP, 6)}},
	{{ALLOW, .protocol = IPPROTO_UDPLITE, PORTS(5, 5)},
	 NULL,
	 {YES("10.0.0.1", IPPROTO_UDPLITE, 5), NO("10.0.0.1", IPPROTO_UDPLITE, 6)}},
	/* Protocols without ports: whatever the key has in their place. */
	{{ALLOW, .protocol = IPPROTO_GRE, ANY_PORTS},
	 NULL,
	 {YES("10.0.0.1", IPPROTO_GRE, 0), YES("10.0.0.1", IPPROTO_GRE, 77),
	  NO("10.0.0.1", IPPROTO_GRE - 1, 0), NO("10.0.0.1", IPPROTO_GRE + 1, 0)}},
	{{ALLOW, .protocol = 255, ANY_PORTS},
	 NULL,
	 {YES("10.0.0.1", 255, 0), NO("10.0.0.1", 254, 0), NO("10.0.0.1", 0, 0)}},
	/* ICMP: a type and code, a type, any; each family has its own. */
	{{ALLOW, .protocol = IPPROTO_ICMP, PORTS(ICMP(8, 0), ICMP(8, 0))},
	 NULL,
	 {YES("10.0.0.1", IPPROTO_ICMP, ICMP(8, 0)), NO("10.0.0.1", IPPROTO_ICMP, ICMP(8, 1)),
	  NO("10.0.0.1", IPPROTO_ICMP, ICMP(7, 255)), NO("10.0.0.1", IPPROTO_ICMP, 0),
	  YES_SENT("10.0.0.1", IPPROTO_ICMP, ICMP(8, 0), 0), NO("10.0.0.1", IPPROTO_ICMPV6, 0x800),
	  NO("fd00::1", IPPROTO_ICMP, 0x800), NO("fd00::1", IPPROTO_ICMPV6, 0x800)}},
	{{ALLOW, .protocol = IPPROTO_ICMP, PORTS(ICMP(3, 0), ICMP(3, 255))},
	 NULL,
	 {YES("10.0.0.1", IPPROTO_ICMP, ICMP(3, 0)), YES("10.0.0.1", IPPROTO_ICMP, ICMP(3, 255)),
	  NO("10.0.0.1", IPPROTO_ICMP, ICMP(2, 255)), NO("10.0.0.1", IPPROTO_ICMP, ICMP(4, 0))}},
	{{ALLOW, .protocol = IPPROTO_ICMPV6, .is_v6 = true, PORTS(ICMP(128, 0), ICMP(128, 0))},
	 NULL,
	 {YES("fd00::1", IPPROTO_ICMPV6, ICMP(128, 0)), NO("fd00::1", IPPROTO_ICMPV6, ICMP(129, 0)),
	  NO("10.0.0.1", IPPROTO_ICMPV6, ICMP(128, 0)), NO("fd00::1", IPPROTO_ICMP, ICMP(128, 0))}},
	{{ALLOW, .protocol = IPPROTO_ICMPV6, .is_v6 = true, ANY_PORTS},
	 NULL,
	 {YES("fd00::1", IPPROTO_ICMPV6, 0), YES("fd00::1", IPPROTO_ICMPV6, MAX_PORT),
	  NO("fd00::1", IPPROTO_ICMPV6 + 1, 0), NO("fd00::1", IPPROTO_ICMPV6 - 1, 0)}},
	/* Prefixes. */
	{{ALLOW, ANY_PORTS, .remote_bits = 32},
	 "10.1.2.3",
	 {YES("10.1.2.3", IPPROTO_TCP, 1), NO("10.1.2.2", IPPROTO_TCP, 1),
	  NO("10.1.2.4", IPPROTO_TCP, 1), NO("fd00::10.1.2.3", IPPROTO_TCP, 1),
	  NO("::ffff:10.1.2.3", IPPROTO_TCP, 1), NO("::10.1.2.3", IPPROTO_TCP, 1)}},
	{{ALLOW, ANY_PORTS, .remote_bits = 32},
	 "255.255.255.255",
	 {YES("255.255.255.255", IPPROTO_TCP, 1), NO("255.255.255.254", IPPROTO_TCP, 1),
	  NO("0.0.0.0", IPPROTO_TCP, 1)}},
	{{ALLOW, ANY_PORTS, .remote_bits = 12},
	 "172.16.0.0",
	 {YES("172.16.0.0", IPPROTO_TCP, 1), YES("172.31.255.255", IPPROTO_TCP, 1),
	  NO("172.15.255.255", IPPROTO_TCP, 1), NO("172.32.0.0", IPPROTO_TCP, 1)}},
	{{ALLOW, ANY_PORTS, .remote_bits = 1},
	 "128.0.0.0",
	 {YES("128.0.0.0", IPPROTO_TCP, 1), YES("255.255.255.255", IPPROTO_TCP, 1),
	  NO("127.255.255.255", IPPROTO_TCP, 1)}},
	{{ALLOW, ANY_PORTS, .is_v6 = true, .remote_bits = 128},
	 "fd00::ffff:ffff:ffff:ffff",
	 {YES("fd00::ffff:ffff:ffff:ffff", IPPROTO_TCP, 1), NO("fd00:0:0:1::", IPPROTO_TCP, 1),
	  NO("fd00::ffff:ffff:ffff:fffe", IPPROTO_TCP, 1)}},
	{{ALLOW, ANY_PORTS, .is_v6 = true, .remote_bits = 128},
	 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	 {YES("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", IPPROTO_TCP, 1),
	  NO("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", IPPROTO_TCP, 1), NO("::", IPPROTO_TCP, 1)}},
	{{ALLOW, ANY_PORTS, .is_v6 = true, .remote_bits = 61},
	 "fd00:0:0:8::",
	 {YES("fd00:0:0:8::", IPPROTO_TCP, 1), YES("fd00:0:0:f:ffff::1", IPPROTO_TCP, 1),
	  NO("fd00:0:0:7:ffff:ffff:ffff:ffff", IPPROTO_TCP, 1),
	  NO("fd00:0:0:10::", IPPROTO_TCP, 1)}},
	{{ALLOW, ANY_PORTS, .is_v6 = true, .remote_bits = 96},
	 "::ffff:0.0.0.0",
	 {YES("::ffff:10.0.0.1", IPPROTO_TCP, 1), NO("10.0.0.1", IPPROTO_TCP, 1)}},
	/* All of it together. */
	{{ALLOW, .protocol = IPPROTO_TCP, PORTS(22, 22), .remote_bits = 24},
	 "192.0.2.0",
	 {YES("192.0.2.9", IPPROTO_TCP, 22), NO("192.0.3.9", IPPROTO_TCP, 22),
	  NO("192.0.2.9", IPPROTO_TCP, 23), NO("192.0.2.9", IPPROTO_UDP, 22)}},
};

static void test_each_kind_of_rule(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct kind *kind = &kinds[i];
		struct filter_rule r = kind->rule;
		struct filter *f;

		if (kind->remote)
			set_remote(&r, kind->remote, r.remote_bits);
		f = create(&r, 1);
		for (unsigned k = 0; k < 8 && kind->packet[k].p.remote; k++)
			if (match(f, NULL, kind->packet[k].p) !=
			    (kind->packet[k].matches ? 0 : FILTER_NO_RULE))
				fail_msg("kind %u, packet %u", i, k);
		filter_destroy(f);
	}
}

/* --- several rules ------------------------------------------------------------------------------
 */

static void test_first_rule_decides(void **state)
{
	struct filter_rule r[] = {
		{ALLOW, .protocol = IPPROTO_TCP, PORTS(80, 80), .id = 7},
		{.group = FILTER_NO_GROUP, .protocol = IPPROTO_TCP, PORTS(70, 90), .id = 5},
		{ALLOW, ANY_PORTS, .id = UINT32_MAX},
	};
	struct filter *f = create(r, 3);

	(void)state;
	assert_int_equal(match(f, NULL, (struct packet)GOT("10.0.0.1", IPPROTO_TCP, 80)), 0);
	assert_int_equal(match(f, NULL, (struct packet)GOT("10.0.0.1", IPPROTO_TCP, 81)), 1);
	assert_int_equal(match(f, NULL, (struct packet)GOT("10.0.0.1", IPPROTO_TCP, 91)), 2);
	assert_int_equal(match(f, NULL, (struct packet)GOT("10.0.0.1", IPPROTO_UDP, 80)), 2);
	assert_int_equal(match(f, NULL, (struct packet)GOT("fd00::1", IPPROTO_UDP, 80)),
			 FILTER_NO_RULE);
	assert_true(filter_allows(f, 0));
	assert_false(filter_allows(f, 1));
	assert_true(filter_allows(f, 2));
	assert_false(filter_allows(f, FILTER_NO_RULE));
	assert_int_equal(filter_rule_id(f, 0), 7);
	assert_int_equal(filter_rule_id(f, 1), 5);
	assert_int_equal(filter_rule_id(f, 2), UINT32_MAX);
	filter_destroy(f);
}

static void test_no_rules_match_nothing(void **state)
{
	const struct filter_member m = member("10.0.0.1", 32, 1);
	struct filter_groups *g = create_groups(&m, 1);
	struct filter *f = create(NULL, 0);

	(void)state;
	assert_int_equal(match(f, g, (struct packet)GOT("10.0.0.1", IPPROTO_TCP, 80)),
			 FILTER_NO_RULE);
	assert_int_equal(match(f, g, (struct packet)GOT("fd00::1", IPPROTO_TCP, 80)),
			 FILTER_NO_RULE);
	filter_destroy(f);
	filter_groups_destroy(g);
	filter_destroy(NULL);
	filter_groups_destroy(NULL);
}

/* As many rules as there may be, each for a port and an address of its own; the last one is for
 * all. */
static void test_most_rules(void **state)
{
	static struct filter_rule r[FILTER_MAX_RULES + 1];
	struct err e = {0};
	struct filter *f;

	(void)state;
	for (unsigned i = 0; i < FILTER_MAX_RULES; i++) {
		r[i] = (struct filter_rule){ALLOW, .id = i, .protocol = IPPROTO_TCP};
		r[i].first = r[i].last = (uint16_t)(2 * i);
		r[i].is_allow = i % 3 == 0;
		memcpy(r[i].remote, (uint8_t[]){10, 0, (uint8_t)(i >> 7), (uint8_t)(2 * i)}, 4);
		r[i].remote_bits = 32;
	}
	r[FILTER_MAX_RULES - 1] = (struct filter_rule){ALLOW, ANY_PORTS};
	f = create(r, FILTER_MAX_RULES);
	for (unsigned i = 0; i < FILTER_MAX_RULES - 1; i++) {
		struct packet p = {.proto = IPPROTO_TCP, .port = (uint16_t)(2 * i)};
		char text[16];

		snprintf(text, sizeof(text), "10.0.%u.%u", i >> 7, 2 * i & 0xff);
		p.remote = text;
		assert_int_equal(match(f, NULL, p), i);
		assert_int_equal(filter_allows(f, (int)i), i % 3 == 0);
		assert_int_equal(filter_rule_id(f, (int)i), i);
		p.port++;
		assert_int_equal(match(f, NULL, p), FILTER_MAX_RULES - 1);
	}
	assert_in_range(filter_size(f), 1, 1 << 20);
	filter_destroy(f);
	r[FILTER_MAX_RULES] = r[0];
	assert_null(filter_create(r, FILTER_MAX_RULES + 1, &e));
	assert_int_equal(e.code, ERR_NO_SPACE);
	assert_string_equal(e.field, "");
}

/* Rules all of which overlap make bitmaps that all differ: the worst for memory. */
static void test_memory_is_bounded(void **state)
{
	static struct filter_rule r[FILTER_MAX_RULES];
	struct filter *f;

	(void)state;
	for (unsigned i = 0; i < FILTER_MAX_RULES; i++) {
		r[i] = (struct filter_rule){ALLOW, .protocol = IPPROTO_UDP};
		r[i].first = (uint16_t)i;
		r[i].last = (uint16_t)(MAX_PORT - 3 * i);
		memcpy(r[i].remote, (uint8_t[]){10, (uint8_t)(i >> 8), (uint8_t)i, 1}, 4);
		r[i].remote_bits = 32;
	}
	f = create(r, FILTER_MAX_RULES);
	assert_in_range(filter_size(f), 2 * 1024 * 128, 700 << 10);
	filter_destroy(f);
	f = create(r, 20);
	assert_in_range(filter_size(f), 1, 4096);
	filter_destroy(f);
}

/* --- rules that are refused ---------------------------------------------------------------------
 */

struct refused {
	struct filter_rule rule;
	const char *field; /* NULL: it is not refused */
};

static const struct refused refusals[] = {
	{{ALLOW, .protocol = IPPROTO_TCP, PORTS(443, 80)}, "port_min"},
	{{ALLOW, .protocol = IPPROTO_GRE, PORTS(80, 80)}, "port_min"},
	{{ALLOW, PORTS(0, 80)}, "port_min"},
	{{ALLOW, PORTS(1, MAX_PORT)}, "port_min"},
	{{ALLOW, .protocol = IPPROTO_ICMP, PORTS(9, 8)}, "icmp_type"},
	{{ALLOW, .protocol = IPPROTO_ICMP, PORTS(8, 8), .is_v6 = true}, "port_min"},
	{{ALLOW, .protocol = IPPROTO_ICMPV6, PORTS(8, 8)}, "port_min"},
	{{ALLOW, ANY_PORTS, .remote_bits = 33}, "remote_prefix"},
	{{ALLOW, ANY_PORTS, .remote_bits = 129, .is_v6 = true}, "remote_prefix"},
	{{ALLOW, ANY_PORTS, .remote_bits = 255}, "remote_prefix"},
	{{ALLOW, ANY_PORTS, .remote_bits = 8, .remote = {10, 128}}, "remote_prefix"},
	{{ALLOW, ANY_PORTS, .remote_bits = 31, .remote = {10, 0, 0, 1}}, "remote_prefix"},
	{{ALLOW, ANY_PORTS, .remote_bits = 32, .remote = {10, 0, 0, 1, 1}}, "remote_prefix"},
	{{ALLOW, ANY_PORTS, .remote = {10}}, "remote_prefix"},
	{{ALLOW, ANY_PORTS, .remote_bits = 127, .is_v6 = true, .remote = {[15] = 1}},
	 "remote_prefix"},
	{{ANY_PORTS, .remote_bits = 8, .remote = {10}, .group = 1}, "remote_group"},
	{{ALLOW, ANY_PORTS, .remote_bits = 31, .remote = {10, 0, 0, 2}}, NULL},
	{{ALLOW, ANY_PORTS, .remote_bits = 127, .is_v6 = true, .remote = {[15] = 2}}, NULL},
	{{ANY_PORTS, .group = 0}, NULL},
};

static void test_refused_rules(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		const struct refused *c = &refusals[i];
		const struct filter_rule rules[] = {{ALLOW, ANY_PORTS}, c->rule};
		struct err e = {0};
		struct filter *f = filter_create(rules, 2, &e);

		if (!f != !!c->field)
			fail_msg("rule %u", i);
		assert_string_equal(e.field, c->field ? c->field : "");
		assert_int_equal(filter_rule_check(&c->rule, NULL), c->field ? -EINVAL : 0);
		filter_destroy(f);
	}
}

/* --- groups -------------------------------------------------------------------------------------
 */

static void test_groups_decide_by_family(void **state)
{
	const struct filter_rule r[] = {
		{.is_allow = true, .protocol = IPPROTO_TCP, PORTS(80, 80), .group = 3},
		{.is_allow = true, .is_v6 = true, ANY_PORTS, .group = 3},
		{.is_allow = true, ANY_PORTS, .group = 65534},
		{ALLOW, .protocol = IPPROTO_UDP, ANY_PORTS},
		{.is_allow = true, ANY_PORTS, .group = 0},
	};
	const struct filter_member m[] = {
		member("10.0.0.1", 32, 3),    member("fd00::1", 128, 3),
		member("10.0.0.2", 32, 3),    member("10.0.0.2", 32, 65534),
		member("0.0.0.0", 32, 0),     member("255.255.255.255", 32, 0),
		member("10.0.0.9", 32, 1000),
	};
	struct filter_groups *g = create_groups(m, sizeof(m) / sizeof(m[0]));
	struct filter *f = create(r, 5);

	(void)state;
	assert_int_equal(match(f, g, (struct packet)GOT("10.0.0.1", IPPROTO_TCP, 80)), 0);
	assert_int_equal(match(f, g, (struct packet)GOT("10.0.0.1", IPPROTO_TCP, 81)),
			 FILTER_NO_RULE);
	assert_int_equal(match(f, g, (struct packet)GOT("10.0.0.2", IPPROTO_TCP, 80)), 0);
	assert_int_equal(match(f, g, (struct packet)GOT("10.0.0.2", IPPROTO_TCP, 81)), 2);
	assert_int_equal(match(f, g, (struct packet)GOT("10.0.0.3", IPPROTO_TCP, 80)),
			 FILTER_NO_RULE);
	assert_int_equal(match(f, g, (struct packet)GOT("10.0.0.1", IPPROTO_UDP, 80)), 3);
	assert_int_equal(match(f, g, (struct packet)GOT("10.0.0.9", IPPROTO_TCP, 80)),
			 FILTER_NO_RULE);
	assert_int_equal(match(f, g, (struct packet)GOT("0.0.0.0", IPPROTO_TCP, 1)), 4);
	assert_int_equal(match(f, g, (struct packet)GOT("255.255.255.255", IPPROTO_TCP, 1)), 4);
	assert_int_equal(match(f, g, (struct packet)GOT("fd00::1", IPPROTO_TCP, 1)), 1);
	assert_int_equal(match(f, g, (struct packet)GOT("::ffff:10.0.0.1", IPPROTO_TCP, 80)),
			 FILTER_NO_RULE);
	/* A table that is not there has no members. */
	assert_int_equal(match(f, NULL, (struct packet)GOT("10.0.0.1", IPPROTO_TCP, 80)),
			 FILTER_NO_RULE);
	assert_int_equal(match(f, NULL, (struct packet)GOT("10.0.0.1", IPPROTO_UDP, 80)), 3);
	filter_destroy(f);
	filter_groups_destroy(g);
}

static void check_set(const struct filter_groups *g, const char *address, unsigned n,
		      const uint16_t *groups)
{
	struct packet p = {.remote = address};
	struct flow k = flow_of(&p);
	const struct filter_group_set *set = filter_groups_find(g, k.is_v6, k.key.remote);

	assert_int_equal(set->n, n);
	assert_memory_equal(set->group, groups, n * sizeof(groups[0]));
}

/* Prefixes within prefixes that begin or end together, up to the last address of all. */
static void test_prefixes_are_members(void **state)
{
	const struct filter_member m[] = {
		member("10.1.0.0", 28, 5),  member("10.1.0.0", 16, 2),
		member("10.1.0.8", 29, 9),  member("10.1.0.8", 29, 1),
		member("10.1.0.15", 32, 7), member("10.1.0.15", 32, 7),
		member("10.1.0.0", 32, 2),  member("10.1.0.16", 28, 5),
		member("255.0.0.0", 8, 4),  member("255.255.255.255", 32, 3),
		member("::", 0, 6),         member("::1", 128, 8),
	};
	struct filter_groups *g = create_groups(m, sizeof(m) / sizeof(m[0]));

	(void)state;
	check_set(g, "10.0.255.255", 0, NULL);
	check_set(g, "10.1.0.0", 2, (uint16_t[]){2, 5});
	check_set(g, "10.1.0.7", 2, (uint16_t[]){2, 5});
	check_set(g, "10.1.0.8", 4, (uint16_t[]){1, 2, 5, 9});
	check_set(g, "10.1.0.14", 4, (uint16_t[]){1, 2, 5, 9});
	check_set(g, "10.1.0.15", 5, (uint16_t[]){1, 2, 5, 7, 9});
	check_set(g, "10.1.0.16", 2, (uint16_t[]){2, 5});
	check_set(g, "10.1.0.31", 2, (uint16_t[]){2, 5});
	check_set(g, "10.1.0.32", 1, (uint16_t[]){2});
	check_set(g, "10.1.255.255", 1, (uint16_t[]){2});
	check_set(g, "10.2.0.0", 0, NULL);
	check_set(g, "254.255.255.255", 0, NULL);
	check_set(g, "255.0.0.0", 1, (uint16_t[]){4});
	check_set(g, "255.255.255.255", 2, (uint16_t[]){3, 4});
	check_set(g, "::", 1, (uint16_t[]){6});
	check_set(g, "::1", 2, (uint16_t[]){6, 8});
	check_set(g, "::2", 1, (uint16_t[]){6});
	check_set(g, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1, (uint16_t[]){6});
	filter_groups_destroy(g);
}

static void test_most_groups_of_an_address(void **state)
{
	struct filter_member m[FILTER_MAX_MEMBERSHIPS + 2];
	uint16_t all[FILTER_MAX_MEMBERSHIPS];
	struct err e = {0};
	struct filter_groups *g;

	(void)state;
	for (unsigned i = 0; i < FILTER_MAX_MEMBERSHIPS; i++) {
		m[i] = member(i % 2 ? "10.0.0.4" : "10.0.0.0", i % 2 ? 32 : 29, (uint16_t)(3 * i));
		all[i] = (uint16_t)(3 * i);
	}
	m[FILTER_MAX_MEMBERSHIPS] = m[1];
	g = create_groups(m, FILTER_MAX_MEMBERSHIPS + 1);
	check_set(g, "10.0.0.4", FILTER_MAX_MEMBERSHIPS, all);
	filter_groups_destroy(g);
	m[FILTER_MAX_MEMBERSHIPS + 1] = member("10.0.0.5", 32, 1);
	g = create_groups(m, FILTER_MAX_MEMBERSHIPS + 2);
	filter_groups_destroy(g);
	m[FILTER_MAX_MEMBERSHIPS + 1] = member("10.0.0.4", 32, 1);
	assert_null(filter_groups_create(m, FILTER_MAX_MEMBERSHIPS + 2, &e));
	assert_int_equal(e.code, ERR_NO_SPACE);
	assert_non_null(strstr(e.text, "10.0.0.4/32"));
}

static void test_refused_members(void **state)
{
	const struct filter_member bad[] = {
		member("10.0.0.1", 33, 1), member("10.0.0.1", 31, 1),
		member("fd00::1", 129, 1), member("fd00::1", 127, 1),
		member("10.0.0.0", 0, 1),  member("10.0.0.1", 32, FILTER_NO_GROUP),
	};
	struct filter_member *many = calloc(FILTER_MAX_MEMBERS + 1, sizeof(*many));
	struct filter_groups *g;
	struct err e = {0};

	(void)state;
	assert_non_null(many);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_null(filter_groups_create(&bad[i], 1, &e));
		assert_int_equal(e.code, ERR_INVALID);
	}
	for (unsigned i = 0; i <= FILTER_MAX_MEMBERS; i++) {
		many[i] = member("10.0.0.0", 32, (uint16_t)(i % 7));
		many[i].address.bytes[1] = (uint8_t)(i >> 15);
		many[i].address.bytes[2] = (uint8_t)(i >> 7);
		many[i].address.bytes[3] = (uint8_t)(2 * i);
	}
	assert_null(filter_groups_create(many, FILTER_MAX_MEMBERS + 1, &e));
	assert_int_equal(e.code, ERR_NO_SPACE);
	g = create_groups(many, FILTER_MAX_MEMBERS);
	assert_in_range(filter_groups_size(g), FILTER_MAX_MEMBERS, 4 << 20);
	check_set(g, "10.0.0.2", 1, (uint16_t[]){1});
	check_set(g, "10.0.0.3", 0, NULL);
	check_set(g, "10.0.1.0", 1, (uint16_t[]){128 % 7});
	filter_groups_destroy(g);
	free(many);
}

static void test_no_members(void **state)
{
	struct filter_groups *g = create_groups(NULL, 0);

	(void)state;
	check_set(g, "0.0.0.0", 0, NULL);
	check_set(g, "255.255.255.255", 0, NULL);
	check_set(g, "fd00::1", 0, NULL);
	filter_groups_destroy(g);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_each_kind_of_rule),
		cmocka_unit_test(test_first_rule_decides),
		cmocka_unit_test(test_no_rules_match_nothing),
		cmocka_unit_test(test_most_rules),
		cmocka_unit_test(test_memory_is_bounded),
		cmocka_unit_test(test_refused_rules),
		cmocka_unit_test(test_groups_decide_by_family),
		cmocka_unit_test(test_prefixes_are_members),
		cmocka_unit_test(test_most_groups_of_an_address),
		cmocka_unit_test(test_refused_members),
		cmocka_unit_test(test_no_members),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}
