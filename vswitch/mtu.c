/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether packets fit an MTU. */
#include "vswitch/mtu.h"

#include <string.h>

#include "pkt/parse.h"

/* The length of the VLAN tags behind the addresses (IEEE 802.1Q-2018, 9.5): those that are there,
 * and no more than other parts of the switch look through. */
static uint32_t tags_len(const struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const uint8_t *at = (const uint8_t *)&eth->ether_type;
	const uint8_t *end = (const uint8_t *)eth + rte_pktmbuf_data_len(m);
	uint32_t len = 0;
	uint16_t type;

	for (unsigned i = 0; i < PKT_MAX_VLANS && end - at >= RTE_VLAN_HLEN + 2; i++) {
		memcpy(&type, at, sizeof(type));
		if (type != RTE_BE16(RTE_ETHER_TYPE_VLAN) && type != RTE_BE16(RTE_ETHER_TYPE_QINQ))
			break;
		at += RTE_VLAN_HLEN;
		len += RTE_VLAN_HLEN;
	}
	return len;
}

bool mtu_fits_long(const struct rte_mbuf *m, uint32_t mtu)
{
	if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG)
		return (uint32_t)m->l3_len + m->l4_len + m->tso_segsz <= mtu;
	return rte_pktmbuf_pkt_len(m) - RTE_ETHER_HDR_LEN - tags_len(m) <= mtu;
}
