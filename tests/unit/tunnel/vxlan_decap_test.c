/* SPDX-License-Identifier: BSD-3-Clause */
/* VXLAN headers taken off packets from the wire: what is made of them, and each reason to drop one.
 */
#include "tunnel/vxlan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>

#include <rte_mbuf.h>

#include "tests/fake/eal.h"
#include "tests/fake/inner_frame.h"

#define ROOM  (INNER_FRAME_MAX + 128)
#define SIZE  128 /* of the frames that are sent, the outer headers not included */
#define MACS  2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa
#define UDP   0xc1, 0x23, 0x12, 0xb5, 0, 144, 0, 0
#define VXLAN 0x08, 0, 0, 0, 0x12, 0x34, 0x56, 0

static struct rte_mempool *pool;
static const struct vxlan_policy lax = {.accept_zero_sum = true};
static const struct vxlan_policy strict = {.strict_reserved = true, .drop_inner_vlan = true};

static const uint8_t hdr_v4[] = {MACS, 0x08, 0,  0x45, 0xb8, 0, 164, 0, 0, 0x40, 0,   64,   17,
				 0,    0,    10, 0,    0,    1, 10,  0, 0, 2,    UDP, VXLAN};
static const uint8_t hdr_v6[] = {MACS, 0x86, 0xdd, 0x6b, 0x80, 0, 0, 0,   144,  17, 64, 0xfd,
				 0,    0,    0,    0,    0,    0, 0, 0,   0,    0,  0,  0,
				 0,    0,    1,    0xfd, 0,    0, 0, 0,   0,    0,  0,  0,
				 0,    0,    0,    0,    0,    0, 2, UDP, VXLAN};

/* A packet as it is on the wire. */
struct wire {
	uint8_t bytes[ROOM];
	uint32_t len;
	bool v6;
	uint32_t l3, udp, inner; /* offsets */
};

/* The outer checksums, by adding up all bytes. */
static void wire_sum(struct wire *w)
{
	uint8_t *p = w->bytes, *ip = p + w->l3, *udp = p + w->udp;

	if (!w->v6) {
		plain_put16(ip + 10, 0);
		plain_put16(ip + 10, (uint16_t)~plain_sum(ip, w->udp - w->l3, 0));
	}
	plain_put16(udp + 6, 0);
	plain_put16(udp + 6, (uint16_t)~plain_l4_sum(ip + (w->v6 ? 8 : 12), w->v6, IPPROTO_UDP, udp,
						     w->len - w->udp));
}

/* The lengths that belong to those of the packet. */
static void wire_fit(struct wire *w)
{
	uint32_t l3 = w->v6 ? w->udp : w->l3;

	plain_put16(w->bytes + w->l3 + (w->v6 ? 4 : 2), (uint16_t)(w->len - l3));
	plain_put16(w->bytes + w->udp + 4, (uint16_t)(w->len - w->udp));
	wire_sum(w);
}

/* A packet with the frame of this shape, or SIZE bytes of one by default. */
static struct wire wire_make(bool v6, const struct inner_shape *s)
{
	const struct inner_shape plain = {.proto = 47, .tos = 2, .len = SIZE - 34};
	struct wire w = {.v6 = v6, .l3 = 14, .inner = v6 ? sizeof(hdr_v6) : sizeof(hdr_v4)};

	w.udp = w.inner - 16;
	memcpy(w.bytes, v6 ? hdr_v6 : hdr_v4, w.inner);
	w.len = w.inner + inner_frame_write(w.bytes + w.inner, s ? s : &plain);
	wire_fit(&w);
	return w;
}

static struct rte_mbuf *wire_packet(const struct wire *w, uint32_t seg)
{
	return fake_eal_packet(pool, w->bytes, w->len, seg);
}

static void check_bytes(const struct rte_mbuf *m, const uint8_t *want, uint32_t len)
{
	static uint8_t flat[ROOM];

	assert_int_equal(m->pkt_len, len);
	assert_memory_equal(rte_pktmbuf_read(m, 0, len, flat), want, len);
	assert_int_equal(rte_mbuf_check(m, 1, &(const char *){NULL}), 0);
}

