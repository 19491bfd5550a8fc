/* SPDX-License-Identifier: BSD-3-Clause */
/* A network's neighbours. */
#include "vswitch/neigh_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>

#include "pkt/neigh_msg.h"

#define SIZE  64
#define LIMIT 8
#define PORT  7
#define OTHER 9

static struct neigh_table *table;

static int set_up(void **state)
{
	(void)state;
	table = neigh_table_create(SIZE);
	return table ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	neigh_table_destroy(table);
	return 0;
}

/* Number `i`'s address, of either version. */
static struct ip_addr address(uint32_t i, bool v6)
{
	struct ip_addr a = {.is_v6 = v6};

	memcpy(a.bytes, v6 ? (const uint8_t[]){0xfd} : (const uint8_t[]){10}, 1);
	memcpy(a.bytes + (v6 ? 12 : 1), (uint8_t *)&i, 3);
	return a;
}

static struct neigh neighbour(uint32_t i, uint64_t mac, uint16_t origin)
{
	return (struct neigh){.address = address(i, false), .mac = mac, .origin = origin};
}

/* Number i's MAC address is claimed from an origin. */
static void learn(uint32_t i, uint64_t mac, uint16_t origin, uint32_t now_s)
{
	struct neigh n = neighbour(i, mac, origin);

	neigh_table_learn(table, &n, now_s, LIMIT);
}

/* Who has number i's address; 0 for nobody who could be relied upon. */
static uint64_t who_has(uint32_t i, uint32_t now_s)
{
	struct ip_addr a = address(i, false);
	struct neigh n;

	return neigh_table_find(table, &a, now_s, &n) ? n.mac : 0;
}

static bool note(void *ctx, const struct neigh *n)
{
	(void)n;
	++*(unsigned *)ctx;
	return false;
}

static unsigned count(void)
{
	unsigned n = 0;

	neigh_table_sweep(table, note, &n);
	return n;
}

static void test_finds_what_it_learned(void **state)
{
	struct ip_addr a = address(1, true);
	struct neigh n = {.address = a, .mac = 0xaa, .flags = NEIGH_ROUTER, .origin = PORT}, found;

	(void)state;
	assert_false(neigh_table_find(table, &a, 100, &found));
	neigh_table_learn(table, &n, 100, LIMIT);
	assert_true(neigh_table_find(table, &a, 100, &found));
	assert_true(ip_addr_equal(&found.address, &a));
	assert_int_equal(found.mac, 0xaa);
	assert_int_equal(found.flags, NEIGH_ROUTER);
	assert_int_equal(found.origin, PORT);
	assert_int_equal(found.seen_s, 100);
	assert_false(found.is_static);
	/* Another version's of the same bytes is another one. */
	a.is_v6 = false;
	assert_false(neigh_table_find(table, &a, 100, &found));
}

static void test_a_neighbour_that_moves_has_to_settle(void **state)
{
	(void)state;
	learn(1, 0xaa, PORT, 100);
	learn(1, 0xbb, OTHER, 105);
	assert_int_equal(who_has(1, 105), 0);
	assert_int_equal(who_has(1, 105 + NEIGH_SETTLE_S - 1), 0);
	assert_int_equal(who_has(1, 105 + NEIGH_SETTLE_S), 0xbb);
	/* While two claim an address, neither is relied upon. */
	for (uint32_t now = 200; now < 250; now += NEIGH_SETTLE_S / 2) {
		learn(1, 0xaa, PORT, now);
		learn(1, 0xbb, OTHER, now + 1);
		assert_int_equal(who_has(1, now + 2), 0);
	}
	/* One and the same station may say it again, or say it elsewhere. */
	learn(2, 0xcc, PORT, 300);
	learn(2, 0xcc, PORT, 301);
	learn(2, 0xcc, OTHER, 302);
	assert_int_equal(who_has(2, 302), 0xcc);
	assert_int_equal(count(), 2);
}

static void test_probes_cast_doubt(void **state)
{
	struct ip_addr a = address(1, false);

	(void)state;
	learn(1, 0xaa, PORT, 100);
	neigh_table_doubt(table, &a, 0xaa, 101);
	assert_int_equal(who_has(1, 101), 0xaa);
	neigh_table_doubt(table, &a, 0xbb, 102);
	assert_int_equal(who_has(1, 102), 0);
	assert_int_equal(who_has(1, 102 + NEIGH_SETTLE_S), 0xaa);
	a = address(2, false);
	neigh_table_doubt(table, &a, 0xbb, 102);
	assert_int_equal(count(), 1);
}

static void test_seconds_wrap_around(void **state)
{
	(void)state;
	learn(1, 0xaa, PORT, UINT32_MAX - 1);
	learn(1, 0xbb, OTHER, UINT32_MAX - 1);
	assert_int_equal(who_has(1, UINT32_MAX), 0);
	assert_int_equal(who_has(1, 3), 0);
	assert_int_equal(who_has(1, NEIGH_SETTLE_S), 0xbb);
}

