/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole turns of the loop, with guests played in memory and a clock of the test's: what arrives
 * where, what is counted, what is billed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_mbuf.h>

#include "tests/fake/vhost_fe.h"
#include "vhost/vring_loan.h"
#include "vswitch/forward.h"
#include "vswitch/loop.h"
#include "vswitch/switch.h"

#define GUESTS    6
#define RING_SIZE 64
#define HDR       12
#define TSC_HZ    1000000000ULL /* a cycle is a nanosecond */
#define FEATURES  (FE_F(FE_VERSION_1) | FE_F(FE_NET_MRG_RXBUF))

struct guest {
	struct vhost_fe fe;
	struct guest_mem mem;
	struct vm vm;
	struct port port;
	struct vdev_pair pair;
	uint8_t *rx_buf[RING_SIZE];
	int rx_head[RING_SIZE]; /* which buffer a head is */
};

static struct port *ports[MAX_PORTS];
static struct network net[2];
static struct tenant *no_tenant;
static struct guest guest[GUESTS];
static struct worker *w, *w2;
static uint64_t now;

/* What a guest does while the worker is busy. */
static void (*meanwhile)(void);

/* Each look at the clock takes some time, so that every stage has some to be billed. */
static uint64_t fake_clock(void)
{
	if (meanwhile)
		meanwhile();
	return now += 100;
}

/* --- guests ------------------------------------------------------------------------------------
 */

static void open_virtq(struct guest *g, unsigned index, struct virtq *q)
{
	struct fe_ring *r = &g->fe.ring[index];
	const struct vring_conf conf = {
		.desc = r->split.desc,
		.avail = r->split.avail,
		.used = r->split.used,
		.size = r->num,
		.call_fd = -1,
		.features = FEATURES,
		.mem = &g->mem,
	};

	assert_int_equal(vring_open(q, &conf), 0);
}

static void give_rx(struct guest *g, unsigned n)
{
	struct fe_ring *r = &g->fe.ring[0];

	for (unsigned i = 0; i < n; i++) {
		uint8_t *p = g->rx_buf[i];
		struct fe_buf b = {vhost_fe_gpa(&g->fe, p), 2048, true};
		int head = fe_ring_add(r, &b, 1);

		assert_true(head >= 0);
		g->rx_head[head] = (int)i;
	}
	fe_ring_publish(r);
}

