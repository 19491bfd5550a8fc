/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of policy/cost.c: what is learned of packets' costs, and how bursts follow from it. */
#include "policy/cost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SLICE 40000ull

/* Packets of a kind: what one really costs, and what can be seen of it beforehand. */
struct kind {
	uint64_t cost;
	uint32_t bytes;
	uint32_t descs;
};

static const struct kind small = {150, 64, 1};
static const struct kind large = {30000, 65000, 17};
static const struct kind chain = {12000, 1500, 250};

static uint64_t seed = 88172645463325252ull;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* One burst as a ring gives it, which stops after the packet that reaches a limit. Returns what it
 * took. */
static uint64_t burst(const struct cost *c, uint64_t left, const struct kind *k, uint32_t *packets)
{
	struct cost_limits l = cost_limits(c, left);
	uint32_t n = 0;

	while (n < l.packets && (n == 0 || (n * k->bytes < l.bytes && n * k->descs < l.descs)))
		n++;
	*packets += n;
	return n * k->cost;
}

/* One service: bursts until the slice is used up, or what is left does not do for a packet. */
static uint64_t serve(struct cost *c, const struct kind *k)
{
	uint32_t packets = 0;
	uint64_t used = 0;

	do
		used += burst(c, SLICE - used, k, &packets);
	while (used < SLICE && cost_fits(c, SLICE - used));
	cost_learn(c, used, packets, packets * k->bytes, packets * k->descs);
	return used;
}

static void train(struct cost *c, const struct kind *k, unsigned services)
{
	while (services--)
		serve(c, k);
}

static void start(struct cost *c, const struct kind *k)
{
	cost_reset(c);
	train(c, k, 3000);
}

/* Whatever is taken within the limits is predicted to fit, unless it is a single packet. */
static void test_limits_fit_the_prediction(void **state)
{
	struct cost c;

	(void)state;
	cost_reset(&c);
	for (unsigned i = 0; i < 200000; i++) {
		uint64_t left = rnd() % (4 * SLICE);
		struct cost_limits l = cost_limits(&c, left);
		uint64_t predicted = (uint64_t)l.packets * c.packet +
				     (uint64_t)(l.bytes - 1) * c.byte +
				     (uint64_t)(l.descs - 1) * c.desc;
		uint32_t packets = 1 + (uint32_t)rnd() % 64;

		assert_in_range(l.packets, 1, COST_MAX_PACKETS);
		assert_in_range(l.bytes, 1, COST_BURST_BYTES);
		assert_in_range(l.descs, 1, COST_MAX_DESCS);
		if (l.packets > 1)
			assert_true(predicted <= left << COST_FRAC_BITS);
		if (!cost_fits(&c, left))
			assert_int_equal(l.packets, 1);
		cost_learn(&c, rnd() >> (rnd() % 64), packets, packets * (uint32_t)(rnd() % 70000),
			   packets * (uint32_t)(rnd() % 300));
	}
}

/* A VM that nothing is known of does not overrun much, whatever it sends first. */
static void test_unknown_vms_are_met_with_caution(void **state)
{
	const struct kind *const kinds[] = {&small, &large, &chain};

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct cost c;

		cost_reset(&c);
		assert_true(serve(&c, kinds[i]) <= SLICE + 2 * kinds[i]->cost);
	}
}

/* What is known well does not overrun by more than the predictions are off, and is not taken one by
 * one for no reason. */
static void test_steady_costs_are_learned(void **state)
{
	const struct kind *const kinds[] = {&small, &large, &chain};

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct cost_limits l;
		struct cost c;

		start(&c, kinds[i]);
		for (int k = 0; k < 100; k++)
			assert_true(serve(&c, kinds[i]) <= SLICE + SLICE / 20);
		l = cost_limits(&c, SLICE);
		assert_true(l.packets * kinds[i]->cost * 2 >= SLICE ||
			    l.packets == COST_MAX_PACKETS ||
			    l.packets * kinds[i]->bytes * 2 >= COST_BURST_BYTES);
	}
}

/* Each kind trains its own number: a long run of one makes the others look no cheaper. */
static void test_kinds_are_told_apart(void **state)
{
	const struct kind *const kinds[] = {&large, &chain};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct cost c;

		start(&c, kinds[i]);
		train(&c, &small, 3000);
		assert_int_equal(cost_limits(&c, SLICE).packets, COST_MAX_PACKETS);
		assert_true(serve(&c, kinds[i]) <= SLICE + kinds[i]->cost);
	}
}

/* Packets that become dear without a sign: the first service might have met a gap of the machine's,
 * the second that overruns by more than a packet is the last. */