static enum wire_drop take_off(struct rte_mbuf *m, const struct vxlan_policy *policy)
{
	struct vxlan_outer o;
	enum wire_drop drop = vxlan_parse(m, &o);

	return drop == WIRE_DROP_COUNT ? vxlan_decap(m, &o, policy) : drop;
}

/* What becomes of the packet. If it is dropped, it is as it was. */
static enum wire_drop fate(const struct wire *w, uint32_t seg, const struct vxlan_policy *policy)
{
	struct rte_mbuf *m = wire_packet(w, seg);
	enum wire_drop drop = take_off(m, policy);

	if (drop == WIRE_DROP_COUNT)
		check_bytes(m, w->bytes + w->inner, w->len - w->inner);
	else
		check_bytes(m, w->bytes, w->len);
	rte_pktmbuf_free(m);
	return drop;
}

/* --- what is read ----------------------------------------------------------------------------- */

static void check_outer(const struct vxlan_outer *o, const char *src, const char *dst)
{
	char text[IP_ADDR_TEXT_SIZE];

	ip_addr_format(&o->src, text);
	assert_string_equal(text, src);
	ip_addr_format(&o->dst, text);
	assert_string_equal(text, dst);
	assert_int_equal(o->port, 4789);
	assert_int_equal(o->tos, 0xb8);
	assert_int_equal(o->flags, 8);
	assert_false(o->reserved);
	assert_int_equal(o->vni, 0x123456);
}

static void test_fields(void **state)
{
	struct vxlan_outer o;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct wire w = wire_make(v6, NULL);
		struct rte_mbuf *m = wire_packet(&w, 0);
		struct ip_addr src;

		memset(&o, 0xa5, sizeof(o));
		assert_int_equal(vxlan_parse(m, &o), WIRE_DROP_COUNT);
		check_outer(&o, v6 ? "fd00::1" : "10.0.0.1", v6 ? "fd00::2" : "10.0.0.2");
		assert_true(ip_addr_parse(v6 ? "fd00::1" : "10.0.0.1", &src));
		assert_true(ip_addr_equal(&o.src, &src));
		assert_int_equal(o.udp_at, w.udp);
		assert_int_equal(o.inner_at, w.inner);
		check_bytes(m, w.bytes, w.len);
		rte_pktmbuf_free(m);
	}
}

/* A tag, or IPv4 options, come before UDP. */
static void insert(struct wire *w, uint32_t at, const void *bytes, uint32_t n)
{
	memmove(w->bytes + at + n, w->bytes + at, w->len - at);
	memcpy(w->bytes + at, bytes, n);
	w->len += n;
	w->udp += n;
	w->inner += n;
}

static void test_tag_and_options(void **state)
{
	static const uint8_t options[40] = {[0 ... 39] = 1};
	struct wire w;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		w = wire_make(v6, NULL);
		insert(&w, 12, (const uint8_t[]){0x81, 0, 0xe0, 100}, 4);
		w.l3 += 4;
		assert_int_equal(fate(&w, 0, &strict), WIRE_DROP_COUNT);
		insert(&w, 12, (const uint8_t[]){0x81, 0, 0, 100}, 4);
		assert_int_equal(fate(&w, 0, &strict), WIRE_DROP_NOT_VXLAN);
	}
	w = wire_make(false, NULL);
	insert(&w, w.udp, options, sizeof(options));
	w.bytes[w.l3] = 0x4f;
	wire_fit(&w);
	assert_int_equal(fate(&w, 0, &strict), WIRE_DROP_COUNT);
	w.bytes[w.l3 + 30] ^= 1;
	assert_int_equal(fate(&w, 0, &strict), WIRE_DROP_OUTER_BAD_SUM);
}

/* Bytes behind the IP packet are cut off, whichever segments they are in. */
static void test_trailing_bytes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * 60; i++) {
		struct wire w = wire_make(i % 2, NULL);
		struct rte_mbuf *m;

		w.len += 60;
		m = wire_packet(&w, 140 + i);
		assert_int_equal(take_off(m, &strict), WIRE_DROP_COUNT);
		check_bytes(m, w.bytes + w.inner, w.len - 60 - w.inner);
		rte_pktmbuf_free(m);
		assert_true(rte_mempool_full(pool));
	}
}

