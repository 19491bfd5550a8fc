/* SPDX-License-Identifier: BSD-3-Clause */
/* What a packet costs in whole turns of the loop, with everything in the cache and nothing else in
 * the process: guests in memory (tests/fake/scene.h), one sends the other packets of 64 bytes, 60
 * for each turn; then a guest and another host, beyond an uplink in memory
 * (tests/fake/wire_scene.h). No figure of a bar: it tells changes of a cycle or two apart, which
 * floods between processes do not. Prints cycles of the TSC: the lowest but for a thousandth, and
 * the median. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <rte_cycles.h>

#include "tests/fake/eal.h"
#include "tests/fake/scene.h"
#include "tests/fake/wire_scene.h"
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

/* The lowest number of cycles a packet, but for a thousandth, and the median. */
static void print_figures(const char *what)
{
	uint64_t best, middle;

	qsort(cycles, n_loads, sizeof(cycles[0]), compare);
	best = cycles[n_loads / 1000];
	middle = cycles[n_loads / 2];
	printf("turn.%s.cycles_min %.1f cycles/packet\nturn.%s.cycles_p50 %.1f cycles/packet\n",
	       what, (double)best / PACKETS, what, (double)middle / PACKETS);
}

/* Has the first worker use the machine's clock, and a slice as large as in service. */
static void use_tsc(struct scene *s)
{
	sched_set_conf(s->w->sched, SCHED_MODE_TIME, SLICE_US);
	s->w->clock = read_tsc;
	s->w->deadline.clock = read_tsc;
}

/* Puts the ledger right, which counts from before the clock was changed. */
static void settle_ledger(struct scene *s)
{
	s->w->ledger.opened_tsc = s->w->ledger.last_tsc - ledger_sum(&s->w->ledger);
}

/* Runs turns until a counter has gone up by a load of packets; returns the cycles. */
static uint64_t run_turns(struct scene *s, const uint64_t *counter, uint64_t before)
{
	uint64_t start = s->w->ledger.last_tsc = rte_rdtsc(), passed;

	for (unsigned k = 0; k < PATIENCE && *counter < before + PACKETS; k++)
		loop_turn(s->w);
	passed = rte_rdtsc() - start;
	assert_int_equal(*counter, before + PACKETS);
	return passed;
}

/* A way of packets. */
struct way {
	const char *name;
	struct scene *s;
	struct wire_scene *ws;   /* NULL: both ends are guests */
	const uint64_t *counter; /* of the packets that are through */
	void (*send)(const struct way *way, uint8_t tag);
	void (*take)(const struct way *way); /* what came out, so that the next load finds room */
};

static void measure(const struct way *way)
{
	struct scene *s = way->s;
	size_t used = s->guest[0].fe.mem_used;

	use_tsc(s);
	for (unsigned i = 0; i < n_loads; i++) {
		uint64_t before = *way->counter;

		s->guest[0].fe.mem_used = used;
		for (unsigned k = 0; k < PACKETS; k++)
			way->send(way, (uint8_t)k);
		cycles[i] = run_turns(s, way->counter, before);
		way->take(way);
	}
	settle_ledger(s);
	print_figures(way->name);
}

static void send_plain(const struct way *way, uint8_t tag)
{
	scene_send_to(way->s, 0, 1, tag);
}

static void take_plain(const struct way *way)
{
	scene_reclaim(way->s, 0);
	scene_offer_again(way->s, 1);
}

/* From guest to guest. */
static void measure_plain(void **state)
{
	struct scene *s = *state;
	const struct way way = {
		.name = "64",
		.s = s,
		.counter = &scene_counters(s, 0)->forwarded,
		.send = send_plain,
		.take = take_plain,
	};

	scene_introduce(s, 0);
	scene_introduce(s, 1);
	take_plain(&way);
	measure(&way);
}

static void send_to_wire(const struct way *way, uint8_t tag)
{
	wire_send_to(way->ws, 0, tag);
}

static void take_to_wire(const struct way *way)
{
	scene_reclaim(way->s, 0);
	assert_int_equal(wire_take_all(way->ws), PACKETS);
}

/* From a guest to another host: encapsulated, and handed to a device in memory. */
static void measure_to_wire(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	const struct way way = {
		.name = "to_wire",
		.s = s,
		.ws = ws,
		.counter = &scene_counters(s, 0)->forwarded,
		.send = send_to_wire,
		.take = take_to_wire,
	};

	scene_introduce(s, 0);
	wire_introduce(ws, 0);
	scene_reclaim(s, 0);
	wire_take_all(ws);
	measure(&way);
}

static void send_from_wire(const struct way *way, uint8_t tag)
{
	wire_arrive_for(way->ws, 0, 1, tag);
}

static void take_from_wire(const struct way *way)
{
	scene_offer_again(way->s, 1);
}

/* From another host to a guest. */
static void measure_from_wire(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	const struct way way = {
		.name = "from_wire",
		.s = s,
		.ws = ws,
		.counter = &scene_counters(s, 1)->wire_delivered,
		.send = send_from_wire,
		.take = take_from_wire,
	};

	wire_introduce_guest(ws, 1);
	wire_introduce(ws, 0);
	scene_receive_all(s);
	wire_take_all(ws);
	take_from_wire(&way);
	wire_listen(ws);
	measure(&way);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest all[] = {SCENE_CASE(measure_plain), WIRE_CASE(measure_to_wire),
					 WIRE_CASE(measure_from_wire)};
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
