/* SPDX-License-Identifier: BSD-3-Clause */
/* How the first fragments of datagrams were judged, for those that follow: 32 of each direction of
 * a VM, for 30 seconds. Belongs to the VM's connections (policy/conntrack.h), and to their owner.
 */
#ifndef POLICY_FRAGMENTS_H
#define POLICY_FRAGMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "pkt/flow.h"

#define FRAGMENTS_A_SIDE     32
#define FRAGMENTS_TIMEOUT_MS 30000

/* What a datagram's fragments have in common (RFC 791, 3.2; RFC 8200, 4.5). */
struct fragment_key {
	uint8_t local[16], remote[16];
	uint32_t id;
	uint16_t port;
	uint8_t proto; /* of IPv4; in IPv6 it differs from one fragment to the next */
	bool is_v6;
};
_Static_assert(sizeof(struct fragment_key) == 40, "no padding, for it is compared as a whole");

struct fragment_verdict {
	uint32_t generation; /* of the rules */
	int16_t rule;
	uint8_t reason;    /* enum drop_reason; DROP_COUNT: it passed */
	uint8_t rule_side; /* enum flow_side: direction of the rule */
};

struct fragments {
	struct fragment {
		struct fragment_key key;
		struct fragment_verdict verdict;
		uint32_t at_ms;
		bool is_used;
	} side[2][FRAGMENTS_A_SIDE];
};

/* Keeps the verdict on a first fragment. The oldest one goes for it when all are in use, but one
 * that passed never goes for one that did not. [owner] */
void fragments_keep(struct fragments *s, const struct flow *f,
		    const struct fragment_verdict *verdict, uint32_t now_ms);

/* The verdict on the first fragment of what `f` is a later one of, NULL when it is not known (any
 * more). [owner] */
const struct fragment_verdict *fragments_find(const struct fragments *s, const struct flow *f,
					      uint32_t now_ms);

#endif
