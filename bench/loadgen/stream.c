/* SPDX-License-Identifier: BSD-3-Clause */
/* Senders at work: what is due, building it, handing it to the ring. */
#include "bench/loadgen/stream.h"

#include <math.h>
#include <string.h>

/* xorshift64*: good enough to space arrivals. */
static double uniform(struct generator *g)
{
	g->rng ^= g->rng >> 12;
	g->rng ^= g->rng << 25;
	g->rng ^= g->rng >> 27;
	return ((double)((g->rng * 0x2545F4914F6CDD1DULL) >> 11) + 1.0) / 9007199254740993.0;
}

/* How far `at` (cycles since the start) is into its period, and whether the sender is on then. */
static bool is_on(const struct generator *g, const struct sender *s, double at, double *until_on)
{
	const struct stream_spec *st = s->stream->spec;
	double period = st->period_us * (double)g->hz / 1e6, on = st->on_us * (double)g->hz / 1e6;
	double in = fmod(at + period - fmod(s->phase, period), period);

	*until_on = period - in;
	return in < on;
}

/* Moves the schedule to the next packet; in bursts the silence is skipped. */
static void advance(struct generator *g, struct sender *s)
{
	double gap = s->interval, until_on;

	if (s->stream->spec->poisson)
		gap *= -log(uniform(g));
	s->next_due += gap;
	if (s->stream->spec->period_us > 0 && !is_on(g, s, s->next_due, &until_on))
		s->next_due += until_on;
}

static uint32_t allowance(struct generator *g, struct sender *s, uint64_t now)
{
	const struct stream_spec *st = s->stream->spec;
	uint32_t n = RTE_MAX(1u, BURST / st->max_segments); /* long chains are slow to build */
	double until_on;

	if (st->limit) {
		uint64_t left = st->limit > s->sent ? st->limit - s->sent : 0;

		n = left < n ? (uint32_t)left : n;
	}
	if (st->mode == MODE_CLOSED)
		n = RTE_MIN(n, s->port->credits);
	else if (st->mode == MODE_REQUEST)
		n = RTE_MIN(n, st->window - s->outstanding);
	if (s->interval == 0 && st->period_us > 0 &&
	    !is_on(g, s, (double)(now - g->start_tsc), &until_on))
		n = 0;
	return n;
}

static struct rte_mbuf *alloc_chain(struct sender *s, const struct size_step *step)
{
	struct rte_mbuf *m[1024];
	uint32_t rest = step->len, n = step->segments;

	if (rte_mempool_get_bulk(s->pool, (void **)m, n) < 0)
		return NULL;
	for (uint32_t i = 0; i < n; i++) {
		/* The first segment holds the headers, whatever the others get. */
		uint32_t len = rest / (n - i);

		if (i == 0 && len < sizeof(struct frame_udp))
			len = sizeof(struct frame_udp);
		m[i]->data_off = RTE_PKTMBUF_HEADROOM;
		m[i]->data_len = (uint16_t)len;
		m[i]->ol_flags = 0;
		m[i]->next = i + 1 < n ? m[i + 1] : NULL;
		rest -= len;
	}
	m[0]->pkt_len = step->len;
	m[0]->nb_segs = (uint16_t)n;
	return m[0];
}

/* Makes the packet that was just built, or the next, wrong in one of four ways, in turn: proof that
 * the receiving side finds out. */
static void spoil(struct generator *g, struct sender *s)
{
	struct stream_counts *c = &s->stream->count;
	struct flow *f = &g->flows[s->flow_base];
	struct rte_mbuf **last = &s->held[s->n_held - 1], *m = *last;

	switch (s->fault % 4) {
	case 0:
		f->next_seq++; /* as if one had been lost */
		c->made_missing++;
		break;
	case 1:
		rte_pktmbuf_mtod(m, uint8_t *)[sizeof(struct rte_ether_hdr) + 1] ^= 1;
		c->made_altered++;
		break;
	case 2:
		f->next_seq--;
		c->made_duplicated++;
		break;
	default:
		if (s->n_held < 2)
			return; /* nothing to change places with: the next packet */
		last[0] = last[-1];
		last[-1] = m;
		c->made_reordered++;
	}
	s->fault++;
	s->until_fault = s->stream->spec->faults;
}

