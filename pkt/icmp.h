/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP errors that the switch makes for guests. */
#ifndef PKT_ICMP_H
#define PKT_ICMP_H

#include <stdint.h>

struct pkt_info;
struct rte_mbuf;
struct rte_mempool;

/* The answer to a packet that is longer than the path allows: "fragmentation needed" for IPv4 with
 * DF (RFC 1191), "packet too big" for IPv6 (RFC 8201), with `mtu` bytes of layer 3. It comes from
 * the packet's destination, addresses swapped, and quotes the first bytes of it. NULL where none is
 * to be sent (RFC 1122, 3.2.2; RFC 4443, 2.4): for other protocols, fragments, ICMP errors, group,
 * loopback and unspecified addresses, an MTU below what every path has; or when the pool is empty.
 * *info is what pkt_parse() says of m. The answer is the caller's. [worker] */
struct rte_mbuf *icmp_too_big(const struct rte_mbuf *m, const struct pkt_info *info, uint32_t mtu,
			      struct rte_mempool *pool);

#endif
