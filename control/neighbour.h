/* SPDX-License-Identifier: BSD-3-Clause */
/* Networks that suppress questions about neighbours, and the neighbours that they know
 * (vswitch/suppress.h). All of it is the control thread's. */
#ifndef CONTROL_NEIGHBOUR_H
#define CONTROL_NEIGHBOUR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "control/switch.h"
#include "vswitch/neigh_table.h"

/* Sets which questions are suppressed, for all ports of the network. -ENOMEM. */
int network_set_suppress(struct vswitch *sw, struct network *net, enum suppress_mode mode,
			 struct err *e);

/* Adds a static neighbour: address, MAC address, flags. -EEXIST, -ENOSPC or -ENOMEM. */
int neighbour_add(struct network *net, const struct neigh *n, struct err *e);

/* Removes a neighbour, learned or static. -ENOENT. */
int neighbour_delete(struct network *net, const struct ip_addr *address, struct err *e);

/* Calls `fn` for each neighbour, and removes it where that returns true. */
void neighbour_each(struct network *net, bool (*fn)(void *ctx, const struct neigh *n), void *ctx);

/* Forgets the learned neighbours that an origin (vswitch/neigh_table.h) taught. */
void neighbour_forget(struct network *net, uint16_t origin);

#endif