static void guest_open(struct guest *g, unsigned i, struct network *network, struct worker *worker)
{
	const struct budget budget = budget_default();
	char name[32];

	memset(g, 0, sizeof(*g));
	vhost_fe_init(&g->fe);
	g->fe.features = FEATURES;
	assert_int_equal(vhost_fe_map(&g->fe, 4 << 20, false), 0);
	g->mem.n = 1;
	g->mem.r[0] = (struct guest_region){FE_GPA, g->fe.mem_size, g->fe.mem};
	for (unsigned r = 0; r < 2; r++)
		assert_int_equal(fe_ring_init(&g->fe, r, RING_SIZE), 0);
	for (unsigned b = 0; b < RING_SIZE; b++)
		g->rx_buf[b] = vhost_fe_alloc(&g->fe, 2048, 64);
	open_virtq(g, 0, &g->pair.rx);
	open_virtq(g, 1, &g->pair.tx);
	g->pair.rx_on = g->pair.tx_on = true;
	g->pair.tx_kick_fd = -1;
	give_rx(g, RING_SIZE);

	snprintf(name, sizeof(name), "pool%u", i);
	g->vm.id = (uint16_t)(i + 1);
	g->vm.pool =
		rte_pktmbuf_pool_create(name, 255, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	assert_non_null(g->vm.pool);
	g->vm.worker = worker;
	g->port.id = (uint16_t)(i + 10);
	g->port.vm = &g->vm;
	g->port.net = network;
	g->port.worker = worker;
	g->port.mac_limit = 8;
	ports[g->port.id] = &g->port;
	assert_int_equal(sched_add_vm(worker->sched, g->vm.id, 0, &budget), 0);
	worker_add_vm(worker, &g->vm);
	assert_int_equal(worker_attach(worker, &g->port, &g->pair, 1), 0);
}

static void guest_close(struct guest *g)
{
	struct worker *worker = g->vm.worker;

	worker_detach(worker, &g->port);
	worker_remove_vm(worker, &g->vm);
	sched_remove_vm(worker->sched, g->vm.id);
	ports[g->port.id] = NULL;
	assert_int_equal(rte_mempool_in_use_count(g->vm.pool), 0);
	rte_mempool_free(g->vm.pool);
	vhost_fe_close(&g->fe);
}

static void mac_of(unsigned i, uint8_t mac[6])
{
	const uint8_t bytes[6] = {0x52, 0x54, 0, 0, 0, (uint8_t)(i + 1)};

	memcpy(mac, bytes, 6);
}

/* Sends one frame; byte 14 on is `tag`. */
static void send_frame(struct guest *g, const uint8_t dst[6], const uint8_t src[6], uint16_t type,
		       size_t len, uint8_t tag)
{
	uint8_t *p = vhost_fe_alloc(&g->fe, HDR + len, 64);
	struct fe_buf b;

	assert_non_null(p);
	memset(p, 0, HDR);
	memcpy(p + HDR, dst, 6);
	memcpy(p + HDR + 6, src, 6);
	p[HDR + 12] = (uint8_t)(type >> 8);
	p[HDR + 13] = (uint8_t)type;
	memset(p + HDR + 14, tag, len - 14);
	b = (struct fe_buf){vhost_fe_gpa(&g->fe, p), (uint32_t)(HDR + len), false};
	assert_true(fe_ring_add(&g->fe.ring[1], &b, 1) >= 0);
	fe_ring_publish(&g->fe.ring[1]);
}

static void send_to(unsigned from, unsigned to, uint8_t tag)
{
	uint8_t dst[6], src[6];

	mac_of(from, src);
	mac_of(to, dst);
	send_frame(&guest[from], dst, src, 0x0800, 64, tag);
}

/* Takes one received frame; returns its tag, or -1 when there is none. */
static int receive(struct guest *g, uint32_t *len)
{
	uint32_t used;
	int head = fe_ring_poll(&g->fe.ring[0], &used);

	if (head < 0)
		return -1;
	*len = used - HDR;
	return g->rx_buf[g->rx_head[head]][HDR + 14];
}

static unsigned received(unsigned i)
{
	uint32_t len;
	unsigned n = 0;

	while (receive(&guest[i], &len) >= 0)
		n++;
	return n;
}

static void turns(unsigned n)
{
	while (n-- > 0)
		turn(w);
}

static const struct port_counters *counters(unsigned i)
{
	return &w->counters[guest[i].port.id];
}

static uint64_t dropped(unsigned i, enum drop_reason reason)
{
	return counters(i)->drops[reason];
}

static void assert_conserved(void)
{
	for (unsigned i = 0; i < GUESTS; i++) {
		struct port_counters sum;
		uint64_t drops = 0;

		memset(&sum, 0, sizeof(sum));
		port_counters_add(&sum, &w->counters[guest[i].port.id]);
		port_counters_add(&sum, &w2->counters[guest[i].port.id]);
		for (int r = 0; r < DROP_COUNT; r++)
			drops += sum.drops[r];
		assert_int_equal(sum.in, sum.forwarded + sum.consumed + drops);
	}
}

/* --- the scene: guests 0 to 4 in network 0, guest 5 in network 1 -------------------------------
 */

static struct worker *make_worker(unsigned index)
{
	const struct worker_conf conf = {
		.index = index,
		.core = index,
		.ports = ports,
		.clock = fake_clock,
		.sched = {.tsc_hz = TSC_HZ, .slice_us = 20, .mode = SCHED_MODE_NONE},
	};
	const struct budget budget = budget_default();
	struct err e = {0};
	struct worker *worker = worker_create(&conf, &e);

	assert_non_null(worker);
	assert_int_equal(sched_add_tenant(worker->sched, 0, &budget), 0);
	return worker;
}

static void make_network(struct network *n, unsigned first, unsigned count)
{
	struct members *m = malloc(sizeof(*m) + count * sizeof(struct port *));

	memset(n, 0, sizeof(*n));
	assert_non_null(m);
	m->n = count;
	for (unsigned i = 0; i < count; i++)
		m->port[i] = &guest[first + i].port;
	atomic_store(&n->members, m);
	atomic_store(&n->mtu, 1500);
	n->tenant = no_tenant;
	n->fdb = fdb_create(256);
	assert_non_null(n->fdb);
}

static int setup(void **state)
{
	(void)state;
	now = 1000000;
	w = make_worker(0);
	w2 = make_worker(1);
	for (unsigned i = 0; i < GUESTS; i++)
		guest_open(&guest[i], i, &net[i == 5], w);
	make_network(&net[0], 0, 5);
	make_network(&net[1], 5, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_conserved();
	for (unsigned i = 0; i < GUESTS; i++)
		guest_close(&guest[i]);
	for (unsigned i = 0; i < 2; i++) {
		free(atomic_load(&net[i].members));
		fdb_destroy(net[i].fdb);
	}
	/* Whatever happened, every cycle was billed. */
	assert_int_equal(ledger_sum(&w->ledger), w->ledger.last_tsc - w->ledger.opened_tsc);
	worker_destroy(w);
	worker_destroy(w2);
	return 0;
}

/* --- switching ---------------------------------------------------------------------------------
 */

static void test_unknown_goes_to_all_of_the_network(void **state)
{
	(void)state;
	send_to(0, 1, 7);
	turns(3);
	assert_int_equal(received(0), 0);
	for (unsigned i = 1; i < 5; i++)
		assert_int_equal(received(i), 1);
	assert_int_equal(received(5), 0);
	assert_int_equal(counters(0)->in, 1);
	assert_int_equal(counters(0)->forwarded, 1);
	assert_int_equal(counters(0)->copies, 3);
	assert_int_equal(counters(0)->flooded, 1);
}

static void test_known_goes_to_one(void **state)
{
	uint32_t len;

	(void)state;
	send_to(1, 0, 1);
	turns(3);
	for (unsigned i = 0; i < GUESTS; i++)
		received(i);
	send_to(0, 1, 7);
	turns(3);
	assert_int_equal(receive(&guest[1], &len), 7);
	assert_int_equal(len, 64);
	for (unsigned i = 0; i < GUESTS; i++)
		assert_int_equal(received(i), 0);
	assert_int_equal(counters(0)->copies, 0);
}

static void test_order_is_kept(void **state)
{
	uint32_t len;

	(void)state;
	for (uint8_t i = 0; i < 40; i++)
		send_to(0, 1, i);
	turns(10);
	for (int i = 0; i < 40; i++)
		assert_int_equal(receive(&guest[1], &len), i);
}

static void test_broadcast_reaches_the_network_only(void **state)
{
	static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	uint8_t src[6];

	(void)state;
	mac_of(5, src);
	send_frame(&guest[5], all, src, 0x0806, 64, 1);
	mac_of(0, src);
	send_frame(&guest[0], all, src, 0x0806, 64, 1);
	turns(5);
	for (unsigned i = 1; i < 5; i++)
		assert_int_equal(received(i), 1);
	assert_int_equal(received(5), 0);
	assert_int_equal(received(0), 0);
	assert_int_equal(dropped(5, DROP_NO_RECEIVER), 1);
}

/* An entry that points into another network (a port number used again, say) is not followed. */
static void test_a_stale_entry_crosses_nothing(void **state)
{
	uint8_t mac[6];

	(void)state;
	mac_of(5, mac);
	fdb_learn(net[0].fdb, fdb_mac(mac), guest[5].port.id, 1, true);
	send_to(0, 5, 1);
	turns(3);
	assert_int_equal(received(5), 0);
	assert_int_equal(received(1), 1);
}

static void test_an_address_moves_with_its_guest(void **state)
{
	uint8_t dst[6], src[6];

	(void)state;
	send_to(1, 0, 1);
	turns(3);
	/* Guest 2 now has guest 1's address. */
	mac_of(1, src);
	mac_of(0, dst);
	send_frame(&guest[2], dst, src, 0x0800, 64, 1);
	turns(3);
	for (unsigned i = 0; i < GUESTS; i++)
		received(i);
	send_to(0, 1, 9);
	turns(3);
	assert_int_equal(received(1), 0);
	assert_int_equal(received(2), 1);
}

static void test_a_port_learns_up_to_its_limit(void **state)
{
	uint8_t dst[6], src[6] = {0x52, 0x54, 1, 0, 0, 0};

	(void)state;
	mac_of(1, dst);
	for (uint8_t i = 0; i < 20; i++) {
		src[5] = i;
		send_frame(&guest[0], dst, src, 0x0800, 64, 1);
	}
	turns(10);
	assert_int_equal(atomic_load(&guest[0].port.macs), 8);
	assert_int_equal(received(1), 20);
	src[5] = 7;
	assert_int_equal(fdb_lookup(net[0].fdb, fdb_mac(src)), guest[0].port.id);
	src[5] = 8;
	assert_int_equal(fdb_lookup(net[0].fdb, fdb_mac(src)), FDB_NO_PORT);
}

static void test_what_is_dropped_says_why(void **state)
{
	static const uint8_t zero[6], group[6] = {1, 0, 0x5e, 0, 0, 1};
	static const uint8_t reserved[6] = {0x01, 0x80, 0xc2, 0, 0, 0x0e};
	uint8_t src[6], dst[6];

	(void)state;
	mac_of(0, src);
	mac_of(1, dst);
	send_frame(&guest[0], dst, zero, 0x0800, 64, 1);
	send_frame(&guest[0], dst, group, 0x0800, 64, 1);
	send_frame(&guest[0], reserved, src, 0x88cc, 64, 1);
	send_frame(&guest[0], src, src, 0x0800, 64, 1);
	send_frame(&guest[0], dst, src, 0x0800, 1515, 1);
	send_frame(&guest[0], dst, src, 0x0800, 1514, 1);
	send_frame(&guest[0], dst, src, 0x8100, 1518, 1);
	send_frame(&guest[0], dst, src, 0x8100, 1519, 1);
	turns(5);
	assert_int_equal(dropped(0, DROP_BAD_SOURCE), 2);
	assert_int_equal(dropped(0, DROP_RESERVED), 1);
	assert_int_equal(dropped(0, DROP_SAME_PORT), 1);
	assert_int_equal(dropped(0, DROP_OVER_MTU), 2);
	assert_int_equal(received(1), 2);
}

static void test_jumbo_frames_pass_where_the_mtu_says_so(void **state)
{
	uint8_t src[6], dst[6];
	uint32_t len = 0;

	(void)state;
	atomic_store(&net[0].mtu, 9000);
	mac_of(0, src);
	mac_of(1, dst);
	send_frame(&guest[0], dst, src, 0x0800, 9014, 5);
	turns(3);
	/* It takes five of the guest's buffers, the first with the header. */
	assert_int_equal(receive(&guest[1], &len), 5);
	for (unsigned i = 1; i < 5; i++) {
		uint32_t part = 0;

		assert_int_equal(receive(&guest[1], &part), 5);
		len += part + HDR;
	}
	assert_int_equal(len, 9014);
}

static void test_a_full_ring_drops_on_the_senders_account(void **state)
{
	(void)state;
	send_to(1, 0, 1);
	turns(3);
	received(0);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 40; i++)
			send_to(0, 1, 1);
		turns(10);
		while (fe_ring_poll(&guest[0].fe.ring[1], &(uint32_t){0}) >= 0)
			continue;
	}
	assert_int_equal(dropped(0, DROP_RING_FULL), 120 - RING_SIZE);
	assert_int_equal(received(1), RING_SIZE);
}

