/* SPDX-License-Identifier: BSD-3-Clause */
/* The report. Every figure goes through put(), which writes it to both forms: lines on standard
 * output, and JSON. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RUSAGE_THREAD */
#endif
#include "bench/loadgen/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>

struct report {
	FILE *json;
	const char *path;
	const char *phase;
	bool first;
};

void snapshot_take(struct snapshot *s, const struct generator *g)
{
	s->tsc = g->noise.last_tsc;
	s->noise = g->noise;
	s->rx_polls = 0;
	s->rx_empty = 0;
	for (uint16_t i = 0; i < g->spec->n_streams; i++)
		s->stream[i] = g->streams[i].count;
	for (uint16_t i = 0; i < g->spec->n_vms; i++) {
		const struct port *p = g->port[i];

		s->rx_packets[i] = p ? p->rx_packets : 0;
		s->rx_bytes[i] = p ? p->rx_bytes : 0;
		s->rx_polls += p ? p->rx_polls : 0;
		s->rx_empty += p ? p->rx_empty : 0;
	}
}

static void put(struct report *o, double value, const char *unit, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void put(struct report *o, double value, const char *unit, const char *fmt, ...)
{
	char name[128];
	int n = snprintf(name, sizeof(name), "%s%s", o->phase, *o->phase ? "." : "");
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name + n, sizeof(name) - (size_t)n, fmt, ap);
	va_end(ap);
	printf("%s %.15g %s\n", name, value, unit);
	if (o->json)
		fprintf(o->json, "%s\n  \"%s\": %.15g", o->first ? "" : ",", name, value);
	o->first = false;
}

static void put_latency(struct report *o, const char *stream, const char *what,
			const struct hist *h, uint64_t hz)
{
	static const struct {
		const char *name;
		double fraction;
	} points[] = {{"p50", .5}, {"p90", .9}, {"p99", .99}, {"p999", .999}, {"p9999", .9999}};
	double us = (double)hz / 1e6;

	if (h->count == 0)
		return;
	for (unsigned int i = 0; i < sizeof(points) / sizeof(points[0]); i++)
		put(o, (double)hist_quantile(h, points[i].fraction) / us, "us",
		    "stream.%s.%s.%s_us", stream, what, points[i].name);
	put(o, (double)h->min / us, "us", "stream.%s.%s.min_us", stream, what);
	put(o, (double)h->max / us, "us", "stream.%s.%s.max_us", stream, what);
	put(o, hist_mean(h) / us, "us", "stream.%s.%s.mean_us", stream, what);
	put(o, (double)h->count, "samples", "stream.%s.%s.samples", stream, what);
}

static void put_stream(struct report *o, const struct generator *g, uint16_t i,
		       const struct snapshot *from, const struct snapshot *to, double seconds)
{
	const struct stream *s = &g->streams[i];
	const struct stream_counts *a = &from->stream[i], *b = &to->stream[i];
	const char *name = s->spec->name;

	put(o, (double)(b->sent - a->sent) / seconds, "pps", "stream.%s.tx_pps", name);
	put(o, (double)(b->received - a->received) / seconds, "pps", "stream.%s.rx_pps", name);
	put(o, (double)(b->received_bytes - a->received_bytes) * 8e-9 / seconds, "Gbit/s",
	    "stream.%s.rx_gbps", name);
	put(o, (double)(b->replies - a->replies) / seconds, "requests/s", "stream.%s.replies_per_s",
	    name);
	put(o, (double)(b->timeouts - a->timeouts), "requests", "stream.%s.timeouts", name);
	put_latency(o, name, "latency", s->latency, g->hz);
	put_latency(o, name, "clean", s->clean, g->hz);
}

static void put_stream_totals(struct report *o, const struct stream *s)
{
	const struct stream_counts *all = &s->count;
	const char *name = s->spec->name;

	put(o, (double)all->sent, "packets", "stream.%s.sent", name);
	put(o, (double)all->received, "packets", "stream.%s.received", name);
	put(o, (double)all->missing, "packets", "stream.%s.missing", name);
	put(o, (double)all->altered, "packets", "stream.%s.altered", name);
	put(o, (double)all->duplicated, "packets", "stream.%s.duplicated", name);
	put(o, (double)all->reordered, "packets", "stream.%s.reordered", name);
	put(o, (double)all->misdelivered, "packets", "stream.%s.misdelivered", name);
	put(o, (double)all->late, "replies", "stream.%s.late", name);
	if (s->spec->faults == 0)
		return;
	put(o, (double)all->made_missing, "packets", "stream.%s.made_missing", name);
	put(o, (double)all->made_altered, "packets", "stream.%s.made_altered", name);
	put(o, (double)all->made_duplicated, "packets", "stream.%s.made_duplicated", name);
	put(o, (double)all->made_reordered, "packets", "stream.%s.made_reordered", name);
}

