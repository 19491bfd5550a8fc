/* SPDX-License-Identifier: BSD-3-Clause */
/* Notices VMs that stay over their budgets. */
#ifndef CONTROL_BUDGET_WATCH_H
#define CONTROL_BUDGET_WATCH_H

#include "control/switch.h"

/* Looks at all VMs; to be called every WATCH_INTERVAL_MS. Calls tell() for each VM whose
 * vm->watch.reason has changed. Workers that sleep are left alone: their VMs use nothing.
 * [control] */
void budget_watch(struct vswitch *sw, void (*tell)(void *ctx, const struct vm *vm), void *ctx);

#endif
