/* SPDX-License-Identifier: BSD-3-Clause */
/* Floods that keep a switch's worker busy at next to no cost for the generator.
 *
 * Descriptors and packets are written once. The device takes chains in order, so by the time that
 * an entry of the available ring comes round again its descriptor is free: offering the whole ring
 * anew is one store of the available index. Entries may name the same descriptor more than once,
 * which no driver does, and no device has to care about.
 *
 * Guest memory: SLOT_SIZE each for SLOTS small packets, LARGE_SIZE each for LARGES large ones, and
 * tables of descriptors behind them. */
#include "bench/loadgen/attack_impl.h"

#include <fcntl.h>
#include <string.h>

#include "tests/fake/bad_chain.h"

#define SLOTS      256
#define SLOT_SIZE  256
#define LARGES     32
#define LARGE_SIZE (66u << 10)
#define LARGE_LEN  65226u /* 45 segments of 1,448 bytes, as Linux makes them */
#define MTUS       256
#define MTU_SIZE   2048u
#define MTU_LEN    1500u
#define PIECE      4096u /* a large packet lies in guest pages */
#define CHAIN_LEN  256u
#define CHAINS     16
#define PIECES     ((LARGE_LEN + 64 + PIECE - 1) / PIECE + 1)
#define LARGE_AT   (SLOTS * SLOT_SIZE)
#define CHAIN_AT   (LARGE_AT + LARGES * LARGE_SIZE)
#define PIECES_AT  (CHAIN_AT + CHAINS * CHAIN_LEN * sizeof(struct vring_desc))
#define SINK_BUFS  256
#define SINK_SIZE  2048u
#define SINK_STEPS 1024 /* from one broadcast to the next */
#define SINK_TIMES 8
#define MACS_SIZE  128u
#define MOST_MACS  16384 /* places of packets of attack `macs` */
#define FLOW_BURST 64    /* flows: packets that a step writes, at most */
#define CHEAP_RUN  4096  /* alternate: packets of each kind in a row */
#define DEAR_RUN   64
#define GIVEN_AWAY 256 /* balloon: pages, each with the end of one packet */

_Static_assert(PIECES_AT + LARGES * PIECES * sizeof(struct vring_desc) <= ATTACK_AREA,
	       "packets and tables fit the area");
_Static_assert(GIVEN_AWAY *PIECE <= LARGES * LARGE_SIZE, "they fit in the large ones' place");
_Static_assert(MOST_MACS *MACS_SIZE <= ATTACK_AREA, "they fit the area");
_Static_assert(SINK_BUFS *SINK_SIZE == ATTACK_SINK, "the sink is all receive buffers");
_Static_assert(MTUS *MTU_SIZE <= LARGES * LARGE_SIZE, "they fit in the large ones' place");

static struct rte_ether_addr mac_of_all(void)
{
	struct rte_ether_addr all;

	memset(&all, 0xff, sizeof(all));
	return all;
}

static void set_desc(struct attack *a, uint32_t i, const void *at, uint32_t len, uint16_t flags)
{
	attack_tx(a)->desc[i] = (struct vring_desc){vhost_fe_gpa(&a->fe, at), len, flags, 0};
}

/* The first half of the slots is for packets to the peer, the second for all others: descriptors
 * of one kind may share a slot. */
static uint8_t *slot(const struct attack *a, uint32_t i, bool to_peer)
{
	return a->area + (i % (SLOTS / 2) + (to_peer ? 0 : SLOTS / 2)) * (size_t)SLOT_SIZE;
}

/* In the large ones' place. */
static void desc_mtu(struct attack *a, uint32_t i)
{
	uint8_t *at = a->area + LARGE_AT + (size_t)(i % MTUS) * MTU_SIZE;
	struct rte_ether_addr to = frame_mac(a->peer);

	set_desc(a, i, at, attack_frame(a, at, &to, a->peer, MTU_LEN, false), 0);
}

static void desc_small(struct attack *a, uint32_t i, const struct rte_ether_addr *to)
{
	struct rte_ether_addr peer = frame_mac(a->peer);
	uint8_t *at = slot(a, i, rte_is_same_ether_addr(to, &peer));

	set_desc(a, i, at, attack_frame(a, at, to, a->peer, 64, false), 0);
}

