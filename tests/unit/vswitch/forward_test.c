/* SPDX-License-Identifier: BSD-3-Clause */
/* Layer 2 switching, in whole turns of the loop: what arrives where, what is learned, what is
 * dropped and why. */
#include "vswitch/forward.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/virtio_net.h>

#include <rte_ip.h>

#include "tests/fake/eal.h"
#include "tests/fake/scene.h"
#include "vswitch/attach.h"
#include "vswitch/backlog.h"
#include "vswitch/loop.h"

static uint16_t loser; /* of an address, by fdb_learn() */

#define MANY 20

static unsigned most_outboxes; /* at any look at the clock */

static void test_unknown_goes_to_all_of_the_network(void **state)
{
	struct scene *s = *state;

	scene_send_to(s, 0, 1, 7);
	scene_turns(s, 3);
	assert_int_equal(scene_received(s, 0), 0);
	for (unsigned i = 1; i < 5; i++)
		assert_int_equal(scene_received(s, i), 1);
	assert_int_equal(scene_received(s, 5), 0);
	assert_int_equal(scene_counters(s, 0)->in, 1);
	assert_int_equal(scene_counters(s, 0)->forwarded, 1);
	assert_int_equal(scene_counters(s, 0)->copies, 3);
	assert_int_equal(scene_counters(s, 0)->flooded, 1);
}

static void test_known_goes_to_one(void **state)
{
	struct scene *s = *state;
	uint32_t len;

	scene_introduce(s, 1);
	scene_send_to(s, 0, 1, 7);
	scene_turns(s, 3);
	assert_int_equal(scene_receive(&s->guest[1], &len), 7);
	assert_int_equal(len, 64);
	for (unsigned i = 0; i < SCENE_GUESTS; i++)
		assert_int_equal(scene_received(s, i), 0);
	assert_int_equal(scene_counters(s, 0)->copies, 0);
}

static void note_outboxes(struct scene *s)
{
	if (s->w->n_outboxes > most_outboxes)
		most_outboxes = s->w->n_outboxes;
}

/* More than are loaded ahead, in one batch. */
static void test_each_of_many_gets_its_own(void **state)
{
	struct scene *s = *state;
	uint32_t len;

	scene_join(s, 0, MANY);
	for (unsigned i = 0; i < MANY; i++)
		scene_send_to(s, SCENE_GUESTS + i, 0, 1);
	scene_turns(s, 3);
	assert_int_equal(scene_received(s, 0), MANY);
	scene_receive_all(s);
	for (unsigned i = 0; i < MANY; i++)
		scene_send_to(s, 0, SCENE_GUESTS + i, (uint8_t)(100 + i));
	most_outboxes = 0;
	s->meanwhile = note_outboxes;
	scene_turns(s, 3);
	s->meanwhile = NULL;
	assert_int_equal(most_outboxes, MANY);
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(scene_receive(&s->guest[SCENE_GUESTS + i], &len), 100 + i);
		assert_int_equal(len, 64);
	}
	for (unsigned i = 0; i < s->n_guests; i++)
		assert_int_equal(scene_received(s, i), 0);
	assert_int_equal(scene_counters(s, 0)->forwarded, MANY);
	assert_int_equal(scene_counters(s, 0)->copies, 0);
}

static void test_order_is_kept(void **state)
{
	struct scene *s = *state;
	uint32_t len;

	for (uint8_t i = 0; i < 40; i++)
		scene_send_to(s, 0, 1, i);
	scene_turns(s, 10);
	for (int i = 0; i < 40; i++)
		assert_int_equal(scene_receive(&s->guest[1], &len), i);
}

static void test_broadcast_reaches_the_network_only(void **state)
{
	struct scene *s = *state;

	scene_send_to_all(s, 5, 1);
	scene_send_to_all(s, 0, 1);
	scene_turns(s, 5);
	for (unsigned i = 1; i < 5; i++)
		assert_int_equal(scene_received(s, i), 1);
	assert_int_equal(scene_received(s, 5), 0);
	assert_int_equal(scene_received(s, 0), 0);
	assert_int_equal(scene_dropped(s, 5, DROP_NO_RECEIVER), 1);
}

