/* SPDX-License-Identifier: BSD-3-Clause */
/* Simulates policy/sched.c with a clock of its own: millions of random services over random sets of
 * tenants and VMs with random budgets, heavy-tailed costs and on/off patterns. What must always
 * hold is checked at each service, what must hold in the long run at the end of each scenario. The
 * same seeds give the same run. */
#include "policy/sched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fake/sched_rig.h"

#define PACKET_MAX  (40 * US)
#define MAX_VMS     SCHED_RIG_VMS
#define MAX_TENANTS 5

/* Ten million services are checked for their waits, and about as many for the rest. */
#ifdef __SANITIZE_ADDRESS__
#define TURNS     20000
#define SCENARIOS 20
#define SERVICES  300000
#else
#define TURNS     200000
#define SCENARIOS 60
#define SERVICES  10000000
#endif

struct sim_vm {
	struct budget budget;
	uint16_t tenant;
	bool is_there;
	bool is_awake;
	bool always_on;
	uint32_t cost;        /* cycles of an ordinary packet */
	uint32_t tail;        /* one in so many is up to PACKET_MAX */
	uint64_t next_on;     /* when it gets work again */
	uint64_t funded_from; /* with work and a positive balance; 0: not */
};

struct sim {
	struct sched_rig rig; /* first: its packets find the rest */
	uint64_t services;
	uint64_t longest_gap; /* between services */
	unsigned n_vms;
	unsigned n_tenants;
	unsigned n_guarantees;
	bool check_waits;
	struct budget tenant[MAX_TENANTS];
	struct sim_vm vm[MAX_VMS];
};

static uint64_t rnd(struct sim *m)
{
	return sched_rig_random(&m->rig.seed);
}

static uint32_t between(struct sim *m, uint32_t low, uint32_t high)
{
	return low + (uint32_t)(rnd(m) % (high - low + 1));
}

/* Few are large: as likely in each octave. */
static uint32_t log_between(struct sim *m, uint32_t low, uint32_t high)
{
	unsigned octaves = 0;

	while (low << (octaves + 1) <= high)
		octaves++;
	uint32_t base = low << between(m, 0, octaves);
	uint32_t x = between(m, base, 2 * base);

	return x < high ? x : high;
}

static uint64_t packet(struct sched_rig *r, uint16_t vm)
{
	struct sim *m = (struct sim *)r;
	const struct sim_vm *v = &m->vm[vm];

	if (rnd(m) % v->tail == 0)
		return log_between(m, v->cost, PACKET_MAX);
	return v->cost;
}

static void open_sim(struct sim *m, uint64_t seed, unsigned n_tenants)
{
	memset(m, 0, sizeof(*m));
	seed = seed * 0x9e3779b97f4a7c15ull + 1;
	/* The clock starts anywhere, so that it wraps in some runs. */
	sched_rig_open_at(&m->rig, SCHED_MODE_TIME, sched_rig_random(&seed));
	m->rig.seed = seed;
	m->rig.packet = packet;
	m->n_tenants = n_tenants;
	for (unsigned t = 0; t < n_tenants; t++) {
		m->tenant[t] = budget_default();
		m->tenant[t].weight = between(m, 10, 1000);
		assert_int_equal(sched_add_tenant(m->rig.s, (uint16_t)t, &m->tenant[t]), 0);
	}
}

static void add_vm(struct sim *m, struct budget b)
{
	unsigned i = m->n_vms++;
	struct sim_vm *v = &m->vm[i];
	const struct budget *others[MAX_VMS];

	for (unsigned o = 0; o < i; o++)
		others[o] = &m->vm[o].budget;
	if (budget_admit(others, i, &b, BUDGET_SPARE_PERCENT, NULL) < 0)
		b.guarantee_us = 0;
	m->n_guarantees += b.guarantee_us > 0;
	*v = (struct sim_vm){
		.budget = b,
		.tenant = (uint16_t)(i < m->n_tenants ? i : between(m, 0, m->n_tenants - 1)),
		.is_there = true,
		.cost = log_between(m, 100, 8000),
		.tail = between(m, 20, 2000),
		.next_on = m->rig.now,
	};
	assert_int_equal(budget_validate(&b, NULL), 0);
	assert_int_equal(sched_add_vm(m->rig.s, (uint16_t)i, v->tenant, &b), 0);
}