/* One packet in guest pages, through an indirect table, as a guest's TCP would send it. */
static void desc_large(struct attack *a, uint32_t i)
{
	uint32_t n = i % LARGES, used = 0, left;
	uint8_t *at = a->area + LARGE_AT + (size_t)n * LARGE_SIZE;
	struct vring_desc *table =
		(struct vring_desc *)(void *)(a->area + PIECES_AT) + (size_t)n * PIECES;
	struct rte_ether_addr to = frame_mac(a->peer);

	left = attack_frame(a, at, &to, a->peer, LARGE_LEN, true);
	for (uint32_t k = 0; left > 0; k++) {
		uint32_t len = left < PIECE ? left : PIECE;

		left -= len;
		table[k].addr = vhost_fe_gpa(&a->fe, at + used);
		table[k].len = len;
		table[k].flags = left ? VRING_DESC_F_NEXT : 0;
		table[k].next = (uint16_t)(k + 1);
		used += len;
	}
	used = (used + PIECE - 1) / PIECE;
	set_desc(a, i, table, used * (uint32_t)sizeof(*table), VRING_DESC_F_INDIRECT);
}

/* One packet in as many descriptors as a chain may have, all but the first of one byte, each in a
 * cache line of its own. */
static void desc_chain(struct attack *a, uint32_t i)
{
	struct vring_desc *table = (struct vring_desc *)(void *)(a->area + CHAIN_AT) +
				   (size_t)(i % CHAINS) * CHAIN_LEN;
	uint8_t *at = slot(a, i, true);
	struct rte_ether_addr to = frame_mac(a->peer);

	for (uint32_t k = 0; k < CHAIN_LEN; k++) {
		table[k].addr = vhost_fe_gpa(&a->fe, k ? a->area + LARGE_AT + 64 * k : at);
		table[k].len = k ? 1 : attack_frame(a, at, &to, a->peer, 64, false);
		table[k].flags = k + 1 < CHAIN_LEN ? VRING_DESC_F_NEXT : 0;
		table[k].next = (uint16_t)(k + 1);
	}
	set_desc(a, i, table, CHAIN_LEN * (uint32_t)sizeof(*table), VRING_DESC_F_INDIRECT);
}

/* Offers the ring for the first time: each entry names the descriptor of its place. */
static void offer(struct driver_ring *r)
{
	for (uint16_t i = 0; i < r->size; i++)
		r->avail->ring[i] = i;
	r->avail_at = r->size;
	driver_ring_publish(r);
}

static void offer_tx(struct attack *a)
{
	a->phase = 0;
	offer(attack_tx(a));
	driver_ring_kick(attack_tx(a));
}

/* Nothing but a broadcast, so that the switch learns where it is. */
void flood_prepare_sink(struct attack *a)
{
	struct rte_ether_addr all = mac_of_all();
	struct driver_ring *r = attack_tx(a);

	desc_small(a, 0, &all);
	r->avail->ring[0] = 0;
	r->avail_at = 1;
	driver_ring_publish(r);
	driver_ring_kick(r);
}

void flood_prepare_small(struct attack *a)
{
	struct rte_ether_addr to = frame_mac(a->peer);

	for (uint16_t i = 0; i < attack_tx(a)->size; i++)
		desc_small(a, i, &to);
	offer_tx(a);
}

void flood_prepare_mtu(struct attack *a)
{
	for (uint16_t i = 0; i < attack_tx(a)->size; i++)
		desc_mtu(a, i);
	offer_tx(a);
}

void flood_prepare_large(struct attack *a)
{
	for (uint16_t i = 0; i < attack_tx(a)->size; i++)
		desc_large(a, i);
	offer_tx(a);
}

void flood_prepare_chain(struct attack *a)
{
	for (uint16_t i = 0; i < attack_tx(a)->size; i++)
		desc_chain(a, i);
	offer_tx(a);
}

void flood_prepare_broadcast(struct attack *a)
{
	struct rte_ether_addr all = mac_of_all();

	for (uint16_t i = 0; i < attack_tx(a)->size; i++)
		desc_small(a, i, &all);
	offer_tx(a);
}

void flood_prepare_unknown(struct attack *a)
{
	for (uint16_t i = 0; i < attack_tx(a)->size; i++) {
		struct rte_ether_addr to = frame_unknown_mac(a->vm * 65536u + i);

		desc_small(a, i, &to);
	}
	offer_tx(a);
}

/* Each packet lies in a place of its own, however many addresses there are: only these differ. */
void flood_prepare_macs(struct attack *a)
{
	uint16_t n = RTE_MIN(attack_tx(a)->size, MOST_MACS);

	for (uint16_t i = 0; i < attack_tx(a)->size; i++) {
		struct rte_ether_addr to = frame_unknown_mac(i % n % a->macs);
		uint8_t *at = a->area + (size_t)(i % n) * MACS_SIZE;

		set_desc(a, i, at, attack_frame(a, at, &to, a->peer, 64, false), 0);
	}
	offer_tx(a);
}

