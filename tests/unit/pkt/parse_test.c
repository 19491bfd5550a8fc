/* SPDX-License-Identifier: BSD-3-Clause */
/* The packet parser. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "pkt/parse.h"

/* A packet put together from pieces. */
struct pkt {
	uint32_t len;
	uint8_t p[2048];
};

#define PUT(pkt, ...) \
	put(pkt, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void put(struct pkt *k, const uint8_t *bytes, size_t n)
{
	memcpy(k->p + k->len, bytes, n);
	k->len += (uint32_t)n;
}

static void put_zeroes(struct pkt *k, uint32_t n)
{
	memset(k->p + k->len, 0, n);
	k->len += n;
}

static void ether(struct pkt *k, uint16_t type)
{
	k->len = 0;
	PUT(k, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, (uint8_t)(type >> 8), (uint8_t)type);
}

static void ipv4(struct pkt *k, uint8_t proto, uint16_t payload, uint16_t fragment, uint8_t options)
{
	uint16_t total = (uint16_t)(20 + options + payload);

	PUT(k, (uint8_t)(0x45 + options / 4), 0, (uint8_t)(total >> 8), (uint8_t)total, 0, 1,
	    (uint8_t)(fragment >> 8), (uint8_t)fragment, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2);
	put_zeroes(k, options);
}

static void ipv6(struct pkt *k, uint8_t next, uint16_t payload)
{
	PUT(k, 0x60, 0, 0, 0, (uint8_t)(payload >> 8), (uint8_t)payload, next, 64);
	put_zeroes(k, 32);
}

static void tcp(struct pkt *k, uint8_t options, uint32_t data)
{
	put_zeroes(k, 12);
	PUT(k, (uint8_t)((20 + options) / 4 << 4), 0x10, 0, 0, 0, 0, 0, 0);
	put_zeroes(k, options + data);
}

/* Parses a copy that ends where the packet does, so that ASan sees what lies behind. */
static enum pkt_depth parse(const struct pkt *k, uint32_t len, uint32_t total,
			    struct pkt_info *info)
{
	uint8_t *exact = malloc(len ? len : 1);
	enum pkt_depth depth;

	memcpy(exact, k->p, len);
	depth = pkt_parse_bytes(exact, len, total, info);
	assert_int_equal(depth, info->depth);
	free(exact);
	return depth;
}

static enum pkt_depth parse_all(const struct pkt *k, struct pkt_info *info)
{
	return parse(k, k->len, k->len, info);
}

static void test_parses_tcp(void **state)
{
	struct pkt_info i;
	struct pkt k;

	(void)state;
	ether(&k, 0x0800);
	ipv4(&k, 6, 32 + 100, 0x4000, 0);
	tcp(&k, 12, 100);
	assert_int_equal(parse_all(&k, &i), PKT_L4);
	assert_int_equal(i.flags, PKT_IPV4);
	assert_int_equal(i.ip_proto, 6);
	assert_int_equal(i.ether_type, 0x0800);
	assert_int_equal(i.l2_len, 14);
	assert_int_equal(i.l3_len, 20);
	assert_int_equal(i.l4_len, 32);
	assert_int_equal(i.ip_len, 152);

	ether(&k, 0x86dd);
	ipv6(&k, 6, 20);
	tcp(&k, 0, 0);
	assert_int_equal(parse_all(&k, &i), PKT_L4);
	assert_int_equal(i.flags, PKT_IPV6);
	assert_int_equal(i.l3_len, 40);
	assert_int_equal(i.l4_len, 20);
	assert_int_equal(i.ip_len, 60);
}

static void test_parses_options_and_tags(void **state)
{
	struct pkt_info i;
	struct pkt k;

	(void)state;
	ether(&k, 0x88a8);
	k.p[0] = 0xff;
	PUT(&k, 0x20, 0x07, 0x81, 0x00, 0x00, 0x64, 0x08, 0x00);
	ipv4(&k, 17, 18, 0, 40);
	put_zeroes(&k, 18);
	assert_int_equal(parse_all(&k, &i), PKT_L4);
	assert_int_equal(i.flags, PKT_IPV4 | PKT_IP_OPTIONS | PKT_GROUP);
	assert_int_equal(i.n_vlans, 2);
	assert_int_equal(i.vlan_tci[0], 0x2007);
	assert_int_equal(i.vlan_tci[1], 100);
	assert_int_equal(i.l2_len, 22);
	assert_int_equal(i.l3_len, 60);
	assert_int_equal(i.l4_len, 8);

	/* A third tag is left alone. */
	ether(&k, 0x8100);
	PUT(&k, 0, 1, 0x81, 0, 0, 2, 0x81, 0, 0, 3, 8, 0);
	assert_int_equal(parse_all(&k, &i), PKT_L2);
	assert_int_equal(i.n_vlans, 2);
	assert_int_equal(i.ether_type, 0x8100);

	/* Hop-by-hop, destination options, authentication, then UDP. */
	ether(&k, 0x86dd);
	ipv6(&k, 0, 8 + 16 + 24 + 8);
	PUT(&k, 60, 0, 0, 0, 0, 0, 0, 0);
	PUT(&k, 51, 1);
	put_zeroes(&k, 14);
	PUT(&k, 17, 4);
	put_zeroes(&k, 22 + 8);
	assert_int_equal(parse_all(&k, &i), PKT_L4);
	assert_int_equal(i.flags, PKT_IPV6 | PKT_IP_OPTIONS);
	assert_int_equal(i.l3_len, 88);
	assert_int_equal(i.ip_proto, 17);
}

static void test_tells_fragments(void **state)
{
	static const struct {
		uint16_t field;
		uint8_t depth, flags;
	} v4[] =
		{
			{0x4000, PKT_L4, PKT_IPV4},
			{0x2000, PKT_L4, PKT_IPV4 | PKT_FRAGMENT},
			{0x2001, PKT_L3, PKT_IPV4 | PKT_FRAGMENT | PKT_LATER_FRAGMENT},
			{0x0001, PKT_L3, PKT_IPV4 | PKT_FRAGMENT | PKT_LATER_FRAGMENT},
		},
	  v6[] = {
		  {0x0000, PKT_L4, PKT_IPV6 | PKT_IP_OPTIONS},
		  {0x0001, PKT_L4, PKT_IPV6 | PKT_IP_OPTIONS | PKT_FRAGMENT},
		  {0x0009, PKT_L3, PKT_IPV6 | PKT_IP_OPTIONS | PKT_FRAGMENT | PKT_LATER_FRAGMENT},
		  {0x0008, PKT_L3, PKT_IPV6 | PKT_IP_OPTIONS | PKT_FRAGMENT | PKT_LATER_FRAGMENT},
	  };
	struct pkt_info i;
	struct pkt k;

	(void)state;
	for (unsigned n = 0; n < 4; n++) {
		ether(&k, 0x0800);
		ipv4(&k, 17, 64, v4[n].field, 0);
		put_zeroes(&k, 64);
		assert_int_equal(parse_all(&k, &i), v4[n].depth);
		assert_int_equal(i.flags, v4[n].flags);

		ether(&k, 0x86dd);
		ipv6(&k, 44, 72);
		PUT(&k, 17, 0, (uint8_t)(v6[n].field >> 8), (uint8_t)v6[n].field, 0, 0, 0, 1);
		put_zeroes(&k, 64);
		assert_int_equal(parse_all(&k, &i), v6[n].depth);
		assert_int_equal(i.flags, v6[n].flags);
		assert_int_equal(i.ip_proto, 17);
	}
}

static void test_other_protocols_end_early(void **state)
{
	struct pkt_info i;
	struct pkt k;

	(void)state;
	ether(&k, 0x0806);
	put_zeroes(&k, 28);
	assert_int_equal(parse_all(&k, &i), PKT_L2);
	assert_int_equal(i.flags, 0);
	ether(&k, 0x0800);
	ipv4(&k, 47, 20, 0, 0);
	put_zeroes(&k, 20);
	assert_int_equal(parse_all(&k, &i), PKT_L3);
	assert_int_equal(i.flags, PKT_IPV4);
	assert_int_equal(i.l4_len, 0);
}

static void test_refuses_contradictions(void **state)
{
	struct pkt_info i;
	struct pkt k;

	(void)state;
#define MALFORMED(at, byte, reached)                          \
	do {                                                  \
		ether(&k, 0x0800);                            \
		ipv4(&k, 6, 40, 0, 0);                        \
		tcp(&k, 20, 0);                               \
		assert_int_equal(parse_all(&k, &i), PKT_L4);  \
		k.p[at] = (byte);                             \
		assert_int_equal(parse_all(&k, &i), reached); \
		assert_true(i.flags &PKT_MALFORMED);          \
	} while (0)
	MALFORMED(14, 0x65, PKT_L2); /* version */
	MALFORMED(14, 0x44, PKT_L2); /* header of 16 */
	MALFORMED(17, 61, PKT_L2);   /* longer than the packet */
	MALFORMED(17, 19, PKT_L2);   /* shorter than its header */
	MALFORMED(17, 39, PKT_L3);   /* TCP reaches beyond it */
	MALFORMED(14 + 20 + 12, 0x40, PKT_L3);
	MALFORMED(14 + 20 + 12, 0xb0, PKT_L3);
#undef MALFORMED

	ether(&k, 0x86dd);
	ipv6(&k, 0, 8);
	PUT(&k, 17, 1, 0, 0, 0, 0, 0, 0); /* says 16 */
	assert_int_equal(parse_all(&k, &i), PKT_L2);
	ether(&k, 0x86dd);
	ipv6(&k, 17, 9);
	put_zeroes(&k, 8);
	assert_int_equal(parse_all(&k, &i), PKT_L2);
}

static void test_bounds_extension_headers(void **state)
{
	struct pkt_info i;
	struct pkt k;

	(void)state;
	ether(&k, 0x86dd);
	ipv6(&k, 60, 12 * 8 + 8);
	for (int n = 0; n < 12; n++)
		PUT(&k, n < 11 ? 60 : 17, 0, 0, 0, 0, 0, 0, 0);
	put_zeroes(&k, 8);
	assert_int_equal(parse_all(&k, &i), PKT_L3);
	assert_int_equal(i.ip_proto, 60);
	assert_int_equal(i.l3_len, 40 + 64);

	ether(&k, 0x86dd);
	ipv6(&k, 60, 264 + 8);
	PUT(&k, 17, 32);
	put_zeroes(&k, 262 + 8);
	assert_int_equal(parse_all(&k, &i), PKT_L3);
	assert_int_equal(i.l3_len, 40);
}

static void test_padding_is_not_the_datagram(void **state)
{
	struct pkt_info i;
	struct pkt k;

	(void)state;
	ether(&k, 0x0800);
	ipv4(&k, 17, 4, 0, 0);
	put_zeroes(&k, 22); /* a UDP header would fit, but is not the datagram's */
	assert_int_equal(parse_all(&k, &i), PKT_L3);
	assert_true(i.flags & PKT_MALFORMED);
	assert_int_equal(i.ip_len, 24);
}

/* Headers beyond the first segment count as not there; lengths are the whole packet's. */
static void test_sees_the_first_segment_only(void **state)
{
	struct pkt_info i;
	struct pkt k;

	(void)state;
	ether(&k, 0x0800);
	ipv4(&k, 6, 1000, 0, 0);
	tcp(&k, 0, 980);
	assert_int_equal(parse(&k, 54, k.len, &i), PKT_L4);
	assert_int_equal(parse(&k, 53, k.len, &i), PKT_L3);
	assert_int_equal(parse(&k, 33, k.len, &i), PKT_L2);
	assert_int_equal(parse(&k, 54, 54, &i), PKT_L2);
}

/* Every prefix of real headers, and random bytes behind them: nothing is read beyond the end. */
static void test_survives_anything(void **state)
{
	struct pkt_info i;
	struct pkt k;

	(void)state;
	srandom(1);
	for (unsigned n = 0; n < 20000; n++) {
		ether(&k, n % 3 == 0 ? 0x0800 : n % 3 == 1 ? 0x86dd : 0x8100);
		if (n % 2)
			ipv4(&k, (uint8_t)random(), 100, (uint16_t)random(), random() % 11 * 4);
		else
			ipv6(&k, (uint8_t)random(), 200);
		put_zeroes(&k, 200);
		for (unsigned b = 0; b < n % 5; b++)
			k.p[(uint32_t)random() % k.len] = (uint8_t)random();
		for (uint32_t b = 54; b < k.len; b++)
			k.p[b] = (uint8_t)random();
		uint32_t len = (uint32_t)random() % (k.len + 1);

		if (parse(&k, len, k.len, &i) == PKT_L4)
			assert_true((uint32_t)i.l2_len + i.l3_len + i.l4_len <= len);
		assert_true((uint32_t)i.l2_len + i.ip_len <= k.len);
		assert_true(i.l3_len <= 40 + PKT_MAX_IPV6_EXT_LEN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parses_tcp),
		cmocka_unit_test(test_parses_options_and_tags),
		cmocka_unit_test(test_tells_fragments),
		cmocka_unit_test(test_other_protocols_end_early),
		cmocka_unit_test(test_refuses_contradictions),
		cmocka_unit_test(test_bounds_extension_headers),
		cmocka_unit_test(test_padding_is_not_the_datagram),
		cmocka_unit_test(test_sees_the_first_segment_only),
		cmocka_unit_test(test_survives_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
