/* SPDX-License-Identifier: BSD-3-Clause */
/* What a packet costs in whole turns of the loop, with everything in the cache and nothing else in
 * the process: two guests in memory (tests/fake/scene.h), one sends the other packets of 64 bytes,
 * 60 for each turn. No figure of a bar: it tells changes of a cycle or two apart, which floods
 * between processes do not. Prints cycles of the TSC: the lowest but for a thousandth, and the
 * median. */
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

#define MOST_LOADS 20000
#define PACKETS    60
#define PATIENCE   100 /* turns that one load of packets may take */
#define SLICE_US   20

static uint64_t cycles[MOST_LOADS]; /* of each load of packets */
static unsigned n_loads = MOST_LOADS;

static uint64_t read_tsc(void)
{
	return rte_rdtsc();
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
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
	scene_offer_again(s, 1);
	sched_set_conf(s->w->sched, SCHED_MODE_TIME, SLICE_US);
	used = s->guest[0].fe.mem_used;
	s->w->clock = read_tsc;
	s->w->deadline.clock = read_tsc;
	for (unsigned i = 0; i < n_loads; i++) {
		uint64_t before = c->forwarded, start;

		s->guest[0].fe.mem_used = used;
		for (unsigned k = 0; k < PACKETS; k++)
			scene_send_to(s, 0, 1, (uint8_t)k);
		ledger->last_tsc = start = rte_rdtsc();
		for (unsigned k = 0; k < PATIENCE && c->forwarded < before + PACKETS; k++)
			loop_turn(s->w);
		cycles[i] = rte_rdtsc() - start;
		assert_int_equal(c->forwarded, before + PACKETS);
		scene_reclaim(s, 0);
		scene_offer_again(s, 1);
	}
	/* The clock was changed: the time before it is not the ledger's. */
	ledger->opened_tsc = ledger->last_tsc - ledger_sum(ledger);
	qsort(cycles, n_loads, sizeof(cycles[0]), compare);
	best = cycles[n_loads / 1000];
	middle = cycles[n_loads / 2];
	printf("turn.64.cycles_min %.1f cycles/packet\nturn.64.cycles_p50 %.1f cycles/packet\n",
	       (double)best / PACKETS, (double)middle / PACKETS);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest all[] = {SCENE_CASE(measure)};
	unsigned long n = argc == 2 ? strtoul(argv[1], NULL, 10) : MOST_LOADS;

	if (argc > 2 || n == 0 || n > MOST_LOADS) {
		fprintf(stderr, "usage: turn [LOADS], of %d packets each, at most %d\n", PACKETS,
			MOST_LOADS);
		return 2;
	}
	n_loads = (unsigned)n;

	if (fake_eal_init("turn") < 0)
		return 1;
	return cmocka_run_group_tests(all, NULL, NULL);
}
