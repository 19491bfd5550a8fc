/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets from other hosts that wait for their VM's service: how many may, what becomes of them
 * when their port, VM or uplink goes, and how they get to another worker. */
#include "vswitch/staging.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "pkt/ecn.h"
#include "tests/fake/eal.h"
#include "tests/fake/inner_frame.h"
#include "tests/fake/wire_scene.h"
#include "vswitch/attach.h"
#include "vswitch/backlog.h"
#include "vswitch/ingress.h"
#include "vswitch/loop.h"
#include "vswitch/sleep.h"

#define HOST    50
#define BUFFERS (SCENE_RING_SIZE - 1) /* of a guest that another one was introduced to */

static const struct staging *staging_of(const struct worker *w, const struct scene_guest *g)
{
	return &w->wire->staging[g->vm.id];
}

static void arrive(struct wire_scene *ws, unsigned guest, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		wire_arrive_for(ws, HOST, guest, (uint8_t)i);
}

/* Takes in all that is on the wire, and serves nobody. */
static void take_in(struct wire_scene *ws)
{
	while (rte_ring_count(ws->ring[1]) > 0)
		ingress_accept(ws->s->w);
}

/* Guests 1 and 2 are known, and the wire is listened to. */
static void set_up(struct wire_scene *ws)
{
	wire_introduce_guest(ws, 1);
	wire_introduce_guest(ws, 2);
	wire_listen(ws);
}

/* --- limits -------------------------------------------------------------------------------------
 */

/* A packet to another VM gets through in the midst of a flood. */
static void test_a_flooded_vm_has_a_limit(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	set_up(ws);
	arrive(ws, 1, 300);
	arrive(ws, 2, 1);
	arrive(ws, 1, 10);
	take_in(ws);
	assert_int_equal(staging_of(s->w, &s->guest[1])->n, WIRE_MAX_STAGED);
	assert_int_equal(staging_of(s->w, &s->guest[2])->n, 1);
	assert_int_equal(wire_lost(ws, 1, DROP_WIRE_FULL), 310 - WIRE_MAX_STAGED);
	assert_int_equal(wire_lost(ws, 2, DROP_WIRE_FULL), 0);
	/* It pays for those that are dropped, too. */
	assert_true(s->w->ledger.vm[s->guest[1].vm.id][STAGE_WIRE_RX] >
		    100 * s->w->ledger.vm[s->guest[2].vm.id][STAGE_WIRE_RX]);
	scene_turns(s, 20);
	assert_int_equal(scene_received(s, 2), 1);
	assert_int_equal(scene_received(s, 1), BUFFERS);
	assert_int_equal(ws->wire[0]->n_staged, 0);
}

/* Where few buffers are free, as many stay so as one VM has. */
static void test_the_limit_is_what_is_free(void **state)
{
	static const struct {
		unsigned free, staged;
	} cases[] = {{40, 20}, {4, 8}};
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct rte_mempool *pool = uplink_queue(ws->uplink, 1)->rx_pool;
	static struct rte_mbuf *taken[UPLINK_RX_PACKETS];

	set_up(ws);
	for (unsigned i = 0; i < 2; i++) {
		unsigned n = 0;

		/* They come one by one, and the limit is read before each. */
		while (rte_mempool_avail_count(pool) > cases[i].free)
			taken[n++] = rte_pktmbuf_alloc(pool);
		for (unsigned k = 0; k < 40; k++) {
			if (rte_mempool_avail_count(pool) == 0)
				rte_pktmbuf_free(taken[--n]);
			arrive(ws, 1, 1);
			take_in(ws);
		}
		assert_in_range(staging_of(s->w, &s->guest[1])->n, cases[i].staged,
				cases[i].staged + 1);
		rte_pktmbuf_free_bulk(taken, n);
		scene_turns(s, 5);
		assert_int_equal(ws->wire[0]->n_staged, 0);
	}
}

/* Packets that wait behind half of what may are marked, if their ends understand that: one of a
 * flood, which other VMs have too, is not. */
