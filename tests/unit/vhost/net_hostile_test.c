/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest that writes nonsense into its rings loses the chain, or the ring, and nobody loses more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <rte_mbuf.h>

#include "tests/fake/bad_chain.h"
#include "tests/fake/eal.h"
#include "tests/fake/net_ring_rig.h"

#define V1     RIG_F(VIRTIO_F_VERSION_1)
#define PACKED RIG_F(VIRTIO_F_RING_PACKED)
#define MRG    RIG_F(VIRTIO_NET_F_MRG_RXBUF)
#define IND    RIG_F(VIRTIO_RING_F_INDIRECT_DESC)

#define NEXT  VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE

#define RING   512
#define REGION (4u << 20)
#define FIRST  300 /* descriptor (split) or id (packed) of a chain made by hand */
#define AVAIL  (1u << VRING_PACKED_DESC_F_AVAIL)

static struct rte_mempool *pool;

static const uint64_t formats[] = {V1 | IND, V1 | MRG | IND, V1 | PACKED | IND,
				   V1 | PACKED | MRG | IND};
#define N_FORMATS 4

#define PACKET NET_DROP_COUNT

/* What becomes of bad chains. */
struct fate {
	enum net_drop tx;   /* PACKET: one comes of it */
	enum net_result rx; /* of a packet of 100 bytes */
	bool split_only;    /* by the links */
	uint64_t without;   /* features not negotiated */
};

static const struct fate fates[BAD_CHAIN_COUNT] = {
#define X(name, ring, table, ...) {__VA_ARGS__},
#include "tests/fake/bad_chains.def"
#undef X
};

static void show_bad(struct rig *g, enum bad_chain c, uint64_t good, bool device_writes)
{
	uint8_t *table = driver_mem_alloc(&g->mem, 0, BAD_CHAIN_TABLE, 16);
	const struct bad_chain_places places = {DRIVER_GPA, REGION, good,
						driver_mem_gpa(&g->mem, table), table};

	/* Links that count from the chain's head are not those of the ring. */
	g->ring.free_id = FIRST;
	assert_int_equal(bad_chain_add(&g->ring, c, &places, device_writes), FIRST);
	driver_ring_publish(&g->ring);
}

/* The fth pair of a chain and a ring format, and the ring that it is played on. */
struct bad_case {
	enum bad_chain chain;
	const struct fate *expected;
	struct rig_conf conf;
};

/* False where the format has no such chain. */
static bool open_bad_case(unsigned f, struct bad_case *k, struct rig *g)
{
	uint64_t features;

	k->chain = (enum bad_chain)(f / N_FORMATS);
	k->expected = &fates[k->chain];
	features = formats[f % N_FORMATS] & ~k->expected->without;
	if (k->expected->split_only && (features & PACKED))
		return false;
	k->conf = (struct rig_conf){.size = RING,
				    .features = features,
				    .region_size = REGION,
				    .start = features & PACKED ? 0x8000 | (RING - 1) : 65535};
	rig_open(g, &k->conf);
	return true;
}

