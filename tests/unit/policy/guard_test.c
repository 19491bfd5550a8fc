/* SPDX-License-Identifier: BSD-3-Clause */
/* The guard: what guests try (guard_attempts.def), one by one and in runs. */
#include "policy/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "pkt/drops.h"
#include "pkt/pkt.h"
#include "tests/fake/inner_frame.h"

#define PASS  DROP_COUNT
#define FRAME 512

enum mac { OWN, SECOND, OTHER, ZERO };
static const uint8_t macs[][6] = {
	[OWN] = {0x52, 0x54, 0, 0, 0, 1},
	[SECOND] = {0x52, 0x54, 0, 0, 0, 2},
	[OTHER] = {0x52, 0x54, 0, 0, 0, 3},
	[ZERO] = {0},
};

enum which { FULL, MACS, V4, STRICT, SERVER, ROUTER, GUARDS };

struct shape {
	enum mac mac, sha;
	unsigned tags;
	uint16_t type; /* of what is none of the others */
	bool is_snap;
	uint8_t arp, nd; /* operation; ICMPv6 type */
	const char *src, *dst, *target;
	uint8_t proto, options, ext, option;
	uint16_t sport, dport, fragment, payload;
	bool is_fragment;
	uint8_t patch_at, patch;
	uint16_t len, first; /* of the packet, of its first segment; 0: all of it */
};

struct attempt {
	const char *name;
	enum drop_reason why;
	enum which which;
	struct shape shape;
};

static const struct attempt attempts[] = {
#define X(verdict, guard, text, ...) {text, verdict, guard, {__VA_ARGS__}},
#include "tests/unit/policy/guard_attempts.def"
#undef X
};
#define N_ATTEMPTS (sizeof(attempts) / sizeof(attempts[0]))

/* --- guards ------------------------------------------------------------------------------------
 */

static uint64_t mac_of(enum mac i)
{
	uint64_t mac = 0;

	memcpy(&mac, macs[i], 6);
	return mac;
}

static void add(struct guard *g, const char *text)
{
	struct ip_prefix p;

	assert_null(ip_prefix_parse(text, &p));
	guard_add_prefix(g, &p);
}

static struct guard make_guard(enum which which)
{
	static const uint8_t allow[GUARDS] = {
		[FULL] = GUARD_ALLOW_USUAL,
		[MACS] = GUARD_ALLOW_USUAL,
		[V4] = GUARD_ALLOW_USUAL,
		[SERVER] = GUARD_ALLOW_USUAL | GUARD_DHCP_SERVER,
		[ROUTER] = GUARD_ALLOW_USUAL | GUARD_ROUTER,
	};
	struct guard g = {.allow = allow[which]};

	guard_add_mac(&g, mac_of(OWN));
	guard_add_mac(&g, mac_of(SECOND));
	if (which == MACS)
		return g;
	add(&g, "10.1.0.5");
	add(&g, "10.2.0.0/24");
	if (which == V4)
		return g;
	add(&g, "2001:db8::5");
	add(&g, "2001:db8:1::/64");
	return g;
}

/* --- packets -----------------------------------------------------------------------------------
 */

static uint32_t put_l4(uint8_t *p, const struct shape *s)
{
	uint32_t len = s->payload ? s->payload : 40;

	memset(p, 0, 64);
	if (s->nd) {
		p[0] = s->nd;
		if (s->target)
			assert_int_equal(inet_pton(AF_INET6, s->target, p + 8), 1);
		if (s->payload)
			return s->payload;
		len = s->nd == 133 ? 8 : s->nd == 134 ? 16 : s->nd == 137 ? 40 : 24;
		if (s->option) {
			p[len] = s->option;
			p[len + 1] = 1;
			memcpy(p + len + 2, macs[s->sha], 6);
			len += 8;
		}
		return len;
	}
	plain_put16(p, s->sport ? s->sport : 5000);
	plain_put16(p + 2, s->dport ? s->dport : 80);
	p[12] = 0x50;
	return len;
}

