/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of policy/sched.c: rate limits, in bits and packets, of VMs and of tenants; what counts in
 * which mode. */
#include "policy/sched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy/cost.h"
#include "tests/fake/sched_rig.h"

static struct budget with_pps(uint64_t pps)
{
	struct budget b = budget_default();

	b.rate_pps = pps;
	return b;
}

static struct budget with_bps(uint64_t bps)
{
	struct budget b = budget_default();

	b.rate_bps = bps;
	return b;
}

static const enum sched_mode limiting[] = {SCHED_MODE_RATE, SCHED_MODE_TIME};

/* What is saved up at the start is a hundredth of a second, or a burst. */
static void test_packets(void **state)
{
	static const uint64_t rates[] = {10, 1000, 100000, 1000000};
	const struct budget plain = budget_default();

	(void)state;
	for (int m = 0; m < 2; m++) {
		for (int i = 0; i < 4; i++) {
			struct budget b = with_pps(rates[i]);
			struct sched_rig r;

			sched_rig_open(&r, limiting[m]);
			sched_rig_add(&r, 0, 0, b);
			sched_rig_add(&r, 1, 1, plain);
			sched_rig_run(&r, HZ);
			assert_in_range(r.packets[0], rates[i],
					rates[i] + rates[i] / 100 + COST_MAX_PACKETS + 1);
			assert_true(r.longest[0] <= COST_MAX_PACKETS);
			/* The other one has all that is left. */
			assert_in_range(r.used[0] + r.used[1], HZ, HZ + 2 * SLICE);
			sched_rig_close(&r);
		}
	}
}

/* What is saved up is a hundredth of a second, or a long packet. */
static void test_bits(void **state)
{
	static const uint64_t rates[] = {1000000, 100000000, 5000000000};
	static const uint32_t sizes[] = {64, 1500, 65000};

	(void)state;
	for (int m = 0; m < 2; m++) {
		for (int i = 0; i < 9; i++) {
			uint64_t rate = rates[i / 3], bits, extra;
			struct budget b = with_bps(rate);
			struct sched_rig r;

			sched_rig_open(&r, limiting[m]);
			sched_rig_add(&r, 0, 0, b);
			r.bytes[0] = sizes[i % 3];
			sched_rig_run(&r, HZ);
			bits = r.packets[0] * sizes[i % 3] * 8;
			extra = rate / 100 > 65536 * 8 ? rate / 100 : 65536 * 8;
			assert_in_range(bits, rate, rate + extra + 65000 * 8);
			sched_rig_close(&r);
		}
	}
}

/* A tenant's limits are those of its VMs together. */
static void test_tenants(void **state)
{
	const struct budget plain = budget_default(), pps = with_pps(50000);
	const struct budget bps = with_bps(400000000);

	(void)state;
	for (int m = 0; m < 2; m++) {
		struct sched_rig r;

		sched_rig_open(&r, limiting[m]);
		for (uint16_t i = 0; i < 3; i++) {
			sched_rig_add(&r, i, i / 2, plain);
			r.bytes[i] = 1000;
		}
		assert_int_equal(sched_set_tenant(r.s, 0, &pps), 0);
		sched_rig_run(&r, HZ);
		assert_in_range(r.packets[0] + r.packets[1], 50000,
				50000 + 500 + 2 * COST_MAX_PACKETS);
		assert_true(r.packets[0] > 20000 && r.packets[1] > 20000);
		assert_true(r.used[2] > HZ / 2);
		assert_int_equal(sched_set_tenant(r.s, 0, &bps), 0);
		r.packets[0] = r.packets[1] = 0;
		sched_rig_run(&r, HZ);
		assert_in_range(r.packets[0] + r.packets[1], 50000,
				50000 + 500 + 4 * COST_MAX_PACKETS);
		sched_rig_close(&r);
	}
}

/* No service takes more than what the limits have left, but for one packet. */
static void test_bursts_are_cut(void **state)
{
	const struct budget b = with_pps(100);
	struct sched_grant g;
	struct sched_rig r;

	(void)state;
	sched_rig_open(&r, SCHED_MODE_RATE);
	sched_rig_add(&r, 0, 0, b);
	assert_true(sched_pick(r.s, r.now, &g));
	assert_int_equal(sched_burst(r.s, 0, SLICE).packets, COST_MAX_PACKETS);
	sched_charge(r.s, 0, r.now,
		     &(struct use){.tsc = 1000,
				   .packets = COST_MAX_PACKETS - 2,
				   .bytes = 1000,
				   .descs = COST_MAX_PACKETS - 2},
		     true);
	assert_true(sched_pick(r.s, r.now, &g));
	assert_int_equal(sched_burst(r.s, 0, SLICE).packets, 2);
	sched_charge(r.s, 0, r.now,
		     &(struct use){.tsc = 1000, .packets = 2, .bytes = 2 * 64, .descs = 2}, true);
	assert_false(sched_pick(r.s, r.now, &g));
	assert_in_range(sched_next_tsc(r.s), r.now + HZ / 100, r.now + HZ / 100 + 10);
	r.now = sched_next_tsc(r.s);
	assert_true(sched_pick(r.s, r.now, &g));
	assert_int_equal(sched_burst(r.s, 0, SLICE).packets, 1);
	sched_rig_close(&r);
}

