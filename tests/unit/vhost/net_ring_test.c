/* SPDX-License-Identifier: BSD-3-Clause */
/* The ring engine: opening, limits, fates, notification both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/vhost_types.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <rte_mbuf.h>

#include "tests/fake/eal.h"
#include "tests/fake/net_ring_rig.h"

#define V1     RIG_F(VIRTIO_F_VERSION_1)
#define PACKED RIG_F(VIRTIO_F_RING_PACKED)
#define MRG    RIG_F(VIRTIO_NET_F_MRG_RXBUF)
#define EVENT  RIG_F(VIRTIO_RING_F_EVENT_IDX)

#define FRAME 60u

static struct rte_mempool *pool;

static const uint64_t formats[] = {V1, V1 | PACKED};

/* --- opening -------------------------------------------------------------------------------------
 */

static void test_refuses_what_cannot_be_a_ring(void **state)
{
	struct driver_mem mem;
	struct driver_ring split, packed;
	struct virtq_conf conf;
	struct virtq q;

	(void)state;
	driver_mem_init(&mem, 1, 1 << 20, false);
	driver_mem_ring(&mem, &split, 256, V1, 0);
	driver_mem_ring(&mem, &packed, 200, V1 | PACKED, 0x8000);

#define REFUSED(ring, rc, change)                               \
	do {                                                    \
		conf = driver_ring_conf(&(ring), &mem.map, -1); \
		assert_int_equal(virtq_open(&q, &conf), 0);     \
		change;                                         \
		assert_int_equal(virtq_open(&q, &conf), rc);    \
	} while (0)
	REFUSED(split, -EINVAL, conf.size = 0);
	REFUSED(split, -EINVAL, conf.size = 255);
	REFUSED(split, -EINVAL, conf.size = 40000);
	REFUSED(split, -EINVAL, conf.desc = NULL);
	REFUSED(split, -EINVAL, conf.avail = NULL);
	REFUSED(split, -EINVAL, conf.used = NULL);
	REFUSED(split, -EINVAL, conf.desc = (uint8_t *)conf.desc + 8);
	REFUSED(split, -EINVAL, conf.avail = (uint8_t *)conf.avail + 1);
	REFUSED(split, -EINVAL, conf.used = (uint8_t *)conf.used + 2);
	REFUSED(split, -ENOTSUP, conf.features |= RIG_F(VIRTIO_F_ACCESS_PLATFORM));
	REFUSED(split, -ENOTSUP, conf.features |= RIG_F(VHOST_F_LOG_ALL));
	REFUSED(packed, -EINVAL, conf.size = 0);
	REFUSED(packed, -EINVAL, conf.size = 32769);
	REFUSED(packed, -EINVAL, conf.last_avail = 200);
	REFUSED(packed, -EINVAL, conf.last_used = 0x8000 | 200);
	REFUSED(packed, -EINVAL, conf.avail = (uint8_t *)conf.avail + 2);
#undef REFUSED
	driver_ring_free(&split);
	driver_ring_free(&packed);
	driver_mem_free(&mem);
}

