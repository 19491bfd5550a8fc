/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets composed from their fields are what the parser takes them for, with right checksums. */
#include "pkt/compose.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "pkt/parse.h"

static uint8_t frame[PKT_MAX_COMPOSED];

static struct pkt_fields fields(const char *src, const char *dst, uint8_t protocol)
{
	struct pkt_fields f = {
		.src_mac = {2, 0, 0, 0, 0, 1},
		.dst_mac = {2, 0, 0, 0, 0, 2},
		.is_ip = true,
		.protocol = protocol,
		.src_port = 40000,
		.dst_port = 443,
		.icmp_type = 8,
		.tcp_flags = 2,
	};

	assert_true(ip_addr_parse(src, &f.src));
	assert_true(ip_addr_parse(dst, &f.dst));
	return f;
}

/* Whether the L4 checksum is right: with the pseudo header, all words sum up to ones. */
static bool is_sum_right(const struct pkt_info *info)
{
	const uint8_t *l3 = frame + info->l2_len, *l4 = l3 + info->l3_len;
	uint16_t len = (uint16_t)(info->ip_len - info->l3_len);
	uint32_t sum = rte_raw_cksum(l4, len);

	if (info->ip_proto != IPPROTO_ICMP && info->flags & PKT_IPV6)
		sum += rte_ipv6_phdr_cksum((const void *)l3, 0);
	else if (info->ip_proto != IPPROTO_ICMP)
		sum += rte_ipv4_phdr_cksum((const void *)l3, 0);
	return (sum & 0xffff) + (sum >> 16) == 0xffff;
}

static void assert_parsed(const struct pkt_fields *f, uint8_t protocol, uint32_t len,
			  enum pkt_depth depth)
{
	struct pkt_info info;

	assert_int_equal(pkt_compose(f, frame), len);
	assert_int_equal(pkt_parse_bytes(frame, len, len, &info), depth);
	assert_int_equal(info.flags & PKT_MALFORMED, 0);
	assert_int_equal(info.ip_proto, protocol);
	assert_memory_equal(frame, f->dst_mac, 6);
	assert_memory_equal(frame + 6, f->src_mac, 6);
	if (info.flags & PKT_IPV4)
		assert_int_equal(rte_raw_cksum(frame + info.l2_len, info.l3_len), 0xffff);
	if (depth == PKT_L4)
		assert_true(is_sum_right(&info));
}

static void test_each_protocol(void **state)
{
	static const uint8_t all[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP};

	(void)state;
	for (unsigned i = 0; i < sizeof(all); i++) {
		struct pkt_fields f = fields("10.1.0.5", "10.1.0.9", all[i]);

		assert_parsed(&f, all[i], 60, PKT_L4);
		/* Of an odd length, too. */
		f.length = 1513;
		assert_parsed(&f, all[i], 1513, PKT_L4);
		f.protocol = all[i] == IPPROTO_ICMP ? IPPROTO_ICMPV6 : all[i];
		assert_true(ip_addr_parse("fd00::5", &f.src));
		assert_true(ip_addr_parse("fd00::9", &f.dst));
		assert_parsed(&f, f.protocol, 1513, PKT_L4);
		f.length = 0;
		assert_parsed(&f, f.protocol, all[i] == IPPROTO_TCP ? 74 : 62, PKT_L4);
	}
}

static void test_other_protocols_have_no_header(void **state)
{
	struct pkt_fields f = fields("10.1.0.5", "10.1.0.9", IPPROTO_GRE);

	(void)state;
	assert_parsed(&f, IPPROTO_GRE, 60, PKT_L3);
}

static void test_without_ip(void **state)
{
	struct pkt_fields f = {.length = 100};
	struct pkt_info info;

	(void)state;
	assert_int_equal(pkt_compose(&f, frame), 100);
	assert_int_equal(pkt_parse_bytes(frame, 100, 100, &info), PKT_L2);
	assert_int_equal(info.ether_type, 0x88b5);
}

static void test_the_longest(void **state)
{
	struct pkt_fields f = fields("10.1.0.5", "10.1.0.9", IPPROTO_UDP);

	(void)state;
	f.length = PKT_MAX_COMPOSED;
	assert_parsed(&f, IPPROTO_UDP, PKT_MAX_COMPOSED, PKT_L4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_protocol),
		cmocka_unit_test(test_other_protocols_have_no_header),
		cmocka_unit_test(test_without_ip),
		cmocka_unit_test(test_the_longest),
	};

	return cmocka_run_group_tests_name("compose", tests, NULL, NULL);
}
