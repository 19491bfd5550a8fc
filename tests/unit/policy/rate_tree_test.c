/* SPDX-License-Identifier: BSD-3-Clause */
/* Rates of ports, VMs and tenants together, and a tenant's over four workers, on a simulated clock:
 * within a percent over a second, from 1 Mbit/s to 20 Gbit/s and from 1,000 to 5 million packets a
 * second. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "policy/cost.h"
#include "policy/rates.h"
#include "policy/shared_rate.h"
#include "tests/fake/sched_rig.h"

#define WORKERS 4
#define STEP    (10 * US) /* workers are that far apart at most */

/* Four workers' schedulers, with one VM of tenant 0 on each. */
struct workers {
	struct sched_rig rig[WORKERS];
	struct shared_rates of;
};

static struct budget rated(uint64_t bps, uint64_t pps)
{
	struct budget b = budget_default();

	b.rate_bps = bps;
	b.rate_pps = pps;
	return b;
}

static void open_workers(struct workers *t, uint64_t bps, uint64_t pps, uint32_t bytes)
{
	const struct budget b = rated(bps, pps), plain = budget_default();

	shared_rates_init(&t->of, HZ);
	shared_rates_set(&t->of, bps, pps);
	for (unsigned i = 0; i < WORKERS; i++) {
		struct sched_rig *r = &t->rig[i];

		sched_rig_open_at(r, i % 2 ? SCHED_MODE_RATE : SCHED_MODE_TIME, 1000 * HZ);
		sched_rig_add(r, 0, 0, plain);
		sched_rig_add(r, 1, 1, plain);
		sched_share_tenant(r->s, 0, &t->of);
		assert_int_equal(sched_set_tenant(r->s, 0, &b), 0);
		r->bytes[0] = bytes;
	}
}

static void close_workers(struct workers *t)
{
	for (unsigned i = 0; i < WORKERS; i++)
		sched_rig_close(&t->rig[i]);
}

static void run_until(struct workers *t, uint64_t end)
{
	while (t->rig[0].now < end) {
		uint64_t next = t->rig[0].now + STEP;

		for (unsigned i = 0; i < WORKERS; i++)
			if (t->rig[i].now < next)
				sched_rig_run(&t->rig[i], next - t->rig[i].now);
	}
}

static void run(struct workers *t, uint64_t tsc)
{
	run_until(t, t->rig[0].now + tsc);
}

static uint64_t sent(const struct workers *t)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < WORKERS; i++)
		n += t->rig[i].packets[0];
	return n;
}

static void forget(struct workers *t)
{
	for (unsigned i = 0; i < WORKERS; i++)
		sched_rig_forget(&t->rig[i]);
}

static void assert_within_a_percent(uint64_t n, uint64_t expected)
{
	assert_in_range(n, expected - expected / 100, expected + expected / 100);
}

/* What is saved up is used at once; after that it is the rate, and each worker has a part of it. */
static void test_a_tenant_has_one_rate(void **state)
{
	static const struct {
		uint64_t bps, pps;
		uint32_t bytes;
	} cases[] = {
		{1000000, 0, 125},     {1000000, 0, 64},          {100000000, 0, 1500},
		{1000000000, 0, 1500}, {20000000000ull, 0, 1500}, {20000000000ull, 0, 9000},
		{0, 1000, 64},         {0, 100000, 64},           {0, 5000000, 64},
	};
	static struct workers t;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t rate = cases[i].bps ? cases[i].bps / 8 / cases[i].bytes : cases[i].pps;
		uint64_t burst = cases[i].bps ? rate_burst(cases[i].bps, RATE_LEAST_BITS) / 8 /
							cases[i].bytes
					      : rate_burst(cases[i].pps, RATE_LEAST_PACKETS),
			 at_first;

		open_workers(&t, cases[i].bps, cases[i].pps, cases[i].bytes);
		run(&t, HZ / 5);
		at_first = burst + rate / 5;
		assert_in_range(sent(&t), at_first - at_first / 50, at_first + at_first / 50 + 8);
		forget(&t);
		run(&t, HZ);
		assert_within_a_percent(sent(&t), rate);
		for (unsigned w = 0; w < WORKERS; w++) {
			assert_true(t.rig[w].packets[0] > rate / 8);
			/* Others on the worker are not held up. */
			assert_true(t.rig[w].used[1] > HZ / 2);
		}
		close_workers(&t);
	}
}

