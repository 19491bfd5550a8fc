/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes the guard: nothing is read behind the first segment, what passes is from the port's own
 * addresses, and the verdict about a packet does not depend on those before. */
#include <netinet/in.h>

#include "pkt/drops.h"
#include "pkt/pkt.h"
#include "policy/guard.h"
#include "tests/fuzz/packet.h"

#define L2_LEN 14

static const uint8_t own_mac[6] = {0x52, 0x54, 0, 0, 0, 1};
static const uint8_t own_v4[4] = {10, 1, 0, 5};
static const uint8_t own_v6[16] = {0x20, 1, 0xd, 0xb8, [15] = 5};

static struct guard make_guard(uint8_t how)
{
	struct ip_prefix v4 = {.bits = 32}, v6 = {.bits = 128, .address.is_v6 = true};
	struct guard g = {.allow = how & 0xf};
	uint64_t mac = 0;

	memcpy(&mac, own_mac, 6);
	guard_add_mac(&g, mac);
	if (how & 0x10)
		return g;
	memcpy(v4.address.bytes, own_v4, sizeof(own_v4));
	memcpy(v6.address.bytes, own_v6, sizeof(own_v6));
	guard_add_prefix(&g, &v4);
	guard_add_prefix(&g, &v6);
	return g;
}

/* Says what it is from, and whether that is so, in the simplest way. */
static void check_passed(const struct rte_mbuf *m, uint8_t how)
{
	const uint8_t *f = rte_pktmbuf_mtod(m, const uint8_t *), *ip = f + L2_LEN;
	uint16_t type = (uint16_t)(f[12] << 8 | f[13]);
	static const uint8_t nobody[16];

	MUST(memcmp(f + 6, own_mac, 6) == 0);
	MUST(how & GUARD_OTHER_ETHERTYPES || type == 0x0800 || type == 0x0806 || type == 0x86dd ||
	     type == 0x8100 || type == 0x88a8);
	if (type == 0x0806)
		MUST(memcmp(ip + 8, own_mac, 6) == 0);
	if (how & 0x10)
		return;
	if (type == 0x0800)
		MUST(memcmp(ip + 12, own_v4, 4) == 0 || memcmp(ip + 12, nobody, 4) == 0);
	if (type == 0x0806)
		MUST(memcmp(ip + 14, own_v4, 4) == 0 || memcmp(ip + 14, nobody, 4) == 0);
	if (type == 0x86dd)
		MUST(memcmp(ip + 8, own_v6, 16) == 0 || memcmp(ip + 8, nobody, 16) == 0 ||
		     (how & GUARD_LINK_LOCAL && ip[8] == 0xfe && (ip[9] & 0xc0) == 0x80));
	/* Where there is just an IPv6 header before it. */
	if (type == 0x86dd && ip[6] == IPPROTO_ICMPV6 && !(how & GUARD_ROUTER))
		MUST(ip[40] != 134 && ip[40] != 137);
}

/* An honest packet, behind which the fuzzed one might be taken for another of the same source. */
static void make_honest(struct rte_mbuf *m, uint8_t *frame, bool v6)
{
	static const uint8_t v4_head[] = {8, 0, 0x45, 0, 0, 48, 0, 0, 0, 0, 64, 6};
	static const uint8_t v6_head[] = {0x86, 0xdd, 0x60, 0, 0, 0, 0, 40, 6, 64};
	uint16_t len = v6 ? 94 : 62;

	memset(frame, 0, len);
	memcpy(frame + 6, own_mac, 6);
	if (v6) {
		memcpy(frame + 12, v6_head, sizeof(v6_head));
		memcpy(frame + 22, own_v6, 16);
	} else {
		memcpy(frame + 12, v4_head, sizeof(v4_head));
		memcpy(frame + 26, own_v4, 4);
	}
	*m = (struct rte_mbuf){.buf_addr = frame, .data_len = len, .pkt_len = len};
}

static void check_in_run(const struct guard *g, struct rte_mbuf *m, const struct pkt *alone,
			 bool v6)
{
	struct pkt p[3] = {0};
	struct rte_mbuf honest;
	uint8_t frame[94];

	make_honest(&honest, frame, v6);
	p[0].m = &honest;
	p[1].m = p[2].m = m;
	guard_check(g, p, 3);
	MUST(p[0].verdict == PKT_FORWARD);
	for (unsigned i = 1; i < 3; i++)
		MUST(p[i].verdict == alone->verdict && p[i].reason == alone->reason);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint8_t how = input_u8(&in);
	struct guard g = make_guard(how);
	struct pkt alone = {0};
	struct packet p;

	packet_open(&p, &in);
	/* Nothing shorter gets into the switch. */
	if (p.seg[0].data_len >= L2_LEN) {
		alone.m = p.seg;
		guard_check(&g, &alone, 1);
		if (alone.verdict == PKT_FORWARD)
			check_passed(p.seg, how);
		check_in_run(&g, p.seg, &alone, how & 0x20);
	}
	packet_close(&p);
	return 0;
}
