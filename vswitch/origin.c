/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a packet from the wire comes from. */
#include "vswitch/origin.h"

#include "vswitch/wire.h"
#include "vswitch/wire_tx.h"

/* Whether a host is among those that the network's floods go to. */
static bool has_remote(const struct bridge *bridge, uint16_t dest)
{
	const struct remotes *list = atomic_load_explicit(&bridge->remotes, memory_order_acquire);
	uint32_t i = list ? remotes_find(list, dest) : 0;

	return list && i < list->n && list->dest[i] == dest;
}

/* Notes a host that a network would learn from, if it knew the host. */
static void note_unknown(struct wire *wire, const struct ip_addr *address, uint8_t vtep)
{
	struct unknown_host *s = wire->unknown;

	if (wire->n_unknown == WIRE_UNKNOWN_HOSTS)
		return;
	for (uint16_t i = 0; i < wire->n_unknown; i++)
		if (s[i].vtep == vtep && ip_addr_equal(&s[i].address, address))
			return;
	s[wire->n_unknown++] = (struct unknown_host){*address, vtep};
}

/* The VTEP of ours that a packet came to. For a group it is that of the packet's network, if the
 * network's floods go to that group as well; NULL when there is none. */
static const struct vtep_entry *find_vtep(const struct tunnel_tables *t,
					  const struct bridge *bridge, const struct vxlan_outer *o)
{
	const struct vtep_table *vteps = atomic_load_explicit(&t->vteps, memory_order_acquire);
	const struct vtep_entry *vtep;
	uint16_t group;

	if (likely(!ip_addr_is_group(&o->dst)))
		return vtep_table_find(vteps, &o->dst, o->port);
	vtep = bridge ? vtep_table_find_id(vteps, bridge->vtep) : NULL;
	if (!vtep || vtep->port != o->port)
		return NULL;
	group = source_table_find(atomic_load_explicit(&t->sources, memory_order_acquire), &o->dst,
				  vtep->id);
	return group != REMOTE_NONE && has_remote(bridge, DEST_FIRST_REMOTE + group) ? vtep : NULL;
}

/* The remote that a packet came from. */
static uint16_t find_remote(const struct tunnel_tables *t, const struct vtep_entry *vtep,
			    const struct vxlan_outer *o)
{
	if (unlikely(ip_addr_is_group(&o->src)))
		return REMOTE_NONE;
	return source_table_find(atomic_load_explicit(&t->sources, memory_order_acquire), &o->src,
				 vtep->id);
}

/* Notes what packets with these outer headers have in common. */
static void set_origin(const struct worker *w, struct origin *from, const struct vxlan_outer *o,
		       const struct vtep_entry *vtep, struct bridge *bridge, uint16_t remote)
{
	*from = (struct origin){
		.bridge = bridge,
		.dest = remote == REMOTE_NONE ? 0 : DEST_FIRST_REMOTE + remote,
		.mtu = atomic_load_explicit(&bridge->mtu, memory_order_relaxed),
		.policy = {.strict_reserved = vtep->strict_reserved,
			   .accept_zero_sum = vtep->accept_zero_sum,
			   .drop_inner_vlan = bridge->drop_inner_vlan},
		.outer = *o,
		.src = ORIGIN_NO_MAC,
		.dst = ORIGIN_NO_MAC,
	};
	if (from->dest)
		from->mtu = RTE_MIN(from->mtu, wire_mtu(w, remote));
}

/* Finds the network, and the host, that a packet's outer headers say. */
static enum wire_drop find_origin(struct worker *w, const struct vxlan_outer *o,
				  struct origin *from)
{
	const struct tunnel_tables *t = w->wire->tables;
	struct bridge *bridge =
		vni_table_find(atomic_load_explicit(&t->vnis, memory_order_acquire), o->vni);
	const struct vtep_entry *vtep = find_vtep(t, bridge, o);
	uint16_t remote;

	from->bridge = NULL;
	if (unlikely(!vtep))
		return WIRE_DROP_NOT_VXLAN;
	if (unlikely(!bridge || bridge->vtep != vtep->id))
		return WIRE_DROP_UNKNOWN_VNI;
	remote = find_remote(t, vtep, o);
	if (unlikely(bridge->known_vteps_only &&
		     (remote == REMOTE_NONE || !has_remote(bridge, DEST_FIRST_REMOTE + remote))))
		return WIRE_DROP_UNKNOWN_VTEP;
	if (unlikely(remote == REMOTE_NONE && bridge->learn_from_wire))
		note_unknown(w->wire, &o->src, vtep->id);
	set_origin(w, from, o, vtep, bridge, remote);
	return WIRE_DROP_COUNT;
}

/* Whether two packets are of the same network and come from the same host. */
static bool is_same_tunnel(const struct vxlan_outer *a, const struct vxlan_outer *b)
{
	return a->vni == b->vni && a->port == b->port && ip_addr_equal(&a->src, &b->src) &&
	       ip_addr_equal(&a->dst, &b->dst);
}

enum wire_drop origin_unwrap(struct worker *w, struct rte_mbuf *m, struct origin *from)
{
	struct vxlan_outer o;
	enum wire_drop why = vxlan_parse(m, &o);

	if (unlikely(why != WIRE_DROP_COUNT))
		return why;
	if (unlikely(!from->bridge || !is_same_tunnel(&from->outer, &o))) {
		why = find_origin(w, &o, from);
		if (unlikely(why != WIRE_DROP_COUNT))
			return why;
	}
	from->flow = o.flow;
	return vxlan_decap(m, &o, &from->policy);
}