static void test_dear_packets_are_learned_the_second_time(void **state)
{
	const struct kind dear = {4 * small.cost, 64, 1};
	struct cost c;

	(void)state;
	start(&c, &small);
	for (int i = 0; i < 2; i++)
		assert_true(serve(&c, &dear) > SLICE + dear.cost);
	for (int i = 0; i < 100; i++)
		assert_true(serve(&c, &dear) <= SLICE + dear.cost);
}

static uint64_t predicted(const struct cost *c)
{
	return c->packet + (uint64_t)small.bytes * c->byte + (uint64_t)small.descs * c->desc;
}

/* What happens now and then only is the machine's doing: bursts stay as they are. */
static void test_a_lone_surprise_teaches_nothing(void **state)
{
	const struct kind gap = {20 * small.cost, 64, 1};
	uint64_t before;
	struct cost c;

	(void)state;
	start(&c, &small);
	for (int i = 0; i < 10; i++) {
		before = predicted(&c);
		serve(&c, &gap);
		assert_int_equal(predicted(&c), before);
		assert_int_equal(c.surprises, 0);
		train(&c, &small, COST_LONE);
	}
	serve(&c, &gap);
	train(&c, &small, COST_LONE - 1);
	before = predicted(&c);
	serve(&c, &gap);
	assert_true(predicted(&c) > before);
	assert_int_equal(c.surprises, 1);
}

/* More takes some steps, so that a gap of the machine's is not taken for what packets cost. */
static void test_a_step_is_fourfold_at_most(void **state)
{
	const struct kind dear = {SLICE, 64, 1};
	unsigned steps = 0;
	struct cost c;

	(void)state;
	start(&c, &small);
	while (serve(&c, &dear) > SLICE)
		steps++;
	assert_in_range(steps, 2, 5);
}

/* How many services it takes until a VM that has surprised `times` times is believed to be cheap
 * again. */
static unsigned held(unsigned times)
{
	const struct kind dear = {1500, 64, 1};
	unsigned services = 0;
	uint32_t number;
	struct cost c;

	start(&c, &small);
	assert_int_equal(c.surprises, 0);
	serve(&c, &dear); /* a lone one */
	for (unsigned i = 0; i < times; i++) {
		c.packet = (uint32_t)small.cost << COST_FRAC_BITS; /* as if it had been forgotten */
		serve(&c, &dear);
		train(&c, &small, 5);
	}
	assert_int_equal(c.surprises, times);
	for (number = c.packet; c.packet >= number; services++)
		serve(&c, &small);
	train(&c, &small, 5000);
	assert_int_equal(c.surprises, 0);
	assert_int_equal(cost_limits(&c, SLICE).packets, COST_MAX_PACKETS);
	return services;
}

/* Who surprises is not believed to be cheap again so soon, each time for longer, and less is taken
 * from it at once meanwhile. In the end it is forgotten. */
static void test_surprises_are_held_against_it(void **state)
{
	unsigned last = 32, now, trusted;
	struct cost c;

	(void)state;
	for (unsigned times = 1; times <= 4; times++, last = now) {
		now = held(times);
		assert_true(now > last + last / 2);
	}
	start(&c, &small);
	trusted = cost_limits(&c, SLICE / 16).packets;
	c.surprises = 2;
	assert_true(cost_limits(&c, SLICE / 16).packets * 3 < trusted);
}

/* Services without packets teach nothing; nor do the largest numbers break anything. */
static void test_extremes(void **state)
{
	struct cost c, before;

	(void)state;
	start(&c, &small);
	before = c;
	cost_learn(&c, UINT64_MAX, 0, UINT32_MAX, UINT32_MAX);
	assert_memory_equal(&c, &before, sizeof(c));
	for (int i = 0; i < 100; i++)
		cost_learn(&c, UINT64_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX);
	assert_int_equal(cost_limits(&c, SLICE).packets >= 1, 1);
	for (int i = 0; i < 100; i++)
		cost_learn(&c, UINT64_MAX, 1, 1, 1);
	assert_int_equal(cost_limits(&c, SLICE).packets, 1);
	for (int i = 0; i < 100000; i++)
		cost_learn(&c, 0, 32, 1 << 20, 2048);
	assert_true(c.packet > 0 && c.byte > 0 && c.desc > 0);
	assert_int_equal(cost_limits(&c, UINT64_MAX).packets, COST_MAX_PACKETS);
	assert_int_equal(cost_limits(&c, 0).packets, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits_fit_the_prediction),
		cmocka_unit_test(test_unknown_vms_are_met_with_caution),
		cmocka_unit_test(test_steady_costs_are_learned),
		cmocka_unit_test(test_kinds_are_told_apart),
		cmocka_unit_test(test_dear_packets_are_learned_the_second_time),
		cmocka_unit_test(test_a_lone_surprise_teaches_nothing),
		cmocka_unit_test(test_a_step_is_fourfold_at_most),
		cmocka_unit_test(test_surprises_are_held_against_it),
		cmocka_unit_test(test_extremes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
