/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets to other hosts, in whole turns of the loop: what gets on the wire, in which order, and
 * what becomes of packets that do not. A full uplink is in wire_tx_full_test.c, large TCP packets
 * are in wire_tx_large_test.c. */
#include "vswitch/wire_tx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <linux/virtio_net.h>
#include <netinet/in.h>

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "tests/fake/eal.h"
#include "tests/fake/inner_frame.h"
#include "tests/fake/wire_scene.h"
#include "vswitch/loop.h"

#define MANY 40 /* more than one part of a batch */

/* Local ports that guest 0's floods go to. */
#define OTHERS 4

/* --- what gets there ---------------------------------------------------------------------------
 */

static void test_unknown_goes_to_all_ports_and_hosts(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct wire_sent sent;
	uint8_t frame[14 + 300];

	for (unsigned i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 3);
	scene_mac(30, frame);
	scene_mac(0, frame + 6);
	scene_send_bytes(&s->guest[0], frame, sizeof(frame));
	scene_turns(s, 3);
	for (unsigned i = 0; i < WIRE_FLOODED; i++) {
		assert_true(wire_take(ws, &sent));
		assert_int_equal(sent.host, i);
		assert_int_equal(sent.vni, WIRE_VNI);
		assert_int_equal(sent.len, sizeof(frame));
		assert_memory_equal(sent.frame, frame, sizeof(frame));
		assert_int_equal(ws->wire[0]->remote[i].packets, 1);
		assert_int_equal(ws->wire[0]->remote[i].bytes, sizeof(frame));
	}
	assert_false(wire_take(ws, &sent));
	assert_int_equal(scene_received(s, 0), 0);
	for (unsigned i = 1; i <= OTHERS; i++)
		assert_int_equal(scene_received(s, i), 1);
	assert_int_equal(scene_counters(s, 0)->forwarded, 1);
	assert_int_equal(scene_counters(s, 0)->flooded, 1);
	assert_int_equal(scene_counters(s, 0)->copies, OTHERS + WIRE_FLOODED - 1);
}

/* A port that is alone here floods to other hosts all the same. */
static void test_the_only_port_floods_to_hosts(void **state)
{
	struct wire_scene *ws = *state;
	struct wire_sent sent;

	wire_flood_to(ws, 1, 2);
	scene_send_to_all(ws->s, 5, 9);
	scene_turns(ws->s, 3);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(wire_take(ws, &sent));
		assert_int_equal(sent.host, i);
		assert_int_equal(sent.vni, WIRE_VNI + 1);
	}
	assert_false(wire_take(ws, &sent));
	assert_int_equal(scene_counters(ws->s, 5)->forwarded, 1);
	assert_int_equal(scene_counters(ws->s, 5)->copies, 1);
}

static void test_a_known_host_gets_it_alone(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	wire_introduce(ws, 50);
	wire_send_to(ws, 50, 7);
	scene_turns(s, 3);
	wire_assert_next(ws, 50, 7);
	assert_int_equal(wire_take_all(ws), 0);
	for (unsigned i = 0; i < SCENE_GUESTS; i++)
		assert_int_equal(scene_received(s, i), 0);
	assert_int_equal(scene_counters(s, 0)->forwarded, 1);
	assert_int_equal(scene_counters(s, 0)->copies, 0);
	assert_int_equal(uplink_queue(ws->uplink, 0)->counters.tx_packets, 1);
	assert_int_equal(uplink_queue(ws->uplink, 0)->counters.tx_bytes, 64 + 50);
}

/* To hosts and guests by turns, so that there are several outboxes. */
static void test_order_is_kept(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	uint32_t len;

	wire_introduce_guest(ws, 1);
	wire_introduce(ws, 50);
	wire_introduce(ws, 51);
	for (uint8_t i = 0; i < MANY; i++) {
		if (i % 4 == 0)
			scene_send_to(s, 0, 1, i);
		else
			wire_send_to(ws, i % 4 == 1 ? 51 : 50, i);
	}
	scene_turns(s, 10);
	for (uint8_t i = 0; i < MANY; i++) {
		if (i % 4 == 0)
			assert_int_equal(scene_receive(&s->guest[1], &len), i);
		else
			wire_assert_next(ws, i % 4 == 1 ? 51 : 50, i);
	}
	assert_int_equal(scene_counters(s, 0)->forwarded, MANY);
}

