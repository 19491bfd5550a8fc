/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets that are lent: what a guest can and cannot do to them, and when it gets its chains back.
 */
#include "vhost/net_lent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "tests/fake/eal.h"
#include "tests/fake/net_ring_rig.h"

#define SIZE   1000
#define V1     RIG_F(VIRTIO_F_VERSION_1)
#define PACKED RIG_F(VIRTIO_F_RING_PACKED)

static struct rte_mempool *pool;

#define IND RIG_F(VIRTIO_RING_F_INDIRECT_DESC)

static const uint64_t formats[] = {V1 | IND, V1 | PACKED | IND, V1 | RIG_F(VIRTIO_NET_F_CSUM),
				   V1 | PACKED | RIG_F(VIRTIO_NET_F_CSUM)};
#define N_FORMATS (sizeof(formats) / sizeof(formats[0]))

static const struct net_limits no_limits = {NET_MAX_BURST, UINT32_MAX, UINT32_MAX, NULL};

struct stage {
	struct rig from;
	struct net_lent *lent;
	struct rte_mbuf *m[NET_MAX_BURST];
	struct net_taken work;
};

static void open_stage(struct stage *s, uint64_t features)
{
	struct rig_conf conf = {
		.size = 64, .features = features, .start = features & PACKED ? 0x8000 : 0};

	memset(s, 0, sizeof(*s));
	rig_open(&s->from, &conf);
	s->lent = net_lent_create();
	assert_non_null(s->lent);
}

static void close_stage(struct stage *s)
{
	net_lent_destroy(s->lent);
	rig_close(&s->from, pool);
}

/* Sends a packet in `n` descriptors of equal length; returns where it stands in guest memory,
 * header first. */
static uint8_t *send_cut(struct stage *s, uint32_t size, unsigned n, bool indirect)
{
	uint8_t *at = driver_mem_alloc(&s->from.mem, 0, s->from.hdr_len + size, 64);
	struct driver_buf bufs[NET_LENT_PIECES + 1];
	uint32_t len = s->from.hdr_len + size, part;

	rig_pattern(at + s->from.hdr_len, size, size);
	for (unsigned i = 0; i < n; i++) {
		part = i + 1 < n ? len / n : len - i * (len / n);
		bufs[i] = (struct driver_buf){driver_mem_gpa(&s->from.mem, at + i * (len / n)),
					      part, false};
	}
	assert_true(rig_add(&s->from, bufs, n, indirect) >= 0);
	return at;
}

static uint8_t *send(struct stage *s, uint32_t size, unsigned n)
{
	return send_cut(s, size, n, false);
}

/* Sends a packet whose header has a descriptor of its own. */
static void send_apart(struct stage *s, uint32_t size)
{
	uint8_t *at = driver_mem_alloc(&s->from.mem, 0, s->from.hdr_len + size, 64);
	const struct driver_buf bufs[2] = {
		{driver_mem_gpa(&s->from.mem, at), s->from.hdr_len, false},
		{driver_mem_gpa(&s->from.mem, at + s->from.hdr_len), size, false},
	};

	assert_true(rig_add(&s->from, bufs, 2, false) >= 0);
}

static uint16_t take(struct stage *s)
{
	struct pkt taken[NET_MAX_BURST];
	uint16_t n = net_dequeue(&s->from.net, pool, s->lent, taken, &no_limits, &s->work);

	for (uint16_t i = 0; i < n; i++)
		s->m[i] = taken[i].m;
	return n;
}

static unsigned given_back(struct stage *s)
{
	unsigned n = 0;
	uint32_t len;
	uint16_t id;

	virtq_complete(&s->from.net.q);
	while (rig_poll(&s->from, &id, &len))
		n++;
	return n;
}

static void test_given_back_when_settled(void **state)
{
	(void)state;
	for (unsigned f = 0; f < N_FORMATS; f++) {
		struct stage s;

		open_stage(&s, formats[f]);
		for (unsigned i = 0; i < 5; i++)
			send(&s, SIZE, 1);
		assert_int_equal(take(&s), 5);
		assert_int_equal(s.lent->n, 5);
		for (unsigned i = 0; i < 5; i++)
			assert_true(pkt_is_lent(s.m[i]));
		assert_true(rte_mempool_full(pool));
		assert_int_equal(given_back(&s), 0);
		net_give_back(&s.from.net, s.lent);
		assert_int_equal(s.lent->n, 0);
		assert_int_equal(given_back(&s), 5);
		close_stage(&s);
	}
}

