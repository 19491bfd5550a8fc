/* SPDX-License-Identifier: BSD-3-Clause */
/* Large TCP packets to other hosts, which are cut into segments on the way: what gets on the wire
 * when all goes well, and when the uplink, the time or the host is gone in the middle. */
#include "vswitch/wire_tx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/virtio_net.h>

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "tests/fake/eal.h"
#include "tests/fake/inner_frame.h"
#include "tests/fake/tcp_packet.h"
#include "tests/fake/wire_scene.h"
#include "vswitch/attach.h"
#include "vswitch/backlog.h"
#include "vswitch/loop.h"

#define HOST 50
#define MSS  1000
#define MANY 60 /* segments, of which 16 are sent at once */

static const uint8_t nobody[6] = {0x52, 0x54, 1, 1, 1, 1};

/* Guest i sends a TCP packet of so many segments to an address. */
static void send_large(struct wire_scene *ws, unsigned i, const uint8_t dst[6], unsigned segments,
		       bool v6)
{
	const struct tcp_shape shape = {.v6 = v6, .len = segments * MSS, .mss = MSS};
	struct scene_guest *g = &ws->s->guest[i];
	uint8_t *p = vhost_fe_alloc(&g->fe, SCENE_HDR + TCP_PACKET_MAX, 64);
	struct virtio_net_hdr h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				   .gso_type = v6 ? VIRTIO_NET_HDR_GSO_TCPV6
						  : VIRTIO_NET_HDR_GSO_TCPV4,
				   .gso_size = MSS,
				   .csum_offset = 16};
	struct tcp_lens lens;
	struct driver_buf b;

	assert_non_null(p);
	g->pair.tx.reads_hdr = true;
	g->pair.tx.q.features |= 1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_HOST_TSO4 |
				 1ULL << VIRTIO_NET_F_HOST_TSO6;
	b = (struct driver_buf){vhost_fe_gpa(&g->fe, p), SCENE_HDR, false};
	b.len += tcp_packet_write(p + SCENE_HDR, &shape, &lens);
	h.csum_start = (uint16_t)(lens.l2 + lens.l3);
	memset(p, 0, SCENE_HDR);
	memcpy(p, &h, sizeof(h));
	memcpy(p + SCENE_HDR, dst, 6);
	scene_mac(i, p + SCENE_HDR + 6);
	assert_true(driver_ring_add(&g->fe.ring[1], &b, 1) >= 0);
	driver_ring_publish(&g->fe.ring[1]);
}

static void send_large_to(struct wire_scene *ws, unsigned host, unsigned segments)
{
	uint8_t dst[6];

	wire_host_mac(host, dst);
	send_large(ws, 0, dst, segments, false);
}

/* The packet's segment `k` is next on the wire, and right. */
static void assert_segment(struct wire_scene *ws, unsigned host, unsigned k, bool v6)
{
	uint32_t l4 = v6 ? 54 : 34, at = l4 + 20, seq;
	struct wire_sent sent;

	assert_true(wire_take(ws, &sent));
	assert_int_equal(sent.host, host);
	assert_int_equal(sent.len, at + MSS);
	memcpy(&seq, sent.frame + l4 + 4, sizeof(seq));
	assert_int_equal(rte_be_to_cpu_32(seq), TCP_PACKET_SEQ + k * MSS);
	assert_memory_equal(sent.frame + at, tcp_packet_payload() + (size_t)k * MSS, MSS);
	assert_int_equal(plain_l4_sum(sent.frame + 14 + (v6 ? 8 : 12), v6, IPPROTO_TCP,
				      sent.frame + l4, 20 + MSS),
			 0xffff);
	if (!v6)
		assert_int_equal(plain_sum(sent.frame + 14, 20, 0), 0xffff);
}

static void assert_segments(struct wire_scene *ws, unsigned host, unsigned from, unsigned to)
{
	for (unsigned k = from; k < to; k++)
		assert_segment(ws, host, k, false);
}

/* A small packet, a large one and another small one, all to one host. */
static void send_between_others(struct wire_scene *ws)
{
	wire_introduce(ws, HOST);
	wire_send_to(ws, HOST, 1);
	send_large_to(ws, HOST, MANY);
	wire_send_to(ws, HOST, 3);
}

static void assert_between_others(struct wire_scene *ws)
{
	wire_assert_next(ws, HOST, 1);
	assert_segments(ws, HOST, 0, MANY);
	wire_assert_next(ws, HOST, 3);
	assert_int_equal(wire_take_all(ws), 0);
	assert_int_equal(scene_counters(ws->s, 0)->forwarded, 3);
	assert_int_equal(scene_counters(ws->s, 0)->copies, 0);
	assert_int_equal(ws->wire[0]->remote[HOST].packets, 3);
	assert_true(rte_mempool_full(ws->s->guest[0].vm.pool));
}

static struct backlog *backlog_of(const struct scene *s, unsigned i)
{
	return &s->w->backlog[s->guest[i].vm.id];
}

static void test_it_is_cut_in_its_place(void **state)
{
	struct wire_scene *ws = *state;

	send_between_others(ws);
	scene_turns(ws->s, 10);
	assert_between_others(ws);
}

