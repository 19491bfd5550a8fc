/* SPDX-License-Identifier: BSD-3-Clause */
/* Security groups: what passes by rules, by connections, as fragments and errors; that dry judging
 * says what real judging does. */
#include "policy/security.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "pkt/drops.h"
#include "policy/conntrack_impl.h"
#include "policy/filter.h"
#include "tests/fake/flow_packet.h"

#define VM    1
#define PEER  2
#define START (UINT32_MAX - 5000)

#define S FLOW_SENT
#define R FLOW_RECEIVED

/* A VM whose rules let it send TCP and UDP, and others connect to its port 80. */
struct scene {
	struct filter *egress, *ingress, *none;
	struct security s;
	struct conntrack *ct;
	uint32_t now;
};

static struct filter_rule rule(uint8_t proto, uint16_t first, uint16_t last)
{
	return (struct filter_rule){.is_allow = true,
				    .protocol = proto,
				    .first = first,
				    .last = last,
				    .group = FILTER_NO_GROUP};
}

static int set_up(void **state)
{
	const struct filter_rule out[] = {rule(IPPROTO_TCP, 0, UINT16_MAX),
					  rule(IPPROTO_UDP, 0, UINT16_MAX),
					  rule(IPPROTO_ICMP, 8 << 8, 8 << 8)};
	const struct filter_rule in[] = {rule(IPPROTO_TCP, 80, 80), rule(IPPROTO_UDP, 80, 80)};
	struct scene *e = calloc(1, sizeof(*e));

	assert_non_null(e);
	e->egress = filter_create(out, 3, NULL);
	e->ingress = filter_create(in, 2, NULL);
	e->none = filter_create(NULL, 0, NULL);
	e->ct = conntrack_create(64);
	assert_true(e->egress && e->ingress && e->none && e->ct);
	e->s = (struct security){
		.egress = e->egress, .ingress = e->ingress, .generation = 1, .port = 3};
	e->now = START;
	*state = e;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *e = *state;

	filter_destroy(e->egress);
	filter_destroy(e->ingress);
	filter_destroy(e->none);
	conntrack_destroy(e->ct);
	free(e);
	return 0;
}

static struct judgement judge_frame(struct scene *e, uint8_t *frame, uint32_t len,
				    enum flow_side side, bool is_dry)
{
	struct rte_mbuf m, *at = &m;
	struct judgement out;

	flow_packet_attach(&m, frame, len);
	security_judge(&e->s, e->ct, side, &at, 1, e->now, is_dry, &out);
	return out;
}

static struct conntrack_stats stats_of(const struct scene *e)
{
	struct conntrack_stats stats;

	conntrack_get_stats(e->ct, &stats);
	return stats;
}

/* Judges a packet, dry and then real, which has to be the same. */
static struct judgement judge(struct scene *e, const struct flow_shape *s, enum flow_side side)
{
	uint8_t frame[FLOW_PACKET_MAX];
	uint32_t len = flow_packet_write(frame, s);
	struct conntrack_stats before = stats_of(e), after;
	struct judgement dry = judge_frame(e, frame, len, side, true), real;

	after = stats_of(e);
	assert_memory_equal(&before, &after, sizeof(before));
	real = judge_frame(e, frame, len, side, false);
	assert_int_equal(dry.reason, real.reason);
	assert_int_equal(dry.how, real.how);
	assert_int_equal(dry.rule, real.rule);
	assert_int_equal(dry.rule_side, real.rule_side);
	return real;
}

static void assert_passes(struct scene *e, const struct flow_shape *s, enum flow_side side,
			  enum security_how how)
{
	struct judgement j = judge(e, s, side);

	assert_int_equal(j.reason, DROP_COUNT);
	assert_string_equal(security_how_text((enum security_how)j.how), security_how_text(how));
}

static void assert_dropped(struct scene *e, const struct flow_shape *s, enum flow_side side,
			   enum drop_reason reason)
{
	struct judgement j = judge(e, s, side);

	assert_int_not_equal(j.reason, DROP_COUNT);
	assert_string_equal(drop_reason_text((enum drop_reason)j.reason), drop_reason_text(reason));
}