static void test_congestion_is_told_before_packets_are_lost(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	const unsigned half = WIRE_MAX_STAGED / 2;
	struct inner_shape shape = {.proto = IPPROTO_UDP, .tos = ECN_ECT_0, .len = 20};
	unsigned marked = 0;

	set_up(ws);
	for (unsigned i = 0; i < WIRE_MAX_STAGED; i++) {
		uint8_t frame[INNER_FRAME_MAX];
		uint32_t len;

		shape.tos = i % 4 == 3 ? ECN_NOT_ECT : ECN_ECT_0;
		shape.v6 = i % 2;
		len = inner_frame_write(frame, &shape);
		if (i == half + 1)
			memcpy(frame, scene_all, 6);
		else
			scene_mac(1, frame);
		wire_host_mac(HOST, frame + 6);
		wire_put_packet(ws, wire_packet(ws, HOST, WIRE_VNI, frame, len));
		take_in(ws);
	}
	for (unsigned i = 0, node = staging_of(s->w, &s->guest[1])->first; i < WIRE_MAX_STAGED;
	     i++, node = ws->wire[0]->node[node].next) {
		const uint8_t *p = rte_pktmbuf_mtod(ws->wire[0]->node[node].s.m, uint8_t *);
		uint8_t ecn = (i % 2 ? p[15] >> 4 : p[15]) & ECN_MASK;
		uint8_t before = i % 4 == 3 ? ECN_NOT_ECT : ECN_ECT_0;

		assert_int_equal(ecn, before && i >= half && i != half + 1 ? ECN_CE : before);
		assert_true(i % 2 || plain_sum(p + 14, 20, 0) == 0xffff);
		marked += ecn == ECN_CE;
	}
	assert_int_equal(marked, half / 4 * 3 - 1);
	scene_turns(s, 50);
	scene_receive_all(s);
}

/* Its packets wait, as many as may, and cost no other VM anything. */
static void test_a_vm_over_its_limit_keeps_its_packets(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct budget b = budget_default();

	set_up(ws);
	assert_int_equal(sched_set_conf(s->w->sched, SCHED_MODE_TIME, 20), 0);
	b.limit_percent = 1;
	assert_int_equal(sched_set_vm(s->w->sched, s->guest[1].vm.id, &b), 0);
	/* It has used what it may for some time. */
	sched_charge_other(s->w->sched, s->guest[1].vm.id, 1000000);
	for (unsigned i = 0; i < 20; i++) {
		arrive(ws, 1, 20);
		arrive(ws, 2, 1);
		scene_turns(s, 2);
		assert_int_equal(scene_received(s, 2), 1);
	}
	assert_int_equal(scene_received(s, 1), 0);
	assert_int_equal(staging_of(s->w, &s->guest[1])->n, WIRE_MAX_STAGED);
	assert_int_equal(wire_lost(ws, 1, DROP_WIRE_FULL), 400 - WIRE_MAX_STAGED);
	/* It may go on later. */
	s->now += 1000000000;
	scene_turns(s, 20);
	assert_int_equal(scene_received(s, 1), BUFFERS);
}

/* A packet for all counts once for each port, and what is too much is made up for by the turns that
 * follow: the rest stays where it was polled into. */
static void test_a_turn_stages_some(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	uint64_t before = 0;

	wire_listen(ws);
	for (unsigned i = 0; i < 100; i++)
		wire_arrive(ws, HOST, WIRE_VNI, scene_all, 1);
	for (unsigned turn = 1; turn <= 7; turn++) {
		uint64_t n = 0;

		assert_true(ingress_accept(s->w));
		for (unsigned i = 0; i < 5; i++)
			n += scene_counters(s, i)->wire_in;
		assert_in_range(n, turn * 64, turn * 64 + 4);
		assert_in_range(n - before, 60, 68);
		before = n;
	}
	scene_turns(s, 20);
	assert_true(ingress_is_quiet(ws->wire[0]));
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(scene_counters(s, i)->wire_in, 100);
		scene_received(s, i);
	}
}