/* --- reasons ---------------------------------------------------------------------------------- */

/* A byte of the outer headers, or of the inner frame, that is another. */
struct change {
	const char *what;
	bool v6;
	uint16_t at;
	uint8_t value;
	bool summed; /* the checksums are made right again */
	enum wire_drop strictly, laxly;
};

#define BOTH(drop) WIRE_DROP_##drop, WIRE_DROP_##drop
#define V4_UDP     34
#define V6_UDP     54
#define V4_INNER   50
#define V6_INNER   70

static const struct change changes[] = {
	{"nothing", false, 0, 2, true, BOTH(COUNT)},
	{"ARP", false, 13, 0x06, true, BOTH(NOT_VXLAN)},
	{"IPv4 by type, not by version", false, 14, 0x65, true, BOTH(OUTER_MALFORMED)},
	{"an IPv4 header of 16 bytes", false, 14, 0x44, true, BOTH(OUTER_MALFORMED)},
	{"TCP", false, 23, IPPROTO_TCP, true, BOTH(NOT_VXLAN)},
	{"an IPv4 packet beyond the frame", false, 17, 165, true, BOTH(OUTER_MALFORMED)},
	{"one shorter than its header", false, 17, 19, true, BOTH(OUTER_MALFORMED)},
	{"one without room for VXLAN", false, 17, 35, true, BOTH(NOT_VXLAN)},
	{"one with bytes behind UDP", false, V4_UDP + 5, 143, true, BOTH(OUTER_MALFORMED)},
	{"a first fragment", false, 20, 0x20, true, BOTH(OUTER_FRAGMENT)},
	{"a later fragment", false, 21, 1, true, BOTH(OUTER_FRAGMENT)},
	{"a wrong IPv4 checksum", false, 22, 63, false, BOTH(OUTER_BAD_SUM)},
	{"UDP beyond IPv4", false, V4_UDP + 5, 145, true, BOTH(OUTER_MALFORMED)},
	{"another source port than summed up", false, V4_UDP, 0xc2, false, BOTH(OUTER_BAD_SUM)},
	{"another inner byte than summed up", false, V4_INNER + 9, 9, false, BOTH(OUTER_BAD_SUM)},
	{"no VNI", false, V4_UDP + 8, 0, true, BOTH(VXLAN_MALFORMED)},
	{"all flags but that", false, V4_UDP + 8, 0xf7, true, BOTH(VXLAN_MALFORMED)},
	{"another flag", false, V4_UDP + 8, 0x0c, true, WIRE_DROP_VXLAN_MALFORMED, WIRE_DROP_COUNT},
	{"byte 1", false, V4_UDP + 9, 1, true, WIRE_DROP_VXLAN_MALFORMED, WIRE_DROP_COUNT},
	{"byte 3", false, V4_UDP + 11, 0x80, true, WIRE_DROP_VXLAN_MALFORMED, WIRE_DROP_COUNT},
	{"byte 7", false, V4_UDP + 15, 1, true, WIRE_DROP_VXLAN_MALFORMED, WIRE_DROP_COUNT},
	{"from a group", false, V4_INNER + 6, 3, true, BOTH(INNER_MALFORMED)},
	{"IPv6 by type, not by version", true, 14, 0x45, true, BOTH(OUTER_MALFORMED)},
	{"TCP over IPv6", true, 20, IPPROTO_TCP, true, BOTH(NOT_VXLAN)},
	{"hop-by-hop options", true, 20, 0, true, BOTH(NOT_VXLAN)},
	{"an IPv6 fragment", true, 20, 44, true, BOTH(OUTER_FRAGMENT)},
	{"an IPv6 packet beyond the frame", true, 19, 145, true, BOTH(OUTER_MALFORMED)},
	{"one without room for VXLAN", true, 19, 15, true, BOTH(NOT_VXLAN)},
	{"UDP beyond IPv6", true, V6_UDP + 5, 145, true, BOTH(OUTER_MALFORMED)},
	{"UDP shorter than IPv6", true, V6_UDP + 5, 143, true, BOTH(OUTER_MALFORMED)},
	{"another IPv6 address than summed up", true, 37, 3, false, BOTH(OUTER_BAD_SUM)},
	{"no VNI", true, V6_UDP + 8, 0, true, BOTH(VXLAN_MALFORMED)},
	{"from a group", true, V6_INNER + 6, 3, true, BOTH(INNER_MALFORMED)},
};