/* An entry that points into another network (a port number used again, say) is not followed. */
static void test_a_stale_entry_crosses_nothing(void **state)
{
	struct scene *s = *state;
	uint8_t mac[6];

	scene_mac(5, mac);
	fdb_learn(s->net[0].fdb, fdb_mac(mac), s->guest[5].port.id, 1, true, &loser);
	scene_send_to(s, 0, 5, 1);
	scene_turns(s, 3);
	assert_int_equal(scene_received(s, 5), 0);
	assert_int_equal(scene_received(s, 1), 1);
}

static void test_an_address_moves_with_its_guest(void **state)
{
	struct scene *s = *state;
	uint8_t dst[6], src[6];

	scene_send_to(s, 1, 0, 1);
	scene_turns(s, 3);
	/* Guest 2 now has guest 1's address. */
	scene_mac(1, src);
	scene_mac(0, dst);
	scene_send_frame(&s->guest[2], dst, src, 0x0800, 64, 1);
	scene_turns(s, 3);
	scene_receive_all(s);
	scene_send_to(s, 0, 1, 9);
	scene_turns(s, 3);
	assert_int_equal(scene_received(s, 1), 0);
	assert_int_equal(scene_received(s, 2), 1);
}

static void test_a_port_learns_up_to_its_limit(void **state)
{
	struct scene *s = *state;
	uint8_t dst[6], src[6] = {0x52, 0x54, 1, 0, 0, 0};

	scene_mac(1, dst);
	for (uint8_t i = 0; i < 20; i++) {
		src[5] = i;
		scene_send_frame(&s->guest[0], dst, src, 0x0800, 64, 1);
	}
	scene_turns(s, 10);
	assert_int_equal(atomic_load(&s->guest[0].port.macs), 8);
	assert_int_equal(scene_received(s, 1), 20);
	src[5] = 7;
	assert_int_equal(fdb_lookup(s->net[0].fdb, fdb_mac(src)), s->guest[0].port.id);
	src[5] = 8;
	assert_int_equal(fdb_lookup(s->net[0].fdb, fdb_mac(src)), FDB_NO_PORT);
}

static void test_what_is_dropped_says_why(void **state)
{
	static const uint8_t zero[6], group[6] = {1, 0, 0x5e, 0, 0, 1};
	static const uint8_t reserved[6] = {0x01, 0x80, 0xc2, 0, 0, 0x0e};
	struct scene *s = *state;
	uint8_t src[6], dst[6];

	scene_introduce(s, 0);
	scene_mac(0, src);
	scene_mac(1, dst);
	scene_send_frame(&s->guest[0], dst, zero, 0x0800, 64, 1);
	scene_send_frame(&s->guest[0], dst, group, 0x0800, 64, 1);
	scene_send_frame(&s->guest[0], reserved, src, 0x88cc, 64, 1);
	scene_send_frame(&s->guest[0], src, src, 0x0800, 64, 1);
	scene_send_frame(&s->guest[0], dst, src, 0x0800, 1515, 1);
	scene_send_frame(&s->guest[0], dst, src, 0x0800, 1514, 1);
	scene_send_frame(&s->guest[0], dst, src, 0x8100, 1518, 1);
	scene_send_frame(&s->guest[0], dst, src, 0x8100, 1519, 1);
	scene_turns(s, 5);
	assert_int_equal(scene_dropped(s, 0, DROP_BAD_SOURCE), 2);
	assert_int_equal(scene_dropped(s, 0, DROP_RESERVED), 1);
	assert_int_equal(scene_dropped(s, 0, DROP_SAME_PORT), 1);
	assert_int_equal(scene_dropped(s, 0, DROP_OVER_MTU), 2);
	assert_int_equal(scene_received(s, 1), 2);
}

