/* SPDX-License-Identifier: BSD-3-Clause */
/* A guard against forged source addresses. It reads the Ethernet header only, which every packet
 * has. */
#include "policy/guard.h"

#include <string.h>

#include "pkt/drops.h"
#include "pkt/pkt.h"

#define MAC_SIZE 6

void guard_check(const struct guard *g, struct pkt *p, uint16_t n)
{
	uint64_t allowed = atomic_load_explicit(&g->mac, memory_order_relaxed);

	for (uint16_t i = 0; i < n; i++) {
		uint64_t src = 0;

		memcpy(&src, pkt_data(&p[i]) + MAC_SIZE, MAC_SIZE);
		if (src == allowed)
			continue;
		p[i].verdict = PKT_DROP;
		p[i].reason = DROP_SPOOFED_MAC;
	}
}