static void test_a_port_that_is_down_costs_its_sender(void **state)
{
	(void)state;
	send_to(1, 0, 1);
	turns(3);
	worker_detach(w, &guest[1].port);
	send_to(0, 1, 1);
	turns(3);
	assert_int_equal(dropped(0, DROP_PORT_DOWN), 1);
}

/* --- time --------------------------------------------------------------------------------------
 */

static void test_the_sender_pays(void **state)
{
	uint64_t sender, receiver;

	(void)state;
	send_to(1, 0, 1);
	turns(3);
	sender = ledger_vm_sum(&w->ledger, guest[0].vm.id);
	receiver = ledger_vm_sum(&w->ledger, guest[1].vm.id);
	for (unsigned i = 0; i < 30; i++)
		send_to(0, 1, 1);
	turns(5);
	assert_true(ledger_vm_sum(&w->ledger, guest[0].vm.id) > sender);
	assert_int_equal(ledger_vm_sum(&w->ledger, guest[1].vm.id), receiver);
}

static void wake_up_once(void)
{
	if (counters(1)->in == 0)
		return;
	meanwhile = NULL;
	send_to(0, 2, 200);
}

/* How many packets of a VM with many arrive before that of one which wakes up meanwhile. */
static unsigned packets_before(uint32_t guarantee_us)
{
	struct budget b = budget_default();
	unsigned n = 0;
	uint32_t len;

	send_to(2, 1, 0);
	turns(3);
	for (unsigned i = 0; i < GUESTS; i++)
		received(i);
	b.guarantee_us = guarantee_us;
	assert_int_equal(sched_set_conf(w->sched, SCHED_MODE_TIME, 20), 0);
	assert_int_equal(sched_set_vm(w->sched, guest[0].vm.id, &b), 0);
	worker_find_urgent(w);
	for (unsigned i = 0; i < 60; i++)
		send_to(1, 2, (uint8_t)i);
	meanwhile = wake_up_once;
	turns(3);
	while (receive(&guest[2], &len) < 200)
		n++;
	return n;
}

