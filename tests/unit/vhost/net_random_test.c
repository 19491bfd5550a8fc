/* SPDX-License-Identifier: BSD-3-Clause */
/* Random ring memory: whatever stands there, and however it changes between calls, the engine stays
 * within guest memory (guards, ASan), within its limits, and loses no mbuf. The seeds are fixed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <rte_mbuf.h>

#include "base/page_faults.h"
#include "tests/fake/eal.h"
#include "tests/fake/net_ring_rig.h"
#include "ring/deadline.h"

#define V1     RIG_F(VIRTIO_F_VERSION_1)
#define PACKED RIG_F(VIRTIO_F_RING_PACKED)

/* ThreadSanitizer takes ten times as long. */
#ifdef __SANITIZE_THREAD__
#define SEEDS 200
#define RACES 160
#else
#define SEEDS 2000
#define RACES 640
#endif
#define ROUNDS  60
#define REGION  (1u << 16)
#define REGIONS 3
#define RING    64

/* The guest's part, which races with the switch's by design: ThreadSanitizer is not to watch it. */
#define UNWATCHED __attribute__((no_sanitize("thread")))

static struct rte_mempool *pool;

static _Thread_local uint64_t seed;

static uint32_t rnd(uint32_t below)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)((seed >> 33) % below);
}

/* Now and then the time is up, and a page of the guest's was missing. */
static uint64_t faults_head;
static uint64_t faults_at[2];

static uint64_t random_clock(void)
{
	return rnd(4);
}

static struct deadline deadline = {
	.clock = random_clock,
	.until = 2,
	.faults = {.head = &faults_head,
		   .records = (const uint8_t *)faults_at,
		   .size = sizeof(faults_at)},
};

static void miss_pages(const struct rig *g)
{
	faults_head += rnd(2) * sizeof(faults_at);
	faults_at[1] = (uintptr_t)g->mem.all + rnd((uint32_t)g->mem.all_size);
}

/* Mostly where something is. */
static uint64_t random_gpa(void)
{
	switch (rnd(16)) {
	case 0:
		return (uint64_t)rnd(UINT32_MAX) << 32 | rnd(UINT32_MAX);
	case 1:
		return UINT64_MAX - rnd(100);
	case 2:
		return DRIVER_GPA + (uint64_t)REGION * (1 + rnd(REGIONS)) - rnd(200);
	default:
		return DRIVER_GPA + rnd(REGION * REGIONS);
	}
}

static uint32_t random_len(void)
{
	switch (rnd(8)) {
	case 0:
		return rnd(UINT32_MAX);
	case 1:
		return rnd(REGION * 2);
	case 2:
		return 16 * rnd(20);
	default:
		return rnd(2000);
	}
}

/* Flags that often mean something. */
UNWATCHED static uint16_t random_flags(const struct rig *g, bool device_writes)
{
	uint16_t flags = device_writes ? VRING_DESC_F_WRITE : 0;

	if (rnd(4) == 0)
		flags |= VRING_DESC_F_NEXT;
	if (rnd(8) == 0)
		flags ^= VRING_DESC_F_WRITE;
	if (rnd(8) == 0)
		flags |= VRING_DESC_F_INDIRECT;
	if (g->ring.packed && rnd(8) != 0)
		flags |= g->net.q.avail_wrap ? 1u << 7 : 1u << 15;
	else if (g->ring.packed)
		flags |= (uint16_t)rnd(65536);
	return flags;
}

UNWATCHED static void scribble_desc(struct rig *g, void *at, bool device_writes)
{
	uint64_t gpa = random_gpa();
	uint32_t len = random_len();
	uint16_t flags = random_flags(g, device_writes);
	uint16_t other = (uint16_t)rnd(rnd(10) ? RING : 65536);

	if (g->ring.packed)
		*(struct vring_packed_desc *)at =
			(struct vring_packed_desc){gpa, len, other, flags};
	else
		*(struct vring_desc *)at = (struct vring_desc){gpa, len, flags, other};
}

static void scribble(struct rig *g, bool device_writes)
{
	struct driver_ring *r = &g->ring;
	uint8_t *table;

	/* Headers, and tables that descriptors may hit. */
	for (unsigned i = 0; i < 40; i++) {
		table = g->mem.map.r[1 + rnd(REGIONS - 1)].hva + 16 * rnd(REGION / 16);
		scribble_desc(g, table, device_writes);
	}
	for (unsigned i = 0; i < RING; i++)
		if (rnd(2))
			scribble_desc(g, r->packed ? (void *)&r->pdesc[i] : &r->desc[i],
				      device_writes);
	if (r->packed) {
		r->driver->flags = (uint16_t)rnd(4);
		r->driver->off_wrap = (uint16_t)rnd(65536);
		return;
	}
	for (unsigned i = 0; i < RING; i++)
		r->avail->ring[i] = (uint16_t)rnd(rnd(20) ? RING : 65536);
	/* Seldom a jump, so that there is something to do. */
	r->avail->idx =
		(uint16_t)(g->net.q.avail_seen +
			   (rnd(200) ? rnd(RING + 1 -
					   (uint16_t)(g->net.q.avail_seen - g->net.q.avail_at))
				     : rnd(65536)));
	r->avail->ring[RING] = (uint16_t)rnd(65536);
}

