/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets from other hosts, in whole turns of the loop: who gets them, who pays, and why packets
 * are dropped. What waits for a service is in staging_test.c. */
#include "vswitch/ingress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "tests/fake/eal.h"
#include "tests/fake/wire_scene.h"
#include "vswitch/loop.h"

#define HOST 50

static const uint8_t nobody[6] = {0x52, 0x54, 1, 1, 1, 1};

static uint64_t row(const struct scene *s, unsigned i, enum stage stage)
{
	return s->w->ledger.vm[s->guest[i].vm.id][stage];
}

static uint64_t counted(struct wire_scene *ws, enum wire_drop why)
{
	return uplink_queue(ws->uplink, 1)->counters.rx_drops[why];
}

/* Guest i is known, and the wire is listened to. */
static void set_up(struct wire_scene *ws, unsigned i)
{
	wire_introduce_guest(ws, i);
	wire_listen(ws);
}

/* --- who gets them ------------------------------------------------------------------------------
 */

static void test_a_guest_gets_what_is_for_it(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	const struct uplink_queue *q = uplink_queue(ws->uplink, 1);
	uint32_t len;

	set_up(ws, 1);
	for (uint8_t i = 0; i < 40; i++)
		wire_arrive_for(ws, HOST, 1, i);
	scene_turns(s, 3);
	for (int i = 0; i < 40; i++) {
		assert_int_equal(scene_receive(&s->guest[1], &len), i);
		assert_int_equal(len, 64);
	}
	for (unsigned i = 0; i < SCENE_GUESTS; i++)
		assert_int_equal(scene_received(s, i), 0);
	assert_int_equal(scene_counters(s, 1)->wire_in, 40);
	assert_int_equal(wire_delivered(ws, 1), 40);
	assert_int_equal(scene_counters(s, 1)->queue[0].tx_packets, 40);
	assert_int_equal(q->counters.rx_packets, 40);
	assert_int_equal(q->counters.rx_bytes, 40 * (64 + 50));
}

/* And back to no host, neither its own nor another. */
static void test_all_ports_of_the_network_get_what_is_for_all(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	wire_listen(ws);
	wire_arrive(ws, HOST, WIRE_VNI, scene_all, 1);
	wire_arrive(ws, HOST, WIRE_VNI, nobody, 2);
	scene_turns(s, 3);
	for (unsigned i = 0; i < 5; i++) {
		uint32_t len;

		assert_int_equal(scene_receive(&s->guest[i], &len), 1);
		assert_int_equal(scene_receive(&s->guest[i], &len), 2);
		assert_int_equal(wire_delivered(ws, i), 2);
	}
	assert_int_equal(scene_received(s, 5), 0);
	assert_int_equal(rte_ring_count(ws->ring[0]), 0);
	assert_int_equal(rte_ring_count(ws->ring[1]), 0);
	wire_arrive(ws, HOST, WIRE_VNI + 1, scene_all, 3);
	scene_turns(s, 3);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(scene_received(s, i), 0);
	assert_int_equal(scene_received(s, 5), 1);
}

/* An address behind a host: no packet from the wire goes there, by whatever way. */
static void test_nothing_goes_from_the_wire_to_the_wire(void **state)
{
	struct wire_scene *ws = *state;
	uint8_t dst[6];

	wire_listen(ws);
	wire_introduce(ws, 51);
	wire_host_mac(51, dst);
	wire_arrive(ws, HOST, WIRE_VNI, dst, 1);
	scene_turns(ws->s, 3);
	assert_int_equal(counted(ws, WIRE_DROP_NO_RECEIVER), 1);
	assert_int_equal(rte_ring_count(ws->ring[0]), 0);
	for (unsigned i = 0; i < SCENE_GUESTS; i++)
		assert_int_equal(scene_received(ws->s, i), 0);
}

static void test_unknown_addresses_need_not_be_flooded(void **state)
{
	struct wire_scene *ws = *state;

	wire_listen(ws);
	atomic_store(&ws->s->net[0].flood_unknown, false);
	wire_arrive(ws, HOST, WIRE_VNI, nobody, 1);
	scene_turns(ws->s, 3);
	assert_int_equal(counted(ws, WIRE_DROP_NO_RECEIVER), 1);
	/* What is for nobody teaches nothing. */
	assert_int_equal(atomic_load(&ws->s->net[0].wire_macs), 0);
	wire_arrive(ws, HOST, WIRE_VNI, scene_all, 2);
	scene_turns(ws->s, 3);
	assert_int_equal(atomic_load(&ws->s->net[0].wire_macs), 1);
	assert_int_equal(scene_received(ws->s, 1), 1);
}

