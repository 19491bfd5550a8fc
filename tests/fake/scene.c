/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole turns of the loop, without the vhost library. Failures end the test, as cmocka's do.
 *
 * The test's thread plays the guests, control and both workers. Memory: 4 MiB and a pool of 255
 * mbufs for each guest, from scene_setup to scene_teardown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/fake/scene.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "tests/fake/eal.h"
#include "vswitch/attach.h"
#include "vswitch/backlog.h"
#include "vswitch/loop.h"
#include "vswitch/neigh_table.h"

#define TSC_HZ   1000000000ULL
#define SLICE_US 20
#define FEATURES (FE_F(FE_VERSION_1) | FE_F(FE_NET_MRG_RXBUF))

const uint8_t scene_all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static struct scene scene;

/* Each look at the clock takes some time, so that every stage has some to be billed. */
static uint64_t fake_clock(void)
{
	if (scene.meanwhile)
		scene.meanwhile(&scene);
	return scene.now += 100;
}

/* --- guests ------------------------------------------------------------------------------------
 */

static void open_ring(struct scene_guest *g, unsigned index, struct net_ring *ring)
{
	const struct virtq_conf conf = driver_ring_conf(&g->fe.ring[index], &g->mem, -1);

	assert_int_equal(net_ring_open(ring, &conf), 0);
}

/* Offers a receive buffer; not visible until driver_ring_publish. */
static void offer(struct scene_guest *g, int buf)
{
	struct driver_buf b = {vhost_fe_gpa(&g->fe, g->rx_buf[buf]), 2048, true};
	int head = driver_ring_add(&g->fe.ring[0], &b, 1);

	assert_true(head >= 0);
	g->rx_head[head] = buf;
}

static void open_rings(struct scene_guest *g)
{
	vhost_fe_init(&g->fe);
	g->fe.features = FEATURES;
	assert_int_equal(vhost_fe_map(&g->fe, 4 << 20, false), 0);
	g->mem.n = 1;
	g->mem.r[0] = (struct guest_region){FE_GPA, g->fe.mem_size, g->fe.mem};
	for (unsigned r = 0; r < 2; r++)
		assert_int_equal(vhost_fe_ring_init(&g->fe, r, SCENE_RING_SIZE), 0);
	for (unsigned b = 0; b < SCENE_RING_SIZE; b++)
		g->rx_buf[b] = vhost_fe_alloc(&g->fe, 2048, 64);
	open_ring(g, 0, &g->pair.rx);
	open_ring(g, 1, &g->pair.tx);
	g->pair.rx_on = g->pair.tx_on = true;
	g->pair.tx_kick_fd = -1;
	for (int b = 0; b < SCENE_RING_SIZE; b++)
		offer(g, b);
	driver_ring_publish(&g->fe.ring[0]);
}

static void join_worker(struct scene_guest *g, struct worker *w)
{
	g->vm.worker = w;
	g->port.worker = w;
	attach_vm(w, g->vm.id, g->vm.pool);
	attach_change(w, &g->port, NULL, NULL, &g->pair, 1);
}

static void leave_worker(struct scene_guest *g)
{
	struct worker *w = g->vm.worker;

	attach_change(w, &g->port, NULL, NULL, NULL, 0);
	detach_vm(w, g->vm.id);
}

void scene_enable(struct scene_guest *g, bool on)
{
	g->pair.rx_on = on;
	attach_change(g->port.worker, &g->port, NULL, NULL, &g->pair, 1);
}

/* As control does with a VM that has no ports any more. */
static void forget_vm(struct worker *w, uint16_t vm)
{
	backlog_accept(w, UINT_MAX);
	detach_backlog(w, vm);
	sched_remove_vm(w->sched, vm);
}

static void guest_open(struct scene *s, struct bridge *bridge)
{
	const struct budget budget = budget_default();
	unsigned i = s->n_guests++;
	struct scene_guest *g = &s->guest[i];
	char name[32];

	open_rings(g);
	snprintf(name, sizeof(name), "pool%u", i);
	g->vm.id = (uint16_t)(i + 1);
	g->vm.pool = fake_eal_pool(name, 255);
	g->port.id = (uint16_t)(i + 10);
	g->port.vm = g->vm.id;
	g->port.bridge = bridge;
	g->port.mac_limit = 8;
	s->ports[g->port.id] = &g->port;
	assert_int_equal(sched_add_vm(s->w->sched, g->vm.id, 0, &budget), 0);
	assert_int_equal(sched_add_vm(s->w2->sched, g->vm.id, 0, &budget), 0);
	join_worker(g, s->w);
}

static void guest_close(struct scene *s, unsigned i)
{
	struct scene_guest *g = &s->guest[i];

	leave_worker(g);
	forget_vm(s->w, g->vm.id);
	forget_vm(s->w2, g->vm.id);
	s->ports[g->port.id] = NULL;
	assert_int_equal(rte_mempool_in_use_count(g->vm.pool), 0);
	rte_mempool_free(g->vm.pool);
	vhost_fe_close(&g->fe);
}

