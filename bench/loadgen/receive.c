/* SPDX-License-Identifier: BSD-3-Clause */
/* The receiving side: counting, or checking each packet against what was sent. */
#include "bench/loadgen/stream.h"

#include <string.h>
#include <rte_cycles.h>

/* Follows a flow's numbers. A jump ahead means packets missing until they turn up; one that turns
 * up late is a reordering; one seen before, a duplicate. */
static void check_sequence(struct stream_counts *c, struct flow *f, uint32_t seq)
{
	int32_t ahead = (int32_t)(seq - f->expect);
	uint32_t behind;

	if (ahead >= 0) {
		uint32_t steps = (uint32_t)ahead + 1;

		c->missing += (uint32_t)ahead;
		f->seen = steps < 64 ? f->seen << steps | 1 : 1;
		f->expect = seq + 1;
		return;
	}
	behind = (uint32_t)-ahead - 1;
	if (behind >= 64 || !(f->seen >> behind & 1)) {
		c->reordered++;
		if (c->missing > 0)
			c->missing--;
		if (behind < 64)
			f->seen |= 1ULL << behind;
	} else {
		c->duplicated++;
	}
}

static void record(struct generator *g, struct stream *s, uint64_t due, uint64_t now)
{
	if (!g->measure_from || g->measure_to || due < g->measure_from)
		return;
	hist_record(s->latency, now > due ? now - due : 0);
	if (g->noise.last_gap_end_tsc < due)
		hist_record(s->clean, now > due ? now - due : 0);
}

static void take_reply(struct generator *g, const struct flow *f, const struct frame_tag *tag,
		       uint64_t now)
{
	struct sender *s = &g->senders[f->sender];

	if ((int32_t)(tag->seq - f->epoch) < 0 || s->outstanding == 0) {
		s->stream->count.late++;
		return;
	}
	s->outstanding--;
	s->progress_tsc = now;
	s->stream->count.replies++;
	record(g, s->stream, tag->tsc, now);
}

/* What came in for a flow of ours at the flow's destination. */
static void take_data(struct generator *g, struct port *p, struct flow *f, const struct rte_mbuf *m,
		      const struct frame_tag *tag, uint64_t now)
{
	struct stream *s = g->senders[f->sender].stream;

	s->count.received++;
	s->count.received_bytes += m->pkt_len;
	if (s->spec->fresh && f->to_vm != UINT16_MAX)
		check_sequence(&s->count, f, tag->seq);
	if (s->spec->mode == MODE_CLOSED && p->credits < p->window)
		p->credits++;
	if (s->spec->mode == MODE_OPEN)
		record(g, s, tag->tsc, now);
}

/* Checks one packet. True when it is a request that was turned into its reply. */
static bool inspect(struct generator *g, struct port *p, struct rte_mbuf *m, uint64_t now)
{
	const struct frame_tag *tag = frame_tag(m);
	struct sender *s;
	struct flow *f;

	if (!tag || (tag->kind != FRAME_ANNOUNCE && tag->flow >= g->n_flows)) {
		p->foreign++;
		return false;
	}
	if (tag->kind == FRAME_ANNOUNCE)
		return false;
	f = &g->flows[tag->flow];
	s = &g->senders[f->sender];
	if (s->stream->spec->check && !frame_intact(m)) {
		s->stream->count.altered++;
		if (s->stream->spec->mode == MODE_CLOSED && p->credits < p->window)
			p->credits++;
		return false;
	}
	if (tag->kind == FRAME_REPLY) {
		if (s->port == p)
			take_reply(g, f, tag, now);
		else
			s->stream->count.misdelivered++;
		return false;
	}
	if (f->to_vm != UINT16_MAX && f->to_vm != p->vm) {
		s->stream->count.misdelivered++;
		return false;
	}
	take_data(g, p, f, m, tag, now);
	if (tag->kind != FRAME_REQUEST || f->to_vm == UINT16_MAX)
		return false;
	frame_reply(m, s->stream->spec->check);
	return true;
}