static void test_changes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		const struct change *c = &changes[i];
		struct wire w = wire_make(c->v6, NULL);

		w.bytes[c->at] = c->value;
		if (c->summed)
			wire_sum(&w);
		print_message("%s\n", c->what);
		assert_int_equal(fate(&w, 0, &strict), c->strictly);
		assert_int_equal(fate(&w, 0, &lax), c->laxly);
	}
}

static void test_sums_of_zero(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct wire w = wire_make(v6, NULL);

		plain_put16(w.bytes + w.udp + 6, 0);
		assert_int_equal(fate(&w, 0, &lax), WIRE_DROP_COUNT);
		assert_int_equal(fate(&w, 0, &strict),
				 v6 ? WIRE_DROP_OUTER_BAD_SUM : WIRE_DROP_COUNT);
	}
}

static void test_inner_tags(void **state)
{
	const struct inner_shape shapes[] = {{.n_vlans = 1, .proto = 47},
					     {.n_vlans = 2, .proto = 47}};

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct wire w = wire_make(i % 2, &shapes[i / 2]);

		assert_int_equal(fate(&w, 0, &lax), WIRE_DROP_COUNT);
		assert_int_equal(fate(&w, 0, &strict), WIRE_DROP_INNER_VLAN);
	}
}

/* Packets that end too early: what is left of them is not enough for what they say. */
static void test_truncated(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct wire w = wire_make(v6, NULL);

		while (--w.len > 0)
			assert_int_equal(fate(&w, 0, &strict), WIRE_DROP_OUTER_MALFORMED);
	}
}

/* Packets that are short, and say so. */
static void test_short(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct wire w = wire_make(v6, NULL);

		while (--w.len >= w.inner - 8) {
			enum wire_drop want = w.len < w.inner        ? WIRE_DROP_NOT_VXLAN
					      : w.len < w.inner + 14 ? WIRE_DROP_INNER_MALFORMED
								     : WIRE_DROP_COUNT;

			wire_fit(&w);
			assert_int_equal(fate(&w, 0, &strict), want);
		}
	}
}

/* Address zero is nobody's. */
static void test_no_source(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct wire w = wire_make(v6, NULL);

		memset(w.bytes + w.inner + 6, 0, 6);
		wire_sum(&w);
		assert_int_equal(fate(&w, 0, &strict), WIRE_DROP_INNER_MALFORMED);
		w.bytes[w.inner + 11] = 1;
		wire_sum(&w);
		assert_int_equal(fate(&w, 0, &strict), WIRE_DROP_COUNT);
	}
}

/* All headers up to the inner Ethernet header have to be in the first segment. */
static void test_segments(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct wire w = wire_make(v6, NULL);

		for (uint32_t seg = 1; seg < w.len; seg++) {
			enum wire_drop want = seg < w.inner        ? WIRE_DROP_OUTER_MALFORMED
					      : seg < w.inner + 14 ? WIRE_DROP_INNER_MALFORMED
								   : WIRE_DROP_COUNT;

			assert_int_equal(fate(&w, seg, &strict), want);
		}
	}
}

/* --- congestion marks ------------------------------------------------------------------------- */

enum { NOT_ECT, ECT_1, ECT_0, CE, DROP };

/* RFC 6040, figure 4: by inner and outer mark. */
static const uint8_t merged[4][4] = {
	[NOT_ECT] = {[NOT_ECT] = NOT_ECT, [ECT_0] = NOT_ECT, [ECT_1] = NOT_ECT, [CE] = DROP},
	[ECT_0] = {[NOT_ECT] = ECT_0, [ECT_0] = ECT_0, [ECT_1] = ECT_1, [CE] = CE},
	[ECT_1] = {[NOT_ECT] = ECT_1, [ECT_0] = ECT_1, [ECT_1] = ECT_1, [CE] = CE},
	[CE] = {[NOT_ECT] = CE, [ECT_0] = CE, [ECT_1] = CE, [CE] = CE},
};

