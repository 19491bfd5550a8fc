/* SPDX-License-Identifier: BSD-3-Clause */
/* Sums over packets in pieces, and of what is copied, against a sum byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include "pkt/checksum.h"
#include "tests/fake/eal.h"
#include "tests/fake/net_ring_rig.h"

static struct rte_mempool *pool;

/* In the order of bytes of the network. */
static uint16_t sum_bytes(const uint8_t *p, uint32_t len)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

static void sums_over_pieces(void **state)
{
	static const uint32_t pieces[] = {0, 1, 2, 3, 64, 101, 1499};
	static const uint32_t lens[] = {1, 2, 5, 100, 1500, 9013};
	static uint8_t bytes[9013];

	(void)state;
	rig_pattern(bytes, sizeof(bytes), 1);
	for (size_t k = 0; k < sizeof(lens) / sizeof(lens[0]); k++) {
		for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
			struct rte_mbuf *m;

			if (pieces[i] > 0 && lens[k] / pieces[i] > 1000)
				continue;
			m = fake_eal_packet(pool, bytes, lens[k], pieces[i]);
			for (uint32_t start = 0; start < lens[k] && start < 200; start++)
				assert_int_equal(rte_be_to_cpu_16(pkt_sum(m, start)),
						 sum_bytes(bytes + start, lens[k] - start));
			rte_pktmbuf_free(m);
		}
	}
}

/* Sums that run over in every piece, at odd places too. */
static void no_carry_is_lost(void **state)
{
	static uint8_t bytes[4096];
	struct rte_mbuf *m;

	(void)state;
	memset(bytes, 0xff, sizeof(bytes));
	for (uint32_t piece = 1; piece < 600; piece += 2) {
		bytes[piece] = (uint8_t)piece;
		m = fake_eal_packet(pool, bytes, 900, piece);
		assert_int_equal(rte_be_to_cpu_16(pkt_sum(m, 0)), sum_bytes(bytes, 900));
		rte_pktmbuf_free(m);
	}
}

/* Every short length at every alignment, and long ones: nothing beside them is written. */
static void copies_are_summed(void **state)
{
	static uint8_t from[9100], to[9100];
	uint32_t lens[310], n_lens = 0;

	(void)state;
	for (uint32_t len = 0; len <= 300; len++)
		lens[n_lens++] = len;
	lens[n_lens++] = 1448;
	lens[n_lens++] = 4095;
	lens[n_lens++] = 9001;
	for (int fill = 0; fill < 2; fill++) {
		rig_pattern(from, sizeof(from), 3);
		if (fill)
			memset(from, 0xff, sizeof(from));
		for (uint32_t i = 0; i < n_lens * 64; i++) {
			uint32_t len = lens[i / 64], at = i % 64, there = 1 + i % 33;
			struct checksum c = {0};

			memset(to, 0xa5, there + len + 64);
			checksum_copy(&c, to + there, from + at, len);
			assert_int_equal(rte_be_to_cpu_16(checksum_fold(&c)),
					 sum_bytes(from + at, len));
			assert_memory_equal(to + there, from + at, len);
			assert_int_equal(to[there - 1], 0xa5);
			assert_int_equal(to[there + len], 0xa5);
		}
	}
}

/* Pieces of any length make the sum of the whole. */
static void copies_in_pieces(void **state)
{
	static uint8_t from[4000], to[4000];

	(void)state;
	rig_pattern(from, sizeof(from), 5);
	for (uint32_t piece = 1; piece < 140; piece++) {
		struct checksum copied = {0}, added = {0};

		for (uint32_t at = 0; at < sizeof(from); at += piece) {
			uint32_t n = RTE_MIN(piece, (uint32_t)sizeof(from) - at);

			checksum_copy(&copied, to + at, from + at, n);
			checksum_add(&added, from + at, n);
		}
		assert_int_equal(rte_be_to_cpu_16(checksum_fold(&copied)),
				 sum_bytes(from, sizeof(from)));
		assert_int_equal(checksum_fold(&added), checksum_fold(&copied));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_are_summed),
		cmocka_unit_test(copies_in_pieces),
		cmocka_unit_test(sums_over_pieces),
		cmocka_unit_test(no_carry_is_lost),
	};

	if (fake_eal_init("checksum_test") < 0)
		return 1;
	pool = fake_eal_pool("checksum", 1023);
	return cmocka_run_group_tests_name("checksum", tests, NULL, NULL);
}