static bool is_limited(const struct sim *m, const struct sim_vm *v)
{
	return v->budget.limit_percent < 100 || v->budget.rate_pps ||
	       m->tenant[v->tenant].limit_percent < 100;
}

static void wake_due(struct sim *m)
{
	for (unsigned i = 0; i < m->n_vms; i++) {
		struct sim_vm *v = &m->vm[i];

		if (!v->is_there || v->is_awake || (int64_t)(v->next_on - m->rig.now) > 0)
			continue;
		v->is_awake = true;
		m->rig.backlog[i] = log_between(m, 1, 3000);
		if (v->always_on)
			m->rig.backlog[i] = SCHED_RIG_ENDLESS;
		sched_wake(m->rig.s, (uint16_t)i, m->rig.now);
	}
}

/* What must hold of each VM, whenever one looks; `g` tells who goes next. */
static void check_vms(struct sim *m, const struct sched_grant *g)
{
	for (unsigned i = 0; i < m->n_vms; i++) {
		struct sim_vm *v = &m->vm[i];
		struct sched_vm_stats st;

		if (!v->is_there)
			continue;
		sched_get_stats(m->rig.s, (uint16_t)i, &st);
		assert_true(st.balance_tsc >= -(int64_t)DEBT);
		if (v->budget.guarantee_us == 0) {
			assert_true(st.balance_tsc <= (int64_t)SLICE);
			continue;
		}
		if (!v->is_awake)
			assert_true(st.balance_tsc <= (int64_t)(v->budget.burst_us * US));
		if (!v->is_awake || st.balance_tsc <= 0 || is_limited(m, v)) {
			v->funded_from = 0;
			continue;
		}
		assert_true(!g || g->funded);
		if (v->funded_from == 0)
			v->funded_from = m->rig.now;
	}
}

static void check_wait(struct sim *m, const struct sched_grant *g)
{
	struct sim_vm *v = &m->vm[g->vm];
	uint64_t bound = sched_bound_tsc(m->rig.s, g->vm, m->rig.longest_overrun);
	uint64_t most = SLICE + m->rig.longest_overrun;
	struct sched_vm_stats st;

	if (v->budget.guarantee_us == 0) {
		assert_true(bound == UINT64_MAX);
		return;
	}
	assert_true(bound >= m->n_guarantees * most);
	assert_true(bound <= m->n_guarantees * (most + m->longest_gap));
	if (!m->check_waits)
		return;
	if (v->funded_from)
		assert_true(m->rig.now - v->funded_from <= bound);
	sched_get_stats(m->rig.s, g->vm, &st);
	assert_true(st.longest_funded_wait_tsc <= bound);
}

/* One service; `gap` cycles are lost in it. */
static void serve(struct sim *m, const struct sched_grant *g, uint64_t gap)
{
	struct sim_vm *v = &m->vm[g->vm];

	sched_rig_serve(&m->rig, g, gap);
	m->services++;
	v->funded_from = 0;
	if (m->rig.backlog[g->vm])
		return;
	v->is_awake = false;
	v->next_on = m->rig.now + log_between(m, 1, 4000) * US;
}

/* Nobody may run: then everybody with work is held back by a limit. */
static void be_idle(struct sim *m)
{
	uint64_t next = sched_next_tsc(m->rig.s), left;
	bool anybody = false;

	left = next == UINT64_MAX ? UINT64_MAX : next - m->rig.now;
	assert_true(left != 0 && (left == UINT64_MAX || left < 10 * HZ));
	for (unsigned i = 0; i < m->n_vms; i++) {
		const struct sim_vm *v = &m->vm[i];

		if (!v->is_there)
			continue;
		assert_true(!v->is_awake || is_limited(m, v));
		anybody |= v->is_awake;
		if (!v->is_awake && v->next_on - m->rig.now < left)
			left = v->next_on - m->rig.now;
	}
	assert_true(anybody == (next != UINT64_MAX));
	if (left == UINT64_MAX)
		left = US;
	m->rig.idle += left;
	m->rig.now += left;
}