static uint32_t put_v4(uint8_t *p, const struct shape *s)
{
	uint32_t head = 20 + 4u * s->options, len;

	memset(p, 0, head);
	p[0] = (uint8_t)(0x40 | head / 4);
	plain_put16(p + 6, s->fragment);
	p[8] = 64;
	p[9] = s->proto ? s->proto : IPPROTO_UDP;
	assert_int_equal(inet_pton(AF_INET, s->src, p + 12), 1);
	assert_int_equal(inet_pton(AF_INET, s->dst ? s->dst : "10.9.9.9", p + 16), 1);
	len = head + put_l4(p + head, s);
	plain_put16(p + 2, (uint16_t)len);
	return len;
}

static uint32_t put_v6(uint8_t *p, const struct shape *s)
{
	uint8_t *next = p + 6, *at = p + 40;

	memset(p, 0, 40);
	p[0] = 0x60;
	p[7] = 255;
	assert_int_equal(inet_pton(AF_INET6, s->src, p + 8), 1);
	assert_int_equal(inet_pton(AF_INET6, s->dst ? s->dst : "ff02::1", p + 24), 1);
	if (s->is_fragment) {
		*next = IPPROTO_FRAGMENT;
		next = at;
		memset(at, 0, 8);
		plain_put16(at + 2, s->fragment);
		at += 8;
	}
	for (unsigned i = 0; i < s->ext; i++, at += 8) {
		*next = IPPROTO_DSTOPTS;
		next = at;
		memset(at, 0, 8);
		at[2] = 1;
		at[3] = 4;
	}
	*next = s->nd ? IPPROTO_ICMPV6 : s->proto ? s->proto : IPPROTO_UDP;
	at += put_l4(at, s);
	plain_put16(p + 4, (uint16_t)(at - p - 40));
	return (uint32_t)(at - p);
}

static uint32_t put_arp(uint8_t *p, const struct shape *s)
{
	static const uint8_t head[] = {0, 1, 8, 0, 6, 4, 0};

	memset(p, 0, 46);
	memcpy(p, head, sizeof(head));
	p[7] = s->arp;
	memcpy(p + 8, macs[s->sha], 6);
	assert_int_equal(inet_pton(AF_INET, s->src, p + 14), 1);
	assert_int_equal(inet_pton(AF_INET, "10.1.0.9", p + 24), 1);
	return 46;
}

static uint32_t put_other(uint8_t *p, const struct shape *s)
{
	static const uint8_t snap[] = {0xaa, 0xaa, 3, 0, 0, 0, 8, 0, 0x45};

	memset(p, 0x42, 64);
	if (s->is_snap)
		memcpy(p, snap, sizeof(snap));
	return 64;
}

static uint16_t type_of(const struct shape *s)
{
	if (s->type)
		return s->type;
	if (s->arp)
		return 0x0806;
	return strchr(s->src, ':') ? 0x86dd : 0x0800;
}

static uint32_t put_frame(uint8_t *frame, const struct shape *s)
{
	static const uint8_t to[6] = {0x52, 0x54, 0, 0, 0, 9};
	uint16_t type = type_of(s);
	uint8_t *p = frame + 12;

	memcpy(frame, to, 6);
	memcpy(frame + 6, macs[s->mac], 6);
	for (unsigned i = 0; i < s->tags; i++, p += 4) {
		plain_put16(p, s->tags > 1 && i == 0 ? 0x88a8 : 0x8100);
		plain_put16(p + 2, (uint16_t)i);
	}
	plain_put16(p, type);
	p += 2;
	if (s->type)
		p += put_other(p, s);
	else if (s->arp)
		p += put_arp(p, s);
	else
		p += type == 0x0800 ? put_v4(p, s) : put_v6(p, s);
	if (s->patch_at)
		frame[s->patch_at] = s->patch;
	return s->len ? s->len : (uint32_t)(p - frame);
}

/* A packet in memory of exactly its size, so that sanitizers see reads behind its first segment. */
struct packet {
	struct rte_mbuf m;
	struct pkt pkt;
};

static void make(struct packet *p, const struct shape *s)
{
	uint8_t frame[FRAME];
	uint32_t len;

	memset(p, 0, sizeof(*p));
	len = put_frame(frame, s);
	p->m.data_len = s->first ? s->first : (uint16_t)len;
	p->m.pkt_len = len;
	p->m.buf_addr = malloc(p->m.data_len);
	assert_non_null(p->m.buf_addr);
	memcpy(p->m.buf_addr, frame, p->m.data_len);
	p->pkt.m = &p->m;
}