/* Packets that were polled go with their queue. */
static void test_what_was_polled_is_dropped(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	wire_listen(ws);
	for (unsigned i = 0; i < 20; i++)
		wire_arrive(ws, HOST, WIRE_VNI, scene_all, 1);
	assert_true(ingress_accept(s->w));
	assert_false(ingress_is_quiet(ws->wire[0]));
	ingress_drop_polled(ws->wire[0], uplink_queue(ws->uplink, 0));
	assert_false(ingress_is_quiet(ws->wire[0]));
	ingress_drop_polled(ws->wire[0], uplink_queue(ws->uplink, 1));
	assert_true(ingress_is_quiet(ws->wire[0]));
	scene_turns(s, 5);
	assert_true(rte_mempool_full(uplink_queue(ws->uplink, 1)->rx_pool));
	assert_int_equal(scene_received(s, 1), 13);
}

/* --- turns --------------------------------------------------------------------------------------
 */

/* What a VM sends and what it is sent take turns: with little time, both go on. */
static void test_neither_the_ring_nor_the_wire_starves(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	set_up(ws);
	s->meanwhile = scene_take_long;
	for (unsigned i = 0; i < 20; i++) {
		while (staging_of(s->w, &s->guest[1])->n < 100) {
			arrive(ws, 1, 32);
			take_in(ws);
		}
		while (s->guest[1].fe.ring[1].n_free > 10)
			scene_send_to(s, 1, 2, 1);
		scene_turns(s, 2);
		scene_offer_again(s, 1);
		scene_offer_again(s, 2);
		scene_reclaim(s, 1);
	}
	s->meanwhile = NULL;
	assert_true(scene_counters(s, 1)->forwarded > 100);
	assert_true(wire_delivered(ws, 1) > 100);
	scene_turns(s, 20);
}

/* Jobs that wait for a full uplink keep no packets away from the VM that sent them. */
static void test_a_vm_that_waits_for_an_uplink_receives(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct backlog *b = &s->w->backlog[s->guest[0].vm.id];

	wire_introduce_guest(ws, 0);
	wire_introduce(ws, HOST);
	wire_listen(ws);
	wire_fill(ws, 0);
	wire_send_to(ws, HOST, 1);
	scene_turns(s, 2);
	scene_send_to_all(s, 0, 2);
	scene_turns(s, 3);
	assert_int_equal(b->n, 1);
	arrive(ws, 0, 100);
	for (unsigned i = 0; i < 50; i++) {
		s->now += WIRE_HOLD_US * 1000;
		scene_turns(s, 1);
	}
	assert_int_equal(b->n, 1);
	assert_int_equal(scene_received(s, 0), BUFFERS + 1);
	wire_make_room(ws, 10);
	assert_int_equal(b->n, 0);
}

/* What a service has no time for, because a receiver's pages are missing, stays staged, in its
 * place. */
static void test_packets_into_missing_pages_arrive_in_order(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct page_faults *faults = &s->w->deadline.faults;
	uint32_t len;
	int got = 0;

	if (page_faults_open(faults) < 0)
		skip();
	set_up(ws);
	arrive(ws, 1, 30);
	take_in(ws);
	scene_turn_without_pages(s, 1);
	while (scene_receive(&s->guest[1], &len) == got)
		got++;
	assert_in_range(got, 1, 20);
	assert_int_equal(staging_of(s->w, &s->guest[1])->n, 30 - got);
	for (int i = 30; i < 40; i++)
		wire_arrive_for(ws, HOST, 1, (uint8_t)i);
	scene_turns(s, 50);
	for (; got < 40; got++)
		assert_int_equal(scene_receive(&s->guest[1], &len), got);
	assert_int_equal(wire_delivered(ws, 1), 40);
	page_faults_close(faults);
}

/* --- to another worker --------------------------------------------------------------------------
 */

