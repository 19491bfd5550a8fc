/* SPDX-License-Identifier: BSD-3-Clause */
/* The capture points.
 *
 * Called by workers. The packets stay the caller's and are not changed; lent ones are read in the
 * guest's memory beyond their first bytes only where a capture keeps more. Memory: the rings. */
#include "vswitch/capture.h"

#include <string.h>
#include <sys/types.h>

#include <pcap/bpf.h>
#include <rte_mbuf.h>

#include "base/counter.h"
#include "tunnel/uplink.h"
#include "vswitch/batch.h"
#include "vswitch/stage.h"
#include "vswitch/vport.h"
#include "vswitch/worker.h"

/* Where some packets were seen. */
struct sight {
	enum capture_point point;
	const struct vport *port; /* NULL: at the uplink */
	const struct uplink_queue *uplink;
	bool is_sent;
	uint16_t reason; /* of drops */
};

/* --- whose packets they are --------------------------------------------------------------------
 */

static bool is_place_of(const struct capture *c, const struct sight *s)
{
	switch (c->kind) {
	case CAPTURE_OF_ALL:
		return true;
	case CAPTURE_OF_PORT:
		return s->port == c->port;
	case CAPTURE_OF_VM:
		return s->port && s->port->vm == c->vm;
	case CAPTURE_OF_NETWORK:
		return s->port && s->port->bridge == c->bridge;
	case CAPTURE_OF_UPLINK:
		return s->uplink && s->uplink->port_id == c->device;
	}
	return false;
}

static bool is_wanted(const struct capture *c, const struct sight *s)
{
	uint64_t reasons = s->port ? c->reasons : c->wire_reasons;

	if (!(c->points & 1u << s->point) || !is_place_of(c, s))
		return false;
	return s->point != CAPTURE_DROP || (reasons & UINT64_C(1) << s->reason);
}

/* Finds the captures that the packets are for. Returns how many. */
static uint16_t find_captures(const struct captures *list, const struct sight *s,
			      const struct capture *found[CAPTURES_MAX])
{
	uint16_t n = 0;

	if (!(list->points & 1u << s->point))
		return 0;
	for (uint16_t i = 0; i < list->n; i++)
		if (is_wanted(list->at[i], s))
			found[n++] = list->at[i];
	return n;
}

/* --- taking ------------------------------------------------------------------------------------
 */

/* Whether the filter matches, as far as it can tell from the packet's first piece. */
static bool matches(const struct capture *c, struct capture_ring *r, const struct rte_mbuf *m)
{
	if (!c->filter || bpf_filter(c->filter, rte_pktmbuf_mtod(m, const uint8_t *), m->pkt_len,
				     m->data_len) != 0)
		return true;
	if (m->data_len < m->pkt_len && c->reach > m->data_len)
		counter_add(&r->undecided, 1);
	return false;
}

static void copy_head(uint8_t *to, const struct rte_mbuf *m, uint32_t len)
{
	for (; len > 0; m = m->next) {
		uint32_t n = RTE_MIN(len, (uint32_t)m->data_len);

		memcpy(to, rte_pktmbuf_mtod(m, const uint8_t *), n);
		to += n;
		len -= n;
	}
}

static void take(const struct worker *w, const struct capture *c, const struct sight *s,
		 const struct rte_mbuf *m)
{
	struct capture_ring *r = c->ring[w->index];
	const struct capture_record rec = {
		.len = m->pkt_len,
		.kept = RTE_MIN(m->pkt_len, c->snaplen),
		.first_epoch = s->port ? s->port->first_epoch : 0,
		.tsc = worker_now(w),
		.place = s->port ? s->port->id : s->uplink->port_id,
		.reason = s->reason,
		.is_uplink = !s->port,
		.is_sent = s->is_sent,
		.is_drop = s->point == CAPTURE_DROP,
	};
	uint8_t *to;

	if (!matches(c, r, m))
		return;
	to = capture_ring_begin(r, &rec);
	if (unlikely(!to)) {
		counter_add(&r->missed, 1);
		return;
	}
	copy_head(to, m, rec.kept);
	capture_ring_end(r);
}

/* Takes what the captures want of these packets, if they have any time left. A call that has begun
 * is finished, and what it takes too long is a debt. */