static void test_a_guarantee_preempts_between_bursts(void **state)
{
	(void)state;
	assert_in_range(packets_before(300), 1, 30);
}

static void test_without_a_guarantee_a_slice_is_served(void **state)
{
	(void)state;
	assert_int_equal(packets_before(0), 60);
}

static void test_every_stage_is_billed(void **state)
{
	const uint64_t *rows = w->ledger.vm[guest[0].vm.id];

	(void)state;
	send_to(0, 1, 1);
	turns(2);
	assert_true(rows[STAGE_DEQUEUE] > 0);
	assert_true(rows[STAGE_CLASSIFY] > 0);
	assert_true(rows[STAGE_DELIVER] > 0);
	assert_true(rows[STAGE_NOTIFY] > 0);
	assert_true(w->ledger.sys[SYSROW_POLL] > 0);
	assert_true(w->ledger.sys[SYSROW_CONTROL] > 0);
	assert_int_equal(ledger_sum(&w->ledger), w->ledger.last_tsc - w->ledger.opened_tsc);
}

/* A front end that changes its device again and again pays for what that takes. */
static void test_device_changes_are_billed_to_the_vm(void **state)
{
	const uint64_t *rows = w->ledger.vm[guest[0].vm.id];
	uint64_t system = w->ledger.sys[SYSROW_CONTROL], before = rows[STAGE_CONTROL], once;
	struct sched_vm_stats st;

	(void)state;
	port_leave_worker(&guest[0].port, w);
	once = rows[STAGE_CONTROL] - before;
	assert_true(once > 0);
	port_enter_worker(&guest[0].port);
	assert_true(rows[STAGE_CONTROL] > before + once);
	sched_get_stats(w->sched, guest[0].vm.id, &st);
	assert_int_equal(st.used_tsc, rows[STAGE_CONTROL]);
	/* What went before was not the VM's. */
	assert_true(w->ledger.sys[SYSROW_CONTROL] > system);
	assert_int_equal(ledger_sum(&w->ledger), w->ledger.last_tsc - w->ledger.opened_tsc);
}

