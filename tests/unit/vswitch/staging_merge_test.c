/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets from other hosts that reach a guest merged: what it gets, and how that is counted; which
 * ports get none; and what becomes of those for which a service has no time. */
#include "vswitch/staging.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <linux/virtio_net.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "tests/fake/eal.h"
#include "tests/fake/inner_frame.h"
#include "tests/fake/tcp_segment.h"
#include "tests/fake/wire_scene.h"
#include "vswitch/attach.h"
#include "vswitch/batch.h"
#include "vswitch/ingress.h"
#include "vswitch/loop.h"

#define HOST         50
#define MSS          1400
#define SEQ          0xffffc000u /* it wraps on the way */
#define BIT(n)       (1ULL << (n))
#define FLOWS        14 /* as many as are merged at once, nearly */
#define OUTER_SUM_AT (14 + 20 + 6)
#define HEADERS      (14 + 20 + 32) /* of a segment in IPv4 */

#define LARGE_V4 (BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4))
#define LARGE_V6 (BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO6))

/* Guest i is known, and takes large packets as these features say. */
static void set_up_guest(struct wire_scene *ws, unsigned i, uint64_t features)
{
	struct scene_guest *g = &ws->s->guest[i];

	wire_introduce_guest(ws, i);
	scene_offer_again(ws->s, i);
	g->pair.rx.q.features |= features;
	g->port.coalesces = true;
}

static void set_up(struct wire_scene *ws)
{
	set_up_guest(ws, 1, LARGE_V4 | LARGE_V6);
	wire_listen(ws);
}

/* The first segment of a flow to guest i. */
static struct tcp_segment segment_for(unsigned guest, uint16_t flow)
{
	struct tcp_segment s = tcp_segment_plain(SEQ, MSS);

	s.sport = flow;
	scene_mac(guest, s.dst_mac);
	wire_host_mac(HOST, s.src_mac);
	return s;
}

static void arrive(struct wire_scene *ws, const struct tcp_segment *s)
{
	uint8_t frame[TCP_SEGMENT_MAX];
	uint32_t len = tcp_segment_write(frame, s);

	wire_put_packet(ws, wire_packet(ws, HOST, WIRE_VNI, frame, len));
}

/* Puts so many segments of a flow on the wire. */
static void arrive_all(struct wire_scene *ws, struct tcp_segment *s, unsigned n)
{
	for (; n > 0; n--, *s = tcp_segment_next(s))
		arrive(ws, s);
}

/* --- what a guest gets --------------------------------------------------------------------------
 */

struct received {
	struct virtio_net_hdr_mrg_rxbuf h;
	uint32_t len;
	uint8_t frame[70000];
};

/* Takes the next packet out of its buffers. False when there is none. */
static bool receive(struct scene_guest *g, struct received *r)
{
	uint32_t used;
	int head = driver_ring_poll(&g->fe.ring[0], &used);

	if (head < 0)
		return false;
	memcpy(&r->h, g->rx_buf[g->rx_head[head]], sizeof(r->h));
	r->len = used - SCENE_HDR;
	memcpy(r->frame, g->rx_buf[g->rx_head[head]] + SCENE_HDR, r->len);
	for (unsigned i = 1; i < r->h.num_buffers; i++) {
		head = driver_ring_poll(&g->fe.ring[0], &used);
		assert_true(head >= 0);
		memcpy(r->frame + r->len, g->rx_buf[g->rx_head[head]], used);
		r->len += used;
	}
	return true;
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)plain_get16(p) << 16 | plain_get16(p + 2);
}

/* A stream as a guest gets it. */
struct stream {
	uint32_t seq; /* of its next byte */
	uint16_t mss;
	unsigned packets;
};

/* Whether the header is one for a packet that is complete. */
static bool is_plain(const struct virtio_net_hdr *h)
{
	return h->flags == 0 && h->gso_type == VIRTIO_NET_HDR_GSO_NONE;
}

