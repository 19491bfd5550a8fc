/* SPDX-License-Identifier: BSD-3-Clause */
/* Segmentation of TCP packets that a guest handed over unsegmented (virtio 1.1, 5.1.6.2, GSO), for
 * receivers without that offload. The segments are those that the sender's own stack would have
 * made, as Linux' tcp_gso_segment() does. */
#ifndef TCP_SEGMENT_H
#define TCP_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

struct rte_mbuf;
struct rte_mempool;

#define SEGMENT_MAX_HDR 256 /* bytes of all headers: more than any packet needs */

/* The state of a packet's segmentation. */
struct segmenter {
	const struct rte_mbuf *at; /* mbuf and offset of the next byte of payload */
	uint32_t offset;
	uint32_t left; /* bytes of payload to come */
	uint32_t done;
	uint16_t n; /* segments made */
	uint16_t mss;
	uint16_t l2_len, l3_len, hdr_len;
	bool is_v6;
	uint8_t hdr[SEGMENT_MAX_HDR]; /* headers of the whole packet */
};

/* Begins with a packet whose ol_flags ask for TCP segmentation, with lengths as vhost/net_hdr.h
 * sets them. The caller keeps the packet, which must not change until the end. -EINVAL when its
 * headers are not all in its first mbuf or are too long, or when no payload follows. [worker] */
int segment_begin(struct segmenter *s, const struct rte_mbuf *m);

/* Skips the next `n` segments, which were made earlier. n * mss is below 2^32. [worker] */
void segment_skip(struct segmenter *s, uint32_t n);

/* The number of segments still to come. [worker] */
uint32_t segment_count(const struct segmenter *s);

/* Makes the next segment, with its checksums, in buffers of the pool. NULL at the end, or when the
 * pool is empty (then segment_count() is not 0). The caller owns the segment. [worker] */
struct rte_mbuf *segment_next(struct segmenter *s, struct rte_mempool *pool);

#endif