/* Copies count: of packets for all five ports, the first few get through. */
/* Guests with a guard get what is for all, and no other station's packets. */
static void test_guarded_ports_get_what_is_for_them(void **state)
{
	struct wire_scene *ws = *state;
	struct guard guard[SCENE_GUESTS];
	struct scene *s = ws->s;
	uint8_t mac[6];

	wire_listen(ws);
	for (unsigned i = 0; i < SCENE_GUESTS; i++) {
		scene_mac(i, mac);
		guard[i] = (struct guard){.allow = GUARD_ALLOW_USUAL};
		guard_add_mac(&guard[i], fdb_mac(mac));
		atomic_store(&s->guest[i].port.guard, &guard[i]);
	}
	wire_arrive(ws, HOST, WIRE_VNI, nobody, 1);
	scene_turns(s, 3);
	assert_int_equal(counted(ws, WIRE_DROP_NO_RECEIVER), 1);
	scene_mac(2, mac);
	wire_arrive(ws, HOST, WIRE_VNI, mac, 2);
	scene_turns(s, 3);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(scene_received(s, i), i == 2);
	wire_arrive(ws, HOST, WIRE_VNI, scene_all, 3);
	scene_turns(s, 3);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(scene_received(s, i), 1);
}

static void test_a_network_has_a_limit_of_floods(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	set_up(ws, 1);
	s->now += 1000000000;
	pps_set(&s->net[0].floods, 100);
	for (unsigned i = 0; i < 10; i++) {
		wire_arrive(ws, HOST, WIRE_VNI, scene_all, 1);
		wire_arrive_for(ws, HOST, 1, 2);
	}
	scene_turns(s, 5);
	assert_int_equal(counted(ws, WIRE_DROP_FLOOD_LIMIT), 7);
	/* What is dropped teaches nothing. */
	wire_arrive(ws, HOST + 1, WIRE_VNI, scene_all, 1);
	scene_turns(s, 1);
	assert_int_equal(counted(ws, WIRE_DROP_FLOOD_LIMIT), 8);
	assert_int_equal(atomic_load(&s->net[0].wire_macs), 1);
	assert_int_equal(scene_received(s, 2), 3);
	assert_int_equal(scene_received(s, 1), 3 + 10);
	s->now += 5 * 1000000000ULL / 100;
	wire_arrive(ws, HOST, WIRE_VNI, scene_all, 1);
	scene_turns(s, 3);
	assert_int_equal(scene_received(s, 2), 1);
}

/* An entry that points into another network is not followed. */
static void test_a_stale_entry_crosses_nothing(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	uint8_t mac[6];

	wire_listen(ws);
	scene_mac(5, mac);
	assert_int_equal(fdb_add_static(s->net[0].fdb, fdb_mac(mac), s->guest[5].port.id), 0);
	wire_arrive_for(ws, HOST, 5, 1);
	scene_turns(s, 3);
	assert_int_equal(counted(ws, WIRE_DROP_NO_RECEIVER), 1);
	assert_int_equal(scene_received(s, 5), 0);
}

static void test_a_network_without_ports_has_no_receiver(void **state)
{
	struct wire_scene *ws = *state;
	struct members *m = atomic_load(&ws->s->net[1].members);

	wire_listen(ws);
	m->n = 0;
	wire_arrive(ws, HOST, WIRE_VNI + 1, scene_all, 1);
	scene_turns(ws->s, 3);
	m->n = 1;
	assert_int_equal(counted(ws, WIRE_DROP_NO_RECEIVER), 1);
}

/* What the receiver has no buffers for is dropped there, as packets of its neighbours are. */
static void test_a_full_ring_drops(void **state)
{
	struct wire_scene *ws = *state;

	set_up(ws, 1);
	scene_offer_again(ws->s, 1);
	for (unsigned i = 0; i < SCENE_RING_SIZE + 10; i++)
		wire_arrive_for(ws, HOST, 1, 1);
	scene_turns(ws->s, 5);
	assert_int_equal(wire_delivered(ws, 1), SCENE_RING_SIZE);
	assert_int_equal(wire_lost(ws, 1, DROP_RING_FULL), 10);
	assert_int_equal(scene_counters(ws->s, 1)->tx_drops[DROP_RING_FULL], 10);
}

