/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio_net_hdr <-> mbuf offload flags.
 *
 * Both directions run only for packets that ask for something: a header of zeroes and an mbuf
 * without flags never come here. */
#include "vhost/net_hdr.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "pkt/checksum.h"
#include "pkt/parse.h"

#define BIT(n) (1ULL << (n))

#define TCP_CSUM_OFFSET offsetof(struct rte_tcp_hdr, cksum)
#define UDP_CSUM_OFFSET offsetof(struct rte_udp_hdr, dgram_cksum)

/* Offloads of encapsulated packets: nothing that a guest's header could say. */
#define TUNNEL_FLAGS \
	(RTE_MBUF_F_TX_TUNNEL_MASK | RTE_MBUF_F_TX_OUTER_IP_CKSUM | RTE_MBUF_F_TX_OUTER_UDP_CKSUM)

/* UDP takes 0 for "no checksum". Its other form, 0xffff, is the same number to everyone else. */
uint16_t net_hdr_l4_checksum(uint16_t sum)
{
	return sum == UINT16_MAX ? UINT16_MAX : (uint16_t)~sum;
}

/* --- from a guest -------------------------------------------------------------------------------
 */

/* Fills in a checksum at any place in the packet. -EINVAL where its field is not in one piece,
 * which takes a field beyond the first segment. */
static int fill_csum(struct rte_mbuf *m, uint32_t start, uint32_t offset)
{
	uint16_t sum, *field;

	if (start + offset + sizeof(sum) > rte_pktmbuf_data_len(m))
		return -EINVAL;
	field = rte_pktmbuf_mtod_offset(m, uint16_t *, start + offset);
	sum = net_hdr_l4_checksum(pkt_sum(m, start));
	memcpy(field, &sum, sizeof(sum));
	return 0;
}

static void set_lens(struct rte_mbuf *m, const struct pkt_info *info)
{
	m->tx_offload = 0;
	m->l2_len = info->l2_len;
	m->l3_len = info->l3_len;
	m->l4_len = info->l4_len;
	m->ol_flags |= info->flags & PKT_IPV4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
}

/* Whether the checksum asked for is that of the packet's own TCP or UDP header. */
static bool is_l4_csum(const struct virtio_net_hdr *h, const struct pkt_info *info, uint8_t proto,
		       size_t offset)
{
	return info->depth == PKT_L4 && !(info->flags & PKT_FRAGMENT) && info->ip_proto == proto &&
	       h->csum_start == info->l2_len + info->l3_len && h->csum_offset == offset;
}

static int set_gso(const struct virtio_net_hdr *h, uint64_t features, const struct pkt_info *info,
		   struct rte_mbuf *m)
{
	uint32_t headers = (uint32_t)info->l2_len + info->l3_len + info->l4_len;
	uint8_t type = h->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
	uint64_t need;
	uint8_t family;

	if (type == VIRTIO_NET_HDR_GSO_TCPV4) {
		need = BIT(VIRTIO_NET_F_HOST_TSO4);
		family = PKT_IPV4;
	} else if (type == VIRTIO_NET_HDR_GSO_TCPV6) {
		need = BIT(VIRTIO_NET_F_HOST_TSO6);
		family = PKT_IPV6;
	} else {
		return -EINVAL;
	}
	if (h->gso_type & VIRTIO_NET_HDR_GSO_ECN)
		need |= BIT(VIRTIO_NET_F_HOST_ECN);
	if ((features & need) != need || !(info->flags & family) ||
	    h->gso_size < NET_HDR_MIN_GSO_SIZE ||
	    !is_l4_csum(h, info, IPPROTO_TCP, TCP_CSUM_OFFSET))
		return -EINVAL;
	/* One that fits one segment is a plain packet, whatever it was called. */
	if (rte_pktmbuf_pkt_len(m) - headers > h->gso_size) {
		m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
		m->tso_segsz = h->gso_size;
	}
	return 0;
}