static void set_outer_ecn(struct wire *w, uint8_t ecn)
{
	uint8_t *ip = w->bytes + w->l3;

	ip[1] = w->v6 ? (uint8_t)((ip[1] & 0xcf) | ecn << 4) : (uint8_t)((ip[1] & 0xfc) | ecn);
	wire_sum(w);
}

static void check_mark(bool v6, struct inner_shape s, uint8_t inner, uint8_t outer)
{
	uint8_t want = merged[inner][outer], expected[INNER_FRAME_MAX];
	struct rte_mbuf *m;
	struct wire w;

	s.tos = (uint8_t)((s.tos & 0xfc) | inner);
	w = wire_make(v6, &s);
	set_outer_ecn(&w, outer);
	if (want == DROP) {
		assert_int_equal(fate(&w, 0, &lax), WIRE_DROP_ECN);
		return;
	}
	/* The same frame, made with the other mark: so its checksum is right. */
	s.tos = (uint8_t)((s.tos & 0xfc) | want);
	inner_frame_write(expected, &s);
	m = wire_packet(&w, 0);
	assert_int_equal(take_off(m, &lax), WIRE_DROP_COUNT);
	check_bytes(m, expected, w.len - w.inner);
	rte_pktmbuf_free(m);
}

static void test_marks(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 16 * 4 * 3 * 256; i++) {
		const struct inner_shape s = {.v6 = i >> 5 & 1,
					      .n_vlans = (uint8_t)(i / 64 % 3),
					      .proto = IPPROTO_TCP,
					      .tos = (uint8_t)(i * 4),
					      .host = (uint8_t)(i / 192),
					      .len = 0};

		check_mark(i >> 4 & 1, s, i & 3, i >> 2 & 3);
	}
}

/* The IPv4 checksum is changed rightly whatever it was: by identification it takes all values. */
static void test_marks_under_every_checksum(void **state)
{
	const struct inner_shape s = {.proto = IPPROTO_TCP, .tos = ECT_0};
	struct wire w = wire_make(false, &s);
	uint8_t *ip = w.bytes + w.inner + 14;

	(void)state;
	set_outer_ecn(&w, CE);
	plain_put16(w.bytes + w.udp + 6, 0);
	for (unsigned id = 0; id < 65536; id++) {
		struct rte_mbuf *m;

		plain_put16(ip + 4, (uint16_t)id);
		plain_put16(ip + 10, 0);
		ip[1] = ECT_0;
		plain_put16(ip + 10, (uint16_t)~plain_sum(ip, 20, 0));
		m = wire_packet(&w, 0);
		plain_put16(ip + 10, 0);
		ip[1] = CE;
		plain_put16(ip + 10, (uint16_t)~plain_sum(ip, 20, 0));
		assert_int_equal(take_off(m, &lax), WIRE_DROP_COUNT);
		check_bytes(m, w.bytes + w.inner, w.len - w.inner);
		rte_pktmbuf_free(m);
	}
}

/* Frames that cannot be marked arrive as they are: no IP, or its header in a later segment. */
static void test_frames_that_cannot_be_marked(void **state)
{
	const struct inner_shape s = {.proto = IPPROTO_TCP, .len = 100};

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct wire w = wire_make(v6, &s);

		set_outer_ecn(&w, CE);
		assert_int_equal(fate(&w, 0, &lax), WIRE_DROP_ECN);
		assert_int_equal(fate(&w, w.inner + 14 + 19, &lax), WIRE_DROP_COUNT);
		w.bytes[w.inner + 13] = 6;
		wire_sum(&w);
		assert_int_equal(fate(&w, 0, &lax), WIRE_DROP_COUNT);
	}
}

/* --- the device's word ------------------------------------------------------------------------ */

struct word {
	const char *what;
	uint64_t flags;
	uint32_t type;
	enum wire_drop right, wrong_ip, wrong_udp; /* by what the checksums in the packet are */
};

#define COUNT   WIRE_DROP_COUNT
#define BAD     WIRE_DROP_OUTER_BAD_SUM
#define TUNNEL  RTE_PTYPE_TUNNEL_VXLAN
#define FLAG(x) RTE_MBUF_F_RX_##x