static void test_an_idle_turn_says_so(void **state)
{
	(void)state;
	turns(2);
	assert_false(turn(w));
	send_to(0, 1, 1);
	assert_true(turn(w));
}

/* --- packets held, ports that go ---------------------------------------------------------------
 */

static void test_detaching_drops_what_is_held(void **state)
{
	struct service *s = &w->service[guest[0].vm.id];

	(void)state;
	s->held_port = &guest[0].port;
	s->n_held = 1;
	s->held[0] = rte_pktmbuf_alloc(guest[0].vm.pool);
	worker_detach(w, &guest[0].port);
	assert_int_equal(s->n_held, 0);
	assert_int_equal(dropped(0, DROP_PORT_GONE), 1);
}

static void test_a_detached_ring_is_left_alone(void **state)
{
	(void)state;
	worker_detach(w, &guest[0].port);
	send_to(0, 1, 1);
	turns(5);
	assert_int_equal(counters(0)->in, 0);
	assert_int_equal(worker_attach(w, &guest[0].port, &guest[0].pair, 1), 0);
	turns(5);
	assert_int_equal(counters(0)->in, 1);
}

/* --- packets to a whole network, cut
 * --------------------------------------------------------------
 */

#define FLOODED 20 /* packets: more than one batch takes to four receivers */

