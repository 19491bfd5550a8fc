/* SPDX-License-Identifier: BSD-3-Clause */
/* VXLAN headers around frames: each of their bytes, source ports, checksums. */
#include "tunnel/vxlan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>

#include <rte_mbuf.h>

#include "tests/fake/eal.h"
#include "tests/fake/inner_frame.h"

#define KEY 0x12345678
#define VNI 0x123456

static struct rte_mempool *pool;

static struct vxlan_conf conf_of(bool v6, bool vlan)
{
	struct vxlan_conf c = {
		.src_mac = {2, 0, 0, 0, 0, 0xa},
		.dst_mac = {2, 0, 0, 0, 0, 0xb},
		.vlan = vlan ? 100 : 0,
		.port = VXLAN_PORT,
		.ttl = 64,
		.dscp = 46,
	};

	assert_true(ip_addr_parse(v6 ? "fd00::1" : "10.0.0.1", &c.src));
	assert_true(ip_addr_parse(v6 ? "fd00::2" : "10.0.0.2", &c.dst));
	return c;
}

/* Encapsulates the frame, in segments of at most `seg` bytes. */
static struct rte_mbuf *encap(const struct vxlan_conf *c, const uint8_t *frame, uint32_t len,
			      uint32_t seg, uint32_t key)
{
	struct rte_mbuf *m = fake_eal_packet(pool, frame, len, seg);
	struct vxlan_template t;

	vxlan_template_init(&t, c);
	assert_ptr_equal(wire_frame_mbuf(vxlan_encap(&t, m, VNI, key)), m);
	assert_int_equal(m->pkt_len, t.len + len);
	assert_true(rte_mbuf_check(m, 1, &(const char *){NULL}) == 0);
	return m;
}

/* --- headers ---------------------------------------------------------------------------------- */

#define MACS 2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa
#define TAG  0x81, 0x00, 0, 100
#define IPV4 \
	0x08, 0x00, 0x45, 0xb8, 0, 96, 0, 0, 0x40, 0, 64, 17, 0x25, 0xd3, 10, 0, 0, 1, 10, 0, 0, 2
#define FD00(n)      0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n
#define IPV6         0x86, 0xdd, 0x6b, 0x80, 0, 0, 0, 76, 17, 64, FD00(1), FD00(2)
#define UDP          0, 0, 0x12, 0xb5, 0, 76, 0, 0
#define VXLAN        0x08, 0, 0, 0, 0x12, 0x34, 0x56, 0
#define HEADERS(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static void check_headers(bool v6, bool vlan, const uint8_t *want, uint32_t len)
{
	struct vxlan_conf c = conf_of(v6, vlan);
	uint8_t frame[60] = {2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 1, 2, 0x88, 0xb5, 1, 2, 3};
	struct rte_mbuf *m = encap(&c, frame, sizeof(frame), 0, KEY);
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

	assert_int_equal(m->pkt_len, len + sizeof(frame));
	assert_true(plain_get16(p + len - 16) >= 49152);
	memset(p + len - 16, 0, 2);
	assert_memory_equal(p, want, len);
	assert_memory_equal(p + len, frame, sizeof(frame));
	rte_pktmbuf_free(m);
}

static void test_headers(void **state)
{
	(void)state;
	check_headers(false, false, HEADERS(MACS, IPV4, UDP, VXLAN));
	check_headers(false, true, HEADERS(MACS, TAG, IPV4, UDP, VXLAN));
	check_headers(true, false, HEADERS(MACS, IPV6, UDP, VXLAN));
	check_headers(true, true, HEADERS(MACS, TAG, IPV6, UDP, VXLAN));
}

/* The largest VNI, another port and another TTL. */
static void test_other_values(void **state)
{
	struct vxlan_conf c = conf_of(false, false);
	struct vxlan_template t;
	struct rte_mbuf *m;
	const uint8_t *p;

	(void)state;
	c.port = 0x2118;
	c.ttl = 255;
	c.dscp = 0;
	vxlan_template_init(&t, &c);
	m = fake_eal_packet(pool, (const uint8_t[14]){0}, 14, 0);
	vxlan_encap(&t, m, VXLAN_MAX_VNI, KEY);
	p = rte_pktmbuf_mtod(m, const uint8_t *);
	assert_int_equal(p[15], 0);
	assert_int_equal(p[22], 255);
	assert_int_equal(plain_get16(p + 36), 0x2118);
	assert_memory_equal(p + 46, ((const uint8_t[]){0xff, 0xff, 0xff, 0}), 4);
	assert_int_equal(plain_sum(p + 14, 20, 0), 0xffff);
	rte_pktmbuf_free(m);
}

