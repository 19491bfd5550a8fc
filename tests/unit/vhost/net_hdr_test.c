/* SPDX-License-Identifier: BSD-3-Clause */
/* Offloads from one guest's header to another's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <linux/virtio_config.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "pkt/checksum.h"
#include "tests/fake/eal.h"
#include "tests/fake/net_ring_rig.h"
#include "vhost/net_hdr.h"

#define F(name) RIG_F(VIRTIO_NET_F_##name)
#define HOST    (F(CSUM) | F(HOST_TSO4) | F(HOST_TSO6))
#define GUEST   (F(GUEST_CSUM) | F(GUEST_TSO4) | F(GUEST_TSO6))
#define V1      RIG_F(VIRTIO_F_VERSION_1)

#define IPV4_FLAGS RTE_MBUF_F_TX_IPV4
#define IPV6_FLAGS RTE_MBUF_F_TX_IPV6

static struct rte_mempool *pool;

/* A frame as a guest sends it: the checksum field holds the pseudo-header's sum. */
struct frame {
	uint32_t len;
	uint8_t p[NET_MAX_PACKET];
	uint16_t l4;   /* where its header starts */
	uint16_t csum; /* offset of the field within it */
};

static void make(struct frame *f, bool v6, uint8_t proto, uint32_t data)
{
	uint32_t l4_len = proto == IPPROTO_TCP ? 20 : 8;
	uint16_t sum;

	f->l4 = v6 ? 54 : 34;
	f->len = f->l4 + l4_len + data;
	f->csum = proto == IPPROTO_TCP ? 16 : 6;
	rig_pattern(f->p, f->len, data);
	f->p[0] = 2;
	memset(f->p + f->l4, 0, l4_len);
	if (proto == IPPROTO_TCP)
		f->p[f->l4 + 12] = 0x50;
	if (v6) {
		struct rte_ipv6_hdr *ip = (void *)(f->p + 14);

		memcpy(f->p + 12, (uint8_t[]){0x86, 0xdd}, 2);
		ip->vtc_flow = rte_cpu_to_be_32(6u << 28);
		ip->payload_len = rte_cpu_to_be_16((uint16_t)(f->len - 54));
		ip->proto = proto;
		sum = rte_ipv6_phdr_cksum(ip, 0);
	} else {
		struct rte_ipv4_hdr *ip = (void *)(f->p + 14);

		memcpy(f->p + 12, (uint8_t[]){0x08, 0x00}, 2);
		ip->version_ihl = 0x45;
		ip->total_length = rte_cpu_to_be_16((uint16_t)(f->len - 14));
		ip->fragment_offset = 0;
		ip->next_proto_id = proto;
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
		sum = rte_ipv4_phdr_cksum(ip, 0);
	}
	memcpy(f->p + f->l4 + f->csum, &sum, 2);
}

static bool l4_is_right(const uint8_t *p, bool v6)
{
	if (v6)
		return rte_ipv6_udptcp_cksum_verify((const void *)(p + 14), p + 54) == 0;
	return rte_ipv4_udptcp_cksum_verify((const void *)(p + 14), p + 34) == 0;
}

static struct virtio_net_hdr needs_csum(const struct frame *f)
{
	return (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = f->l4, .csum_offset = f->csum};
}

static struct virtio_net_hdr needs_gso(const struct frame *f, bool v6, uint16_t size)
{
	struct virtio_net_hdr h = needs_csum(f);

	h.gso_type = v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	h.gso_size = size;
	h.hdr_len = 0xffff; /* nobody believes it */
	return h;
}

/* --- from a guest --------------------------------------------------------------------------------
 */