/* What the loop does between services takes time too, now and then. */
static void pause_between(struct sim *m)
{
	uint64_t gap = rnd(m) % 4 ? 0 : log_between(m, 100, 10 * US);

	m->rig.now += gap;
	if (gap > m->longest_gap)
		m->longest_gap = gap;
}

static void turn(struct sim *m, uint64_t gap)
{
	struct sched_grant g;
	bool some;

	sched_tick(m->rig.s, m->rig.now);
	wake_due(m);
	some = sched_pick(m->rig.s, m->rig.now, &g);
	if (!some) {
		check_vms(m, NULL);
		be_idle(m);
		return;
	}
	assert_true(g.vm < m->n_vms && m->vm[g.vm].is_awake);
	assert_true(g.slice_tsc <= SLICE && g.slice_tsc > 0);
	check_vms(m, &g);
	check_wait(m, &g);
	serve(m, &g, gap);
}

static struct budget random_budget(struct sim *m)
{
	struct budget b = budget_default();

	b.weight = between(m, 10, 1000);
	if (rnd(m) % 3 == 0) {
		b.period_us = log_between(m, 200, 20000);
		b.guarantee_us = b.period_us * between(m, 1, 30) / 100;
		b.burst_us = log_between(m, 10, 5000);
	}
	if (rnd(m) % 8 == 0)
		b.limit_percent = between(m, 30, 100);
	return b;
}

/* Any mixture, on and off: waits, order, clamps, work conservation. */
static void test_waits(void **state)
{
	uint64_t services = 0;
	struct sim m;

	(void)state;
	for (uint64_t k = 1; k <= SCENARIOS; k++) {
		open_sim(&m, k, 1 + k % MAX_TENANTS);
		m.check_waits = true;
		for (unsigned n = 1 + (unsigned)(k * 7 % MAX_VMS); m.n_vms < n;)
			add_vm(&m, random_budget(&m));
		for (unsigned i = 0; i < m.n_vms; i++)
			m.vm[i].always_on = rnd(&m) % 4 == 0;
		for (int i = 0; i < TURNS; i++) {
			pause_between(&m);
			turn(&m, 0);
		}
		services += m.services;
		sched_rig_close(&m.rig);
	}
	print_message("%llu services\n", (unsigned long long)services);
	assert_true(services >= SERVICES);
}

static void all_on(struct sim *m)
{
	for (unsigned i = 0; i < m->n_vms; i++)
		m->vm[i].always_on = true;
}

/* What a VM's time comes to when all have work: its guarantee and its part of the rest. */
static double fair(const struct sim *m, unsigned i, double passed)
{
	const struct sim_vm *v = &m->vm[i];
	double tenants = 0, siblings = 0, granted = 0;

	for (unsigned o = 0; o < m->n_vms; o++) {
		const struct sim_vm *x = &m->vm[o];
		bool first = true;

		granted += (double)x->budget.guarantee_us / x->budget.period_us;
		if (x->tenant == v->tenant)
			siblings += x->budget.weight;
		for (unsigned p = 0; p < o; p++)
			first &= m->vm[p].tenant != x->tenant;
		if (first)
			tenants += m->tenant[x->tenant].weight;
	}
	return passed * ((double)v->budget.guarantee_us / v->budget.period_us +
			 (1 - granted) * m->tenant[v->tenant].weight / tenants * v->budget.weight /
				 siblings);
}

static double saved_up(const struct sim *m)
{
	double sum = 0;

	for (unsigned i = 0; i < m->n_vms; i++)
		if (m->vm[i].budget.guarantee_us)
			sum += (double)m->vm[i].budget.burst_us * US;
	return sum;
}

/* All have work all the time: each gets its guarantee and its share of the rest, within 1 % and
 * what two services and the first burst make. */