static void put_vms(struct report *o, const struct generator *g, const struct snapshot *from,
		    const struct snapshot *to, double seconds)
{
	uint64_t packets = 0, bytes = 0;

	for (uint16_t i = 0; i < g->spec->n_vms; i++) {
		put(o, (double)(to->rx_packets[i] - from->rx_packets[i]) / seconds, "pps",
		    "vm.%u.rx_pps", i);
		packets += to->rx_packets[i] - from->rx_packets[i];
		bytes += to->rx_bytes[i] - from->rx_bytes[i];
	}
	put(o, (double)packets / seconds, "pps", "total.rx_pps");
	put(o, (double)bytes * 8e-9 / seconds, "Gbit/s", "total.rx_gbps");
	put(o, (double)packets, "packets", "total.rx_packets");
}

static void put_port_totals(struct report *o, const struct generator *g)
{
	uint64_t reinjected = 0, foreign = 0, echo = 0;

	for (uint16_t i = 0; i < g->spec->n_vms; i++) {
		reinjected += g->port[i] ? g->port[i]->reinjected : 0;
		foreign += g->port[i] ? g->port[i]->foreign : 0;
		echo += g->port[i] ? g->port[i]->echo_dropped : 0;
	}
	put(o, (double)reinjected, "packets", "total.reinjected");
	put(o, (double)foreign, "packets", "total.foreign");
	put(o, (double)echo, "packets", "total.replies_dropped");
}

static void put_noise(struct report *o, const struct generator *g, const struct snapshot *from,
		      const struct snapshot *to)
{
	double ticks = (double)(to->tsc - from->tsc), us = (double)g->hz / 1e6;
	struct rusage usage;

	put(o, (double)(to->noise.gaps - from->noise.gaps), "gaps", "noise.gaps");
	put(o, 100.0 * (double)(to->noise.lost_tsc - from->noise.lost_tsc) / ticks, "%",
	    "noise.lost_percent");
	put(o, (double)to->noise.longest_tsc / us, "us", "noise.longest_us");
	/* How long a packet may wait for us: part of every latency. */
	put(o, (double)hist_quantile(&g->pass, .5) / us, "us", "generator.pass_p50_us");
	put(o, (double)hist_quantile(&g->pass, .99) / us, "us", "generator.pass_p99_us");
	put(o, (double)g->pass.max / us, "us", "generator.pass_max_us");
	if (getrusage(RUSAGE_THREAD, &usage) == 0)
		put(o, (double)usage.ru_nivcsw, "switches", "noise.preempted");
	/* Polls that found nothing: the generator had time to spare, the switch was the bottleneck.
	 */
	put(o,
	    100.0 * (double)(to->rx_empty - from->rx_empty) /
		    (double)(to->rx_polls - from->rx_polls + 1),
	    "%", "generator.empty_polls_percent");
}

struct report *report_open(const char *json)
{
	static struct report o;

	o = (struct report){.first = true, .path = json, .phase = ""};
	if (json) {
		o.json = fopen(json, "w");
		if (!o.json) {
			perror(json);
			return NULL;
		}
		fputc('{', o.json);
	}
	return &o;
}

void report_reset(struct generator *g)
{
	hist_reset(&g->pass);
	for (uint16_t i = 0; i < g->spec->n_streams; i++) {
		hist_reset(g->streams[i].latency);
		hist_reset(g->streams[i].clean);
	}
}

void report_phase(struct report *o, const struct generator *g, const char *phase,
		  const struct snapshot *from, const struct snapshot *to)
{
	double seconds = (double)(to->tsc - from->tsc) / (double)g->hz;

	o->phase = phase;
	put(o, seconds, "s", "seconds");
	put_vms(o, g, from, to, seconds);
	for (uint16_t i = 0; i < g->spec->n_streams; i++)
		if (g->streams[i].active)
			put_stream(o, g, i, from, to, seconds);
	put_noise(o, g, from, to);
	o->phase = "";
}

void report_totals(struct report *o, const struct generator *g, struct attack *const *attacks,
		   uint16_t n_attacks)
{
	put(o, (double)g->hz, "Hz", "tsc_hz");
	for (uint16_t i = 0; i < g->spec->n_streams; i++)
		put_stream_totals(o, &g->streams[i]);
	put_port_totals(o, g);
	for (uint16_t i = 0; i < n_attacks; i++) {
		unsigned int vm = attack_vm(attacks[i]);

		put(o, (double)attack_steps(attacks[i]), "steps", "attack.%u.steps", vm);
		put(o, (double)attack_connects(attacks[i]), "connects", "attack.%u.connects", vm);
	}
}

int report_close(struct report *o)
{
	if (o->json && (fputs("\n}\n", o->json) < 0 || fclose(o->json) != 0)) {
		perror(o->path);
		return -1;
	}
	return 0;
}
