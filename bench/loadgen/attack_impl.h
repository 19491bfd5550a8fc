/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kinds of attack share; for attack*.c and flood.c only. */
#ifndef LOADGEN_ATTACK_IMPL_H
#define LOADGEN_ATTACK_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/loadgen/frame.h"
#include "tests/fake/vhost_fe.h"

#define ATTACK_AREA (3u << 20)   /* guest memory for packets */
#define ATTACK_SINK (512u << 10) /* and for what is received */

struct attack;

struct attack_kind {
	const char *name;
	void (*prepare)(struct attack *a); /* fills the transmit ring after each start; or NULL */
	void (*step)(struct attack *a);
	const char *help;
};

struct attack {
	const struct attack_kind *kind;
	char socket[100];
	struct vhost_fe fe;
	uint8_t *area; /* ATTACK_AREA bytes of guest memory */
	uint8_t *sink; /* ATTACK_SINK bytes, where all that is received goes */
	uint64_t features;
	uint64_t steps, connects;
	uint64_t received; /* buffers that came back filled */
	uint16_t rx_used;  /* up to where they are counted */
	uint64_t next_tsc, interval_tsc, hz;
	uint64_t ran_tsc;      /* when the generator's loop last came by */
	uint64_t progress_tsc; /* when the device was last seen to have taken something */
	uint16_t progress;
	uint32_t rng;
	uint16_t peer;  /* whom it sends to */
	uint16_t macs;  /* flood: addresses that it sends to */
	uint32_t flows; /* flood: flows that it sends in turn; 0: each packet is of a random one */
	uint32_t phase; /* flood: where in its pattern it is */
	uint16_t vm;
	uint8_t stage; /* of setting the device up */
	bool toggle;
};

uint32_t attack_random(struct attack *a);

static inline struct driver_ring *attack_tx(struct attack *a)
{
	return &a->fe.ring[1];
}

static inline struct driver_ring *attack_rx(struct attack *a)
{
	return &a->fe.ring[0];
}

/* Writes a frame of `len` bytes (its header; the rest is as it is) behind a virtio_net_hdr at
 * `at`. Returns the length of both. */
uint32_t attack_frame(const struct attack *a, uint8_t *at, const struct rte_ether_addr *to,
		      uint16_t to_vm, uint32_t len, bool tcp);

/* Floods (flood.c): the ring is full whenever the switch looks, at next to no cost for us. */
void flood_prepare_sink(struct attack *a);
void flood_prepare_small(struct attack *a);
void flood_prepare_mtu(struct attack *a);
void flood_prepare_large(struct attack *a);
void flood_prepare_chain(struct attack *a);
void flood_prepare_broadcast(struct attack *a);
void flood_prepare_unknown(struct attack *a);
void flood_prepare_macs(struct attack *a);
void flood_prepare_flows(struct attack *a);
void flood_prepare_malformed(struct attack *a);
void flood_prepare_mixed(struct attack *a);
void flood_prepare_alternate(struct attack *a);
void flood_prepare_notify(struct attack *a);
void flood_prepare_balloon(struct attack *a);
void flood_step(struct attack *a);
void flood_step_one(struct attack *a);
void flood_step_alternate(struct attack *a);
void flood_step_flows(struct attack *a);
void flood_step_sink(struct attack *a);
void flood_step_balloon(struct attack *a);
void flood_step_balloon_sink(struct attack *a);

/* Offers the whole receive ring to the device, first and again. */
void flood_fill_rx(struct attack *a);
void flood_refill_rx(struct attack *a);

#endif