/* In the mode none nothing is limited, in the mode rate no time is. */
static void test_modes(void **state)
{
	struct budget b = with_pps(1000), limit = budget_default(), plain = budget_default();
	struct sched_rig r;

	(void)state;
	limit.limit_percent = 10;
	sched_rig_open(&r, SCHED_MODE_NONE);
	sched_rig_add(&r, 0, 0, b);
	sched_rig_add(&r, 1, 0, limit);
	assert_int_equal(sched_set_tenant(r.s, 0, &b), 0);
	sched_rig_run(&r, HZ);
	assert_in_range(r.used[0], HZ / 100 * 49, HZ / 100 * 51);
	sched_rig_close(&r);

	sched_rig_open(&r, SCHED_MODE_RATE);
	sched_rig_add(&r, 0, 0, limit);
	sched_rig_add(&r, 1, 1, plain);
	assert_int_equal(sched_set_tenant(r.s, 0, &limit), 0);
	sched_rig_run(&r, HZ);
	assert_in_range(r.used[0], HZ / 100 * 49, HZ / 100 * 51);
	/* From then on it is. */
	assert_int_equal(sched_set_conf(r.s, SCHED_MODE_TIME, SCHED_DEFAULT_SLICE_US), 0);
	r.used[0] = 0;
	sched_rig_run(&r, HZ);
	assert_in_range(r.used[0], HZ / 1000 * 98, HZ / 1000 * 102);
	assert_true(sched_set_conf(r.s, SCHED_MODE_COUNT, 20) < 0);
	assert_true(sched_set_conf(r.s, SCHED_MODE_TIME, 0) < 0);
	sched_rig_close(&r);
}

/* What a limit of another mode holds back goes on at once when the mode changes. */
static void test_change_of_mode(void **state)
{
	struct budget b = with_pps(10);

	(void)state;
	b.limit_percent = 1;
	for (int vm_has_it = 0; vm_has_it < 2; vm_has_it++) {
		struct sched_grant g;
		struct sched_rig r;

		sched_rig_open(&r, SCHED_MODE_TIME);
		sched_rig_add(&r, 0, 0, b);
		if (!vm_has_it) {
			const struct budget plain = budget_default();

			assert_int_equal(sched_set_tenant(r.s, 0, &b), 0);
			assert_int_equal(sched_set_vm(r.s, 0, &plain), 0);
		}
		/* Over both limits. */
		assert_true(sched_pick(r.s, r.now, &g));
		r.now += 50 * SLICE;
		sched_charge(r.s, 0, r.now,
			     &(struct use){.tsc = 50 * SLICE,
					   .packets = 2 * COST_MAX_PACKETS - 1,
					   .bytes = 64,
					   .descs = 1},
			     true);
		assert_false(sched_pick(r.s, r.now, &g));
		r.now += 10 * SLICE;
		assert_int_equal(sched_set_conf(r.s, SCHED_MODE_NONE, SCHED_DEFAULT_SLICE_US), 0);
		assert_true(sched_pick(r.s, r.now, &g));
		assert_int_equal(sched_set_conf(r.s, SCHED_MODE_RATE, SCHED_DEFAULT_SLICE_US), 0);
		assert_false(sched_pick(r.s, r.now, &g));
		b.rate_pps = 0;
		if (vm_has_it)
			assert_int_equal(sched_set_vm(r.s, 0, &b), 0);
		else
			assert_int_equal(sched_set_tenant(r.s, 0, &b), 0);
		assert_true(sched_pick(r.s, r.now, &g));
		assert_int_equal(sched_set_conf(r.s, SCHED_MODE_TIME, SCHED_DEFAULT_SLICE_US), 0);
		assert_false(sched_pick(r.s, r.now, &g));
		b = with_pps(10);
		b.limit_percent = 1;
		sched_rig_close(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets), cmocka_unit_test(test_bits),
		cmocka_unit_test(test_tenants), cmocka_unit_test(test_bursts_are_cut),
		cmocka_unit_test(test_modes),   cmocka_unit_test(test_change_of_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