static void test_another_workers_vm_gets_them_there(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	uint16_t vm = s->guest[1].vm.id;
	uint32_t len;

	set_up(ws);
	scene_move(s, 1);
	arrive(ws, 1, 10);
	scene_turns(s, 3);
	assert_int_equal(scene_received(s, 1), 0);
	assert_int_equal(atomic_load(&ws->wire[1]->on_their_way[vm]), 10);
	assert_int_equal(ws->wire[0]->n_staged, 0);
	loop_turn(s->w2);
	for (int i = 0; i < 10; i++)
		assert_int_equal(scene_receive(&s->guest[1], &len), i);
	assert_int_equal(atomic_load(&ws->wire[1]->on_their_way[vm]), 0);
	assert_int_equal(wire_delivered(ws, 1), 10);
	/* It pays at both: for finding out whose they are, and for taking them over. */
	assert_true(s->w->ledger.vm[vm][STAGE_WIRE_RX] > 0);
	assert_true(s->w2->ledger.vm[vm][STAGE_WIRE_RX] > 0);
	assert_true(s->w2->ledger.vm[vm][STAGE_RECEIVE] > 0);
	assert_int_equal(s->w->ledger.vm[vm][STAGE_RECEIVE], 0);
}

/* On the way as many may wait as there, and no more. */
static void test_the_way_there_has_a_limit(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	set_up(ws);
	scene_move(s, 1);
	scene_move(s, 2);
	arrive(ws, 1, 300);
	arrive(ws, 2, 1);
	take_in(ws);
	assert_int_equal(rte_ring_count(ws->wire[1]->inbox), WIRE_MAX_STAGED + 1);
	assert_int_equal(wire_lost(ws, 1, DROP_WIRE_FULL), 300 - WIRE_MAX_STAGED);
	/* The other worker takes in a limited number a turn. */
	ingress_accept(s->w2);
	assert_int_equal(rte_ring_count(ws->wire[1]->inbox), WIRE_MAX_STAGED + 1 - 64);
	for (unsigned i = 0; i < 20; i++)
		loop_turn(s->w2);
	assert_int_equal(scene_received(s, 1), BUFFERS);
	assert_int_equal(scene_received(s, 2), 1);
}

/* One packet for all: the same buffer goes to ports of both workers. */
static void test_a_flood_goes_to_both_workers(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	wire_listen(ws);
	scene_move(s, 3);
	scene_move(s, 4);
	wire_arrive(ws, HOST, WIRE_VNI, scene_all, 7);
	scene_turns(s, 3);
	loop_turn(s->w2);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(scene_received(s, i), 1);
		assert_int_equal(wire_delivered(ws, i), 1);
	}
	assert_true(rte_mempool_full(uplink_queue(ws->uplink, 1)->rx_pool));
}

/* --- what goes meanwhile ------------------------------------------------------------------------
 */

/* Guest 1 lost 10 packets, and has none. */
static void assert_gone(struct wire_scene *ws, enum drop_reason reason)
{
	struct scene *s = ws->s;

	scene_turns(s, 3);
	loop_turn(s->w2);
	loop_turn(s->w2);
	assert_int_equal(wire_lost(ws, 1, reason), 10);
	assert_int_equal(wire_delivered(ws, 1), 0);
	assert_int_equal(scene_received(s, 1), 0);
	assert_true(rte_mempool_full(uplink_queue(ws->uplink, 1)->rx_pool));
}

/* Ten packets for guest 1 wait for its VM's service. */
static void stage_ten(struct wire_scene *ws)
{
	set_up(ws);
	arrive(ws, 1, 10);
	take_in(ws);
	assert_int_equal(ws->wire[0]->n_staged, 10);
}

/* Ten are on their way to it, at another worker. */
static void hand_over_ten(struct wire_scene *ws)
{
	set_up(ws);
	scene_move(ws->s, 1);
	arrive(ws, 1, 10);
	take_in(ws);
	assert_int_equal(rte_ring_count(ws->wire[1]->inbox), 10);
}

/* Another port takes the id that guest 1's had, with counters of its own. */
static void reuse_id(struct scene *s, bool is_new_port)
{
	struct vport *port = &s->guest[1].port;

	memset(&s->w->counters[port->id], 0, sizeof(s->w->counters[0]));
	memset(&s->w2->counters[port->id], 0, sizeof(s->w2->counters[0]));
	if (is_new_port)
		atomic_store(&port->epoch, ++port->first_epoch);
}