static void test_a_port_that_is_down_drops(void **state)
{
	struct wire_scene *ws = *state;

	set_up(ws, 1);
	scene_enable(&ws->s->guest[1], false);
	wire_arrive_for(ws, HOST, 1, 1);
	scene_turns(ws->s, 3);
	assert_int_equal(wire_lost(ws, 1, DROP_PORT_DOWN), 1);
	scene_enable(&ws->s->guest[1], true);
}

/* --- who pays -----------------------------------------------------------------------------------
 */

static uint64_t used_tsc(const struct scene *s, unsigned i)
{
	struct sched_vm_stats st;

	sched_get_stats(s->w->sched, s->guest[i].vm.id, &st);
	return st.used_tsc;
}

static void test_the_receiver_pays(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	uint64_t other;

	set_up(ws, 1);
	other = ledger_vm_sum(&s->w->ledger, s->guest[2].vm.id);
	for (unsigned i = 0; i < 20; i++)
		wire_arrive_for(ws, HOST, 1, 1);
	scene_turns(s, 3);
	assert_true(row(s, 1, STAGE_WIRE_RX) > 0);
	assert_true(row(s, 1, STAGE_RECEIVE) > 0);
	assert_int_equal(ledger_vm_sum(&s->w->ledger, s->guest[2].vm.id), other);
	/* The scheduler charged what the ledger says. */
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(used_tsc(s, i), ledger_vm_sum(&s->w->ledger, s->guest[i].vm.id));
}

/* Several receivers, and packets for nobody, divide what a burst took by their packets. */
static void test_a_burst_is_shared_out(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	const uint64_t *sys = s->w->ledger.sys;
	uint64_t before;

	wire_introduce_guest(ws, 1);
	wire_introduce_guest(ws, 2);
	for (unsigned i = 0; i < 6; i++)
		wire_arrive_for(ws, HOST, 1, 1);
	for (unsigned i = 0; i < 3; i++)
		wire_arrive_for(ws, HOST, 2, 1);
	wire_arrive(ws, HOST, 9999, scene_all, 1);
	wire_listen(ws);
	/* The time since the last stage is the burst's. */
	before = sys[SYSROW_WIRE];
	s->now += 100000;
	assert_true(ingress_accept(s->w));
	assert_int_equal(row(s, 1, STAGE_WIRE_RX), 2 * row(s, 2, STAGE_WIRE_RX));
	assert_in_range(row(s, 2, STAGE_WIRE_RX), 30000, 30100);
	assert_in_range(sys[SYSROW_WIRE] - before, 10000, 10500);
	scene_turns(s, 3);
}

/* Nobody but the system pays for these, and for looking. */
static void test_what_is_for_nobody_is_the_systems(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	uint64_t before = s->w->ledger.sys[SYSROW_WIRE], looking;

	wire_listen(ws);
	scene_turns(s, 1);
	looking = s->w->ledger.sys[SYSROW_WIRE] - before;
	assert_true(looking > 0);
	for (unsigned i = 0; i < 10; i++)
		wire_arrive(ws, HOST, 9999, scene_all, 1);
	s->now += 1000;
	scene_turns(s, 1);
	assert_true(s->w->ledger.sys[SYSROW_WIRE] - before > 2 * looking);
	for (unsigned i = 0; i < SCENE_GUESTS; i++)
		assert_int_equal(row(s, i, STAGE_WIRE_RX), 0);
}

/* A turn takes in a limited number: what more there is stays in the device's ring. */
static void test_a_turn_takes_in_some(void **state)
{
	struct wire_scene *ws = *state;

	wire_listen(ws);
	for (unsigned i = 0; i < 200; i++)
		wire_arrive(ws, HOST, 9999, scene_all, 1);
	scene_turns(ws->s, 1);
	assert_int_equal(rte_ring_count(ws->ring[1]), 200 - 2 * UPLINK_BURST);
	scene_turns(ws->s, 5);
	assert_int_equal(counted(ws, WIRE_DROP_UNKNOWN_VNI), 200);
}

/* --- why they are dropped -----------------------------------------------------------------------
 */

