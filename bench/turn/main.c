/* SPDX-License-Identifier: BSD-3-Clause */
/* What a packet costs in whole turns of the loop, with everything in the cache and nothing else in
 * the process: two guests in memory (tests/fake/scene.h), one sends the other packets of 64 bytes,
 * 60 for each turn. No figure of a bar: it tells changes of a cycle or two apart, which floods
 * between processes do not. Prints cycles of the TSC. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <rte_cycles.h>

#include "tests/fake/eal.h"
#include "tests/fake/scene.h"
#include "vswitch/loop.h"

#define TURNS    20000
#define PACKETS  60
#define PATIENCE 100 /* turns that one load of packets may take */
#define SLICE_US 20

static uint64_t cycles[TURNS];

static uint64_t read_tsc(void)
{
	return rte_rdtsc();
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Offers the buffers again of what guest i received. */
static void empty(struct scene *s, unsigned i)
{
	struct scene_guest *g = &s->guest[i];
	struct fe_ring *ring = &g->fe.ring[0];
	uint32_t len;

	for (int head; (head = fe_ring_poll(ring, &len)) >= 0;) {
		int buf = g->rx_head[head];
		struct fe_buf b = {vhost_fe_gpa(&g->fe, g->rx_buf[buf]), 2048, true};

		head = fe_ring_add(ring, &b, 1);
		assert_true(head >= 0);
		g->rx_head[head] = buf;
	}
	fe_ring_publish(ring);
}

static void measure(void **state)
{
	struct scene *s = *state;
	const struct port_counters *c = scene_counters(s, 0);
	struct ledger *ledger = &s->w->ledger;
	uint64_t best, middle;
	size_t used;

	scene_introduce(s, 0);
	scene_introduce(s, 1);
	scene_reclaim(s, 0);
	empty(s, 1);
	sched_set_conf(s->w->sched, SCHED_MODE_TIME, SLICE_US);
	used = s->guest[0].fe.mem_used;
	s->w->clock = read_tsc;
	s->w->deadline.clock = read_tsc;
	for (unsigned i = 0; i < TURNS; i++) {
		uint64_t before = c->forwarded, start;

		s->guest[0].fe.mem_used = used;
		for (unsigned k = 0; k < PACKETS; k++)
			scene_send_to(s, 0, 1, (uint8_t)k);
		ledger->last_tsc = start = rte_rdtsc();
		for (unsigned k = 0; k < PATIENCE && c->forwarded < before + PACKETS; k++)
			turn(s->w);
		cycles[i] = rte_rdtsc() - start;
		assert_int_equal(c->forwarded, before + PACKETS);
		scene_reclaim(s, 0);
		empty(s, 1);
	}
	/* The clock was changed: the time before it is not the ledger's. */
	ledger->opened_tsc = ledger->last_tsc - ledger_sum(ledger);
	qsort(cycles, TURNS, sizeof(cycles[0]), compare);
	best = cycles[TURNS / 1000];
	middle = cycles[TURNS / 2];
	printf("turn.64.cycles_min %.1f cycles/packet\nturn.64.cycles_p50 %.1f cycles/packet\n",
	       (double)best / PACKETS, (double)middle / PACKETS);
}

int main(void)
{
	const struct CMUnitTest all[] = {SCENE_CASE(measure)};

	if (fake_eal_init("turn") < 0)
		return 1;
	return cmocka_run_group_tests(all, NULL, NULL);
}