/* Its packets are lost, and counted for nobody. */
static void assert_gone_with_its_counters(struct wire_scene *ws)
{
	struct scene *s = ws->s;

	scene_turns(s, 3);
	loop_turn(s->w2);
	loop_turn(s->w2);
	for (int why = 0; why < DROP_COUNT; why++)
		assert_int_equal(wire_lost(ws, 1, why), 0);
	assert_int_equal(wire_delivered(ws, 1), 0);
	assert_int_equal(scene_received(s, 1), 0);
	assert_true(rte_mempool_full(uplink_queue(ws->uplink, 1)->rx_pool));
}

static void test_a_port_that_is_deleted(void **state)
{
	struct wire_scene *ws = *state;
	struct vport **entry = &ws->s->ports[ws->s->guest[1].port.id];

	stage_ten(ws);
	*entry = NULL;
	reuse_id(ws->s, false);
	assert_gone_with_its_counters(ws);
	*entry = &ws->s->guest[1].port;
}

static void test_a_port_whose_id_is_used_again(void **state)
{
	struct wire_scene *ws = *state;

	stage_ten(ws);
	reuse_id(ws->s, true);
	assert_gone_with_its_counters(ws);
}

static void test_a_port_whose_id_is_used_again_on_the_way(void **state)
{
	struct wire_scene *ws = *state;

	hand_over_ten(ws);
	reuse_id(ws->s, true);
	assert_gone_with_its_counters(ws);
}

/* The network that a packet belongs to was found before the port changed networks. */
static void test_a_port_that_changes_networks_meanwhile(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct rte_mbuf *m = rte_pktmbuf_alloc(uplink_queue(ws->uplink, 1)->rx_pool);

	assert_non_null(m);
	staging_put(s->w, &s->guest[1].port, &s->net[1], m, 0, WIRE_MAX_STAGED);
	assert_int_equal(ws->wire[0]->n_staged, 0);
	assert_int_equal(wire_lost(ws, 1, DROP_PORT_GONE), 1);
}

static void test_a_port_that_changes_networks(void **state)
{
	struct wire_scene *ws = *state;

	stage_ten(ws);
	atomic_fetch_add(&ws->s->guest[1].port.epoch, 1);
	assert_gone(ws, DROP_PORT_GONE);
}

static void test_a_port_that_goes_to_another_worker(void **state)
{
	struct wire_scene *ws = *state;

	stage_ten(ws);
	scene_move(ws->s, 1);
	assert_gone(ws, DROP_PORT_GONE);
}

static void test_a_port_that_changes_networks_on_the_way(void **state)
{
	struct wire_scene *ws = *state;

	hand_over_ten(ws);
	atomic_fetch_add(&ws->s->guest[1].port.epoch, 1);
	assert_gone(ws, DROP_PORT_GONE);
}

/* What is staged for a VM goes with it; what is staged for others stays. */
static void test_a_vm_that_is_deleted(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	stage_ten(ws);
	arrive(ws, 2, 1);
	take_in(ws);
	staging_forget_vm(s->w, s->guest[1].vm.id);
	assert_int_equal(ws->wire[0]->n_staged, 1);
	scene_turns(s, 3);
	assert_int_equal(scene_received(s, 2), 1);
	assert_gone(ws, DROP_PORT_GONE);
}

/* What is on its way there is dropped when it arrives: then the port is gone as well. */
static void test_a_vm_that_is_deleted_on_the_way(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct vport **entry = &s->ports[s->guest[1].port.id];

	hand_over_ten(ws);
	*entry = NULL;
	reuse_id(s, false);
	staging_forget_vm(s->w2, s->guest[1].vm.id);
	assert_gone_with_its_counters(ws);
	assert_int_equal(atomic_load(&ws->wire[1]->on_their_way[s->guest[1].vm.id]), 0);
	*entry = &s->guest[1].port;
}

/* Lets a worker go of all in the uplink's buffers. Returns the number of steps. */
static unsigned purge(struct worker *w, const struct uplink_device *uplink)
{
	struct staging_purge p = {.uplink = uplink};
	unsigned n = 0;

	for (; !p.is_done; n++)
		staging_purge(w, &p);
	return n;
}

