/* SPDX-License-Identifier: BSD-3-Clause */
/* A scene with a wire. Failures end the test, as cmocka's do. Memory: two queues of an uplink, as
 * large as in the daemon, from wire_scene_setup to wire_scene_teardown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/fake/wire_scene.h"

#include <stdlib.h>
#include <string.h>

#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "vswitch/ingress.h"

#define VTEP_ID 0

/* What fills the wire up: no frame of ours is so short. */
#define FILLING_LEN 1

static struct wire_scene scene;

static const struct ip_addr our_address = {.bytes = {10, 9, 0, 1}};
static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t their_mac[6] = {2, 0, 0, 0, 0, 2};

/* --- other hosts -------------------------------------------------------------------------------
 */

static struct ip_addr host_address(unsigned host)
{
	return (struct ip_addr){.bytes = {10, 8, (uint8_t)(host >> 8), (uint8_t)host}};
}

uint16_t wire_host_dest(unsigned host)
{
	return (uint16_t)(DEST_FIRST_REMOTE + host);
}

void wire_host_mac(unsigned host, uint8_t mac[6])
{
	const uint8_t bytes[6] = {0x52, 0x54, 9, 0, 0, (uint8_t)host};

	memcpy(mac, bytes, sizeof(bytes));
}

void wire_introduce(struct wire_scene *ws, unsigned host)
{
	uint8_t mac[6];

	wire_host_mac(host, mac);
	assert_int_equal(fdb_add_static(ws->s->net[0].fdb, fdb_mac(mac), wire_host_dest(host)), 0);
}

void wire_set_host(struct wire_scene *ws, unsigned host, enum drop_reason reason, uint32_t mtu,
		   uint16_t generation)
{
	struct vxlan_conf conf = {
		.src = our_address, .dst = host_address(host), .port = VXLAN_PORT, .ttl = 64};
	struct adjacency *a = calloc(1, sizeof(*a));

	assert_non_null(a);
	memcpy(conf.src_mac, our_mac, 6);
	memcpy(conf.dst_mac, their_mac, 6);
	vxlan_template_init(&a->t, &conf);
	a->mtu = mtu;
	a->generation = generation;
	a->reason = (uint8_t)reason;
	free(atomic_exchange(&ws->tables->adjacency[host], a));
}

void wire_flood_to(struct wire_scene *ws, unsigned network, unsigned n)
{
	struct remotes *r = malloc(sizeof(*r) + n * sizeof(r->dest[0]));

	assert_non_null(r);
	r->n = n;
	for (unsigned i = 0; i < n; i++)
		r->dest[i] = wire_host_dest(i);
	free(atomic_exchange(&ws->s->net[network].remotes, r));
}

void wire_introduce_guest(struct wire_scene *ws, unsigned i)
{
	scene_introduce(ws->s, i);
	wire_take_all(ws);
}

/* --- set-up ------------------------------------------------------------------------------------
 */

static void fill_tables(struct wire_scene *ws)
{
	struct source_table *sources = source_table_create(WIRE_HOSTS);
	struct vni_table *vnis = vni_table_create(2);
	struct vtep_table *vteps = calloc(1, sizeof(*vteps));

	assert_non_null(sources);
	assert_non_null(vnis);
	assert_non_null(vteps);
	for (unsigned i = 0; i < WIRE_HOSTS; i++) {
		struct ip_addr a = host_address(i);

		source_table_add(sources, &a, VTEP_ID, (uint16_t)i);
	}
	for (unsigned i = 0; i < 2; i++)
		vni_table_add(vnis, WIRE_VNI + i, &ws->s->net[i]);
	vteps->n = 1;
	vteps->at[0] = (struct vtep_entry){our_address, VXLAN_PORT, VTEP_ID, false, false};
	free(atomic_exchange(&ws->tables->sources, sources));
	free(atomic_exchange(&ws->tables->vnis, vnis));
	free(atomic_exchange(&ws->tables->vteps, vteps));
}

static void open_uplink(struct wire_scene *ws)
{
	const struct uplink_conf conf = {
		.device = "net_ring0",
		.n_queues = 2,
		.mtu = 9000,
		.tx_wait_us = WIRE_WAIT_US,
		.may_block = true,
		.tsc_hz = ws->s->w->tsc_hz,
	};
	struct err e = {0};

	/* The driver leaves its rings for the next device of that name, and says that it cannot
	 * make them anew. */
	rte_log_set_level_pattern("lib.ring", RTE_LOG_CRIT);
	ws->uplink = uplink_open(&conf, &e);
	assert_non_null(ws->uplink);
	ws->ring[0] = rte_ring_lookup("ETH_RXTX0_net_ring0");
	ws->ring[1] = rte_ring_lookup("ETH_RXTX1_net_ring0");
	assert_non_null(ws->ring[0]);
	assert_non_null(ws->ring[1]);
}