/* The header of a large packet, whose TCP header begins at l4, and the payload at `at`. */
static void assert_large(const struct received *r, bool v6, uint32_t l4, uint32_t at, uint16_t mss)
{
	const struct virtio_net_hdr *h = &r->h.hdr;
	const uint8_t *l3 = r->frame + 14;
	const uint8_t rest[4] = {0, 6, (uint8_t)((r->len - l4) >> 8), (uint8_t)(r->len - l4)};

	assert_true(r->len - at > mss);
	assert_int_equal(h->flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(h->gso_type, v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(h->gso_size, mss);
	assert_int_equal(h->hdr_len, at);
	assert_int_equal(h->csum_start, l4);
	assert_int_equal(h->csum_offset, 16);
	assert_int_equal(plain_get16(r->frame + l4 + 16),
			 plain_sum(rest, 4, plain_sum(l3 + (v6 ? 8 : 12), v6 ? 32 : 8, 0)));
}

/* A packet of the stream, which goes on where the one before it ended. */
static void assert_goes_on(const struct received *r, struct stream *s)
{
	bool v6 = r->frame[14] >> 4 == 6;
	uint32_t l3 = 14, l4 = l3 + (v6 ? 40 : 20), at = l4 + (r->frame[l4 + 12] >> 4) * 4u;

	assert_int_equal(plain_get16(r->frame + l3 + (v6 ? 4 : 2)), r->len - (v6 ? l4 : l3));
	if (!v6)
		assert_int_equal(plain_sum(r->frame + l3, 20, 0), 0xffff);
	if (is_plain(&r->h.hdr))
		assert_int_equal(plain_l4_sum(r->frame + l3 + (v6 ? 8 : 12), v6, 6, r->frame + l4,
					      r->len - l4),
				 0xffff);
	else
		assert_large(r, v6, l4, at, s->mss);
	assert_int_equal(get32(r->frame + l4 + 4), s->seq);
	for (; at < r->len; at++, s->seq++)
		if (r->frame[at] != tcp_segment_byte(s->seq))
			fail_msg("another byte at %u", s->seq);
	s->packets++;
}

/* Takes all that guest i has. Returns the number of packets. Flows have the source ports from 1
 * on. */
static unsigned receive_all(struct wire_scene *ws, unsigned i, struct stream *streams, unsigned n)
{
	static struct received r;
	unsigned got = 0;

	for (; receive(&ws->s->guest[i], &r); got++) {
		uint32_t l4 = 14 + (r.frame[14] >> 4 == 6 ? 40 : 20);
		uint16_t flow = plain_get16(r.frame + l4);

		assert_in_range(flow, 1, n);
		assert_goes_on(&r, &streams[flow - 1]);
	}
	return got;
}

static uint64_t merged(const struct wire_scene *ws, unsigned i)
{
	uint16_t port = ws->s->guest[i].port.id;

	return ws->s->w->counters[port].wire_merged + ws->s->w2->counters[port].wire_merged;
}

static void test_a_flow_arrives_as_one_packet(void **state)
{
	struct wire_scene *ws = *state;

	set_up(ws);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		const struct port_counters before = *scene_counters(ws->s, 1), *c;
		struct tcp_segment s = segment_for(1, 1);
		struct stream stream = {SEQ, MSS, 0};

		s.v6 = v6;
		arrive_all(ws, &s, 10);
		scene_turns(ws->s, 3);
		assert_int_equal(receive_all(ws, 1, &stream, 1), 1);
		assert_int_equal(stream.seq, s.seq);
		c = scene_counters(ws->s, 1);
		assert_int_equal(c->wire_in - before.wire_in, 10);
		assert_int_equal(c->wire_delivered - before.wire_delivered, 10);
		assert_int_equal(c->wire_merged - before.wire_merged, 9);
		assert_int_equal(c->queue[0].tx_packets - before.queue[0].tx_packets, 1);
		assert_int_equal(c->queue[0].tx_bytes - before.queue[0].tx_bytes,
				 HEADERS + (v6 ? 20 : 0) + 10 * MSS);
		scene_offer_again(ws->s, 1);
	}
	/* It pays. */
	assert_true(ws->s->w->ledger.vm[ws->s->guest[1].vm.id][STAGE_RECEIVE] > 0);
}

/* Flows of two ports of one VM by turns. */
static void test_flows_of_two_ports(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	struct tcp_segment seg[4];
	struct scene_guest *other = &s->guest[2];
	uint16_t vm = other->vm.id;

	set_up(ws);
	set_up_guest(ws, 2, LARGE_V4);
	attach_change(s->w, &other->port, NULL, NULL, NULL, 0);
	other->port.vm = s->guest[1].vm.id;
	attach_change(s->w, &other->port, NULL, NULL, &other->pair, 1);
	for (unsigned k = 0; k < 4; k++)
		seg[k] = segment_for(1 + k % 2, (uint16_t)(1 + k / 2));
	for (unsigned i = 0; i < 5; i++)
		for (unsigned k = 0; k < 4; k++)
			arrive_all(ws, &seg[k], 1);
	scene_turns(s, 3);
	for (unsigned i = 1; i <= 2; i++) {
		struct stream stream[2] = {{SEQ, MSS, 0}, {SEQ, MSS, 0}};

		assert_int_equal(receive_all(ws, i, stream, 2), 2);
		assert_int_equal(stream[0].seq, seg[0].seq);
		assert_int_equal(stream[1].seq, seg[0].seq);
		assert_int_equal(wire_delivered(ws, i), 10);
		assert_int_equal(merged(ws, i), 8);
	}
	attach_change(s->w, &other->port, NULL, NULL, NULL, 0);
	other->port.vm = vm;
	attach_change(s->w, &other->port, NULL, NULL, &other->pair, 1);
}

static void test_another_worker_merges_as_well(void **state)
{
	struct wire_scene *ws = *state;
	struct tcp_segment s = segment_for(1, 1);
	struct stream stream = {SEQ, MSS, 0};

	set_up(ws);
	scene_move(ws->s, 1);
	arrive_all(ws, &s, 10);
	scene_turns(ws->s, 3);
	loop_turn(ws->s->w2);
	assert_int_equal(receive_all(ws, 1, &stream, 1), 1);
	assert_int_equal(wire_delivered(ws, 1), 10);
	assert_int_equal(merged(ws, 1), 9);
}

/* --- who gets none ------------------------------------------------------------------------------
 */

/* Ten segments arrive one by one, as they came. */
static void assert_apart(struct wire_scene *ws)
{
	struct tcp_segment s = segment_for(1, 1);
	struct stream stream = {SEQ, MSS, 0};

	arrive_all(ws, &s, 10);
	scene_turns(ws->s, 3);
	assert_int_equal(receive_all(ws, 1, &stream, 1), 10);
	assert_int_equal(stream.seq, s.seq);
	assert_int_equal(wire_delivered(ws, 1), 10);
	assert_int_equal(merged(ws, 1), 0);
}

static void test_a_port_that_takes_no_large_packets(void **state)
{
	struct wire_scene *ws = *state;

	set_up(ws);
	ws->s->guest[1].pair.rx.q.features &= ~(LARGE_V4 | LARGE_V6);
	assert_apart(ws);
}

static void test_a_port_that_takes_those_of_the_other_family(void **state)
{
	struct wire_scene *ws = *state;

	set_up_guest(ws, 1, LARGE_V6);
	wire_listen(ws);
	assert_apart(ws);
}

/* It might be handed large packets, but none whose checksum is not there. */
static void test_a_port_without_checksum_offload(void **state)
{
	struct wire_scene *ws = *state;

	set_up_guest(ws, 1, LARGE_V4 & ~BIT(VIRTIO_NET_F_GUEST_CSUM));
	wire_listen(ws);
	assert_apart(ws);
}

/* Large packets have to fit into one buffer there. */
static void test_a_port_without_mergeable_buffers(void **state)
{
	struct wire_scene *ws = *state;

	set_up(ws);
	ws->s->guest[1].pair.rx.mergeable = false;
	assert_apart(ws);
	ws->s->guest[1].pair.rx.mergeable = true;
}

static void test_a_port_that_is_told_not_to(void **state)
{
	struct wire_scene *ws = *state;

	set_up(ws);
	ws->s->guest[1].port.coalesces = false;
	assert_apart(ws);
}

/* Puts a segment with a wrong checksum on the wire, which the outer one is not derived from. */
static void arrive_wrong(struct wire_scene *ws, const uint8_t *frame, uint32_t len)
{
	struct rte_mbuf *m = wire_packet(ws, HOST, WIRE_VNI, frame, len);

	memset(rte_pktmbuf_mtod_offset(m, uint8_t *, OUTER_SUM_AT), 0, 2);
	wire_put_packet(ws, m);
}

/* A packet with a wrong checksum is passed on as it came, in its place. */
static void test_a_wrong_sum(void **state)
{
	static struct received r;
	struct wire_scene *ws = *state;
	struct tcp_segment s = segment_for(1, 1);
	struct stream stream = {SEQ, MSS, 0};
	uint8_t bad[TCP_SEGMENT_MAX];
	uint32_t len;

	set_up(ws);
	arrive_all(ws, &s, 3);
	s.is_sum_wrong = true;
	len = tcp_segment_write(bad, &s);
	arrive_wrong(ws, bad, len);
	s.is_sum_wrong = false;
	s = tcp_segment_next(&s);
	arrive_all(ws, &s, 3);
	scene_turns(ws->s, 3);
	assert_true(receive(&ws->s->guest[1], &r));
	assert_goes_on(&r, &stream);
	assert_int_equal(stream.seq, SEQ + 3 * MSS);
	assert_true(receive(&ws->s->guest[1], &r));
	assert_true(is_plain(&r.h.hdr));
	assert_int_equal(r.len, len);
	assert_memory_equal(r.frame, bad, len);
	stream.seq += MSS;
	assert_int_equal(receive_all(ws, 1, &stream, 1), 1);
	assert_int_equal(stream.seq, s.seq);
	assert_int_equal(merged(ws, 1), 4);
}

/* All ports get the bytes that came, whoever merges what it gets. */
static void test_segments_for_all(void **state)
{
	struct wire_scene *ws = *state;
	struct tcp_segment s = segment_for(1, 1);

	wire_listen(ws);
	for (unsigned i = 0; i < 5; i++)
		set_up_guest(ws, i, LARGE_V4);
	memcpy(s.dst_mac, scene_all, 6);
	arrive_all(ws, &s, 10);
	scene_turns(ws->s, 5);
	for (unsigned i = 0; i < 5; i++) {
		struct stream stream = {SEQ, MSS, 0};

		receive_all(ws, i, &stream, 1);
		assert_int_equal(stream.seq, s.seq);
		assert_int_equal(wire_delivered(ws, i), 10);
	}
}

/* --- where there is no room, or no time ---------------------------------------------------------
 */

/* A guest with buffers for some packets gets those, and is not denied all of them. */
static void test_fewer_buffers_than_packets(void **state)
{
	struct wire_scene *ws = *state;
	struct tcp_segment s;
	struct stream stream = {SEQ, MSS, 0};
	uint32_t got;

	set_up(ws);
	for (unsigned i = 0; i < SCENE_RING_SIZE - 5; i++)
		wire_arrive_for(ws, HOST, 1, 1);
	wire_take_in(ws);
	scene_turns(ws->s, 5);
	assert_int_equal(scene_received(ws->s, 1), SCENE_RING_SIZE - 5);
	s = segment_for(1, 1);
	arrive_all(ws, &s, 10);
	scene_turns(ws->s, 3);
	receive_all(ws, 1, &stream, 1);
	got = (stream.seq - SEQ) / MSS;
	assert_in_range(got, 5, 9);
	assert_int_equal(wire_delivered(ws, 1), SCENE_RING_SIZE - 5 + got);
	assert_int_equal(wire_lost(ws, 1, DROP_RING_FULL), 10 - got);
}

/* A service has no time for more than one part. */
static void take_a_slice(struct scene *s)
{
	s->now += 21000;
}

static void test_a_part_has_a_limit(void **state)
{
	struct wire_scene *ws = *state;
	struct tcp_segment s = segment_for(1, 1);
	struct stream stream = {SEQ, MSS, 0};
	unsigned turns = 0;

	set_up(ws);
	arrive_all(ws, &s, 60);
	wire_take_in(ws);
	ws->s->meanwhile = take_a_slice;
	for (uint64_t before = 0; wire_delivered(ws, 1) < 60; turns++) {
		scene_turns(ws->s, 1);
		assert_in_range(wire_delivered(ws, 1) - before, 0, MAX_WORK);
		before = wire_delivered(ws, 1);
		receive_all(ws, 1, &stream, 1);
		scene_offer_again(ws->s, 1);
	}
	ws->s->meanwhile = NULL;
	assert_in_range(turns, 2, 10);
	assert_int_equal(stream.seq, s.seq);
	assert_in_range(stream.packets, 2, 5);
	assert_int_equal(merged(ws, 1), 60 - stream.packets);
}

/* Flows by turns into missing pages: some large packets are delivered, what was merged for the
 * others is staged as before. */
static unsigned cut_a_service(struct wire_scene *ws, struct tcp_segment seg[FLOWS],
			      struct stream stream[FLOWS])
{
	unsigned left;

	set_up(ws);
	for (unsigned k = 0; k < FLOWS; k++) {
		seg[k] = segment_for(1, (uint16_t)(1 + k));
		seg[k].len = 100;
		stream[k] = (struct stream){SEQ, 100, 0};
	}
	for (unsigned i = 0; i < 2; i++)
		for (unsigned k = 0; k < FLOWS; k++)
			arrive_all(ws, &seg[k], 1);
	wire_take_in(ws);
	scene_turn_without_pages(ws->s, 1);
	left = ws->wire[0]->staging[ws->s->guest[1].vm.id].n;
	assert_in_range(left, 2, 2 * FLOWS - 2);
	assert_int_equal(wire_delivered(ws, 1), 2 * FLOWS - left);
	assert_int_equal(merged(ws, 1), FLOWS - left / 2);
	return left;
}

static void test_what_there_is_no_time_for(void **state)
{
	struct wire_scene *ws = *state;
	struct page_faults *faults = &ws->s->w->deadline.faults;
	struct tcp_segment seg[FLOWS];
	struct stream stream[FLOWS];

	if (page_faults_open(faults) < 0)
		skip();
	cut_a_service(ws, seg, stream);
	for (unsigned k = 0; k < FLOWS; k++)
		arrive_all(ws, &seg[k], 2);
	scene_turns(ws->s, 50);
	for (unsigned left; (left = receive_all(ws, 1, stream, FLOWS)) > 0;)
		scene_offer_again(ws->s, 1);
	for (unsigned k = 0; k < FLOWS; k++)
		assert_int_equal(stream[k].seq, seg[k].seq);
	assert_int_equal(wire_delivered(ws, 1), 4 * FLOWS);
	page_faults_close(faults);
}

/* What is staged again is in the uplink's buffers, packet by packet, and goes with it. */
static void test_what_there_was_no_time_for_goes_with_its_uplink(void **state)
{
	struct wire_scene *ws = *state;
	struct page_faults *faults = &ws->s->w->deadline.faults;
	struct staging_purge purge = {.uplink = ws->uplink};
	struct tcp_segment seg[FLOWS];
	struct stream stream[FLOWS];
	unsigned left;

	if (page_faults_open(faults) < 0)
		skip();
	left = cut_a_service(ws, seg, stream);
	while (!purge.is_done)
		staging_purge(ws->s->w, &purge);
	assert_int_equal(wire_lost(ws, 1, DROP_UPLINK_DOWN), left);
	assert_true(rte_mempool_full(uplink_queue(ws->uplink, 1)->rx_pool));
	page_faults_close(faults);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WIRE_CASE(test_a_flow_arrives_as_one_packet),
		WIRE_CASE(test_flows_of_two_ports),
		WIRE_CASE(test_another_worker_merges_as_well),
		WIRE_CASE(test_a_port_that_takes_no_large_packets),
		WIRE_CASE(test_a_port_that_takes_those_of_the_other_family),
		WIRE_CASE(test_a_port_without_checksum_offload),
		WIRE_CASE(test_a_port_without_mergeable_buffers),
		WIRE_CASE(test_a_port_that_is_told_not_to),
		WIRE_CASE(test_a_wrong_sum),
		WIRE_CASE(test_segments_for_all),
		WIRE_CASE(test_fewer_buffers_than_packets),
		WIRE_CASE(test_a_part_has_a_limit),
		WIRE_CASE(test_what_there_is_no_time_for),
		WIRE_CASE(test_what_there_was_no_time_for_goes_with_its_uplink),
	};

	if (fake_eal_init("staging_merge_test") < 0)
		return 1;
	return cmocka_run_group_tests_name("staging_merge", tests, NULL, NULL);
}
