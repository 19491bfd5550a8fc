/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio_net_hdr <-> mbuf offload flags (virtio 1.1, 5.1.6).
 *
 * Between two rings a packet whose checksum is still to be filled in carries
 * RTE_MBUF_F_TX_TCP_CKSUM or _UDP_CKSUM with IPV4 or IPV6 and l2_len, l3_len, l4_len; its checksum
 * field holds the pseudo-header's sum, length included, as virtio drivers leave it. One still to be
 * segmented carries RTE_MBUF_F_TX_TCP_SEG and tso_segsz besides (an ethdev wants the length taken
 * out of that sum first). A packet without these flags is complete, and its tx_offload means
 * nothing. */
#ifndef VHOST_NET_HDR_H
#define VHOST_NET_HDR_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/virtio_net.h>

struct rte_mbuf;

/* Smaller segments are refused: each costs the switch a packet (Linux's smallest MSS is 48). */
#define NET_HDR_MIN_GSO_SIZE 48

/* Checksums to fill in where a guest gets its copy: offsets into the packet, 0 for none. */
struct net_hdr_sums {
	uint32_t ip_at;   /* field of the IPv4 header's */
	uint16_t ip;      /* and its value, as it stands in the packet */
	uint32_t l4_from; /* the sum of all that follows this */
	uint32_t l4_at;   /* goes there */
};

/* Turns what a guest asked for in a header into the mbuf's flags; the packet's length and segments
 * must be set. A checksum that is neither TCP's nor UDP's is filled in here. -EINVAL when the
 * request does not fit the packet or was not negotiated. [worker] */
int net_hdr_to_mbuf(const struct virtio_net_hdr *h, uint64_t features, struct rte_mbuf *m);

/* Writes the header of a packet for a guest that negotiated `features`, and to *sums the checksums
 * that the guest cannot be left with. -ENOTSUP when the packet needs segmenting and the guest did
 * not negotiate it. [worker] */
int net_hdr_from_mbuf(const struct rte_mbuf *m, uint64_t features, struct virtio_net_hdr *h,
		      struct net_hdr_sums *sums);

/* Whether a guest that negotiated `features` takes large TCP packets of a family, with CWR if
 * `has_cwr`. [any] */
bool net_hdr_takes_large(uint64_t features, bool is_v6, bool has_cwr);

/* A checksum of TCP or UDP from the sum of what it covers, its field included. [any] */
uint16_t net_hdr_l4_checksum(uint16_t sum);

#endif