static void test_ipv6_is_cut_too(void **state)
{
	struct wire_scene *ws = *state;
	uint8_t dst[6];

	wire_introduce(ws, HOST);
	wire_host_mac(HOST, dst);
	send_large(ws, 0, dst, 5, true);
	scene_turns(ws->s, 3);
	for (unsigned k = 0; k < 5; k++)
		assert_segment(ws, HOST, k, true);
	assert_int_equal(wire_take_all(ws), 0);
}

/* The uplink has room for some of them: the rest waits, and what follows waits behind it. */
static void test_it_goes_on_when_the_uplink_has_room(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct backlog *b = backlog_of(s, 0);

	wire_fill(ws, 20);
	send_between_others(ws);
	scene_turns(s, 10);
	assert_int_equal(b->n, 1);
	assert_int_equal(backlog_at(b, 0)->kind, JOB_WIRE);
	assert_int_equal(backlog_at(b, 0)->cursor, 32);
	assert_int_equal(uplink_queue(ws->uplink, 0)->n_waiting, 1 + 32 - 20);
	assert_int_equal(scene_counters(s, 0)->forwarded, 1);
	assert_in_range(sched_next_tsc(s->w->sched), s->now, s->now + WIRE_HOLD_US * 1000);
	wire_make_room(ws, 20);
	assert_between_others(ws);
}

/* Room comes bit by bit. */
static void test_it_goes_on_as_often_as_it_takes(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	unsigned k = 0, steps = 0;

	wire_introduce(ws, HOST);
	wire_fill(ws, 1);
	send_large_to(ws, HOST, MANY);
	for (; k < MANY && steps < 1000; steps++) {
		s->now += WIRE_HOLD_US * 1000;
		scene_turns(s, 1);
		wire_drain_filling(ws);
		if (uplink_queue(ws->uplink, 0)->counters.tx_packets > k) {
			assert_segments(ws, HOST, k, k + 1);
			k++;
		}
		wire_fill(ws, 1);
	}
	assert_int_equal(k, MANY);
	assert_int_equal(backlog_of(s, 0)->n, 0);
	assert_int_equal(scene_counters(s, 0)->forwarded, 1);
	assert_int_equal(uplink_queue(ws->uplink, 0)->counters.tx_packets, MANY);
}

static void test_it_goes_on_when_there_is_time(void **state)
{
	struct wire_scene *ws = *state;

	send_between_others(ws);
	scene_cut_a_service(ws->s, 0);
	assert_between_others(ws);
}

/* Ends a service within a large packet to the host, with 32 of its segments sent or waiting. */
static void cut(struct wire_scene *ws)
{
	wire_introduce(ws, HOST);
	wire_fill(ws, 20);
	send_large_to(ws, HOST, MANY);
	scene_turns(ws->s, 5);
	assert_int_equal(backlog_of(ws->s, 0)->n, 1);
	assert_int_equal(backlog_at(backlog_of(ws->s, 0), 0)->cursor, 32);
}

/* What was sent stays sent; the packet is lost all the same, and the next one is not. */
static void assert_lost(struct wire_scene *ws, enum drop_reason reason)
{
	struct scene *s = ws->s;

	wire_make_room(ws, 10);
	assert_int_equal(backlog_of(s, 0)->n, 0);
	assert_int_equal(scene_dropped(s, 0, reason), 1);
	assert_int_equal(scene_counters(s, 0)->forwarded, 0);
	assert_segments(ws, HOST, 0, 32);
	assert_int_equal(wire_take_all(ws), 0);
}

/* Another host with the same number gets nothing of it. */
static void test_a_host_that_is_replaced_in_the_middle(void **state)
{
	struct wire_scene *ws = *state;

	cut(ws);
	wire_set_host(ws, HOST, DROP_COUNT, WIRE_MTU, 2);
	assert_lost(ws, DROP_TUNNEL_NO_ROUTE);
}

static void test_a_host_that_goes_away_in_the_middle(void **state)
{
	struct wire_scene *ws = *state;

	cut(ws);
	free(atomic_exchange(&ws->tables->adjacency[HOST], NULL));
	assert_lost(ws, DROP_TUNNEL_NO_ROUTE);
}

static void test_without_buffers_the_rest_is_lost(void **state)
{
	struct wire_scene *ws = *state;
	struct rte_mempool *pool = uplink_queue(ws->uplink, 0)->tx_pool;
	struct rte_mbuf *taken[4096];
	unsigned n = 0;

	while (n < 4096 && rte_mempool_avail_count(pool) > 32)
		taken[n++] = rte_pktmbuf_alloc(pool);
	wire_introduce(ws, HOST);
	send_large_to(ws, HOST, MANY);
	scene_turns(ws->s, 5);
	assert_int_equal(scene_dropped(ws->s, 0, DROP_UPLINK_FULL), 1);
	assert_segments(ws, HOST, 0, 32);
	assert_int_equal(wire_take_all(ws), 0);
	rte_pktmbuf_free_bulk(taken, n);
}