static void test_refuses_a_call_fd_that_is_no_eventfd(void **state)
{
	struct driver_mem mem;
	struct driver_ring ring;
	struct virtq_conf conf;
	struct virtq q;
	int pair[2];

	(void)state;
	driver_mem_init(&mem, 1, 1 << 20, false);
	driver_mem_ring(&mem, &ring, 16, V1, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	conf = driver_ring_conf(&ring, &mem.map, pair[0]);
	assert_int_equal(virtq_open(&q, &conf), -EINVAL);
	close(pair[0]);
	close(pair[1]);
	assert_int_equal(pipe(pair), 0);
	conf.call_fd = pair[1];
	assert_int_equal(virtq_open(&q, &conf), -EINVAL);
	close(pair[0]);
	close(pair[1]);
	assert_int_equal(virtq_open(&q, &conf), -EINVAL);

	/* Another file without a name. */
	conf.call_fd = timerfd_create(CLOCK_MONOTONIC, 0);
	assert_int_equal(virtq_open(&q, &conf), -EINVAL);
	close(conf.call_fd);

	conf.call_fd = eventfd(0, 0);
	assert_int_equal(virtq_open(&q, &conf), 0);
	close(conf.call_fd);
	driver_ring_free(&ring);
	driver_mem_free(&mem);
}

static void test_every_reason_has_a_text(void **state)
{
	(void)state;
	for (int i = 0; i < VIRTQ_BREAK_COUNT; i++)
		assert_true(strlen(virtq_broken_text((enum virtq_break)i)) > 0);
	for (int i = 0; i < NET_RESULT_COUNT; i++)
		assert_true(strlen(net_result_text((enum net_result)i)) > 0);
	for (int i = 0; i < NET_DROP_COUNT; i++)
		assert_true(strlen(net_drop_text((enum net_drop)i)) > 0);
}

/* --- packets -------------------------------------------------------------------------------------
 */

/* Makes `n` frames available, of `len` bytes each, header included. */
static void submit(struct rig *g, uint8_t *at, uint32_t len, unsigned n)
{
	struct driver_buf buf = {driver_mem_gpa(&g->mem, at), len, false};

	for (unsigned i = 0; i < n; i++)
		assert_true(rig_add(g, &buf, 1, false) >= 0);
}

static void offer(struct rig *g, uint8_t *at, uint32_t len, unsigned n)
{
	struct driver_buf buf = {driver_mem_gpa(&g->mem, at), len, true};

	for (unsigned i = 0; i < n; i++)
		assert_true(rig_add(g, &buf, 1, false) >= 0);
}

static unsigned drain(struct rig *g)
{
	uint32_t len;
	unsigned n = 0;
	uint16_t id;

	while (rig_poll(g, &id, &len))
		n++;
	return n;
}

static void test_limits_bound_a_call(void **state)
{
	static const struct {
		struct net_limits limits;
		uint16_t taken;
	} cases[] = {
		{{0, UINT32_MAX, UINT32_MAX, NULL}, 0},
		{{1, UINT32_MAX, UINT32_MAX, NULL}, 1},
		{{7, UINT32_MAX, UINT32_MAX, NULL}, 7},
		{{200, UINT32_MAX, UINT32_MAX, NULL}, NET_MAX_BURST},
		{{64, 0, UINT32_MAX, NULL}, 1},
		{{64, 1, UINT32_MAX, NULL}, 1},
		{{64, 100, UINT32_MAX, NULL}, 1},
		{{64, 101, UINT32_MAX, NULL}, 2},
		{{64, 1000, UINT32_MAX, NULL}, 10},
		{{64, UINT32_MAX, 0, NULL}, 1},
		{{64, UINT32_MAX, 5, NULL}, 5},
	};

	(void)state;
	for (unsigned f = 0; f < 2; f++) {
		for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct rig_conf conf = {
				.size = 256, .features = formats[f], .start = f ? 0x8000 : 0};
			struct pkt p[NET_MAX_BURST];
			struct net_taken work = {0};
			struct rig g;

			rig_open(&g, &conf);
			submit(&g, driver_mem_alloc(&g.mem, 0, 4096, 64), 112, 100);
			assert_int_equal(
				net_dequeue(&g.net, pool, NULL, p, &cases[i].limits, &work),
				cases[i].taken);
			assert_int_equal(work.bytes, cases[i].taken * 100);
			assert_int_equal(work.descs, cases[i].taken);
			for (unsigned k = 0; k < cases[i].taken; k++)
				pkt_free(p[k].m);
			virtq_complete(&g.net.q);
			assert_int_equal(drain(&g), cases[i].taken);
			assert_true(virtq_pending(&g.net.q) > 0);
			rig_close(&g, pool);
		}
	}
}

