/* SPDX-License-Identifier: BSD-3-Clause */
/* Flows of packets: keys, what is exempt, what errors quote, fragments, malformed ones. */
#include "pkt/flow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "tests/fake/flow_packet.h"
#include "tests/fake/inner_frame.h"
#include "tests/fake/neigh_frame.h"

#define PORT 5
#define VM   1
#define PEER 2

/* Reads a frame in a buffer that ends where its first `len` bytes do. */
static struct flow read_part(const uint8_t *frame, uint32_t len, uint32_t total,
			     enum flow_side side)
{
	uint8_t *exact = malloc(len);
	struct rte_mbuf m;
	struct flow f;

	assert_non_null(exact);
	memcpy(exact, frame, len);
	flow_packet_attach(&m, exact, len);
	m.pkt_len = total;
	flow_read(&m, side, PORT, &f);
	free(exact);
	assert_int_equal(f.side, side);
	assert_int_equal(f.key.port, PORT);
	return f;
}

static struct flow read_shape(const struct flow_shape *s, enum flow_side side)
{
	uint8_t frame[FLOW_PACKET_MAX];
	uint32_t len = flow_packet_write(frame, s);

	return read_part(frame, len, len, side);
}

static void assert_kind(const struct flow_shape *s, enum flow_side side, enum flow_kind kind)
{
	assert_int_equal(read_shape(s, side).kind, kind);
}

/* The same way back. */
static struct flow_shape turned(struct flow_shape s)
{
	uint16_t n = s.src, port = s.sport;

	s.src = s.dst;
	s.dst = n;
	s.sport = s.dport;
	s.dport = port;
	return s;
}

static void assert_addresses(const struct flow *f, bool v6)
{
	uint8_t vm[16], peer[16];

	flow_packet_address(vm, VM, v6);
	flow_packet_address(peer, PEER, v6);
	assert_memory_equal(f->key.local, vm, 16);
	assert_memory_equal(f->key.remote, peer, 16);
	assert_int_equal(f->is_v6, v6);
}

/* --- keys --------------------------------------------------------------------------------------
 */

static void test_both_ways_have_one_key(void **state)
{
	static const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, 33, 136};

	(void)state;
	for (unsigned i = 0; i < sizeof(protos) * 6; i++) {
		struct flow_shape s = {.v6 = i & 1,
				       .n_vlans = (uint8_t)(i / 2 % 3),
				       .n_ext = i & 1 ? (uint8_t)(i / 2 % 3) : 0,
				       .proto = protos[i / 6],
				       .src = VM,
				       .dst = PEER,
				       .sport = 1000,
				       .dport = 80,
				       .tcp_flags = 0x12};
		struct flow_shape back = turned(s);
		struct flow out = read_shape(&s, FLOW_SENT);
		struct flow in = read_shape(&back, FLOW_RECEIVED);

		assert_int_equal(out.kind, FLOW_PACKET);
		assert_addresses(&out, s.v6);
		assert_int_equal(out.key.lport, 1000);
		assert_int_equal(out.key.rport, 80);
		assert_int_equal(out.key.proto, s.proto);
		assert_int_equal(out.tcp_flags, s.proto == IPPROTO_TCP ? 0x12 : 0);
		assert_memory_equal(&out.key, &in.key, sizeof(out.key));
		assert_true(flow_key_equal(&out.key, &in.key));
		in.key.port++;
		assert_false(flow_key_equal(&out.key, &in.key));
	}
}

/* A question and its answer are of one connection; who asks makes a difference, since both ends may
 * choose the same identifier. */
static void test_echo(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct flow_shape s = {.v6 = v6,
				       .proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
				       .src = VM,
				       .dst = PEER,
				       .icmp_id = 77};
		struct flow_shape back = turned(s);
		struct flow asked, answered, other;

		s.icmp_type = v6 ? 128 : 8;
		back.icmp_type = v6 ? 129 : 0;
		asked = read_shape(&s, FLOW_SENT);
		answered = read_shape(&back, FLOW_RECEIVED);
		assert_int_equal(asked.kind, FLOW_PACKET);
		assert_addresses(&asked, v6);
		assert_int_equal(asked.icmp_type, s.icmp_type);
		assert_int_equal(asked.key.lport, 77);
		assert_int_equal(asked.key.rport, 77);
		assert_memory_equal(&asked.key, &answered.key, sizeof(asked.key));
		back.icmp_type = s.icmp_type;
		other = read_shape(&back, FLOW_RECEIVED);
		assert_false(flow_key_equal(&asked.key, &other.key));
	}
}

