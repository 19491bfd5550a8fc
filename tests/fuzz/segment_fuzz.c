/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes segmentation: whatever a guest hands over with whatever header either is refused, or
 * becomes segments that carry its payload, in order, with right checksums. */
#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "pkt/checksum.h"
#include "tcp/segment.h"
#include "tests/fake/eal.h"
#include "tests/fuzz/packet.h"
#include "vhost/net_hdr.h"

#define F(name) (1ULL << VIRTIO_NET_F_##name)
#define SENDER  (F(CSUM) | F(HOST_TSO4) | F(HOST_TSO6) | F(HOST_ECN))

static struct rte_mempool *pool;

/* The sum of TCP over what the segment's headers say, which is all ones when it is right. */
static uint16_t sum_of_tcp(const struct rte_mbuf *whole, const struct rte_mbuf *m)
{
	uint32_t l3 = whole->l2_len, l4 = l3 + whole->l3_len;
	bool v6 = whole->ol_flags & RTE_MBUF_F_TX_IPV6;
	uint16_t rest[3] = {RTE_BE16(IPPROTO_TCP), rte_cpu_to_be_16((uint16_t)(m->pkt_len - l4)),
			    pkt_sum(m, l4)};
	struct checksum c = {0};

	checksum_add(&c, rte_pktmbuf_mtod_offset(m, const uint8_t *, l3 + (v6 ? 8 : 12)),
		     v6 ? 32 : 8);
	checksum_add(&c, rest, sizeof(rest));
	return checksum_fold(&c);
}

static uint32_t seq_of(const struct rte_mbuf *m, uint32_t l4)
{
	uint32_t seq;

	memcpy(&seq, rte_pktmbuf_mtod_offset(m, const uint8_t *, l4 + 4), sizeof(seq));
	return rte_be_to_cpu_32(seq);
}

/* Compares `n` bytes of two packets. */
static bool is_same(const struct rte_mbuf *a, uint32_t a_at, const struct rte_mbuf *b,
		    uint32_t b_at, uint32_t n)
{
	static uint8_t left[65536], right[65536];
	const void *p = rte_pktmbuf_read(a, a_at, n, left),
		   *q = rte_pktmbuf_read(b, b_at, n, right);

	return p && q && memcmp(p, q, n) == 0;
}

static void check_segments(const struct rte_mbuf *m, uint32_t skip)
{
	uint32_t l4 = (uint32_t)m->l2_len + m->l3_len, hdr = l4 + m->l4_len, done;
	struct segmenter s;
	struct rte_mbuf *part;

	if (segment_begin(&s, m) < 0)
		return;
	skip %= segment_count(&s);
	segment_skip(&s, skip);
	done = skip * m->tso_segsz;
	while ((part = segment_next(&s, pool))) {
		uint32_t len = part->pkt_len - hdr;

		MUST(len > 0 && len <= m->tso_segsz);
		MUST(is_same(part, 0, m, 0, m->l2_len));
		MUST(is_same(part, hdr, m, hdr + done, len));
		MUST(seq_of(part, l4) == (uint32_t)(seq_of(m, l4) + done));
		MUST(sum_of_tcp(m, part) == UINT16_MAX);
		done += len;
		rte_pktmbuf_free(part);
	}
	MUST(segment_count(&s) == 0 && hdr + done == m->pkt_len);
	MUST(rte_mempool_full(pool));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	if (fake_eal_init("segment_fuzz") < 0)
		return -1;
	pool = fake_eal_pool("segment", 127);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct virtio_net_hdr h;
	uint16_t skip;
	struct packet p;

	skip = input_u16(&in);
	input_bytes(&in, &h, sizeof(h));
	packet_open(&p, &in);
	if (net_hdr_to_mbuf(&h, SENDER, p.seg) == 0)
		check_segments(p.seg, skip);
	packet_close(&p);
	return 0;
}
