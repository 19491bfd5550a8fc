/* SPDX-License-Identifier: BSD-3-Clause */
/* Explicit congestion notification. */
#include "pkt/ecn.h"

#include "pkt/parse.h"

/* The inner packet's mark for the outer one's, but for CE over Not-ECT. */
static uint8_t merge(uint8_t inner, uint8_t outer)
{
	if (inner == ECN_NOT_ECT || inner == ECN_CE)
		return inner;
	return outer == ECN_CE || outer == ECN_ECT_1 ? outer : inner;
}

static void set_ipv4(uint8_t *ip, uint8_t ecn)
{
	uint8_t tos = (uint8_t)((ip[1] & ~ECN_MASK) | ecn);
	uint16_t before = (uint16_t)(ip[10] << 8 | ip[11]);
	/* RFC 1624, equation 3; of the 16-bit word only the TOS changes. */
	uint32_t sum = (uint16_t)~before + (uint16_t)~ip[1] + (uint32_t)tos;

	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = ~(sum + (sum >> 16));
	ip[1] = tos;
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
}

bool ecn_take_outer(uint8_t *frame, uint32_t len, uint32_t total, enum ecn outer)
{
	struct pkt_info in;
	uint8_t *ip, inner, ecn;

	if (pkt_parse_bytes(frame, len, total, &in) < PKT_L3)
		return true;
	ip = frame + in.l2_len;
	inner = (in.flags & PKT_IPV4 ? ip[1] : ip[1] >> 4) & ECN_MASK;
	if (inner == ECN_NOT_ECT && outer == ECN_CE)
		return false;
	ecn = merge(inner, outer);
	if (ecn == inner)
		return true;
	if (in.flags & PKT_IPV4)
		set_ipv4(ip, ecn);
	else
		ip[1] = (uint8_t)((ip[1] & ~(ECN_MASK << 4)) | ecn << 4);
	return true;
}