static void test_other_protocols(void **state)
{
	struct flow_shape s = {.proto = IPPROTO_GRE, .src = VM, .dst = PEER, .sport = 9};
	struct flow f = read_shape(&s, FLOW_SENT);

	(void)state;
	assert_int_equal(f.kind, FLOW_PACKET);
	assert_int_equal(f.key.lport, 0);
	s = (struct flow_shape){
		.proto = IPPROTO_ICMP, .src = VM, .dst = PEER, .icmp_type = 13, .icmp_code = 1};
	f = read_shape(&s, FLOW_SENT);
	assert_int_equal(f.kind, FLOW_PACKET);
	assert_int_equal(f.key.lport, 13 << 8 | 1);
	assert_int_equal(f.key.rport, 0);
	/* ICMP of the other family is a protocol like any. */
	s.v6 = true;
	f = read_shape(&s, FLOW_SENT);
	assert_int_equal(f.kind, FLOW_PACKET);
	assert_int_equal(f.icmp_type, 0);
}

/* --- exempt ------------------------------------------------------------------------------------
 */

static void test_neighbours_are_exempt(void **state)
{
	static const struct {
		uint8_t type, hops;
		enum flow_kind sent, received;
	} all[] = {
		{133, 255, FLOW_EXEMPT, FLOW_EXEMPT}, {134, 255, FLOW_PACKET, FLOW_EXEMPT},
		{135, 255, FLOW_EXEMPT, FLOW_EXEMPT}, {136, 255, FLOW_EXEMPT, FLOW_EXEMPT},
		{137, 255, FLOW_PACKET, FLOW_PACKET}, {135, 254, FLOW_PACKET, FLOW_PACKET},
		{134, 64, FLOW_PACKET, FLOW_PACKET},  {130, 1, FLOW_EXEMPT, FLOW_EXEMPT},
		{131, 1, FLOW_EXEMPT, FLOW_EXEMPT},   {132, 1, FLOW_EXEMPT, FLOW_EXEMPT},
		{143, 1, FLOW_EXEMPT, FLOW_EXEMPT},   {138, 255, FLOW_PACKET, FLOW_PACKET},
	};
	uint8_t frame[NEIGH_FRAME_MAX];
	uint32_t len = arp_request(frame, (const uint8_t[6]){2}, 1, 2);

	(void)state;
	assert_int_equal(read_part(frame, len, len, FLOW_SENT).kind, FLOW_EXEMPT);
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct flow_shape s = {.v6 = true,
				       .proto = IPPROTO_ICMPV6,
				       .src = VM,
				       .dst = PEER,
				       .icmp_type = all[i].type,
				       .hops = all[i].hops};

		assert_kind(&s, FLOW_SENT, all[i].sent);
		assert_kind(&s, FLOW_RECEIVED, all[i].received);
		/* A fragment is none of these. */
		s.is_fragment = s.has_more = true;
		assert_kind(&s, FLOW_RECEIVED, FLOW_PACKET);
	}
	assert_kind(&(struct flow_shape){.proto = IPPROTO_IGMP}, FLOW_SENT, FLOW_EXEMPT);
	assert_kind(&(struct flow_shape){.proto = IPPROTO_IGMP, .v6 = true}, FLOW_SENT,
		    FLOW_PACKET);
}

static void test_dhcp_clients_are_exempt(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct flow_shape s = {.v6 = v6,
				       .proto = IPPROTO_UDP,
				       .sport = v6 ? 546 : 68,
				       .dport = v6 ? 547 : 67};
		struct flow_shape back = turned(s);

		assert_kind(&s, FLOW_SENT, FLOW_EXEMPT);
		assert_kind(&back, FLOW_RECEIVED, FLOW_EXEMPT);
		assert_kind(&s, FLOW_RECEIVED, FLOW_PACKET);
		assert_kind(&back, FLOW_SENT, FLOW_PACKET);
		s.v6 = back.v6 = !v6;
		assert_kind(&s, FLOW_SENT, FLOW_PACKET);
		assert_kind(&back, FLOW_RECEIVED, FLOW_PACKET);
	}
}