/* What does not pass has taught the switch nothing, and is billed to the stage that found it. */
static void test_a_guarded_port_sends_from_its_own_address(void **state)
{
	struct scene *s = *state;
	struct vport *port = &s->guest[0].port;
	struct guard guard = {.allow = GUARD_ALLOW_USUAL};
	uint8_t own[6], other[6], dst[6];

	scene_introduce(s, 1);
	scene_mac(0, own);
	scene_mac(3, other);
	scene_mac(1, dst);
	guard_add_mac(&guard, fdb_mac(own));
	atomic_store(&port->guard, &guard);
	atomic_store(&port->stages, 1u << STAGE_GUARD);
	scene_send_frame(&s->guest[0], dst, other, 0x88b5, 64, 1);
	scene_send_frame(&s->guest[0], dst, other, 0x88b5, 2000, 1); /* and over the MTU */
	scene_send_frame(&s->guest[0], dst, own, 0x88b5, 64, 2);
	scene_send_frame(&s->guest[0], dst, other, 0x88b5, 64, 3);
	scene_turns(s, 3);
	assert_int_equal(scene_dropped(s, 0, DROP_SPOOFED_MAC), 3);
	assert_int_equal(scene_counters(s, 0)->forwarded, 1);
	assert_int_equal(scene_received(s, 1), 1);
	assert_int_equal(fdb_lookup(s->net[0].fdb, fdb_mac(other)), FDB_NO_PORT);
	assert_int_equal(fdb_lookup(s->net[0].fdb, fdb_mac(own)), port->id);
	assert_true(s->w->ledger.vm[s->guest[0].vm.id][STAGE_GUARD] > 0);
	assert_int_equal(s->w->ledger.vm[s->guest[1].vm.id][STAGE_GUARD], 0);
}

/* An address that failed in the IP header teaches nothing either, alone or before one that passes.
 */
static void test_a_forged_ip_address_teaches_nothing(void **state)
{
	static const uint8_t ip[] = {0x08, 0, 0x45, 0,  0, 46, 0, 0,  0, 0, 64,
				     17,   0, 0,    10, 1, 0,  6, 10, 1, 0, 7};
	struct scene *s = *state;
	struct vport *port = &s->guest[0].port;
	struct guard guard = {.allow = GUARD_ALLOW_USUAL};
	struct ip_prefix own;
	uint8_t frame[60] = {0}, src[6];

	scene_introduce(s, 1);
	scene_mac(0, src);
	assert_null(ip_prefix_parse("10.1.0.5", &own));
	guard_add_mac(&guard, fdb_mac(src));
	guard_add_prefix(&guard, &own);
	atomic_store(&port->guard, &guard);
	atomic_store(&port->stages, 1u << STAGE_GUARD);
	scene_mac(1, frame);
	memcpy(frame + 6, src, 6);
	memcpy(frame + 12, ip, sizeof(ip));
	scene_send_bytes(&s->guest[0], frame, sizeof(frame));
	scene_turns(s, 3);
	assert_int_equal(scene_dropped(s, 0, DROP_SPOOFED_IP), 1);
	assert_int_equal(fdb_lookup(s->net[0].fdb, fdb_mac(src)), FDB_NO_PORT);
	assert_int_equal(atomic_load(&port->macs), 0);
	assert_int_equal(scene_received(s, 1), 0);
	scene_send_bytes(&s->guest[0], frame, sizeof(frame));
	frame[29] = 5;
	scene_send_bytes(&s->guest[0], frame, sizeof(frame));
	scene_turns(s, 3);
	assert_int_equal(scene_dropped(s, 0, DROP_SPOOFED_IP), 2);
	assert_int_equal(fdb_lookup(s->net[0].fdb, fdb_mac(src)), port->id);
	assert_int_equal(scene_received(s, 1), 1);
}

/* Guest 0's driver negotiated what it takes to hand packets over whole. */
static void offer_tso(struct scene *s)
{
	struct net_ring *tx = &s->guest[0].pair.tx;

	tx->reads_hdr = true;
	tx->q.features |= 1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_HOST_TSO4;
}

#define TSO_MSS 1000
#define TSO_HDR (14 + 20 + 20)

/* Guest 0 sends a TCP packet to guest 1 of so many segments, whose first byte of payload is `tag`.
 */
