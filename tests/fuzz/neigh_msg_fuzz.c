/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes messages about neighbours: nothing is read behind the first segment, and what is taken for
 * a question is answered in a way that its sender takes. */
#include <rte_ether.h>
#include <rte_ip.h>

#include "pkt/neigh_msg.h"
#include "tests/fake/eal.h"
#include "tests/fuzz/packet.h"

static struct rte_mempool *pool;

/* Puts the right checksum in, which the fuzzer would hardly find. */
static void fill_sum(struct rte_mbuf *m)
{
	const uint32_t l4 = RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv6_hdr);
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	struct rte_ipv6_hdr ip;
	uint16_t sum;

	if (m->data_len < l4 + 4)
		return;
	memcpy(&ip, frame + RTE_ETHER_HDR_LEN, sizeof(ip));
	if (ip.proto != IPPROTO_ICMPV6 || rte_be_to_cpu_16(ip.payload_len) > m->data_len - l4)
		return;
	memset(frame + l4 + 2, 0, sizeof(sum));
	sum = rte_ipv6_udptcp_cksum(&ip, frame + l4);
	memcpy(frame + l4 + 2, &sum, sizeof(sum));
}

static void check_answer(const struct neigh_msg *msg, uint8_t flags)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
	struct rte_mbuf *m = neigh_msg_answer(msg, mac, flags, pool);
	struct neigh_msg answer;

	MUST(m && neigh_msg_parse(m, &answer));
	MUST(memcmp(rte_pktmbuf_mtod(m, const uint8_t *), msg->mac, 6) == 0);
	MUST(answer.kind == NEIGH_NEWS && answer.claims);
	MUST(memcmp(answer.mac, mac, 6) == 0);
	MUST(ip_addr_equal(&answer.sender, &msg->target));
	MUST(!answer.sender.is_v6 || answer.flags == flags);
	rte_pktmbuf_free(m);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	MUST(fake_eal_init("neigh_msg_fuzz") == 0);
	pool = fake_eal_pool("answers", 3);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint8_t how = input_u8(&in);
	struct neigh_msg msg;
	struct packet p;

	packet_open(&p, &in);
	/* Nothing shorter gets into the switch. */
	if (p.seg[0].data_len >= RTE_ETHER_HDR_LEN) {
		if (how & 1)
			fill_sum(p.seg);
		if (neigh_msg_parse(p.seg, &msg)) {
			MUST(memcmp(msg.mac, rte_pktmbuf_mtod(p.seg, uint8_t *) + 6, 6) == 0);
			MUST(msg.claims || msg.hints ? ip_addr_is_host(&msg.sender)
						     : ip_addr_is_host(&msg.target));
			if (msg.kind == NEIGH_QUESTION)
				check_answer(&msg, how >> 1 & (NEIGH_ROUTER | NEIGH_OVERRIDE));
		}
	}
	packet_close(&p);
	return 0;
}
