/* SPDX-License-Identifier: BSD-3-Clause */
/* The ring engine copies packets whole, whatever the ring's format and the shape of the buffers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <rte_mbuf.h>

#include "tests/fake/eal.h"
#include "tests/fake/net_ring_rig.h"

#define V1     RIG_F(VIRTIO_F_VERSION_1)
#define PACKED RIG_F(VIRTIO_F_RING_PACKED)
#define MRG    RIG_F(VIRTIO_NET_F_MRG_RXBUF)
#define IND    RIG_F(VIRTIO_RING_F_INDIRECT_DESC)
#define EVENT  RIG_F(VIRTIO_RING_F_EVENT_IDX)
#define ORDER  RIG_F(VIRTIO_F_IN_ORDER)

static struct rte_mempool *pool;

static const uint32_t sizes[] = {14,   15,   59,   60,    63,    64,    65,    127,  128,  256,
				 511,  1024, 1500, 1514,  2035,  2036,  2037,  2048, 2049, 4096,
				 9000, 9014, 9018, 16384, 32768, 65521, 65535, 65549};
#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

static const uint64_t formats[] = {
	0,
	V1,
	V1 | IND,
	V1 | EVENT,
	V1 | IND | EVENT,
	MRG,
	V1 | MRG,
	V1 | MRG | IND,
	V1 | MRG | EVENT,
	V1 | MRG | IND | EVENT | ORDER,
	V1 | PACKED,
	V1 | PACKED | IND,
	V1 | PACKED | EVENT,
	V1 | PACKED | IND | EVENT,
	V1 | PACKED | MRG,
	V1 | PACKED | MRG | ORDER,
	V1 | PACKED | MRG | IND,
	V1 | PACKED | MRG | IND | EVENT | ORDER,
};
#define N_FORMATS (sizeof(formats) / sizeof(formats[0]))

/* How header and packet are cut into buffers: lengths, 0 ends the list, the last one takes the
 * rest. */
static const uint32_t shapes[][6] = {
	{0},              /* one buffer */
	{12, 0},          /* header apart (legacy: and two bytes) */
	{10, 0},          /* header apart (longer one: cut) */
	{5, 3, 1, 4, 0},  /* header in pieces */
	{12, 14, 20, 0},  /* header, Ethernet, IP, rest */
	{13, 1, 1, 1, 1}, /* packet in pieces */
};
#define N_SHAPES (sizeof(shapes) / sizeof(shapes[0]))

/* Whether packets are taken on loan. */
static bool lend;

/* Cuts `len` bytes at `at` into buffers of a shape. */
static unsigned cut(struct rig *g, uint8_t *at, uint32_t len, unsigned shape, bool device_writes,
		    struct driver_buf *bufs)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 6 && shapes[shape][i] && shapes[shape][i] < len; i++) {
		bufs[n++] = (struct driver_buf){driver_mem_gpa(&g->mem, at), shapes[shape][i],
						device_writes};
		at += shapes[shape][i];
		len -= shapes[shape][i];
	}
	bufs[n++] = (struct driver_buf){driver_mem_gpa(&g->mem, at), len, device_writes};
	return n;
}

static void assert_packet(const struct rte_mbuf *m, const uint8_t *data, uint32_t len)
{
	static uint8_t copy[NET_MAX_PACKET];
	const uint8_t *got;

	assert_int_equal(rte_pktmbuf_pkt_len(m), len);
	rte_mbuf_sanity_check(m, 1);
	got = rte_pktmbuf_read(m, 0, len, copy);
	assert_non_null(got);
	assert_memory_equal(got, data, len);
	assert_int_equal(m->ol_flags, 0);
}