static void send_replies(struct port *p, uint16_t queue)
{
	uint16_t sent = port_tx(p, queue, p->reply, p->n_replies), rest = p->n_replies - sent;

	if (p->wire) {
		memmove(p->reply, p->reply + sent, rest * sizeof(struct rte_mbuf *));
		p->n_replies = rest;
		return;
	}
	p->echo_dropped += rest;
	rte_pktmbuf_free_bulk(p->reply + sent, rest);
	p->n_replies = 0;
}

static void inspect_burst(struct generator *g, struct port *p, uint16_t queue,
			  struct rte_mbuf **pkts, uint16_t n)
{
	uint64_t now = rte_rdtsc();

	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
	for (uint16_t i = 0; i < n; i++) {
		p->rx_bytes += pkts[i]->pkt_len;
		if (!inspect(g, p, pkts[i], now)) {
			rte_pktmbuf_free(pkts[i]);
		} else if (p->n_replies == MAX_REPLIES) {
			p->echo_dropped++;
			rte_pktmbuf_free(pkts[i]);
		} else {
			p->reply[p->n_replies++] = pkts[i];
		}
	}
	if (p->n_replies > 0)
		send_replies(p, queue);
}

/* Takes what has come in for a VM. */
static void take_burst(struct generator *g, struct port *p, uint16_t queue, struct rte_mbuf **pkts,
		       uint16_t n)
{
	p->rx_packets += n;
	p->last_rx_tsc = g->noise.last_tsc;
	if (p->inspect) {
		inspect_burst(g, p, queue, pkts, n);
		return;
	}
	for (uint16_t i = 0; i < n; i++)
		p->rx_bytes += pkts[i]->pkt_len;
	p->credits = RTE_MIN(p->credits + n, p->window);
	rte_pktmbuf_free_bulk(pkts, n);
}

/* The VM behind the wire that a packet from there is for; NULL when there is none. */
static struct port *find_remote(const struct generator *g, const struct port *wire,
				struct rte_mbuf *m)
{
	uint16_t vm = wire_unwrap(m);
	struct port *to = vm < g->spec->n_vms ? g->port[vm] : NULL;

	return to && to->wire == wire ? to : NULL;
}

/* Gives each VM behind the wire what is for it. */
static void take_from_wire(struct generator *g, struct port *wire, struct rte_mbuf **pkts,
			   uint16_t n)
{
	struct port *to = NULL;
	uint16_t first = 0;

	for (uint16_t i = 0; i <= n; i++) {
		struct port *next = i < n ? find_remote(g, wire, pkts[i]) : NULL;

		if (i < n && next == to)
			continue;
		if (i > first && to) {
			take_burst(g, to, 0, &pkts[first], i - first);
		} else if (i > first) {
			wire->foreign += i - first;
			rte_pktmbuf_free_bulk(&pkts[first], i - first);
		}
		first = i;
		to = next;
	}
}

/* Takes what has come in from the wire: a burst, or, if it is looked at now and then only, all. */
static void receive_wire(struct generator *g, struct port *wire)
{
	struct rte_mbuf *pkts[BURST];
	uint64_t now = g->noise.last_tsc;
	uint16_t n;

	if (now < wire->next_look)
		return;
	wire->next_look = now + wire->look_interval;
	do {
		n = port_rx(wire, 0, pkts, BURST);
		wire->rx_polls++;
		wire->rx_empty += n == 0;
		take_from_wire(g, wire, pkts, n);
	} while (n == BURST && wire->look_interval > 0);
}

void receive(struct generator *g, struct port *p, uint16_t queue)
{
	struct rte_mbuf *pkts[BURST];
	uint16_t n;

	if (p->n_replies > 0)
		send_replies(p, queue);
	if (p->wire)
		return; /* what is for it comes in with all that is behind the wire */
	if (p->is_wire) {
		receive_wire(g, p);
		return;
	}
	n = port_rx(p, queue, pkts, BURST);
	p->rx_polls++;
	if (n == 0)
		p->rx_empty++;
	else
		take_burst(g, p, queue, pkts, n);
}
