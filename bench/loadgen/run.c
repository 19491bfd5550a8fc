/* SPDX-License-Identifier: BSD-3-Clause */
/* The run's phases and its loop, all on one core. */
#include "bench/loadgen/run.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <rte_cycles.h>
#include <rte_lcore.h>

#include "bench/loadgen/report.h"
#include "bench/loadgen/stream.h"

#define LINK_SECONDS     15.0
#define ANNOUNCE_SECONDS 0.4
#define ANNOUNCE_TIMES   4
#define DRAIN_SECONDS    0.3
#define CALLER_SECONDS   0.0005 /* between looks whether the caller is ready */
#define IDLE_SLEEP_US    50
#define ATTACK_PASS_US   1

struct runner {
	struct generator g;
	struct options options;
	struct rte_mempool *rx_pool;
	struct attack *attack[MAX_VMS];
	uint16_t n_attacks, next_attack;
	bool sending;
	bool attacking;
};

/* Lets attackers act, in turn, for as long as a pass may be delayed by them: what they cost us must
 * not show up in a victim's latency. */
static void run_attacks(struct runner *r)
{
	uint64_t until = r->g.noise.last_tsc + (uint64_t)(ATTACK_PASS_US * (double)r->g.hz / 1e6);

	for (uint16_t n = 0; n < r->n_attacks && r->g.noise.last_tsc < until; n++) {
		attack_run(r->attack[r->next_attack], r->g.noise.last_tsc);
		r->next_attack = r->next_attack + 1u < r->n_attacks ? r->next_attack + 1u : 0;
		noise_tick(&r->g.noise, rte_rdtsc());
	}
}

/* One look at every port and every sender. */
static void round_once(struct runner *r)
{
	struct generator *g = &r->g;

	for (uint16_t v = 0; v < g->spec->n_vms; v++) {
		if (!g->port[v])
			continue;
		for (uint16_t q = 0; q < g->port[v]->queues; q++)
			receive(g, g->port[v], q);
		noise_tick(&g->noise, rte_rdtsc());
	}
	if (!r->sending) {
		noise_tick(&g->noise, rte_rdtsc());
		return;
	}
	for (uint32_t i = 0; i < g->n_senders; i++) {
		if (!g->senders[i].stream->active)
			continue;
		sender_run(g, &g->senders[i], g->noise.last_tsc);
		noise_tick(&g->noise, rte_rdtsc());
	}
	if (r->attacking)
		run_attacks(r);
	noise_tick(&g->noise, rte_rdtsc());
	if (r->options.idle) {
		struct timespec t = {.tv_nsec = IDLE_SLEEP_US * 1000};

		nanosleep(&t, NULL);
		noise_tick(&g->noise, rte_rdtsc());
	}
}

/* Runs until `seconds` have passed, or all that had a limit is sent. */
static void loop(struct runner *r, double seconds)
{
	uint64_t end = rte_rdtsc() + (uint64_t)(seconds * (double)r->g.hz);

	do {
		uint64_t before = r->g.noise.last_tsc;

		round_once(r);
		if (r->g.measure_from && !r->g.measure_to)
			hist_record(&r->g.pass, r->g.noise.last_tsc - before);
	} while (r->g.noise.last_tsc < end &&
		 !(r->sending && r->options.stop_when_done && senders_done(&r->g)));
}

/* Packets that the receive rings and the loop hold at once. */
static uint32_t rx_buffers(const struct spec *spec)
{
	uint32_t n = 2048;

	for (uint16_t v = 0; v < spec->n_vms; v++)
		if (spec->vm[v].present && spec->vm[v].type != VM_ATTACK)
			n += spec->vm[v].queues * (spec->vm[v].ring * 2u + 2 * BURST);
	return n;
}

static int open_ports(struct runner *r, const struct spec *spec)
{
	r->rx_pool = rte_pktmbuf_pool_create("rx", rx_buffers(spec), 256, 0,
					     RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!r->rx_pool) {
		fprintf(stderr, "loadgen: no memory for %u receive buffers\n", rx_buffers(spec));
		return -1;
	}
	for (uint16_t v = 0; v < spec->n_vms; v++) {
		const struct vm_spec *vm = &spec->vm[v];
		struct port *p;

		if (!vm->present || vm->type == VM_ATTACK)
			continue;
		p = calloc(1, sizeof(*p));
		if (!p || port_open(p, v, vm, r->rx_pool, r->options.hugepages) < 0) {
			free(p);
			return -1;
		}
		r->g.port[v] = p;
	}
	return 0;
}

