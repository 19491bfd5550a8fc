/* SPDX-License-Identifier: BSD-3-Clause */
/* Notices guests that go on putting malformed chains into their rings. */
#ifndef CONTROL_RING_WATCH_H
#define CONTROL_RING_WATCH_H

#include "control/switch.h"

/* Looks at all ports; to be called once a second. Calls tell() where policy/hostile.h says so, with
 * the number of each kind of malformed chains since it was told last. [control] */
void ring_watch(struct vswitch *sw,
		void (*tell)(void *ctx, const struct port *port, const uint64_t *since), void *ctx);

/* The drop reason of a kind of malformed chains. [any] */
enum drop_reason ring_watch_reason(unsigned kind);

#endif
