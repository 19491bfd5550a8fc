/* SPDX-License-Identifier: BSD-3-Clause */
/* What would become of a packet, in words. */
#include "control/packet_tell_rpc.h"

#include <stdarg.h>
#include <stdio.h>

#include <rte_ether.h>

#include "base/ip_proto.h"
#include "control/mac_rpc.h"
#include "control/security.h"
#include "control/tunnel.h"
#include "pkt/drops.h"
#include "pkt/parse.h"
#include "vswitch/batch.h"
#include "vswitch/explain.h"
#include "vswitch/flood.h"
#include "vswitch/wire_tx.h"

#define MAX_TRACED_RECEIVERS 16 /* of a flood, whose own decisions are told */

/* What is told about one packet. */
struct telling {
	struct vswitch *sw;
	const struct port *port;
	struct rte_mbuf *m;
	json_t *steps;
	bool is_over;   /* the packet goes no further */
	bool is_silent; /* steps are only counted */
	unsigned n_sent, n_missed;
	enum drop_reason reason;
};

__attribute__((format(printf, 4, 5))) static void tell(struct telling *t, const char *step,
						       const char *verdict, const char *fmt, ...)
{
	char why[256];
	va_list ap;

	if (t->is_silent)
		return;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	json_array_append_new(t->steps, json_pack("{s:s, s:s, s:s}", "step", step, "verdict",
						  verdict, "why", why));
}

static void tell_drop(struct telling *t, const char *step, enum drop_reason reason)
{
	tell(t, step, "drop", "%s: %s", drop_reason_text(reason), drop_reason_help(reason));
	t->reason = reason;
	t->is_over = true;
}

static void tell_parsed(struct telling *t)
{
	char protocol[IP_PROTO_TEXT_SIZE] = "";
	struct pkt_info info;

	pkt_parse(t->m, &info);
	ip_proto_format(info.ip_proto, protocol);
	tell(t, "parse", "ok", "Ethernet%s%s%s%s%s%s, %u bytes", info.n_vlans ? ", VLAN" : "",
	     info.flags & PKT_IPV4   ? ", IPv4"
	     : info.flags & PKT_IPV6 ? ", IPv6"
				     : "",
	     info.depth >= PKT_L3 ? ", " : "", info.depth >= PKT_L3 ? protocol : "",
	     info.flags & PKT_FRAGMENT ? ", a fragment" : "",
	     info.flags & PKT_MALFORMED ? ", malformed" : "", t->m->pkt_len);
}

static void format_judgement(const struct telling *t, const struct explained_judgement *x,
			     char *text, size_t size)
{
	const struct security_group *g;
	const struct security_rule *r = NULL;
	const struct judgement *j = &x->j;

	if (j->rule != FILTER_NO_RULE)
		r = security_rule_find_number(t->sw, x->rule, &g);
	if (r)
		snprintf(text, size, "%s; rule %s of group %s (%s, %s)",
			 security_how_help((enum security_how)j->how), r->id, g->name,
			 r->is_allow ? "allow" : "drop", r->is_ingress ? "ingress" : "egress");
	else if (j->how == SECURITY_NEW && j->reason == DROP_SECURITY_GROUP)
		snprintf(text, size, "no rule of its groups allows it");
	else
		snprintf(text, size, "%s", security_how_help((enum security_how)j->how));
}

static void tell_judgement(struct telling *t, const char *step, const struct explained_judgement *x)
{
	char text[200];

	format_judgement(t, x, text, sizeof(text));
	if (x->j.reason == DROP_COUNT)
		tell(t, step, "ok", "%s", text);
	else
		tell(t, step, "drop", "%s: %s", drop_reason_text((enum drop_reason)x->j.reason),
		     text);
}

