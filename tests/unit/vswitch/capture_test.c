/* SPDX-License-Identifier: BSD-3-Clause */
/* Captures, in whole turns of the loop: which packets are in them, at which points, and whose time
 * they take. */
#include "vswitch/capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <pcap/bpf.h>
#include <rte_mbuf.h>

#include "tests/fake/eal.h"
#include "tests/fake/tcp_packet.h"
#include "tests/fake/wire_scene.h"
#include "vhost/net_lent.h"
#include "vswitch/loop.h"

#define ALL_POINTS    (1u << CAPTURE_RX | 1u << CAPTURE_TX | 1u << CAPTURE_DROP)
#define VXLAN_HEADERS 50

static struct captures lists[2];
static struct capture capture, second;

/* Both workers get the capture. */
static void begin(struct scene *s, struct capture *c)
{
	struct worker *w[2] = {s->w, s->w2};

	c->reasons = c->wire_reasons = UINT64_MAX;
	if (c->points == 0)
		c->points = ALL_POINTS;
	if (c->snaplen == 0)
		c->snaplen = 65535;
	for (unsigned i = 0; i < 2; i++) {
		c->ring[i] = capture_ring_create();
		assert_non_null(c->ring[i]);
		capture_add(w[i], &lists[i], c);
	}
}

static void end(struct scene *s, struct capture *c)
{
	capture_remove(s->w, c);
	capture_remove(s->w2, c);
	for (unsigned i = 0; i < 2; i++)
		capture_ring_destroy(c->ring[i]);
	*c = (struct capture){0};
}

static int setup(void **state)
{
	memset(lists, 0, sizeof(lists));
	capture = second = (struct capture){0};
	return scene_setup(state);
}

static int teardown(void **state)
{
	return scene_teardown(state);
}

#define CAPTURE_CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static void of_port(struct scene *s, struct capture *c, unsigned i)
{
	c->kind = CAPTURE_OF_PORT;
	c->port = &s->guest[i].port;
	begin(s, c);
}

/* Takes the next record of the first worker, which has to be of this guest and point. */
static const struct capture_record *next(struct scene *s, const struct capture *c, unsigned guest,
					 bool is_sent, bool is_drop)
{
	const struct capture_record *rec = capture_ring_first(c->ring[0]);

	assert_non_null(rec);
	assert_false(rec->is_uplink);
	assert_int_equal(rec->place, s->guest[guest].port.id);
	assert_int_equal(rec->is_sent, is_sent);
	assert_int_equal(rec->is_drop, is_drop);
	return rec;
}

static void assert_record(struct scene *s, const struct capture *c, unsigned guest, bool is_sent,
			  uint32_t len, uint8_t tag)
{
	const struct capture_record *rec = next(s, c, guest, is_sent, false);

	assert_int_equal(rec->len, len);
	assert_int_equal(rec->kept, RTE_MIN(len, c->snaplen));
	for (uint32_t i = 14; i < rec->kept; i++)
		assert_int_equal(((const uint8_t *)(rec + 1))[i], tag);
	capture_ring_pop(c->ring[0]);
}

static void assert_drop(struct scene *s, const struct capture *c, unsigned guest, bool is_sent,
			enum drop_reason reason)
{
	const struct capture_record *rec = next(s, c, guest, is_sent, true);

	assert_int_equal(rec->reason, reason);
	capture_ring_pop(c->ring[0]);
}

static void assert_nothing(const struct capture *c)
{
	assert_null(capture_ring_first(c->ring[0]));
	assert_null(capture_ring_first(c->ring[1]));
}

static void send(struct scene *s, unsigned from, unsigned to, uint32_t len, uint8_t tag)
{
	uint8_t dst[6], src[6];

	scene_mac(from, src);
	scene_mac(to, dst);
	scene_send_frame(&s->guest[from], dst, src, 0x0800, len, tag);
}

/* --- which packets -----------------------------------------------------------------------------
 */

