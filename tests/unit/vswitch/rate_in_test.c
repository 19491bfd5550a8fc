/* SPDX-License-Identifier: BSD-3-Clause */
/* Rates of what ports' guests are sent, in whole turns: marks come before drops, only packets that
 * can be marked and that nobody else gets are. */
#include "vswitch/rate_in.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "tests/fake/eal.h"
#include "tests/fake/scene.h"
#include "pkt/compose.h"
#include "pkt/ecn.h"
#include "vswitch/loop.h"
#include "vswitch/outbox.h"

#define HZ    1000000000ULL /* of the scene's clock */
#define PPS   1000          /* one is marked beyond one packet, dropped beyond ten */
#define BURST 10

static void set_rate(struct scene *s, unsigned i, uint64_t pps, uint64_t bps)
{
	const struct rates_conf conf = {bps, pps};
	struct vport *port = &s->guest[i].port;

	vqueue_set(&port->queue_in, &conf, HZ, s->now);
	port->is_rated_in = true;
}

static void introduce_all(struct scene *s)
{
	for (unsigned i = 0; i < 5; i++)
		scene_introduce(s, i);
}

/* A UDP packet of guest 0 to another, or to all, with this ECN field. Returns its length. */
static uint32_t send_udp(struct scene *s, int to, enum ecn ecn)
{
	struct pkt_fields f = {
		.is_ip = true,
		.src.bytes = {10, 0, 0, 1},
		.dst.bytes = {10, 0, 0, 2},
		.protocol = IPPROTO_UDP,
		.src_port = 1,
		.dst_port = 2,
	};
	uint8_t frame[128];
	uint32_t len;

	scene_mac(0, f.src_mac);
	memcpy(f.dst_mac, scene_all, 6);
	if (to >= 0)
		scene_mac((unsigned)to, f.dst_mac);
	len = pkt_compose(&f, frame);
	frame[15] |= (uint8_t)ecn;
	scene_send_bytes(&s->guest[0], frame, len);
	return len;
}

/* Takes all that a guest received. Returns how many, and how many of them are marked. */
static unsigned receive(struct scene *s, unsigned i, unsigned *marked)
{
	uint8_t frame[2048];
	unsigned n = 0;

	*marked = 0;
	for (; scene_receive_frame(&s->guest[i], frame, sizeof(frame)) > 0; n++)
		*marked += (frame[15] & ECN_MASK) == ECN_CE;
	return n;
}

static void test_marks_before_drops(void **state)
{
	struct scene *s = *state;
	unsigned marked, n;

	introduce_all(s);
	set_rate(s, 1, PPS, 0);
	for (unsigned i = 0; i < 20; i++)
		send_udp(s, 1, ECN_ECT_0);
	scene_turns(s, 4);
	n = receive(s, 1, &marked);
	assert_int_equal(n, BURST);
	assert_int_equal(marked, BURST - 1);
	assert_int_equal(scene_dropped(s, 0, DROP_RECEIVER_RATE), 20 - BURST);
	assert_int_equal(scene_counters(s, 1)->tx_drops[DROP_RECEIVER_RATE], 20 - BURST);
	/* The queue drains. */
	s->now += HZ;
	send_udp(s, 1, ECN_ECT_0);
	scene_turns(s, 4);
	assert_int_equal(receive(s, 1, &marked), 1);
	assert_int_equal(marked, 0);
}

static void test_marks_who_understands(void **state)
{
	struct scene *s = *state;
	unsigned marked;

	introduce_all(s);
	set_rate(s, 1, PPS, 0);
	for (unsigned i = 0; i < 8; i++)
		send_udp(s, 1, i % 2 ? ECN_NOT_ECT : ECN_ECT_1);
	scene_turns(s, 4);
	assert_int_equal(receive(s, 1, &marked), 8);
	assert_int_equal(marked, 3);
}

/* What is for all is dropped for the one that gets too much, and marked for nobody. */
static void test_flood(void **state)
{
	struct scene *s = *state;
	unsigned marked;

	introduce_all(s);
	set_rate(s, 1, PPS, 0);
	for (unsigned i = 0; i < 20; i++)
		send_udp(s, -1, ECN_ECT_0);
	scene_turns(s, 40);
	assert_int_equal(receive(s, 1, &marked), BURST);
	assert_int_equal(marked, 0);
	for (unsigned i = 2; i < 5; i++) {
		assert_int_equal(receive(s, i, &marked), 20);
		assert_int_equal(marked, 0);
	}
	assert_int_equal(scene_dropped(s, 0, DROP_RECEIVER_RATE), 0);
	assert_int_equal(scene_counters(s, 1)->tx_drops[DROP_RECEIVER_RATE], 20 - BURST);
}

