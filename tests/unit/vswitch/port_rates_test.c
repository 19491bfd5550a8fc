/* SPDX-License-Identifier: BSD-3-Clause */
/* Rates of what ports' guests send, in whole turns: packets wait in their ring, nothing is lost,
 * the VM is not looked at meanwhile, and its other work goes on. */
#include "vswitch/rate_hold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "tests/fake/eal.h"
#include "tests/fake/scene.h"
#include "vswitch/attach.h"
#include "vswitch/backlog.h"
#include "vswitch/loop.h"

#define HZ    1000000000ULL /* of the scene's clock */
#define MS    (HZ / 1000)
#define FRAME 64 /* bytes of scene_send_to()'s */

/* Gives a port rates, and leaves so much in its buckets. */
static void set_rates(struct scene *s, unsigned i, uint64_t pps, int64_t packets, uint64_t bps,
		      int64_t bits)
{
	const struct rates_conf conf = {bps, pps};
	struct vport *port = &s->guest[i].port;

	rates_set(&port->rates, &conf, HZ, s->now);
	port->is_rated = rates_in_use(&port->rates);
	port->rates.packets.level = packets;
	port->rates.bits.level = bits;
}

static void introduce_all(struct scene *s)
{
	for (unsigned i = 0; i < 5; i++)
		scene_introduce(s, i);
}

static void send_some(struct scene *s, unsigned from, unsigned to, unsigned n)
{
	while (n-- > 0)
		scene_send_to(s, from, to, (uint8_t)n);
}

static uint64_t services_of(const struct scene *s, unsigned i)
{
	struct sched_vm_stats stats;

	sched_get_stats(s->w->sched, s->guest[i].vm.id, &stats);
	return stats.services;
}

/* What the buckets hold is sent at once, the rest as they fill; the VM is not served between. */
static void test_packets_wait(void **state)
{
	struct scene *s = *state;
	uint64_t before;

	introduce_all(s);
	set_rates(s, 0, 1000, 2, 0, 0);
	send_some(s, 0, 1, 10);
	scene_turns(s, 4);
	assert_int_equal(scene_received(s, 1), 2);
	assert_true(s->w->service[s->guest[0].vm.id].is_rate_held);
	before = services_of(s, 0);
	scene_turns(s, 20);
	assert_int_equal(services_of(s, 0), before);
	assert_int_equal(scene_received(s, 1), 0);
	for (unsigned i = 0; i < 8; i++) {
		s->now += MS;
		scene_turns(s, 4);
		assert_int_equal(scene_received(s, 1), 1);
	}
	/* All are sent, so nothing holds the VM. */
	scene_turns(s, 4);
	assert_int_equal(s->w->n_rate_held, 0);
}

static void test_bits_wait(void **state)
{
	struct scene *s = *state;

	introduce_all(s);
	set_rates(s, 0, 0, 0, 1000 * FRAME * 8, 3 * FRAME * 8);
	send_some(s, 0, 1, 5);
	scene_turns(s, 4);
	assert_int_equal(scene_received(s, 1), 3);
	s->now += 2 * MS;
	scene_turns(s, 4);
	assert_int_equal(scene_received(s, 1), 2);
}

/* Guest i's port becomes one of guest `with`'s VM, and its own VM's again. */
static void move_port(struct scene *s, unsigned i, unsigned with)
{
	struct scene_guest *g = &s->guest[i];

	attach_change(s->w, &g->port, NULL, NULL, NULL, 0);
	g->port.vm = s->guest[with].vm.id;
	attach_change(s->w, &g->port, NULL, NULL, &g->pair, 1);
}

static void test_other_port_goes_on(void **state)
{
	struct scene *s = *state;

	introduce_all(s);
	move_port(s, 2, 0);
	set_rates(s, 0, 1, 1, 0, 0);
	send_some(s, 0, 1, 3);
	scene_turns(s, 4);
	assert_int_equal(scene_received(s, 1), 1);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(s->w->service[s->guest[0].vm.id].is_rate_held);
		send_some(s, 2, 1, 5);
		scene_turns(s, 4);
		assert_int_equal(scene_received(s, 1), 5);
	}
	s->now += 2 * HZ;
	scene_turns(s, 4);
	s->now += 2 * HZ;
	scene_turns(s, 4);
	assert_int_equal(scene_received(s, 1), 2);
	move_port(s, 2, 2);
}

/* A job of the VM, from another worker. */
static void put_job(struct scene *s, unsigned from, unsigned to)
{
	struct scene_guest *g = &s->guest[from];
	struct rte_mbuf *m = rte_pktmbuf_alloc(g->vm.pool);
	struct job job = backlog_job(JOB_DELIVER, &g->port, &s->guest[to].port, 0);

	assert_non_null(m);
	assert_non_null(rte_pktmbuf_append(m, FRAME));
	job.was_counted = true;
	assert_int_equal(backlog_put_pkt(s->w, s->w2, &job, m, g->vm.pool), DROP_COUNT);
	rte_pktmbuf_free(m);
}

static void test_jobs_go_on(void **state)
{
	struct scene *s = *state;

	introduce_all(s);
	set_rates(s, 0, 1, 1, 0, 0);
	send_some(s, 0, 1, 2);
	scene_turns(s, 4);
	assert_int_equal(scene_received(s, 1), 1);
	put_job(s, 0, 1);
	scene_turns(s, 4);
	assert_int_equal(scene_received(s, 1), 1);
	assert_true(s->w->service[s->guest[0].vm.id].is_rate_held);
	s->now += 2 * HZ;
	scene_turns(s, 4);
	assert_int_equal(scene_received(s, 1), 1);
}

/* Packets that a service took and had no time for are not counted against the rates. */
static void test_put_back_is_returned(void **state)
{
	struct scene *s = *state;
	const struct rates *r = &s->guest[0].port.rates;
	unsigned got = 0;

	introduce_all(s);
	set_rates(s, 0, 1, 64, 0, 0);
	send_some(s, 0, 1, 40);
	s->meanwhile = scene_take_long;
	for (unsigned i = 0; i < 100 && got < 40; i++) {
		loop_turn(s->w);
		got += scene_received(s, 1);
		assert_in_range(r->packets.level, 64 - got, 64 - got);
	}
	s->meanwhile = NULL;
	assert_int_equal(got, 40);
}

/* A port whose VM goes while it is held leaves nothing behind. */
static void test_held_vm_goes(void **state)
{
	struct scene *s = *state;

	introduce_all(s);
	set_rates(s, 0, 1, 1, 0, 0);
	send_some(s, 0, 1, 3);
	scene_turns(s, 4);
	assert_int_equal(s->w->n_rate_held, 1);
	scene_move(s, 0);
	assert_int_equal(s->w->n_rate_held, 0);
	s->now += 10 * HZ;
	for (unsigned i = 0; i < 10; i++) {
		loop_turn(s->w2);
		loop_turn(s->w);
	}
	/* The bucket holds 64 after that. */
	assert_int_equal(scene_received(s, 1), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_CASE(test_packets_wait),         SCENE_CASE(test_bits_wait),
		SCENE_CASE(test_other_port_goes_on),   SCENE_CASE(test_jobs_go_on),
		SCENE_CASE(test_put_back_is_returned), SCENE_CASE(test_held_vm_goes),
	};

	if (fake_eal_init("port_rates_test") < 0)
		return 1;
	return cmocka_run_group_tests_name("port rates", tests, NULL, NULL);
}
