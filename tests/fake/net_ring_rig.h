/* SPDX-License-Identifier: BSD-3-Clause */
/* A ring with both its ends in one test: the model driver and the engine under test. */
#ifndef FAKE_NET_RING_RIG_H
#define FAKE_NET_RING_RIG_H

#include "pkt/pkt.h"
#include "tests/fake/driver_mem.h"
#include "tests/fake/driver_ring.h"
#include "vhost/net_ring.h"

struct rte_mempool;

#define RIG_F(bit) (1ULL << (bit))
#define RIG_TABLE  300

struct rig_conf {
	uint16_t size;
	uint64_t features;
	uint16_t start;     /* see driver_ring_init */
	unsigned regions;   /* 0: one */
	size_t region_size; /* 0: 8 MiB */
	bool adjacent;
	bool no_call_fd;
	bool lend; /* rig_dequeue takes packets on loan */
};

struct rig {
	struct driver_mem mem;
	struct driver_ring ring;
	uint8_t *tables; /* one indirect table of RIG_TABLE entries for each id */
	struct net_ring net;
	int call_fd;
	uint32_t hdr_len;
	struct net_lent *loan;
};

void rig_open(struct rig *g, const struct rig_conf *conf);

/* Checks besides that the guards are whole and that `pool` (unless NULL) has all its mbufs back. */
void rig_close(struct rig *g, struct rte_mempool *pool);

/* Makes a chain of n buffers available, through an indirect table if asked. Returns its id, or
 * -ENOSPC when the ring has no room. */
int rig_add(struct rig *g, const struct driver_buf *bufs, unsigned n, bool indirect);

/* Takes the next used chain: true with its id and length. Checks that it is one, and that a packed
 * ring's flags agree with the length. */
bool rig_poll(struct rig *g, uint16_t *id, uint32_t *len);

/* How often the guest was notified since the last time. */
uint64_t rig_notified(struct rig *g);

/* A dequeue; packets that were lent are copied to mbufs of the pool, and the loan is settled. */
uint16_t rig_dequeue(struct rig *g, struct rte_mempool *pool, struct rte_mbuf **pkts,
		     const struct net_limits *limits, struct net_taken *work);

/* A dequeue without limits but for the number of packets. */
uint16_t rig_take(struct rig *g, struct rte_mempool *pool, struct rte_mbuf **pkts, uint16_t n,
		  struct net_taken *work);

/* Bytes that differ from place to place, and for each seed. */
void rig_pattern(uint8_t *p, size_t n, uint32_t seed);

#endif