static void send_tso(struct scene *s, unsigned segments, uint8_t tag)
{
	struct scene_guest *g = &s->guest[0];
	uint32_t len = TSO_HDR + segments * TSO_MSS;
	struct virtio_net_hdr h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				   .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
				   .gso_size = TSO_MSS,
				   .csum_start = 34,
				   .csum_offset = 16};
	struct rte_ipv4_hdr ip = {.version_ihl = RTE_IPV4_VHL_DEF,
				  .total_length = rte_cpu_to_be_16((uint16_t)(len - 14)),
				  .next_proto_id = IPPROTO_TCP,
				  .src_addr = RTE_BE32(0x0a000001),
				  .dst_addr = RTE_BE32(0x0a000002)};
	uint8_t *p = vhost_fe_alloc(&g->fe, SCENE_HDR + len, 64);
	struct driver_buf b = {vhost_fe_gpa(&g->fe, p), SCENE_HDR + len, false};

	assert_non_null(p);
	memset(p, tag, SCENE_HDR + len);
	memset(p, 0, SCENE_HDR + TSO_HDR);
	memcpy(p, &h, sizeof(h));
	scene_mac(1, p + SCENE_HDR);
	scene_mac(0, p + SCENE_HDR + 6);
	p[SCENE_HDR + 12] = 0x08;
	memcpy(p + SCENE_HDR + 14, &ip, sizeof(ip));
	p[SCENE_HDR + 34 + 12] = 5 << 4;
	assert_true(driver_ring_add(&g->fe.ring[1], &b, 1) >= 0);
	driver_ring_publish(&g->fe.ring[1]);
}

/* To a receiver that takes none whole, between others, which do not overtake it. */
static void test_large_packets_are_segmented(void **state)
{
	struct scene *s = *state;
	uint32_t len;

	offer_tso(s);
	scene_introduce(s, 1);
	scene_send_to(s, 0, 1, 1);
	send_tso(s, 20, 2);
	scene_send_to(s, 0, 1, 3);
	send_tso(s, 2, 4);
	scene_turns(s, 10);
	assert_int_equal(scene_receive(&s->guest[1], &len), 1);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(scene_receive(&s->guest[1], &len), RTE_IPV4_VHL_DEF);
		assert_int_equal(len, TSO_HDR + TSO_MSS);
	}
	assert_int_equal(scene_receive(&s->guest[1], &len), 3);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(scene_receive(&s->guest[1], &len), RTE_IPV4_VHL_DEF);
	assert_int_equal(scene_receive(&s->guest[1], &len), -1);
	assert_int_equal(scene_counters(s, 0)->forwarded, 4);
	assert_int_equal(scene_counters(s, 1)->queue[0].tx_packets, 24);
	assert_true(rte_mempool_full(s->guest[0].vm.pool));
}

/* Guest 1 gets what test_segmentation_goes_on_later sends. */
static void assert_segments_between(struct scene *s, unsigned n)
{
	uint32_t len;

	assert_int_equal(scene_receive(&s->guest[1], &len), 1);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(scene_receive(&s->guest[1], &len), RTE_IPV4_VHL_DEF);
		assert_int_equal(len, TSO_HDR + TSO_MSS);
	}
	assert_int_equal(scene_receive(&s->guest[1], &len), 3);
	assert_int_equal(scene_receive(&s->guest[1], &len), -1);
}

/* A slice ends within a packet: the next service goes on with it, before what came later. */
static void test_segmentation_goes_on_later(void **state)
{
	struct scene *s = *state;

	offer_tso(s);
	scene_introduce(s, 1);
	scene_send_to(s, 0, 1, 1);
	send_tso(s, 60, 2);
	scene_send_to(s, 0, 1, 3);
	scene_cut_a_service(s, 0);
	assert_segments_between(s, 60);
	assert_int_equal(scene_counters(s, 0)->forwarded, 3);
	assert_true(rte_mempool_full(s->guest[0].vm.pool));
}

/* And where another worker cuts it, which has no more time. */
static void test_segmentation_by_another_worker(void **state)
{
	struct scene *s = *state;

	offer_tso(s);
	scene_introduce(s, 1);
	scene_move(s, 1);
	scene_send_to(s, 0, 1, 1);
	send_tso(s, 60, 2);
	scene_send_to(s, 0, 1, 3);
	scene_turns(s, 10);
	s->meanwhile = scene_take_long;
	for (unsigned i = 0; i < 100; i++)
		loop_turn(s->w2);
	s->meanwhile = NULL;
	assert_segments_between(s, 60);
	assert_true(rte_mempool_full(s->guest[0].vm.pool));
}