static void take_long(void)
{
	now += 15000;
}

/* One packet to a single receiver, so that batches end within a packet, and those to all. */
static void send_floods(void)
{
	static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	uint8_t src[6];

	send_to(1, 0, 1);
	turns(3);
	for (unsigned i = 0; i < GUESTS; i++)
		received(i);
	mac_of(0, src);
	send_to(0, 1, 100);
	for (uint8_t i = 0; i < FLOODED; i++)
		send_frame(&guest[0], all, src, 0x0806, 64, i);
}

/* Whom the first `whole` floods reached, and one more the receivers up to a certain one. */
static unsigned assert_received_in_order(unsigned whole)
{
	unsigned more = 0;
	uint32_t len;

	assert_int_equal(receive(&guest[1], &len), 100);
	for (unsigned i = 1; i < 5; i++) {
		int tag;

		for (unsigned k = 0; k < whole; k++)
			assert_int_equal(receive(&guest[i], &len), k);
		tag = receive(&guest[i], &len);
		if (tag < 0)
			continue;
		assert_int_equal(tag, whole);
		assert_int_equal(more, i - 1);
		assert_int_equal(receive(&guest[i], &len), -1);
		more++;
	}
	return more;
}

static void test_a_flood_is_cut_into_batches(void **state)
{
	(void)state;
	send_floods();
	turn(w);
	assert_int_equal(assert_received_in_order(FLOODED), 0);
	assert_int_equal(counters(0)->forwarded, 1 + FLOODED);
	assert_int_equal(counters(0)->flooded, FLOODED);
	assert_int_equal(counters(0)->copies, 3 * FLOODED);
	assert_true(rte_mempool_full(guest[0].vm.pool));
}

/* A service that takes too long for a second batch. Returns how many floods were whole. */
static unsigned cut_by_the_slice(void)
{
	const struct service *s = &w->service[guest[0].vm.id];

	send_floods();
	meanwhile = take_long;
	turn(w);
	meanwhile = NULL;
	assert_int_equal(s->n_held, 1);
	assert_true(s->flood.under_way);
	assert_false(vring_is_view(s->held[0]));
	assert_int_equal(counters(0)->in, counters(0)->forwarded);
	return (unsigned)counters(0)->in - 1;
}

static void test_a_flood_goes_on_in_the_next_service(void **state)
{
	unsigned whole;

	(void)state;
	whole = cut_by_the_slice();
	assert_in_range(whole, 1, FLOODED - 2);
	/* What was not begun is in the ring again. */
	assert_int_equal(guest[0].fe.ring[1].split.used->idx, 1 + whole + 1);
	turns(3);
	assert_int_equal(assert_received_in_order(FLOODED), 0);
	assert_int_equal(counters(0)->forwarded, 1 + FLOODED);
	assert_int_equal(counters(0)->copies, 3 * FLOODED);
	assert_true(rte_mempool_full(guest[0].vm.pool));
}

