/* SPDX-License-Identifier: BSD-3-Clause */
/* What would become of a packet, in words. */
#ifndef CONTROL_PACKET_TELL_RPC_H
#define CONTROL_PACKET_TELL_RPC_H

#include <jansson.h>

#include "control/switch.h"

struct rte_mbuf;

/* Has the workers' own stages decide about a packet that a port might send, and tells step by step
 * what they decided. New reference. [control] */
json_t *packet_tell(struct vswitch *sw, struct port *port, struct rte_mbuf *m);

#endif
