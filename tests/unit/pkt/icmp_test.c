/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP errors that the switch makes. */
#include "pkt/icmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "pkt/parse.h"
#include "tests/fake/eal.h"

#define TOTAL 2000 /* bytes of layer 3 that the packets claim */
#define MTU   1400

static struct rte_mempool *pool;

struct asked {
	const char *what;
	uint16_t fragment; /* of IPv4 */
	uint8_t src[4], dst[4];
	uint8_t proto, type; /* and the first byte behind the IP header */
	uint32_t mtu;
	bool answered;
};

#define A                   \
	{                   \
		10, 0, 0, 1 \
	}
#define B                   \
	{                   \
		10, 0, 0, 2 \
	}
#define DF RTE_IPV4_HDR_DF_FLAG

static const struct asked v4[] = {
	{"UDP", DF, A, B, IPPROTO_UDP, 0, MTU, true},
	{"echo request", DF, A, B, IPPROTO_ICMP, ICMP_ECHO, MTU, true},
	{"another protocol", DF, A, B, 132, 0, MTU, true},
	{"without DF", 0, A, B, IPPROTO_UDP, 0, MTU, false},
	{"a fragment", DF | RTE_IPV4_HDR_MF_FLAG, A, B, IPPROTO_UDP, 0, MTU, false},
	{"a later fragment", DF | 100, A, B, IPPROTO_UDP, 0, MTU, false},
	{"an ICMP error", DF, A, B, IPPROTO_ICMP, ICMP_DEST_UNREACH, MTU, false},
	{"from loopback", DF, {127, 0, 0, 1}, B, IPPROTO_UDP, 0, MTU, false},
	{"from nobody", DF, {0, 0, 0, 0}, B, IPPROTO_UDP, 0, MTU, false},
	{"from a group", DF, {224, 0, 0, 1}, B, IPPROTO_UDP, 0, MTU, false},
	{"to a group", DF, A, {239, 1, 1, 1}, IPPROTO_UDP, 0, MTU, false},
	{"to all", DF, A, {255, 255, 255, 255}, IPPROTO_UDP, 0, MTU, false},
	{"a path of less than 576", DF, A, B, IPPROTO_UDP, 0, 575, false},
	{"a path of 576", DF, A, B, IPPROTO_UDP, 0, 576, true},
};

/* A frame with one VLAN tag, whose packet is too long. */
static struct rte_mbuf *make_v4(const struct asked *a)
{
	static const uint8_t macs[18] = {2, 0, 0, 0,    0, 2, 2, 0,    0,
					 0, 0, 1, 0x81, 0, 0, 7, 0x08, 0};
	uint8_t frame[18 + TOTAL] = {0};
	struct rte_ipv4_hdr ip = {
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16(TOTAL),
		.fragment_offset = rte_cpu_to_be_16(a->fragment),
		.time_to_live = 64,
		.next_proto_id = a->proto,
	};

	memcpy(frame, macs, sizeof(macs));
	memcpy(&ip.src_addr, a->src, 4);
	memcpy(&ip.dst_addr, a->dst, 4);
	memcpy(frame + 18, &ip, sizeof(ip));
	frame[38] = a->type;
	if (a->proto == IPPROTO_UDP) {
		frame[42] = (TOTAL - 20) >> 8;
		frame[43] = (TOTAL - 20) & 0xff;
	}
	return fake_eal_packet(pool, frame, sizeof(frame), 0);
}

static struct rte_mbuf *answer_to(struct rte_mbuf *m, uint32_t mtu)
{
	struct rte_mbuf *answer;
	struct pkt_info info;

	pkt_parse(m, &info);
	answer = icmp_too_big(m, &info, mtu, pool);
	rte_pktmbuf_free(m);
	return answer;
}

static void check_v4(const struct rte_mbuf *m, uint32_t mtu)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	const uint8_t *l3 = p + 18, *l4 = l3 + sizeof(struct rte_ipv4_hdr);
	struct rte_ipv4_hdr ip, quoted;
	struct icmphdr icmp;
	struct pkt_info info;

	memcpy(&ip, l3, sizeof(ip));
	memcpy(&icmp, l4, sizeof(icmp));
	memcpy(&quoted, l4 + sizeof(icmp), sizeof(quoted));

	/* The addresses changed places, the tag stayed. */
	assert_memory_equal(p, "\2\0\0\0\0\1\2\0\0\0\0\2\x81\0\0\7\x08\0", 18);
	assert_int_equal(pkt_parse(m, &info), PKT_L4);
	assert_int_equal(info.ip_len + 18, m->pkt_len);
	assert_true(m->pkt_len <= 18 + 576);
	assert_int_equal(rte_raw_cksum(l3, sizeof(ip)), 0xffff);
	assert_memory_equal(&ip.src_addr, ((const uint8_t[])B), 4);
	assert_memory_equal(&ip.dst_addr, ((const uint8_t[])A), 4);
	assert_int_equal(icmp.type, ICMP_DEST_UNREACH);
	assert_int_equal(icmp.code, ICMP_FRAG_NEEDED);
	assert_int_equal(rte_be_to_cpu_16(icmp.un.frag.mtu), mtu);
	assert_int_equal(rte_raw_cksum(l4, m->pkt_len - 18 - 20), 0xffff);
	assert_int_equal(rte_be_to_cpu_16(quoted.total_length), TOTAL);
	assert_int_equal(m->ol_flags, 0);
}

