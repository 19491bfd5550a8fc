/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets that are offered to a coalescer one after another, as they came, and what became of them:
 * whatever is merged has to give, when it is segmented again, the very packets that came. */
#ifndef FAKE_COALESCE_RUN_H
#define FAKE_COALESCE_RUN_H

#include <stdint.h>

#include "tcp/coalesce.h"

struct rte_mbuf;
struct rte_mempool;
struct tcp_segment;

#define RUN_MOST       COALESCE_MAX_PACKETS
#define RUN_BOTH       (COALESCE_IPV4 | COALESCE_IPV6)
#define RUN_MAX_PACKET 66000

struct coalesce_run {
	struct coalescer c;
	struct rte_mempool *pool;
	unsigned n;
	struct rte_mbuf *m[RUN_MOST];
	uint8_t *bytes[RUN_MOST]; /* of each packet, as it came */
	uint32_t len[RUN_MOST];
	int in[RUN_MOST]; /* the packet that it is part of: its own number where it stayed alone */
};

/* Begins anew. Large packets are segmented with buffers of the pool. */
void run_begin(struct coalesce_run *run, struct rte_mempool *pool);

/* Offer a packet, or a segment in lane 0. The results are those of coalesce_add(). */
int run_offer(struct coalesce_run *run, struct rte_mbuf *m, uint16_t lane, uint8_t families);
int run_offer_segment(struct coalesce_run *run, const struct tcp_segment *s);

/* Asserts that packets of one flow leave in the order in which they came: none is in a large packet
 * that leaves before one of its flow that came earlier. flow[i] tells the flow of packet i. */
void run_assert_order(const struct coalesce_run *run, const unsigned *flow);

/* Asserts that what was merged gives what came, that the rest is as it came, and that all buffers
 * are back afterwards. Returns how many packets were left. */
unsigned run_end(struct coalesce_run *run);

#endif