/* Offsets in a packet over IPv4. */
#define OUTER_IP    14
#define OUTER_UDP   34
#define OUTER_VXLAN 42
#define INNER       50

#define FRAME_LEN 64

/* A packet from the wire with this frame, from HOST to guest 1. */
static struct rte_mbuf *make_packet(struct wire_scene *ws, uint8_t frame[FRAME_LEN])
{
	scene_mac(1, frame);
	wire_host_mac(HOST, frame + 6);
	return wire_packet(ws, HOST, WIRE_VNI, frame, FRAME_LEN);
}

/* Makes the outer IP checksum right again. */
static void sum_outer_ip(struct rte_mbuf *m)
{
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, OUTER_IP);
	uint16_t sum;

	ip[10] = ip[11] = 0;
	sum = (uint16_t)~rte_raw_cksum(ip, 20);
	memcpy(ip + 10, &sum, sizeof(sum));
}

/* A packet from the wire whose byte `at` is changed by `mask`, and its outer IP checksum with it;
 * it has no UDP checksum. */
static void put_changed(struct wire_scene *ws, uint32_t at, uint8_t mask)
{
	uint8_t frame[FRAME_LEN] = {0}, *p;
	struct rte_mbuf *m = make_packet(ws, frame);

	p = rte_pktmbuf_mtod(m, uint8_t *);
	p[at] ^= mask;
	p[OUTER_UDP + 6] = p[OUTER_UDP + 7] = 0;
	sum_outer_ip(m);
	wire_put_packet(ws, m);
}

/* Each is counted where it came in, and learned from not at all. */
static void test_each_reason_is_counted_at_the_queue(void **state)
{
	static const struct {
		enum wire_drop why;
		uint32_t at;
		uint8_t mask;
	} cases[] = {
		{WIRE_DROP_NOT_VXLAN, OUTER_IP + 9, 1},       /* another protocol */
		{WIRE_DROP_NOT_VXLAN, OUTER_IP + 19, 2},      /* another address */
		{WIRE_DROP_NOT_VXLAN, OUTER_UDP + 3, 1},      /* another port */
		{WIRE_DROP_OUTER_MALFORMED, OUTER_IP + 2, 8}, /* longer than it is */
		{WIRE_DROP_OUTER_FRAGMENT, OUTER_IP + 6, 0x20},
		{WIRE_DROP_VXLAN_MALFORMED, OUTER_VXLAN, 8},
		{WIRE_DROP_UNKNOWN_VNI, OUTER_VXLAN + 4, 1},
		{WIRE_DROP_INNER_MALFORMED, INNER + 6, 1}, /* from a group */
	};
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	uint64_t before[WIRE_DROP_COUNT];

	set_up(ws, 1);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memcpy(before, uplink_queue(ws->uplink, 1)->counters.rx_drops, sizeof(before));
		put_changed(ws, cases[i].at, cases[i].mask);
		scene_turns(s, 2);
		before[cases[i].why]++;
		assert_memory_equal(uplink_queue(ws->uplink, 1)->counters.rx_drops, before,
				    sizeof(before));
		assert_int_equal(scene_received(s, 1), 0);
	}
	assert_int_equal(row(s, 1, STAGE_WIRE_RX), 0);
	assert_int_equal(atomic_load(&s->net[0].wire_macs), 0);
	/* As it is, it arrives. */
	put_changed(ws, 0, 0);
	scene_turns(s, 2);
	assert_int_equal(scene_received(s, 1), 1);
}

static void test_a_bad_outer_checksum(void **state)
{
	struct wire_scene *ws = *state;
	uint8_t frame[FRAME_LEN] = {0};
	struct rte_mbuf *m;

	set_up(ws, 1);
	m = make_packet(ws, frame);
	*rte_pktmbuf_mtod_offset(m, uint8_t *, INNER + 20) ^= 1;
	wire_put_packet(ws, m);
	scene_turns(ws->s, 2);
	assert_int_equal(counted(ws, WIRE_DROP_OUTER_BAD_SUM), 1);
}