static void test_checksums_become_flags(void **state)
{
	static struct frame f;

	(void)state;
	for (int i = 0; i < 4; i++) {
		bool v6 = i & 1, udp = i & 2;
		struct virtio_net_hdr h;
		struct rte_mbuf *m;

		make(&f, v6, udp ? IPPROTO_UDP : IPPROTO_TCP, 3000);
		h = needs_csum(&f);
		m = fake_eal_packet(pool, f.p, f.len, 0);
		assert_int_equal(net_hdr_to_mbuf(&h, F(CSUM), m), 0);
		assert_int_equal(m->ol_flags,
				 (v6 ? IPV6_FLAGS : IPV4_FLAGS) |
					 (udp ? RTE_MBUF_F_TX_UDP_CKSUM : RTE_MBUF_F_TX_TCP_CKSUM));
		assert_int_equal(m->l2_len, 14);
		assert_int_equal(m->l3_len, v6 ? 40 : 20);
		assert_int_equal(m->l4_len, udp ? 8 : 20);
		assert_int_equal(m->tso_segsz, 0);
		rte_pktmbuf_free(m);
	}
}

static void test_segmentation_becomes_flags(void **state)
{
	static struct frame f;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct virtio_net_hdr h;
		struct rte_mbuf *m;

		make(&f, v6, IPPROTO_TCP, 60000);
		h = needs_gso(&f, v6, 1448);
		m = fake_eal_packet(pool, f.p, f.len, 0);
		assert_int_equal(net_hdr_to_mbuf(&h, HOST, m), 0);
		assert_int_equal(m->ol_flags, (v6 ? IPV6_FLAGS : IPV4_FLAGS) |
						      RTE_MBUF_F_TX_TCP_CKSUM |
						      RTE_MBUF_F_TX_TCP_SEG);
		assert_int_equal(m->tso_segsz, 1448);
		assert_int_equal(m->l4_len, 20);
		/* With CWR, which we see ourselves. */
		m->ol_flags = 0;
		h.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
		assert_int_equal(net_hdr_to_mbuf(&h, HOST, m), -EINVAL);
		m->ol_flags = 0;
		assert_int_equal(net_hdr_to_mbuf(&h, HOST | F(HOST_ECN), m), 0);
		assert_true(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG);
		rte_pktmbuf_free(m);

		/* What fits one segment is not to be segmented. */
		make(&f, v6, IPPROTO_TCP, 1448);
		h = needs_gso(&f, v6, 1448);
		m = fake_eal_packet(pool, f.p, f.len, 0);
		assert_int_equal(net_hdr_to_mbuf(&h, HOST, m), 0);
		assert_false(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG);
		assert_true(m->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM);
		rte_pktmbuf_free(m);
	}
}

static void test_requests_that_do_not_fit_are_refused(void **state)
{
	static struct frame f;
	struct virtio_net_hdr h;
	struct rte_mbuf *m;

	(void)state;
	make(&f, false, IPPROTO_TCP, 5000);
	m = fake_eal_packet(pool, f.p, f.len, 0);
#define REFUSED(features, change)                                            \
	do {                                                                 \
		h = needs_gso(&f, false, 1448);                              \
		m->ol_flags = 0;                                             \
		assert_int_equal(net_hdr_to_mbuf(&h, HOST, m), 0);           \
		m->ol_flags = 0;                                             \
		change;                                                      \
		assert_int_equal(net_hdr_to_mbuf(&h, features, m), -EINVAL); \
	} while (0)
	REFUSED(0, (void)0);
	REFUSED(F(CSUM), (void)0);
	REFUSED(F(CSUM) | F(HOST_TSO6), (void)0);
	REFUSED(HOST, h.flags = 0);
	REFUSED(HOST, h.gso_size = 0);
	REFUSED(HOST, h.gso_size = NET_HDR_MIN_GSO_SIZE - 1);
	REFUSED(HOST, h.gso_type = VIRTIO_NET_HDR_GSO_TCPV6);
	REFUSED(HOST, h.gso_type = VIRTIO_NET_HDR_GSO_UDP);
	REFUSED(HOST, h.gso_type = VIRTIO_NET_HDR_GSO_ECN);
	REFUSED(HOST, h.gso_type = 0x7f);
	REFUSED(HOST, h.csum_start = 33);
	REFUSED(HOST, h.csum_offset = 6);
	REFUSED(HOST, h.csum_start = (uint16_t)(f.len - 17));
	REFUSED(HOST, h.csum_offset = 0xffff);
	REFUSED(HOST, (h.csum_start = 0xffff, h.csum_offset = 0xffff));
	/* Plain checksums at impossible places. */
	REFUSED(HOST, (h.gso_type = 0, h.csum_start = 0xffff));
	REFUSED(HOST, (h.gso_type = 0, h.csum_start = 0xffff, h.csum_offset = 3));
	REFUSED(HOST, (h.gso_type = 0, h.csum_start = (uint16_t)(f.len - 17)));
	REFUSED(HOST, (h.gso_type = 0, h.csum_start = 3000)); /* not in the first mbuf */
#undef REFUSED
	rte_pktmbuf_free(m);

	/* A fragment has no TCP header to be segmented by. */
	make(&f, false, IPPROTO_TCP, 5000);
	f.p[14 + 6] = 0x20;
	h = needs_gso(&f, false, 1448);
	m = fake_eal_packet(pool, f.p, f.len, 0);
	assert_int_equal(net_hdr_to_mbuf(&h, HOST, m), -EINVAL);
	rte_pktmbuf_free(m);
}