static void send_one(struct rig *g, uint8_t *at, uint32_t size, unsigned shape, bool indirect)
{
	struct net_taken work = {0};
	struct rte_mbuf *m[4];
	struct driver_buf bufs[8];
	uint32_t len;
	uint16_t id;
	unsigned n;
	int head;

	memset(at, 0, g->hdr_len);
	rig_pattern(at + g->hdr_len, size, size + shape);
	n = cut(g, at, size + g->hdr_len, shape, false, bufs);
	head = rig_add(g, bufs, n, indirect);
	assert_true(head >= 0);
	assert_int_equal(virtq_pending(&g->net.q), 1);
	assert_int_equal(rig_take(g, pool, m, 4, &work), 1);
	assert_int_equal(work.bytes, size);
	assert_int_equal(work.descs, indirect ? n + 1 : n);
	assert_packet(m[0], at + g->hdr_len, size);
	assert_false(rig_poll(g, &id, &len));
	virtq_complete(&g->net.q);
	assert_true(rig_poll(g, &id, &len));
	assert_int_equal(id, head);
	assert_int_equal(len, 0);
	assert_int_equal(virtq_pending(&g->net.q), 0);
	rte_pktmbuf_free(m[0]);
}

static void test_takes_every_size_and_shape(void **state)
{
	(void)state;
	for (unsigned f = 0; f < N_FORMATS; f++) {
		struct rig_conf conf = {.lend = lend, .size = 16, .features = formats[f]};
		struct rig g;
		uint8_t *at;

		conf.start = formats[f] & PACKED ? 0x8000 | 11 : 65530;
		rig_open(&g, &conf);
		at = driver_mem_alloc(&g.mem, 0, 70000, 64);
		for (unsigned s = 0; s < N_SIZES; s++) {
			for (unsigned shape = 0; shape < N_SHAPES; shape++) {
				send_one(&g, at + s % 7, sizes[s], shape, false);
				if (formats[f] & IND)
					send_one(&g, at + s % 7, sizes[s], shape, true);
			}
		}
		rig_close(&g, pool);
	}
}

/* --- to the guest --------------------------------------------------------------------------------
 */

/* Buffers given to the device: `n` of `len` bytes, each cut as `shape` says. */
struct supply {
	uint8_t *at;
	uint32_t len;
	unsigned n;
	unsigned shape;
	bool indirect;
	int id[64];
};

static void supply(struct rig *g, struct supply *s)
{
	struct driver_buf bufs[8];
	unsigned n;

	memset(s->at, 0xee, (size_t)s->len * s->n);
	for (unsigned i = 0; i < s->n; i++) {
		n = cut(g, s->at + (size_t)i * s->len, s->len, s->shape, true, bufs);
		s->id[i] = rig_add(g, bufs, n, s->indirect);
		assert_true(s->id[i] >= 0);
	}
}

/* Puts together what the device wrote into the buffers from `first` on; returns how many it took.
 */
static unsigned collect(struct rig *g, const struct supply *s, unsigned first, uint8_t *to,
			uint32_t *total)
{
	unsigned want = 1, got = 0;
	uint32_t len;
	uint16_t id, count;

	*total = 0;
	while (got < want) {
		assert_true(rig_poll(g, &id, &len));
		assert_int_equal(id, s->id[first + got]);
		assert_true(len <= s->len);
		memcpy(to + *total, s->at + (size_t)(first + got) * s->len, len);
		*total += len;
		if (got++ == 0 && g->hdr_len == 12) {
			memcpy(&count, to + 10, 2);
			assert_true(count > 0);
			want = count;
		}
		/* All but the last are full. */
		if (got < want)
			assert_int_equal(len, s->len);
	}
	return got;
}

static void assert_received(struct rig *g, const struct supply *s, unsigned first,
			    const uint8_t *data, uint32_t size, unsigned *took)
{
	static uint8_t got[200000];
	const uint8_t zero[10] = {0};
	uint32_t total;

	*took = collect(g, s, first, got, &total);
	assert_int_equal(total, size + g->hdr_len);
	assert_memory_equal(got, zero, 10);
	assert_memory_equal(got + g->hdr_len, data, size);
}