static void test_vlan_tags_may_be_refused(void **state)
{
	struct wire_scene *ws = *state;
	uint8_t frame[FRAME_LEN] = {[12] = 0x81};

	set_up(ws, 1);
	wire_put_packet(ws, make_packet(ws, frame));
	scene_turns(ws->s, 2);
	assert_int_equal(scene_received(ws->s, 1), 1);
	atomic_store(&ws->s->net[0].drop_inner_vlan, true);
	wire_put_packet(ws, make_packet(ws, frame));
	scene_turns(ws->s, 2);
	assert_int_equal(counted(ws, WIRE_DROP_INNER_VLAN), 1);
	assert_int_equal(scene_received(ws->s, 1), 0);
}

static void test_congestion_that_cannot_be_told(void **state)
{
	struct wire_scene *ws = *state;
	uint8_t frame[FRAME_LEN] = {[12] = 0x08, [14] = 0x45, [17] = FRAME_LEN - 14};
	struct rte_mbuf *m;

	set_up(ws, 1);
	m = make_packet(ws, frame);
	*rte_pktmbuf_mtod_offset(m, uint8_t *, OUTER_IP + 1) |= 3;
	sum_outer_ip(m);
	wire_put_packet(ws, m);
	scene_turns(ws->s, 2);
	assert_int_equal(counted(ws, WIRE_DROP_ECN), 1);
}

/* Another VTEP's network is not at ours. */
static void test_a_network_is_at_its_vtep(void **state)
{
	struct wire_scene *ws = *state;

	set_up(ws, 1);
	atomic_store(&ws->s->net[0].vtep, 1);
	wire_arrive_for(ws, HOST, 1, 1);
	atomic_store(&ws->s->net[1].vtep, VTEP_NONE);
	wire_arrive(ws, HOST, WIRE_VNI + 1, scene_all, 1);
	scene_turns(ws->s, 2);
	assert_int_equal(counted(ws, WIRE_DROP_UNKNOWN_VNI), 2);
}

/* Only hosts that the network floods to. */
static void test_only_known_hosts_may_send(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct source_table *none = source_table_create(0);

	set_up(ws, 1);
	wire_flood_to(ws, 0, 10);
	atomic_store(&s->net[0].known_vteps_only, true);
	wire_arrive_for(ws, 0, 1, 1);
	wire_arrive_for(ws, 9, 1, 1);
	wire_arrive_for(ws, 10, 1, 1);
	scene_turns(s, 2);
	assert_int_equal(scene_received(s, 1), 2);
	assert_int_equal(counted(ws, WIRE_DROP_UNKNOWN_VTEP), 1);
	/* An address that is no host's known to us. */
	free(atomic_exchange(&ws->tables->sources, none));
	wire_arrive_for(ws, 0, 1, 1);
	scene_turns(s, 2);
	assert_int_equal(counted(ws, WIRE_DROP_UNKNOWN_VTEP), 2);
	/* Without a list there is none. */
	free(atomic_exchange(&s->net[0].remotes, NULL));
	wire_arrive_for(ws, 0, 1, 1);
	scene_turns(s, 2);
	assert_int_equal(counted(ws, WIRE_DROP_UNKNOWN_VTEP), 3);
	/* Where all may, packets are taken from hosts that are not known at all. */
	atomic_store(&s->net[0].known_vteps_only, false);
	wire_arrive_for(ws, 0, 1, 1);
	scene_turns(s, 2);
	assert_int_equal(scene_received(s, 1), 1);
}

/* A broadcast from a host nobody knows, to a group. */
static void arrive_at_group(struct wire_scene *ws, uint32_t vni, uint8_t last, bool is_from_group)
{
	const struct ip_addr group = {.bytes = {239, 1, 1, last}}, host = {.bytes = {10, 7, 7, 7}};
	uint8_t frame[64] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 7, 7, 7, 7, 8, 6};

	wire_put_packet(ws, wire_packet_between(ws, is_from_group ? &group : &host, &group, vni,
						frame, sizeof(frame)));
	scene_turns(ws->s, 3);
}