/* A packet of the VM, or to it. */
static struct flow_shape shape(enum flow_side side, uint8_t proto, uint16_t sport, uint16_t dport,
			       uint8_t flags)
{
	return (struct flow_shape){.proto = proto,
				   .src = side == S ? VM : PEER,
				   .dst = side == S ? PEER : VM,
				   .sport = sport,
				   .dport = dport,
				   .tcp_flags = flags};
}

/* --- connections -------------------------------------------------------------------------------
 */

static void test_rules_and_replies(void **state)
{
	struct scene *e = *state;
	struct flow_shape ask = shape(S, IPPROTO_UDP, 1000, 53, 0);
	struct flow_shape answer = shape(R, IPPROTO_UDP, 53, 1000, 0);
	struct judgement j;

	assert_dropped(e, &answer, R, DROP_SECURITY_GROUP);
	j = judge(e, &ask, S);
	assert_int_equal(j.how, SECURITY_NEW);
	assert_int_equal(j.rule, 1);
	assert_int_equal(j.rule_side, S);
	j = judge(e, &answer, R);
	assert_int_equal(j.how, SECURITY_ESTABLISHED);
	assert_int_equal(j.reason, DROP_COUNT);
	assert_int_equal(j.rule, 1);
	assert_int_equal(j.rule_side, S);
	/* Only that one. */
	answer.sport = 54;
	assert_dropped(e, &answer, R, DROP_SECURITY_GROUP);
	answer = shape(R, IPPROTO_TCP, 2000, 80, TH_SYN);
	j = judge(e, &answer, R);
	assert_int_equal(j.how, SECURITY_NEW);
	assert_int_equal(j.rule_side, R);
	assert_int_equal(stats_of(e).opened_by_others, 1);
	assert_int_equal(stats_of(e).opened_by_vm, 1);
	/* Another port of the VM is in another network. */
	e->s.port++;
	answer = shape(R, IPPROTO_UDP, 53, 1000, 0);
	assert_dropped(e, &answer, R, DROP_SECURITY_GROUP);
}

static void test_expired_connections_are_new(void **state)
{
	struct scene *e = *state;
	struct flow_shape ask = shape(S, IPPROTO_UDP, 1000, 53, 0);
	struct flow_shape answer = shape(R, IPPROTO_UDP, 53, 1000, 0);

	assert_passes(e, &ask, S, SECURITY_NEW);
	e->now += 30000;
	assert_dropped(e, &answer, R, DROP_SECURITY_GROUP);
	assert_passes(e, &ask, S, SECURITY_NEW);
	e->now += 30000;
	assert_passes(e, &ask, S, SECURITY_NEW);
	assert_int_equal(stats_of(e).expired, 2);
	assert_int_equal(stats_of(e).used, 1);
}

/* A connection that is over does not open the way for one from the other side. */
static void test_reopened(void **state)
{
	struct scene *e = *state;
	struct flow_shape out = shape(S, IPPROTO_TCP, 1000, 443, TH_SYN);
	struct flow_shape in = shape(R, IPPROTO_TCP, 443, 1000, TH_RST | TH_ACK);

	assert_passes(e, &out, S, SECURITY_NEW);
	assert_passes(e, &in, R, SECURITY_ESTABLISHED);
	in.tcp_flags = TH_ACK;
	assert_passes(e, &in, R, SECURITY_ESTABLISHED);
	in.tcp_flags = TH_SYN;
	assert_dropped(e, &in, R, DROP_SECURITY_GROUP);
	assert_passes(e, &out, S, SECURITY_NEW);
	in.tcp_flags = TH_SYN | TH_ACK;
	assert_passes(e, &in, R, SECURITY_ESTABLISHED);
}