static void test_static_ones_stay(void **state)
{
	struct neigh n = neighbour(1, 0xaa, 0);
	struct ip_addr a = n.address;

	(void)state;
	learn(1, 0xbb, PORT, 100);
	assert_int_equal(neigh_table_add(table, &n), 0);
	assert_int_equal(neigh_table_add(table, &n), -EEXIST);
	learn(1, 0xbb, PORT, 100);
	neigh_table_doubt(table, &a, 0xbb, 100);
	assert_int_equal(who_has(1, 100), 0xaa);
	neigh_table_forget(table, PORT);
	neigh_table_forget(table, 0);
	assert_int_equal(who_has(1, 100), 0xaa);
	assert_int_equal(neigh_table_remove(table, &a), 0);
	assert_int_equal(neigh_table_remove(table, &a), -ENOENT);
	assert_int_equal(who_has(1, 100), 0);
}

/* What is replaced, removed or forgotten counts no more. */
static void test_each_origin_has_a_limit(void **state)
{
	struct ip_addr a = address(0, false);

	(void)state;
	for (uint32_t i = 0; i < 2 * LIMIT; i++)
		learn(i, 0xaa, PORT, 100);
	assert_int_equal(count(), LIMIT);
	learn(100, 0xbb, OTHER, 100);
	learn(101, 0xbb, NEIGH_FROM_WIRE, 100);
	assert_int_equal(count(), LIMIT + 2);
	/* At its limit it takes nobody's address, but it can be refreshed, and contradict. */
	learn(100, 0xaa, PORT, 101);
	assert_int_equal(who_has(100, 101), 0);
	assert_int_equal(who_has(100, 101 + NEIGH_SETTLE_S), 0xbb);
	learn(1, 0xaa, PORT, 101);
	assert_int_equal(who_has(1, 101), 0xaa);
	assert_int_equal(neigh_table_remove(table, &a), 0);
	learn(100, 0xaa, PORT, 120);
	assert_int_equal(who_has(100, 120 + NEIGH_SETTLE_S), 0xaa);
	neigh_table_forget(table, PORT);
	assert_int_equal(count(), 1);
	for (uint32_t i = 0; i < 2 * LIMIT; i++)
		learn(i, 0xaa, PORT, 130);
	assert_int_equal(count(), LIMIT + 1);
}

/* In full buckets the oldest learned ones go first, and static ones never. */
static void test_a_full_table(void **state)
{
	unsigned n_static = 0;

	(void)state;
	for (uint32_t i = 0; i < 10000; i++) {
		struct neigh n = neighbour(i, 0x1000 + i, PORT);

		neigh_table_learn(table, &n, i, UINT32_MAX);
		assert_int_equal(who_has(i, i), 0x1000 + i);
	}
	assert_in_range(count(), SIZE, 2 * SIZE);
	for (uint32_t i = 10000; i < 20000; i++) {
		struct neigh n = neighbour(i, 0x1000 + i, 0);
		int ret = neigh_table_add(table, &n);

		n_static += ret == 0;
		assert_true(ret == 0 || ret == -ENOSPC);
	}
	assert_int_equal(count(), n_static);
	learn(1, 0xaa, PORT, 30000);
	assert_int_equal(who_has(1, 30000), 0);
}

static bool is_odd(void *ctx, const struct neigh *n)
{
	(void)ctx;
	return n->mac & 1;
}

static bool claim_again(void *ctx, const struct neigh *n)
{
	(void)ctx;
	neigh_table_learn(table, n, n->seen_s + 1, LIMIT);
	return true;
}

static void test_sweeps_remove_what_did_not_change_meanwhile(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < LIMIT; i++)
		learn(i, 0x10 + i, PORT, 100);
	neigh_table_sweep(table, is_odd, NULL);
	assert_int_equal(count(), LIMIT / 2);
	neigh_table_sweep(table, claim_again, NULL);
	assert_int_equal(count(), LIMIT / 2);
}

/* --- several threads ---------------------------------------------------------------------------
 */

#define ROUNDS 20000

/* A worker: what it finds is what somebody once put there. */
static void *work(void *arg)
{
	uint16_t origin = *(uint16_t *)arg;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint32_t k = i % 50;
		struct ip_addr a = address(k, false);
		struct neigh n = neighbour(k, k + 1, origin);

		neigh_table_learn(table, &n, i, LIMIT);
		if (neigh_table_find(table, &a, i, &n) && n.mac != k + 1)
			return table;
	}
	return NULL;
}

static void test_threads_see_whole_entries(void **state)
{
	uint16_t origin[2] = {PORT, OTHER};
	pthread_t thread[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, work, &origin[i]), 0);
	for (int i = 0; i < 200; i++) {
		neigh_table_forget(table, PORT);
		assert_in_range(count(), 0, 2 * SIZE);
	}
	for (int i = 0; i < 2; i++) {
		void *wrong;

		pthread_join(thread[i], &wrong);
		assert_null(wrong);
	}
	neigh_table_forget(table, PORT);
	neigh_table_forget(table, OTHER);
	assert_int_equal(count(), 0);
	/* Nothing was counted twice. */
	for (uint32_t i = 0; i < 2 * LIMIT; i++)
		learn(i, 0xaa, PORT, 100);
	assert_int_equal(count(), LIMIT);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_finds_what_it_learned),
		CASE(test_a_neighbour_that_moves_has_to_settle),
		CASE(test_probes_cast_doubt),
		CASE(test_seconds_wrap_around),
		CASE(test_static_ones_stay),
		CASE(test_each_origin_has_a_limit),
		CASE(test_a_full_table),
		CASE(test_sweeps_remove_what_did_not_change_meanwhile),
		CASE(test_threads_see_whole_entries),
	};

	return cmocka_run_group_tests_name("neigh_table", tests, NULL, NULL);
}