static void test_a_flood_that_cannot_be_kept_ends(void **state)
{
	struct rte_mempool *pool = guest[0].vm.pool;
	struct rte_mbuf *taken[255];
	unsigned whole;

	(void)state;
	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, taken, 255), 0);
	send_floods();
	meanwhile = take_long;
	turn(w);
	meanwhile = NULL;
	assert_int_equal(w->service[guest[0].vm.id].n_held, 0);
	whole = (unsigned)counters(0)->in - 2;
	assert_in_range(assert_received_in_order(whole), 1, 3);
	assert_int_equal(counters(0)->forwarded, 1 + whole + 1);
	rte_pktmbuf_free_bulk(taken, 255);
}

static void test_a_flood_ends_with_its_port(void **state)
{
	unsigned whole, more;

	(void)state;
	whole = cut_by_the_slice();
	worker_detach(w, &guest[0].port);
	more = assert_received_in_order(whole);
	assert_in_range(more, 1, 3);
	assert_int_equal(counters(0)->forwarded, 1 + whole + 1);
	assert_int_equal(counters(0)->copies, 3 * whole + more - 1);
	assert_int_equal(dropped(0, DROP_PORT_GONE), 0);
	assert_false(w->service[guest[0].vm.id].flood.under_way);
	assert_int_equal(worker_attach(w, &guest[0].port, &guest[0].pair, 1), 0);
}

/* A port that joins or leaves meanwhile changes nothing for the others. */
static void test_a_flood_outlives_a_change_of_members(void **state)
{
	struct members *m = atomic_load(&net[0].members);
	unsigned whole, more;
	uint32_t len;

	(void)state;
	whole = cut_by_the_slice();
	more = w->service[guest[0].vm.id].flood.asked;
	assert_in_range(more, 1, 3);
	/* The first receiver, which has it, leaves. */
	m->port[1] = m->port[0];
	memmove(&m->port[0], &m->port[1], 4 * sizeof(struct port *));
	m->n = 4;
	turns(3);
	assert_int_equal(receive(&guest[1], &len), 100);
	for (unsigned k = 0; k <= whole; k++)
		assert_int_equal(receive(&guest[1], &len), k);
	assert_int_equal(receive(&guest[1], &len), -1);
	for (unsigned i = 2; i < 5; i++) {
		for (unsigned k = 0; k < FLOODED; k++)
			assert_int_equal(receive(&guest[i], &len), k);
		assert_int_equal(receive(&guest[i], &len), -1);
	}
}

/* --- two workers -------------------------------------------------------------------------------
 */

static void move_to_second_worker(struct guest *g)
{
	const struct budget budget = budget_default();

	worker_detach(w, &g->port);
	worker_remove_vm(w, &g->vm);
	sched_remove_vm(w->sched, g->vm.id);
	g->vm.worker = w2;
	g->port.worker = w2;
	assert_int_equal(sched_add_vm(w2->sched, g->vm.id, 0, &budget), 0);
	worker_add_vm(w2, &g->vm);
	assert_int_equal(worker_attach(w2, &g->port, &g->pair, 1), 0);
}

static void test_packets_cross_workers(void **state)
{
	uint32_t len;

	(void)state;
	move_to_second_worker(&guest[1]);
	send_to(0, 1, 42);
	turns(3);
	assert_int_equal(receive(&guest[1], &len), -1);
	turn(w2);
	assert_int_equal(receive(&guest[1], &len), 42);
	assert_int_equal(len, 64);
	/* The sender pays at the other worker too. */
	assert_true(w2->ledger.vm[guest[0].vm.id][STAGE_RECEIVE] > 0);
}