static void test_what_opens_none(void **state)
{
	struct scene *e = *state;
	struct flow_shape rst = shape(S, IPPROTO_TCP, 1000, 443, TH_RST);
	struct flow_shape echo = {.proto = IPPROTO_ICMP, .src = VM, .dst = PEER, .icmp_type = 8};
	struct flow_shape reply = {.proto = IPPROTO_ICMP, .src = PEER, .dst = VM};

	assert_passes(e, &rst, S, SECURITY_NEW);
	assert_int_equal(stats_of(e).used, 0);
	assert_dropped(e, &reply, R, DROP_SECURITY_GROUP);
	assert_passes(e, &echo, S, SECURITY_NEW);
	assert_passes(e, &reply, R, SECURITY_ESTABLISHED);
	/* The other side's question is another one. */
	reply.icmp_type = 8;
	assert_dropped(e, &reply, R, DROP_SECURITY_GROUP);
	assert_int_equal(stats_of(e).used, 1);
}

static void test_full_table(void **state)
{
	struct scene *e = *state;
	struct flow_shape in = shape(R, IPPROTO_TCP, 1, 80, 0);
	struct flow_shape out = shape(S, IPPROTO_TCP, 80, 1, TH_SYN | TH_ACK);

	for (uint16_t i = 0; i < 32; i++) {
		in.sport = out.dport = 100 + i;
		in.tcp_flags = TH_SYN;
		assert_passes(e, &in, R, SECURITY_NEW);
		assert_passes(e, &out, S, SECURITY_ESTABLISHED);
		in.tcp_flags = TH_ACK;
		assert_passes(e, &in, R, SECURITY_ESTABLISHED);
	}
	in.sport = 99;
	in.tcp_flags = TH_SYN;
	assert_dropped(e, &in, R, DROP_CONNECTIONS_FULL);
	/* Where nothing is judged, what has no room passes nevertheless. */
	e->s.ingress = NULL;
	assert_passes(e, &in, R, SECURITY_OPEN);
	assert_int_equal(stats_of(e).refused, 2);
	out = shape(S, IPPROTO_UDP, 1000, 53, 0);
	assert_passes(e, &out, S, SECURITY_NEW);
}

/* Packets of one batch may be of the same new connection. */
static void test_batch(void **state)
{
	struct scene *e = *state;
	struct flow_shape out = shape(S, IPPROTO_UDP, 1000, 53, 0);
	static uint8_t frame[70][FLOW_PACKET_MAX];
	struct rte_mbuf m[70], *at[70];
	struct judgement j[70];

	for (unsigned i = 0; i < 70; i++) {
		out.sport = (uint16_t)(1000 + i / 7);
		flow_packet_attach(at[i] = &m[i], frame[i], flow_packet_write(frame[i], &out));
	}
	security_judge(&e->s, e->ct, S, at, 70, e->now, false, j);
	for (unsigned i = 0; i < 70; i++) {
		assert_int_equal(j[i].reason, DROP_COUNT);
		assert_int_equal(j[i].how, i % 7 ? SECURITY_ESTABLISHED : SECURITY_NEW);
	}
	assert_int_equal(stats_of(e).used, 10);
}

/* --- changes of rules --------------------------------------------------------------------------
 */

static void test_rules_change(void **state)
{
	struct scene *e = *state;
	struct flow_shape out = shape(S, IPPROTO_UDP, 1000, 53, 0);
	struct flow_shape back = shape(R, IPPROTO_UDP, 53, 1000, 0);
	struct flow_shape in = shape(R, IPPROTO_TCP, 2000, 80, TH_SYN);
	struct flow_shape reply = shape(S, IPPROTO_TCP, 80, 2000, TH_SYN | TH_ACK);

	assert_passes(e, &out, S, SECURITY_NEW);
	assert_passes(e, &in, R, SECURITY_NEW);
	/* Judged again as they were opened, whoever sends the next packet. */
	e->s.generation++;
	e->s.egress = e->none;
	assert_passes(e, &reply, S, SECURITY_ESTABLISHED);
	assert_int_equal(judge(e, &reply, S).rule, 0);
	assert_dropped(e, &back, R, DROP_SECURITY_GROUP);
	assert_int_equal(judge(e, &back, R).how, SECURITY_ENDED);
	assert_int_equal(stats_of(e).used, 2);
	/* When they allow it again, it goes on as the VM's, whoever sends the next packet. */
	e->s.generation++;
	e->s.egress = e->egress;
	assert_passes(e, &back, R, SECURITY_ESTABLISHED);
	assert_int_equal(stats_of(e).opened_by_vm, 1);
	assert_int_equal(stats_of(e).used, 2);
	/* And is not mistaken for the other end's. */
	e->s.generation++;
	e->s.egress = e->none;
	assert_dropped(e, &back, R, DROP_SECURITY_GROUP);
}