/* It tells how many chains wait, at most: wherever in the ring they begin, and behind its end. */
static void test_how_many_chains_wait(void **state)
{
	(void)state;
	for (size_t f = 0; f < sizeof(formats) / sizeof(formats[0]); f++) {
		struct rig_conf conf = {.size = 8, .features = formats[f], .start = f ? 0x8000 : 0};
		const struct net_limits limits = {.packets = 5, .bytes = 1000, .descs = 100};
		struct net_taken work = {0};
		struct pkt p[NET_MAX_BURST];
		uint8_t *room;
		struct rig g;

		rig_open(&g, &conf);
		room = driver_mem_alloc(&g.mem, 0, 4096, 64);
		for (unsigned round = 0; round < 8; round++) {
			assert_false(virtq_has(&g.net.q, 1));
			submit(&g, room, 112, 5);
			for (uint16_t n = 1; n < 12; n++)
				assert_int_equal(virtq_has(&g.net.q, n), n <= 5);
			submit(&g, room, 112, 3);
			for (uint16_t n = 1; n < 12; n++)
				assert_int_equal(virtq_has(&g.net.q, n), n <= 8);
			for (unsigned left = 8, n; left > 0; left -= n) {
				n = net_dequeue(&g.net, pool, NULL, p, &limits, &work);
				for (unsigned k = 0; k < n; k++)
					pkt_free(p[k].m);
				virtq_complete(&g.net.q);
				assert_int_equal(drain(&g), n);
				assert_int_equal(virtq_has(&g.net.q, 3), left == 8);
			}
			/* So that the next round begins at another place. */
			submit(&g, room, 112, 3);
			assert_int_equal(net_dequeue(&g.net, pool, NULL, p, &limits, &work), 3);
			for (unsigned k = 0; k < 3; k++)
				pkt_free(p[k].m);
			virtq_complete(&g.net.q);
			assert_int_equal(drain(&g), 3);
		}
		rig_close(&g, pool);
	}
}

static void test_an_empty_pool_loses_nothing(void **state)
{
	struct rte_mempool *small = fake_eal_pool("small", 7);

	(void)state;
	for (unsigned f = 0; f < 2; f++) {
		struct rig_conf conf = {
			.size = 64, .features = formats[f], .start = f ? 0x8000 : 0};
		struct rte_mbuf *m[NET_MAX_BURST];
		struct net_taken work = {0};
		struct rig g;
		uint8_t *at;

		rig_open(&g, &conf);
		at = driver_mem_alloc(&g.mem, 0, 10000, 64);
		submit(&g, at, 112, 10);
		assert_int_equal(rig_take(&g, small, m, 64, &work), 7);
		assert_int_equal(work.no_mbuf, 1);
		assert_int_equal(rig_take(&g, small, m + 7, 57, &work), 0);
		assert_int_equal(work.no_mbuf, 2);
		rte_pktmbuf_free_bulk(m, 7);
		assert_int_equal(rig_take(&g, small, m, 64, &work), 3);
		assert_int_equal(work.bytes, 1000);

		/* A packet of five mbufs, where four are left. */
		submit(&g, at, 9012, 1);
		assert_int_equal(rig_take(&g, small, m + 3, 61, &work), 0);
		assert_int_equal(work.no_mbuf, 3);
		rte_pktmbuf_free_bulk(m, 3);
		assert_int_equal(rig_take(&g, small, m, 64, &work), 1);
		assert_int_equal(m[0]->nb_segs, 5);
		rte_pktmbuf_free(m[0]);
		virtq_complete(&g.net.q);
		assert_int_equal(drain(&g), 11);
		rig_close(&g, small);
	}
	rte_mempool_free(small);
}