/* --- the scene ---------------------------------------------------------------------------------
 */

static struct worker *make_worker(struct scene *s, unsigned index)
{
	const struct worker_conf conf = {
		.index = index,
		.core = index,
		.ports = s->ports,
		.clock = fake_clock,
		.sched = {.tsc_hz = TSC_HZ, .slice_us = SLICE_US, .mode = SCHED_MODE_NONE},
	};
	const struct budget budget = budget_default();
	struct err e = {0};
	struct worker *worker = worker_create(&conf, &e);

	assert_non_null(worker);
	assert_int_equal(sched_add_tenant(worker->sched, 0, &budget), 0);
	return worker;
}

/* All guests of a network, in the order of their ports. */
static void gather_members(struct scene *s, struct bridge *n)
{
	struct members *m = malloc(sizeof(*m) + s->n_guests * sizeof(struct vport *));

	assert_non_null(m);
	m->n = 0;
	for (unsigned i = 0; i < s->n_guests; i++)
		if (s->guest[i].port.bridge == n)
			m->port[m->n++] = &s->guest[i].port;
	free(atomic_exchange(&n->members, m));
}

static void make_network(struct scene *s, unsigned i)
{
	struct bridge *n = &s->net[i];

	gather_members(s, n);
	atomic_store(&n->mtu, 1500);
	n->fdb = fdb_create(256);
	assert_non_null(n->fdb);
}

int scene_setup(void **state)
{
	struct scene *s = &scene;

	memset(s, 0, sizeof(*s));
	s->now = 1000000;
	s->w = make_worker(s, 0);
	s->w2 = make_worker(s, 1);
	while (s->n_guests < SCENE_GUESTS)
		guest_open(s, &s->net[s->n_guests == 5]);
	make_network(s, 0);
	make_network(s, 1);
	*state = s;
	return 0;
}

/* What both workers counted for guest i's port. */
static struct port_counters both_counters(const struct scene *s, unsigned i)
{
	struct port_counters sum;

	memset(&sum, 0, sizeof(sum));
	port_counters_add(&sum, scene_counters(s, i));
	port_counters_add(&sum, &s->w2->counters[s->guest[i].port.id]);
	return sum;
}

static uint64_t sum_of(const uint64_t drops[DROP_COUNT])
{
	uint64_t sum = 0;

	for (int r = 0; r < DROP_COUNT; r++)
		sum += drops[r];
	return sum;
}

/* Each packet from the wire ended in one way, now that none is staged any more. */
static void assert_wire_conserved(const struct scene *s)
{
	for (unsigned i = 0; i < s->n_guests; i++) {
		struct port_counters c = both_counters(s, i);

		assert_int_equal(c.wire_in, c.wire_delivered + sum_of(c.wire_drops));
	}
}

/* Whatever happened, every cycle was billed. */
static void assert_all_is_billed(const struct ledger *l)
{
	assert_int_equal(ledger_sum(l), l->last_tsc - l->opened_tsc);
}

int scene_teardown(void **state)
{
	struct scene *s = *state;

	scene_assert_conserved(s);
	s->meanwhile = NULL;
	for (unsigned i = 0; i < s->n_guests; i++)
		guest_close(s, i);
	assert_wire_conserved(s);
	for (unsigned i = 0; i < 2; i++) {
		free(atomic_load(&s->net[i].members));
		fdb_destroy(s->net[i].fdb);
		neigh_table_destroy(atomic_load(&s->net[i].neighbours));
	}
	assert_all_is_billed(&s->w->ledger);
	assert_all_is_billed(&s->w2->ledger);
	worker_destroy(s->w);
	worker_destroy(s->w2);
	return 0;
}

/* --- what tests do with it ---------------------------------------------------------------------
 */

void scene_join(struct scene *s, unsigned network, unsigned n)
{
	assert_true(s->n_guests + n <= SCENE_MOST);
	while (n-- > 0)
		guest_open(s, &s->net[network]);
	gather_members(s, &s->net[network]);
}

void scene_mac(unsigned i, uint8_t mac[6])
{
	const uint8_t bytes[6] = {0x52, 0x54, 0, 0, 0, (uint8_t)(i + 1)};

	memcpy(mac, bytes, 6);
}

void scene_send_bytes(struct scene_guest *g, const uint8_t *frame, size_t len)
{
	uint8_t *p = vhost_fe_alloc(&g->fe, SCENE_HDR + len, 64);
	struct driver_buf b;

	assert_non_null(p);
	memset(p, 0, SCENE_HDR);
	memcpy(p + SCENE_HDR, frame, len);
	b = (struct driver_buf){vhost_fe_gpa(&g->fe, p), (uint32_t)(SCENE_HDR + len), false};
	assert_true(driver_ring_add(&g->fe.ring[1], &b, 1) >= 0);
	driver_ring_publish(&g->fe.ring[1]);
}