/* A connection that others opened, and that is not allowed any more, does not go on because the VM
 * may open connections: not before it opens one. */
static void test_an_ended_connection_stays_ended(void **state)
{
	struct scene *e = *state;
	struct flow_shape in = shape(R, IPPROTO_TCP, 53, 80, TH_SYN);
	struct flow_shape reply = shape(S, IPPROTO_TCP, 80, 53, TH_ACK);
	const struct filter_rule any_tcp = rule(IPPROTO_TCP, 0, UINT16_MAX);
	struct filter *all = filter_create(&any_tcp, 1, NULL);

	e->s.egress = all;
	assert_passes(e, &in, R, SECURITY_NEW);
	assert_passes(e, &reply, S, SECURITY_ESTABLISHED);
	e->s.generation++;
	e->s.ingress = e->none;
	in.tcp_flags = TH_ACK;
	for (unsigned i = 0; i < 100; i++) {
		e->now += 30000;
		assert_dropped(e, &reply, S, DROP_SECURITY_GROUP);
		assert_dropped(e, &in, R, DROP_SECURITY_GROUP);
	}
	assert_int_equal(judge(e, &reply, S).how, SECURITY_ENDED);
	/* Nor because the other end tries to open one, and may not. */
	in.tcp_flags = TH_SYN;
	assert_dropped(e, &in, R, DROP_SECURITY_GROUP);
	in.tcp_flags = TH_ACK;
	assert_dropped(e, &reply, S, DROP_SECURITY_GROUP);
	reply.tcp_flags = TH_SYN;
	assert_passes(e, &reply, S, SECURITY_NEW);
	assert_passes(e, &in, R, SECURITY_ESTABLISHED);
	/* The other way round it is over once nobody sends. */
	e->s.generation++;
	e->s.egress = e->none;
	assert_dropped(e, &in, R, DROP_SECURITY_GROUP);
	e->now += 60000;
	e->s.generation++;
	e->s.ingress = e->ingress;
	assert_passes(e, &in, R, SECURITY_NEW);
	filter_destroy(all);
}

static void test_open_directions(void **state)
{
	struct scene *e = *state;
	struct flow_shape out = shape(S, IPPROTO_GRE, 0, 0, 0),
			  back = shape(R, IPPROTO_GRE, 0, 0, 0);

	assert_dropped(e, &out, S, DROP_SECURITY_GROUP);
	/* What goes out freely has its answers. */
	e->s.egress = NULL;
	assert_dropped(e, &back, R, DROP_SECURITY_GROUP);
	assert_passes(e, &out, S, SECURITY_OPEN);
	assert_passes(e, &back, R, SECURITY_ESTABLISHED);
	e->s.generation++;
	assert_passes(e, &back, R, SECURITY_ESTABLISHED);
	out.n_vlans = 3;
	assert_passes(e, &out, S, SECURITY_OPEN);
	out.n_vlans = 0;
	e->s.ingress = NULL;
	back.src = 99;
	assert_passes(e, &back, R, SECURITY_OPEN);
	assert_int_equal(stats_of(e).used, 1);
}

/* --- others ------------------------------------------------------------------------------------
 */