/* Packet lengths and what becomes of each, with one buffer per length on offer. */
static void fates(uint64_t features, const uint32_t *buffers, unsigned n_buffers,
		  const uint32_t *packets, const uint8_t *expected, unsigned n)
{
	struct rig_conf conf = {
		.size = 64, .features = features, .start = features & PACKED ? 0x8000 : 0};
	static const uint8_t data[NET_MAX_PACKET];
	uint8_t fate[16], want = 0;
	struct rte_mbuf *m[16];
	struct rig g;

	rig_open(&g, &conf);
	for (unsigned i = 0; i < n_buffers; i++)
		offer(&g, driver_mem_alloc(&g.mem, 0, buffers[i], 1), buffers[i], 1);
	for (unsigned i = 0; i < n; i++) {
		m[i] = fake_eal_packet(pool, data, packets[i], 0);
		want += expected[i] == NET_DELIVERED;
	}
	assert_int_equal(net_enqueue(&g.net, m, (uint16_t)n, fate, NULL), want);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(fate[i], expected[i]);
	rte_pktmbuf_free_bulk(m, n);
	rig_close(&g, pool);
}

static void test_fates(void **state)
{
	static const uint32_t small_between[] = {60, 1514, 60, 2000, 60};
	static const uint8_t small_fates[] = {NET_DELIVERED, NET_BUFFER_SMALL, NET_DELIVERED,
					      NET_BUFFER_SMALL, NET_DELIVERED};
	static const uint32_t buffers[] = {1000, 1000, 1000};
	static const uint32_t grow[] = {100, 1900, 60, 60};
	static const uint8_t grow_fates[] = {NET_DELIVERED, NET_RING_FULL, NET_RING_FULL,
					     NET_RING_FULL};
	static const uint32_t exact[] = {988, 988, 1};
	static const uint8_t exact_fates[] = {NET_DELIVERED, NET_DELIVERED, NET_RING_FULL};

	(void)state;
	for (unsigned f = 0; f < 2; f++) {
		fates(formats[f], buffers, 3, small_between, small_fates, 5);
		fates(formats[f] | MRG, buffers, 2, grow, grow_fates, 4);
		fates(formats[f], buffers, 2, exact, exact_fates, 3);
		fates(formats[f] | MRG, buffers, 2, exact, exact_fates, 3);
	}
}

static void test_base_goes_on_where_it_stopped(void **state)
{
	(void)state;
	for (unsigned f = 0; f < 2; f++) {
		struct rig_conf conf = {
			.size = 64, .features = formats[f], .start = f ? 0x8000 | 60 : 65533};
		uint16_t avail, used;
		struct net_taken work = {0};
		struct rte_mbuf *m[NET_MAX_BURST];
		struct virtq_conf again;
		struct rig g;
		uint8_t *at;

		rig_open(&g, &conf);
		at = driver_mem_alloc(&g.mem, 0, 4096, 64);
		submit(&g, at, 112, 10);
		assert_int_equal(rig_take(&g, pool, m, 7, &work), 7);
		rte_pktmbuf_free_bulk(m, 7);
		virtq_complete(&g.net.q);
		virtq_get_base(&g.net.q, &avail, &used);
		assert_int_equal(avail, f ? 3 : 4);
		assert_int_equal(used, avail);

		again = driver_ring_conf(&g.ring, &g.mem.map, -1);
		again.last_avail = avail;
		again.last_used = used;
		assert_int_equal(virtq_open(&g.net.q, &again), 0);
		assert_int_equal(rig_take(&g, pool, m, 64, &work), 3);
		rte_pktmbuf_free_bulk(m, 3);
		virtq_complete(&g.net.q);
		assert_int_equal(drain(&g), 10);
		rig_close(&g, pool);
	}
}

/* --- notifying the guest -------------------------------------------------------------------------
 */

/* Sends n frames through and says whether the guest was notified. */
static bool pass(struct rig *g, uint8_t *at, unsigned n)
{
	struct rte_mbuf *m[NET_MAX_BURST];
	struct net_taken work = {0};
	bool called;

	submit(g, at, 12 + FRAME, n);
	assert_int_equal(rig_take(g, pool, m, (uint16_t)n, &work), n);
	rte_pktmbuf_free_bulk(m, n);
	called = virtq_complete(&g->net.q);
	assert_int_equal(drain(g), n);
	assert_false(virtq_complete(&g->net.q));
	if (g->call_fd >= 0)
		assert_int_equal(rig_notified(g) > 0, called);
	return called;
}