static void receive_one(struct rig *g, struct supply *s, uint32_t size, uint32_t seg)
{
	static uint8_t data[NET_MAX_PACKET];
	struct rte_mbuf *m;
	uint8_t fate = 0xff;
	unsigned took;
	uint32_t len;
	uint16_t id;

	rig_pattern(data, size, size + s->shape);
	m = fake_eal_packet(pool, data, size, seg);
	supply(g, s);
	assert_int_equal(net_enqueue(&g->net, &m, 1, &fate, NULL), 1);
	assert_int_equal(fate, NET_DELIVERED);
	assert_int_equal(rte_mbuf_refcnt_read(m), 1);
	rte_pktmbuf_free(m);
	assert_false(rig_poll(g, &id, &len));
	virtq_complete(&g->net.q);
	assert_received(g, s, 0, data, size, &took);
	assert_false(rig_poll(g, &id, &len));

	/* What it left is used up by as many small ones. */
	for (unsigned i = took; i < s->n; i++) {
		m = fake_eal_packet(pool, data, 60, 0);
		assert_int_equal(net_enqueue(&g->net, &m, 1, &fate, NULL), 1);
		rte_pktmbuf_free(m);
		virtq_complete(&g->net.q);
		assert_received(g, s, i, data, 60, &took);
	}
}

static void test_gives_every_size_in_one_buffer(void **state)
{
	(void)state;
	for (unsigned f = 0; f < N_FORMATS; f++) {
		struct rig_conf conf = {.lend = lend, .size = 16, .features = formats[f]};
		struct supply s = {.len = 65600, .n = 2};
		struct rig g;

		conf.start = formats[f] & PACKED ? 13 : 65531;
		rig_open(&g, &conf);
		s.at = driver_mem_alloc(&g.mem, 0, (size_t)s.len * s.n, 1);
		for (unsigned i = 0; i < N_SIZES; i++) {
			s.shape = i % N_SHAPES;
			receive_one(&g, &s, sizes[i], 0);
			receive_one(&g, &s, sizes[i], 100 + i);
			s.indirect = formats[f] & IND;
		}
		rig_close(&g, pool);
	}
}

static void test_merges_buffers(void **state)
{
	static const uint32_t lens[] = {1526, 2048, 4096};

	(void)state;
	for (unsigned f = 0; f < N_FORMATS; f++) {
		for (unsigned l = 0; l < 3 && (formats[f] & MRG); l++) {
			struct rig_conf conf = {.lend = lend, .size = 256, .features = formats[f]};
			struct supply s = {.len = lens[l], .n = 48};
			struct rig g;

			conf.start = formats[f] & PACKED ? 0x8000 | 200 : 65500;
			rig_open(&g, &conf);
			s.at = driver_mem_alloc(&g.mem, 0, (size_t)s.len * s.n, 1);
			for (unsigned i = 0; i < N_SIZES; i++) {
				s.shape = i % 2;
				receive_one(&g, &s, sizes[i], i % 3 ? 0 : 1000);
				s.indirect = formats[f] & IND;
			}
			rig_close(&g, pool);
		}
	}
}

/* --- bursts --------------------------------------------------------------------------------------
 */

/* Many bursts of mixed shapes: indices wrap several times, ring positions thousands of times. */
static void burst(struct rig *g, uint8_t *at, unsigned n, uint32_t seed)
{
	const uint32_t room = 2200;
	struct net_taken work = {0};
	struct rte_mbuf *m[NET_MAX_BURST];
	struct driver_buf bufs[8];
	uint32_t size[NET_MAX_BURST], len;
	uint16_t id, got;
	int head[NET_MAX_BURST];

	for (unsigned i = 0; i < n; i++) {
		unsigned r = (seed + i) * 2654435761u >> 16;
		unsigned shape = r % 4 ? 0 : r / 4 % N_SHAPES;
		bool indirect = (g->ring.features & IND) && r % 5 == 0;
		uint8_t *pkt = at + i * room;
		unsigned k;

		size[i] = 14 + r % 2100;
		memset(pkt, 0, g->hdr_len);
		rig_pattern(pkt + g->hdr_len, 16, seed + i);
		k = cut(g, pkt, size[i] + g->hdr_len, shape, false, bufs);
		head[i] = rig_add(g, bufs, k, indirect);
		assert_true(head[i] >= 0);
	}
	got = rig_take(g, pool, m, NET_MAX_BURST, &work);
	assert_int_equal(got, n);
	virtq_complete(&g->net.q);
	for (unsigned i = 0; i < n; i++) {
		assert_true(rig_poll(g, &id, &len));
		assert_int_equal(id, head[i]);
		assert_packet(m[i], at + i * room + g->hdr_len, size[i]);
	}
	rte_pktmbuf_free_bulk(m, n);
}