static void test_an_uplink_that_is_closed(void **state)
{
	struct wire_scene *ws = *state;

	stage_ten(ws);
	purge(ws->s->w, ws->uplink);
	assert_gone(ws, DROP_UPLINK_DOWN);
}

static void test_an_uplink_that_is_closed_on_the_way(void **state)
{
	struct wire_scene *ws = *state;

	hand_over_ten(ws);
	purge(ws->s->w2, ws->uplink);
	assert_gone(ws, DROP_UPLINK_DOWN);
}

/* Many packets take several steps. */
static void test_an_uplink_is_let_go_of_in_steps(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	set_up(ws);
	scene_move(s, 2);
	arrive(ws, 1, 250);
	arrive(ws, 2, 250);
	take_in(ws);
	ingress_accept(s->w2);
	assert_true(purge(s->w2, ws->uplink) > 1);
	assert_int_equal(purge(s->w, ws->uplink), 1);
	assert_int_equal(wire_lost(ws, 1, DROP_UPLINK_DOWN), 250);
	assert_int_equal(wire_lost(ws, 2, DROP_UPLINK_DOWN), 250);
	assert_int_equal(ws->wire[0]->n_staged + ws->wire[1]->n_staged, 0);
	assert_true(rte_mempool_full(uplink_queue(ws->uplink, 1)->rx_pool));
}

/* What came from another uplink stays, in order: here, in buffers of another pool. */
static void test_what_came_from_another_uplink_stays(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	uint32_t len;

	set_up(ws);
	for (uint8_t i = 0; i < 10; i++) {
		struct rte_mbuf *other;
		void *m = NULL;

		take_in(ws);
		wire_arrive_for(ws, HOST, 1, i);
		if (i % 3 == 0)
			continue;
		assert_int_equal(rte_ring_dequeue(ws->ring[1], &m), 0);
		other = rte_pktmbuf_copy(m, s->guest[0].vm.pool, 0, UINT32_MAX);
		rte_pktmbuf_free(m);
		wire_put_packet(ws, other);
	}
	take_in(ws);
	purge(s->w, ws->uplink);
	assert_int_equal(staging_of(s->w, &s->guest[1])->n, 6);
	scene_turns(s, 3);
	for (int i = 0; i < 10; i++)
		if (i % 3 != 0)
			assert_int_equal(scene_receive(&s->guest[1], &len), i);
	assert_int_equal(wire_lost(ws, 1, DROP_UPLINK_DOWN), 4);
}

/* --- queue pairs --------------------------------------------------------------------------------
 */

/* Of a port with two queues, a flow's packets all go to one; here the second is guest 2's ring. */
static void test_a_flow_stays_in_its_queue(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct scene_guest *g = &s->guest[1];
	struct vdev_pair pairs[2];
	uint8_t frame[64] = {0};
	unsigned first, second;

	wire_introduce_guest(ws, 1);
	attach_change(s->w, &s->guest[2].port, NULL, NULL, NULL, 0);
	pairs[0] = g->pair;
	pairs[1] = s->guest[2].pair;
	pairs[1].tx_on = false;
	attach_change(s->w, &g->port, NULL, NULL, pairs, 2);
	wire_listen(ws);
	scene_mac(1, frame);
	wire_host_mac(HOST, frame + 6);
	/* Flows are told apart by what follows. */
	for (uint8_t i = 0; i < 60; i++) {
		frame[12] = (uint8_t)(0x90 + i % 6);
		wire_put_packet(ws, wire_packet(ws, HOST, WIRE_VNI, frame, sizeof(frame)));
	}
	scene_turns(s, 10);
	first = scene_received(s, 1);
	second = scene_received(s, 2);
	assert_int_equal(first + second, 60);
	assert_int_equal(first % 10, 0);
	assert_int_equal(wire_delivered(ws, 1), 60);
	attach_change(s->w, &g->port, NULL, NULL, NULL, 0);
	g->pair.rx = pairs[0].rx;
	attach_change(s->w, &g->port, NULL, NULL, &g->pair, 1);
	attach_change(s->w, &s->guest[2].port, NULL, NULL, &s->guest[2].pair, 1);
}