static void test_ipv4(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(v4) / sizeof(v4[0]); i++) {
		struct rte_mbuf *m = answer_to(make_v4(&v4[i]), v4[i].mtu);

		if (!m != !v4[i].answered)
			fail_msg("%s", v4[i].what);
		if (!m)
			continue;
		check_v4(m, v4[i].mtu);
		rte_pktmbuf_free(m);
	}
	assert_true(rte_mempool_full(pool));
}

/* An IPv6 packet from fd00::1 to fd00::2, but for these bytes of the addresses. */
static struct rte_mbuf *make_v6(uint8_t src0, uint8_t dst0, uint8_t proto, uint8_t type)
{
	uint8_t frame[14 + TOTAL] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd};
	struct rte_ipv6_hdr ip = {
		.vtc_flow = RTE_BE32(6u << 28),
		.payload_len = rte_cpu_to_be_16(TOTAL - 40),
		.proto = proto,
		.hop_limits = 64,
	};

	ip.src_addr[0] = src0;
	ip.src_addr[15] = 1;
	ip.dst_addr[0] = dst0;
	ip.dst_addr[15] = 2;
	memcpy(frame + 14, &ip, sizeof(ip));
	frame[54] = type;
	return fake_eal_packet(pool, frame, sizeof(frame), 0);
}

static void test_ipv6(void **state)
{
	struct rte_mbuf *m =
		answer_to(make_v6(0xfd, 0xfd, IPPROTO_ICMPV6, ICMP6_ECHO_REQUEST), MTU);
	struct rte_ipv6_hdr ip;
	struct icmp6_hdr icmp;
	struct pkt_info info;
	const uint8_t *l3;

	(void)state;
	assert_non_null(m);
	assert_int_equal(pkt_parse(m, &info), PKT_L4);
	assert_true(m->pkt_len <= 14 + 1280);
	l3 = rte_pktmbuf_mtod_offset(m, const uint8_t *, 14);
	memcpy(&ip, l3, sizeof(ip));
	memcpy(&icmp, l3 + sizeof(ip), sizeof(icmp));
	assert_int_equal(ip.src_addr[15], 2);
	assert_int_equal(ip.dst_addr[15], 1);
	assert_int_equal(icmp.icmp6_type, ICMP6_PACKET_TOO_BIG);
	assert_int_equal(rte_be_to_cpu_32(icmp.icmp6_mtu), MTU);
	assert_int_equal(rte_ipv6_udptcp_cksum_verify(&ip, l3 + sizeof(ip)), 0);
	rte_pktmbuf_free(m);

	assert_null(answer_to(make_v6(0xfd, 0xfd, IPPROTO_ICMPV6, ICMP6_DST_UNREACH), MTU));
	assert_null(answer_to(make_v6(0xfd, 0xff, 132, 0), MTU)); /* to a group */
	assert_null(answer_to(make_v6(0, 0xfd, 132, 0), MTU));    /* from loopback */
	assert_null(answer_to(make_v6(0xfd, 0xfd, 132, 0), 1279));
	m = answer_to(make_v6(0xfd, 0xfd, 132, 0), 1280);
	assert_non_null(m);
	rte_pktmbuf_free(m);
	assert_true(rte_mempool_full(pool));
}

static void test_other_frames_and_an_empty_pool(void **state)
{
	uint8_t arp[1600] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x06};
	struct rte_mbuf *m = make_v4(&v4[0]), *taken[512];
	struct pkt_info info;
	unsigned n = 0;

	(void)state;
	assert_null(answer_to(fake_eal_packet(pool, arp, sizeof(arp), 0), MTU));
	pkt_parse(m, &info);
	while (n < 512 && (taken[n] = rte_pktmbuf_alloc(pool)))
		n++;
	assert_null(icmp_too_big(m, &info, MTU, pool));
	rte_pktmbuf_free_bulk(taken, n);
	rte_pktmbuf_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipv4),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_other_frames_and_an_empty_pool),
	};

	if (fake_eal_init("icmp_test") < 0)
		return 1;
	pool = fake_eal_pool("icmp", 255);
	return cmocka_run_group_tests_name("icmp", tests, NULL, NULL);
}