int wire_scene_setup(void **state)
{
	struct wire_scene *ws = &scene;

	memset(ws, 0, sizeof(*ws));
	if (scene_setup(state) != 0)
		return -1;
	ws->s = *state;
	ws->tables = tunnel_tables_create();
	assert_non_null(ws->tables);
	open_uplink(ws);
	fill_tables(ws);
	for (unsigned i = 0; i < WIRE_HOSTS; i++)
		wire_set_host(ws, i, DROP_COUNT, WIRE_MTU, 1);
	for (unsigned i = 0; i < 2; i++) {
		struct bridge *net = &ws->s->net[i];

		net->vni = WIRE_VNI + i;
		net->vtep = VTEP_ID;
		net->learn_from_wire = true;
		net->flood_unknown = true;
		ws->wire[i] = wire_create(i, ws->tables);
		assert_non_null(ws->wire[i]);
		ws->wire[i]->tx[0] = uplink_queue(ws->uplink, i);
	}
	wire_flood_to(ws, 0, WIRE_FLOODED);
	ws->s->w->wire = ws->wire[0];
	ws->s->w2->wire = ws->wire[1];
	*state = ws;
	return 0;
}

static void drain(struct rte_ring *ring)
{
	void *m;

	while (rte_ring_dequeue(ring, &m) == 0)
		rte_pktmbuf_free(m);
}

/* All buffers of the uplink are back that do not wait for it. */
static void assert_buffers_are_back(struct wire_scene *ws)
{
	for (unsigned i = 0; i < 2; i++)
		drain(ws->ring[i]);
	for (unsigned i = 0; i < 2; i++) {
		struct uplink_queue *q = uplink_queue(ws->uplink, i);

		assert_int_equal(ws->wire[i]->n_staged, 0);
		assert_int_equal(ws->wire[i]->n_out, 0);
		while (!uplink_flush(q, ws->s->now))
			drain(ws->ring[i]);
		drain(ws->ring[i]);
		assert_true(rte_mempool_full(q->tx_pool));
		assert_true(rte_mempool_full(q->rx_pool));
	}
}

int wire_scene_teardown(void **state)
{
	struct wire_scene *ws = *state;
	struct scene *s = ws->s;
	void *inner = s;

	scene_teardown(&inner);
	assert_buffers_are_back(ws);
	uplink_close(ws->uplink);
	for (unsigned i = 0; i < 2; i++) {
		free(atomic_load(&s->net[i].remotes));
		wire_destroy(ws->wire[i]);
	}
	tunnel_tables_destroy(ws->tables);
	return 0;
}

/* --- to the wire -------------------------------------------------------------------------------
 */

void wire_send_to(struct wire_scene *ws, unsigned host, uint8_t tag)
{
	uint8_t dst[6], src[6];

	wire_host_mac(host, dst);
	scene_mac(0, src);
	scene_send_frame(&ws->s->guest[0], dst, src, 0x0800, 64, tag);
}

/* The host with that address. */
static unsigned host_of(const struct ip_addr *a)
{
	for (unsigned i = 0; i < WIRE_HOSTS; i++) {
		struct ip_addr host = host_address(i);

		if (ip_addr_equal(&host, a))
			return i;
	}
	fail();
	return 0;
}

bool wire_take(struct wire_scene *ws, struct wire_sent *sent)
{
	const struct vxlan_policy policy = {.strict_reserved = true};
	struct vxlan_outer o;
	struct rte_mbuf *m;
	const void *bytes;
	void *taken;

	if (rte_ring_dequeue(ws->ring[0], &taken) != 0)
		return false;
	m = taken;
	assert_int_equal(vxlan_parse(m, &o), WIRE_DROP_COUNT);
	assert_true(ip_addr_equal(&o.src, &our_address));
	assert_int_equal(o.port, VXLAN_PORT);
	assert_int_equal(vxlan_decap(m, &o, &policy), WIRE_DROP_COUNT);
	sent->host = host_of(&o.dst);
	sent->vni = o.vni;
	sent->len = m->pkt_len;
	assert_true(sent->len <= sizeof(sent->frame));
	bytes = rte_pktmbuf_read(m, 0, m->pkt_len, sent->frame);
	if (bytes != sent->frame)
		memcpy(sent->frame, bytes, m->pkt_len);
	rte_pktmbuf_free(m);
	return true;
}