static void test_not_ip(void **state)
{
	uint8_t frame[FLOW_PACKET_MAX];
	struct flow_shape s = {.proto = IPPROTO_UDP};
	uint32_t len = flow_packet_write(frame, &s);

	(void)state;
	plain_put16(frame + 12, 0x88cc);
	assert_int_equal(read_part(frame, len, len, FLOW_SENT).kind, FLOW_OTHER);
	assert_int_equal(read_part(frame, 13, 13, FLOW_SENT).kind, FLOW_MALFORMED);
}

/* --- errors ------------------------------------------------------------------------------------
 */

/* An error of `from` to `to` about a packet, of which `keep` bytes are quoted. */
static struct flow_shape error_about(const struct flow_shape *about, uint8_t *quoted, uint8_t type,
				     uint16_t from, uint16_t to, uint16_t keep)
{
	uint32_t len = flow_packet_write(quoted, about);

	assert_true(keep <= len - 14);
	return (struct flow_shape){.v6 = about->v6,
				   .proto = about->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
				   .src = from,
				   .dst = to,
				   .icmp_type = type,
				   .quoted = quoted,
				   .quoted_len = keep};
}

static void test_errors_have_the_quoted_key(void **state)
{
	static const uint8_t types[2][4] = {{3, 11, 12, 3}, {1, 2, 3, 4}};
	uint8_t quoted[FLOW_PACKET_MAX];

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		bool v6 = i & 1;
		struct flow_shape s = {.v6 = v6,
				       .proto = i & 2 ? IPPROTO_TCP : IPPROTO_UDP,
				       .src = VM,
				       .dst = PEER,
				       .sport = 1000,
				       .dport = 80};
		struct flow_shape back = turned(s), e;
		struct flow sent = read_shape(&s, FLOW_SENT), f;
		uint8_t type = types[v6][i / 2];
		uint16_t keep = v6 ? 48 : 28; /* of TCP too, no more than 8 bytes */

		/* From a router between. */
		e = error_about(&s, quoted, type, 99, VM, keep);
		f = read_shape(&e, FLOW_RECEIVED);
		assert_int_equal(f.kind, FLOW_ERROR);
		assert_memory_equal(&f.key, &sent.key, sizeof(f.key));
		/* From the VM. */
		e = error_about(&back, quoted, type, VM, PEER, keep);
		f = read_shape(&e, FLOW_SENT);
		assert_int_equal(f.kind, FLOW_ERROR);
		assert_memory_equal(&f.key, &sent.key, sizeof(f.key));
		/* To one that did not send what is quoted. */
		e = error_about(&s, quoted, type, PEER, 3, keep);
		assert_kind(&e, FLOW_RECEIVED, FLOW_MALFORMED);
		/* Less than both ports. */
		e = error_about(&s, quoted, type, PEER, VM, keep - 5);
		assert_kind(&e, FLOW_RECEIVED, FLOW_MALFORMED);
	}
}

static void test_errors_about_what_has_no_error(void **state)
{
	uint8_t quoted[FLOW_PACKET_MAX], inner[FLOW_PACKET_MAX];

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct flow_shape s = {.v6 = v6,
				       .proto = IPPROTO_UDP,
				       .src = VM,
				       .dst = PEER,
				       .is_fragment = true,
				       .offset = 4};
		struct flow_shape e = error_about(&s, quoted, v6 ? 1 : 3, PEER, VM, 28);

		assert_kind(&e, FLOW_RECEIVED, FLOW_MALFORMED);
		s.offset = 0;
		s.has_more = true;
		e = error_about(&s, quoted, v6 ? 1 : 3, PEER, VM, v6 ? 56 : 28);
		assert_kind(&e, FLOW_RECEIVED, FLOW_ERROR);
		s = error_about(&(struct flow_shape){.v6 = v6, .proto = IPPROTO_UDP}, inner,
				v6 ? 1 : 3, VM, PEER, 28);
		e = error_about(&s, quoted, v6 ? 1 : 3, PEER, VM, v6 ? 76 : 56);
		assert_kind(&e, FLOW_RECEIVED, FLOW_MALFORMED);
	}
}

static void test_error_itself(void **state)
{
	uint8_t quoted[FLOW_PACKET_MAX], frame[FLOW_PACKET_MAX];
	struct flow_shape s = {.proto = IPPROTO_UDP, .src = VM, .dst = 9};
	struct flow_shape e = error_about(&s, quoted, 3, PEER, VM, 28);
	struct rte_mbuf m;
	struct flow f;

	(void)state;
	e.icmp_code = 1;
	flow_packet_attach(&m, frame, flow_packet_write(frame, &e));
	flow_read_error(&m, FLOW_RECEIVED, PORT, &f);
	assert_int_equal(f.kind, FLOW_PACKET);
	assert_addresses(&f, false);
	assert_int_equal(f.icmp_type, 3);
	assert_int_equal(f.icmp_code, 1);
	assert_int_equal(f.key.lport, 3 << 8 | 1);
}

