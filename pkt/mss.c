/* SPDX-License-Identifier: BSD-3-Clause */
/* The MSS option of TCP. */
#include "pkt/mss.h"

#include <stdbool.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#define OPTION_END 0
#define OPTION_NOP 1
#define OPTION_MSS 2
#define MSS_SIZE   4 /* kind, length, value */

/* Replaces a 16-bit word at `at`, on an even offset of TCP's header or not, and corrects the
 * checksum (RFC 1624, equation 3). */
static void replace(struct rte_tcp_hdr *tcp, uint8_t *at, uint16_t value)
{
	bool is_odd = (at - (uint8_t *)tcp) & 1;
	uint16_t before, after = rte_cpu_to_be_16(value);
	uint32_t sum;

	memcpy(&before, at, sizeof(before));
	memcpy(at, &after, sizeof(after));
	if (is_odd) {
		before = rte_bswap16(before);
		after = rte_bswap16(after);
	}
	sum = (uint16_t)~tcp->cksum + (uint32_t)(uint16_t)~before + after;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	tcp->cksum = (uint16_t)~sum;
}

/* The value of the MSS option among options; NULL when there is none, or one before it is
 * malformed. */
static uint8_t *find_mss(uint8_t *at, const uint8_t *end)
{
	while (at < end && *at != OPTION_END) {
		if (*at == OPTION_NOP) {
			at++;
			continue;
		}
		if (end - at < 2 || at[1] < 2 || at[1] > end - at)
			return NULL;
		if (*at == OPTION_MSS)
			return at[1] == MSS_SIZE ? at + 2 : NULL;
		at += at[1];
	}
	return NULL;
}

void mss_lower(uint8_t *frame, uint32_t len, uint32_t mtu)
{
	bool is_v6 = frame[12] == 0x86;
	uint32_t l3_len = is_v6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);
	uint32_t l4_at = RTE_ETHER_HDR_LEN + l3_len, least = l3_len + sizeof(struct rte_tcp_hdr);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(frame + l4_at);
	uint32_t tcp_len = (tcp->data_off >> 4) * 4u;
	uint16_t mss;
	uint8_t *at;

	/* Fragments behind the first have no header. */
	if (!is_v6 && (frame[20] & 0x1f || frame[21]))
		return;
	if (mtu <= least || tcp_len < sizeof(*tcp) || l4_at + tcp_len > len)
		return;
	at = find_mss((uint8_t *)(tcp + 1), (uint8_t *)tcp + tcp_len);
	if (!at)
		return;
	memcpy(&mss, at, sizeof(mss));
	if (rte_be_to_cpu_16(mss) > mtu - least)
		replace(tcp, at, (uint16_t)(mtu - least));
}