static uint8_t tos_of(const struct vxlan_conf *c, const uint8_t *frame, uint32_t len)
{
	struct rte_mbuf *m = encap(c, frame, len, 0, KEY);
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *) + 14;
	uint8_t tos = c->dst.is_v6 ? (uint8_t)(p[0] << 4 | p[1] >> 4) : p[1];

	if (!c->dst.is_v6)
		assert_int_equal(plain_sum(p, 20, 0), 0xffff);
	rte_pktmbuf_free(m);
	return tos;
}

static void check_tos(bool outer_v6, const struct inner_shape *s)
{
	struct vxlan_conf c = conf_of(outer_v6, false);
	uint8_t frame[INNER_FRAME_MAX];
	uint32_t len = inner_frame_write(frame, s);

	assert_int_equal(tos_of(&c, frame, len), 46 << 2 | (s->tos & 3));
	c.inherit_dscp = true;
	assert_int_equal(tos_of(&c, frame, len), s->tos);
}

static void test_ecn_and_dscp(void **state)
{
	struct vxlan_conf c = conf_of(false, false);
	uint8_t arp[60] = {2, [6] = 2, [12] = 8, 6, 0xff, 0xff};

	(void)state;
	for (unsigned i = 0; i < 2 * 2 * 3 * 256; i++) {
		struct inner_shape s = {.v6 = i & 1,
					.n_vlans = (uint8_t)(i / 4 % 3),
					.tos = (uint8_t)(i / 12),
					.proto = i % 5 ? IPPROTO_TCP : 47};

		check_tos(i & 2, &s);
	}
	assert_int_equal(tos_of(&c, arp, sizeof(arp)), 46 << 2);
	c.inherit_dscp = true;
	assert_int_equal(tos_of(&c, arp, sizeof(arp)), 0);
}

/* --- checksums -------------------------------------------------------------------------------- */

/* Whether the outer headers' checksums are right, by adding up all bytes. */
static void check_sums(const struct rte_mbuf *m, const struct vxlan_conf *c)
{
	static uint8_t flat[INNER_FRAME_MAX + VXLAN_MAX_HDR];
	const uint8_t *p = rte_pktmbuf_read(m, 0, m->pkt_len, flat);
	uint32_t l3 = c->vlan ? 18 : 14, udp = l3 + (c->dst.is_v6 ? 40 : 20);

	assert_int_equal(plain_get16(p + udp + 4), m->pkt_len - udp);
	if (!c->dst.is_v6)
		assert_int_equal(plain_sum(p + l3, 20, 0), 0xffff);
	assert_int_not_equal(plain_get16(p + udp + 6), 0);
	assert_int_equal(plain_l4_sum(p + l3 + (c->dst.is_v6 ? 8 : 12), c->dst.is_v6, IPPROTO_UDP,
				      p + udp, m->pkt_len - udp),
			 0xffff);
}

/* Frames of all shapes arrive as they were sent. */
static void test_random_frames(void **state)
{
	static uint8_t frame[INNER_FRAME_MAX], flat[INNER_FRAME_MAX];
	const struct vxlan_policy policy = {.strict_reserved = true};

	(void)state;
	srand(1);
	for (int i = 0; i < 20000; i++) {
		struct vxlan_conf c = conf_of(rand() % 2, rand() % 2);
		struct inner_shape s = inner_shape_random();
		uint32_t len = inner_frame_write(frame, &s);
		uint32_t seg = rand() % 2 ? 0 : 128 + (uint32_t)rand() % 500;
		struct vxlan_outer o;
		struct rte_mbuf *m;

		c.sum = true;
		m = encap(&c, frame, len, seg, (uint32_t)rand());
		check_sums(m, &c);
		assert_int_equal(vxlan_parse(m, &o), WIRE_DROP_COUNT);
		assert_int_equal(o.vni, VNI);
		assert_int_equal(vxlan_decap(m, &o, &policy), WIRE_DROP_COUNT);
		assert_int_equal(m->pkt_len, len);
		assert_memory_equal(rte_pktmbuf_read(m, 0, len, flat), frame, len);
		rte_pktmbuf_free(m);
	}
	assert_true(rte_mempool_full(pool));
}