static void test_shares(void **state)
{
	struct sim m;

	(void)state;
	for (uint64_t k = 1; k <= SCENARIOS / 4; k++) {
		uint64_t start;

		open_sim(&m, 1000 + k, 1 + k % MAX_TENANTS);
		for (unsigned n = 2 + (unsigned)(k * 5 % 9); m.n_vms < n;) {
			struct budget b = random_budget(&m);

			b.limit_percent = 100;
			if (k % 2)
				b.guarantee_us = 0;
			add_vm(&m, b);
		}
		all_on(&m);
		start = m.rig.now;
		for (int i = 0; i < TURNS * 2; i++)
			turn(&m, 0);
		assert_int_equal(m.rig.idle, 0);
		for (unsigned i = 0; i < m.n_vms; i++) {
			double want = fair(&m, i, (double)(m.rig.now - start));
			double off = (double)m.rig.used[i] - want;
			double slack = 2.0 * (double)(SLICE + m.rig.longest_overrun) + saved_up(&m);

			if (off < 0)
				off = -off;
			if (off > want / 100 + slack)
				print_message("scenario %d: VM %u used %.0f, wants %.0f\n", (int)k,
					      i, (double)m.rig.used[i], want);
			assert_true(off <= want / 100 + slack);
		}
		sched_rig_close(&m.rig);
	}
}

/* The machine takes 50 ms away, between services and within them. Nobody is starved after that. */
static void test_gaps(void **state)
{
	struct sim m;

	(void)state;
	for (uint64_t k = 1; k <= SCENARIOS / 6; k++) {
		open_sim(&m, 2000 + k, 1 + k % MAX_TENANTS);
		for (unsigned n = 2 + (unsigned)(k * 5 % 9); m.n_vms < n;)
			add_vm(&m, random_budget(&m));
		for (unsigned i = 0; i < m.n_vms; i++)
			m.vm[i].always_on = i % 2;
		for (int i = 0; i < TURNS; i++) {
			if (rnd(&m) % 1000 == 0) {
				m.rig.now += 50000 * US;
				m.longest_gap = 50000 * US;
			}
			turn(&m, rnd(&m) % 1000 == 0 ? 50000 * US : 0);
		}
		for (unsigned i = 0; i < m.n_vms; i++)
			assert_true(m.rig.used[i] > 0);
		sched_rig_close(&m.rig);
	}
}

static void change_something(struct sim *m)
{
	unsigned i = between(m, 0, m->n_vms - 1);
	struct sim_vm *v = &m->vm[i];
	struct budget b = random_budget(m);

	switch (rnd(m) % 6) {
	case 0:
		sched_remove_vm(m->rig.s, (uint16_t)i);
		v->is_there = v->is_awake = false;
		break;
	case 1:
		if (v->is_there)
			break;
		assert_int_equal(sched_add_vm(m->rig.s, (uint16_t)i, v->tenant, &v->budget), 0);
		v->is_there = true;
		v->next_on = m->rig.now;
		break;
	case 2:
		if (rnd(m) % 4 == 0)
			b.rate_pps = log_between(m, 1000, 1000000);
		if (v->is_there)
			assert_int_equal(sched_set_vm(m->rig.s, (uint16_t)i, &b), 0);
		v->budget = b;
		break;
	case 3:
		assert_int_equal(sched_set_conf(m->rig.s,
						(enum sched_mode)(rnd(m) % SCHED_MODE_COUNT),
						between(m, 5, 20)),
				 0);
		break;
	case 4:
		m->tenant[v->tenant] = b;
		assert_int_equal(sched_set_tenant(m->rig.s, v->tenant, &b), 0);
		break;
	default:
		sched_charge_other(m->rig.s, (uint16_t)i, log_between(m, 1, 4000000));
	}
}

/* Everything is changed all the time: who has work and may be served still is, and nobody else. */
static void test_changes(void **state)
{
	struct sim m;

	(void)state;
	for (uint64_t k = 1; k <= SCENARIOS / 6; k++) {
		open_sim(&m, 3000 + k, 1 + k % MAX_TENANTS);
		while (m.n_vms < 12)
			add_vm(&m, random_budget(&m));
		for (int i = 0; i < TURNS; i++) {
			struct sched_grant g;

			if (rnd(&m) % 50 == 0)
				change_something(&m);
			if (rnd(&m) % 20000 == 0)
				m.rig.now -= 5 * HZ; /* a clock that jumps back */
			sched_tick(m.rig.s, m.rig.now);
			wake_due(&m);
			if (sched_pick(m.rig.s, m.rig.now, &g)) {
				assert_true(m.vm[g.vm].is_awake);
				serve(&m, &g, 0);
			} else {
				be_idle(&m);
			}
		}
		sched_rig_close(&m.rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_gaps),
		cmocka_unit_test(test_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