static void test_the_sender_pays(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	scene_send_to_all(s, 0, 1);
	scene_turns(s, 3);
	assert_true(s->w->ledger.vm[s->guest[0].vm.id][STAGE_WIRE_TX] > 0);
	for (unsigned i = 1; i < SCENE_GUESTS; i++)
		assert_int_equal(ledger_vm_sum(&s->w->ledger, s->guest[i].vm.id),
				 s->w->ledger.vm[s->guest[i].vm.id][STAGE_CONTROL]);
	wire_take_all(ws);
}

/* Each worker has a queue of its own. */
static void test_another_worker_sends_too(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	scene_move(s, 0);
	wire_introduce(ws, 50);
	wire_send_to(ws, 50, 7);
	loop_turn(s->w2);
	assert_int_equal(rte_ring_count(ws->ring[1]), 1);
	assert_int_equal(rte_ring_count(ws->ring[0]), 0);
	assert_int_equal(s->w2->counters[s->guest[0].port.id].forwarded, 1);
}

/* Buffers of the uplink have room for 2,048 bytes. */
static void test_long_packets_take_several_buffers(void **state)
{
	struct wire_scene *ws = *state;
	uint8_t frame[WIRE_MAX_FRAME];
	struct wire_sent sent;

	atomic_store(&ws->s->net[0].mtu, 9000);
	wire_set_host(ws, 50, DROP_COUNT, 8950, 1);
	wire_introduce(ws, 50);
	for (unsigned i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 5 + i / 256);
	wire_host_mac(50, frame);
	scene_mac(0, frame + 6);
	scene_send_bytes(&ws->s->guest[0], frame, 2049);
	scene_send_bytes(&ws->s->guest[0], frame, 8964);
	scene_turns(ws->s, 3);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(wire_take(ws, &sent));
		assert_int_equal(sent.len, i == 0 ? 2049 : 8964);
		assert_memory_equal(sent.frame, frame, sent.len);
	}
}

/* --- checksums ---------------------------------------------------------------------------------
 */

/* Sends a frame with right checksums whose TCP or UDP checksum the guest leaves to us. */
static void send_unsummed(struct wire_scene *ws, const uint8_t *whole, uint32_t len, uint32_t l4,
			  uint16_t sum_at, bool v6)
{
	struct scene_guest *g = &ws->s->guest[0];
	uint8_t *p = vhost_fe_alloc(&g->fe, SCENE_HDR + len, 64);
	struct driver_buf b = {vhost_fe_gpa(&g->fe, p), SCENE_HDR + len, false};
	struct virtio_net_hdr h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				   .csum_start = (uint16_t)l4,
				   .csum_offset = sum_at};
	uint8_t *frame = p + SCENE_HDR, proto = sum_at == 16 ? IPPROTO_TCP : IPPROTO_UDP;
	const uint8_t *addrs = frame + 14 + (v6 ? 8 : 12);
	uint8_t rest[4] = {0, proto, (uint8_t)((len - l4) >> 8), (uint8_t)(len - l4)};
	uint16_t sum;

	memset(p, 0, SCENE_HDR);
	memcpy(p, &h, sizeof(h));
	memcpy(frame, whole, len);
	sum = plain_sum(rest, 4, plain_sum(addrs, v6 ? 32 : 8, 0));
	frame[l4 + sum_at] = (uint8_t)(sum >> 8);
	frame[l4 + sum_at + 1] = (uint8_t)sum;
	assert_true(driver_ring_add(&g->fe.ring[1], &b, 1) >= 0);
	driver_ring_publish(&g->fe.ring[1]);
}