/* All values that a checksum can have: one of 0 is sent as 0xffff, whichever way it came about. */
static void test_sums_of_zero(void **state)
{
	static const uint8_t protos[] = {IPPROTO_TCP, 47};
	static uint8_t frame[INNER_FRAME_MAX];
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct inner_shape s = {.proto = protos[i], .len = 9};
		struct vxlan_conf c = conf_of(true, false);
		uint32_t len = inner_frame_write(frame, &s);

		c.sum = true;
		for (unsigned mac = 0; mac < 65536; mac++) {
			struct rte_mbuf *m;

			frame[0] = (uint8_t)(mac >> 8);
			frame[1] = (uint8_t)mac;
			m = encap(&c, frame, len, 0, KEY);
			n += plain_get16(rte_pktmbuf_mtod(m, const uint8_t *) + 60) == 0xffff;
			check_sums(m, &c);
			rte_pktmbuf_free(m);
		}
	}
	assert_true(n >= 2 && n <= 4);
}

/* The outer sum that a frame with a wrong payload byte gets: right only if the payload was read. */
static bool is_payload_read(const struct inner_shape *s)
{
	static uint8_t frame[INNER_FRAME_MAX];
	uint32_t len = inner_frame_write(frame, s);
	struct vxlan_conf c = conf_of(false, false);
	struct rte_mbuf *m;
	const uint8_t *p;
	uint16_t sum;

	c.sum = true;
	frame[len - s->padding - 1] ^= 0x55;
	m = encap(&c, frame, len, 0, KEY);
	p = rte_pktmbuf_mtod(m, const uint8_t *);
	sum = plain_l4_sum(p + 26, false, IPPROTO_UDP, p + 34, m->pkt_len - 34);
	rte_pktmbuf_free(m);
	return sum == 0xffff;
}

static void test_who_is_summed_up(void **state)
{
	struct inner_shape s = {.proto = IPPROTO_TCP, .len = 1001, .padding = 3};

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		s.v6 = v6;
		s.proto = IPPROTO_TCP;
		assert_false(is_payload_read(&s));
		s.proto = IPPROTO_UDP;
		assert_false(is_payload_read(&s));
		s.has_zero_sum = true;
		assert_true(is_payload_read(&s));
		s.has_zero_sum = false;
		s.options = 8;
		assert_true(is_payload_read(&s));
		s.options = 0;
		s.proto = 47;
		assert_true(is_payload_read(&s));
	}
	s = (struct inner_shape){.proto = IPPROTO_TCP, .len = 100, .is_fragment = true};
	assert_true(is_payload_read(&s));
}

/* UDP's checksum does not cover what is between its own end and that of the IP packet. */
static void test_udp_shorter_than_ip(void **state)
{
	static uint8_t frame[INNER_FRAME_MAX];
	const struct inner_shape s = {.proto = IPPROTO_UDP, .len = 101};
	struct vxlan_conf c = conf_of(false, false);
	uint32_t len = inner_frame_write(frame, &s);
	struct rte_mbuf *m;
	uint16_t sum;

	(void)state;
	c.sum = true;
	frame[34 + 5] -= 50;
	plain_put16(frame + 34 + 6, 0);
	sum = plain_l4_sum(frame + 26, false, IPPROTO_UDP, frame + 34, len - 34 - 50);
	plain_put16(frame + 34 + 6, (uint16_t)~sum);
	m = encap(&c, frame, len, 0, KEY);
	check_sums(m, &c);
	rte_pktmbuf_free(m);
}

static void test_no_sum(void **state)
{
	static uint8_t frame[INNER_FRAME_MAX];
	const struct inner_shape s = {.proto = IPPROTO_UDP, .len = 101};
	uint32_t len = inner_frame_write(frame, &s);

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct vxlan_conf c = conf_of(v6, false);
		struct rte_mbuf *m = encap(&c, frame, len, 0, KEY);

		assert_int_equal(plain_get16(rte_pktmbuf_mtod(m, uint8_t *) + (v6 ? 60 : 40)), 0);
		rte_pktmbuf_free(m);
	}
}

/* --- source ports ----------------------------------------------------------------------------- */