/* A worker whose VMs have nothing to send leaves the others all of the rate. */
static void test_workers_that_sleep_take_nothing(void **state)
{
	static struct workers t;
	uint64_t start;

	(void)state;
	open_workers(&t, 1000000, 0, 125);
	run(&t, HZ);
	for (unsigned w = 1; w < WORKERS; w++)
		t.rig[w].backlog[0] = 1;
	run(&t, HZ);
	forget(&t);
	run(&t, HZ);
	assert_int_equal(sent(&t), t.rig[0].packets[0]);
	assert_within_a_percent(sent(&t), 1000);
	/* They come and go, each time for a packet: what they take and do not need is given back.
	 */
	forget(&t);
	start = t.rig[0].now;
	for (unsigned i = 1; i <= 1000; i++) {
		unsigned w = 1 + i % (WORKERS - 1);

		t.rig[w].backlog[0] = 1;
		sched_wake(t.rig[w].s, 0, t.rig[w].now);
		run_until(&t, start + i * (HZ / 1000));
	}
	assert_within_a_percent(sent(&t), 1000);
	close_workers(&t);
}

/* A VM's packets that another worker delivers were counted where they were sent: they are neither
 * held up by the rate there, nor do they take anything from it. */
static void test_what_is_handed_over_counts_once(void **state)
{
	static struct workers t;
	const struct use handed = {.tsc = 1000,
				   .packets = 1,
				   .bytes = 1500,
				   .descs = 0,
				   .unrated_packets = 1,
				   .unrated_bytes = 1500};
	struct sched_grant g;
	uint64_t start;

	(void)state;
	open_workers(&t, 1000000, 0, 125);
	run(&t, HZ);
	t.rig[1].backlog[0] = 1;
	run(&t, HZ / 10);
	sched_sleep(t.rig[1].s, 1);
	sched_set_away(t.rig[1].s, 0, true);
	forget(&t);
	start = t.rig[0].now;
	for (unsigned i = 1; i <= 1000; i++) {
		sched_wake(t.rig[1].s, 0, t.rig[1].now);
		assert_true(sched_pick(t.rig[1].s, t.rig[1].now, &g));
		assert_int_equal(g.vm, 0);
		t.rig[1].now += handed.tsc;
		sched_charge(t.rig[1].s, 0, t.rig[1].now, &handed, false);
		run_until(&t, start + i * (HZ / 1000));
	}
	assert_within_a_percent(sent(&t), 1000);
	/* Back home its packets count, and wait. */
	sched_set_away(t.rig[1].s, 0, false);
	t.rig[1].backlog[0] = SCHED_RIG_ENDLESS;
	sched_wake(t.rig[1].s, 0, t.rig[1].now);
	forget(&t);
	run(&t, HZ);
	assert_within_a_percent(sent(&t), 1000);
	assert_in_range(t.rig[1].packets[0], 200, 300);
	close_workers(&t);
}

/* A new rate holds at once; none at all is none. */
static void test_a_tenants_rate_changes(void **state)
{
	static struct workers t;
	struct budget b;

	(void)state;
	open_workers(&t, 1000000, 0, 125);
	run(&t, HZ);
	for (unsigned i = 0; i < 2; i++) {
		b = rated(i == 0 ? 100000000 : 0, 0);
		shared_rates_set(&t.of, b.rate_bps, 0);
		for (unsigned w = 0; w < WORKERS; w++)
			assert_int_equal(sched_set_tenant(t.rig[w].s, 0, &b), 0);
		run(&t, HZ / 100);
		forget(&t);
		run(&t, HZ / 10);
		if (i == 0)
			assert_within_a_percent(sent(&t), 10000);
		else
			assert_true(sent(&t) > 1000000);
	}
	close_workers(&t);
}

/* --- ports -------------------------------------------------------------------------------------
 */

#define PORTS 2

/* A VM's ports, which always have something to send. */
struct ports {
	struct rates rate[PORTS];
	uint64_t packets[PORTS];
	unsigned next;
};

static int ready_port(struct ports *p, uint64_t now, uint64_t *until)
{
	*until = UINT64_MAX;
	for (unsigned i = 0; i < PORTS; i++) {
		unsigned k = p->next++ % PORTS;
		uint64_t ready = rates_wait(&p->rate[k], now, 0);

		if (ready == 0)
			return (int)k;
		*until = ready < *until ? ready : *until;
	}
	return -1;
}

/* One burst of one of the VM's ports, or none when all have to wait. */
static void serve(struct sched *s, struct ports *p, uint64_t *now, uint32_t bytes)
{
	struct sched_limits l = sched_burst(s, 0, SLICE);
	struct use use = {0};
	uint64_t until;
	int k = ready_port(p, *now, &until);

	if (k < 0) {
		use.tsc = 100;
		*now += use.tsc;
		sched_charge(s, 0, *now, &use, true);
		sched_hold(s, 0, until);
		return;
	}
	rates_cut(&p->rate[k], &l.packets, &l.bytes);
	do {
		use.packets++;
		use.bytes += bytes;
	} while (use.packets < l.packets && use.bytes < l.bytes);
	rates_take(&p->rate[k], use.packets, (uint64_t)use.bytes * 8);
	p->packets[k] += use.packets;
	use.descs = use.packets;
	use.tsc = 100 + 50 * use.packets;
	*now += use.tsc;
	sched_charge(s, 0, *now, &use, true);
}

