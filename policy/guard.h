/* SPDX-License-Identifier: BSD-3-Clause */
/* A guard against forged sources: a guest may send only from the addresses that its port was given,
 * and may not play the DHCP server or the router unless it is one.
 *
 * Control makes a guard and replaces it as a whole; workers only read it. */
#ifndef POLICY_GUARD_H
#define POLICY_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ip_prefix.h"

struct pkt;

#define GUARD_MAX_MACS 8
#define GUARD_MAX_V4   16
#define GUARD_MAX_V6   16

/* What a guest may do besides. */
enum guard_allow {
	GUARD_DHCP_SERVER = 1 << 0,
	GUARD_ROUTER = 1 << 1,     /* router advertisements and redirects */
	GUARD_LINK_LOCAL = 1 << 2, /* any address of fe80::/10 */
	GUARD_OTHER_ETHERTYPES = 1 << 3,
};
#define GUARD_ALLOW_USUAL (GUARD_LINK_LOCAL | GUARD_OTHER_ETHERTYPES)

/* Addresses are as in memory: in the order of the network. */
struct guard {
	uint64_t mac[GUARD_MAX_MACS]; /* as fdb_mac() has them */
	uint8_t n_macs;
	uint8_t n_v4;
	uint8_t n_v6;
	uint8_t allow; /* enum guard_allow */
	struct guard_v4 {
		uint32_t net, mask;
	} v4[GUARD_MAX_V4];
	struct guard_v6 {
		uint64_t net[2], mask[2];
	} v6[GUARD_MAX_V6];
};

/* Adds what the guest may send from. A guard without prefixes lets any IP address pass, one with
 * prefixes only those, of both versions. The caller sees to it that there is room. [any] */
void guard_add_mac(struct guard *g, uint64_t mac);
void guard_add_prefix(struct guard *g, const struct ip_prefix *p);

/* Drops those of `n` packets that the guest may not send, and says why: from another MAC address
 * (DROP_SPOOFED_MAC) or IP address (DROP_SPOOFED_IP); with another station's address in ARP
 * (DROP_SPOOFED_ARP) or neighbour discovery (DROP_SPOOFED_ND); as a DHCP server (DROP_DHCP_SERVER)
 * or router (DROP_ROUTER_ADVERT); of another type (DROP_OTHER_ETHERTYPE); and such that it cannot
 * tell (DROP_UNREADABLE), since headers are malformed or not in the first segment: what is behind
 * that the guest may still change. [worker] */
void guard_check(const struct guard *g, struct pkt *p, uint16_t n);

/* Whether a MAC address is among the guard's. [any] */
static inline bool guard_has_mac(const struct guard *g, uint64_t mac)
{
	for (unsigned i = 0; i < g->n_macs; i++)
		if (g->mac[i] == mac)
			return true;
	return false;
}

#endif