static uint16_t port_of_bytes(const uint8_t *frame, uint32_t len, uint32_t key)
{
	struct vxlan_conf c = conf_of(false, false);
	struct rte_mbuf *m = encap(&c, frame, len, 0, key);
	uint16_t port = plain_get16(rte_pktmbuf_mtod(m, const uint8_t *) + 34);

	assert_true(port >= 49152);
	rte_pktmbuf_free(m);
	return port;
}

static uint16_t port_of(const struct inner_shape *s, uint32_t key)
{
	static uint8_t frame[INNER_FRAME_MAX];
	uint32_t len = inner_frame_write(frame, s);

	return port_of_bytes(frame, len, key);
}

static void test_packets_of_a_flow(void **state)
{
	static const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, 47};

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		struct inner_shape s = {.v6 = i % 2, .proto = protos[i / 2], .len = 40};
		struct inner_shape other = s;
		uint16_t port;

		/* SCTP's ports are the first bytes of its payload. */
		srand(1);
		port = port_of(&s, KEY);
		other.n_vlans = 2;
		other.tos = 0xb8;
		other.len = 80;
		other.options = 16;
		srand(1);
		assert_int_equal(port_of(&other, KEY), port);
		other.host = 1;
		srand(1);
		assert_int_not_equal(port_of(&other, KEY), port);
		srand(1);
		assert_int_not_equal(port_of(&s, KEY + 1), port);
	}
}

/* Fragments of a flow go one way, whichever of its ports the first one shows. */
static void test_fragments(void **state)
{
	static uint8_t frame[INNER_FRAME_MAX];
	struct inner_shape s = {.proto = IPPROTO_UDP, .len = 100, .is_fragment = true};
	uint32_t len = inner_frame_write(frame, &s);
	uint16_t port;

	(void)state;
	port = port_of_bytes(frame, len, KEY);
	frame[14 + 6] = 0;
	frame[14 + 7] = 50; /* a later one */
	frame[34] ^= 0xff;
	assert_int_equal(port_of_bytes(frame, len, KEY), port);
	s.sport = 7;
	assert_int_equal(port_of(&s, KEY), port);
	s.proto = IPPROTO_TCP;
	assert_int_not_equal(port_of(&s, KEY), port);
}

static void test_frames_without_ip(void **state)
{
	uint8_t arp[60] = {2, [6] = 2, [12] = 8, 6, 1, 2, 3};
	uint16_t port = port_of_bytes(arp, sizeof(arp), KEY);

	(void)state;
	arp[20] ^= 1;
	assert_int_equal(port_of_bytes(arp, sizeof(arp), KEY), port);
	for (unsigned i = 0; i < 13; i++) {
		arp[i + (i == 12)] ^= 2;
		assert_int_not_equal(port_of_bytes(arp, sizeof(arp), KEY), port);
		arp[i + (i == 12)] ^= 2;
	}
	assert_int_not_equal(port_of_bytes(arp, sizeof(arp), ~(uint32_t)KEY), port);
}

/* The number of different ports of 4,096 flows, which would be about 3,624 by chance. */
static void check_spread(bool v6, bool hosts)
{
	static bool seen[65536];
	unsigned n = 0;

	memset(seen, 0, sizeof(seen));
	for (unsigned i = 0; i < 4096; i++) {
		const struct inner_shape s = {.v6 = v6,
					      .proto = IPPROTO_TCP,
					      .host = (uint8_t)(hosts ? i % 64 : 0),
					      .sport = (uint16_t)(40000 + (hosts ? i / 64 : i)),
					      .dport = 443};
		uint16_t port = port_of(&s, KEY);

		n += !seen[port];
		seen[port] = true;
	}
	assert_true(n > 3400);
}

static void test_spread(void **state)
{
	(void)state;
	check_spread(false, false);
	check_spread(false, true);
	check_spread(true, false);
	check_spread(true, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_other_values),
		cmocka_unit_test(test_ecn_and_dscp),
		cmocka_unit_test(test_random_frames),
		cmocka_unit_test(test_sums_of_zero),
		cmocka_unit_test(test_who_is_summed_up),
		cmocka_unit_test(test_udp_shorter_than_ip),
		cmocka_unit_test(test_no_sum),
		cmocka_unit_test(test_packets_of_a_flow),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_frames_without_ip),
		cmocka_unit_test(test_spread),
	};

	if (fake_eal_init("vxlan_encap_test") < 0)
		return 1;
	pool = fake_eal_pool("vxlan_encap", 255);
	return cmocka_run_group_tests_name("vxlan_encap", tests, NULL, NULL);
}