static void test_checksums_are_completed(void **state)
{
	struct wire_scene *ws = *state;
	struct net_ring *tx = &ws->s->guest[0].pair.tx;
	uint8_t frame[INNER_FRAME_MAX];
	struct wire_sent sent;

	tx->reads_hdr = true;
	tx->q.features |= 1ULL << VIRTIO_NET_F_CSUM;
	wire_introduce(ws, 50);
	for (unsigned i = 0; i < 8; i++) {
		bool v6 = i & 1, udp = i & 2;
		struct inner_shape shape = {.v6 = v6,
					    .proto = udp ? IPPROTO_UDP : IPPROTO_TCP,
					    .len = i & 4 ? 1001 : 3};
		uint32_t len = inner_frame_write(frame, &shape);

		wire_host_mac(50, frame);
		scene_mac(0, frame + 6);
		send_unsummed(ws, frame, len, v6 ? 54 : 34, udp ? 6 : 16, v6);
		scene_turns(ws->s, 3);
		assert_true(wire_take(ws, &sent));
		assert_int_equal(sent.len, len);
		assert_memory_equal(sent.frame, frame, len);
	}
}

/* --- hosts that are down ------------------------------------------------------------------------
 */

static void test_a_host_that_is_down_drops_for_its_reason(void **state)
{
	static const enum drop_reason reasons[] = {DROP_UNRESOLVED, DROP_TUNNEL_NO_ROUTE,
						   DROP_UPLINK_DOWN};
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	wire_introduce(ws, 50);
	for (unsigned i = 0; i < 3; i++) {
		wire_set_host(ws, 50, reasons[i], WIRE_MTU, 1);
		wire_send_to(ws, 50, 1);
		scene_turns(s, 3);
		assert_int_equal(scene_dropped(s, 0, reasons[i]), 1);
		assert_int_equal(ws->wire[0]->remote[50].drops, i + 1);
	}
	assert_int_equal(wire_take_all(ws), 0);
	assert_int_equal(scene_counters(s, 0)->forwarded, 0);
}

/* An address behind a host that is no more, or with no uplink on the way, or no wire at all. */
static void test_what_is_not_there_drops(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	wire_introduce(ws, 50);
	free(atomic_exchange(&ws->tables->adjacency[50], NULL));
	wire_send_to(ws, 50, 1);
	scene_turns(s, 3);
	assert_int_equal(scene_dropped(s, 0, DROP_TUNNEL_NO_ROUTE), 1);

	wire_set_host(ws, 50, DROP_COUNT, WIRE_MTU, 1);
	ws->wire[0]->tx[0] = NULL;
	wire_send_to(ws, 50, 1);
	scene_turns(s, 3);
	assert_int_equal(scene_dropped(s, 0, DROP_UPLINK_DOWN), 1);
	ws->wire[0]->tx[0] = uplink_queue(ws->uplink, 0);

	s->w->wire = NULL;
	wire_send_to(ws, 50, 1);
	scene_turns(s, 3);
	s->w->wire = ws->wire[0];
	assert_int_equal(scene_dropped(s, 0, DROP_TUNNEL_NO_ROUTE), 2);
	assert_int_equal(wire_take_all(ws), 0);
}

/* The sender does not see who of several missed it. */
static void test_a_flood_reaches_the_hosts_that_are_up(void **state)
{
	struct wire_scene *ws = *state;

	wire_set_host(ws, 1, DROP_UNRESOLVED, WIRE_MTU, 1);
	scene_send_to_all(ws->s, 0, 3);
	scene_turns(ws->s, 3);
	wire_assert_next(ws, 0, 3);
	wire_assert_next(ws, 2, 3);
	assert_int_equal(wire_take_all(ws), 0);
	assert_int_equal(scene_counters(ws->s, 0)->forwarded, 1);
	assert_int_equal(scene_counters(ws->s, 0)->copies, OTHERS + 1);
	assert_int_equal(ws->wire[0]->remote[1].drops, 1);
}