void wire_assert_next(struct wire_scene *ws, unsigned host, uint8_t tag)
{
	struct wire_sent sent;

	assert_true(wire_take(ws, &sent));
	assert_int_equal(sent.host, host);
	assert_int_equal(sent.vni, WIRE_VNI);
	assert_int_equal(sent.frame[14], tag);
}

unsigned wire_take_all(struct wire_scene *ws)
{
	struct wire_sent sent;
	unsigned n = 0;

	while (wire_take(ws, &sent))
		n++;
	return n;
}

void wire_fill(struct wire_scene *ws, unsigned room)
{
	struct uplink_queue *q = uplink_queue(ws->uplink, 0);

	while (rte_ring_free_count(ws->ring[0]) > room) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(q->tx_pool);

		assert_non_null(m);
		rte_pktmbuf_append(m, FILLING_LEN);
		assert_int_equal(rte_ring_enqueue(ws->ring[0], m), 0);
	}
}

void wire_drain_filling(struct wire_scene *ws)
{
	unsigned n = rte_ring_count(ws->ring[0]);
	void *m = NULL;

	/* What is none keeps its place behind the others. */
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(rte_ring_dequeue(ws->ring[0], &m), 0);
		if (((struct rte_mbuf *)m)->pkt_len == FILLING_LEN)
			rte_pktmbuf_free(m);
		else
			assert_int_equal(rte_ring_enqueue(ws->ring[0], m), 0);
	}
}

void wire_make_room(struct wire_scene *ws, unsigned turns)
{
	wire_drain_filling(ws);
	ws->s->now += WIRE_HOLD_US * 1000;
	scene_turns(ws->s, turns);
}

/* --- from the wire -----------------------------------------------------------------------------
 */

void wire_listen(struct wire_scene *ws)
{
	struct wire *wire = ws->s->w->wire;

	wire->rx[wire->n_rx++] = uplink_queue(ws->uplink, 1);
}

struct rte_mbuf *wire_packet(struct wire_scene *ws, unsigned host, uint32_t vni,
			     const uint8_t *frame, uint32_t len)
{
	const struct ip_addr src = host_address(host);

	return wire_packet_between(ws, &src, &our_address, vni, frame, len);
}

struct rte_mbuf *wire_packet_between(struct wire_scene *ws, const struct ip_addr *src,
				     const struct ip_addr *dst, uint32_t vni, const uint8_t *frame,
				     uint32_t len)
{
	struct vxlan_conf conf = {
		.src = *src, .dst = *dst, .port = VXLAN_PORT, .ttl = 64, .sum = true};
	struct rte_mbuf *m = rte_pktmbuf_alloc(uplink_queue(ws->uplink, 1)->rx_pool);
	struct vxlan_template t;

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), frame, len);
	memcpy(conf.src_mac, their_mac, 6);
	memcpy(conf.dst_mac, our_mac, 6);
	vxlan_template_init(&t, &conf);
	return wire_frame_mbuf(vxlan_encap(&t, m, vni, 1));
}

void wire_put_packet(struct wire_scene *ws, struct rte_mbuf *m)
{
	assert_int_equal(rte_ring_enqueue(ws->ring[1], m), 0);
}

void wire_arrive(struct wire_scene *ws, unsigned host, uint32_t vni, const uint8_t dst[6],
		 uint8_t tag)
{
	uint8_t frame[64];

	memset(frame, tag, sizeof(frame));
	memcpy(frame, dst, 6);
	wire_host_mac(host, frame + 6);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	wire_put_packet(ws, wire_packet(ws, host, vni, frame, sizeof(frame)));
}

void wire_arrive_for(struct wire_scene *ws, unsigned host, unsigned guest, uint8_t tag)
{
	uint8_t dst[6];

	scene_mac(guest, dst);
	wire_arrive(ws, host, WIRE_VNI, dst, tag);
}

void wire_arrive_many(struct wire_scene *ws, unsigned host, unsigned guest, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		wire_arrive_for(ws, host, guest, (uint8_t)i);
}

void wire_take_in(struct wire_scene *ws)
{
	while (rte_ring_count(ws->ring[1]) > 0)
		ingress_accept(ws->s->w);
}

uint64_t wire_delivered(const struct wire_scene *ws, unsigned i)
{
	uint16_t port = ws->s->guest[i].port.id;

	return ws->s->w->counters[port].wire_delivered + ws->s->w2->counters[port].wire_delivered;
}

uint64_t wire_lost(const struct wire_scene *ws, unsigned i, enum drop_reason reason)
{
	uint16_t port = ws->s->guest[i].port.id;

	return ws->s->w->counters[port].wire_drops[reason] +
	       ws->s->w2->counters[port].wire_drops[reason];
}