/* Large packets take as much of the sender's share as their buffers do of its pool. */
static void test_large_packets_take_more_of_a_share(void **state)
{
	const unsigned large = 8, fit = BACKLOG_SHARE - large * (1 + 20 / BACKLOG_BUFFERS_PER_JOB);
	struct scene *s = *state;
	uint16_t vm = s->guest[0].vm.id;

	offer_tso(s);
	scene_introduce(s, 1);
	scene_move(s, 1);
	for (unsigned i = 0; i < large; i++) {
		send_tso(s, 40, 2); /* 20 buffers */
		scene_turns(s, 3);
	}
	for (unsigned i = 0; i < fit + 10; i++) {
		scene_send_to(s, 0, 1, 1);
		scene_turns(s, 1);
		scene_reclaim(s, 0);
	}
	assert_int_equal(scene_dropped(s, 0, DROP_HANDOFF_FULL), 10);
	assert_int_equal(scene_dropped(s, 0, DROP_NO_BUFFER), 0);
	for (unsigned i = 0; i < 50; i++)
		loop_turn(s->w2);
	assert_int_equal(s->w2->jobs_put[vm], s->w2->jobs_done[vm]);
	assert_true(rte_mempool_full(s->guest[0].vm.pool));
}

/* Of a packet that does not arrive whole, the first loss says why. */
static void test_segments_may_be_lost(void **state)
{
	struct scene *s = *state;
	struct rte_mempool *pool = s->guest[0].vm.pool;
	struct rte_mbuf *taken[512];
	unsigned n = 0;

	offer_tso(s);
	scene_introduce(s, 1);
	send_tso(s, 40, 1);
	send_tso(s, 40, 2); /* there are 64 buffers */
	scene_turns(s, 10);
	assert_int_equal(scene_counters(s, 0)->forwarded, 1);
	assert_int_equal(scene_dropped(s, 0, DROP_RING_FULL), 1);
	assert_int_equal(scene_counters(s, 1)->queue[0].tx_packets, SCENE_RING_SIZE);
	scene_offer_again(s, 1);
	/* It is taken without buffers, and then there are none for its segments. */
	while (n < 512 && (taken[n] = rte_pktmbuf_alloc(pool)))
		n++;
	send_tso(s, 40, 3);
	scene_turns(s, 10);
	assert_int_equal(scene_dropped(s, 0, DROP_NO_BUFFER), 1);
	rte_pktmbuf_free_bulk(taken, n);
	assert_true(rte_mempool_full(pool));
}

/* One in the middle meets a malformed buffer, and others behind it do not. */
static void test_the_lost_segment_says_why(void **state)
{
	struct scene *s = *state;
	struct driver_ring *rx = &s->guest[1].fe.ring[0];
	struct driver_buf outside = {1, 2048, true};
	uint64_t before;

	offer_tso(s);
	scene_introduce(s, 1);
	scene_offer_again(s, 1);
	for (unsigned i = 0; i < SCENE_RING_SIZE; i++) /* the good buffers go */
		scene_send_to(s, 0, 1, 1);
	scene_turns(s, 5);
	assert_int_equal(scene_received(s, 1), SCENE_RING_SIZE);
	for (unsigned i = 0; i < 20; i++) {
		struct driver_buf good = {vhost_fe_gpa(&s->guest[1].fe, s->guest[1].rx_buf[i]),
					  2048, true};

		assert_true(driver_ring_add(rx, i == 2 ? &outside : &good, 1) >= 0);
	}
	driver_ring_publish(rx);
	before = scene_counters(s, 1)->queue[0].tx_packets;
	scene_reclaim(s, 0);
	send_tso(s, 5, 2);
	scene_turns(s, 5);
	assert_int_equal(scene_dropped(s, 0, DROP_RECEIVER_BAD), 1);
	assert_int_equal(scene_dropped(s, 0, DROP_BAD_DESCRIPTOR), 0);
	assert_int_equal(scene_counters(s, 1)->queue[0].tx_packets, before + 4);
	assert_int_equal(scene_counters(s, 1)->queue[0].tx_bytes,
			 SCENE_RING_SIZE * 64 + 4 * (TSO_HDR + TSO_MSS));
}

