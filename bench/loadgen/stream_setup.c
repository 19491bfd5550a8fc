/* SPDX-License-Identifier: BSD-3-Clause */
/* Making senders, flows and packet pools out of the specification. Memory is bounded by MAX_FLOWS
 * and by the rings of the VMs. */
#include "bench/loadgen/stream.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <rte_errno.h>

#define CACHE    256
#define HEADROOM RTE_PKTMBUF_HEADROOM

/* What is not written anew for each packet is written here, once. */
static void fill_object(struct rte_mempool *mp, void *arg, void *object, unsigned int index)
{
	const struct sender *s = arg;
	struct rte_mbuf *m = object;

	(void)mp;
	(void)index;
	frame_pattern(m);
	m->data_off = HEADROOM;
	m->nb_segs = 1;
	m->port = RTE_MBUF_PORT_INVALID;
	if (s->stream->spec->fresh)
		return;
	m->data_len = (uint16_t)s->stream->spec->max_len;
	m->pkt_len = s->stream->spec->max_len;
	frame_write(m, &s->templates[0], FRAME_DATA, 0, 0, false, false);
}

static uint32_t count_senders(const struct generator *g, const struct stream_spec *st)
{
	uint32_t n = 0;

	for (uint16_t v = st->from_first; v <= st->from_last; v++)
		n += g->spec->vm[v].queues;
	if (st->mode == MODE_CLOSED && st->target == TARGET_VM && !st->all)
		n *= 2; /* both ways */
	return n;
}

/* Enough for the ring to be full, and as much again on its way. */
static int make_pool(struct generator *g, struct sender *s)
{
	const struct stream_spec *st = s->stream->spec;
	uint32_t ring = g->spec->vm[s->port->vm].ring;
	uint32_t n = ring + 2 * BURST * st->max_segments + 2 * CACHE;
	uint32_t room = 0;
	char name[32];

	for (uint32_t i = 0; i < st->n_sizes; i++)
		room = RTE_MAX(room, st->sizes[i].len / st->sizes[i].segments + 64);
	snprintf(name, sizeof(name), "tx%u", (unsigned int)(s - g->senders));
	s->pool = rte_pktmbuf_pool_create(name, n, CACHE, 0, (uint16_t)(room + HEADROOM),
					  SOCKET_ID_ANY);
	if (!s->pool) {
		fprintf(stderr, "loadgen: stream %s: no memory for %u buffers of %u bytes: %s\n",
			st->name, n, room, rte_strerror(rte_errno));
		return -1;
	}
	rte_mempool_obj_iter(s->pool, fill_object, s);
	return 0;
}

/* The flows of sender s towards one destination. */
static void add_flows(struct generator *g, struct sender *s, const struct rte_ether_addr *mac,
		      uint16_t to_vm, uint32_t n)
{
	const struct stream_spec *st = s->stream->spec;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t flow = g->n_flows++;

		frame_template(&s->templates[s->n_templates++], s->port->vm, mac, to_vm, flow,
			       i * s->port->queues + s->queue, st->tso);
		g->flows[flow].sender = (uint32_t)(s - g->senders);
		g->flows[flow].to_vm = st->target == TARGET_VM ? to_vm : UINT16_MAX;
	}
}

static void add_targets(struct generator *g, struct sender *s, uint16_t to_first, uint16_t to_last,
			uint32_t per_pair)
{
	const struct stream_spec *st = s->stream->spec;
	struct rte_ether_addr mac;

	if (st->target == TARGET_BROADCAST) {
		memset(&mac, 0xff, sizeof(mac));
		add_flows(g, s, &mac, UINT16_MAX - 1, per_pair);
	} else if (st->target == TARGET_UNKNOWN) {
		for (uint32_t i = 0; i < 256; i++) {
			mac = frame_unknown_mac(s->port->vm * 256u + i);
			add_flows(g, s, &mac, UINT16_MAX - 1, 1);
		}
	} else {
		for (uint32_t vm = to_first; vm <= to_last; vm++) {
			mac = frame_mac((uint16_t)vm);
			if (vm != s->port->vm)
				add_flows(g, s, &mac, (uint16_t)vm, per_pair);
		}
	}
}

static int add_sender(struct generator *g, struct stream *stream, uint16_t from, uint16_t queue,
		      uint16_t to_first, uint16_t to_last, uint32_t nth)
{
	const struct stream_spec *st = stream->spec;
	struct sender *s = &g->senders[g->n_senders];
	uint32_t queues = g->port[from]->queues;
	uint32_t per_pair = (st->flows + queues - 1) / queues;
	uint32_t room = (st->target == TARGET_UNKNOWN ? 256u : to_last - to_first + 1u) * per_pair;

	if (room > MAX_FLOWS - g->n_flows) {
		fprintf(stderr, "loadgen: more than %d flows\n", MAX_FLOWS);
		return -1;
	}
	s->stream = stream;
	s->until_fault = st->faults;
	s->port = g->port[from];
	s->queue = queue;
	s->flow_base = g->n_flows;
	s->templates = calloc(room, sizeof(*s->templates));
	if (!s->templates)
		return -1;
	add_targets(g, s, to_first, to_last, per_pair);
	if (s->n_templates == 0) {
		fprintf(stderr, "loadgen: stream %s: VM %u has nobody to send to\n", st->name,
			from);
		free(s->templates);
		return -1;
	}
	g->n_senders++;
	s->interval = st->rate > 0 ? (double)g->hz / st->rate * queues : 0;
	/* Senders of one stream start apart, or they would all be due at the same moment. */
	s->phase = (st->phase_us + st->phase_step_us * nth) * (double)g->hz / 1e6;
	s->next_due = s->interval * (0.5 + fmod(nth * 0.618, 1.0));
	if (st->mode == MODE_CLOSED) {
		s->port->window += st->window / queues;
		s->port->credits = s->port->window;
	}
	return make_pool(g, s);
}

