/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM's connections: states and time-outs, who makes room for whom, the clock. */
#include "policy/conntrack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "policy/conntrack_impl.h"

#define START (UINT32_MAX - 20000) /* the clock wraps in many tests */

/* A packet of the connection number n. */
static struct flow packet(uint32_t n, enum flow_side side, uint8_t proto, uint8_t tcp_flags)
{
	struct flow f = {.kind = FLOW_PACKET, .side = (uint8_t)side, .tcp_flags = tcp_flags};

	f.key.local[10] = f.key.local[11] = f.key.remote[10] = f.key.remote[11] = 0xff;
	f.key.local[12] = f.key.remote[12] = 10;
	memcpy(f.key.remote + 13, &n, 3);
	f.key.lport = 1000;
	f.key.rport = 80;
	f.key.proto = proto;
	return f;
}

static struct conn *find(struct conntrack *c, const struct flow *f)
{
	struct conn_place place;
	struct conn *guess, *conn;

	conntrack_locate(c, &f->key, &place);
	guess = conntrack_guess(c, &place);
	conn = conntrack_find(c, &f->key, &place);
	assert_true(!conn || guess);
	return conn;
}

static struct conn *add(struct conntrack *c, const struct flow *f, uint32_t now_ms)
{
	struct conn_place place;
	struct conn *conn;
	bool has_room;

	conntrack_locate(c, &f->key, &place);
	has_room = conntrack_has_room(c, &place, (enum flow_side)f->side, NULL, now_ms);
	conn = conntrack_add(c, &place, f, now_ms);
	assert_int_equal(has_room, conn != NULL);
	assert_true(!conn || find(c, f) == conn);
	return conn;
}

static struct conntrack *create(uint32_t max)
{
	struct conntrack *c = conntrack_create(max);

	assert_non_null(c);
	return c;
}

static struct conntrack_stats stats_of(const struct conntrack *c)
{
	struct conntrack_stats s;

	conntrack_get_stats(c, &s);
	assert_int_equal(s.used, s.opened_by_vm + s.opened_by_others);
	assert_true(s.used <= s.max && s.opened_by_others <= s.max / 2);
	return s;
}

/* --- states ------------------------------------------------------------------------------------
 */

/* Packets, each by its side and flags, and the state after them, with its time-out. */
struct course {
	uint8_t proto, n;
	struct {
		uint8_t side, flags;
	} packet[6];
	enum conn_state state;
	uint32_t seconds;
};

#define S FLOW_SENT
#define R FLOW_RECEIVED

static const struct course courses[] = {
	{IPPROTO_TCP, 1, {{S, TH_SYN}}, CONN_TCP_SYN_SENT, 30},
	{IPPROTO_TCP, 2, {{S, TH_SYN}, {S, TH_SYN}}, CONN_TCP_SYN_SENT, 30},
	{IPPROTO_TCP, 2, {{R, TH_SYN}, {S, TH_SYN | TH_ACK}}, CONN_TCP_SYN_RECV, 60},
	{IPPROTO_TCP, 3, {{S, TH_SYN}, {R, TH_SYN | TH_ACK}, {R, TH_ACK}}, CONN_TCP_SYN_RECV, 60},
	{IPPROTO_TCP,
	 3,
	 {{S, TH_SYN}, {R, TH_SYN | TH_ACK}, {S, TH_ACK}},
	 CONN_TCP_ESTABLISHED,
	 86400},
	/* One that was there before the switch. */
	{IPPROTO_TCP, 1, {{R, TH_ACK}}, CONN_TCP_SYN_SENT, 30},
	{IPPROTO_TCP, 2, {{R, TH_ACK}, {S, TH_ACK}}, CONN_TCP_ESTABLISHED, 86400},
	{IPPROTO_TCP, 3, {{S, TH_ACK}, {R, TH_ACK}, {S, TH_SYN}}, CONN_TCP_ESTABLISHED, 86400},
	{IPPROTO_TCP, 3, {{S, TH_ACK}, {R, TH_ACK}, {R, TH_FIN}}, CONN_TCP_FIN, 120},
	{IPPROTO_TCP, 4, {{S, TH_ACK}, {R, TH_ACK}, {R, TH_FIN}, {S, TH_ACK}}, CONN_TCP_FIN, 120},
	{IPPROTO_TCP, 2, {{S, TH_FIN}, {S, TH_FIN}}, CONN_TCP_FIN, 120},
	{IPPROTO_TCP,
	 5,
	 {{S, TH_ACK}, {R, TH_ACK}, {R, TH_FIN}, {S, TH_FIN}, {R, TH_ACK}},
	 CONN_TCP_CLOSED,
	 10},
	{IPPROTO_TCP, 2, {{S, TH_SYN}, {R, TH_RST | TH_ACK}}, CONN_TCP_RESET, 10},
	/* A reset after which one side goes on, and one after which both do. */
	{IPPROTO_TCP,
	 5,
	 {{S, TH_ACK}, {R, TH_ACK}, {R, TH_RST}, {S, TH_ACK}, {S, TH_ACK}},
	 CONN_TCP_RESET,
	 10},
	{IPPROTO_TCP,
	 5,
	 {{S, TH_ACK}, {R, TH_ACK}, {R, TH_RST}, {S, TH_ACK}, {R, TH_ACK}},
	 CONN_TCP_ESTABLISHED,
	 86400},
	{IPPROTO_UDP, 2, {{S, 0}, {S, 0}}, CONN_UDP_ONE_WAY, 30},
	{IPPROTO_UDP, 2, {{S, 0}, {R, 0}}, CONN_UDP_TWO_WAY, 180},
	{IPPROTO_ICMP, 1, {{R, 0}}, CONN_ICMP_ONE_WAY, 30},
	{IPPROTO_ICMPV6, 2, {{R, 0}, {S, 0}}, CONN_ICMP_TWO_WAY, 30},
	{IPPROTO_GRE, 1, {{R, 0}}, CONN_OTHER_ONE_WAY, 600},
	{IPPROTO_SCTP, 2, {{R, 0}, {S, 0}}, CONN_OTHER_TWO_WAY, 600},
};