static void tell_place(struct telling *t, const struct pkt *p)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(t->m, const struct rte_ether_hdr *);
	char address[IP_ADDR_TEXT_SIZE], mac[MAC_TEXT_SIZE];

	mac_format(fdb_mac(eth->dst_addr.addr_bytes), mac);
	if (p->dest == DEST_FLOOD && fdb_mac_is_group(fdb_mac(eth->dst_addr.addr_bytes))) {
		tell(t, "resolve", "ok", "%s is for all of network %s", mac, t->port->net->name);
	} else if (p->dest == DEST_FLOOD) {
		tell(t, "resolve", "ok", "%s is not known, so it goes to all of network %s", mac,
		     t->port->net->name);
	} else if (dest_is_remote(p->dest)) {
		ip_addr_format(&remote_at(t->sw, p->dest)->address, address);
		tell(t, "resolve", "ok", "%s is behind remote %s", mac, address);
	} else {
		tell(t, "resolve", "ok", "%s is behind port %s", mac,
		     t->sw->port_slot[p->dest] ? t->sw->port_slot[p->dest]->name : "?");
	}
}

/* What the stage of source, MTU and destination decided. */
static void tell_classified(struct telling *t, const struct explained *x, const struct pkt *p)
{
	uint32_t size = t->m->pkt_len - RTE_ETHER_HDR_LEN;

	if (p->verdict == PKT_DROP) {
		tell_drop(t, "resolve", (enum drop_reason)p->reason);
		return;
	}
	if (p->verdict == PKT_ANSWER) {
		tell(t, "mtu", "answer", "%s: %u bytes of %u; the sender is told, if it can be",
		     drop_reason_text((enum drop_reason)p->reason), size,
		     p->reason == DROP_OVER_MTU ? x->mtu : x->path_mtu);
		t->reason = (enum drop_reason)p->reason;
		return;
	}
	tell(t, "mtu", "ok", "%u bytes of %u", size, x->mtu);
	tell_place(t, p);
}

static void tell_stage(struct telling *t, const struct explained *x,
		       const struct explained_stage *s)
{
	if (s->stage == STAGE_CLASSIFY) {
		tell_classified(t, x, &s->p);
		return;
	}
	if (t->is_over)
		return;
	if (s->stage == STAGE_POLICY && s->p.verdict == PKT_ANSWER)
		return; /* it does not look at what is answered */
	if (s->stage == STAGE_POLICY)
		tell_judgement(t, "egress", &x->egress);
	else if (s->p.verdict == PKT_DROP)
		tell(t, stage_text((enum stage)s->stage), "drop", "%s: %s",
		     drop_reason_text((enum drop_reason)s->p.reason),
		     drop_reason_help((enum drop_reason)s->p.reason));
	else if (s->p.asks)
		tell(t, stage_text((enum stage)s->stage), "answer",
		     "it asks for a neighbour that the switch answers for");
	else
		tell(t, stage_text((enum stage)s->stage), "ok", "nothing to object to");
	if (s->p.verdict == PKT_DROP) {
		t->reason = (enum drop_reason)s->p.reason;
		t->is_over = true;
	}
}

/* --- asking the workers ------------------------------------------------------------------------
 */

struct sent_call {
	struct port *port;
	struct rte_mbuf *m;
	struct explained x;
};

static void ask_sender(struct worker *w, void *arg)
{
	struct sent_call *c = arg;

	explain_sent(w, &c->port->vport, c->m, &c->x);
}

struct received_call {
	struct port *port;
	struct rte_mbuf *m;
	struct explained_judgement judged;
	enum drop_reason why;
};

static void ask_receiver(struct worker *w, void *arg)
{
	struct received_call *c = arg;

	c->why = explain_received(w, &c->port->vport, c->m, &c->judged);
}

static void tell_receiver(struct telling *t, struct port *to)
{
	struct received_call c = {.port = to, .m = t->m};
	char text[200];

	worker_call(to->vport.worker, ask_receiver, &c);
	if (to->rule_set)
		format_judgement(t, &c.judged, text, sizeof(text));
	else
		snprintf(text, sizeof(text), "in no security group");
	if (c.why == DROP_COUNT) {
		tell(t, "deliver", "ok", "port %s: %s", to->name, text);
		t->n_sent++;
		return;
	}
	if (c.why == (enum drop_reason)c.judged.j.reason)
		tell(t, "deliver", "drop", "port %s: %s: %s", to->name, drop_reason_text(c.why),
		     text);
	else
		tell(t, "deliver", "drop", "port %s: %s: %s", to->name, drop_reason_text(c.why),
		     drop_reason_help(c.why));
	t->n_missed++;
	t->reason = c.why;
}