static void test_a_port_sends_and_gets(void **state)
{
	struct scene *s = *state;

	scene_introduce(s, 0);
	scene_introduce(s, 1);
	of_port(s, &capture, 1);
	scene_send_to(s, 0, 1, 3);
	scene_send_to(s, 1, 0, 4);
	scene_send_to(s, 2, 0, 5);
	scene_turns(s, 4);
	assert_record(s, &capture, 1, true, 64, 3);
	assert_record(s, &capture, 1, false, 64, 4);
	assert_nothing(&capture);
	end(s, &capture);
	assert_null(s->w->captures);
	/* And then nothing more. */
	scene_send_to(s, 0, 1, 3);
	scene_turns(s, 2);
	assert_int_equal(scene_received(s, 1), 2);
}

static void test_points_are_told_apart(void **state)
{
	struct scene *s = *state;

	scene_introduce(s, 0);
	scene_introduce(s, 1);
	capture.points = 1u << CAPTURE_RX;
	second.points = 1u << CAPTURE_TX;
	of_port(s, &capture, 1);
	of_port(s, &second, 1);
	scene_send_to(s, 0, 1, 3);
	scene_send_to(s, 1, 0, 4);
	scene_turns(s, 4);
	assert_record(s, &capture, 1, false, 64, 4);
	assert_nothing(&capture);
	assert_record(s, &second, 1, true, 64, 3);
	assert_nothing(&second);
	end(s, &capture);
	assert_non_null(s->w->captures);
	end(s, &second);
	assert_null(s->w->captures);
}

static void test_a_vm_and_a_network(void **state)
{
	struct scene *s = *state;

	scene_introduce(s, 0);
	scene_introduce(s, 1);
	capture = (struct capture){.kind = CAPTURE_OF_VM, .vm = s->guest[0].vm.id};
	second = (struct capture){.kind = CAPTURE_OF_NETWORK, .bridge = &s->net[0]};
	begin(s, &capture);
	begin(s, &second);
	scene_send_to(s, 0, 1, 3);
	scene_turns(s, 2);
	assert_record(s, &capture, 0, false, 64, 3);
	assert_nothing(&capture);
	assert_record(s, &second, 0, false, 64, 3);
	assert_record(s, &second, 1, true, 64, 3);
	assert_nothing(&second);
	/* Guest 5 is in the other network, alone. */
	scene_send_to(s, 5, 0, 4);
	scene_turns(s, 2);
	assert_nothing(&second);
	end(s, &capture);
	end(s, &second);
}

/* One record for each that gets it. */
static void test_a_flood_arrives_at_each(void **state)
{
	struct scene *s = *state;

	capture = (struct capture){.kind = CAPTURE_OF_NETWORK, .bridge = &s->net[0]};
	begin(s, &capture);
	scene_send_to_all(s, 0, 9);
	scene_turns(s, 2);
	assert_record(s, &capture, 0, false, 64, 9);
	for (unsigned i = 1; i < 5; i++)
		assert_record(s, &capture, i, true, 64, 9);
	assert_nothing(&capture);
	end(s, &capture);
}

/* Packets that a service has no time for go back into the ring, and are taken anew: they are in the
 * capture once, in order. */
static void test_each_is_captured_once(void **state)
{
	struct scene *s = *state;

	scene_introduce(s, 0);
	scene_introduce(s, 1);
	of_port(s, &capture, 0);
	for (uint8_t i = 0; i < 40; i++)
		scene_send_to(s, 0, 1, i);
	scene_take_long(s);
	for (unsigned i = 0; i < 400; i++)
		loop_turn(s->w);
	s->meanwhile = NULL;
	assert_int_equal(scene_received(s, 1), 40);
	assert_int_equal(capture.ring[0]->skipped, 0);
	for (uint8_t i = 0; i < 40; i++)
		assert_record(s, &capture, 0, false, 64, i);
	assert_nothing(&capture);
	end(s, &capture);
}

static void test_another_workers_packets(void **state)
{
	struct scene *s = *state;
	const struct capture_record *rec;

	scene_introduce(s, 0);
	scene_introduce(s, 1);
	scene_move(s, 1);
	of_port(s, &capture, 1);
	scene_send_to(s, 0, 1, 3);
	scene_turns(s, 2);
	assert_nothing(&capture);
	loop_turn(s->w2);
	rec = capture_ring_first(capture.ring[1]);
	assert_non_null(rec);
	assert_true(rec->is_sent);
	end(s, &capture);
}

/* --- drops -------------------------------------------------------------------------------------
 */