static struct conn *run_course(struct conntrack *c, const struct course *k, uint32_t now)
{
	struct conn *conn = NULL;

	for (unsigned i = 0; i < k->n; i++) {
		enum flow_side side = (enum flow_side)k->packet[i].side;
		struct flow f = packet(1, side, k->proto, k->packet[i].flags);

		if (!conn)
			conn = add(c, &f, now);
		else
			conntrack_track(conn, &f, now);
		assert_non_null(conn);
	}
	return conn;
}

static void test_states_and_timeouts(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(courses) / sizeof(courses[0]); i++) {
		uint32_t ms = courses[i].seconds * 1000, now = START;
		struct conntrack *c = create(16);
		struct conn *conn = run_course(c, &courses[i], now);

		assert_string_equal(conn_state_text((enum conn_state)conn->state),
				    conn_state_text(courses[i].state));
		assert_false(conn_is_expired(conn, now + ms - 1));
		assert_int_equal(conntrack_sweep(c, 16, now + ms - 1), 0);
		assert_true(conn_is_expired(conn, now + ms));
		assert_int_equal(conntrack_sweep(c, 16, now + ms), 1);
		assert_int_equal(stats_of(c).used, 0);
		assert_int_equal(stats_of(c).expired, 1);
		conntrack_destroy(c);
	}
}

static void test_packets_keep_a_connection(void **state)
{
	struct conntrack *c = create(16);
	struct flow f = packet(1, FLOW_SENT, IPPROTO_UDP, 0);
	struct conn *conn = add(c, &f, START);

	(void)state;
	for (uint32_t i = 1; i <= 1000; i++) {
		assert_false(conn_is_expired(conn, START + i * 29000));
		conntrack_track(conn, &f, START + i * 29000);
	}
	/* Another worker's clock may be a little behind. */
	assert_false(conn_is_expired(conn, conn->seen_ms - 1000));
	conntrack_track(conn, &f, conn->seen_ms - 1000);
	assert_false(conn_is_expired(conn, conn->seen_ms + 29999));
	assert_true(conn_is_expired(conn, conn->seen_ms + 30000));
	conntrack_destroy(c);
}

/* --- room --------------------------------------------------------------------------------------
 */

/* Adds until the VM has opened all that it can, and lets `proto`'s connections be answered. */
static void fill(struct conntrack *c, uint32_t n, enum flow_side side, uint8_t proto, bool answer)
{
	for (uint32_t i = 0; i < n; i++) {
		struct flow f = packet(i | (uint32_t)side << 23, side, proto, 0);
		struct conn *conn = add(c, &f, START);

		assert_non_null(conn);
		f.side = !f.side;
		if (answer)
			conntrack_track(conn, &f, START);
	}
}

