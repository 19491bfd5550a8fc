/* SPDX-License-Identifier: BSD-3-Clause */
/* What packets say about neighbours: which MAC address an IP address has. ARP (RFC 826) for IPv4,
 * neighbour discovery (RFC 4861) for IPv6. */
#ifndef PKT_NEIGH_MSG_H
#define PKT_NEIGH_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include "base/ip_addr.h"

struct rte_mempool;

enum neigh_kind {
	NEIGH_QUESTION, /* which MAC address has `target`? */
	NEIGH_PROBE,    /* does anybody have `target`? The sender would like to (RFC 5227, 4862) */
	NEIGH_NEWS,     /* a claim only */
};

/* What a neighbour says of itself (RFC 4861, 4.4). */
enum neigh_flag {
	NEIGH_ROUTER = 1 << 0,
	NEIGH_OVERRIDE = 1 << 1, /* replaces what is known already */
};

struct neigh_msg {
	uint8_t kind;          /* enum neigh_kind */
	bool claims;           /* `sender` is at `mac`, it says */
	bool hints;            /* it looks so, but that is not enough to answer for `sender` */
	uint8_t flags;         /* enum neigh_flag, of the claim */
	uint8_t mac[6];        /* the frame's source address */
	struct ip_addr sender; /* a question's, or the address that is claimed */
	struct ip_addr target; /* that a question or a probe is about */
};

/* Whether a frame may be such a message, by its type alone. Frames with VLAN tags are none: what is
 * known of neighbours is not known by VLAN. [worker] */
static inline bool neigh_msg_may_be(const struct rte_mbuf *m)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	uint16_t type;

	__builtin_memcpy(&type, frame + 12, sizeof(type));
	return type == RTE_BE16(0x0806) ||
	       (type == RTE_BE16(0x86dd) && m->data_len > 20 && frame[20] == 58);
}

/* Reads a message. False when the frame is none, or one that is better not relied upon: malformed,
 * with a wrong checksum, with a MAC address that is not the frame's source, with options that only
 * the neighbour itself can answer (RFC 9161, 3.4), unless it is a probe, about an address that no
 * host has. Only the first segment is read, which no guest can change any more. [worker] */
bool neigh_msg_parse(const struct rte_mbuf *m, struct neigh_msg *msg);

/* Makes the answer to a question: `target` is at `mac`, with these flags (enum neigh_flag). It
 * comes from the target, as if it had answered itself (RFC 9161, 3.3). NULL when the pool is empty.
 * The caller owns the answer. [worker] */
struct rte_mbuf *neigh_msg_answer(const struct neigh_msg *msg, const uint8_t mac[6], uint8_t flags,
				  struct rte_mempool *pool);

#endif