static void random_conf(struct rig_conf *conf)
{
	static const unsigned bits[] = {
		VIRTIO_NET_F_MRG_RXBUF,  VIRTIO_RING_F_INDIRECT_DESC, VIRTIO_RING_F_EVENT_IDX,
		VIRTIO_NET_F_CSUM,       VIRTIO_NET_F_HOST_TSO4,      VIRTIO_NET_F_HOST_TSO6,
		VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_TSO4,     VIRTIO_F_RING_PACKED};

	memset(conf, 0, sizeof(*conf));
	conf->size = RING;
	conf->regions = REGIONS;
	conf->region_size = REGION;
	conf->adjacent = rnd(2);
	conf->lend = rnd(2);
	conf->features = rnd(2) ? V1 : 0;
	for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (rnd(2))
			conf->features |= RIG_F(bits[i]);
	conf->features &= ~(rnd(2) ? RIG_F(VIRTIO_RING_F_INDIRECT_DESC) : 0);
	conf->start = (uint16_t)rnd(65536);
	if (conf->features & PACKED)
		conf->start = (uint16_t)((conf->start & 0x8000) | rnd(RING));
}

/* The model's indirect tables would not fit the small regions; random ones are used. */
static void open_random(struct rig *g)
{
	struct rig_conf conf;
	uint64_t indirect;

	random_conf(&conf);
	indirect = conf.features & RIG_F(VIRTIO_RING_F_INDIRECT_DESC);
	conf.features &= ~indirect;
	rig_open(g, &conf);
	g->net.q.indirect = indirect != 0;
	g->net.q.features |= indirect;
}

static void test_random_rings_to_send(void **state)
{
	uint64_t packets = 0, drops = 0, breaks = 0;

	(void)state;
	for (unsigned s = 0; s < SEEDS; s++) {
		struct rte_mbuf *m[NET_MAX_BURST];
		struct rig g;

		seed = s;
		open_random(&g);
		for (unsigned i = 0; i < ROUNDS && !virtq_broken(&g.net.q); i++) {
			struct net_limits limits = {(uint16_t)(1 + rnd(80)), rnd(100000), rnd(1000),
						    &deadline};
			struct net_taken work = {0};
			uint16_t n;

			scribble(&g, false);
			miss_pages(&g);
			n = rig_dequeue(&g, pool, m, &limits, &work);
			assert_true(n <= NET_MAX_BURST && n <= limits.packets);
			/* Both overrun by one packet at most. */
			assert_true(work.bytes < limits.bytes + NET_MAX_PACKET + 1);
			assert_true(work.descs <= limits.descs + 2 * VIRTQ_MAX_CHAIN + 2);
			for (uint16_t k = 0; k < n; k++) {
				rte_mbuf_sanity_check(m[k], 1);
				assert_in_range(rte_pktmbuf_pkt_len(m[k]), 14, NET_MAX_PACKET);
			}
			rte_pktmbuf_free_bulk(m, n);
			virtq_complete(&g.net.q);
			virtq_kick_enable(&g.net.q, rnd(2));
			packets += n;
			for (unsigned d = 0; d < NET_DROP_COUNT; d++)
				drops += work.drops[d];
		}
		breaks += virtq_broken(&g.net.q) != VIRTQ_BREAK_NONE;
		rig_close(&g, pool);
	}
	/* It was a test of something. */
	assert_true(packets > SEEDS * 10);
	assert_true(drops > SEEDS * 10);
	assert_in_range(breaks, SEEDS / 200, SEEDS - SEEDS / 200);
}

static void random_packets(struct rte_mbuf **m, unsigned n)
{
	static uint8_t data[9000];

	for (unsigned i = 0; i < n; i++) {
		rig_pattern(data, 64, rnd(1000));
		m[i] = fake_eal_packet(pool, data, 14 + rnd(rnd(4) ? 1500 : 8900),
				       rnd(2) ? 0 : 700);
		if (rnd(4) == 0) {
			m[i]->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV4;
			m[i]->l2_len = rnd(127);
			m[i]->l3_len = rnd(511);
			m[i]->l4_len = rnd(255);
			m[i]->tso_segsz = (uint16_t)rnd(65536);
			m[i]->ol_flags |= rnd(2) ? RTE_MBUF_F_TX_TCP_SEG : RTE_MBUF_F_TX_IP_CKSUM;
		}
	}
}