static void test_notifies_by_flags(void **state)
{
	(void)state;
	for (unsigned f = 0; f < 2; f++) {
		struct rig_conf conf = {
			.size = 64, .features = formats[f], .start = f ? 0x8000 : 0};
		struct rig g;
		uint8_t *at;

		for (int fd = 0; fd < 2; fd++) {
			conf.no_call_fd = !fd;
			rig_open(&g, &conf);
			at = driver_mem_alloc(&g.mem, 0, 4096, 64);
			assert_false(virtq_complete(&g.net.q));
			assert_int_equal(pass(&g, at, 3), fd);
			if (f)
				g.ring.driver->flags = VRING_PACKED_EVENT_FLAG_DISABLE;
			else
				g.ring.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
			assert_false(pass(&g, at, 1));
			if (f) /* not negotiated: taken for "enabled" */
				g.ring.driver->flags = VRING_PACKED_EVENT_FLAG_DESC;
			else
				g.ring.avail->flags = 0;
			assert_int_equal(pass(&g, at, 1), fd);
			rig_close(&g, pool);
		}
	}
}

/* The guest waits for the slot `event` places ahead; n are used. True when it is among them. */
static void test_notifies_by_event_index(void **state)
{
	static const uint16_t starts[2][4] = {{0, 60, 65530, 32767}, {0x8000, 60, 0x8000 | 60, 5}};

	(void)state;
	for (unsigned f = 0; f < 2; f++) {
		for (unsigned i = 0; i < 4 * 8 * 8; i++) {
			struct rig_conf conf = {.size = 64,
						.features = formats[f] | EVENT,
						.start = starts[f][i / 64]};
			unsigned n = 1 + i % 8, ahead = i / 8 % 8;
			uint16_t event;
			struct rig g;
			uint8_t *at;

			rig_open(&g, &conf);
			at = driver_mem_alloc(&g.mem, 0, 4096, 64);
			/* The first time it cannot be known. */
			if (f)
				g.ring.driver->flags = VRING_PACKED_EVENT_FLAG_DESC;
			else
				g.ring.avail->ring[64] = (uint16_t)(conf.start - 9);
			assert_true(pass(&g, at, 1));
			if (f) {
				event = (g.ring.used_at + ahead) % 64;
				if (g.ring.used_wrap != (g.ring.used_at + ahead >= 64))
					event |= 0x8000;
				g.ring.driver->off_wrap = event;
			} else {
				g.ring.avail->ring[64] = (uint16_t)(g.ring.used_at + ahead);
			}
			assert_int_equal(pass(&g, at, n), ahead < n);
			/* Once only. */
			assert_int_equal(pass(&g, at, 8), ahead >= n && ahead < n + 8);
			if (f) {
				g.ring.driver->flags = VRING_PACKED_EVENT_FLAG_DISABLE;
				assert_false(pass(&g, at, 8));
				g.ring.driver->flags = VRING_PACKED_EVENT_FLAG_ENABLE;
				assert_true(pass(&g, at, 1));
				g.ring.driver->flags = VRING_PACKED_EVENT_FLAG_DESC;
				g.ring.driver->off_wrap = 64; /* no such slot */
				assert_true(pass(&g, at, 1));
			}
			rig_close(&g, pool);
		}
	}
}

/* The rig's eventfd blocks, as a front end may make any. */
static void test_a_full_counter_does_not_block(void **state)
{
	struct rig_conf conf = {.size = 64, .features = V1};
	uint64_t full = UINT64_MAX - 1;
	struct rig g;
	uint8_t *at;

	(void)state;
	rig_open(&g, &conf);
	at = driver_mem_alloc(&g.mem, 0, 4096, 64);
	assert_int_equal(write(g.call_fd, &full, 8), 8);
	assert_true(pass(&g, at, 1));
	assert_int_equal(virtq_broken(&g.net.q), VIRTQ_BREAK_NONE);
	rig_close(&g, pool);
}