/* A full frame with tags of these types, and then one that is a byte longer. */
static void send_tagged(struct scene *s, const uint16_t *types, unsigned n)
{
	uint8_t frame[1600] = {0};

	scene_mac(1, frame);
	scene_mac(0, frame + 6);
	for (unsigned i = 0; i < n; i++) {
		frame[12 + 4 * i] = (uint8_t)(types[i] >> 8);
		frame[13 + 4 * i] = (uint8_t)types[i];
	}
	frame[12 + 4 * n] = 0x08;
	scene_send_bytes(&s->guest[0], frame, 1514 + 4 * n);
	scene_send_bytes(&s->guest[0], frame, 1515 + 4 * n);
	scene_turns(s, 3);
	scene_reclaim(s, 0);
}

/* Each tag that is there counts, and none that is not. */
static void test_tags_do_not_count_against_the_mtu(void **state)
{
	static const struct {
		uint16_t types[2];
		unsigned n;
	} cases[] = {
		{{0}, 0},
		{{0x8100}, 1},
		{{0x88a8}, 1},
		{{0x8100, 0x8100}, 2},
		{{0x88a8, 0x8100}, 2},
	};
	struct scene *s = *state;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		send_tagged(s, cases[i].types, cases[i].n);
		assert_int_equal(scene_dropped(s, 0, DROP_OVER_MTU), i + 1);
		assert_int_equal(scene_received(s, 1), 1);
	}
}

/* An address that two guests claim by turns is one at each time; those of others are learned. */
static void test_an_address_that_flaps_counts_once(void **state)
{
	struct scene *s = *state;
	uint8_t dst[6], src[6] = {0x52, 0x54, 9, 0, 0, 0};

	scene_mac(2, dst);
	for (unsigned i = 0; i < 64; i++) {
		scene_send_frame(&s->guest[i % 2], dst, src, 0x0800, 64, 1);
		scene_turns(s, 2);
		scene_reclaim(s, i % 2);
		scene_received(s, 2);
		scene_offer_again(s, 2);
	}
	assert_int_equal(atomic_load(&s->guest[0].port.macs), 0);
	assert_int_equal(atomic_load(&s->guest[1].port.macs), 1);
}

/* vhost-user, ring states: what a disabled ring holds is taken and discarded. */
static void test_what_a_disabled_ring_holds_is_discarded(void **state)
{
	struct scene *s = *state;

	s->guest[0].pair.tx_discard = true;
	for (unsigned i = 0; i < 5; i++)
		scene_send_to(s, 0, 1, 1);
	scene_turns(s, 3);
	assert_int_equal(scene_dropped(s, 0, DROP_DISABLED), 5);
	s->guest[0].pair.tx_discard = false;
	scene_send_to(s, 0, 1, 2);
	scene_turns(s, 3);
	assert_int_equal(scene_received(s, 1), 1);
	scene_assert_conserved(s);
}

static void test_jumbo_frames_pass_where_the_mtu_says_so(void **state)
{
	struct scene *s = *state;
	uint8_t src[6], dst[6];
	uint32_t len = 0;

	atomic_store(&s->net[0].mtu, 9000);
	scene_mac(0, src);
	scene_mac(1, dst);
	scene_send_frame(&s->guest[0], dst, src, 0x0800, 9014, 5);
	scene_turns(s, 3);
	/* It takes five of the guest's buffers, the first with the header. */
	assert_int_equal(scene_receive(&s->guest[1], &len), 5);
	for (unsigned i = 1; i < 5; i++) {
		uint32_t part = 0;

		assert_int_equal(scene_receive(&s->guest[1], &part), 5);
		len += part + SCENE_HDR;
	}
	assert_int_equal(len, 9014);
}

static void test_a_full_ring_drops_on_the_senders_account(void **state)
{
	struct scene *s = *state;

	scene_send_to(s, 1, 0, 1);
	scene_turns(s, 3);
	scene_received(s, 0);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 40; i++)
			scene_send_to(s, 0, 1, 1);
		scene_turns(s, 10);
		scene_reclaim(s, 0);
	}
	assert_int_equal(scene_dropped(s, 0, DROP_RING_FULL), 120 - SCENE_RING_SIZE);
	assert_int_equal(scene_counters(s, 1)->tx_drops[DROP_RING_FULL], 120 - SCENE_RING_SIZE);
	assert_int_equal(scene_received(s, 1), SCENE_RING_SIZE);
}