static void assert_lent(struct stage *s, const uint8_t *data, uint32_t size, uint16_t descs)
{
	uint8_t copy[9000];
	const void *got;

	assert_int_equal(take(s), 1);
	assert_true(pkt_is_lent(s->m[0]));
	assert_int_equal(s->m[0]->pkt_len, size);
	assert_int_equal(s->lent->extent[0].descs, descs);
	got = rte_pktmbuf_read(s->m[0], 0, size, copy);
	assert_non_null(got);
	assert_memory_equal(got, data, size);
	net_give_back(&s->from.net, s->lent);
	assert_int_equal(given_back(s), 1);
}

/* Packets in some pieces are lent too, from the ring and from tables, also when they are longer
 * than an mbuf has room for, and when the bytes that are copied are in several pieces. */
static void test_pieces_are_lent(void **state)
{
	static const uint32_t sizes[] = {60, 3 * NET_LENT_BYTES, SIZE, 9000};

	(void)state;
	for (unsigned f = 0; f < N_FORMATS; f++) {
		struct stage s;

		open_stage(&s, formats[f]);
		for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			/* The header is in one piece. */
			for (unsigned n = 1; n <= NET_LENT_PIECES &&
					     n * s.from.hdr_len <= s.from.hdr_len + sizes[i];
			     n++)
				for (int table = 0; table <= (formats[f] & IND ? 1 : 0); table++) {
					uint8_t *at = send_cut(&s, sizes[i], n, table);

					assert_lent(&s, at + s.from.hdr_len, sizes[i],
						    (uint16_t)(n + (unsigned)table));
				}
		assert_true(rte_mempool_full(pool));
		close_stage(&s);
	}
}

/* What was decided upon is what the receiver gets: the guest can change only what is behind. */
static void test_the_head_does_not_change(void **state)
{
	static const uint32_t sizes[] = {60, NET_LENT_BYTES, NET_LENT_BYTES + 1, SIZE};

	(void)state;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const uint32_t head = RTE_MIN(sizes[i], (uint32_t)NET_LENT_BYTES);
		struct rig_conf conf = {.size = 8, .features = V1};
		uint8_t sent[SIZE], *at, *to;
		struct driver_buf buf;
		struct stage s;
		struct rig r;
		uint8_t fate;

		open_stage(&s, V1);
		rig_open(&r, &conf);
		to = driver_mem_alloc(&r.mem, 0, 2048, 64);
		buf = (struct driver_buf){driver_mem_gpa(&r.mem, to), 2048, true};
		assert_true(rig_add(&r, &buf, 1, false) >= 0);

		at = send(&s, sizes[i], 1) + s.from.hdr_len;
		memcpy(sent, at, sizes[i]);
		assert_int_equal(take(&s), 1);
		memset(at, 0xaa, sizes[i]);
		assert_int_equal(net_enqueue(&r.net, s.m, 1, &fate, NULL), 1);
		assert_memory_equal(to + r.hdr_len, sent, head);
		for (uint32_t b = head; b < sizes[i]; b++)
			assert_int_equal(to[r.hdr_len + b], 0xaa);
		net_give_back(&s.from.net, s.lent);
		assert_int_equal(given_back(&s), 1);
		rig_close(&r, NULL);
		close_stage(&s);
	}
}

/* Makes the frame a TCP packet; returns the header that asks for its segmentation. */
static struct virtio_net_hdr make_tcp(uint8_t *frame, uint32_t size, unsigned vlans)
{
	uint32_t l3 = 14 + 4 * vlans, l4 = l3 + 20;
	struct virtio_net_hdr h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				   .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
				   .gso_size = 200,
				   .csum_start = (uint16_t)l4,
				   .csum_offset = 16};

	memset(frame, 0, l4 + 20);
	for (unsigned i = 0; i < vlans; i++)
		frame[12 + 4 * i] = 0x81;
	frame[l3 - 2] = 0x08;
	frame[l3] = 0x45;
	frame[l3 + 2] = (uint8_t)((size - l3) >> 8);
	frame[l3 + 3] = (uint8_t)(size - l3);
	frame[l3 + 9] = 6;
	frame[l4 + 12] = 5 << 4;
	return h;
}