/* --- fragments and malformed packets ------------------------------------------------------------
 */

static void test_fragments(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct flow_shape s = {.v6 = v6,
				       .proto = IPPROTO_TCP,
				       .src = VM,
				       .dst = PEER,
				       .sport = 1000,
				       .is_fragment = true,
				       .has_more = true,
				       .id = v6 ? 0x12345678 : 0x1234,
				       .n_ext = v6};
		struct flow f = read_shape(&s, FLOW_SENT);

		assert_int_equal(f.kind, FLOW_PACKET);
		assert_true(f.is_first_fragment);
		assert_int_equal(f.fragment_id, s.id);
		assert_int_equal(f.key.lport, 1000);
		s.offset = 2;
		f = read_shape(&s, FLOW_SENT);
		assert_int_equal(f.kind, FLOW_LATER_FRAGMENT);
		assert_false(f.is_first_fragment);
		assert_int_equal(f.fragment_id, s.id);
		assert_addresses(&f, v6);
		/* Over the flags of TCP. */
		s.offset = 1;
		assert_kind(&s, FLOW_SENT, FLOW_MALFORMED);
		/* In IPv6 the protocol is what this fragment's sender says, so whatever it is. */
		s.proto = IPPROTO_UDP;
		assert_kind(&s, FLOW_SENT, v6 ? FLOW_MALFORMED : FLOW_LATER_FRAGMENT);
	}
}

/* Whatever is cut off, of the packet or of its first segment, it is malformed until the ports are
 * there, and never more than what there is is read. */
static void test_cut_short(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct flow_shape s = {.v6 = v6, .proto = IPPROTO_SCTP, .n_vlans = 1, .n_ext = v6};
		uint8_t frame[FLOW_PACKET_MAX];
		uint32_t len = flow_packet_write(frame, &s);

		for (uint32_t n = 1; n < len; n++) {
			struct flow f = read_part(frame, n, len, FLOW_SENT);

			assert_int_equal(f.kind, n < len - 4 ? FLOW_MALFORMED : FLOW_PACKET);
			f = read_part(frame, n, n, FLOW_SENT);
			assert_int_equal(f.kind, FLOW_MALFORMED);
		}
	}
}

static void test_unreliable(void **state)
{
	struct flow_shape s = {.n_vlans = 3, .proto = IPPROTO_UDP};
	uint8_t frame[FLOW_PACKET_MAX];
	uint32_t len;

	(void)state;
	assert_kind(&s, FLOW_SENT, FLOW_MALFORMED);
	/* More extension headers than are parsed. */
	s = (struct flow_shape){.v6 = true, .proto = IPPROTO_UDP, .n_ext = 8};
	assert_kind(&s, FLOW_SENT, FLOW_PACKET);
	s.n_ext = 9;
	assert_kind(&s, FLOW_SENT, FLOW_MALFORMED);
	/* IPv4's addresses in IPv6. */
	s.n_ext = 0;
	for (unsigned at = 22; at <= 38; at += 16) {
		len = flow_packet_write(frame, &s);
		memset(frame + at, 0, 16);
		assert_int_equal(read_part(frame, len, len, FLOW_SENT).kind, FLOW_PACKET);
		memset(frame + at + 10, 0xff, 2);
		assert_int_equal(read_part(frame, len, len, FLOW_SENT).kind, FLOW_MALFORMED);
	}
	/* Two fragment headers. */
	s = (struct flow_shape){.v6 = true,
				.proto = IPPROTO_FRAGMENT,
				.is_fragment = true,
				.has_more = true,
				.sport = IPPROTO_UDP << 8};
	assert_kind(&s, FLOW_SENT, FLOW_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways_have_one_key),
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_other_protocols),
		cmocka_unit_test(test_neighbours_are_exempt),
		cmocka_unit_test(test_dhcp_clients_are_exempt),
		cmocka_unit_test(test_not_ip),
		cmocka_unit_test(test_errors_have_the_quoted_key),
		cmocka_unit_test(test_errors_about_what_has_no_error),
		cmocka_unit_test(test_error_itself),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_unreliable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