static void see(struct worker *w, const struct sight *s, struct rte_mbuf *const *m, uint16_t n)
{
	struct captures *list = w->captures;
	const struct capture *c[CAPTURES_MAX];
	uint16_t n_captures = find_captures(list, s, c);
	uint64_t since;

	if (n_captures == 0 || n == 0)
		return;
	rate_refill(&list->time, worker_now(w), list->time.cap);
	if (list->time.level <= 0) {
		for (uint16_t i = 0; i < n_captures; i++)
			counter_add(&c[i]->ring[w->index]->skipped, n);
		return;
	}
	since = stage_begin_part(w);
	for (uint16_t i = 0; i < n_captures; i++)
		for (uint16_t k = 0; k < n; k++)
			take(w, c[i], s, m[k]);
	rate_take(&list->time, stage_end_part(w, SYSROW_CAPTURE, since));
}

/* --- the points --------------------------------------------------------------------------------
 */

void capture_batch(struct worker *w, const struct batch *b, uint16_t first)
{
	const struct sight s = {.point = CAPTURE_RX, .port = b->from};
	struct rte_mbuf *m[BATCH_MAX];

	for (uint16_t i = first; i < b->next; i++)
		m[i - first] = b->pkt[i].m;
	see(w, &s, m, b->next - first);
}

void capture_delivered(struct worker *w, const struct vport *to, struct rte_mbuf *const *m,
		       uint16_t n, const uint8_t *result)
{
	const struct sight s = {.point = CAPTURE_TX, .port = to, .is_sent = true};
	struct rte_mbuf *got[BATCH_MAX];
	uint16_t n_got = 0;

	for (uint16_t i = 0; i < n; i++)
		if (!result || result[i] == NET_DELIVERED)
			got[n_got++] = m[i];
	see(w, &s, got, n_got);
}

void capture_frames(struct worker *w, const struct uplink_queue *q, struct wire_frame *const *f,
		    uint16_t n)
{
	const struct sight s = {.point = CAPTURE_TX, .uplink = q, .is_sent = true};
	struct rte_mbuf *m[BATCH_MAX];

	for (uint16_t i = 0; i < n; i++)
		m[i] = wire_frame_mbuf(f[i]);
	see(w, &s, m, n);
}

void capture_polled(struct worker *w, const struct uplink_queue *q, struct rte_mbuf *const *m,
		    uint16_t n)
{
	const struct sight s = {.point = CAPTURE_RX, .uplink = q};

	see(w, &s, m, n);
}

void capture_drop(struct worker *w, const struct vport *port, bool is_sent, struct rte_mbuf *m,
		  enum drop_reason reason)
{
	const struct sight s = {
		.point = CAPTURE_DROP, .port = port, .is_sent = is_sent, .reason = reason};

	see(w, &s, &m, 1);
}

void capture_wire_drop(struct worker *w, const struct uplink_queue *q, struct rte_mbuf *m,
		       enum wire_drop reason)
{
	const struct sight s = {.point = CAPTURE_DROP, .uplink = q, .reason = reason};

	see(w, &s, &m, 1);
}

/* --- control's part ----------------------------------------------------------------------------
 */

static void sum_up_points(struct captures *list)
{
	list->points = 0;
	for (uint16_t i = 0; i < list->n; i++)
		list->points |= list->at[i]->points;
}

void capture_add(struct worker *w, struct captures *list, const struct capture *c)
{
	int64_t burst = (int64_t)(w->tsc_hz / 1000000 * CAPTURE_BURST_US);
	int64_t second = (int64_t)(w->tsc_hz / 100 * CAPTURE_PERCENT);

	if (list->n == CAPTURES_MAX)
		return;
	rate_set(&list->time, CAPTURE_PERCENT, 100, burst, -second, worker_now(w));
	list->at[list->n++] = c;
	sum_up_points(list);
	w->captures = list;
}

void capture_remove(struct worker *w, const struct capture *c)
{
	struct captures *list = w->captures;
	uint16_t n = 0;

	if (!list)
		return;
	for (uint16_t i = 0; i < list->n; i++)
		if (list->at[i] != c)
			list->at[n++] = list->at[i];
	list->n = n;
	sum_up_points(list);
	if (n == 0)
		w->captures = NULL;
}