/* Two choices: all of a table can be used, whatever its size. */
static void test_all_can_be_used(void **state)
{
	static const uint32_t sizes[] = {16, 17, 100, 4096, 100000};

	(void)state;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct conntrack *c = create(sizes[i]);

		fill(c, sizes[i] / 2, FLOW_RECEIVED, IPPROTO_UDP, true);
		fill(c, sizes[i] - sizes[i] / 2, FLOW_SENT, IPPROTO_UDP, true);
		assert_int_equal(stats_of(c).used, sizes[i]);
		assert_int_equal(stats_of(c).refused, 0);
		for (uint32_t k = 0; k < sizes[i] / 2; k++) {
			struct flow f = packet(k, FLOW_SENT, IPPROTO_UDP, 0);

			assert_non_null(find(c, &f));
			f.key.port = 1;
			assert_null(find(c, &f));
		}
		conntrack_destroy(c);
	}
}

static void test_established_ones_stay(void **state)
{
	struct conntrack *c = create(64);
	struct flow f = packet(999, FLOW_SENT, IPPROTO_UDP, 0);

	(void)state;
	fill(c, 64, FLOW_SENT, IPPROTO_TCP, true);
	assert_null(add(c, &f, START));
	f.side = FLOW_RECEIVED;
	assert_null(add(c, &f, START));
	assert_int_equal(stats_of(c).refused, 2);
	assert_int_equal(stats_of(c).evicted, 0);
	/* Until they expire: in the same two buckets at once, elsewhere when they are swept. */
	f = packet(0, FLOW_RECEIVED, IPPROTO_UDP, 0);
	f.key.rport++;
	for (unsigned i = 0; i < 32 && !stats_of(c).expired; i++, f.key.rport++)
		add(c, &f, START + 86400000);
	assert_int_equal(stats_of(c).expired, 1);
	assert_int_equal(stats_of(c).evicted, 0);
	assert_int_equal(conntrack_sweep(c, 64, START + 86400000), 63);
	fill(c, 63, FLOW_SENT, IPPROTO_TCP, true);
	conntrack_destroy(c);
}

/* An answered packet of UDP is no reason to refuse the next one: a server's table would be full of
 * those that asked. */
static void test_answered_ones_make_room(void **state)
{
	struct conntrack *c = create(64);
	struct flow f;

	(void)state;
	fill(c, 32, FLOW_RECEIVED, IPPROTO_UDP, true);
	for (uint32_t i = 0; i < 1000; i++) {
		f = packet(1000 + i, FLOW_RECEIVED, IPPROTO_UDP, 0);
		assert_non_null(add(c, &f, START + i));
	}
	assert_int_equal(stats_of(c).opened_by_others, 32);
	assert_int_equal(stats_of(c).evicted, 1000);
	conntrack_destroy(c);
}

/* Others open half of a table at most, of which only half-open ones make room. */
static void test_half_is_kept_for_the_vm(void **state)
{
	struct conntrack *c = create(256);
	struct flow f;

	(void)state;
	fill(c, 128, FLOW_RECEIVED, IPPROTO_TCP, true);
	for (uint32_t i = 0; i < 1000; i++) {
		f = packet(1000 + i, FLOW_RECEIVED, IPPROTO_TCP, TH_SYN);
		assert_null(add(c, &f, START));
	}
	fill(c, 128, FLOW_SENT, IPPROTO_UDP, true);
	assert_int_equal(stats_of(c).opened_by_vm, 128);
	conntrack_destroy(c);
}

/* While SYNs come from a million addresses, the VM opens what it likes, and keeps it. */
static void test_syn_flood(void **state)
{
	struct conntrack *c = create(1024);
	struct flow f;

	(void)state;
	for (uint32_t i = 0; i < 1000000; i++) {
		f = packet(i, FLOW_RECEIVED, IPPROTO_TCP, TH_SYN);
		add(c, &f, START + i / 100);
		if (i % 2000 == 0) {
			f = packet(i / 2000 | 1u << 23, FLOW_SENT, IPPROTO_TCP, TH_SYN);
			assert_non_null(add(c, &f, START + i / 100));
		}
	}
	assert_int_equal(stats_of(c).opened_by_others, 512);
	assert_int_equal(stats_of(c).opened_by_vm, 500);
	for (uint32_t i = 0; i < 500; i++) {
		f = packet(i | 1u << 23, FLOW_SENT, IPPROTO_TCP, TH_SYN);
		assert_non_null(find(c, &f));
	}
	conntrack_destroy(c);
}

/* What makes room first: expired, closing, half-open; of one rank the oldest. A table of four
 * buckets, filled up, in which any two are looked at. */
