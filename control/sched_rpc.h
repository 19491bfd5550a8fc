/* SPDX-License-Identifier: BSD-3-Clause */
/* What the schedulers know of VMs, for the control thread. */
#ifndef CONTROL_SCHED_RPC_H
#define CONTROL_SCHED_RPC_H

#include <jansson.h>

#include "policy/sched.h"
#include "control/switch.h"

/* The service record of each VM, by slot, copied by the workers between two services. To be freed;
 * NULL when memory is short. */
struct sched_vm_stats *sched_stats_snapshot(struct vswitch *sw);

/* Adds a service record's fields to an object. */
void sched_stats_to_json(json_t *object, const struct vswitch *sw, const struct sched_vm_stats *st);

#endif