/* A guest that encapsulates: the checksum is one that we have no flag for. */
static void test_other_checksums_are_filled_in(void **state)
{
	static struct frame f;
	struct virtio_net_hdr h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM};
	uint16_t sum = 0;
	struct rte_mbuf *m;

	(void)state;
	make(&f, false, IPPROTO_UDP, 4000);
	f.p[14 + 9] = 47;
	h.csum_start = 101;
	h.csum_offset = 16;
	memcpy(f.p + 117, (uint8_t[]){0, 0}, 2);
	m = fake_eal_packet(pool, f.p, f.len, 0);
	assert_int_equal(net_hdr_to_mbuf(&h, HOST, m), 0);
	assert_int_equal(m->ol_flags, 0);
	sum = pkt_sum(m, 101);
	assert_int_equal(sum, 0xffff);
	rte_pktmbuf_free(m);
}

/* --- to a guest ----------------------------------------------------------------------------------
 */

static struct rte_mbuf *offloaded_in_pieces(struct frame *f, bool v6, uint8_t proto, uint32_t data,
					    uint16_t gso, uint32_t piece)
{
	struct virtio_net_hdr h;
	struct rte_mbuf *m;

	make(f, v6, proto, data);
	h = gso ? needs_gso(f, v6, gso) : needs_csum(f);
	m = fake_eal_packet(pool, f->p, f->len, piece);
	assert_int_equal(net_hdr_to_mbuf(&h, HOST, m), 0);
	return m;
}

static struct rte_mbuf *offloaded(struct frame *f, bool v6, uint8_t proto, uint32_t data,
				  uint16_t gso)
{
	return offloaded_in_pieces(f, v6, proto, data, gso, 0);
}