static void test_a_port_that_is_down_costs_its_sender(void **state)
{
	struct scene *s = *state;

	scene_send_to(s, 1, 0, 1);
	scene_turns(s, 3);
	attach_change(s->w, &s->guest[1].port, NULL, NULL, NULL, 0);
	scene_send_to(s, 0, 1, 1);
	scene_turns(s, 3);
	assert_int_equal(scene_dropped(s, 0, DROP_PORT_DOWN), 1);
	assert_int_equal(scene_counters(s, 1)->tx_drops[DROP_PORT_DOWN], 1);
}

/* Of a packet to several the sender does not see who missed it. */
static void test_who_misses_a_flood_is_counted_there(void **state)
{
	struct scene *s = *state;

	attach_change(s->w, &s->guest[3].port, NULL, NULL, NULL, 0);
	scene_send_to_all(s, 0, 1);
	scene_turns(s, 3);
	assert_int_equal(scene_counters(s, 0)->forwarded, 1);
	assert_int_equal(scene_counters(s, 0)->copies, 2);
	assert_int_equal(scene_counters(s, 3)->tx_drops[DROP_PORT_DOWN], 1);
	assert_int_equal(scene_counters(s, 2)->tx_drops[DROP_PORT_DOWN], 0);
}

/* The sender's packets are dropped, but it is known whose fault that is. */
static void test_bad_buffers_are_their_owners_fault(void **state)
{
	struct scene *s = *state;

	scene_send_to(s, 1, 0, 1);
	scene_turns(s, 3);
	for (unsigned i = 0; i < SCENE_RING_SIZE; i++)
		s->guest[1].fe.ring[0].desc[i].addr = UINT64_MAX / 2;
	for (unsigned i = 0; i < 3; i++)
		scene_send_to(s, 0, 1, 1);
	scene_turns(s, 3);
	assert_int_equal(scene_dropped(s, 0, DROP_RECEIVER_BAD), 3);
	assert_int_equal(scene_counters(s, 0)->tx_drops[DROP_RECEIVER_BAD], 0);
	assert_int_equal(scene_counters(s, 1)->tx_drops[DROP_RECEIVER_BAD], 3);
	assert_int_equal(scene_counters(s, 1)->tx_drops[DROP_SLOW_BUFFERS], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_CASE(test_who_misses_a_flood_is_counted_there),
		SCENE_CASE(test_tags_do_not_count_against_the_mtu),
		SCENE_CASE(test_an_address_that_flaps_counts_once),
		SCENE_CASE(test_what_a_disabled_ring_holds_is_discarded),
		SCENE_CASE(test_bad_buffers_are_their_owners_fault),
		SCENE_CASE(test_unknown_goes_to_all_of_the_network),
		SCENE_CASE(test_known_goes_to_one),
		SCENE_CASE(test_each_of_many_gets_its_own),
		SCENE_CASE(test_order_is_kept),
		SCENE_CASE(test_broadcast_reaches_the_network_only),
		SCENE_CASE(test_a_stale_entry_crosses_nothing),
		SCENE_CASE(test_an_address_moves_with_its_guest),
		SCENE_CASE(test_a_port_learns_up_to_its_limit),
		SCENE_CASE(test_what_is_dropped_says_why),
		SCENE_CASE(test_large_packets_are_segmented),
		SCENE_CASE(test_segmentation_goes_on_later),
		SCENE_CASE(test_segmentation_by_another_worker),
		SCENE_CASE(test_large_packets_take_more_of_a_share),
		SCENE_CASE(test_segments_may_be_lost),
		SCENE_CASE(test_the_lost_segment_says_why),
		SCENE_CASE(test_a_guarded_port_sends_from_its_own_address),
		SCENE_CASE(test_a_forged_ip_address_teaches_nothing),
		SCENE_CASE(test_jumbo_frames_pass_where_the_mtu_says_so),
		SCENE_CASE(test_a_full_ring_drops_on_the_senders_account),
		SCENE_CASE(test_a_port_that_is_down_costs_its_sender),
	};

	if (fake_eal_init("forward_test") < 0)
		return 1;
	return cmocka_run_group_tests_name("forward", tests, NULL, NULL);
}