/* What is sent to a group is for the networks whose floods go to it. */
static void test_a_network_gets_what_is_for_its_group(void **state)
{
	const struct ip_addr group = {.bytes = {239, 1, 1, 1}};
	struct source_table *sources = source_table_create(1);
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	/* Remote 1 is the group, and net[0] floods to it. */
	source_table_add(sources, &group, 0, 1);
	free(atomic_exchange(&ws->tables->sources, sources));
	wire_listen(ws);
	arrive_at_group(ws, WIRE_VNI, 1, false);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(scene_received(s, i), 1);
	assert_int_equal(counted(ws, WIRE_DROP_NOT_VXLAN), 0);
	/* Another group, another network, one that is nobody's. */
	arrive_at_group(ws, WIRE_VNI, 2, false);
	arrive_at_group(ws, WIRE_VNI + 1, 1, false);
	arrive_at_group(ws, WIRE_VNI + 2, 1, false);
	assert_int_equal(counted(ws, WIRE_DROP_NOT_VXLAN), 3);
	/* A network without hosts of its own accord takes none that it does not know; a group is no
	 * host. */
	atomic_store(&s->net[0].known_vteps_only, true);
	arrive_at_group(ws, WIRE_VNI, 1, false);
	arrive_at_group(ws, WIRE_VNI, 1, true);
	assert_int_equal(counted(ws, WIRE_DROP_UNKNOWN_VTEP), 2);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(scene_received(s, i), 0);
}

/* A port that changes networks is a member of both for a moment: it is in the one that it says. */
static void test_a_port_between_networks_is_in_one(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	wire_listen(ws);
	s->guest[4].port.bridge = &s->net[1];
	wire_arrive(ws, HOST, WIRE_VNI, scene_all, 1);
	scene_turns(s, 3);
	s->guest[4].port.bridge = &s->net[0];
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(scene_received(s, i), 1);
	assert_int_equal(scene_received(s, 4), 0);

	for (unsigned i = 0; i < 5; i++)
		s->guest[i].port.bridge = &s->net[1];
	wire_arrive(ws, HOST, WIRE_VNI, scene_all, 1);
	scene_turns(s, 3);
	for (unsigned i = 0; i < 5; i++)
		s->guest[i].port.bridge = &s->net[0];
	assert_int_equal(counted(ws, WIRE_DROP_NO_RECEIVER), 1);
}

/* No station has that address, and a table of addresses cannot hold it. */
static void test_nobody_sends_from_address_zero(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	uint8_t frame[64] = {0};
	struct vport first = {.macs = 5};

	set_up(ws, 1);
	s->ports[0] = &first;
	scene_mac(1, frame);
	wire_put_packet(ws, wire_packet(ws, HOST, WIRE_VNI, frame, sizeof(frame)));
	scene_turns(s, 2);
	s->ports[0] = NULL;
	assert_int_equal(counted(ws, WIRE_DROP_INNER_MALFORMED), 1);
	assert_int_equal(atomic_load(&s->net[0].wire_macs), 0);
	assert_int_equal(atomic_load(&first.macs), 5);
	assert_int_equal(scene_received(s, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WIRE_CASE(test_a_guest_gets_what_is_for_it),
		WIRE_CASE(test_all_ports_of_the_network_get_what_is_for_all),
		WIRE_CASE(test_nothing_goes_from_the_wire_to_the_wire),
		WIRE_CASE(test_unknown_addresses_need_not_be_flooded),
		WIRE_CASE(test_guarded_ports_get_what_is_for_them),
		WIRE_CASE(test_a_network_has_a_limit_of_floods),
		WIRE_CASE(test_a_stale_entry_crosses_nothing),
		WIRE_CASE(test_a_network_without_ports_has_no_receiver),
		WIRE_CASE(test_a_full_ring_drops),
		WIRE_CASE(test_a_port_that_is_down_drops),
		WIRE_CASE(test_the_receiver_pays),
		WIRE_CASE(test_a_burst_is_shared_out),
		WIRE_CASE(test_what_is_for_nobody_is_the_systems),
		WIRE_CASE(test_a_turn_takes_in_some),
		WIRE_CASE(test_each_reason_is_counted_at_the_queue),
		WIRE_CASE(test_a_bad_outer_checksum),
		WIRE_CASE(test_vlan_tags_may_be_refused),
		WIRE_CASE(test_congestion_that_cannot_be_told),
		WIRE_CASE(test_a_network_is_at_its_vtep),
		WIRE_CASE(test_only_known_hosts_may_send),
		WIRE_CASE(test_a_network_gets_what_is_for_its_group),
		WIRE_CASE(test_a_port_between_networks_is_in_one),
		WIRE_CASE(test_nobody_sends_from_address_zero),
	};

	if (fake_eal_init("ingress_test") < 0)
		return 1;
	return cmocka_run_group_tests_name("ingress", tests, NULL, NULL);
}
