/* SPDX-License-Identifier: BSD-3-Clause */
/* Learning of source addresses. */
#include "vswitch/learn.h"

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "vswitch/batch.h"

/* Takes an address off a count. Control may have corrected it meanwhile: never below 0. */
static void count_down(_Atomic uint32_t *count)
{
	uint32_t macs = atomic_load_explicit(count, memory_order_relaxed);

	while (macs > 0 && !atomic_compare_exchange_weak(count, &macs, macs - 1))
		continue;
}

static void lose_address(const struct worker *w, struct bridge *bridge, uint16_t loser)
{
	struct vport *port;

	if (loser == FDB_NO_PORT)
		return;
	if (dest_is_remote(loser)) {
		count_down(&bridge->wire_macs);
		return;
	}
	port = worker_port(w, loser);
	if (port)
		count_down(&port->macs);
}

static void learn(struct worker *w, struct bridge *bridge, uint16_t dest, _Atomic uint32_t *count,
		  uint32_t limit, const struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	uint32_t macs = atomic_load_explicit(count, memory_order_relaxed);
	uint64_t mac = fdb_mac(eth->src_addr.addr_bytes);
	enum fdb_learned did;
	uint16_t loser;
	/* One that moves between hosts counts once all the same. */
	bool may_add = macs < limit ||
		       (dest_is_remote(dest) && dest_is_remote(fdb_lookup(bridge->fdb, mac)));

	did = fdb_learn(bridge->fdb, mac, dest, w->now_s, may_add, &loser);

	if (unlikely(did == FDB_NEW || did == FDB_MOVED))
		atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
	if (unlikely(loser != FDB_NO_PORT))
		lose_address(w, bridge, loser);
}

void learn_from_port(struct worker *w, struct vport *from, const struct rte_mbuf *m)
{
	learn(w, from->bridge, from->id, &from->macs,
	      atomic_load_explicit(&from->mac_limit, memory_order_relaxed), m);
}

void learn_from_wire(struct worker *w, struct bridge *bridge, uint16_t dest,
		     const struct rte_mbuf *m)
{
	learn(w, bridge, dest, &bridge->wire_macs, LEARN_MAX_FROM_WIRE, m);
}