static void test_goes_round_and_round(void **state)
{
	(void)state;
	for (unsigned f = 0; f < N_FORMATS; f++) {
		/* A packed ring need not be a power of 2. */
		struct rig_conf conf = {.lend = lend,
					.size = formats[f] & PACKED ? 331 : 256,
					.features = formats[f]};
		struct rig g;
		uint8_t *at;

		rig_open(&g, &conf);
		at = driver_mem_alloc(&g.mem, 0, 2200u * 40, 64);
		for (unsigned i = 0; i < 3000; i++)
			burst(&g, at, 1 + i % 40, i);
		rig_close(&g, pool);
	}
}

static void test_regions_that_adjoin_are_one(void **state)
{
	(void)state;
	for (unsigned f = 0; f < N_FORMATS; f++) {
		struct rig_conf conf = {.lend = lend,
					.size = 16,
					.features = formats[f] & ~IND,
					.regions = 2,
					.region_size = 1 << 17,
					.adjacent = true};
		struct supply s = {.len = 4000, .n = 1};
		struct rig g;

		rig_open(&g, &conf);
		send_one(&g, g.mem.map.r[1].hva - 700, 1400, 0, false);
		send_one(&g, g.mem.map.r[1].hva - 5, 64, 0, false);
		s.at = g.mem.map.r[1].hva - 1000;
		receive_one(&g, &s, 3000, 0);
		s.at = g.mem.map.r[1].hva - 7;
		receive_one(&g, &s, 64, 0);
		rig_close(&g, pool);
	}
}

/* The same in guest addresses, but apart in ours. */
static void test_descriptors_cross_regions(void **state)
{
	(void)state;
	for (unsigned f = 0; f < N_FORMATS; f++) {
		struct rig_conf conf = {.lend = lend,
					.size = 16,
					.features = formats[f] & ~IND,
					.regions = 3,
					.region_size = 1 << 14};
		struct net_taken work = {0};
		struct driver_buf buf = {DRIVER_GPA + (1 << 14) - 500, 1 << 14, false};
		uint32_t size = buf.len, len, half = 500;
		static uint8_t data[1 << 14];
		struct rte_mbuf *m;
		uint8_t fate;
		uint16_t id;
		struct rig g;

		rig_open(&g, &conf);
		size -= g.hdr_len;
		rig_pattern(data, size, f);
		memcpy(g.mem.map.r[1].hva - DRIVER_GUARD - half + g.hdr_len, data,
		       half - g.hdr_len);
		memcpy(g.mem.map.r[1].hva, data + half - g.hdr_len, buf.len - half);
		assert_true(rig_add(&g, &buf, 1, false) >= 0);
		assert_int_equal(rig_take(&g, pool, &m, 1, &work), 1);
		assert_packet(m, data, size);
		virtq_complete(&g.net.q);
		assert_true(rig_poll(&g, &id, &len));

		buf.device_writes = true;
		assert_true(rig_add(&g, &buf, 1, false) >= 0);
		memset(g.mem.map.r[1].hva, 0, 1 << 14);
		assert_int_equal(net_enqueue(&g.net, &m, 1, &fate, NULL), 1);
		assert_memory_equal(g.mem.map.r[1].hva, data + half - g.hdr_len, buf.len - half);
		rte_pktmbuf_free(m);
		rig_close(&g, pool);
	}
}

static int set_up(void **state)
{
	(void)state;
	if (fake_eal_init("vring_copy_test") < 0)
		return -1;
	pool = fake_eal_pool("copy", 1024);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takes_every_size_and_shape),
		cmocka_unit_test(test_gives_every_size_in_one_buffer),
		cmocka_unit_test(test_merges_buffers),
		cmocka_unit_test(test_goes_round_and_round),
		cmocka_unit_test(test_regions_that_adjoin_are_one),
		cmocka_unit_test(test_descriptors_cross_regions),
	};

	int failed = cmocka_run_group_tests_name("copied", tests, set_up, NULL);

	lend = true;
	return failed + cmocka_run_group_tests_name("lent", tests, NULL, NULL);
}
