/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether packets fit an MTU. */
#ifndef VSWITCH_MTU_H
#define VSWITCH_MTU_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_branch_prediction.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

/* Whether a packet that is longer than the MTU fits it all the same: by its VLAN tags, or in
 * segments. [worker] */
bool mtu_fits_long(const struct rte_mbuf *m, uint32_t mtu);

/* Whether a packet fits an MTU with all that follows its addresses and type. [worker] */
static inline bool mtu_holds(const struct rte_mbuf *m, uint32_t mtu)
{
	return rte_pktmbuf_pkt_len(m) - RTE_ETHER_HDR_LEN <= mtu;
}

/* Whether the packet fits an MTU, which counts what follows the Ethernet header and its VLAN tags.
 * A packet still to be segmented is measured by its segments. [worker] */
static inline bool mtu_fits(const struct rte_mbuf *m, uint32_t mtu)
{
	return likely(mtu_holds(m, mtu)) || mtu_fits_long(m, mtu);
}

/* The same for the path to another host: in the tunnel, a packet's VLAN tags take room of the
 * path's MTU. [worker] */
static inline bool mtu_fits_path(const struct rte_mbuf *m, uint32_t mtu)
{
	if (likely(mtu_holds(m, mtu)))
		return true;
	return m->ol_flags & RTE_MBUF_F_TX_TCP_SEG &&
	       (uint32_t)m->l2_len - RTE_ETHER_HDR_LEN + m->l3_len + m->l4_len + m->tso_segsz <=
		       mtu;
}

#endif