/* The last failure says why. */
static void test_a_flood_that_no_host_gets_is_dropped(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	wire_flood_to(ws, 1, 2);
	wire_set_host(ws, 0, DROP_UNRESOLVED, WIRE_MTU, 1);
	wire_set_host(ws, 1, DROP_TUNNEL_NO_ROUTE, WIRE_MTU, 1);
	scene_send_to_all(s, 5, 9);
	scene_turns(s, 3);
	assert_int_equal(scene_counters(s, 5)->forwarded, 0);
	assert_int_equal(scene_dropped(s, 5, DROP_TUNNEL_NO_ROUTE), 1);
}

/* --- the path's MTU ----------------------------------------------------------------------------
 */

/* A UDP datagram of guest 0's: its bytes of layer 3, whether it must not be fragmented, and VLAN
 * tags before it. */
struct datagram {
	uint16_t l3_len;
	bool has_df;
	unsigned tags;
};

static void send_datagram(struct wire_scene *ws, const uint8_t dst[6], struct datagram d)
{
	struct rte_ipv4_hdr ip = {
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16(d.l3_len),
		.fragment_offset = d.has_df ? RTE_BE16(RTE_IPV4_HDR_DF_FLAG) : 0,
		.time_to_live = 64,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = RTE_BE32(RTE_IPV4(10, 0, 0, 1)),
		.dst_addr = RTE_BE32(RTE_IPV4(10, 0, 0, 2)),
	};
	uint8_t frame[2000] = {0}, *l3 = frame + 14 + (size_t)4 * d.tags;

	memcpy(frame, dst, 6);
	scene_mac(0, frame + 6);
	for (unsigned i = 0; i < d.tags; i++)
		frame[12 + 4 * i] = 0x81;
	l3[-2] = 0x08;
	memcpy(l3, &ip, sizeof(ip));
	l3[20 + 4] = (uint8_t)((d.l3_len - 20) >> 8);
	l3[20 + 5] = (uint8_t)(d.l3_len - 20);
	scene_send_bytes(&ws->s->guest[0], frame, (size_t)(l3 - frame) + d.l3_len);
}

static void send_datagram_to(struct wire_scene *ws, unsigned host, uint16_t l3_len, bool has_df)
{
	uint8_t dst[6];

	wire_host_mac(host, dst);
	send_datagram(ws, dst, (struct datagram){l3_len, has_df, 0});
}

static void test_a_packet_over_the_paths_mtu_is_answered(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	const uint8_t *got;
	uint32_t len;

	wire_introduce(ws, 50);
	wire_set_host(ws, 50, DROP_COUNT, 1400, 1);
	send_datagram_to(ws, 50, 1400, true);
	send_datagram_to(ws, 50, 1401, true);
	scene_turns(s, 3);
	assert_int_equal(wire_take_all(ws), 1);
	assert_int_equal(scene_receive(&s->guest[0], &len), RTE_IPV4_VHL_DEF);
	/* The first buffer that was offered: ICMP "fragmentation needed" with the path's MTU. */
	got = s->guest[0].rx_buf[0] + SCENE_HDR;
	assert_int_equal(got[34], 3);
	assert_int_equal(got[35], 4);
	assert_int_equal(got[40] << 8 | got[41], 1400);
	assert_int_equal(scene_counters(s, 0)->consumed, 1);
	assert_int_equal(scene_counters(s, 0)->forwarded, 1);
}

/* In the tunnel a packet's VLAN tags take room, so the path has less for what is behind them. They
 * take none of the network's own MTU. */
