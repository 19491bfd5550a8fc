/* SPDX-License-Identifier: BSD-3-Clause */
/* What costs more than can be seen beforehand ends a call. Pages are taken from guest memory as a
 * balloon does, and met for real. */
#include "ring/deadline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <rte_mbuf.h>

#include "tests/fake/eal.h"
#include "tests/fake/net_ring_rig.h"
#include "vhost/net_lent.h"

#define V1     RIG_F(VIRTIO_F_VERSION_1)
#define PACKED RIG_F(VIRTIO_F_RING_PACKED)
#define IND    RIG_F(VIRTIO_RING_F_INDIRECT_DESC)

#define PAGE    4096u
#define PACKETS 48

static struct rte_mempool *pool;
static struct deadline deadline;
static bool see_faults;

static uint64_t now;

static uint64_t clock_stands(void)
{
	return now;
}

static int open_faults(void **state)
{
	(void)state;
	deadline.clock = clock_stands;
	deadline.until = 1;
	now = 0;
	see_faults = page_faults_open(&deadline.faults) == 0;
	if (!see_faults)
		print_message("page faults are not seen here\n");
	return 0;
}

static int close_faults(void **state)
{
	(void)state;
	page_faults_close(&deadline.faults);
	return 0;
}

/* Ring formats, with packets copied and lent. */
static void open_rig(struct rig *g, unsigned i)
{
	const struct rig_conf conf = {
		.size = 64,
		.features = V1 | IND | (i % 2 ? PACKED : 0),
		.start = i % 2 ? 0x8000 : 0,
		.lend = i / 2,
	};

	rig_open(g, &conf);
	/* One page at a time comes back. */
	madvise(g->mem.all, g->mem.all_size, MADV_NOHUGEPAGE);
}

/* A page of guest memory. */
static uint8_t *page(struct rig *g)
{
	return driver_mem_alloc(&g->mem, 0, PAGE, PAGE);
}

static void take_away(uint8_t *at)
{
	assert_int_equal(madvise(at, PAGE, MADV_DONTNEED), 0);
}

/* Makes a buffer of `len` bytes available, header included. */
static void add(struct rig *g, const uint8_t *at, uint32_t len, bool device_writes, bool indirect)
{
	const struct driver_buf buf = {driver_mem_gpa(&g->mem, at), len, device_writes};

	assert_true(rig_add(g, &buf, 1, indirect) >= 0);
}

/* Returns how many chains were taken, malformed ones included. */
static uint32_t take(struct rig *g, uint16_t most)
{
	const struct net_limits limits = {most, UINT32_MAX, UINT32_MAX, &deadline};
	struct rte_mbuf *m[PACKETS];
	struct net_taken work = {0};
	uint16_t n = rig_dequeue(g, pool, m, &limits, &work);

	rte_pktmbuf_free_bulk(m, n);
	return n + work.drops[NET_DROP_BAD_DESCRIPTOR] + work.drops[NET_DROP_TOO_SHORT];
}

static void test_time_ends_what_is_taken(void **state)
{
	(void)state;
	page_faults_close(&deadline.faults);
	for (unsigned i = 0; i < 4; i++) {
		struct rig g;

		open_rig(&g, i);
		for (unsigned k = 0; k < PACKETS; k++)
			add(&g, page(&g), 100, false, false);
		now = 1;
		assert_int_equal(take(&g, PACKETS), DEADLINE_CLOCK_EVERY);
		now = 0;
		assert_int_equal(take(&g, PACKETS), PACKETS - DEADLINE_CLOCK_EVERY);
		rig_close(&g, pool);
	}
}

/* Takes all there is while it is late; returns how much the first call took. */
static uint32_t take_late(struct rig *g)
{
	uint32_t first, taken;

	page_faults_happened(&deadline.faults);
	now = 1;
	first = taken = take(g, PACKETS);
	for (uint32_t n; taken < PACKETS; taken += n) {
		n = take(g, PACKETS);
		assert_in_range(n, 1, taken < 3 ? 3 - taken : 1);
	}
	now = 0;
	return first;
}

/* Where in its page a packet of some length stands, and how. The third is the first that costs.
 * Pages of our own may be missing, too, which ends a call sooner, but not each time. */