static void test_flags_become_a_header(void **state)
{
	static struct frame f;

	(void)state;
	for (int i = 0; i < 4; i++) {
		bool v6 = i & 1, gso = i & 2;
		struct net_hdr_sums sums;
		struct virtio_net_hdr h;
		struct rte_mbuf *m = offloaded(&f, v6, IPPROTO_TCP, 20000, gso ? 1400 : 0);

		assert_int_equal(net_hdr_from_mbuf(m, GUEST, &h, &sums), 0);
		assert_int_equal(sums.l4_at, 0);
		assert_int_equal(sums.ip_at, 0);
		assert_int_equal(h.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		assert_int_equal(h.csum_start, f.l4);
		assert_int_equal(h.csum_offset, 16);
		assert_int_equal(h.gso_size, gso ? 1400 : 0);
		assert_int_equal(h.hdr_len, gso ? f.l4 + 20 : 0);
		assert_int_equal(h.gso_type, !gso ? VIRTIO_NET_HDR_GSO_NONE
					     : v6 ? VIRTIO_NET_HDR_GSO_TCPV6
						  : VIRTIO_NET_HDR_GSO_TCPV4);
		rte_pktmbuf_free(m);
	}
}

/* Where a packet has CWR, a guest has to know what to do about it. */
static void test_congestion_is_told(void **state)
{
	static struct frame f;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct rte_mbuf *m = offloaded(&f, v6, IPPROTO_TCP, 20000, 1400);
		uint8_t *flags = rte_pktmbuf_mtod_offset(m, uint8_t *, f.l4 + 13);
		struct net_hdr_sums sums;
		struct virtio_net_hdr h;

		*flags |= RTE_TCP_CWR_FLAG;
		assert_int_equal(net_hdr_from_mbuf(m, GUEST, &h, &sums), -ENOTSUP);
		assert_int_equal(net_hdr_from_mbuf(m, GUEST | F(GUEST_ECN), &h, &sums), 0);
		assert_int_equal(h.gso_type,
				 VIRTIO_NET_HDR_GSO_ECN | (v6 ? VIRTIO_NET_HDR_GSO_TCPV6
							      : VIRTIO_NET_HDR_GSO_TCPV4));
		*flags = RTE_TCP_ECE_FLAG;
		assert_int_equal(net_hdr_from_mbuf(m, GUEST, &h, &sums), 0);
		rte_pktmbuf_free(m);
	}
}

static void test_offloads_that_a_guest_lacks(void **state)
{
	static struct frame f;
	struct net_hdr_sums sums;
	struct virtio_net_hdr h;
	struct rte_mbuf *m;

	(void)state;
	m = offloaded(&f, false, IPPROTO_TCP, 20000, 1400);
	assert_int_equal(net_hdr_from_mbuf(m, 0, &h, &sums), -ENOTSUP);
	assert_int_equal(net_hdr_from_mbuf(m, F(GUEST_CSUM), &h, &sums), -ENOTSUP);
	assert_int_equal(net_hdr_from_mbuf(m, F(GUEST_TSO4), &h, &sums), -ENOTSUP);
	assert_int_equal(net_hdr_from_mbuf(m, F(GUEST_CSUM) | F(GUEST_TSO6), &h, &sums), -ENOTSUP);
	assert_int_equal(net_hdr_from_mbuf(m, F(GUEST_CSUM) | F(GUEST_TSO4), &h, &sums), 0);
	m->ol_flags |= RTE_MBUF_F_TX_TUNNEL_VXLAN;
	assert_int_equal(net_hdr_from_mbuf(m, GUEST, &h, &sums), -ENOTSUP);
	m->ol_flags = RTE_MBUF_F_TX_SCTP_CKSUM;
	assert_int_equal(net_hdr_from_mbuf(m, GUEST, &h, &sums), -ENOTSUP);
	m->ol_flags = RTE_MBUF_F_TX_TCP_CKSUM;
	m->l2_len = 127;
	m->l3_len = 511;
	m->pkt_len = m->data_len = 600;
	assert_int_equal(net_hdr_from_mbuf(m, GUEST, &h, &sums), -ENOTSUP);
	rte_pktmbuf_free(m);
}

