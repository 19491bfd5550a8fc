/* SPDX-License-Identifier: BSD-3-Clause */
/* A guard against forged source addresses: a VM may use only the address that its port was
 * given. */
#ifndef POLICY_GUARD_H
#define POLICY_GUARD_H

#include <stdatomic.h>
#include <stdint.h>

struct pkt;

struct guard {
	_Atomic uint64_t mac; /* the only source address, as fdb_mac() has it */
};

/* Drops those of `n` packets whose source address is not the allowed one, as DROP_SPOOFED_MAC.
 * [worker] */
void guard_check(const struct guard *g, struct pkt *p, uint16_t n);

#endif