static void test_drops_say_why(void **state)
{
	struct scene *s = *state;
	uint8_t dst[6], group[6] = {1, 0, 0, 0, 0, 9};

	scene_introduce(s, 0);
	scene_introduce(s, 1);
	capture.points = 1u << CAPTURE_DROP;
	of_port(s, &capture, 0);
	/* From a group address; too long for the network; to where it came from. */
	scene_mac(1, dst);
	scene_send_frame(&s->guest[0], dst, group, 0x0800, 64, 1);
	send(s, 0, 1, 1600, 2);
	send(s, 0, 0, 64, 3);
	scene_turns(s, 3);
	assert_drop(s, &capture, 0, false, DROP_BAD_SOURCE);
	assert_drop(s, &capture, 0, false, DROP_OVER_MTU);
	assert_drop(s, &capture, 0, false, DROP_SAME_PORT);
	assert_nothing(&capture);
	end(s, &capture);
}

/* A packet that its receiver cannot take is dropped by both: there it is not delivered, here it is
 * in vain. As many are captured as counted. */
static void test_what_a_receiver_cannot_take(void **state)
{
	struct scene *s = *state;
	uint64_t n;

	scene_introduce(s, 0);
	scene_introduce(s, 1);
	capture.points = second.points = 1u << CAPTURE_DROP;
	of_port(s, &capture, 0);
	of_port(s, &second, 1);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 30; i++)
			scene_send_to(s, 0, 1, 1);
		scene_turns(s, 4);
		scene_reclaim(s, 0);
	}
	n = scene_dropped(s, 0, DROP_RING_FULL);
	assert_true(n > 0);
	assert_int_equal(capture.ring[0]->skipped + second.ring[0]->skipped, 0);
	for (uint64_t i = 0; i < n; i++) {
		assert_drop(s, &capture, 0, false, DROP_RING_FULL);
		assert_drop(s, &second, 1, true, DROP_RING_FULL);
	}
	assert_nothing(&capture);
	assert_nothing(&second);
	end(s, &capture);
	end(s, &second);
}

static void test_one_reason(void **state)
{
	struct scene *s = *state;

	scene_introduce(s, 0);
	capture.points = 1u << CAPTURE_DROP;
	capture.kind = CAPTURE_OF_ALL;
	begin(s, &capture);
	capture.reasons = UINT64_C(1) << DROP_SAME_PORT;
	send(s, 0, 1, 1600, 2);
	send(s, 0, 0, 64, 3);
	scene_turns(s, 3);
	assert_drop(s, &capture, 0, false, DROP_SAME_PORT);
	assert_nothing(&capture);
	end(s, &capture);
}

/* Jobs are done later, when their port may be gone. */
static void test_drops_of_jobs(void **state)
{
	struct scene *s = *state;

	scene_introduce(s, 0);
	scene_introduce(s, 1);
	scene_move(s, 1);
	capture.points = 1u << CAPTURE_DROP;
	of_port(s, &capture, 0);
	scene_send_to(s, 0, 1, 3);
	scene_turns(s, 2);
	assert_nothing(&capture);
	/* It is another port by now. */
	s->guest[1].port.epoch++;
	loop_turn(s->w2);
	assert_non_null(capture_ring_first(capture.ring[1]));
	assert_int_equal(capture_ring_first(capture.ring[1])->reason, DROP_PORT_GONE);
	assert_int_equal(capture_ring_first(capture.ring[1])->place, s->guest[0].port.id);
	end(s, &capture);
}

/* --- how much of them --------------------------------------------------------------------------
 */

/* Packets beyond 128 bytes are lent: what follows is in the guest's memory. */
static void test_a_snap_length(void **state)
{
	static const uint32_t lengths[] = {64, 127, 128, 129, 500, 1500};

	struct scene *s = *state;

	scene_introduce(s, 0);
	scene_introduce(s, 1);
	capture.points = second.points = 1u << CAPTURE_RX;
	capture.snaplen = 100;
	of_port(s, &capture, 0);
	of_port(s, &second, 0);
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		send(s, 0, 1, lengths[i], (uint8_t)i);
	scene_turns(s, 4);
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		assert_record(s, &capture, 0, false, lengths[i], (uint8_t)i);
		assert_record(s, &second, 0, false, lengths[i], (uint8_t)i);
	}
	assert_nothing(&capture);
	assert_nothing(&second);
	end(s, &capture);
	end(s, &second);
}

