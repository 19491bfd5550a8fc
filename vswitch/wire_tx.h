/* SPDX-License-Identifier: BSD-3-Clause */
/* To the wire: encapsulation of a batch's packets for other hosts, at the sender's expense. */
#ifndef VSWITCH_WIRE_TX_H
#define VSWITCH_WIRE_TX_H

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/batch.h"
#include "vswitch/job.h"
#include "vswitch/worker.h"

/* Why packets to a remote are dropped; DROP_COUNT when they are not. [worker] */
enum drop_reason wire_refuses(const struct worker *w, uint16_t remote);

/* Whether the uplink of a remote took all that it was sent; true for a remote that is down, whose
 * packets are dropped. False: the batch has to end here, and the rest to wait. [worker] */
bool wire_has_room(const struct worker *w, uint16_t remote);

/* Notes that a VM cannot go on before its uplink takes packets again. [worker] */
void wire_wait(struct worker *w, uint16_t vm);

/* Puts the batch's packet `index` into the outbox of the remote's uplink. wire_has_room() must have
 * said yes since the last part began. [worker] */
void wire_put(struct worker *w, struct batch *b, uint16_t index, uint16_t remote);

/* Encapsulates and sends what was put. Packets that cannot be sent count as missed; large TCP
 * packets for which there was no time or room any more become jobs, or, of a job, b->segments says
 * where to go on. Bills the VM. [worker] */
void wire_deliver(struct worker *w, struct batch *b, uint16_t vm);

/* Notes in a job which remote it is for; false when there is none. And whether that remote is still
 * the same. [worker] */
bool wire_name(const struct worker *w, uint16_t remote, struct job *job);
bool wire_is_same(const struct worker *w, const struct job *job);

/* The MTU of a remote's path, of what follows the Ethernet header of the tenant's packets, VLAN
 * tags included (mtu_fits_path); UINT32_MAX for one that is down. [worker] */
uint32_t wire_mtu(const struct worker *w, uint16_t remote);

#endif