/* After the bad chain the ring goes on as if nothing had been. */
static void test_bad_chains_to_send_are_dropped(void **state)
{
	(void)state;
	for (unsigned f = 0; f < N_FORMATS * BAD_CHAIN_COUNT; f++) {
		struct driver_buf buf = {0, 112, false};
		struct net_taken work = {0};
		struct rte_mbuf *m[8];
		uint16_t n, id;
		uint32_t len;
		struct bad_case k;
		struct rig g;

		if (!open_bad_case(f, &k, &g))
			continue;
		buf.gpa = driver_mem_gpa(&g.mem, driver_mem_alloc(&g.mem, 0, BAD_CHAIN_GOOD, 64));
		show_bad(&g, k.chain, buf.gpa, false);
		assert_true(rig_add(&g, &buf, 1, false) >= 0);
		n = rig_take(&g, pool, m, 8, &work);
		if (n != (k.expected->tx == PACKET ? 2 : 1))
			fail_msg("%s: %u packets", bad_chain_name(k.chain), n);
		for (unsigned d = 0; d < NET_DROP_COUNT; d++)
			if (work.drops[d] != (d == k.expected->tx))
				fail_msg("%s: %u of %s", bad_chain_name(k.chain), work.drops[d],
					 net_drop_text((enum net_drop)d));
		assert_true(work.descs <= VIRTQ_MAX_CHAIN + 2);
		assert_int_equal(m[n - 1]->pkt_len, 100);
		rte_pktmbuf_free_bulk(m, n);
		virtq_complete(&g.net.q);
		assert_int_equal(virtq_broken(&g.net.q), VIRTQ_BREAK_NONE);
		assert_true(rig_poll(&g, &id, &len));
		assert_int_equal(id, FIRST);
		assert_int_equal(len, 0);
		assert_true(rig_poll(&g, &id, &len));
		rig_close(&g, pool);
	}
}

static void test_bad_buffers_are_given_back(void **state)
{
	static const uint8_t data[100];

	(void)state;
	for (unsigned f = 0; f < N_FORMATS * BAD_CHAIN_COUNT; f++) {
		struct driver_buf buf = {0, 112, true};
		enum net_result rx;
		struct rte_mbuf *m[2];
		uint8_t fate[2];
		struct bad_case k;
		struct rig g;

		if (!open_bad_case(f, &k, &g))
			continue;
		buf.gpa = driver_mem_gpa(&g.mem, driver_mem_alloc(&g.mem, 0, BAD_CHAIN_GOOD, 64));
		m[0] = m[1] = fake_eal_packet(pool, data, sizeof(data), 0);
		show_bad(&g, k.chain, buf.gpa, true);
		assert_true(rig_add(&g, &buf, 1, false) >= 0);
		rx = k.expected->rx;
		/* Merged with the good one behind it. */
		if (rx == NET_BUFFER_SMALL && (k.conf.features & MRG))
			rx = NET_DELIVERED;
		net_enqueue(&g.net, m, 2, fate, NULL);
		if (fate[0] != rx)
			fail_msg("%s: %s", bad_chain_name(k.chain),
				 net_result_text((enum net_result)fate[0]));
		if (k.expected->rx != NET_BUFFER_SMALL)
			assert_int_equal(fate[1], NET_DELIVERED);
		assert_int_equal(virtq_broken(&g.net.q), VIRTQ_BREAK_NONE);
		rte_pktmbuf_free(m[0]);
		rig_close(&g, pool);
	}
}

/* --- lengths of chains ---------------------------------------------------------------------------
 */

/* A chain of n one-byte buffers and one of 100. */
static void test_chains_are_capped(void **state)
{
	static const unsigned lengths[] = {2, 200, VIRTQ_MAX_CHAIN, VIRTQ_MAX_CHAIN + 1};

	(void)state;
	for (unsigned f = 0; f < N_FORMATS * 4 * 2; f++) {
		unsigned n = lengths[f / N_FORMATS % 4], got;
		bool indirect = f / N_FORMATS / 4, fits = n <= VIRTQ_MAX_CHAIN;
		struct rig_conf conf = {.size = 300, .features = formats[f % N_FORMATS]};
		struct driver_buf bufs[VIRTQ_MAX_CHAIN + 1];
		struct net_taken work = {0};
		struct rte_mbuf *m;
		struct rig g;
		uint64_t at;

		conf.size = conf.features & PACKED ? 300 : 512;
		conf.start = conf.features & PACKED ? 0x8000 | 290 : 65530;
		rig_open(&g, &conf);
		at = driver_mem_gpa(&g.mem, driver_mem_alloc(&g.mem, 0, 4096, 64));
		for (unsigned i = 0; i < n; i++)
			bufs[i] = (struct driver_buf){at + i, 1, false};
		bufs[n - 1].len = 100;
		assert_true(rig_add(&g, bufs, n, indirect) >= 0);
		got = rig_take(&g, pool, &m, 1, &work);
		assert_int_equal(got, fits);
		if (got)
			rte_pktmbuf_free(m);
		if (!fits && g.ring.packed && !indirect)
			assert_int_equal(virtq_broken(&g.net.q), VIRTQ_BREAK_ENDLESS_CHAIN);
		else
			assert_int_equal(work.drops[NET_DROP_CHAIN_TOO_LONG], !fits);
		assert_true(work.descs <= VIRTQ_MAX_CHAIN + 1);
		rig_close(&g, pool);
	}
}

