/* SPDX-License-Identifier: BSD-3-Clause */
/* Security groups: packets judged by rules (policy/filter.h) and connections (policy/conntrack.h).
 */
#ifndef POLICY_SECURITY_H
#define POLICY_SECURITY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "pkt/flow.h"

struct conntrack;
struct filter;
struct filter_groups;
struct rte_mbuf;

enum security_how {
#define X(name, text, help) SECURITY_##name,
#include "policy/security_how.def"
#undef X
	SECURITY_HOWS
};

/* What judges the packets of a port. Immutable; control replaces it as a whole, with another
 * generation. A direction without a filter is open: what goes that way passes, and is tracked if
 * there is room, so that the answers pass too. */
struct security {
	const struct filter *egress, *ingress;         /* of what the VM sends, and receives */
	const _Atomic(struct filter_groups *) *groups; /* the tenant's */
	uint32_t generation;
	uint16_t port; /* in keys of flows: the low bits of the port's epoch */
};

struct judgement {
	uint8_t reason;    /* enum drop_reason; DROP_COUNT: it passes */
	uint8_t how;       /* enum security_how */
	int16_t rule;      /* that decided, now or for the connection; or FILTER_NO_RULE */
	uint8_t rule_side; /* enum flow_side: FLOW_SENT: the rule is one of `egress` */
};

/* Judges `n` packets of a port that go the same way; `ct` are the connections of its VM. If it is
 * dry, nothing changes, and each packet is judged as it would be if it came next. The time is in
 * milliseconds, and wraps. [the table's owner] */
void security_judge(const struct security *s, struct conntrack *ct, enum flow_side side,
		    struct rte_mbuf *const *m, uint16_t n, uint32_t now_ms, bool is_dry,
		    struct judgement *out);

/* A way of judging's name and its explanation. [any] */
const char *security_how_text(enum security_how how);
const char *security_how_help(enum security_how how);

#endif
