/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes the packet parser: nothing is read behind the first segment, and all that it says lies
 * within the packet. */
#include "pkt/parse.h"
#include "tests/fuzz/packet.h"

static void check(const struct pkt_info *info, enum pkt_depth depth, const struct packet *p)
{
	uint32_t headers = (uint32_t)info->l2_len + info->l3_len + info->l4_len;

	MUST(info->depth == depth && depth <= PKT_L4);
	MUST(headers <= p->seg[0].data_len);
	MUST(info->n_vlans <= PKT_MAX_VLANS);
	if (depth == PKT_NONE)
		MUST(headers == 0);
	if (depth >= PKT_L2)
		MUST(info->l2_len == 14 + 4 * info->n_vlans);
	if (depth < PKT_L3)
		MUST(info->l3_len == 0 && info->ip_len == 0);
	if (depth >= PKT_L3) {
		MUST(!(info->flags & PKT_IPV4) != !(info->flags & PKT_IPV6));
		MUST(info->ip_len >= info->l3_len && info->l2_len + info->ip_len <= p->len);
	}
	if (depth == PKT_L4) {
		MUST(info->l4_len >= 8 && !(info->flags & (PKT_LATER_FRAGMENT | PKT_MALFORMED)));
		MUST(info->l3_len + info->l4_len <= info->ip_len);
	} else {
		MUST(info->l4_len == 0);
	}
	if (info->flags & PKT_LATER_FRAGMENT)
		MUST(info->flags & PKT_FRAGMENT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct pkt_info info;
	struct packet p;

	packet_open(&p, &in);
	check(&info, pkt_parse(p.seg, &info), &p);
	packet_close(&p);
	return 0;
}