static void test_tags_count_against_the_paths_mtu(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	uint8_t dst[6];
	uint32_t len;

	wire_introduce(ws, 50);
	wire_host_mac(50, dst);
	for (unsigned tags = 1; tags <= 2; tags++) {
		uint16_t fits = (uint16_t)(1400 - 4 * tags);
		const uint8_t *icmp = s->guest[0].rx_buf[tags - 1] + SCENE_HDR + 34 + 4 * tags;

		wire_set_host(ws, 50, DROP_COUNT, 1400, 1);
		send_datagram(ws, dst, (struct datagram){fits, true, tags});
		send_datagram(ws, dst, (struct datagram){fits + 1, true, tags});
		scene_turns(s, 3);
		assert_int_equal(wire_take_all(ws), 1);
		assert_true(scene_receive(&s->guest[0], &len) >= 0);
		assert_int_equal(icmp[0], 3);
		assert_int_equal(icmp[1], 4);
		assert_int_equal(icmp[6] << 8 | icmp[7], fits);
		wire_set_host(ws, 50, DROP_COUNT, 1500 + 4 * tags, 1);
		send_datagram(ws, dst, (struct datagram){1500, true, tags});
		scene_turns(s, 3);
		assert_int_equal(wire_take_all(ws), 1);
	}
	assert_int_equal(scene_counters(s, 0)->consumed, 2);
}

static void test_without_df_it_is_dropped(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	wire_introduce(ws, 50);
	wire_set_host(ws, 50, DROP_COUNT, 1400, 1);
	send_datagram_to(ws, 50, 1401, false);
	scene_turns(s, 3);
	assert_int_equal(scene_dropped(s, 0, DROP_OVER_PATH_MTU), 1);
	assert_int_equal(scene_received(s, 0), 0);
	assert_int_equal(wire_take_all(ws), 0);
}

/* The MTU of one path does not count for another one, however packets to them follow. */
static void test_each_path_has_its_mtu(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	wire_introduce(ws, 50);
	wire_introduce(ws, 51);
	wire_set_host(ws, 50, DROP_COUNT, 1300, 1);
	wire_set_host(ws, 51, DROP_COUNT, 1400, 1);
	send_datagram_to(ws, 50, 1200, false);
	send_datagram_to(ws, 51, 1450, false);
	send_datagram_to(ws, 50, 1350, false);
	send_datagram_to(ws, 51, 1350, false);
	scene_turns(s, 3);
	assert_int_equal(scene_dropped(s, 0, DROP_OVER_PATH_MTU), 2);
	assert_int_equal(wire_take_all(ws), 2);
}

/* A flood does not fit all paths: it goes where it does. */
static void test_a_flood_goes_where_it_fits(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct wire_sent sent;

	wire_set_host(ws, 1, DROP_COUNT, 1300, 1);
	send_datagram(ws, scene_all, (struct datagram){1350, false, 0});
	scene_turns(s, 3);
	assert_true(wire_take(ws, &sent) && sent.host == 0);
	assert_true(wire_take(ws, &sent) && sent.host == 2);
	assert_false(wire_take(ws, &sent));
	assert_int_equal(ws->wire[0]->remote[1].drops, 1);
	assert_int_equal(scene_counters(s, 0)->copies, OTHERS + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WIRE_CASE(test_unknown_goes_to_all_ports_and_hosts),
		WIRE_CASE(test_the_only_port_floods_to_hosts),
		WIRE_CASE(test_a_known_host_gets_it_alone),
		WIRE_CASE(test_order_is_kept),
		WIRE_CASE(test_the_sender_pays),
		WIRE_CASE(test_another_worker_sends_too),
		WIRE_CASE(test_long_packets_take_several_buffers),
		WIRE_CASE(test_checksums_are_completed),
		WIRE_CASE(test_a_host_that_is_down_drops_for_its_reason),
		WIRE_CASE(test_what_is_not_there_drops),
		WIRE_CASE(test_a_flood_reaches_the_hosts_that_are_up),
		WIRE_CASE(test_a_flood_that_no_host_gets_is_dropped),
		WIRE_CASE(test_a_packet_over_the_paths_mtu_is_answered),
		WIRE_CASE(test_tags_count_against_the_paths_mtu),
		WIRE_CASE(test_without_df_it_is_dropped),
		WIRE_CASE(test_each_path_has_its_mtu),
		WIRE_CASE(test_a_flood_goes_where_it_fits),
	};

	if (fake_eal_init("wire_tx_test") < 0)
		return 1;
	return cmocka_run_group_tests_name("wire_tx", tests, NULL, NULL);
}
