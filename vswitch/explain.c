/* SPDX-License-Identifier: BSD-3-Clause */
/* Explaining what would become of a packet. */
#include "vswitch/explain.h"

#include "pkt/drops.h"
#include "policy/filter.h"
#include "policy/pps.h"
#include "vswitch/forward.h"
#include "vswitch/groups.h"
#include "vswitch/stage.h"
#include "vswitch/wire_tx.h"

struct note_ctx {
	const struct batch *b;
	struct explained *x;
};

static void note_stage(void *ctx, enum stage stage)
{
	struct note_ctx *c = ctx;

	c->x->stage[c->x->n_stages++] = (struct explained_stage){(uint8_t)stage, c->b->pkt[0]};
}

/* What a port's groups say about a packet. Passes where there are none. */
static struct explained_judgement judge(const struct worker *w, const struct vport *port,
					enum flow_side side, struct rte_mbuf *m)
{
	const struct security *s = atomic_load_explicit(&port->security, memory_order_acquire);
	struct explained_judgement x = {.j = {.reason = DROP_COUNT, .rule = FILTER_NO_RULE}};

	if (!s)
		return x;
	security_judge(s, w->service[port->vm].connections, side, &m, 1, groups_now_ms(w), true,
		       &x.j);
	if (x.j.rule != FILTER_NO_RULE)
		x.rule = filter_rule_id(x.j.rule_side == FLOW_SENT ? s->egress : s->ingress,
					x.j.rule);
	return x;
}

void explain_sent(struct worker *w, struct vport *from, struct rte_mbuf *m, struct explained *x)
{
	struct note_ctx c = {w->batch, x};
	struct batch *b = w->batch;
	const struct pkt *p = &b->pkt[0];

	*x = (struct explained){.wire_why = DROP_COUNT, .path_mtu = UINT32_MAX};
	x->mtu = atomic_load_explicit(&((struct bridge *)from->bridge)->mtu, memory_order_relaxed);
	b->from = from;
	b->pair = 0;
	b->n = 1;
	b->next = 0;
	b->pkt[0].m = m;
	forward_explain(w, b, note_stage, &c);
	x->egress = judge(w, from, FLOW_SENT, m);
	if (p->verdict == PKT_FORWARD && p->dest == DEST_FLOOD)
		x->is_over_flood_limit = !pps_allows(&from->floods, worker_now(w), w->tsc_hz);
	if (dest_is_remote(p->dest)) {
		x->wire_why = wire_refuses(w, p->dest - DEST_FIRST_REMOTE);
		x->path_mtu = wire_mtu(w, p->dest - DEST_FIRST_REMOTE);
	}
	b->n = 0;
}

enum drop_reason explain_received(struct worker *w, struct vport *to, struct rte_mbuf *m,
				  struct explained_judgement *judged)
{
	*judged = judge(w, to, FLOW_RECEIVED, m);
	if (to->n_rx == 0)
		return DROP_PORT_DOWN;
	return (enum drop_reason)judged->j.reason;
}
