/* SPDX-License-Identifier: BSD-3-Clause */
/* Rates and virtual queues over a second of a simulated clock: what passes is the rate, within a
 * hundredth, whatever the rate and the length of packets. */
#include "policy/rates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy/cost.h"
#include "policy/vqueue.h"

#define HZ 2600000000ULL

static const uint64_t bps_table[] = {1000000, 10000000, 1000000000, 20000000000};
static const uint64_t pps_table[] = {1000, 30000, 1000000, 5000000};
static const uint32_t len_table[] = {64, 1500, 9000};

/* A sender that always has packets of `len` bytes, in bursts that are cut to what is allowed.
 * Returns how many it sends in a second from the time on at which its buckets are empty. */
static uint64_t send_all(struct rates *r, uint32_t len)
{
	uint64_t now = 1, sent = 0, until;

	rates_take(r, r->packets.level > 0 ? (uint64_t)r->packets.level : 0,
		   r->bits.level > 0 ? (uint64_t)r->bits.level : 0);
	while (now < HZ && (until = rates_wait(r, now, 0)) < HZ) {
		uint64_t packets = COST_MAX_PACKETS, bytes = COST_MAX_BYTES;

		if (until != 0) {
			assert_true(until > now);
			now = until;
			continue;
		}
		rates_cut(r, &packets, &bytes);
		packets = packets * len < bytes ? packets : (bytes + len - 1) / len;
		rates_take(r, packets, packets * len * 8);
		sent += packets;
		now += 500;
	}
	return sent;
}

/* Within a hundredth, and a packet. */
static void assert_near(uint64_t is, uint64_t should, uint64_t one)
{
	assert_in_range(is, should - should / 100 - one, should + should / 100 + one);
}

static void test_bits(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned k = 0; k < 3; k++) {
			const struct rates_conf conf = {bps_table[i], 0};
			struct rates r = {0};

			rates_set(&r, &conf, HZ, 1);
			assert_near(send_all(&r, len_table[k]) * len_table[k] * 8, bps_table[i],
				    (uint64_t)len_table[k] * 8);
		}
	}
}

static void test_packets(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		const struct rates_conf conf = {0, pps_table[i]};
		struct rates r = {0};

		rates_set(&r, &conf, HZ, 1);
		assert_near(send_all(&r, 64), pps_table[i], 1);
	}
}

/* Of two rates the lower one holds. */
static void test_both(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 16; i++) {
		const struct rates_conf conf = {bps_table[i / 4], pps_table[i % 4]};
		uint64_t by_bits = conf.bps / (1500 * 8);
		struct rates r = {0};

		rates_set(&r, &conf, HZ, 1);
		assert_near(send_all(&r, 1500), by_bits < conf.pps ? by_bits : conf.pps, 1);
	}
}

/* What is returned can be sent again, and no more than the bucket holds. */
static void test_return(void **state)
{
	const struct rates_conf conf = {1000000, 1000};
	struct rates r = {0};
	int64_t bits;

	(void)state;
	rates_set(&r, &conf, HZ, 1);
	bits = r.bits.level;
	rates_take(&r, 10, 8000);
	rates_return(&r, 4, 3000);
	assert_int_equal(r.packets.level, COST_MAX_PACKETS - 6);
	assert_int_equal(r.bits.level, bits - 5000);
	rates_return(&r, 1000, 1000000);
	assert_int_equal(r.packets.level, COST_MAX_PACKETS);
	assert_int_equal(r.bits.level, bits);
}

/* Three packets come in the time of two. Returns how many of a second's pass. */
static uint64_t pass_all(struct vqueue *q, uint64_t each_tsc, uint32_t len)
{
	uint64_t passed = 0;

	for (uint64_t now = 1; now < HZ; now += each_tsc) {
		vqueue_drain(q, now);
		if (vqueue_judge(q) == VQUEUE_DROP)
			continue;
		vqueue_add(q, 1, (uint64_t)len * 8);
		passed++;
	}
	return passed;
}

/* Ten milliseconds are queued beside what passes in a second, and that is a hundredth. */
static void test_virtual_queue(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		const struct rates_conf bits = {bps_table[i], 0}, packets = {0, pps_table[i]};
		struct vqueue q = {0};

		vqueue_set(&q, &bits, HZ, 1);
		assert_near(pass_all(&q, HZ / (bps_table[i] / 12000 * 3 / 2), 1500) * 12000,
			    bps_table[i], 12000);
		q = (struct vqueue){0};
		vqueue_set(&q, &packets, HZ, 1);
		assert_near(pass_all(&q, HZ / (pps_table[i] * 3 / 2), 64), pps_table[i], 1);
	}
}

/* Marks come from one millisecond on, drops from ten. */
static void test_verdicts(void **state)
{
	const struct rates_conf conf = {0, 10000};
	struct vqueue q = {0};

	(void)state;
	vqueue_set(&q, &conf, HZ, 1);
	for (unsigned i = 0; i < 120; i++) {
		enum vqueue_verdict should = i < 10    ? VQUEUE_PASS
					     : i < 100 ? VQUEUE_MARK
						       : VQUEUE_DROP;

		assert_int_equal(vqueue_judge(&q), should);
		assert_int_equal(vqueue_has_room(&q, 1, 0), i < 9);
		vqueue_add(&q, 1, 0);
	}
	vqueue_drain(&q, 1 + HZ);
	assert_int_equal(vqueue_judge(&q), VQUEUE_PASS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bits),          cmocka_unit_test(test_packets),
		cmocka_unit_test(test_both),          cmocka_unit_test(test_return),
		cmocka_unit_test(test_virtual_queue), cmocka_unit_test(test_verdicts),
	};

	return cmocka_run_group_tests_name("rates", tests, NULL, NULL);
}