static void run_ports(struct sched *s, struct ports *p, uint64_t *now, uint64_t tsc, uint32_t bytes)
{
	struct sched_grant g;

	memset(p->packets, 0, sizeof(p->packets));
	for (uint64_t end = *now + tsc; *now < end;) {
		sched_tick(s, *now);
		if (sched_pick(s, *now, &g)) {
			serve(s, p, now, bytes);
		} else {
			uint64_t next = sched_next_tsc(s);

			assert_true(next > *now);
			*now = next < end ? next : end;
		}
	}
}

/* The first port has a third of what the VM may send, the second three times as much; the tenant
 * has less than the VM at last. */
static void test_ports_in_vms_in_tenants(void **state)
{
	static const uint64_t rates[] = {1000000, 30000000, 1000000000, 20000000000ull};
	static const uint64_t pps[] = {1000, 100000, 5000000};

	(void)state;
	for (unsigned i = 0; i < 7; i++) {
		uint64_t bps = i < 4 ? rates[i] : 0, n = i < 4 ? 0 : pps[i - 4];
		uint32_t bytes = bps > 100000000 ? 1500 : 125;
		uint64_t rate = bps ? bps / 8 / bytes : n;
		struct budget b = rated(bps, n), tenant = rated(bps / 2, n / 2);
		struct ports p = {0};
		struct sched_rig r;

		/* Until what was saved up is used. */
		uint64_t a_while = rate == 1000 ? 20 * HZ : HZ;

		sched_rig_open(&r, SCHED_MODE_TIME);
		sched_rig_add(&r, 0, 0, b);
		rates_set(&p.rate[0], &(struct rates_conf){bps / 3, n / 3}, HZ, r.now);
		rates_set(&p.rate[1], &(struct rates_conf){bps * 3, n * 3}, HZ, r.now);
		run_ports(r.s, &p, &r.now, a_while, bytes);
		run_ports(r.s, &p, &r.now, HZ, bytes);
		assert_within_a_percent(p.packets[0], rate / 3);
		assert_within_a_percent(p.packets[0] + p.packets[1], rate);
		assert_int_equal(sched_set_tenant(r.s, 0, &tenant), 0);
		run_ports(r.s, &p, &r.now, a_while, bytes);
		run_ports(r.s, &p, &r.now, HZ, bytes);
		assert_within_a_percent(p.packets[0] + p.packets[1], rate / 2);
		/* Both ports alone are within their rates, and the VM within its. */
		rates_set(&p.rate[1], &(struct rates_conf){bps / 12, n / 12}, HZ, r.now);
		run_ports(r.s, &p, &r.now, a_while, bytes);
		run_ports(r.s, &p, &r.now, 2 * HZ, bytes);
		assert_within_a_percent(p.packets[0], rate * 2 / 3);
		assert_within_a_percent(p.packets[1], rate / 6);
		sched_rig_close(&r);
	}
}

/* --- the queue in thought ----------------------------------------------------------------------
 */

static void test_a_queue_drains_at_the_rate(void **state)
{
	static const uint64_t rates[] = {1000000, 1000000000, 20000000000ull};
	/* Late in the clock's range, where units of time wrap. */
	static const uint64_t starts[] = {12345, UINT64_MAX / 16 - HZ / 2, UINT64_MAX - HZ / 2};

	(void)state;
	for (unsigned i = 0; i < 9; i++) {
		uint64_t rate = rates[i / 3], now = starts[i % 3], bits = 0;
		struct shared_rate r;

		shared_rate_init(&r, RATE_LEAST_BITS, HZ);
		shared_rate_queue(&r, 1000000, now);
		assert_int_equal(shared_rate_queued(&r, now), 0);
		shared_rate_set(&r, rate);
		shared_rate_queue(&r, 0, now - 1000 * HZ);
		/* Offered twice the rate, in packets of 64 bytes, it takes the rate. */
		for (uint64_t t = 0; t < HZ; t += HZ / (2 * rate / 512)) {
			if (shared_rate_queued(&r, now + t) > rate_burst(rate, RATE_LEAST_BITS))
				continue;
			shared_rate_queue(&r, 512, now + t);
			bits += 512;
		}
		bits -= shared_rate_queued(&r, now + HZ);
		assert_within_a_percent(bits, rate);
		/* Nothing is saved up. */
		now += HZ * 2;
		assert_int_equal(shared_rate_queued(&r, now), 0);
		shared_rate_queue(&r, 51200, now);
		assert_in_range(shared_rate_queued(&r, now), 51100, 51200);
		/* A clock that goes back ends the queue. */
		assert_int_equal(shared_rate_queued(&r, now - 200 * HZ), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_tenant_has_one_rate),
		cmocka_unit_test(test_workers_that_sleep_take_nothing),
		cmocka_unit_test(test_what_is_handed_over_counts_once),
		cmocka_unit_test(test_a_tenants_rate_changes),
		cmocka_unit_test(test_ports_in_vms_in_tenants),
		cmocka_unit_test(test_a_queue_drains_at_the_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
