/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes offloads from one guest's header to another's: what a header asks for either does not fit
 * the packet and is refused, or the receiver gets a header and checksums that say the same. */
#include <errno.h>
#include <stdbool.h>
#include <linux/virtio_net.h>

#include <rte_tcp.h>

#include "pkt/checksum.h"
#include "tests/fuzz/packet.h"
#include "vhost/net_hdr.h"

#define F(name)  (1ULL << VIRTIO_NET_F_##name)
#define SENDER   (F(CSUM) | F(HOST_TSO4) | F(HOST_TSO6) | F(HOST_ECN))
#define RECEIVER (F(GUEST_CSUM) | F(GUEST_TSO4) | F(GUEST_TSO6) | F(GUEST_ECN))
#define ANY_CSUM (RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_UDP_CKSUM)

static uint8_t flat[65536];

static void flatten(const struct packet *p)
{
	uint32_t at = 0;

	for (unsigned i = 0; i < p->seg[0].nb_segs; at += p->seg[i++].data_len)
		memcpy(flat + at, p->seg[i].buf_addr, p->seg[i].data_len);
}

/* The Internet checksum of what lies behind `start`, its field included (RFC 1071), in the order of
 * bytes in the packet. */
static uint16_t checksum(uint32_t start, uint32_t len)
{
	uint32_t sum = 0;

	for (uint32_t i = start; i < len; i++)
		sum += (i - start) % 2 ? flat[i] : (uint32_t)flat[i] << 8;
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	return (uint16_t)(sum == 0 ? 0xffff : sum);
}

static uint16_t at_field(uint32_t field)
{
	return (uint16_t)(flat[field] << 8 | flat[field + 1]);
}

/* A receiver that takes everything gets what the sender asked for. */
static void check_same(const struct packet *p, const struct virtio_net_hdr *h)
{
	const struct rte_mbuf *m = p->seg;
	struct net_hdr_sums sums;
	struct virtio_net_hdr got;

	MUST(net_hdr_from_mbuf(m, RECEIVER, &got, &sums) == 0);
	MUST(sums.l4_at == 0 && sums.ip_at == 0);
	MUST(got.flags == VIRTIO_NET_HDR_F_NEEDS_CSUM);
	MUST(got.csum_start == h->csum_start && got.csum_offset == h->csum_offset);
	if (!(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG)) {
		MUST(got.gso_type == VIRTIO_NET_HDR_GSO_NONE && got.gso_size == 0);
		return;
	}
	MUST((got.gso_type ^ h->gso_type) % VIRTIO_NET_HDR_GSO_ECN == 0);
	MUST(!(got.gso_type & VIRTIO_NET_HDR_GSO_ECN) ==
	     !(flat[h->csum_start + 13] & RTE_TCP_CWR_FLAG));
	MUST(got.gso_size == h->gso_size && got.hdr_len <= m->data_len);
}

/* One that takes nothing gets the checksum, or nothing where the packet is to be segmented. */
static void check_filled(const struct packet *p, uint32_t start, uint32_t offset)
{
	const struct rte_mbuf *m = p->seg;
	struct net_hdr_sums sums;
	struct virtio_net_hdr got;
	uint16_t sum;

	if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) {
		MUST(net_hdr_from_mbuf(m, 0, &got, &sums) == -ENOTSUP);
		return;
	}
	MUST(net_hdr_from_mbuf(m, 0, &got, &sums) == 0);
	MUST(got.flags == 0 && got.gso_type == VIRTIO_NET_HDR_GSO_NONE);
	MUST(sums.ip_at == 0 && sums.l4_from == start && sums.l4_at == start + offset);
	sum = net_hdr_l4_checksum(pkt_sum(m, start));
	MUST(rte_be_to_cpu_16(sum) == checksum(start, p->len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct virtio_net_hdr h;
	uint64_t features;
	uint16_t filled = 0;
	struct packet p;

	features = input_u8(&in) % 4 ? SENDER : (uint64_t)input_u16(&in);
	input_bytes(&in, &h, sizeof(h));
	packet_open(&p, &in);
	flatten(&p);
	if ((uint32_t)h.csum_start + h.csum_offset + 2 <= p.len)
		filled = checksum(h.csum_start, p.len);
	if (net_hdr_to_mbuf(&h, features, p.seg) == 0) {
		if (p.seg[0].ol_flags & ANY_CSUM) {
			check_same(&p, &h);
			check_filled(&p, h.csum_start, h.csum_offset);
		} else if (h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
			flatten(&p);
			MUST(at_field((uint32_t)h.csum_start + h.csum_offset) == filled);
		}
	}
	packet_close(&p);
	return 0;
}