/* A receive ring of the smallest buffers there are. */
static void test_tiny_buffers_cost_little(void **state)
{
	static const uint8_t data[9000];

	(void)state;
	for (unsigned f = 1; f < N_FORMATS; f += 2) {
		struct rig_conf conf = {.size = RING,
					.features = formats[f],
					.start = formats[f] & PACKED ? 0x8000 : 0};
		struct driver_buf buf = {0, 1, true};
		struct rte_mbuf *m;
		uint8_t fate;
		struct rig g;

		rig_open(&g, &conf);
		buf.gpa = driver_mem_gpa(&g.mem, driver_mem_alloc(&g.mem, 0, 64, 64));
		for (unsigned i = 0; i < RING; i++)
			assert_true(rig_add(&g, &buf, 1, false) >= 0);
		m = fake_eal_packet(pool, data, sizeof(data), 0);
		assert_int_equal(net_enqueue(&g.net, &m, 1, &fate, NULL), 0);
		assert_int_equal(fate, NET_BUFFER_SMALL);
		rte_pktmbuf_free(m);
		m = fake_eal_packet(pool, data, VIRTQ_MAX_CHAIN - 12, 0);
		assert_int_equal(net_enqueue(&g.net, &m, 1, &fate, NULL), 1);
		rte_pktmbuf_free(m);
		rig_close(&g, pool);
	}
}

/* A receive ring of packets in as many pieces as bytes: what comes is placed until it took long. */
static void test_slow_buffers_end_a_call(void **state)
{
	enum { PACKETS = 40, PIECES = 72, WALKED = PIECES + 1 };
	const struct rig_conf conf = {.size = RING, .features = V1 | IND};
	struct rte_mbuf *m[PACKETS];
	struct driver_buf bufs[PIECES];
	static const uint8_t data[60];
	uint8_t fate[PACKETS];
	unsigned most = 0;
	struct rig g;
	uint64_t at;

	(void)state;
	rig_open(&g, &conf);
	at = driver_mem_gpa(&g.mem, driver_mem_alloc(&g.mem, 0, PIECES, 64));
	for (unsigned i = 0; i < PIECES; i++)
		bufs[i] = (struct driver_buf){at + i, 1, true};
	for (unsigned i = 0; i < PACKETS; i++) {
		assert_true(rig_add(&g, bufs, PIECES, true) >= 0);
		m[i] = fake_eal_packet(pool, data, sizeof(data), 0);
	}
	while (most * WALKED <= NET_MAX_EXCESS)
		most++;
	assert_in_range(most, 2, PACKETS - 1);
	assert_int_equal(net_enqueue(&g.net, m, PACKETS, fate, NULL), most);
	for (unsigned i = 0; i < PACKETS; i++)
		assert_int_equal(fate[i], i < most ? NET_DELIVERED : NET_SLOW_BUFFERS);
	assert_int_equal(g.net.excess, WALKED);
	assert_int_equal(net_enqueue(&g.net, &m[most], PACKETS - (uint16_t)most, fate, NULL), most);
	rte_pktmbuf_free_bulk(m, PACKETS);
	rig_close(&g, pool);
}