static void test_exempt_and_malformed(void **state)
{
	struct scene *e = *state;
	struct flow_shape s = shape(S, IPPROTO_UDP, 68, 67, 0);
	uint8_t frame[FLOW_PACKET_MAX];
	uint32_t len;

	e->s.egress = e->none;
	assert_passes(e, &s, S, SECURITY_EXEMPT);
	s = shape(S, IPPROTO_UDP, 68, 68, 0);
	assert_dropped(e, &s, S, DROP_SECURITY_GROUP);
	s.n_vlans = 3;
	assert_dropped(e, &s, S, DROP_BAD_IP);
	s.n_vlans = 0;
	len = flow_packet_write(frame, &s);
	frame[12] = 0x88;
	frame[13] = 0xcc;
	assert_int_equal(judge_frame(e, frame, len, S, false).how, SECURITY_NOT_IP);
}

static void test_errors(void **state)
{
	struct scene *e = *state;
	struct flow_shape out = shape(S, IPPROTO_UDP, 1000, 53, 0);
	uint8_t quoted[FLOW_PACKET_MAX];
	struct flow_shape error = {.proto = IPPROTO_ICMP,
				   .src = 99,
				   .dst = VM,
				   .icmp_type = 3,
				   .icmp_code = 4,
				   .quoted = quoted,
				   .quoted_len = 28};
	const struct filter_rule allow = rule(IPPROTO_ICMP, 3 << 8 | 4, 3 << 8 | 4);
	struct filter *icmp = filter_create(&allow, 1, NULL);

	flow_packet_write(quoted, &out);
	assert_dropped(e, &error, R, DROP_SECURITY_GROUP);
	assert_passes(e, &out, S, SECURITY_NEW);
	assert_passes(e, &error, R, SECURITY_RELATED);
	/* It does not keep the connection. */
	e->now += 30000;
	assert_dropped(e, &error, R, DROP_SECURITY_GROUP);
	/* By the rules, as the ICMP packet that it is; it opens nothing. */
	e->s.ingress = icmp;
	assert_passes(e, &error, R, SECURITY_NEW);
	error.icmp_code = 3;
	assert_dropped(e, &error, R, DROP_SECURITY_GROUP);
	/* Nor is it of a connection that is not allowed any more. */
	assert_passes(e, &out, S, SECURITY_NEW);
	e->s.generation++;
	e->s.egress = e->none;
	assert_dropped(e, &error, R, DROP_SECURITY_GROUP);
	assert_int_equal(judge(e, &out, S).how, SECURITY_ENDED);
	filter_destroy(icmp);
}

static void test_fragments(void **state)
{
	struct scene *e = *state;
	struct flow_shape first = shape(R, IPPROTO_UDP, 1, 80, 0), later;

	first.is_fragment = first.has_more = true;
	first.id = 7;
	later = first;
	later.offset = 100;
	assert_dropped(e, &later, R, DROP_FRAGMENT_UNKNOWN);
	assert_passes(e, &first, R, SECURITY_NEW);
	assert_passes(e, &later, R, SECURITY_FRAGMENT);
	assert_dropped(e, &later, S, DROP_FRAGMENT_UNKNOWN);
	later.id = 8;
	assert_dropped(e, &later, R, DROP_FRAGMENT_UNKNOWN);
	/* Dropped as the first one. */
	first.dport = 81;
	first.id = 8;
	assert_dropped(e, &first, R, DROP_SECURITY_GROUP);
	assert_dropped(e, &later, R, DROP_SECURITY_GROUP);
	/* By these rules only, and for so long. */
	later.id = 7;
	e->s.generation++;
	assert_dropped(e, &later, R, DROP_FRAGMENT_UNKNOWN);
	e->s.generation--;
	e->now += 29999;
	assert_passes(e, &later, R, SECURITY_FRAGMENT);
	e->now++;
	assert_dropped(e, &later, R, DROP_FRAGMENT_UNKNOWN);
}

/* A flood of beginnings displaces the oldest ones of its direction only, and none that passed when
 * it is dropped itself. */