static bool build(struct generator *g, struct sender *s, uint64_t due)
{
	const struct stream_spec *st = s->stream->spec;
	struct rte_mbuf *m = alloc_chain(s, &st->sizes[s->size_at]);

	if (!m)
		return false;
	if (++s->size_at == st->n_sizes)
		s->size_at = 0;
	if (st->fresh) {
		uint32_t i = s->next_template;

		frame_write(m, &s->templates[i],
			    st->mode == MODE_REQUEST ? FRAME_REQUEST : FRAME_DATA,
			    g->flows[s->flow_base + i].next_seq++, due, st->tso, st->check);
		if (++s->next_template == s->n_templates)
			s->next_template = 0;
	}
	s->stream->count.sent++;
	s->stream->count.sent_bytes += m->pkt_len;
	s->sent++;
	s->held[s->n_held++] = m;
	if (s->until_fault > 1)
		s->until_fault--;
	/* Not at the end: that a packet is missing shows when a later one comes. */
	if (s->until_fault == 1 && (!st->limit || s->sent + BURST < st->limit))
		spoil(g, s);
	return true;
}

static void take_allowance(struct sender *s, uint64_t now)
{
	if (s->stream->spec->mode == MODE_CLOSED) {
		s->port->credits--;
	} else if (s->stream->spec->mode == MODE_REQUEST) {
		if (s->outstanding++ == 0)
			s->progress_tsc = now;
	}
}

/* A window that nothing came back for is opened again: the packets are taken for lost. */
static void expire(struct generator *g, struct sender *s, uint64_t now)
{
	const struct stream_spec *st = s->stream->spec;
	uint64_t timeout = (uint64_t)(st->timeout_us * (double)g->hz / 1e6);

	if (st->mode == MODE_CLOSED && s->port->credits == 0 &&
	    now - s->port->last_rx_tsc > timeout) {
		s->port->credits = s->port->window;
		s->port->reinjected += s->port->window;
		s->port->last_rx_tsc = now;
	}
	if (st->mode != MODE_REQUEST || s->outstanding == 0 || now - s->progress_tsc <= timeout)
		return;
	s->stream->count.timeouts += s->outstanding;
	for (uint32_t i = 0; g->measure_from && !g->measure_to && i < s->outstanding; i++) {
		hist_record(s->stream->latency, timeout);
		hist_record(s->stream->clean, timeout);
	}
	s->outstanding = 0;
	for (uint32_t i = 0; i < s->n_templates; i++)
		g->flows[s->flow_base + i].epoch = g->flows[s->flow_base + i].next_seq;
	s->progress_tsc = now;
}

void sender_run(struct generator *g, struct sender *s, uint64_t now)
{
	uint32_t n = allowance(g, s, now);
	double at = (double)(now - g->start_tsc);
	uint16_t sent;

	while (n > 0 && s->n_held < BURST) {
		if (s->interval > 0 && s->next_due > at)
			break;
		if (!build(g, s, s->interval > 0 ? g->start_tsc + (uint64_t)s->next_due : now))
			break;
		take_allowance(s, now);
		if (s->interval > 0)
			advance(g, s);
		n--;
	}
	if (s->n_held > 0) {
		sent = port_tx(s->port, s->queue, s->held, s->n_held);
		s->n_held = (uint16_t)(s->n_held - sent);
		memmove(s->held, s->held + sent, s->n_held * sizeof(struct rte_mbuf *));
	}
	expire(g, s, now);
}

void sender_resume(const struct generator *g, struct sender *s, uint64_t now)
{
	s->next_due = RTE_MAX(s->next_due, (double)(now - g->start_tsc));
}

bool senders_done(const struct generator *g)
{
	bool any = false;

	for (uint32_t i = 0; i < g->n_senders; i++) {
		const struct sender *s = &g->senders[i];

		if (s->stream->spec->limit == 0)
			continue;
		any = true;
		if (s->sent < s->stream->spec->limit || s->n_held)
			return false;
	}
	return any;
}