/* Bits: ten milliseconds are five frames. */
static void test_bits(void **state)
{
	struct scene *s = *state;
	unsigned marked;
	uint32_t len = 0;

	introduce_all(s);
	for (unsigned i = 0; i < 20; i++)
		len = send_udp(s, 1, ECN_NOT_ECT);
	set_rate(s, 1, 0, 500 * len * 8);
	scene_turns(s, 4);
	assert_int_equal(receive(s, 1, &marked), 5);
	assert_int_equal(marked, 0);
}

/* What is put off for want of time is counted when it is delivered, once. */
static void test_put_off_counts_once(void **state)
{
	struct scene *s = *state;
	unsigned got = 0;

	introduce_all(s);
	set_rate(s, 1, 1, 0);
	/* Wide bounds: all fits. */
	s->guest[1].port.queue_in.mark.packets = 100;
	s->guest[1].port.queue_in.burst.packets = 100;
	for (unsigned i = 0; i < 40; i++)
		send_udp(s, 1, ECN_NOT_ECT);
	s->meanwhile = scene_take_long;
	for (unsigned i = 0; i < 200 && got < 40; i++) {
		loop_turn(s->w);
		got += scene_received(s, 1);
		assert_int_equal(-s->guest[1].port.queue_in.rates.packets.level, got);
	}
	s->meanwhile = NULL;
	assert_int_equal(got, 40);
}

/* A tenant's guests are sent what its rate allows, together, also by two workers; so are a VM's
 * ports. The port that has a lower rate gets that. */
static void test_guests_together(void **state)
{
	struct scene *s = *state;

	for (unsigned is_vms = 0; is_vms < 2; is_vms++) {
		struct shared_rates rates;
		unsigned marked, n[3] = {0}, all_marked = 0;

		introduce_all(s);
		scene_reclaim(s, 0);
		shared_rates_init(&rates, HZ);
		shared_rates_set(&rates, 0, PPS);
		for (unsigned i = 1; i < 3; i++) {
			struct vport *port = &s->guest[i].port;

			*(is_vms ? &port->vm_queue_in : &port->tenant_queue_in) = &rates;
			port->is_rated_in = true;
		}
		if (is_vms)
			scene_move(s, 2);
		set_rate(s, 1, is_vms ? PPS / 5 : 0, 0);
		for (unsigned i = 0; i < 24; i++)
			send_udp(s, 1 + i % 2, ECN_ECT_0);
		for (unsigned i = 0; i < 8; i++) {
			loop_turn(s->w);
			loop_turn(s->w2);
		}
		for (unsigned i = 1; i < 3; i++) {
			n[i] = receive(s, i, &marked);
			all_marked += marked;
		}
		assert_int_equal(n[1] + n[2], BURST);
		assert_in_range(n[1], 1, is_vms ? BURST / 5 : BURST);
		assert_int_equal(all_marked, BURST - 1);
		/* Both again when the queue has drained. */
		s->now += HZ;
		send_udp(s, 1, ECN_ECT_0);
		send_udp(s, 2, ECN_NOT_ECT);
		for (unsigned i = 0; i < 4; i++) {
			loop_turn(s->w);
			loop_turn(s->w2);
		}
		assert_int_equal(receive(s, 1, &marked) + receive(s, 2, &marked), 2);
		for (unsigned i = 1; i < 3; i++) {
			s->guest[i].port.vm_queue_in = s->guest[i].port.tenant_queue_in = NULL;
			s->guest[i].port.is_rated_in = false;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_CASE(test_marks_before_drops),
		SCENE_CASE(test_marks_who_understands),
		SCENE_CASE(test_flood),
		SCENE_CASE(test_bits),
		SCENE_CASE(test_put_off_counts_once),
		SCENE_CASE(test_guests_together),
	};

	if (fake_eal_init("rate_in_test") < 0)
		return 1;
	return cmocka_run_group_tests_name("rates towards guests", tests, NULL, NULL);
}