static void test_a_dead_call_fd_breaks_the_ring(void **state)
{
	struct rig_conf conf = {.size = 64, .features = V1};
	struct net_taken work = {0};
	struct rte_mbuf *m;
	struct rig g;

	(void)state;
	rig_open(&g, &conf);
	submit(&g, driver_mem_alloc(&g.mem, 0, 4096, 64), 12 + FRAME, 2);
	assert_int_equal(rig_take(&g, pool, &m, 1, &work), 1);
	rte_pktmbuf_free(m);
	close(g.call_fd);
	g.call_fd = -1;
	assert_true(virtq_complete(&g.net.q));
	assert_int_equal(virtq_broken(&g.net.q), VIRTQ_BREAK_CALL_FD);
	assert_int_equal(virtq_pending(&g.net.q), 0);
	rig_close(&g, pool);
}

/* --- being notified ------------------------------------------------------------------------------
 */

/* What a driver that obeys would do after making one more chain available at `at`. */
static bool driver_kicks(const struct rig *g, uint16_t at, bool wrap)
{
	uint16_t event;

	if (!g->ring.packed) {
		if (!(g->ring.features & EVENT))
			return !(g->ring.used->flags & VRING_USED_F_NO_NOTIFY);
		memcpy(&event, &g->ring.used->ring[g->ring.size], 2);
		return vring_need_event(event, (uint16_t)(at + 1), at);
	}
	if (g->ring.device->flags == VRING_PACKED_EVENT_FLAG_DISABLE)
		return false;
	if (g->ring.device->flags == VRING_PACKED_EVENT_FLAG_ENABLE)
		return true;
	assert_true(g->ring.features & EVENT);
	return g->ring.device->off_wrap == (at | (wrap ? 0x8000 : 0));
}

static void test_asks_for_kicks(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct rig_conf conf = {.size = 64,
					.features = formats[i % 2] | (i / 2 ? EVENT : 0),
					.start = i % 2 ? 0x8000 | 62 : 65533};
		struct rte_mbuf *m[NET_MAX_BURST];
		struct net_taken work = {0};
		struct rig g;
		uint8_t *at;

		rig_open(&g, &conf);
		at = driver_mem_alloc(&g.mem, 0, 4096, 64);
		for (int round = 0; round < 70; round++) {
			assert_false(virtq_kick_enable(&g.net.q, false));
			assert_false(driver_kicks(&g, g.ring.avail_at, g.ring.avail_wrap));
			assert_false(virtq_kick_enable(&g.net.q, true));
			assert_true(driver_kicks(&g, g.ring.avail_at, g.ring.avail_wrap));
			submit(&g, at, 12 + FRAME, 1);
			assert_true(virtq_kick_enable(&g.net.q, true));
			assert_false(virtq_kick_enable(&g.net.q, false));
			assert_int_equal(rig_take(&g, pool, m, 64, &work), 1);
			rte_pktmbuf_free(m[0]);
			virtq_complete(&g.net.q);
			assert_int_equal(drain(&g), 1);
		}
		rig_close(&g, pool);
	}
}

static int set_up(void **state)
{
	(void)state;
	if (fake_eal_init("vring_test") < 0)
		return -1;
	pool = fake_eal_pool("pool", 512);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refuses_what_cannot_be_a_ring),
		cmocka_unit_test(test_refuses_a_call_fd_that_is_no_eventfd),
		cmocka_unit_test(test_every_reason_has_a_text),
		cmocka_unit_test(test_limits_bound_a_call),
		cmocka_unit_test(test_how_many_chains_wait),
		cmocka_unit_test(test_an_empty_pool_loses_nothing),
		cmocka_unit_test(test_fates),
		cmocka_unit_test(test_base_goes_on_where_it_stopped),
		cmocka_unit_test(test_notifies_by_flags),
		cmocka_unit_test(test_notifies_by_event_index),
		cmocka_unit_test(test_a_full_counter_does_not_block),
		cmocka_unit_test(test_a_dead_call_fd_breaks_the_ring),
		cmocka_unit_test(test_asks_for_kicks),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
