/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP errors that the switch makes for guests. */
#ifndef PKT_ICMP_H
#define PKT_ICMP_H

#include <stdint.h>

struct pkt_info;
struct rte_mbuf;
struct rte_mempool;

/* Makes the answer to a packet that is longer than the path allows: "fragmentation needed" for IPv4
 * with DF (RFC 1191), "packet too big" for IPv6 (RFC 8201), with `mtu` in bytes of layer 3. The
 * answer comes from the packet's destination, with addresses swapped, and quotes the packet's first
 * bytes. NULL when none may be sent (RFC 1122, 3.2.2; RFC 4443, 2.4): for other protocols, IPv4
 * without DF, malformed packets, fragments, ICMP errors, group, loopback and unspecified addresses,
 * an MTU below 576 (IPv4) or 1280 (IPv6); or when the pool is empty. *info is the result of
 * pkt_parse() for m. The caller owns the answer. [worker] */
struct rte_mbuf *icmp_too_big(const struct rte_mbuf *m, const struct pkt_info *info, uint32_t mtu,
			      struct rte_mempool *pool);

#endif
