/* SPDX-License-Identifier: BSD-3-Clause */
/* ARP and ND suppression. What is known is in two tables: the MAC address of a neighbour in that of
 * its network's neighbours, the place of the MAC address in the forwarding database. So a neighbour
 * whose MAC address moves is found at its new place, and one whose MAC address is forgotten is not
 * known any more. */
#include "vswitch/suppress.h"

#include "base/counter.h"
#include "pkt/neigh_msg.h"
#include "vswitch/neigh_table.h"
#include "vswitch/reply.h"

static bool learns(const struct bridge *bridge)
{
	return atomic_load_explicit(&bridge->suppress, memory_order_relaxed) == SUPPRESS_LEARNED;
}

static struct neigh_table *neighbours_of(const struct bridge *bridge)
{
	return atomic_load_explicit(&bridge->neighbours, memory_order_acquire);
}

/* Finds the neighbour that a question is about, and where it is. Returns DEST_FLOOD when either is
 * not known, or it is where the question came from. */
static uint16_t find(const struct worker *w, const struct vport *from, const struct neigh_msg *msg,
		     struct neigh *neigh)
{
	const struct bridge *bridge = from->bridge;
	struct neigh_table *t = neighbours_of(bridge);
	const struct vport *to;
	uint16_t id;

	if (!t || !neigh_table_find(t, &msg->target, w->now_s, neigh) ||
	    (!neigh->is_static && !learns(bridge)))
		return DEST_FLOOD;
	id = fdb_lookup(bridge->fdb, neigh->mac);
	if (id == FDB_NO_PORT || id == from->id)
		return DEST_FLOOD;
	if (dest_is_remote(id))
		return id;
	to = worker_port(w, id);
	return to && to->bridge == bridge ? id : DEST_FLOOD;
}

/* --- deciding ----------------------------------------------------------------------------------
 */

static void look(const struct worker *w, const struct vport *from, struct pkt *p)
{
	struct neigh_msg msg;
	struct neigh neigh;
	uint16_t dest;

	if (!neigh_msg_parse(p->m, &msg))
		return;
	p->tells = learns(from->bridge) && (msg.claims || msg.hints || msg.kind == NEIGH_PROBE);
	/* A question to one station checks whether it is still there. */
	if (msg.kind != NEIGH_QUESTION || p->dest != DEST_FLOOD ||
	    !fdb_mac_is_group(fdb_mac(pkt_data(p))))
		return;
	dest = find(w, from, &msg, &neigh);
	if (dest_is_remote(dest)) {
		p->asks = 1;
	} else if (dest != DEST_FLOOD) {
		p->dest = dest;
		p->asked = 1;
	}
}

void suppress_stage(struct worker *w, struct batch *b)
{
	for (uint16_t i = 0; i < b->n; i++) {
		struct pkt *p = &b->pkt[i];

		if (unlikely(p->verdict == PKT_FORWARD && neigh_msg_may_be(p->m)))
			look(w, b->from, p);
	}
}

/* --- answering ---------------------------------------------------------------------------------
 */

/* Makes the answer. What was known when the packet was looked at may have changed since. */
static struct rte_mbuf *make_answer(const struct worker *w, const struct vport *from,
				    const struct rte_mbuf *m)
{
	struct neigh_msg msg;
	struct neigh neigh;
	uint8_t mac[6];

	if (!neigh_msg_parse(m, &msg) || !dest_is_remote(find(w, from, &msg, &neigh)))
		return NULL;
	fdb_mac_bytes(neigh.mac, mac);
	return neigh_msg_answer(&msg, mac, neigh.flags, w->service[from->vm].pool);
}

bool suppress_answer(struct worker *w, struct batch *b, const struct pkt *p)
{
	struct vport *from = b->from;
	struct port_counters *c = &w->counters[from->id];
	struct rte_mbuf *m;
	bool did;

	if (!reply_is_allowed(w, &from->questions))
		return false;
	b->work += REPLY_WORK;
	m = make_answer(w, from, p->m);
	if (!m)
		return false;
	did = reply_deliver(w, from, b->pair, m, &from->questions);
	rte_pktmbuf_free(m);
	if (did) {
		counter_add(&c->consumed, 1);
		counter_add(&c->suppressed, 1);
	}
	return did;
}

/* --- learning ----------------------------------------------------------------------------------
 */

/* Learns from a packet that came from `dest`, DEST_FLOOD if that is not known. A claim counts only
 * if the forwarding database, with its guards and limits, has the MAC address there. Otherwise it
 * casts doubt on what is known: so an owner that could not be learned is heard all the same. */
static void learn(const struct worker *w, const struct bridge *bridge, uint16_t dest,
		  uint16_t origin, uint32_t limit, const struct rte_mbuf *m)
{
	struct neigh_table *t = neighbours_of(bridge);
	struct neigh_msg msg;
	uint64_t mac;

	if (!t || !neigh_msg_parse(m, &msg))
		return;
	mac = fdb_mac(msg.mac);
	if (msg.kind == NEIGH_PROBE) {
		neigh_table_doubt(t, &msg.target, mac, w->now_s);
	} else if (msg.claims && fdb_lookup(bridge->fdb, mac) == dest) {
		struct neigh claim = {
			.address = msg.sender, .mac = mac, .flags = msg.flags, .origin = origin};

		neigh_table_learn(t, &claim, w->now_s, limit);
	} else if (msg.claims || msg.hints) {
		neigh_table_doubt(t, &msg.sender, mac, w->now_s);
	}
}

void suppress_learn_from_port(struct worker *w, const struct vport *from, const struct rte_mbuf *m)
{
	uint32_t macs = atomic_load_explicit(&from->mac_limit, memory_order_relaxed);

	learn(w, from->bridge, from->id, from->id, macs * SUPPRESS_MAX_OF_MAC, m);
}

void suppress_look_at_wire(struct worker *w, const struct bridge *bridge, uint16_t dest,
			   const struct rte_mbuf *m)
{
	if (bridge->learn_from_wire && neigh_msg_may_be(m))
		learn(w, bridge, dest ? dest : DEST_FLOOD, NEIGH_FROM_WIRE, SUPPRESS_MAX_FROM_WIRE,
		      m);
}