/* --- sleep --------------------------------------------------------------------------------------
 */

static void test_quiet_is_when_nothing_is_on_its_way(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;

	set_up(ws);
	wire_introduce(ws, HOST);
	assert_true(ingress_is_quiet(ws->wire[0]));
	scene_move(s, 1);
	arrive(ws, 1, 1);
	take_in(ws);
	assert_true(ingress_is_quiet(ws->wire[0]));
	assert_false(ingress_is_quiet(ws->wire[1]));
	loop_turn(s->w2);
	assert_true(ingress_is_quiet(ws->wire[1]));
	/* Frames that wait for an uplink. */
	wire_fill(ws, 0);
	wire_send_to(ws, HOST, 1);
	scene_turns(s, 2);
	assert_false(ingress_is_quiet(ws->wire[0]));
	wire_drain_filling(ws);
	scene_turns(s, 1);
	assert_true(ingress_is_quiet(ws->wire[0]));
}

/* A worker naps where an uplink wakes nobody up, and does not while something is on its way. */
static void test_a_worker_naps(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	uint16_t unwatched = s->w->n_unwatched;
	uint64_t before;

	wire_listen(ws);
	wire_introduce(ws, HOST);
	s->w->n_unwatched = 0; /* the guests of the scene have nothing to kick */
	ws->wire[0]->n_silent = 1;
	before = s->w->sleeps;
	sleep_begin(s->w);
	assert_int_equal(s->w->sleeps, before + 1);
	sleep_end(s->w);
	wire_fill(ws, 0);
	wire_send_to(ws, HOST, 1);
	scene_turns(s, 2);
	sleep_begin(s->w);
	sleep_end(s->w);
	assert_int_equal(s->w->sleeps, before + 1);
	s->w->n_unwatched = unwatched;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WIRE_CASE(test_a_flooded_vm_has_a_limit),
		WIRE_CASE(test_the_limit_is_what_is_free),
		WIRE_CASE(test_congestion_is_told_before_packets_are_lost),
		WIRE_CASE(test_a_vm_over_its_limit_keeps_its_packets),
		WIRE_CASE(test_a_turn_stages_some),
		WIRE_CASE(test_what_was_polled_is_dropped),
		WIRE_CASE(test_neither_the_ring_nor_the_wire_starves),
		WIRE_CASE(test_a_vm_that_waits_for_an_uplink_receives),
		WIRE_CASE(test_packets_into_missing_pages_arrive_in_order),
		WIRE_CASE(test_another_workers_vm_gets_them_there),
		WIRE_CASE(test_the_way_there_has_a_limit),
		WIRE_CASE(test_a_flood_goes_to_both_workers),
		WIRE_CASE(test_a_port_that_is_deleted),
		WIRE_CASE(test_a_port_whose_id_is_used_again),
		WIRE_CASE(test_a_port_whose_id_is_used_again_on_the_way),
		WIRE_CASE(test_a_port_that_changes_networks_meanwhile),
		WIRE_CASE(test_a_port_that_changes_networks),
		WIRE_CASE(test_a_port_that_goes_to_another_worker),
		WIRE_CASE(test_a_port_that_changes_networks_on_the_way),
		WIRE_CASE(test_a_vm_that_is_deleted),
		WIRE_CASE(test_a_vm_that_is_deleted_on_the_way),
		WIRE_CASE(test_an_uplink_that_is_closed),
		WIRE_CASE(test_an_uplink_that_is_closed_on_the_way),
		WIRE_CASE(test_an_uplink_is_let_go_of_in_steps),
		WIRE_CASE(test_what_came_from_another_uplink_stays),
		WIRE_CASE(test_a_flow_stays_in_its_queue),
		WIRE_CASE(test_quiet_is_when_nothing_is_on_its_way),
		WIRE_CASE(test_a_worker_naps),
	};

	if (fake_eal_init("staging_test") < 0)
		return 1;
	return cmocka_run_group_tests_name("staging", tests, NULL, NULL);
}
