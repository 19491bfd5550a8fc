/* SPDX-License-Identifier: BSD-3-Clause */
/* Segmentation of TCP packets. */
#include "tcp/segment.h"

#include <errno.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include "pkt/checksum.h"
#include "tcp/headers.h"

/* Flags that only the first segment keeps (RFC 3168, 6.1.2), and those that only the last one
 * keeps. */
#define FIRST_FLAGS RTE_TCP_CWR_FLAG
#define LAST_FLAGS  (RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG)

int segment_begin(struct segmenter *s, const struct rte_mbuf *m)
{
	uint32_t hdr_len = (uint32_t)m->l2_len + m->l3_len + m->l4_len;

	if (!(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) || m->tso_segsz == 0 ||
	    hdr_len > SEGMENT_MAX_HDR || hdr_len > m->data_len || m->pkt_len <= hdr_len ||
	    m->l3_len < sizeof(struct rte_ipv4_hdr) || m->l4_len < sizeof(struct rte_tcp_hdr))
		return -EINVAL;
	*s = (struct segmenter){
		.at = m,
		.offset = hdr_len,
		.left = m->pkt_len - hdr_len,
		.mss = m->tso_segsz,
		.l2_len = m->l2_len,
		.l3_len = m->l3_len,
		.hdr_len = (uint16_t)hdr_len,
		.is_v6 = m->ol_flags & RTE_MBUF_F_TX_IPV6,
	};
	memcpy(s->hdr, rte_pktmbuf_mtod(m, const void *), hdr_len);
	return 0;
}

uint32_t segment_count(const struct segmenter *s)
{
	return (s->left + s->mss - 1) / s->mss;
}

/* Copies the next `n` bytes of payload, adds them to the sum, and moves behind them. */
static void take_payload(struct segmenter *s, uint8_t *to, uint32_t n, struct checksum *sum)
{
	s->left -= n;
	while (n > 0) {
		uint32_t part = RTE_MIN(n, s->at->data_len - s->offset);

		checksum_copy(sum, to, rte_pktmbuf_mtod_offset(s->at, const void *, s->offset),
			      part);
		to += part;
		n -= part;
		s->offset += part;
		if (s->offset == s->at->data_len && n > 0) {
			s->at = s->at->next;
			s->offset = 0;
		}
	}
}

/* Sets the IP header for l4_len bytes behind it. IPv4 packets are numbered. */
static void set_ip(const struct segmenter *s, uint8_t *l3, uint32_t l4_len)
{
	struct rte_ipv4_hdr v4;

	if (!s->is_v6) {
		memcpy(&v4, l3, sizeof(v4));
		v4.packet_id = rte_cpu_to_be_16((uint16_t)(rte_be_to_cpu_16(v4.packet_id) + s->n));
		memcpy(l3, &v4, sizeof(v4));
	}
	headers_set_len(l3, s->is_v6, s->l3_len, l4_len);
}

/* Sets the TCP header. *sum is the payload's sum so far. What the checksum covers before the
 * payload has an even length, so it can be added after it. */
static void set_tcp(const struct segmenter *s, struct rte_mbuf *m, struct checksum *sum)
{
	uint32_t at = (uint32_t)s->l2_len + s->l3_len;
	const uint8_t *l3 = rte_pktmbuf_mtod_offset(m, const uint8_t *, s->l2_len);
	uint8_t *l4 = rte_pktmbuf_mtod_offset(m, uint8_t *, at);
	struct rte_tcp_hdr tcp;

	memcpy(&tcp, l4, sizeof(tcp));
	tcp.sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(tcp.sent_seq) + s->done);
	if (s->n > 0)
		tcp.tcp_flags &= (uint8_t)~FIRST_FLAGS;
	if (s->left > 0)
		tcp.tcp_flags &= (uint8_t)~LAST_FLAGS;
	tcp.cksum = 0;
	memcpy(l4, &tcp, sizeof(tcp));
	sum->is_odd = false;
	checksum_add(sum, l4, s->hdr_len - at);
	headers_add_pseudo(sum, l3, s->is_v6, m->pkt_len - at);
	tcp.cksum = (uint16_t)~checksum_fold(sum);
	memcpy(l4, &tcp, sizeof(tcp));
}

/* Copies the headers and the next `n` bytes of payload, whose sum goes to *sum, into as many
 * buffers as needed. */
static struct rte_mbuf *copy_segment(struct segmenter *s, uint32_t n, struct rte_mempool *pool,
				     struct checksum *sum)
{
	struct rte_mbuf *first = rte_pktmbuf_alloc(pool), *last = first;

	if (!first)
		return NULL;
	memcpy(rte_pktmbuf_append(first, s->hdr_len), s->hdr, s->hdr_len);
	while (n > 0) {
		uint32_t part = RTE_MIN(n, (uint32_t)rte_pktmbuf_tailroom(last));

		take_payload(s, rte_pktmbuf_mtod_offset(last, uint8_t *, last->data_len), part,
			     sum);
		last->data_len += (uint16_t)part;
		first->pkt_len += part;
		n -= part;
		if (n == 0)
			break;
		last->next = rte_pktmbuf_alloc(pool);
		if (!last->next) {
			rte_pktmbuf_free(first);
			return NULL;
		}
		last = last->next;
		first->nb_segs++;
	}
	return first;
}

void segment_skip(struct segmenter *s, uint32_t n)
{
	uint32_t bytes = RTE_MIN(s->left, n * (uint32_t)s->mss);

	s->n += (uint16_t)((bytes + s->mss - 1) / s->mss);
	s->done += bytes;
	s->left -= bytes;
	for (bytes += s->offset; bytes >= s->at->data_len && s->at->next; s->at = s->at->next)
		bytes -= s->at->data_len;
	s->offset = bytes;
}

struct rte_mbuf *segment_next(struct segmenter *s, struct rte_mempool *pool)
{
	const struct rte_mbuf *at = s->at;
	uint32_t offset = s->offset, left = s->left, n = RTE_MIN(left, (uint32_t)s->mss);
	struct checksum sum = {0};
	struct rte_mbuf *m = n > 0 ? copy_segment(s, n, pool, &sum) : NULL;
	uint8_t *l3;

	if (!m) {
		s->at = at;
		s->offset = offset;
		s->left = left;
		return NULL;
	}
	l3 = rte_pktmbuf_mtod_offset(m, uint8_t *, s->l2_len);
	set_ip(s, l3, m->pkt_len - s->l2_len - s->l3_len);
	set_tcp(s, m, &sum);
	s->done += n;
	s->n++;
	return m;
}
