/* SPDX-License-Identifier: BSD-3-Clause */
/* Watches for conditions that operators are told of: VMs that stay over their budgets, and guests
 * whose rings stay hostile. */
#ifndef CONTROL_WATCH_H
#define CONTROL_WATCH_H

#include "control/switch.h"

/* Looks at all VMs; to be called every WATCH_INTERVAL_MS. Calls tell() for each VM whose
 * vm->watch.reason has changed. [control] */
void watch_budgets(struct vswitch *sw, void (*tell)(void *ctx, const struct vm *vm), void *ctx);

/* Looks at all ports; to be called once a second. Calls tell() when policy/hostile.h says so, with
 * the number of malformed chains of each kind since it was last called for the port. [control] */
void watch_rings(struct vswitch *sw,
		 void (*tell)(void *ctx, const struct port *port, const uint64_t *since),
		 void *ctx);

/* The drop reason of a kind of malformed chains. [any] */
enum drop_reason watch_ring_reason(unsigned kind);

#endif