void scene_send_frame(struct scene_guest *g, const uint8_t dst[6], const uint8_t src[6],
		      uint16_t type, size_t len, uint8_t tag)
{
	uint8_t frame[16384];

	assert_in_range(len, 14, sizeof(frame));
	memcpy(frame, dst, 6);
	memcpy(frame + 6, src, 6);
	frame[12] = (uint8_t)(type >> 8);
	frame[13] = (uint8_t)type;
	memset(frame + 14, tag, len - 14);
	scene_send_bytes(g, frame, len);
}

void scene_send_to(struct scene *s, unsigned from, unsigned to, uint8_t tag)
{
	uint8_t dst[6], src[6];

	scene_mac(from, src);
	scene_mac(to, dst);
	scene_send_frame(&s->guest[from], dst, src, 0x0800, 64, tag);
}

void scene_send_to_all(struct scene *s, unsigned from, uint8_t tag)
{
	uint8_t src[6];

	scene_mac(from, src);
	scene_send_frame(&s->guest[from], scene_all, src, 0x0806, 64, tag);
}

void scene_reclaim(struct scene *s, unsigned i)
{
	uint32_t len;

	while (driver_ring_poll(&s->guest[i].fe.ring[1], &len) >= 0)
		continue;
}

void scene_offer_again(struct scene *s, unsigned i)
{
	struct scene_guest *g = &s->guest[i];
	uint32_t len;

	for (int head; (head = driver_ring_poll(&g->fe.ring[0], &len)) >= 0;)
		offer(g, g->rx_head[head]);
	driver_ring_publish(&g->fe.ring[0]);
}

/* The next received frame; NULL when there is none. */
static const uint8_t *take_frame(struct scene_guest *g, uint32_t *len)
{
	uint32_t used;
	int head = driver_ring_poll(&g->fe.ring[0], &used);

	if (head < 0)
		return NULL;
	*len = used - SCENE_HDR;
	return g->rx_buf[g->rx_head[head]] + SCENE_HDR;
}

int scene_receive(struct scene_guest *g, uint32_t *len)
{
	const uint8_t *frame = take_frame(g, len);

	return frame ? frame[14] : -1;
}

uint32_t scene_receive_frame(struct scene_guest *g, uint8_t *frame, uint32_t size)
{
	uint32_t len;
	const uint8_t *taken = take_frame(g, &len);

	if (!taken)
		return 0;
	assert_true(len <= size);
	memcpy(frame, taken, len);
	return len;
}

unsigned scene_received(struct scene *s, unsigned i)
{
	uint32_t len;
	unsigned n = 0;

	while (scene_receive(&s->guest[i], &len) >= 0)
		n++;
	return n;
}

void scene_receive_all(struct scene *s)
{
	for (unsigned i = 0; i < s->n_guests; i++)
		scene_received(s, i);
}

void scene_turns(struct scene *s, unsigned n)
{
	while (n-- > 0)
		loop_turn(s->w);
}

void scene_take_long(struct scene *s)
{
	s->now += SLICE_US * (TSC_HZ / 1000000) / 4;
}

void scene_cut_a_service(struct scene *s, unsigned i)
{
	struct backlog *b = &s->w->backlog[s->guest[i].vm.id];

	s->meanwhile = scene_take_long;
	for (unsigned k = 0; k < 50 && b->n == 0; k++)
		loop_turn(s->w);
	assert_int_equal(b->n, 1);
	assert_int_equal(backlog_at(b, 0)->cursor % 16, 0);
	assert_in_range(backlog_at(b, 0)->cursor, 16, 48);
	scene_turns(s, 50);
	s->meanwhile = NULL;
}

/* The slice ends while a burst is delivered. */
static void take_some(struct scene *s)
{
	s->now += 8000;
}

void scene_turn_without_pages(struct scene *s, unsigned i)
{
	struct vhost_fe *fe = &s->guest[i].fe;

	assert_int_equal(fallocate(fe->mem_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				   s->guest[i].rx_buf[0] - fe->mem, SCENE_RING_SIZE * 2048),
			 0);
	page_faults_happened(&s->w->deadline.faults);
	s->meanwhile = take_some;
	loop_turn(s->w);
	s->meanwhile = NULL;
}

void scene_introduce(struct scene *s, unsigned i)
{
	scene_send_to(s, i, i == 0, 1);
	scene_turns(s, 3);
	scene_receive_all(s);
}

void scene_move(struct scene *s, unsigned i)
{
	leave_worker(&s->guest[i]);
	join_worker(&s->guest[i], s->w2);
}

const struct port_counters *scene_counters(const struct scene *s, unsigned i)
{
	return &s->w->counters[s->guest[i].port.id];
}

uint64_t scene_dropped(const struct scene *s, unsigned i, enum drop_reason reason)
{
	return scene_counters(s, i)->drops[reason];
}

void scene_assert_conserved(const struct scene *s)
{
	for (unsigned i = 0; i < s->n_guests; i++) {
		struct port_counters c = both_counters(s, i);

		assert_int_equal(c.in, c.forwarded + c.consumed + sum_of(c.drops));
	}
}