static void test_a_vm_has_its_share_of_a_handoff_ring(void **state)
{
	unsigned sent = 0;

	(void)state;
	move_to_second_worker(&guest[1]);
	send_to(1, 0, 1);
	turn(w2);
	turns(2);
	for (unsigned round = 0; round < 10; round++) {
		for (unsigned i = 0; i < 30; i++, sent++)
			send_to(0, 1, 1);
		turns(5);
		while (fe_ring_poll(&guest[0].fe.ring[1], &(uint32_t){0}) >= 0)
			continue;
	}
	assert_int_equal(sent, 300);
	assert_int_equal(counters(0)->forwarded, 128);
	assert_int_equal(dropped(0, DROP_HANDOFF_FULL), 300 - 128);
	for (unsigned i = 0; i < 20; i++)
		turn(w2);
	/* 64 buffers were there: what did not fit is taken back from what was forwarded. */
	assert_int_equal(received(1), RING_SIZE);
	assert_conserved();
}

static void test_what_is_handed_to_a_port_that_goes_is_dropped(void **state)
{
	(void)state;
	move_to_second_worker(&guest[1]);
	send_to(1, 0, 1);
	turn(w2);
	turns(2);
	send_to(0, 1, 1);
	turns(2);
	ports[guest[1].port.id] = NULL;
	turn(w2);
	assert_int_equal(w2->counters[guest[0].port.id].drops[DROP_PORT_GONE], 1);
	assert_conserved();
	ports[guest[1].port.id] = &guest[1].port;
}

/* --- much of everything ------------------------------------------------------------------------
 */

static void test_random_traffic_is_conserved(void **state)
{
	unsigned seed = 42;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		for (unsigned i = 0; i < 20; i++) {
			unsigned from = (unsigned)rand_r(&seed) % GUESTS;

			if (guest[from].fe.ring[1].free > 0 &&
			    guest[from].fe.mem_used + 4096 < guest[from].fe.mem_size)
				send_to(from, (unsigned)rand_r(&seed) % 8, 1);
		}
		turns(1 + (unsigned)rand_r(&seed) % 3);
		for (unsigned i = 0; i < GUESTS; i++)
			while (fe_ring_poll(&guest[i].fe.ring[1], &(uint32_t){0}) >= 0)
				continue;
	}
	turns(20);
	assert_conserved();
	assert_true(counters(0)->in > 500);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_unknown_goes_to_all_of_the_network),
		CASE(test_known_goes_to_one),
		CASE(test_order_is_kept),
		CASE(test_broadcast_reaches_the_network_only),
		CASE(test_a_stale_entry_crosses_nothing),
		CASE(test_an_address_moves_with_its_guest),
		CASE(test_a_port_learns_up_to_its_limit),
		CASE(test_what_is_dropped_says_why),
		CASE(test_jumbo_frames_pass_where_the_mtu_says_so),
		CASE(test_a_full_ring_drops_on_the_senders_account),
		CASE(test_a_port_that_is_down_costs_its_sender),
		CASE(test_the_sender_pays),
		CASE(test_a_guarantee_preempts_between_bursts),
		CASE(test_without_a_guarantee_a_slice_is_served),
		CASE(test_every_stage_is_billed),
		CASE(test_device_changes_are_billed_to_the_vm),
		CASE(test_an_idle_turn_says_so),
		CASE(test_detaching_drops_what_is_held),
		CASE(test_a_detached_ring_is_left_alone),
		CASE(test_a_flood_is_cut_into_batches),
		CASE(test_a_flood_goes_on_in_the_next_service),
		CASE(test_a_flood_that_cannot_be_kept_ends),
		CASE(test_a_flood_ends_with_its_port),
		CASE(test_a_flood_outlives_a_change_of_members),
		CASE(test_packets_cross_workers),
		CASE(test_a_vm_has_its_share_of_a_handoff_ring),
		CASE(test_what_is_handed_to_a_port_that_goes_is_dropped),
		CASE(test_random_traffic_is_conserved),
	};
	char *eal[] = {(char *)"loop_test",   (char *)"--no-huge",       (char *)"--no-pci",
		       (char *)"--no-shconf", (char *)"--no-telemetry",  (char *)"-m",
		       (char *)"128",         (char *)"--log-level=*:4", NULL};

	if (rte_eal_init(8, eal) < 0)
		return 1;
	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