/* Tells the VMs of other hosts their wire. Returns whether there are wires. */
static bool lay_wires(struct runner *r, const struct spec *spec)
{
	bool is_any = false;

	for (uint16_t v = 0; v < spec->n_vms; v++) {
		const struct vm_spec *vm = &spec->vm[v];
		struct port *p = r->g.port[v];

		is_any = is_any || (p && p->is_wire);
		if (!p || vm->type != VM_REMOTE)
			continue;
		p->wire = r->g.port[vm->wire];
		wire_header_init(&p->header, vm, &spec->vm[vm->wire], v);
	}
	return is_any;
}

/* Waits until the back ends have taken all ports up. */
static int wait_links(struct runner *r)
{
	uint64_t end = rte_rdtsc() + (uint64_t)(LINK_SECONDS * (double)r->g.hz);

	for (uint16_t v = 0; v < r->g.spec->n_vms; v++) {
		while (r->g.port[v] && !port_is_up(r->g.port[v])) {
			if (rte_rdtsc() > end) {
				fprintf(stderr, "loadgen: VM %u: the link does not come up\n", v);
				return -1;
			}
			rte_delay_us_sleep(1000);
		}
	}
	return 0;
}

/* Every VM says where it is, so that a learning switch knows before the traffic starts. */
static void announce(struct runner *r)
{
	struct rte_ether_addr all;
	union frame_hdr h;

	memset(&all, 0xff, sizeof(all));
	for (int n = 0; n < ANNOUNCE_TIMES; n++) {
		for (uint16_t v = 0; v < r->g.spec->n_vms; v++) {
			struct port *p = r->g.port[v];
			struct rte_mbuf *m;

			if (!p || p->is_wire)
				continue;
			m = rte_pktmbuf_alloc(r->rx_pool);
			if (!m)
				continue;
			frame_template(&h, v, &all, UINT16_MAX, 0, 0, false);
			m->data_len = sizeof(struct frame_udp);
			m->pkt_len = m->data_len;
			frame_write(m, &h, FRAME_ANNOUNCE, 0, 0, false, false);
			if (port_tx(p, 0, &m, 1) == 0)
				rte_pktmbuf_free(m);
			round_once(r);
		}
		loop(r, ANNOUNCE_SECONDS / ANNOUNCE_TIMES);
	}
}

/* What came in until now was not traffic: closed loops start with their whole window. */
static void start_sending(struct runner *r)
{
	struct generator *g = &r->g;

	for (uint16_t v = 0; v < g->spec->n_vms; v++) {
		if (!g->port[v])
			continue;
		g->port[v]->credits = g->port[v]->window;
		g->port[v]->last_rx_tsc = g->noise.last_tsc;
	}
	g->start_tsc = g->noise.last_tsc;
	r->sending = true;
}

static int open_attacks(struct runner *r)
{
	const struct spec *spec = r->g.spec;

	for (uint16_t v = 0; v < spec->n_vms; v++) {
		if (!spec->vm[v].present || spec->vm[v].type != VM_ATTACK)
			continue;
		r->attack[r->n_attacks] =
			attack_open(&spec->vm[v], v, r->g.hz, r->options.hugepages);
		if (!r->attack[r->n_attacks])
			return -1;
		r->n_attacks++;
	}
	return 0;
}

/* Whether a stream is among those of a phase, "A+B"; all are when none is named. */
static bool is_named(const char *names, const char *stream)
{
	size_t len = strlen(stream);

	if (!*names)
		return true;
	for (const char *at = names; at; at = strchr(at, '+')) {
		at += *at == '+';
		if (strncmp(at, stream, len) == 0 && (at[len] == '+' || !at[len]))
			return true;
	}
	return false;
}

static void choose(struct runner *r, const struct phase_spec *phase)
{
	struct generator *g = &r->g;

	r->attacking = phase->attacks;
	for (uint32_t i = 0; i < g->n_senders; i++) {
		struct sender *s = &g->senders[i];

		if (r->sending && !s->stream->active &&
		    is_named(phase->streams, s->stream->spec->name))
			sender_resume(g, s, rte_rdtsc());
	}
	for (uint16_t i = 0; i < g->spec->n_streams; i++) {
		struct stream *s = &g->streams[i];

		s->active = is_named(phase->streams, s->spec->name);
	}
}

