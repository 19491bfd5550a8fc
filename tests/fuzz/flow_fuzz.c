/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes packets' flows: nothing is read behind the first segment, and turned round, a packet has
 * the same key. */
#include "pkt/flow.h"
#include "tests/fuzz/packet.h"

static void check(const struct flow *f, enum flow_side side)
{
	MUST(f->kind <= FLOW_MALFORMED && f->side == side && f->key.port == 3);
	MUST(!f->tcp_flags || f->key.proto == 6);
	MUST(f->key.is_asked <= 1);
	if (f->kind == FLOW_LATER_FRAGMENT)
		MUST(!f->is_first_fragment && f->key.lport == 0 && f->key.rport == 0);
	if (f->kind == FLOW_OTHER)
		MUST(f->key.proto == 0 && !f->is_v6);
}

/* The same packet, as the VM at its other end sees it. */
static void check_other_side(const struct flow *sent, const struct flow *received)
{
	MUST(memcmp(sent->key.local, received->key.remote, 16) == 0);
	MUST(memcmp(sent->key.remote, received->key.local, 16) == 0);
	MUST(sent->key.proto == received->key.proto);
	if (sent->kind != FLOW_PACKET || received->kind != FLOW_PACKET)
		return;
	MUST(sent->key.lport == received->key.rport || sent->icmp_type || sent->icmp_code);
	MUST(sent->fragment_id == received->fragment_id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct flow sent, received, itself;
	struct packet p;

	packet_open(&p, &in);
	flow_read(p.seg, FLOW_SENT, 3, &sent);
	check(&sent, FLOW_SENT);
	flow_read(p.seg, FLOW_RECEIVED, 3, &received);
	check(&received, FLOW_RECEIVED);
	if (sent.kind == FLOW_ERROR || received.kind == FLOW_ERROR) {
		MUST(sent.kind == FLOW_ERROR && received.kind == FLOW_ERROR);
		flow_read_error(p.seg, FLOW_SENT, 3, &itself);
		MUST(itself.kind == FLOW_PACKET && itself.key.lport != 0);
	}
	if (sent.kind != FLOW_MALFORMED && received.kind != FLOW_MALFORMED)
		check_other_side(&sent, &received);
	packet_close(&p);
	return 0;
}