static void test_order_of_making_room(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct conntrack *c = create(16);
		struct conn_place place;
		struct flow f;
		uint64_t best = UINT64_MAX;
		struct conn *victim = NULL;

		for (uint32_t i = 0; i < 16; i++) {
			static const uint8_t flags[] = {TH_SYN, TH_FIN, TH_SYN, TH_SYN};
			struct conn *conn;

			f = packet(i, FLOW_SENT, IPPROTO_TCP, flags[i % 4]);
			conn = add(c, &f, START + i * 7 % 16);
			assert_non_null(conn);
			if (i % 4 == 2)
				conn->seen_ms = START - 30000 + i * 7 % 16; /* expired */
			if (i % 4 == 3)
				conn->state = CONN_TCP_ESTABLISHED;
		}
		f = packet(100 + round, FLOW_SENT, IPPROTO_TCP, TH_SYN);
		conntrack_locate(c, &f.key, &place);
		for (uint32_t i = 0; i < 16; i++) {
			struct conn *conn = &c->conn[i];
			uint32_t at = conn->slot / CONN_SLOTS, age = START + 1000 - conn->seen_ms;
			bool is_expired = conn_is_expired(conn, START + 1000);
			uint64_t order = (uint64_t)(is_expired ? 0 : conn_rank[conn->state]) << 32;

			order |= UINT32_MAX - age;
			if ((at == place.bucket[0] || at == place.bucket[1]) &&
			    conn->state != CONN_TCP_ESTABLISHED && order < best) {
				best = order;
				victim = conn;
			}
		}
		if (victim) {
			assert_ptr_equal(add(c, &f, START + 1000), victim);
			assert_memory_equal(&victim->key, &f.key, sizeof(f.key));
		} else {
			assert_null(add(c, &f, START + 1000));
		}
		conntrack_destroy(c);
	}
}

/* What the VM opens and nobody has answered does not go for others. */
static void test_others_do_not_displace_the_vm(void **state)
{
	struct conntrack *c = create(64);

	(void)state;
	fill(c, 64, FLOW_SENT, IPPROTO_UDP, false);
	for (uint32_t i = 0; i < 1000; i++) {
		struct flow f = packet(1000 + i, FLOW_RECEIVED, IPPROTO_UDP, 0);

		assert_null(add(c, &f, START + 29999));
	}
	conntrack_destroy(c);
}

/* --- control -----------------------------------------------------------------------------------
 */

static void test_size(void **state)
{
	(void)state;
	for (uint32_t max = CONNTRACK_LEAST; max <= CONNTRACK_MOST; max *= 4)
		assert_true(conntrack_size(max) <= 8192 + (size_t)max * 80 + 64);
	assert_true(conntrack_size(4096) <= (size_t)4096 * 96);
	conntrack_destroy(NULL);
}

static void test_list_and_sweep_in_steps(void **state)
{
	struct conntrack *c = create(100);
	struct conn_info info[7];
	uint32_t at = 0, n = 0, steps = 0;

	(void)state;
	fill(c, 20, FLOW_SENT, IPPROTO_UDP, true);
	fill(c, 30, FLOW_RECEIVED, IPPROTO_UDP, false);
	for (; at != UINT32_MAX; steps++) {
		uint32_t some = conntrack_list(c, &at, 7, START + 1000, info);

		for (uint32_t i = 0; i < some; i++) {
			bool is_ours = info[i].opener == FLOW_SENT;

			assert_int_equal(info[i].state,
					 is_ours ? CONN_UDP_TWO_WAY : CONN_UDP_ONE_WAY);
			assert_int_equal(info[i].idle_ms, 1000);
			assert_int_equal(info[i].left_ms, is_ours ? 179000 : 29000);
			assert_int_equal(info[i].key.lport, 1000);
			assert_false(info[i].is_v6);
		}
		n += some;
	}
	assert_int_equal(n, 50);
	assert_int_equal(steps, 15);
	n = 0;
	for (unsigned i = 0; i < 10; i++) {
		uint32_t some = conntrack_sweep(c, 10, START + 30000);

		assert_true(some <= 10);
		n += some;
	}
	assert_int_equal(n, 30);
	assert_int_equal(stats_of(c).opened_by_others, 0);
	assert_int_equal(stats_of(c).opened_by_vm, 20);
	conntrack_destroy(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states_and_timeouts),
		cmocka_unit_test(test_packets_keep_a_connection),
		cmocka_unit_test(test_all_can_be_used),
		cmocka_unit_test(test_established_ones_stay),
		cmocka_unit_test(test_answered_ones_make_room),
		cmocka_unit_test(test_half_is_kept_for_the_vm),
		cmocka_unit_test(test_syn_flood),
		cmocka_unit_test(test_order_of_making_room),
		cmocka_unit_test(test_others_do_not_displace_the_vm),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_list_and_sweep_in_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