/* Gives the header of a flow: that of number 0 is as all our frames' are, others have random
 * addresses and ports. */
static void set_flow(union frame_hdr *h, uint32_t flow)
{
	uint64_t x = flow * 0x9E3779B97F4A7C15ULL;

	if (flow == 0)
		return;
	x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ULL;
	h->udp.ip.src_addr = (rte_be32_t)(x >> 32);
	h->udp.ip.dst_addr = (rte_be32_t)x;
	x = (x ^ x >> 27) * 0x94D049BB133111EBULL;
	h->udp.udp.src_port = (rte_be16_t)(x >> 48);
	h->udp.udp.dst_port = (rte_be16_t)(x >> 32);
}

/* Writes packet i of the ring anew, whether its flow is another one or not: what differs between
 * one flow and many is then nothing but the headers. */
static void write_flow(struct attack *a, uint16_t i)
{
	uint32_t flow = a->flows ? a->phase++ % a->flows : attack_random(a);
	uint8_t *at = a->area + (size_t)(i % MOST_MACS) * MACS_SIZE;
	struct rte_ether_addr to = frame_mac(a->peer);
	union frame_hdr h;

	frame_template(&h, a->vm, &to, a->peer, UINT32_MAX, 0, false);
	set_flow(&h, flow);
	frame_write_plain(at + vhost_fe_hdr_len(&a->fe), &h, 64, false);
}

void flood_prepare_flows(struct attack *a)
{
	uint32_t hdr_len = (uint32_t)vhost_fe_hdr_len(&a->fe);

	for (uint16_t i = 0; i < attack_tx(a)->size; i++) {
		uint8_t *at = a->area + (size_t)(i % MOST_MACS) * MACS_SIZE;

		memset(at, 0, hdr_len);
		set_desc(a, i, at, hdr_len + 64, 0);
		write_flow(a, i);
	}
	offer_tx(a);
}

/* Single descriptors of which none breaks the ring, one to each of its places. Switches that do not
 * mind the direction get broadcasts. */
void flood_prepare_malformed(struct attack *a)
{
	static const enum bad_chain kinds[] = {
		BAD_CHAIN_LOOP_OF_ONE, BAD_CHAIN_BEHIND_MEMORY, BAD_CHAIN_LENGTH_OF_ALL_ONES,
		BAD_CHAIN_LESS_THAN_A_HEADER, BAD_CHAIN_WRONG_DIRECTION};
	const struct bad_chain_places places = {FE_GPA, a->fe.mem_size,
						vhost_fe_gpa(&a->fe, a->area), 0, NULL};
	struct rte_ether_addr all = mac_of_all();

	attack_frame(a, a->area, &all, a->peer, 100, false);
	for (uint16_t i = 0; i < attack_tx(a)->size; i++)
		bad_chain_add(attack_tx(a), kinds[i % 5], &places, false);
	offer_tx(a);
}

/* What is dear: large, long, or for everybody. */
static void desc_mixed(struct attack *a, uint16_t i)
{
	struct rte_ether_addr all = mac_of_all();

	if (i % 3 == 0)
		desc_large(a, i);
	else if (i % 3 == 1)
		desc_chain(a, i);
	else
		desc_small(a, i, &all);
}

/* Small, large and long ones, and broadcasts, one after the other. */
void flood_prepare_mixed(struct attack *a)
{
	struct rte_ether_addr to = frame_mac(a->peer);

	for (uint16_t i = 0; i < attack_tx(a)->size; i++) {
		if (i % 4 == 3)
			desc_small(a, i, &to);
		else
			desc_mixed(a, i);
	}
	offer_tx(a);
}

/* Both rings ask for an interrupt whenever the device has done something. */
void flood_prepare_notify(struct attack *a)
{
	flood_prepare_small(a);
	attack_tx(a)->avail->flags = 0;
	attack_rx(a)->avail->flags = 0;
}

/* A small packet of which the second half is in a page of its own, through a table. */
static void desc_balloon(struct attack *a, uint32_t i)
{
	uint32_t n = i % GIVEN_AWAY;
	struct vring_desc *table =
		(struct vring_desc *)(void *)(a->area + PIECES_AT) + (size_t)n * 2;
	struct rte_ether_addr to = frame_mac(a->peer);
	uint8_t *at = slot(a, i, true);
	uint32_t len = attack_frame(a, at, &to, a->peer, 64, false);

	table[0] = (struct vring_desc){vhost_fe_gpa(&a->fe, at), len, VRING_DESC_F_NEXT, 1};
	table[1] = (struct vring_desc){vhost_fe_gpa(&a->fe, a->area + LARGE_AT + (size_t)n * PIECE),
				       64, 0, 0};
	set_desc(a, i, table, 2 * (uint32_t)sizeof(*table), VRING_DESC_F_INDIRECT);
}