/* What delivering to many rings begins with. */
static void expect(struct net_ring *r, const struct rte_mbuf *m)
{
	net_prefetch_ring(r);
	net_prefetch_entry(r);
	net_prefetch_buffers(r, m);
}

static void test_random_rings_to_receive(void **state)
{
	uint64_t fates[NET_RESULT_COUNT] = {0};

	(void)state;
	for (unsigned s = 0; s < SEEDS; s++) {
		struct rte_mbuf *m[40];
		uint8_t fate[40];
		struct rig g;

		seed = s + 1000000;
		open_random(&g);
		for (unsigned i = 0; i < ROUNDS && !virtq_broken(&g.net.q); i++) {
			uint16_t n = (uint16_t)(1 + rnd(40)), done, delivered = 0;

			scribble(&g, true);
			miss_pages(&g);
			random_packets(m, n);
			memset(fate, 0xff, sizeof(fate));
			expect(&g.net, m[0]);
			done = net_enqueue(&g.net, m, n, fate, &deadline);
			for (uint16_t k = 0; k < n; k++) {
				assert_true(fate[k] < NET_RESULT_COUNT);
				fates[fate[k]]++;
				delivered += fate[k] == NET_DELIVERED;
				assert_int_equal(rte_mbuf_refcnt_read(m[k]), 1);
			}
			assert_int_equal(done, delivered);
			rte_pktmbuf_free_bulk(m, n);
			virtq_complete(&g.net.q);
		}
		rig_close(&g, pool);
	}
	/* Rings this small hold no work for so long. */
	for (unsigned f = 0; f < NET_RESULT_COUNT; f++)
		assert_true(fates[f] > 0 || f == NET_SLOW_BUFFERS);
}

/* --- memory that changes underneath --------------------------------------------------------------
 */

static struct rig *scribbled;
static _Atomic bool stop;

/* Rewrites ring memory as fast as it can. */
UNWATCHED static void *scribble_on(void *arg)
{
	struct driver_ring *r = &scribbled->ring;

	seed = (uintptr_t)arg;
	while (!stop) {
		uint16_t i = (uint16_t)rnd(r->size);

		scribble_desc(scribbled, r->packed ? (void *)&r->pdesc[i] : &r->desc[i],
			      (uintptr_t)arg & 1);
		if (r->packed)
			continue;
		r->avail->ring[i] = (uint16_t)rnd(r->size + 1u);
		r->avail->idx = (uint16_t)(scribbled->net.q.avail_at + rnd(r->size + 1u));
	}
	return NULL;
}

static void run_scribbled(struct rig *g, bool to_send)
{
	struct net_limits limits = {NET_MAX_BURST, UINT32_MAX, UINT32_MAX, NULL};
	struct rte_mbuf *m[NET_MAX_BURST];
	struct net_taken work = {0};
	uint8_t fate[NET_MAX_BURST];
	uint16_t n;

	for (unsigned i = 0; i < 300 && !virtq_broken(&g->net.q); i++) {
		if (to_send) {
			n = rig_dequeue(g, pool, m, &limits, &work);
		} else {
			n = NET_MAX_BURST;
			random_packets(m, n);
			expect(&g->net, m[0]);
			net_enqueue(&g->net, m, n, fate, NULL);
		}
		rte_pktmbuf_free_bulk(m, n);
		virtq_complete(&g->net.q);
		assert_true(g->net.q.packed ? g->net.q.avail_at < g->net.q.size : true);
		assert_true(g->net.q.packed ? g->net.q.used_at < g->net.q.size : true);
	}
}

static void test_rings_that_change_meanwhile(void **state)
{
	static const uint16_t ring_sizes[] = {1, 2, 8, 64};

	(void)state;
	for (unsigned s = 0; s < RACES; s++) {
		struct rig_conf conf = {.size = ring_sizes[s / 4 % 4],
					.regions = REGIONS,
					.region_size = REGION,
					.features = V1 | RIG_F(VIRTIO_NET_F_MRG_RXBUF)};
		pthread_t thread;
		struct rig g;

		seed = s;
		if (s & 2) {
			conf.features |= PACKED;
			conf.start = 0x8000;
		}
		conf.lend = rnd(2);
		rig_open(&g, &conf);
		g.net.q.indirect = rnd(2);
		scribbled = &g;
		stop = false;
		assert_int_equal(pthread_create(&thread, NULL, scribble_on, (void *)(uintptr_t)s),
				 0);
		run_scribbled(&g, !(s & 1));
		stop = true;
		pthread_join(thread, NULL);
		rig_close(&g, pool);
	}
}

static int set_up(void **state)
{
	(void)state;
	if (fake_eal_init("vring_fuzz_test") < 0)
		return -1;
	pool = fake_eal_pool("pool", 4096);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_rings_to_send),
		cmocka_unit_test(test_random_rings_to_receive),
		cmocka_unit_test(test_rings_that_change_meanwhile),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
