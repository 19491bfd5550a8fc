/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of security groups for one direction, compiled: which of them decides about a packet.
 *
 * Each rule is a range of services (protocol and port, or ICMP type and code), and a prefix or a
 * group of remote addresses. For every range of services between two bounds of rules there is a
 * bitmap of the rules that it is within, and so for remote addresses; the lowest bit that both
 * bitmaps of a packet have is the rule (bit vectors: Lakshman and Stiliadis, SIGCOMM 1998). So a
 * packet costs as much as the number of rules makes it, whatever it is.
 *
 * A filter never changes and allocates nothing after it was created: any number of ports and
 * workers may use it at a time, without locks. It takes at most 0.7 MiB, and 4 KiB with 20
 * rules. */
#ifndef POLICY_FILTER_H
#define POLICY_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "policy/filter_groups.h"

struct flow;

#define FILTER_MAX_RULES 1024
#define FILTER_NO_RULE   (-1)

struct filter_rule {
	bool is_v6;
	bool is_allow;
	uint8_t protocol;   /* 0: any */
	uint16_t first;     /* destination ports of TCP, UDP, SCTP, DCCP and UDP-Lite; of ICMP in */
	uint16_t last;      /* IPv4 and ICMPv6 in IPv6, type << 8 | code; else 0 to UINT16_MAX */
	uint8_t remote[16]; /* prefix in network order; IPv4 in the first four bytes, then 0 */
	uint8_t remote_bits; /* length of the prefix; 0: any address */
	uint16_t group;      /* that the remote address has to be in, or FILTER_NO_GROUP */
	uint32_t id;         /* of the caller's */
};

struct filter;

/* Checks one rule. Negative errno with the parameter of the rule named that is at fault. [any] */
int filter_rule_check(const struct filter_rule *r, struct err *e);

/* Compiles rules; the first one that matches a packet decides. They are not needed afterwards, and
 * there may be none. NULL with *e filled: a rule is invalid, there are more than FILTER_MAX_RULES,
 * or memory is short. [control] */
struct filter *filter_create(const struct filter_rule *rules, unsigned n, struct err *e);
/* NULL is fine. [control] */
void filter_destroy(struct filter *f);

/* Bytes that it takes. [any] */
size_t filter_size(const struct filter *f);

/* The index of the rule that decides about a packet, or FILTER_NO_RULE. `g` may be NULL: nobody is
 * in any group. Ports are those of the packet's receiver. The flow has to be the packet's own and
 * whole: of the kind FLOW_PACKET. [worker] */
int filter_match(const struct filter *f, const struct filter_groups *g, const struct flow *k);

/* Whether a rule, as filter_match() returned it, lets packets pass; FILTER_NO_RULE does not.
 * [any] */
bool filter_allows(const struct filter *f, int rule);

/* The caller's id of a rule, which is not FILTER_NO_RULE. [any] */
uint32_t filter_rule_id(const struct filter *f, int rule);

#endif