static void test_a_filter_sees_the_first_piece(void **state)
{
	/* Matches packets whose byte at an offset is 7. */
	struct bpf_insn near[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 60),
				  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 7, 0, 1),
				  BPF_STMT(BPF_RET | BPF_K, 65535), BPF_STMT(BPF_RET | BPF_K, 0)};
	struct bpf_insn far[4];
	struct scene *s = *state;

	memcpy(far, near, sizeof(far));
	far[0].k = 300;
	scene_introduce(s, 0);
	scene_introduce(s, 1);
	capture = (struct capture){.filter = near, .reach = 61, .points = 1u << CAPTURE_RX};
	second = (struct capture){.filter = far, .reach = 301, .points = 1u << CAPTURE_RX};
	of_port(s, &capture, 0);
	of_port(s, &second, 0);
	send(s, 0, 1, 64, 6);
	send(s, 0, 1, 64, 7);
	send(s, 0, 1, 500, 7);
	scene_turns(s, 3);
	assert_record(s, &capture, 0, false, 64, 7);
	assert_record(s, &capture, 0, false, 500, 7);
	assert_nothing(&capture);
	assert_int_equal(capture.ring[0]->undecided, 0);
	/* The short ones are not 301 bytes long; of the long one, too little is seen. */
	assert_nothing(&second);
	assert_int_equal(second.ring[0]->undecided, 1);
	end(s, &capture);
	end(s, &second);
}

static void test_what_there_is_no_room_for_is_missed(void **state)
{
	struct scene *s = *state;
	uint64_t kept = 0;

	scene_introduce(s, 0);
	scene_introduce(s, 1);
	capture.points = 1u << CAPTURE_RX;
	of_port(s, &capture, 0);
	for (unsigned i = 0; i < 800; i++) {
		send(s, 0, 1, 1500, 1);
		/* Long enough for the captures to have time again. */
		s->now += 1000000;
		scene_turns(s, 2);
		scene_reclaim(s, 0);
		scene_offer_again(s, 1);
	}
	for (; capture_ring_first(capture.ring[0]); kept++)
		capture_ring_pop(capture.ring[0]);
	assert_true(capture.ring[0]->missed > 0);
	assert_int_equal(capture.ring[0]->skipped, 0);
	assert_int_equal(kept + capture.ring[0]->missed, 800);
	end(s, &capture);
}

/* --- time --------------------------------------------------------------------------------------
 */

static uint64_t used_tsc(const struct scene *s, unsigned i)
{
	struct sched_vm_stats st;

	sched_get_stats(s->w->sched, s->guest[i].vm.id, &st);
	return st.used_tsc;
}