/* What waits is freed with its VM; the end of the test looks after the buffers. */
static void test_the_rest_goes_with_its_vm(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	cut(ws);
	assert_true(rte_mempool_in_use_count(s->guest[0].vm.pool) > 0);
	/* As the port, whose counters go with it, goes before the VM does. */
	memset(&s->w->counters[s->guest[0].port.id], 0, sizeof(s->w->counters[0]));
}

/* The worker that began it ends it. */
static void test_the_rest_is_sent_when_the_vm_moves(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	cut(ws);
	scene_move(s, 0);
	wire_make_room(ws, 10);
	assert_segments(ws, HOST, 0, MANY);
	assert_int_equal(wire_take_all(ws), 0);
	assert_int_equal(scene_counters(s, 0)->forwarded, 1);
}

/* One port that takes no large packets, and two hosts. */
static void test_a_flood_is_cut_for_each(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	scene_join(s, 1, 1);
	wire_flood_to(ws, 1, 2);
	send_large(ws, 5, nobody, 20, false);
	scene_turns(s, 10);
	assert_int_equal(scene_received(s, SCENE_GUESTS), 20);
	assert_segments(ws, 0, 0, 20);
	assert_segments(ws, 1, 0, 20);
	assert_int_equal(wire_take_all(ws), 0);
	assert_int_equal(scene_counters(s, 5)->forwarded, 1);
	assert_int_equal(scene_counters(s, 5)->copies, 2);
}

static void test_segments_over_the_paths_mtu_are_answered(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	wire_introduce(ws, HOST);
	wire_set_host(ws, HOST, DROP_COUNT, MSS + 40, 1);
	send_large_to(ws, HOST, 5);
	scene_turns(s, 3);
	assert_int_equal(wire_take_all(ws), 5);
	wire_set_host(ws, HOST, DROP_COUNT, MSS + 39, 1);
	send_large_to(ws, HOST, 5);
	scene_turns(s, 3);
	assert_int_equal(wire_take_all(ws), 0);
	assert_int_equal(scene_counters(s, 0)->consumed + scene_dropped(s, 0, DROP_OVER_PATH_MTU),
			 1);
}

static void test_a_host_that_goes_down_in_the_middle(void **state)
{
	struct wire_scene *ws = *state;

	cut(ws);
	wire_set_host(ws, HOST, DROP_UPLINK_DOWN, WIRE_MTU, 1);
	assert_lost(ws, DROP_UPLINK_DOWN);
}

static void test_a_path_whose_mtu_sinks_in_the_middle(void **state)
{
	struct wire_scene *ws = *state;

	cut(ws);
	wire_set_host(ws, HOST, DROP_COUNT, MSS, 1);
	assert_lost(ws, DROP_OVER_PATH_MTU);
}

/* Nor does a host, in whose network the sender is by now. */
static void test_a_port_that_changes_networks_in_the_middle(void **state)
{
	struct wire_scene *ws = *state;

	cut(ws);
	atomic_fetch_add(&ws->s->guest[0].port.epoch, 1);
	assert_lost(ws, DROP_PORT_GONE);
}

/* When the port has it, and the rest for a host goes on later, it counts once. */
static void test_a_flood_that_goes_on_later_counts_once(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	scene_join(s, 1, 1);
	wire_flood_to(ws, 1, 1);
	wire_fill(ws, 10);
	send_large(ws, 5, nobody, 20, false);
	scene_turns(s, 5);
	assert_int_equal(scene_received(s, SCENE_GUESTS), 20);
	assert_int_equal(backlog_of(s, 5)->n, 1);
	wire_make_room(ws, 10);
	assert_segments(ws, 0, 0, 20);
	assert_int_equal(scene_counters(s, 5)->forwarded, 1);
	assert_int_equal(scene_counters(s, 5)->copies, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WIRE_CASE(test_it_is_cut_in_its_place),
		WIRE_CASE(test_ipv6_is_cut_too),
		WIRE_CASE(test_it_goes_on_when_the_uplink_has_room),
		WIRE_CASE(test_it_goes_on_as_often_as_it_takes),
		WIRE_CASE(test_it_goes_on_when_there_is_time),
		WIRE_CASE(test_a_host_that_is_replaced_in_the_middle),
		WIRE_CASE(test_a_host_that_goes_away_in_the_middle),
		WIRE_CASE(test_without_buffers_the_rest_is_lost),
		WIRE_CASE(test_the_rest_goes_with_its_vm),
		WIRE_CASE(test_the_rest_is_sent_when_the_vm_moves),
		WIRE_CASE(test_a_flood_is_cut_for_each),
		WIRE_CASE(test_segments_over_the_paths_mtu_are_answered),
		WIRE_CASE(test_a_host_that_goes_down_in_the_middle),
		WIRE_CASE(test_a_path_whose_mtu_sinks_in_the_middle),
		WIRE_CASE(test_a_port_that_changes_networks_in_the_middle),
		WIRE_CASE(test_a_flood_that_goes_on_later_counts_once),
	};

	if (fake_eal_init("wire_tx_large_test") < 0)
		return 1;
	return cmocka_run_group_tests_name("wire_tx_large", tests, NULL, NULL);
}