/* Announces something and goes on until the caller has done what it wanted to before it. Returns -1
 * when the caller is gone. */
static int await_caller(struct runner *r, const char *what, const char *name)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	char byte = 0;

	printf("%s%s\n", what, name);
	fflush(stdout);
	while (byte != '\n') {
		loop(r, CALLER_SECONDS);
		if (poll(&in, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) != 1)
			return -1;
	}
	return 0;
}

/* What hostile VMs received counts like what others did. */
static void take(struct snapshot *s, const struct runner *r)
{
	snapshot_take(s, &r->g);
	for (uint16_t i = 0; i < r->n_attacks; i++)
		s->rx_packets[attack_vm(r->attack[i])] = attack_received(r->attack[i]);
}

/* Warms up, measures, and reports what was found under the phase's name. */
static void measure_once(struct runner *r, struct report *report, const char *phase)
{
	static struct snapshot from, to;
	struct generator *g = &r->g;

	loop(r, r->options.warmup_seconds);
	/* The caller reads these lines to know when to look at the switch. */
	printf("measuring\n");
	fflush(stdout);
	report_reset(g);
	noise_start(&g->noise, rte_rdtsc(), g->noise.threshold_tsc);
	take(&from, r);
	g->measure_to = 0;
	g->measure_from = g->noise.last_tsc;
	loop(r, r->options.seconds);
	g->measure_to = g->noise.last_tsc;
	take(&to, r);
	printf("measured\n");
	fflush(stdout);
	report_phase(report, g, phase, &from, &to);
}

static int measure_phases(struct runner *r, struct report *report)
{
	static const struct phase_spec whole = {.attacks = true};
	const struct spec *spec = r->g.spec;

	choose(r, spec->n_phases ? &spec->phase[0] : &whole);
	start_sending(r);
	if (spec->n_phases == 0)
		measure_once(r, report, "");
	for (uint16_t i = 0; i < spec->n_phases; i++) {
		if (await_caller(r, "phase ", spec->phase[i].name) < 0) {
			fprintf(stderr, "loadgen: nobody says when phase %s is to begin\n",
				spec->phase[i].name);
			return -1;
		}
		choose(r, &spec->phase[i]);
		measure_once(r, report, spec->phase[i].name);
	}
	r->sending = false;
	loop(r, DRAIN_SECONDS);
	return 0;
}

static int measure(struct runner *r)
{
	struct report *report = report_open(r->options.json);
	int rc;

	if (!report)
		return -1;
	rc = measure_phases(r, report);
	if (rc == 0)
		report_totals(report, &r->g, r->attack, r->n_attacks);
	return report_close(report) < 0 ? -1 : rc;
}

static void close_all(struct runner *r)
{
	for (uint16_t i = 0; i < r->n_attacks; i++)
		attack_close(r->attack[i]);
	for (uint16_t v = 0; v < r->g.spec->n_vms; v++) {
		if (!r->g.port[v])
			continue;
		port_close(r->g.port[v]);
		free(r->g.port[v]);
	}
	streams_destroy(&r->g);
}

int run(const struct spec *spec, const struct options *options)
{
	static struct runner r;
	int rc;

	r.options = *options;
	r.g.spec = spec;
	r.g.hz = rte_get_tsc_hz();
	r.g.rng = 88172645463325252ULL;
	hist_reset(&r.g.pass);
	noise_start(&r.g.noise, rte_rdtsc(), (uint64_t)(options->gap_us * (double)r.g.hz / 1e6));
	rc = open_ports(&r, spec);
	/* A switch connects its uplink to who listens. */
	if (rc == 0 && lay_wires(&r, spec))
		rc = await_caller(&r, "listening", "");
	if (rc == 0)
		rc = streams_create(&r.g);
	if (rc == 0)
		rc = wait_links(&r);
	if (rc == 0) {
		printf("ready\n");
		fflush(stdout);
		announce(&r);
		rc = open_attacks(&r);
	}
	if (rc == 0)
		rc = measure(&r);
	close_all(&r);
	return rc < 0 ? 1 : 0;
}
