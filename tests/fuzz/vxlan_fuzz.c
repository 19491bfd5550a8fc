/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes VXLAN headers. Whatever comes from the wire is dropped as it was, or becomes an inner
 * frame of which only a congestion mark differs. Whatever goes to the wire has right checksums
 * there, and arrives as it was. Segments lie in memory of exactly their size. */
#include <netinet/in.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "pkt/parse.h"
#include "tests/fake/eal.h"
#include "tests/fake/inner_frame.h"
#include "tests/fuzz/input.h"
#include "tunnel/vxlan.h"

#define MOST     4096
#define SEGMENTS 4
#define KEY      0x12345678

/* The bits of the input's first byte. */
enum how {
	TO_WIRE = 1,
	V6 = 2,
	VLAN = 4,
	INHERIT = 8,
	STRICT = 16,
	ZERO_SUM = 32,
	NO_INNER_VLAN = 64,
	TRUSTED = 128, /* the device says that checksums are right */
};

static struct rte_mempool *pool;
static uint8_t sent[MOST], got[MOST + VXLAN_MAX_HDR];

static void release(void *addr, void *opaque)
{
	(void)opaque;
	free(addr);
}

static struct rte_mbuf *make_segment(const uint8_t *from, uint32_t len, uint32_t headroom,
				     struct rte_mbuf_ext_shared_info *shared)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint32_t size = headroom + len;
	uint8_t *room = malloc(size > 0 ? size : 1);

	MUST(m && room);
	if (len > 0)
		memcpy(room + headroom, from, len);
	shared->free_cb = release;
	rte_mbuf_ext_refcnt_set(shared, 1);
	rte_pktmbuf_attach_extbuf(m, room, (rte_iova_t)(uintptr_t)room, (uint16_t)size, shared);
	m->data_off = (uint16_t)headroom;
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	return m;
}

/* A packet of the bytes in `sent`, in pieces of `piece` bytes, the last one of all the rest. */
static struct rte_mbuf *make_packet(uint32_t len, uint32_t piece, uint32_t headroom)
{
	static struct rte_mbuf_ext_shared_info shared[SEGMENTS];
	struct rte_mbuf *head = NULL, *m;
	uint32_t at = 0, n;

	for (unsigned i = 0; i == 0 || at < len; i++, at += n) {
		n = len - at;
		if (i + 1 < SEGMENTS && piece > 0 && piece < n)
			n = piece;
		m = make_segment(sent + at, n, i == 0 ? headroom : 0, &shared[i]);
		if (head)
			MUST(rte_pktmbuf_chain(head, m) == 0);
		else
			head = m;
	}
	return head;
}

/* Reads the packet into `got`, having checked that its segments add up. */
static void read_packet(const struct rte_mbuf *m)
{
	const char *why;
	const void *p;

	MUST(rte_mbuf_check(m, 1, &why) == 0 && m->pkt_len <= sizeof(got));
	p = rte_pktmbuf_read(m, 0, m->pkt_len, got);
	MUST(p);
	if (p != got)
		memcpy(got, p, m->pkt_len);
}

static struct vxlan_policy policy_of(uint8_t how)
{
	return (struct vxlan_policy){
		.strict_reserved = how & STRICT,
		.accept_zero_sum = how & ZERO_SUM,
		.drop_inner_vlan = how & NO_INNER_VLAN,
	};
}

/* --- from the wire ---------------------------------------------------------------------------- */

/* The outer checksums of what is in `sent`, which was accepted. */
static void check_outer_sums(const struct vxlan_outer *o, uint32_t end)
{
	uint32_t l3 = plain_get16(sent + 12) == RTE_ETHER_TYPE_VLAN ? 18 : 14;

	if (!o->src.is_v6)
		MUST(plain_sum(sent + l3, o->udp_at - l3, 0) == 0xffff);
	if (plain_get16(sent + o->udp_at + 6) != 0)
		MUST(plain_l4_sum(sent + l3 + (o->src.is_v6 ? 8 : 12), o->src.is_v6, IPPROTO_UDP,
				  sent + o->udp_at, end - o->udp_at) == 0xffff);
}

/* Whether an address can be a packet's source. */
static bool is_station(const uint8_t mac[6])
{
	static const uint8_t zero[6];

	return !(mac[0] & 1) && memcmp(mac, zero, 6) != 0;
}

/* `got` is the frame that came in `sent`, but for its mark and the checksum of that. */
static void check_inner(const struct vxlan_outer *o, uint32_t len)
{
	const uint8_t *was = sent + o->inner_at;
	struct pkt_info in;
	uint32_t l3;

	MUST(len >= 14 && is_station(was + 6));
	if (memcmp(got, was, len) == 0)
		return;
	MUST(o->tos & 1);
	MUST(pkt_parse_bytes(got, len, len, &in) >= PKT_L3);
	l3 = in.l2_len;
	if (in.flags & PKT_IPV4) {
		MUST(plain_sum(got + l3, 20, 0) == plain_sum(was + l3, 20, 0));
		MUST((got[l3 + 1] & 3) == (o->tos & 3));
		got[l3 + 1] = (uint8_t)((got[l3 + 1] & ~3) | (was[l3 + 1] & 3));
		memcpy(got + l3 + 10, was + l3 + 10, 2);
	} else {
		MUST((got[l3 + 1] >> 4 & 3) == (o->tos & 3));
		got[l3 + 1] = (uint8_t)((got[l3 + 1] & ~0x30) | (was[l3 + 1] & 0x30));
	}
	MUST(memcmp(got, was, len) == 0);
}