/* What was not placed at all is no work, however slow the packet before it was. */
static void test_what_is_refused_does_not_count(void **state)
{
	enum { PACKETS = 40 };
	struct driver_buf buf = {0, 2048, true};
	const struct rig_conf conf = {.size = RING, .features = V1};
	static const uint8_t data[60];
	struct rte_mbuf *m[PACKETS];
	uint8_t fate[PACKETS];
	struct rig g;

	(void)state;
	rig_open(&g, &conf);
	buf.gpa = driver_mem_gpa(&g.mem, driver_mem_alloc(&g.mem, 0, 2048, 64));
	assert_true(rig_add(&g, &buf, 1, false) >= 0);
	for (unsigned i = 0; i < PACKETS; i++) {
		m[i] = fake_eal_packet(pool, data, sizeof(data), 0);
		m[i]->ol_flags = RTE_MBUF_F_TX_TCP_SEG;
	}
	g.net.excess = VIRTQ_MAX_CHAIN;
	assert_int_equal(net_enqueue(&g.net, m, PACKETS, fate, NULL), 0);
	for (unsigned i = 0; i < PACKETS; i++)
		assert_int_equal(fate[i], NET_NO_OFFLOAD);
	rte_pktmbuf_free_bulk(m, PACKETS);
	rig_close(&g, pool);
}

/* --- indices -------------------------------------------------------------------------------------
 */

static void test_an_index_that_jumps_breaks_the_ring(void **state)
{
	static const int32_t jumps[] = {RING + 1, 40000, -1, -2, -RING};
	static const uint8_t data[60];

	(void)state;
	for (unsigned i = 0; i < 5 * 2; i++) {
		struct rig_conf conf = {.size = RING, .features = V1, .start = 65500};
		struct net_taken work = {0};
		struct rte_mbuf *m;
		uint8_t fate = 0xff;
		struct rig g;

		rig_open(&g, &conf);
		g.ring.avail->idx = (uint16_t)(conf.start + jumps[i / 2]);
		assert_true(virtq_pending(&g.net.q) > 0);
		m = fake_eal_packet(pool, data, sizeof(data), 0);
		if (i % 2)
			assert_int_equal(rig_take(&g, pool, &m, 1, &work), 0);
		else
			assert_int_equal(net_enqueue(&g.net, &m, 1, &fate, NULL), 0);
		assert_int_equal(virtq_broken(&g.net.q), VIRTQ_BREAK_AVAIL_JUMP);

		/* From here on nothing is touched, whatever the index says. */
		g.ring.avail->idx = conf.start;
		assert_int_equal(virtq_pending(&g.net.q), 0);
		assert_int_equal(rig_take(&g, pool, &m, 1, &work), 0);
		assert_int_equal(net_enqueue(&g.net, &m, 1, &fate, NULL), 0);
		assert_int_equal(fate, NET_RING_BROKEN);
		assert_false(virtq_complete(&g.net.q));
		assert_false(virtq_kick_enable(&g.net.q, true));
		rte_pktmbuf_free(m);
		rig_close(&g, pool);
	}
}

/* An index that goes back after it was seen further ahead. */
static void test_an_index_that_retreats_breaks_the_ring(void **state)
{
	struct rig_conf conf = {.size = RING, .features = V1, .start = 0};
	struct driver_buf buf = {0, 112, true};
	static const uint8_t data[60];
	struct rte_mbuf *m[4];
	uint8_t fate[4];
	struct rig g;

	(void)state;
	rig_open(&g, &conf);
	buf.gpa = driver_mem_gpa(&g.mem, driver_mem_alloc(&g.mem, 0, 256, 64));
	for (int i = 0; i < 3; i++)
		rig_add(&g, &buf, 1, false);
	m[0] = m[1] = m[2] = m[3] = fake_eal_packet(pool, data, sizeof(data), 0);
	assert_int_equal(net_enqueue(&g.net, m, 1, fate, NULL), 1);
	g.ring.avail->idx = 2;
	assert_int_equal(net_enqueue(&g.net, m, 4, fate, NULL), 2);
	assert_int_equal(fate[1], NET_DELIVERED);
	assert_int_equal(fate[2], NET_RING_BROKEN);
	assert_int_equal(fate[3], NET_RING_BROKEN);
	assert_int_equal(virtq_broken(&g.net.q), VIRTQ_BREAK_AVAIL_JUMP);
	rte_pktmbuf_free(m[0]);
	rig_close(&g, pool);
}