static void tell_remote(struct telling *t, uint16_t dest, enum drop_reason why)
{
	const struct remote *r = remote_at(t->sw, dest);
	char address[IP_ADDR_TEXT_SIZE];

	ip_addr_format(&r->address, address);
	if (why != DROP_COUNT) {
		tell(t, "wire", "drop", "remote %s: %s: %s", address, drop_reason_text(why),
		     drop_reason_help(why));
		t->n_missed++;
		t->reason = why;
		return;
	}
	tell(t, "wire", "ok", "vni %u, vtep %s to %s by uplink %s, %u bytes more",
	     t->port->net->vni, r->vtep->name, address, r->vtep->uplink->name,
	     vtep_overhead(r->vtep));
	t->n_sent++;
}

/* Tells what becomes of a packet for all. Receivers beyond the first few are only counted. */
static void tell_flood(struct telling *t, const struct explained *x)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(t->m, const struct rte_ether_hdr *);
	const struct remotes *remotes = atomic_load(&t->port->net->bridge.remotes);
	uint64_t dst = fdb_mac(eth->dst_addr.addr_bytes);
	unsigned n = 0;
	struct port *to;

	if (x->is_over_flood_limit) {
		tell_drop(t, "flood", DROP_FLOOD_LIMIT);
		return;
	}
	TAILQ_FOREACH (to, &t->sw->ports, link) {
		if (!flood_is_for(&to->vport, &t->port->vport, dst))
			continue;
		t->is_silent = n++ >= MAX_TRACED_RECEIVERS;
		tell_receiver(t, to);
	}
	t->is_silent = false;
	if (n > MAX_TRACED_RECEIVERS)
		tell(t, "deliver", t->n_sent ? "ok" : "drop",
		     "%u of %u ports get it, these included", t->n_sent, n);
	for (uint32_t i = 0; remotes && i < remotes->n; i++)
		tell_remote(
			t, remotes->dest[i],
			wire_refuses(t->port->vport.worker, remotes->dest[i] - DEST_FIRST_REMOTE));
	if (n == 0 && (!remotes || remotes->n == 0))
		tell_drop(t, "flood", DROP_NO_RECEIVER);
}

static void tell_delivered(struct telling *t, const struct explained *x)
{
	const struct pkt *p = &x->stage[x->n_stages - 1].p;
	struct port *to =
		dest_is_remote(p->dest) || p->dest == DEST_FLOOD ? NULL : t->sw->port_slot[p->dest];

	if (p->verdict == PKT_ANSWER || p->asks)
		return;
	if (p->dest == DEST_FLOOD)
		tell_flood(t, x);
	else if (dest_is_remote(p->dest))
		tell_remote(t, p->dest, x->wire_why);
	else if (to)
		tell_receiver(t, to);
	else
		tell_drop(t, "deliver", DROP_PORT_GONE);
}

static json_t *result_of(struct telling *t, const struct explained *x)
{
	const struct pkt *p = &x->stage[x->n_stages - 1].p;
	const char *verdict = "drop";

	if (t->n_sent > 0)
		verdict = "sent";
	else if (p->verdict == PKT_ANSWER || (p->verdict == PKT_FORWARD && p->asks))
		verdict = "answer";
	json_t *o = json_pack("{s:s, s:s, s:o}", "port", t->port->name, "verdict", verdict, "steps",
			      t->steps);

	if (strcmp(verdict, "sent") != 0 && !(p->verdict == PKT_FORWARD && p->asks))
		json_object_set_new(o, "reason", json_string(drop_reason_text(t->reason)));
	return o;
}

json_t *packet_tell(struct vswitch *sw, struct port *port, struct rte_mbuf *m)
{
	struct telling t = {
		.sw = sw, .port = port, .m = m, .steps = json_array(), .reason = DROP_NO_RECEIVER};
	struct sent_call c = {.port = port, .m = m};

	worker_call(port->vport.worker, ask_sender, &c);
	tell_parsed(&t);
	for (uint16_t i = 0; i < c.x.n_stages; i++)
		tell_stage(&t, &c.x, &c.x.stage[i]);
	if (!t.is_over)
		tell_delivered(&t, &c.x);
	return result_of(&t, &c.x);
}
