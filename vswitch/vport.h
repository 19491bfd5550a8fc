/* SPDX-License-Identifier: BSD-3-Clause */
/* A port and its network as workers see them. Control's objects of the same names, of which these
 * are parts, are in control/switch.h. */
#ifndef VSWITCH_VPORT_H
#define VSWITCH_VPORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "policy/guard.h"
#include "policy/rate.h"
#include "vhost/vdev_net.h"
#include "vswitch/fdb.h"
#include "vswitch/limits.h"

struct vport;
struct worker;

/* The ports of a network, by their ids; replaced whole by control. */
struct members {
	uint32_t n;
	struct vport *port[];
};

/* The forwarding half of a network: one layer 2 segment. */
struct bridge {
	_Atomic uint32_t mtu;              /* bytes of layer 3 */
	_Atomic(struct members *) members; /* never NULL while a port is attached */
	struct fdb *fdb;
};

/* A transmit ring that a VM's packets wait in for its next service. */
struct source {
	uint16_t pair;
	struct net_ring *tx;
	struct vport *port;
	TAILQ_ENTRY(source) link;
};

struct vport {
	/* Changed only while no worker can be using the port: see port_set_network, vm_move. */
	uint16_t id;
	uint16_t vm; /* its VM's id */
	struct bridge *_Atomic bridge;
	/* Another one for each port that had this id, and each network that it was in: what is on
	 * its way to a port that is not the same any more is not delivered. */
	_Atomic uint32_t epoch;
	uint32_t first_epoch; /* its own from the beginning: whose counters are this id's */
	struct worker *_Atomic worker; /* the only one that touches the rings */

	/* The worker's. */
	struct vdev_pair *pairs; /* NULL while the device is not up */
	uint16_t n_pairs;
	uint16_t n_rx; /* receive rings that are enabled, and which */
	uint16_t rx_queue[MAX_PAIRS];
	struct source source[MAX_PAIRS];
	struct rate answers; /* that may be made to its packets (vswitch/reply.h) */

	/* How many addresses are learned behind it. Workers count up, control corrects it from the
	 * table once a second: exact again within that time. */
	_Atomic uint32_t macs;
	_Atomic uint32_t mac_limit;

	/* Stages that decide about its packets besides: 1 << STAGE_GUARD and so on. Control's. */
	_Atomic uint32_t stages;
	struct guard guard;
};

#endif