#define TSO (RIG_F(VIRTIO_NET_F_CSUM) | RIG_F(VIRTIO_NET_F_HOST_TSO4))

/* In one piece and in the most; and one behind it that asks for nothing is as it was. */
static void test_offloads_are_lent(void **state)
{
	(void)state;
	for (unsigned f = 0; f < N_FORMATS; f++) {
		for (unsigned n = 1; n <= NET_LENT_PIECES; n += NET_LENT_PIECES - 1) {
			struct virtio_net_hdr h;
			struct stage s;
			uint8_t *at;

			open_stage(&s, formats[f] | TSO);
			send(&s, SIZE, 1);
			at = send(&s, SIZE, n);
			h = make_tcp(at + s.from.hdr_len, SIZE, 1);
			memcpy(at, &h, sizeof(h));
			assert_int_equal(take(&s), 2);
			assert_true(pkt_is_lent(s.m[0]) && pkt_is_lent(s.m[1]));
			assert_int_equal(s.m[0]->ol_flags, 0);
			assert_true(s.m[1]->ol_flags & RTE_MBUF_F_TX_TCP_SEG);
			assert_int_equal(s.m[1]->l2_len, 18);
			assert_int_equal(s.m[1]->tso_segsz, 200);
			net_give_back(&s.from.net, s.lent);
			/* In the same places, packets that ask for nothing. */
			send(&s, SIZE, n);
			send(&s, SIZE, 1);
			assert_int_equal(take(&s), 2);
			assert_int_equal(s.m[0]->ol_flags, 0);
			assert_int_equal(s.m[1]->ol_flags, 0);
			net_give_back(&s.from.net, s.lent);
			assert_int_equal(given_back(&s), 4);
			close_stage(&s);
		}
	}
}

/* Headers that are not all in the bytes that are copied. */
static void test_what_has_long_headers_is_copied(void **state)
{
	(void)state;
	for (unsigned f = 0; f < N_FORMATS; f++) {
		struct virtio_net_hdr h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					   .csum_start = NET_LENT_BYTES,
					   .csum_offset = 16};
		struct stage s;

		open_stage(&s, formats[f] | TSO);
		send(&s, SIZE, 1);
		memcpy(send(&s, SIZE, 1), &h, sizeof(h));
		send(&s, SIZE, 1);
		assert_int_equal(take(&s), 3);
		assert_true(pkt_is_lent(s.m[0]));
		assert_false(pkt_is_lent(s.m[1]));
		assert_true(pkt_is_lent(s.m[2]));
		assert_int_equal(s.lent->n, 3);
		net_give_back(&s.from.net, s.lent);
		assert_int_equal(given_back(&s), 3);
		rte_pktmbuf_free(s.m[1]);
		close_stage(&s);
	}
}

/* A burst ends where there are no more pieces to lend its packets in. */
static void test_pieces_of_a_burst(void **state)
{
	const unsigned each = 13;

	(void)state;
	for (unsigned f = 0; f < 2; f++) {
		unsigned n = 0;
		struct stage s;

		open_stage(&s, formats[f]);
		for (unsigned i = 0; i < 60; i++)
			send_cut(&s, SIZE, each, true);
		while (n < 60) {
			uint16_t got = take(&s);

			assert_in_range(got, 1, NET_LENT_BURST_PIECES / (each - 1));
			for (uint16_t i = 0; i < got; i++)
				assert_true(pkt_is_lent(s.m[i]));
			net_give_back(&s.from.net, s.lent);
			n += given_back(&s);
		}
		assert_int_equal(n, 60);
		assert_true(rte_mempool_full(pool));
		close_stage(&s);
	}
}

/* A chain of too many pieces waits for those before it to be given back. */
static void test_an_odd_chain_ends_a_burst(void **state)
{
	(void)state;
	for (unsigned f = 0; f < N_FORMATS; f++) {
		struct stage s;

		open_stage(&s, formats[f]);
		send(&s, SIZE, 1);
		send(&s, SIZE, NET_LENT_PIECES + 1);
		send(&s, SIZE, 1);
		assert_int_equal(take(&s), 1);
		assert_int_equal(s.lent->n, 1);
		net_give_back(&s.from.net, s.lent);
		assert_int_equal(take(&s), 2);
		assert_false(pkt_is_lent(s.m[0]));
		assert_true(pkt_is_lent(s.m[1]));
		assert_int_equal(s.lent->n, 1);
		net_give_back(&s.from.net, s.lent);
		assert_int_equal(given_back(&s), 3);
		rte_pktmbuf_free(s.m[0]);
		close_stage(&s);
	}
}