/* Through two rings: what the receiver gets is right on the wire, and the mbuf is as it was. */
static void test_a_guest_without_checksums_gets_them(void **state)
{
	static const uint32_t data[] = {0, 1, 999, 1000, 9001};
	static struct frame f;

	(void)state;
	for (int i = 0; i < 5 * 8 * 2; i++) {
		bool v6 = i & 1, udp = i & 2, packed = i & 4, odd = i & 8;
		struct rig_conf conf = {.size = 64, .start = packed ? 0x8000 : 0};
		struct driver_buf buf = {0, 12 + 12000, true};
		struct virtio_net_hdr h;
		struct rte_mbuf *m;
		uint8_t fate, *at;
		struct rig g;

		conf.features = V1 | (packed ? RIG_F(VIRTIO_F_RING_PACKED) : 0);
		rig_open(&g, &conf);
		at = driver_mem_alloc(&g.mem, 0, buf.len, 64);
		buf.gpa = driver_mem_gpa(&g.mem, at);
		rig_add(&g, &buf, 1, false);
		m = offloaded_in_pieces(&f, v6, udp ? IPPROTO_UDP : IPPROTO_TCP, data[i / 16], 0,
					odd ? 133 : 0);
		if (!v6) {
			m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
			memcpy(rte_pktmbuf_mtod(m, uint8_t *) + 24, (uint8_t[]){0x12, 0x34}, 2);
		}
		assert_int_equal(net_enqueue(&g.net, &m, 1, &fate, NULL), 1);
		memcpy(&h, at, sizeof(h));
		assert_int_equal(h.flags, 0);
		assert_true(l4_is_right(at + 12, v6));
		if (!v6)
			assert_int_equal(rte_ipv4_cksum((const void *)(at + 26)), 0);
		f.p[24] = v6 ? f.p[24] : 0x12;
		f.p[25] = v6 ? f.p[25] : 0x34;
		assert_memory_equal(rte_pktmbuf_mtod(m, void *), f.p, m->data_len);
		rte_pktmbuf_free(m);
		rig_close(&g, pool);
	}
}

static void test_a_header_goes_through_rings(void **state)
{
	static struct frame f;

	(void)state;
	for (int i = 0; i < 4; i++) {
		bool ok = i & 1, packed = i & 2;
		struct rig_conf conf = {.size = 64, .start = packed ? 0x8000 : 0};
		struct driver_buf buf = {0, 12 + 40000, false};
		struct net_taken work = {0};
		struct virtio_net_hdr h;
		struct rte_mbuf *m;
		struct rig g;
		uint8_t *at;

		conf.features = V1 | HOST | (packed ? RIG_F(VIRTIO_F_RING_PACKED) : 0);
		rig_open(&g, &conf);
		at = driver_mem_alloc(&g.mem, 0, buf.len, 64);
		make(&f, false, IPPROTO_TCP, 30000);
		h = needs_gso(&f, false, ok ? 1448 : 0);
		memcpy(at, &h, sizeof(h));
		memcpy(at + 12, f.p, f.len);
		buf.gpa = driver_mem_gpa(&g.mem, at);
		buf.len = 12 + f.len;
		rig_add(&g, &buf, 1, false);
		/* And one that fits an mbuf. */
		buf.len = 12 + 1000;
		rig_add(&g, &buf, 1, false);
		assert_int_equal(rig_take(&g, pool, &m, 1, &work), ok);
		assert_int_equal(work.drops[NET_DROP_BAD_OFFLOAD], !ok);
		if (ok) {
			assert_int_equal(m->tso_segsz, 1448);
			rte_pktmbuf_free(m);
		}
		/* Cut short, the IP header contradicts the length. */
		assert_int_equal(rig_take(&g, pool, &m, 1, &work), 0);
		assert_int_equal(work.drops[NET_DROP_BAD_OFFLOAD], ok ? 1 : 2);
		rig_close(&g, pool);
	}
}

static int set_up(void **state)
{
	(void)state;
	if (fake_eal_init("net_hdr_test") < 0)
		return -1;
	pool = fake_eal_pool("pool", 256);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checksums_become_flags),
		cmocka_unit_test(test_segmentation_becomes_flags),
		cmocka_unit_test(test_requests_that_do_not_fit_are_refused),
		cmocka_unit_test(test_other_checksums_are_filled_in),
		cmocka_unit_test(test_flags_become_a_header),
		cmocka_unit_test(test_congestion_is_told),
		cmocka_unit_test(test_offloads_that_a_guest_lacks),
		cmocka_unit_test(test_a_guest_without_checksums_gets_them),
		cmocka_unit_test(test_a_header_goes_through_rings),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