static void check_missing(uint32_t at, uint32_t len, bool indirect)
{
	for (unsigned i = 0, tries = 0; i < 4; tries++) {
		uint8_t *p[PACKETS];
		uint32_t first;
		struct rig g;

		open_rig(&g, i);
		for (unsigned k = 0; k < PACKETS; k++) {
			p[k] = page(&g);
			page(&g);
			add(&g, p[k] + at, len, false, indirect);
		}
		for (unsigned k = 2; k < PACKETS; k++)
			take_away(p[k] + (at + len - 1) / PAGE * PAGE);
		first = take_late(&g);
		rig_close(&g, pool);
		assert_in_range(first, 1, 3);
		assert_true(tries < 100);
		i += first == 3;
	}
}

static void test_a_missing_page_ends_what_is_taken(void **state)
{
	(void)state;
	if (!see_faults)
		skip();
	check_missing(0, 100, false);
	check_missing(0, 100, true);
	/* Of these, the last byte only. */
	check_missing(PAGE - 1000, 1001, false);
	check_missing(PAGE - 1000, 1001, true);
}

/* Indirect tables that are each in a page of their own. */
static void test_a_missing_table_ends_what_is_taken(void **state)
{
	(void)state;
	if (!see_faults)
		skip();
	for (unsigned i = 0; i < 4; i++) {
		struct vring_desc *table;
		uint8_t *data;
		struct rig g;
		uint32_t n;

		open_rig(&g, i);
		data = page(&g);
		for (unsigned k = 0; k < PACKETS; k++) {
			table = (void *)page(&g);
			*table = (struct vring_desc){driver_mem_gpa(&g.mem, data), 100, 0, 0};
			add(&g, data, 100, false, false);
			if (g.ring.packed) {
				g.ring.pdesc[k].addr = driver_mem_gpa(&g.mem, table);
				g.ring.pdesc[k].len = sizeof(*table);
				g.ring.pdesc[k].flags |= VRING_DESC_F_INDIRECT;
			} else {
				struct vring_desc *d = &g.ring.desc[g.ring.avail->ring[k]];

				*d = (struct vring_desc){driver_mem_gpa(&g.mem, table),
							 sizeof(*table), VRING_DESC_F_INDIRECT, 0};
			}
			if (k >= 2)
				take_away((void *)table);
		}
		page_faults_happened(&deadline.faults);
		now = 1;
		/* What was a table is zeroes now: a malformed chain, and met all the same. */
		for (unsigned taken = 0; taken < PACKETS; taken += n) {
			n = take(&g, PACKETS);
			assert_in_range(n, 1, 3);
		}
		now = 0;
		rig_close(&g, pool);
	}
}

/* Delivers all of m into common buffers, late. Each has to arrive. */
static void deliver_late(struct rig *g, struct rte_mbuf **m)
{
	uint8_t fate[PACKETS];

	for (unsigned k = 0; k < PACKETS; k++)
		add(g, page(g), 2048, true, false);
	page_faults_happened(&deadline.faults);
	now = 1;
	assert_int_equal(net_enqueue(&g->net, m, PACKETS, fate, &deadline), PACKETS);
	now = 0;
	assert_int_equal(g->net.excess, 0);
}

static void give(struct rte_mbuf **m, unsigned n)
{
	static const uint8_t data[1000];

	for (unsigned k = 0; k < n; k++)
		m[k] = fake_eal_packet(pool, data, sizeof(data), 0);
}

