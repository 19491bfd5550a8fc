/* SPDX-License-Identifier: BSD-3-Clause */
/* What a vhost-user front end sends: messages, memory and eventfds, looked at before a device uses
 * them. Knows no device. */
#ifndef VHOST_VDEV_INPUT_H
#define VHOST_VDEV_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_vhost.h>

#include "base/err.h"
#include "vhost/guest_mem.h"

/* Whether a message may change what rings point to: memory, set-up or eventfds. [vhost] */
bool vdev_input_changes_rings(const void *msg);

/* Whether a message asks how many queue pairs there are; makes it the answer. [vhost] */
bool vdev_input_asks_queues(const void *msg);
void vdev_input_answer_queues(void *msg, uint16_t pairs);

/* Fills *mem with the regions of the library's table, as many as there may be. Refuses all of them,
 * with *e filled, where one is a file that is not in memory or that ends before the region does.
 * [vhost] */
int vdev_input_memory(const struct rte_vhost_memory *table, struct guest_mem *mem, struct err *e);

/* Refuses a ring, with *e filled, whose call or kick descriptor is there and is no eventfd: workers
 * write to the one and wait for the other. [vhost] */
int vdev_input_eventfds(uint16_t queue, const struct rte_vhost_vring *vring, struct err *e);

#endif
