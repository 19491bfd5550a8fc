/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet buffers: how many there are, what they take, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "pkt/pool.h"
#include "tests/fake/eal.h"

#define PACKETS 2047

static int group_setup(void **state)
{
	(void)state;
	fake_eal_init("pool_test");
	return 0;
}

static void all_packets_can_be_had(void **state)
{
	static struct rte_mbuf *m[PACKETS + 1];
	struct rte_mempool *pool;
	struct err e;

	(void)state;
	pool_configure(UINT64_MAX, true);
	pool = pool_create("all", PACKETS, &e);
	assert_non_null(pool);
	for (unsigned i = 0; i < PACKETS; i++) {
		m[i] = rte_pktmbuf_alloc(pool);
		assert_non_null(m[i]);
		assert_int_equal(rte_pktmbuf_tailroom(m[i]), POOL_MBUF_ROOM);
		memset(rte_pktmbuf_mtod(m[i], void *), i, POOL_MBUF_ROOM);
	}
	assert_null(rte_pktmbuf_alloc(pool));
	assert_int_equal(rte_mempool_in_use_count(pool), PACKETS);
	for (unsigned i = 0; i < PACKETS; i++)
		rte_pktmbuf_free(m[i]);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	pool_destroy(pool);
}

static void usage_is_what_is_mapped(void **state)
{
	struct rte_mempool *pool[2];
	struct pool_usage u;
	struct err e;

	(void)state;
	pool_configure(100 << 20, true);
	for (int i = 0; i < 2; i++) {
		pool[i] = pool_create(i ? "a" : "b", PACKETS, &e);
		assert_non_null(pool[i]);
	}
	pool_usage(&u);
	assert_int_equal(u.bytes, 2 * pool_bytes(PACKETS));
	assert_int_equal(u.huge_bytes, 0);
	assert_int_equal(u.limit, 100 << 20);
	assert_true(pool_bytes(PACKETS) < PACKETS * (uint64_t)(POOL_MBUF_ROOM + 512));
	pool_destroy(pool[0]);
	pool_destroy(pool[1]);
	pool_destroy(NULL);
	pool_usage(&u);
	assert_int_equal(u.bytes, 0);
}

static void the_limit_is_kept(void **state)
{
	struct rte_mempool *pool;
	struct pool_usage u;
	struct err e = {0};

	(void)state;
	pool_configure(8 << 20, true);
	pool = pool_create("first", PACKETS, &e);
	assert_non_null(pool);
	assert_null(pool_create("second", PACKETS, &e));
	assert_int_equal(e.code, ERR_NO_SPACE);
	assert_string_equal(e.text, "5 MiB: 4 of the 8 MiB that --memory allows are in use");
	pool_usage(&u);
	assert_int_equal(u.bytes, pool_bytes(PACKETS));
	pool_destroy(pool);
	pool = pool_create("second", PACKETS, &e);
	assert_non_null(pool);
	pool_destroy(pool);
}

static void more_than_the_host_has_is_refused(void **state)
{
	struct err e = {0};

	(void)state;
	pool_configure(UINT64_MAX, true);
	assert_null(pool_create("much", 1u << 31, &e));
	assert_int_equal(e.code, ERR_NO_SPACE);
	assert_non_null(strstr(e.text, "MiB: the host has "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_packets_can_be_had),
		cmocka_unit_test(usage_is_what_is_mapped),
		cmocka_unit_test(the_limit_is_kept),
		cmocka_unit_test(more_than_the_host_has_is_refused),
	};

	return cmocka_run_group_tests_name("pool", tests, group_setup, NULL);
}