static void test_many_fragments(void **state)
{
	struct scene *e = *state;
	struct flow_shape first = shape(R, IPPROTO_UDP, 1, 80, 0),
			  out = shape(S, IPPROTO_UDP, 1, 9, 0);
	struct flow_shape later;

	first.is_fragment = first.has_more = out.is_fragment = out.has_more = true;
	assert_passes(e, &out, S, SECURITY_NEW);
	for (unsigned i = 0; i < 33; i++, e->now++) {
		first.id = i;
		assert_int_equal(judge(e, &first, R).reason, DROP_COUNT);
	}
	for (unsigned i = 1000; i < 1100; i++, e->now++) {
		first.id = i;
		first.dport = 81;
		assert_dropped(e, &first, R, DROP_SECURITY_GROUP);
	}
	later = first;
	for (unsigned i = 0; i < 33; i++) {
		later.offset = 100;
		later.id = i;
		if (i == 0)
			assert_dropped(e, &later, R, DROP_FRAGMENT_UNKNOWN);
		else
			assert_passes(e, &later, R, SECURITY_FRAGMENT);
	}
	out.offset = 9;
	assert_passes(e, &out, S, SECURITY_FRAGMENT);
}

/* Whatever comes in whatever order, dry judging says what real judging does (which judge()
 * compares), and the table's limits hold. */
static void test_dry_is_real(void **state)
{
	struct scene *e = *state;
	static const uint8_t flags[] = {TH_SYN, TH_ACK, TH_SYN | TH_ACK, TH_FIN | TH_ACK, TH_RST};
	static const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP};
	unsigned hows[SECURITY_HOWS] = {0}, reasons[DROP_COUNT + 1] = {0};
	uint8_t quoted[FLOW_PACKET_MAX];

	srand(1);
	for (unsigned i = 0; i < 200000; i++) {
		enum flow_side side = rand() & 1 ? S : R;
		uint16_t there = (uint16_t)(rand() % 8 ? rand() % 150 : rand()), here = 80;
		struct flow_shape s = shape(side, protos[rand() % 4], 0, 0, flags[rand() % 5]);
		struct judgement j;

		if (rand() % 4 == 0)
			here = 1000;
		s.sport = side == S ? here : there;
		s.dport = side == S ? there : here;
		s.icmp_type = rand() & 1 ? 8 : 0;
		s.icmp_id = there;
		s.is_fragment = rand() % 8 == 0;
		s.has_more = s.is_fragment;
		s.offset = s.is_fragment && rand() & 1 ? 3 : 0;
		s.id = (uint32_t)rand() % 50;
		if (rand() % 8 == 0 && s.offset == 0) {
			flow_packet_write(quoted, &s);
			s = (struct flow_shape){.proto = IPPROTO_ICMP,
						.src = s.dst,
						.dst = s.src,
						.icmp_type = 3,
						.quoted = quoted,
						.quoted_len = 28};
			side = side == S ? R : S;
		}
		e->now += rand() % 64 ? (uint32_t)rand() % 200 : (uint32_t)rand() % 20000;
		if (rand() % 500 == 0) {
			e->s.generation++;
			e->s.ingress = rand() & 1 ? e->ingress : rand() & 1 ? e->none : NULL;
			e->s.egress = rand() & 1 ? e->egress : rand() & 1 ? e->none : NULL;
		}
		j = judge(e, &s, side);
		hows[j.how]++;
		reasons[j.reason]++;
		assert_true(stats_of(e).used <= 64 && stats_of(e).opened_by_others <= 32);
	}
	assert_true(hows[SECURITY_NEW] && hows[SECURITY_ESTABLISHED] && hows[SECURITY_RELATED] &&
		    hows[SECURITY_FRAGMENT] && hows[SECURITY_OPEN]);
	assert_true(reasons[DROP_CONNECTIONS_FULL] && reasons[DROP_SECURITY_GROUP] &&
		    reasons[DROP_FRAGMENT_UNKNOWN]);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_rules_and_replies),
		CASE(test_expired_connections_are_new),
		CASE(test_reopened),
		CASE(test_what_opens_none),
		CASE(test_full_table),
		CASE(test_batch),
		CASE(test_rules_change),
		CASE(test_an_ended_connection_stays_ended),
		CASE(test_open_directions),
		CASE(test_exempt_and_malformed),
		CASE(test_errors),
		CASE(test_fragments),
		CASE(test_many_fragments),
		CASE(test_dry_is_real),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