void flood_prepare_balloon(struct attack *a)
{
	for (uint16_t i = 0; i < attack_tx(a)->size; i++)
		desc_balloon(a, i);
	offer_tx(a);
}

/* The first half of the descriptors is cheap, the second dear; flood_step_alternate chooses. */
void flood_prepare_alternate(struct attack *a)
{
	struct rte_ether_addr to = frame_mac(a->peer);
	uint16_t half = attack_tx(a)->size / 2;

	for (uint16_t i = 0; i < half; i++) {
		desc_small(a, i, &to);
		desc_mixed(a, half + i);
	}
	a->phase = 0;
	flood_step_alternate(a);
	driver_ring_kick(attack_tx(a));
}

/* The available index up to which the ring is full. */
static uint16_t full_at(const struct driver_ring *r)
{
	return (uint16_t)(__atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) + r->size);
}

static void show(struct driver_ring *r, uint16_t avail)
{
	if (avail == r->avail_at)
		return;
	r->avail_at = avail;
	driver_ring_publish(r);
	if (driver_ring_wants_kick(r))
		driver_ring_kick(r);
}

void flood_fill_rx(struct attack *a)
{
	struct driver_ring *r = attack_rx(a);

	for (uint16_t i = 0; i < r->size; i++)
		r->desc[i] = (struct vring_desc){
			vhost_fe_gpa(&a->fe, a->sink + (size_t)(i % SINK_BUFS) * SINK_SIZE),
			SINK_SIZE, VRING_DESC_F_WRITE, 0};
	a->rx_used = __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE);
	offer(r);
}

void flood_refill_rx(struct attack *a)
{
	struct driver_ring *r = attack_rx(a);
	uint16_t full = full_at(r), used = (uint16_t)(full - r->size);

	a->received += (uint16_t)(used - a->rx_used);
	a->rx_used = used;
	show(r, full);
}

void flood_step(struct attack *a)
{
	struct driver_ring *r = attack_tx(a);

	show(r, full_at(r));
}

/* One more packet, if the ring has room. */
void flood_step_one(struct attack *a)
{
	struct driver_ring *r = attack_tx(a);

	if (r->avail_at != full_at(r))
		show(r, (uint16_t)(r->avail_at + 1));
}

/* Some packets more, as far as the ring has room. */
void flood_step_flows(struct attack *a)
{
	struct driver_ring *r = attack_tx(a);
	uint16_t room = (uint16_t)(full_at(r) - r->avail_at), n = RTE_MIN(room, FLOW_BURST);

	if (room > r->size)
		return; /* the device has used more than there was */
	for (uint16_t i = 0; i < n; i++)
		write_flow(a, (uint16_t)((r->avail_at + i) % r->size));
	show(r, (uint16_t)(r->avail_at + n));
}

void flood_step_alternate(struct attack *a)
{
	struct driver_ring *r = attack_tx(a);
	uint16_t half = r->size / 2, to = full_at(r);

	for (uint16_t at = r->avail_at; at != to; at++) {
		bool dear = a->phase >= CHEAP_RUN;
		uint16_t n = (uint16_t)(a->phase % half);

		r->avail->ring[at % r->size] = dear ? half + n : n;
		if (++a->phase == CHEAP_RUN + DEAR_RUN)
			a->phase = 0;
	}
	show(r, to);
}

/* Says where it is some times more: the first time may have been before the ring was enabled. */
void flood_step_sink(struct attack *a)
{
	struct driver_ring *r = attack_tx(a);

	if (a->steps >= SINK_TIMES * SINK_STEPS || a->steps % SINK_STEPS != 0)
		return;
	r->avail->ring[r->avail_at % r->size] = 0;
	if (r->avail_at != full_at(r))
		show(r, (uint16_t)(r->avail_at + 1));
}

/* As a balloon's pages are: who touches them next gets new ones, which take the kernel a while. */
static void give_away(struct attack *a, const uint8_t *at, size_t len)
{
	fallocate(a->fe.mem_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at - a->fe.mem,
		  (off_t)len);
}

void flood_step_balloon(struct attack *a)
{
	give_away(a, a->area + LARGE_AT, (size_t)GIVEN_AWAY * PIECE);
	flood_step(a);
}

void flood_step_balloon_sink(struct attack *a)
{
	give_away(a, a->sink, ATTACK_SINK);
}