int net_hdr_to_mbuf(const struct virtio_net_hdr *h, uint64_t features, struct rte_mbuf *m)
{
	struct pkt_info info;

	if (!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return h->gso_type == VIRTIO_NET_HDR_GSO_NONE ? 0 : -EINVAL;
	if (!(features & BIT(VIRTIO_NET_F_CSUM)) ||
	    (uint32_t)h->csum_start + h->csum_offset + 2 > rte_pktmbuf_pkt_len(m))
		return -EINVAL;

	pkt_parse(m, &info);
	if (is_l4_csum(h, &info, IPPROTO_TCP, TCP_CSUM_OFFSET)) {
		set_lens(m, &info);
		m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
	} else if (is_l4_csum(h, &info, IPPROTO_UDP, UDP_CSUM_OFFSET)) {
		set_lens(m, &info);
		m->ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM;
	} else if (h->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		/* Encapsulated by the guest itself, say. */
		return fill_csum(m, h->csum_start, h->csum_offset);
	}
	if (h->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return 0;
	return set_gso(h, features, &info, m);
}

/* --- to a guest ---------------------------------------------------------------------------------
 */

/* The IPv4 header's checksum, as if its field were 0. */
static int sum_ip_hdr(const struct rte_mbuf *m, struct net_hdr_sums *sums)
{
	uint32_t field = m->l2_len + offsetof(struct rte_ipv4_hdr, hdr_checksum);
	uint32_t sum;
	uint16_t old;

	if (m->l3_len < sizeof(struct rte_ipv4_hdr) ||
	    (uint32_t)m->l2_len + m->l3_len > rte_pktmbuf_data_len(m))
		return -ENOTSUP;
	memcpy(&old, rte_pktmbuf_mtod_offset(m, const void *, field), sizeof(old));
	sum = rte_raw_cksum(rte_pktmbuf_mtod_offset(m, const void *, m->l2_len), m->l3_len);
	sum += (uint16_t)~old;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sums->ip_at = field;
	sums->ip = (uint16_t)~sum;
	return 0;
}

/* Whether the packet has CWR, which only its first segment is to keep (RFC 3168, 6.1.2): whoever
 * segments it has to know. */
static bool is_cwr_set(const struct rte_mbuf *m)
{
	uint32_t at = (uint32_t)m->l2_len + m->l3_len + offsetof(struct rte_tcp_hdr, tcp_flags);

	return at < rte_pktmbuf_data_len(m) &&
	       (*rte_pktmbuf_mtod_offset(m, const uint8_t *, at) & RTE_TCP_CWR_FLAG);
}

bool net_hdr_takes_large(uint64_t features, bool is_v6, bool has_cwr)
{
	uint64_t need = is_v6 ? BIT(VIRTIO_NET_F_GUEST_TSO6) : BIT(VIRTIO_NET_F_GUEST_TSO4);

	need |= BIT(VIRTIO_NET_F_GUEST_CSUM);
	if (has_cwr)
		need |= BIT(VIRTIO_NET_F_GUEST_ECN);
	return (features & need) == need;
}

static int put_gso(const struct rte_mbuf *m, uint64_t features, struct virtio_net_hdr *h)
{
	bool is_v4 = m->ol_flags & RTE_MBUF_F_TX_IPV4, is_ecn = is_cwr_set(m);

	if (!net_hdr_takes_large(features, !is_v4, is_ecn) || m->tso_segsz == 0)
		return -ENOTSUP;
	h->gso_type = is_v4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
	if (is_ecn)
		h->gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	h->gso_size = m->tso_segsz;
	h->hdr_len = m->l2_len + m->l3_len + m->l4_len;
	return 0;
}

int net_hdr_from_mbuf(const struct rte_mbuf *m, uint64_t features, struct virtio_net_hdr *h,
		      struct net_hdr_sums *sums)
{
	uint32_t start = (uint32_t)m->l2_len + m->l3_len, offset;
	uint64_t l4 = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;

	memset(h, 0, sizeof(*h));
	memset(sums, 0, sizeof(*sums));
	if (m->ol_flags & (TUNNEL_FLAGS | RTE_MBUF_F_TX_UDP_SEG))
		return -ENOTSUP;
	if ((m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) && sum_ip_hdr(m, sums) < 0)
		return -ENOTSUP;

	if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG)
		l4 = RTE_MBUF_F_TX_TCP_CKSUM;
	if (l4 == RTE_MBUF_F_TX_L4_NO_CKSUM)
		return 0;
	if (l4 == RTE_MBUF_F_TX_SCTP_CKSUM)
		return -ENOTSUP;
	offset = l4 == RTE_MBUF_F_TX_TCP_CKSUM ? TCP_CSUM_OFFSET : UDP_CSUM_OFFSET;
	if (start + offset + 2 > rte_pktmbuf_pkt_len(m))
		return -ENOTSUP;

	if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) {
		if (put_gso(m, features, h) < 0)
			return -ENOTSUP;
	} else if (!(features & BIT(VIRTIO_NET_F_GUEST_CSUM))) {
		sums->l4_from = start;
		sums->l4_at = start + offset;
		return 0;
	}
	h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	h->csum_start = (uint16_t)start;
	h->csum_offset = (uint16_t)offset;
	return 0;
}