static void test_missing_pages_of_the_receiver_end_what_is_delivered(void **state)
{
	(void)state;
	if (!see_faults)
		skip();
	for (unsigned i = 0; i < 4; i++) {
		struct rte_mbuf *m[PACKETS];
		uint8_t fate[PACKETS];
		struct rig g;

		/* Common buffers, and chains. */
		open_rig(&g, i % 2);
		give(m, PACKETS);
		for (unsigned k = 0; k < PACKETS; k++) {
			uint8_t *at = page(&g);

			add(&g, at, 2048, true, i / 2);
			take_away(at);
		}
		page_faults_happened(&deadline.faults);
		now = 1;
		assert_int_equal(net_enqueue(&g.net, m, PACKETS, fate, &deadline), 1);
		assert_int_equal(fate[0], NET_DELIVERED);
		for (unsigned k = 1; k < PACKETS; k++)
			assert_int_equal(fate[k], NET_NO_TIME);
		assert_int_equal(g.net.excess, NET_EXCESS_OF_MISSING_PAGE);
		/* While there is time all are. */
		now = 0;
		assert_int_equal(net_enqueue(&g.net, m, PACKETS - 1, fate, &deadline), PACKETS - 1);
		assert_int_equal(g.net.excess, NET_EXCESS_OF_MISSING_PAGE);
		now = 0;
		rte_pktmbuf_free_bulk(m, PACKETS);
		rig_close(&g, pool);
	}
}

/* Time alone is no reason not to deliver: the machine may have taken it. */
static void test_late_packets_are_delivered(void **state)
{
	struct rte_mbuf *m[PACKETS];
	struct rig g;

	(void)state;
	open_rig(&g, 0);
	give(m, PACKETS);
	deliver_late(&g, m);
	rte_pktmbuf_free_bulk(m, PACKETS);
	rig_close(&g, pool);
}

/* Pages of somebody else's are not the receiver's fault. */
static void test_the_senders_pages_are_not_held_against_the_receiver(void **state)
{
	struct rte_mbuf *m[PACKETS];
	void *own[PACKETS];
	struct rig from, to;

	(void)state;
	open_rig(&from, 0);
	open_rig(&to, 0);
	give(m, PACKETS);
	for (unsigned k = 0; k < PACKETS; k++) {
		own[k] = m[k]->buf_addr;
		m[k]->buf_addr = page(&from);
		m[k]->data_off = 0;
		take_away(m[k]->buf_addr);
	}
	deliver_late(&to, m);
	for (unsigned k = 0; k < PACKETS; k++) {
		m[k]->buf_addr = own[k];
		rte_pktmbuf_free(m[k]);
	}
	rig_close(&from, NULL);
	rig_close(&to, pool);
}

static void test_a_ring_is_trusted_again(void **state)
{
	struct rte_mbuf *m[1];
	uint8_t fate[1];
	unsigned n = 0;
	struct rig g;

	(void)state;
	open_rig(&g, 0);
	give(m, 1);
	g.net.excess = NET_EXCESS_OF_MISSING_PAGE;
	for (; g.net.excess > 0; n++) {
		add(&g, page(&g), 2048, true, false);
		assert_int_equal(net_enqueue(&g.net, m, 1, fate, NULL), 1);
	}
	assert_in_range(n, 5, 10);
	/* Nor does a full one stay suspect, so that its guest pays for what it does not get. */
	g.net.excess = NET_EXCESS_OF_MISSING_PAGE;
	for (; g.net.excess > 0; n--)
		assert_int_equal(net_enqueue(&g.net, m, 1, fate, NULL), 0);
	assert_int_equal(n, 0);
	rte_pktmbuf_free(m[0]);
	rig_close(&g, pool);
}

/* Our own memory is to be there. */
static void touch(struct rte_mempool *mp, void *arg, void *m, unsigned i)
{
	(void)mp;
	(void)arg;
	(void)i;
	memset(((struct rte_mbuf *)m)->buf_addr, 0, ((struct rte_mbuf *)m)->buf_len);
}

static int setup(void **state)
{
	(void)state;
	if (fake_eal_init("vring_deadline_test") < 0)
		return -1;
	pool = fake_eal_pool("deadline", PACKETS);
	if (!pool)
		return -1;
	rte_mempool_obj_iter(pool, touch, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rte_mempool_free(pool);
	return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, open_faults, close_faults)
	const struct CMUnitTest tests[] = {
		TEST(time_ends_what_is_taken),
		TEST(a_missing_page_ends_what_is_taken),
		TEST(a_missing_table_ends_what_is_taken),
		TEST(missing_pages_of_the_receiver_end_what_is_delivered),
		TEST(late_packets_are_delivered),
		TEST(the_senders_pages_are_not_held_against_the_receiver),
		TEST(a_ring_is_trusted_again),
	};

	return cmocka_run_group_tests_name("deadline", tests, setup, teardown);
}