static void from_wire(uint32_t len, uint32_t piece, uint8_t how)
{
	struct rte_mbuf *m = make_packet(len, piece, 0);
	struct vxlan_policy policy = policy_of(how);
	uint32_t end = len;
	struct vxlan_outer o;
	enum wire_drop drop;

	if (how & TRUSTED)
		m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	drop = vxlan_parse(m, &o);
	if (drop == WIRE_DROP_COUNT) {
		end = m->pkt_len;
		MUST(o.inner_at <= m->data_len && end <= len);
		drop = vxlan_decap(m, &o, &policy);
	}
	read_packet(m);
	if (drop == WIRE_DROP_COUNT) {
		MUST(m->pkt_len + o.inner_at == end);
		check_inner(&o, m->pkt_len);
		if (!(how & TRUSTED))
			check_outer_sums(&o, end);
	} else {
		MUST(m->pkt_len == end && memcmp(got, sent, end) == 0);
	}
	rte_pktmbuf_free(m);
}

/* --- to the wire ------------------------------------------------------------------------------ */

/* Makes the inner L4 checksum right, if there is one: only such packets are handed over. */
static void repair(uint32_t len, uint32_t first)
{
	uint8_t *l3, *l4, *field;
	struct pkt_info in;
	uint32_t n;
	uint16_t sum;

	if (pkt_parse_bytes(sent, first, len, &in) != PKT_L4 || (in.flags & PKT_FRAGMENT))
		return;
	l3 = sent + in.l2_len;
	l4 = l3 + in.l3_len;
	n = (uint32_t)in.ip_len - in.l3_len;
	field = l4 + (in.ip_proto == IPPROTO_TCP ? 16 : 6);
	if (in.ip_proto != IPPROTO_TCP &&
	    (in.ip_proto != IPPROTO_UDP || plain_get16(field) == 0 || plain_get16(l4 + 4) != n))
		return;
	plain_put16(field, 0);
	sum = plain_l4_sum(l3 + (in.flags & PKT_IPV4 ? 12 : 8), in.flags & PKT_IPV6, in.ip_proto,
			   l4, n);
	plain_put16(field, sum == 0xffff ? sum : (uint16_t)~sum);
}

static enum wire_drop expected(uint32_t len, uint8_t how)
{
	uint16_t type;

	if (len < 14 || !is_station(sent + 6))
		return WIRE_DROP_INNER_MALFORMED;
	type = plain_get16(sent + 12);
	if ((how & NO_INNER_VLAN) && (type == RTE_ETHER_TYPE_VLAN || type == RTE_ETHER_TYPE_QINQ))
		return WIRE_DROP_INNER_VLAN;
	return WIRE_DROP_COUNT;
}

static void encap(struct rte_mbuf *m, uint8_t how)
{
	struct vxlan_conf c = {
		.src_mac = {2, 1},
		.dst_mac = {2, 2},
		.vlan = how & VLAN ? 7 : 0,
		.port = VXLAN_PORT,
		.ttl = 64,
		.dscp = 10,
		.inherit_dscp = how & INHERIT,
		.sum = true,
	};
	struct vxlan_template t;

	MUST(ip_addr_parse(how & V6 ? "fd00::1" : "10.0.0.1", &c.src));
	MUST(ip_addr_parse(how & V6 ? "fd00::2" : "10.0.0.2", &c.dst));
	vxlan_template_init(&t, &c);
	MUST(wire_frame_mbuf(vxlan_encap(&t, m, 0xabcdef, KEY)) == m);
}

/* The outer checksum, which decapsulation checks too, by another sum. */
static void check_udp_sum(const struct rte_mbuf *m, const struct vxlan_outer *o)
{
	uint32_t addrs = o->udp_at - (o->src.is_v6 ? 32u : 8u);

	read_packet(m);
	MUST(plain_get16(got + o->udp_at + 6) != 0);
	MUST(plain_l4_sum(got + addrs, o->src.is_v6, IPPROTO_UDP, got + o->udp_at,
			  m->pkt_len - o->udp_at) == 0xffff);
}

static void to_wire(uint32_t len, uint32_t piece, uint8_t how)
{
	struct vxlan_policy policy = policy_of(how);
	struct vxlan_outer o;
	struct rte_mbuf *m;
	enum wire_drop drop;

	if (piece > 0 && piece < 128)
		piece += 128;
	repair(len, piece > 0 && piece < len ? piece : len);
	m = make_packet(len, piece, VXLAN_HEADROOM);
	encap(m, how);
	MUST(vxlan_parse(m, &o) == WIRE_DROP_COUNT);
	MUST(o.port == VXLAN_PORT && o.vni == 0xabcdef && o.flags == 8 && !o.reserved);
	MUST(o.src.is_v6 == !!(how & V6) && m->pkt_len == o.inner_at + len);
	check_udp_sum(m, &o);
	drop = vxlan_decap(m, &o, &policy);
	MUST(drop == expected(len, how));
	read_packet(m);
	if (drop == WIRE_DROP_COUNT)
		MUST(m->pkt_len == len && memcmp(got, sent, len) == 0);
	rte_pktmbuf_free(m);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	if (fake_eal_init("vxlan_fuzz") < 0)
		return -1;
	pool = fake_eal_pool("vxlan", 15);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint8_t how = input_u8(&in);
	uint16_t piece = input_u16(&in);
	uint32_t len = (uint32_t)input_bytes(&in, sent, sizeof(sent));

	if (how & TO_WIRE)
		to_wire(len, piece, how);
	else
		from_wire(len, piece, how);
	MUST(rte_mempool_full(pool));
	return 0;
}
