/* SPDX-License-Identifier: BSD-3-Clause */
/* Networks that suppress questions about neighbours, as control sees them. */
#include "control/neighbour.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>

#define AGEING_S 300

static struct vswitch sw;
static struct network net, other;
static struct port port[3];

static int set_up(void **state)
{
	(void)state;
	sw = (struct vswitch){0};
	net = (struct network){.mac_ageing_s = AGEING_S};
	other = net;
	net.bridge.fdb = fdb_create(64);
	TAILQ_INIT(&sw.ports);
	for (unsigned i = 0; i < 3; i++) {
		port[i] = (struct port){.net = i == 2 ? &other : &net};
		TAILQ_INSERT_TAIL(&sw.ports, &port[i], link);
		port_set_stages(&port[i]);
	}
	return net.bridge.fdb ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	neigh_table_destroy(atomic_load(&net.bridge.neighbours));
	fdb_destroy(net.bridge.fdb);
	return 0;
}

static struct neigh neighbour(uint8_t n, uint16_t origin)
{
	return (struct neigh){
		.address = {.bytes = {10, 0, 0, n}}, .mac = 0x5452 + n, .origin = origin};
}

static void learn(uint8_t i, uint16_t origin, uint32_t now_s)
{
	struct neigh n = neighbour(i, origin);

	neigh_table_learn(atomic_load(&net.bridge.neighbours), &n, now_s, UINT32_MAX);
}

static bool count_one(void *ctx, const struct neigh *n)
{
	(void)n;
	++*(unsigned *)ctx;
	return false;
}

static unsigned count(void)
{
	unsigned n = 0;

	neighbour_each(&net, count_one, &n);
	return n;
}

static uint32_t stages(unsigned i)
{
	return atomic_load(&port[i].vport.stages);
}

/* Ports of the network get the stage, others do not; the guard's stays. */
static void test_ports_follow_their_network(void **state)
{
	struct err e;

	(void)state;
	port[1].sources.mac_guard = true;
	assert_int_equal(stages(0), 0);
	assert_int_equal(network_set_suppress(&sw, &net, SUPPRESS_STATIC, &e), 0);
	assert_int_equal(stages(0), 1u << STAGE_SUPPRESS);
	assert_int_equal(stages(1), 1u << STAGE_SUPPRESS | 1u << STAGE_GUARD);
	assert_int_equal(stages(2), 0);
	assert_non_null(atomic_load(&net.bridge.neighbours));
	assert_int_equal(network_set_suppress(&sw, &net, SUPPRESS_OFF, &e), 0);
	assert_int_equal(stages(0), 0);
	assert_int_equal(stages(1), 1u << STAGE_GUARD);
}

static void test_static_neighbours_are_kept(void **state)
{
	struct neigh n = neighbour(1, 0);
	struct err e;

	(void)state;
	/* Without a table there is nothing. */
	assert_int_equal(count(), 0);
	assert_true(neighbour_delete(&net, &n.address, &e) < 0);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	neighbour_age(&net, 1000);
	neighbour_forget(&net, 0);
	/* One may be added before anything is suppressed. */
	assert_int_equal(neighbour_add(&net, &n, &e), 0);
	assert_true(neighbour_add(&net, &n, &e) < 0);
	assert_int_equal(e.code, ERR_EXISTS);
	neighbour_age(&net, 1000000);
	neighbour_forget(&net, 0);
	assert_int_equal(count(), 1);
	assert_int_equal(neighbour_delete(&net, &n.address, &e), 0);
	assert_int_equal(count(), 0);
}

static void test_learned_neighbours_age(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(network_set_suppress(&sw, &net, SUPPRESS_LEARNED, &e), 0);
	learn(1, 7, 1000);
	learn(2, 7, 1001);
	neighbour_age(&net, 1000 + AGEING_S);
	assert_int_equal(count(), 2);
	neighbour_age(&net, 1001 + AGEING_S);
	assert_int_equal(count(), 1);
	learn(2, 7, 1200);
	neighbour_age(&net, 1200 + AGEING_S);
	assert_int_equal(count(), 1);
	/* A worker's clock may be a second ahead. */
	neighbour_age(&net, 1199);
	assert_int_equal(count(), 1);
}

static void test_a_port_that_goes_is_forgotten(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(network_set_suppress(&sw, &net, SUPPRESS_LEARNED, &e), 0);
	learn(1, 7, 1000);
	learn(2, NEIGH_FROM_WIRE, 1000);
	network_forget_port(&net, 7);
	assert_int_equal(count(), 1);
	neighbour_forget(&net, NEIGH_FROM_WIRE);
	assert_int_equal(count(), 0);
}

/* The table is bounded: what is too much is refused. */
static void test_a_full_table_refuses(void **state)
{
	struct err e;
	unsigned refused = 0;

	(void)state;
	for (uint32_t i = 1; i < 1000; i++) {
		struct neigh n = {.address = {.bytes = {10, 1, (uint8_t)(i >> 8), (uint8_t)i}},
				  .mac = i};

		if (neighbour_add(&net, &n, &e) == 0)
			continue;
		assert_int_equal(e.code, ERR_NO_SPACE);
		refused++;
	}
	assert_true(refused > 0);
	assert_int_equal(count() + refused, 999);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_ports_follow_their_network), CASE(test_static_neighbours_are_kept),
		CASE(test_learned_neighbours_age),     CASE(test_a_port_that_goes_is_forgotten),
		CASE(test_a_full_table_refuses),
	};

	return cmocka_run_group_tests_name("neighbour", tests, NULL, NULL);
}