static void assert_judged(const struct attempt *a, const struct pkt *p)
{
	bool is_right = a->why == PASS ? p->verdict == PKT_FORWARD
				       : p->verdict == PKT_DROP && p->reason == a->why;

	if (!is_right)
		fail_msg("%s: %s, expected %s", a->name,
			 p->verdict == PKT_DROP ? drop_reason_text((enum drop_reason)p->reason)
						: "passed",
			 a->why == PASS ? "to pass" : drop_reason_text(a->why));
}

static void test_attempts(void **state)
{
	unsigned refused = 0;

	(void)state;
	for (unsigned i = 0; i < N_ATTEMPTS; i++) {
		struct guard g = make_guard(attempts[i].which);
		struct packet p;

		make(&p, &attempts[i].shape);
		guard_check(&g, &p.pkt, 1);
		assert_judged(&attempts[i], &p.pkt);
		refused += attempts[i].why != PASS;
		free(p.m.buf_addr);
	}
	assert_true(refused >= 60);
}

/* What passed before, from whatever source, excuses nothing: every two attempts in turn, and each
 * twice. */
static void test_attempts_in_runs(void **state)
{
	(void)state;
	for (unsigned i = 0; i < N_ATTEMPTS; i++) {
		for (unsigned k = 0; k < N_ATTEMPTS; k++) {
			static const unsigned order[] = {0, 0, 1, 0, 1, 1};
			const struct attempt *a[] = {&attempts[i], &attempts[k]};
			struct guard g = make_guard(a[0]->which);
			struct packet made[2];
			struct pkt p[6];

			if (a[0]->which != a[1]->which)
				continue;
			make(&made[0], &a[0]->shape);
			make(&made[1], &a[1]->shape);
			for (unsigned n = 0; n < 6; n++)
				p[n] = made[order[n]].pkt;
			guard_check(&g, p, 6);
			for (unsigned n = 0; n < 6; n++)
				assert_judged(a[order[n]], &p[n]);
			free(made[0].m.buf_addr);
			free(made[1].m.buf_addr);
		}
	}
}

/* A source differs from that of the packet before in one bit of any of its bytes. */
static void test_each_bit_counts(void **state)
{
	static const struct shape honest[] = {
		{.src = "10.1.0.5"},
		{.src = "10.1.0.5", .proto = IPPROTO_TCP},
		{.src = "2001:db8::5"},
		{.src = "2001:db8::5", .proto = IPPROTO_TCP},
	};
	struct guard g = make_guard(FULL);

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		unsigned end = i < 2 ? 30 : 38;

		for (unsigned at = 6; at < end; at++) {
			struct packet a, b;
			struct pkt p[2];

			if (at == 12)
				at = i < 2 ? 26 : 22;
			make(&a, &honest[i]);
			make(&b, &honest[i]);
			((uint8_t *)b.m.buf_addr)[at] ^= 0x40;
			p[0] = a.pkt;
			p[1] = b.pkt;
			guard_check(&g, p, 2);
			assert_int_equal(p[0].verdict, PKT_FORWARD);
			assert_int_equal(p[1].verdict, PKT_DROP);
			assert_int_equal(p[1].reason, at < 12 ? DROP_SPOOFED_MAC : DROP_SPOOFED_IP);
			free(a.m.buf_addr);
			free(b.m.buf_addr);
		}
	}
}

static void test_a_dropped_packet_stays_dropped(void **state)
{
	struct shape honest = {.src = "10.1.0.5"};
	struct guard g = make_guard(FULL);
	struct packet p;

	(void)state;
	make(&p, &honest);
	p.pkt.verdict = PKT_DROP;
	p.pkt.reason = DROP_RESERVED;
	guard_check(&g, &p.pkt, 1);
	assert_int_equal(p.pkt.verdict, PKT_DROP);
	assert_int_equal(p.pkt.reason, DROP_RESERVED);
	free(p.m.buf_addr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attempts),
		cmocka_unit_test(test_attempts_in_runs),
		cmocka_unit_test(test_each_bit_counts),
		cmocka_unit_test(test_a_dropped_packet_stays_dropped),
	};

	return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