/* One whose header makes no sense is dropped, and waits for those before it too. */
static void test_a_bad_header_ends_a_burst(void **state)
{
	const struct virtio_net_hdr h = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 0xffff, .csum_offset = 16};

	(void)state;
	for (unsigned f = 2; f < N_FORMATS; f++) {
		struct stage s;

		open_stage(&s, formats[f]);
		send(&s, SIZE, 1);
		memcpy(send(&s, SIZE, 1), &h, sizeof(h));
		send(&s, SIZE, 1);
		assert_int_equal(take(&s), 1);
		assert_int_equal(s.work.drops[NET_DROP_BAD_OFFLOAD], 0);
		net_give_back(&s.from.net, s.lent);
		assert_int_equal(take(&s), 1);
		assert_int_equal(s.work.drops[NET_DROP_BAD_OFFLOAD], 1);
		assert_int_equal(s.lent->n, 1);
		net_give_back(&s.from.net, s.lent);
		assert_int_equal(given_back(&s), 3);
		close_stage(&s);
	}
}

/* Packets of which some are returned each time come in order all the same, round and round the
 * ring. */
static void test_what_is_returned_comes_again(void **state)
{
	(void)state;
	for (unsigned f = 0; f < N_FORMATS; f++) {
		uint32_t sent = 0, taken = 0, descs = 0;
		struct stage s;

		open_stage(&s, formats[f]);
		for (unsigned round = 0; round < 500; round++) {
			uint16_t n, back;

			for (unsigned i = 0; i < round % 7 && sent - taken < 20; i++, sent++) {
				if (sent % 3 == 1)
					send_apart(&s, 60 + sent % 500);
				else
					send(&s, 60 + sent % 500, 1 + sent % 3);
			}
			n = take(&s);
			assert_int_equal(n, sent - taken);
			back = n ? (uint16_t)(round * 31 % (n + 1u)) : 0;
			for (uint16_t i = 0; i < n; i++)
				assert_int_equal(s.m[i]->pkt_len, 60 + (taken + i) % 500);
			descs = 0;
			for (uint16_t i = n - back; i < n; i++)
				descs += 1 + (taken + i) % 3;
			assert_int_equal(net_untake(&s.from.net, s.lent, back), descs);
			assert_int_equal(s.lent->n, n - back);
			net_give_back(&s.from.net, s.lent);
			assert_int_equal(given_back(&s), n - back);
			taken += n - back;
		}
		assert_true(taken > 1000);
		close_stage(&s);
	}
}

static void test_a_broken_ring_is_left_alone(void **state)
{
	struct stage s;

	(void)state;
	open_stage(&s, V1);
	send(&s, SIZE, 1);
	assert_int_equal(take(&s), 1);
	s.from.ring.avail->idx = 1000;
	net_give_back(&s.from.net, s.lent);
	assert_int_equal(take(&s), 0);
	assert_true(virtq_broken(&s.from.net.q));
	s.lent->n = 1;
	net_give_back(&s.from.net, s.lent);
	assert_int_equal(s.lent->n, 0);
	assert_int_equal(s.from.ring.used->idx, 0);
	close_stage(&s);
}

static int set_up(void **state)
{
	(void)state;
	if (fake_eal_init("vring_lent_test") < 0)
		return -1;
	pool = fake_eal_pool("lent", 255);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_given_back_when_settled),
		cmocka_unit_test(test_pieces_are_lent),
		cmocka_unit_test(test_the_head_does_not_change),
		cmocka_unit_test(test_offloads_are_lent),
		cmocka_unit_test(test_what_has_long_headers_is_copied),
		cmocka_unit_test(test_pieces_of_a_burst),
		cmocka_unit_test(test_an_odd_chain_ends_a_burst),
		cmocka_unit_test(test_a_bad_header_ends_a_burst),
		cmocka_unit_test(test_what_is_returned_comes_again),
		cmocka_unit_test(test_a_broken_ring_is_left_alone),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