/* Whether VMs can be at an end of a stream. Hostile ones can be where it only arrives. */
static bool usable(const struct generator *g, uint16_t first, uint16_t last, uint32_t max_len,
		   bool may_attack)
{
	for (uint16_t v = first; v <= last; v++) {
		const struct port *p = v < g->spec->n_vms ? g->port[v] : NULL;

		if (!p && !(may_attack && v < g->spec->n_vms && g->spec->vm[v].type == VM_ATTACK))
			return false;
		if (p && (p->is_wire || (p->fe && max_len > 2000)))
			return false;
	}
	return true;
}

/* Whether nobody looks at what arrives. */
static bool is_one_way(const struct stream_spec *st)
{
	return !st->check && (st->mode == MODE_OPEN || st->mode == MODE_SATURATE);
}

static int add_senders(struct generator *g, struct stream *stream)
{
	const struct stream_spec *st = stream->spec;
	uint32_t nth = 0;

	for (uint16_t from = st->from_first; from <= st->from_last; from++, nth++) {
		bool one = st->all || st->to_first == st->to_last;
		uint16_t first = one ? st->to_first : (uint16_t)(st->to_first + nth);
		uint16_t last = one ? st->to_last : first;

		for (uint16_t q = 0; q < g->port[from]->queues; q++)
			if (add_sender(g, stream, from, q, first, last, nth) < 0)
				return -1;
		if (st->mode != MODE_CLOSED || st->target != TARGET_VM || st->all)
			continue;
		for (uint16_t q = 0; q < g->port[first]->queues; q++)
			if (add_sender(g, stream, first, q, from, from, nth) < 0)
				return -1;
	}
	return 0;
}

/* Ports whose packets must be looked at: the ends of checked streams and of requests. */
static void mark_inspecting(struct generator *g, const struct stream_spec *st)
{
	if (!st->check && st->mode != MODE_REQUEST)
		return;
	for (uint16_t v = st->from_first; v <= st->from_last; v++)
		g->port[v]->inspect = true;
	if (st->target != TARGET_VM)
		return;
	for (uint16_t v = st->to_first; v <= st->to_last; v++)
		g->port[v]->inspect = true;
}

static int create_stream(struct generator *g, struct stream *s, const struct stream_spec *st)
{
	s->spec = st;
	s->latency = calloc(1, sizeof(*s->latency));
	s->clean = calloc(1, sizeof(*s->clean));
	if (!s->latency || !s->clean)
		return -1;
	hist_reset(s->latency);
	hist_reset(s->clean);
	if (!usable(g, st->from_first, st->from_last, st->max_len, false) ||
	    (st->target == TARGET_VM &&
	     !usable(g, st->to_first, st->to_last, st->max_len, is_one_way(st)))) {
		fprintf(stderr,
			"loadgen: stream %s: no such VM, or one whose buffers are too small\n",
			st->name);
		return -1;
	}
	if (add_senders(g, s) < 0)
		return -1;
	mark_inspecting(g, st);
	return 0;
}

int streams_create(struct generator *g)
{
	uint32_t n = 0;

	for (uint16_t i = 0; i < g->spec->n_streams; i++)
		n += count_senders(g, g->spec->stream[i]);
	g->streams = calloc(g->spec->n_streams + 1u, sizeof(*g->streams));
	g->senders = calloc(n + 1, sizeof(*g->senders));
	g->flows = calloc(MAX_FLOWS, sizeof(*g->flows));
	if (!g->streams || !g->senders || !g->flows)
		return -1;
	for (uint16_t i = 0; i < g->spec->n_streams; i++)
		if (create_stream(g, &g->streams[i], g->spec->stream[i]) < 0)
			return -1;
	return 0;
}

void streams_destroy(struct generator *g)
{
	for (uint32_t i = 0; i < g->n_senders; i++) {
		rte_pktmbuf_free_bulk(g->senders[i].held, g->senders[i].n_held);
		free(g->senders[i].templates);
	}
	for (uint16_t i = 0; g->streams && i < g->spec->n_streams; i++) {
		free(g->streams[i].latency);
		free(g->streams[i].clean);
	}
	free(g->streams);
	free(g->senders);
	free(g->flows);
}
