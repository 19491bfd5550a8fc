/* SPDX-License-Identifier: BSD-3-Clause */
/* The forwarding database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>

#include "vswitch/fdb.h"

static uint16_t loser; /* of an address, by fdb_learn() */

static uint64_t mac_number(uint32_t i)
{
	const uint8_t mac[6] = {
		0x52, 0x54, (uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};

	return fdb_mac(mac);
}

static void test_mac_goes_there_and_back(void **state)
{
	const uint8_t mac[6] = {0x01, 0x02, 0x03, 0x04, 0x05, 0xff};
	uint8_t back[6];

	(void)state;
	fdb_mac_bytes(fdb_mac(mac), back);
	assert_memory_equal(mac, back, 6);
	assert_true(fdb_mac_is_group(fdb_mac(mac)));
	assert_false(fdb_mac_is_group(mac_number(1)));
}

static void test_learns_and_finds(void **state)
{
	struct fdb *f = fdb_create(1024);

	(void)state;
	assert_int_equal(fdb_lookup(f, mac_number(1)), FDB_NO_PORT);
	assert_int_equal(fdb_learn(f, mac_number(1), 7, 100, true, &loser), FDB_NEW);
	assert_int_equal(fdb_lookup(f, mac_number(1)), 7);
	assert_int_equal(fdb_learn(f, mac_number(1), 7, 101, true, &loser), FDB_KNOWN);
	assert_int_equal(fdb_lookup(f, mac_number(2)), FDB_NO_PORT);
	assert_int_equal(fdb_lookup(f, 0), FDB_NO_PORT);
	fdb_destroy(f);
}

static void test_relearns_on_another_port(void **state)
{
	struct fdb *f = fdb_create(64);

	(void)state;
	fdb_learn(f, mac_number(1), 7, 100, true, &loser);
	assert_int_equal(loser, FDB_NO_PORT);
	assert_int_equal(fdb_learn(f, mac_number(1), 8, 100, true, &loser), FDB_MOVED);
	assert_int_equal(loser, 7);
	assert_int_equal(fdb_lookup(f, mac_number(1)), 8);
	fdb_destroy(f);
}

static void test_a_port_at_its_limit_learns_nothing(void **state)
{
	struct fdb *f = fdb_create(64);

	(void)state;
	assert_int_equal(fdb_learn(f, mac_number(1), 7, 100, false, &loser), FDB_FULL);
	assert_int_equal(fdb_lookup(f, mac_number(1)), FDB_NO_PORT);
	fdb_learn(f, mac_number(1), 7, 100, true, &loser);
	assert_int_equal(fdb_learn(f, mac_number(1), 8, 100, false, &loser), FDB_FULL);
	assert_int_equal(fdb_lookup(f, mac_number(1)), 7);
	assert_int_equal(fdb_learn(f, mac_number(1), 7, 101, false, &loser), FDB_KNOWN);
	fdb_destroy(f);
}

static void test_static_entries_stay(void **state)
{
	struct fdb *f = fdb_create(64);
	struct fdb_entry was;

	(void)state;
	fdb_learn(f, mac_number(1), 7, 100, true, &loser);
	assert_int_equal(fdb_add_static(f, mac_number(1), 9), 0);
	assert_int_equal(fdb_add_static(f, mac_number(1), 9), -EEXIST);
	assert_int_equal(fdb_learn(f, mac_number(1), 7, 100, true, &loser), FDB_STATIC);
	assert_int_equal(fdb_lookup(f, mac_number(1)), 9);
	assert_int_equal(fdb_remove(f, mac_number(1), &was), 0);
	assert_int_equal(was.mac, mac_number(1));
	assert_int_equal(was.port, 9);
	assert_true(was.is_static);
	assert_int_equal(fdb_remove(f, mac_number(1), &was), -ENOENT);
	assert_int_equal(fdb_lookup(f, mac_number(1)), FDB_NO_PORT);
	fdb_destroy(f);
}

static void test_one_bucket_holds_eight_static_entries(void **state)
{
	struct fdb *f = fdb_create(8);

	(void)state;
	assert_int_equal(fdb_capacity(f), 8);
	for (uint32_t i = 1; i <= 8; i++)
		assert_int_equal(fdb_add_static(f, mac_number(i), 1), 0);
	assert_int_equal(fdb_add_static(f, mac_number(9), 1), -ENOSPC);
	assert_int_equal(fdb_learn(f, mac_number(9), 1, 100, true, &loser), FDB_FULL);
	fdb_destroy(f);
}

static void test_a_full_bucket_gives_up_its_oldest(void **state)
{
	struct fdb *f = fdb_create(8);

	(void)state;
	for (uint32_t i = 1; i <= 8; i++)
		fdb_learn(f, mac_number(i), 1, 100 + i, true, &loser);
	fdb_learn(f, mac_number(1), 1, 200, true, &loser);
	assert_int_equal(fdb_learn(f, mac_number(9), 1, 201, true, &loser), FDB_NEW);
	assert_int_equal(loser, 1);
	assert_int_equal(fdb_lookup(f, mac_number(2)), FDB_NO_PORT);
	assert_int_equal(fdb_lookup(f, mac_number(1)), 1);
	assert_int_equal(fdb_lookup(f, mac_number(9)), 1);
	fdb_destroy(f);
}

static bool older_than_50(void *ctx, const struct fdb_entry *e)
{
	(*(unsigned *)ctx)++;
	return !e->is_static && e->seen_s < 50;
}

static void test_sweep_sees_all_and_removes_what_it_is_told(void **state)
{
	struct fdb *f = fdb_create(4096);
	unsigned seen = 0;

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		fdb_learn(f, mac_number(i), 3, i, true, &loser);
	fdb_add_static(f, mac_number(1000), 4);
	fdb_sweep(f, older_than_50, &seen);
	assert_int_equal(seen, 101);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(fdb_lookup(f, mac_number(i)), i < 50 ? FDB_NO_PORT : 3);
	assert_int_equal(fdb_lookup(f, mac_number(1000)), 4);
	fdb_destroy(f);
}

/* Most of a table's size can be used: the hash spreads even addresses that differ in few bits. */
static void test_spreads_addresses(void **state)
{
	struct fdb *f = fdb_create(4096);
	unsigned found = 0;

	(void)state;
	for (uint32_t i = 0; i < 2048; i++)
		fdb_learn(f, mac_number(i << 8), 5, 1, true, &loser);
	for (uint32_t i = 0; i < 2048; i++)
		found += fdb_lookup(f, mac_number(i << 8)) == 5;
	assert_true(found > 2000);
	fdb_destroy(f);
}

struct race {
	struct fdb *f;
	uint16_t port;
};

static void *flap(void *arg)
{
	struct race *r = arg;
	uint16_t lost;

	for (uint32_t i = 0; i < 200000; i++)
		fdb_learn(r->f, mac_number(i % 64), r->port, i / 1000, true, &lost);
	return NULL;
}

/* Two workers that fight over the same addresses never leave an entry of neither. */
static void test_workers_may_race(void **state)
{
	struct fdb *f = fdb_create(32);
	struct race a = {f, 1}, b = {f, 2};
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, flap, &a), 0);
	flap(&b);
	pthread_join(thread, NULL);
	for (uint32_t i = 0; i < 64; i++) {
		uint16_t port = fdb_lookup(f, mac_number(i));

		assert_true(port == 1 || port == 2 || port == FDB_NO_PORT);
	}
	fdb_destroy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mac_goes_there_and_back),
		cmocka_unit_test(test_learns_and_finds),
		cmocka_unit_test(test_relearns_on_another_port),
		cmocka_unit_test(test_a_port_at_its_limit_learns_nothing),
		cmocka_unit_test(test_static_entries_stay),
		cmocka_unit_test(test_one_bucket_holds_eight_static_entries),
		cmocka_unit_test(test_a_full_bucket_gives_up_its_oldest),
		cmocka_unit_test(test_sweep_sees_all_and_removes_what_it_is_told),
		cmocka_unit_test(test_spreads_addresses),
		cmocka_unit_test(test_workers_may_race),
	};

	return cmocka_run_group_tests_name("fdb", tests, NULL, NULL);
}