/* The scheduler charges the VM what the ledger says; the capture's time is the system's. */
static void test_vms_do_not_pay(void **state)
{
	struct scene *s = *state;

	scene_introduce(s, 0);
	scene_introduce(s, 1);
	of_port(s, &capture, 0);
	for (unsigned i = 0; i < 20; i++)
		scene_send_to(s, 0, 1, 1);
	scene_turns(s, 4);
	assert_true(s->w->ledger.sys[SYSROW_CAPTURE] > 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(used_tsc(s, i), ledger_vm_sum(&s->w->ledger, s->guest[i].vm.id));
	end(s, &capture);
}

/* A look at the clock takes 100 ns here, so each burst of packets does. */
static void test_captures_take_a_fiftieth_of_the_time(void **state)
{
	struct scene *s = *state;
	uint64_t begun, sent = 0, kept = 0, most;

	scene_introduce(s, 0);
	scene_introduce(s, 1);
	capture.points = 1u << CAPTURE_RX;
	capture.snaplen = 64;
	of_port(s, &capture, 0);
	begun = s->now;
	while (sent < 20000) {
		scene_send_to(s, 0, 1, 1);
		sent++;
		scene_turns(s, 1);
		scene_reclaim(s, 0);
		if (sent % 32 == 0)
			scene_offer_again(s, 1);
		for (; capture_ring_first(capture.ring[0]); kept++)
			capture_ring_pop(capture.ring[0]);
	}
	most = (s->now - begun) / 50 + CAPTURE_BURST_US * 1000 + 100;
	assert_in_range(s->w->ledger.sys[SYSROW_CAPTURE], 1, most);
	assert_true(capture.ring[0]->skipped > 0);
	assert_int_equal(kept + capture.ring[0]->skipped, sent);
	end(s, &capture);
}

/* --- the wire ----------------------------------------------------------------------------------
 */

static const struct capture_record *next_of_uplink(const struct capture *c, bool is_sent)
{
	const struct capture_record *rec = capture_ring_first(c->ring[0]);

	assert_non_null(rec);
	assert_true(rec->is_uplink);
	assert_int_equal(rec->is_sent, is_sent);
	return rec;
}

static void test_an_uplink_has_outer_headers(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	const struct capture_record *rec;
	struct wire_sent sent;

	memset(lists, 0, sizeof(lists));
	capture = (struct capture){.kind = CAPTURE_OF_UPLINK,
				   .device = uplink_queue(ws->uplink, 0)->port_id};
	wire_listen(ws);
	wire_introduce(ws, 0);
	wire_introduce_guest(ws, 1);
	begin(s, &capture);
	wire_send_to(ws, 0, 3);
	scene_turns(s, 2);
	assert_true(wire_take(ws, &sent));
	rec = next_of_uplink(&capture, true);
	assert_int_equal(rec->len, 64 + VXLAN_HEADERS);
	assert_memory_equal((const uint8_t *)(rec + 1) + VXLAN_HEADERS, sent.frame, 64);
	capture_ring_pop(capture.ring[0]);

	wire_arrive_for(ws, 0, 1, 4);
	scene_turns(s, 2);
	assert_int_equal(scene_received(s, 1), 1);
	rec = next_of_uplink(&capture, false);
	assert_int_equal(rec->len, 64 + VXLAN_HEADERS);
	assert_false(rec->is_drop);
	capture_ring_pop(capture.ring[0]);

	/* Nobody's: as it came, and then why. */
	wire_arrive(ws, 0, 12345, scene_all, 5);
	scene_turns(s, 2);
	assert_false(next_of_uplink(&capture, false)->is_drop);
	capture_ring_pop(capture.ring[0]);
	rec = next_of_uplink(&capture, false);
	assert_true(rec->is_drop);
	assert_int_equal(rec->reason, WIRE_DROP_UNKNOWN_VNI);
	assert_int_equal(rec->len, 64 + VXLAN_HEADERS);
	capture_ring_pop(capture.ring[0]);
	assert_nothing(&capture);
	end(s, &capture);
}

/* A packet from the wire that its guest cannot take. */
static void test_drops_of_staged_packets(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	memset(lists, 0, sizeof(lists));
	capture = (struct capture){.points = 1u << CAPTURE_DROP};
	wire_listen(ws);
	wire_introduce_guest(ws, 1);
	of_port(s, &capture, 1);
	scene_enable(&s->guest[1], false);
	wire_arrive_for(ws, 0, 1, 4);
	scene_turns(s, 3);
	assert_int_equal(wire_lost(ws, 1, DROP_PORT_DOWN), 1);
	assert_drop(s, &capture, 1, true, DROP_PORT_DOWN);
	assert_nothing(&capture);
	end(s, &capture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CAPTURE_CASE(test_a_port_sends_and_gets),
		CAPTURE_CASE(test_points_are_told_apart),
		CAPTURE_CASE(test_a_vm_and_a_network),
		CAPTURE_CASE(test_a_flood_arrives_at_each),
		CAPTURE_CASE(test_each_is_captured_once),
		CAPTURE_CASE(test_another_workers_packets),
		CAPTURE_CASE(test_drops_say_why),
		CAPTURE_CASE(test_what_a_receiver_cannot_take),
		CAPTURE_CASE(test_one_reason),
		CAPTURE_CASE(test_drops_of_jobs),
		CAPTURE_CASE(test_a_snap_length),
		CAPTURE_CASE(test_a_filter_sees_the_first_piece),
		CAPTURE_CASE(test_what_there_is_no_room_for_is_missed),
		CAPTURE_CASE(test_vms_do_not_pay),
		CAPTURE_CASE(test_captures_take_a_fiftieth_of_the_time),
		WIRE_CASE(test_an_uplink_has_outer_headers),
		WIRE_CASE(test_drops_of_staged_packets),
	};

	if (fake_eal_init("capture_test") < 0)
		return 1;
	return cmocka_run_group_tests_name("capture", tests, NULL, NULL);
}