static const struct word words[] = {
	{"no word", 0, 0, COUNT, BAD, BAD},
	{"IP good", FLAG(IP_CKSUM_GOOD), 0, COUNT, COUNT, BAD},
	{"IP not filled in", FLAG(IP_CKSUM_NONE), 0, COUNT, COUNT, BAD},
	{"IP bad", FLAG(IP_CKSUM_BAD), 0, BAD, BAD, BAD},
	{"UDP good", FLAG(L4_CKSUM_GOOD), 0, COUNT, BAD, COUNT},
	{"UDP not filled in", FLAG(L4_CKSUM_NONE), 0, COUNT, BAD, COUNT},
	{"UDP bad", FLAG(L4_CKSUM_BAD), 0, BAD, BAD, BAD},
	{"inner good", FLAG(IP_CKSUM_GOOD) | FLAG(L4_CKSUM_GOOD), TUNNEL, COUNT, BAD, BAD},
	{"inner bad", FLAG(IP_CKSUM_BAD) | FLAG(L4_CKSUM_BAD), TUNNEL, COUNT, BAD, BAD},
	{"outer IP bad", FLAG(OUTER_IP_CKSUM_BAD), TUNNEL, BAD, BAD, BAD},
	{"outer UDP good", FLAG(OUTER_L4_CKSUM_GOOD), TUNNEL, COUNT, BAD, COUNT},
	{"outer UDP bad", FLAG(OUTER_L4_CKSUM_BAD), TUNNEL, BAD, BAD, BAD},
	{"outer UDP unclear", FLAG(OUTER_L4_CKSUM_INVALID), TUNNEL, COUNT, BAD, BAD},
};

static enum wire_drop fate_by_word(const struct wire *w, const struct word *word)
{
	struct rte_mbuf *m = wire_packet(w, 0);
	enum wire_drop drop;

	m->ol_flags = word->flags | RTE_MBUF_F_RX_VLAN_STRIPPED;
	m->packet_type = word->type;
	drop = take_off(m, &strict);
	if (drop == COUNT) {
		assert_int_equal(m->ol_flags, 0);
		assert_int_equal(m->packet_type, 0);
	}
	rte_pktmbuf_free(m);
	return drop;
}

static void test_words_of_the_device(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct wire w = wire_make(false, NULL);

		print_message("%s\n", words[i].what);
		assert_int_equal(fate_by_word(&w, &words[i]), words[i].right);
		w.bytes[w.l3 + 10] ^= 1;
		assert_int_equal(fate_by_word(&w, &words[i]), words[i].wrong_ip);
		w.bytes[w.l3 + 10] ^= 1;
		w.bytes[w.udp + 6] ^= 1;
		assert_int_equal(fate_by_word(&w, &words[i]), words[i].wrong_udp);
	}
}

/* No checksum is none over IPv6 too, whatever the device says about it. */
static void test_no_word_about_zero(void **state)
{
	struct wire w = wire_make(true, NULL);

	(void)state;
	plain_put16(w.bytes + w.udp + 6, 0);
	assert_int_equal(fate_by_word(&w, &words[4]), BAD);
}

static void test_texts(void **state)
{
	(void)state;
	assert_string_equal(wire_drop_text(WIRE_DROP_NOT_VXLAN), "not_vxlan");
	assert_string_equal(wire_drop_text(WIRE_DROP_NO_RECEIVER), "no_receiver");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_tag_and_options),
		cmocka_unit_test(test_trailing_bytes),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_sums_of_zero),
		cmocka_unit_test(test_inner_tags),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_no_source),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_marks_under_every_checksum),
		cmocka_unit_test(test_frames_that_cannot_be_marked),
		cmocka_unit_test(test_words_of_the_device),
		cmocka_unit_test(test_no_word_about_zero),
		cmocka_unit_test(test_texts),
	};

	if (fake_eal_init("vxlan_decap_test") < 0)
		return 1;
	pool = fake_eal_pool("vxlan_decap", 511);
	return cmocka_run_group_tests_name("vxlan_decap", tests, NULL, NULL);
}