static void test_heads_beyond_the_ring_are_dropped(void **state)
{
	static const uint16_t heads[] = {RING, RING + 1, 0x7fff, 0xffff};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct rig_conf conf = {.size = RING, .features = V1, .start = 65535};
		struct driver_buf buf = {0, 112, false};
		struct net_taken work = {0};
		struct rte_mbuf *m;
		struct rig g;

		rig_open(&g, &conf);
		buf.gpa = driver_mem_gpa(&g.mem, driver_mem_alloc(&g.mem, 0, 256, 64));
		g.ring.avail->ring[g.ring.avail_at++ & (RING - 1)] = heads[i];
		rig_add(&g, &buf, 1, false);
		assert_int_equal(rig_take(&g, pool, &m, 4, &work), 1);
		assert_int_equal(work.drops[NET_DROP_BAD_DESCRIPTOR], 1);
		virtq_complete(&g.net.q);
		assert_int_equal(g.ring.used->idx, 1);
		assert_int_equal(g.ring.used->ring[RING - 1].id, heads[i]);
		assert_int_equal(g.ring.used->ring[RING - 1].len, 0);
		rte_pktmbuf_free(m);
		rig_close(&g, pool);
	}
}

/* Every descriptor of a packed ring says that another follows. */
static void test_a_packed_ring_without_end_breaks(void **state)
{
	static const uint16_t ring_sizes[] = {1, 4, 256, 4096};
	static const uint8_t data[60];

	(void)state;
	for (unsigned i = 0; i < 4 * 2; i++) {
		struct rig_conf conf = {
			.size = ring_sizes[i / 2], .features = V1 | PACKED, .start = 0x8000};
		struct net_taken work = {0};
		struct rte_mbuf *m;
		uint8_t fate;
		struct rig g;

		rig_open(&g, &conf);
		for (unsigned d = 0; d < conf.size; d++)
			g.ring.pdesc[d].flags = NEXT | AVAIL | (i % 2 ? 0 : WRITE);
		m = fake_eal_packet(pool, data, sizeof(data), 0);
		if (i % 2)
			assert_int_equal(rig_take(&g, pool, &m, 1, &work), 0);
		else
			assert_int_equal(net_enqueue(&g.net, &m, 1, &fate, NULL), 0);
		assert_int_equal(virtq_broken(&g.net.q), VIRTQ_BREAK_ENDLESS_CHAIN);
		assert_true(work.descs <= VIRTQ_MAX_CHAIN);
		rte_pktmbuf_free(m);
		rig_close(&g, pool);
	}
}

static int set_up(void **state)
{
	(void)state;
	if (fake_eal_init("vring_hostile_test") < 0)
		return -1;
	pool = fake_eal_pool("pool", 512);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_chains_to_send_are_dropped),
		cmocka_unit_test(test_bad_buffers_are_given_back),
		cmocka_unit_test(test_chains_are_capped),
		cmocka_unit_test(test_tiny_buffers_cost_little),
		cmocka_unit_test(test_slow_buffers_end_a_call),
		cmocka_unit_test(test_what_is_refused_does_not_count),
		cmocka_unit_test(test_an_index_that_jumps_breaks_the_ring),
		cmocka_unit_test(test_an_index_that_retreats_breaks_the_ring),
		cmocka_unit_test(test_heads_beyond_the_ring_are_dropped),
		cmocka_unit_test(test_a_packed_ring_without_end_breaks),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
