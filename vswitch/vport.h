/* SPDX-License-Identifier: BSD-3-Clause */
/* The workers' view of a port and of its network. Control's objects, of which these are parts, are
 * in control/switch.h. */
#ifndef VSWITCH_VPORT_H
#define VSWITCH_VPORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "policy/guard.h"
#include "policy/pps.h"
#include "policy/rate.h"
#include "policy/rates.h"
#include "policy/vqueue.h"
#include "vhost/vdev_net.h"
#include "vswitch/fdb.h"
#include "vswitch/limits.h"

struct neigh_table;
struct security;
struct vport;
struct worker;

/* The ports of a network, sorted by id. Control replaces the whole list, never a part of it. */
struct members {
	uint32_t n;
	struct vport *port[];
};

/* The other hosts that a network's floods go to: destinations (vswitch/batch.h), sorted. Replaced
 * as a whole, too. */
struct remotes {
	uint32_t n;
	uint16_t dest[];
};

/* The index of the first destination that is `dest` or higher; r->n when there is none. [any] */
static inline uint32_t remotes_find(const struct remotes *r, uint16_t dest)
{
	uint32_t low = 0, high = r->n;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (r->dest[mid] < dest)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Which questions about neighbours are answered by the switch, and not flooded. */
enum suppress_mode {
	SUPPRESS_OFF,
	SUPPRESS_STATIC,  /* those about static neighbours */
	SUPPRESS_LEARNED, /* those about learned ones, too: packets teach them */
};

/* The forwarding half of a network: one layer 2 segment. */
struct bridge {
	_Atomic uint32_t mtu;              /* bytes of layer 3 */
	_Atomic(struct members *) members; /* never NULL while a port is attached */
	struct fdb *fdb;
	_Atomic(struct remotes *) remotes; /* NULL: the network is on this host only */
	uint32_t vni;
	_Atomic uint8_t vtep;          /* packets from the wire come to it; VTEP_NONE: none do */
	_Atomic bool known_vteps_only; /* refuse packets of hosts that are not among its remotes */
	_Atomic bool learn_from_wire;
	_Atomic bool drop_inner_vlan;
	_Atomic bool clamps_mss;    /* of TCP connections across the wire, to the path's MTU */
	_Atomic bool flood_unknown; /* packets from the wire to unknown addresses too */
	struct pps floods;          /* copies of packets from the wire that are for all ports */
	_Atomic uint8_t suppress;   /* enum suppress_mode */
	_Atomic uint32_t wire_macs; /* learned from the wire; control corrects it, as vport.macs */
	/* Made when it is first needed, and then kept; NULL before. */
	_Atomic(struct neigh_table *) neighbours;
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
	uint16_t vm; /* id of its VM */
	struct bridge *_Atomic bridge;
	/* A new value for each port that takes this id, and for each network that it joins. A job
	 * for another epoch is not delivered: its port is gone or has moved. */
	_Atomic uint32_t epoch;
	uint32_t first_epoch; /* the port's first epoch: tells whose counters this id's are */
	struct worker *_Atomic worker; /* the only one that touches the rings */

	/* The worker's. */
	struct vdev_pair *pairs; /* NULL while the device is not up */
	uint16_t n_pairs;
	uint16_t n_rx; /* number of enabled receive rings, listed in rx_queue */
	uint16_t rx_queue[MAX_PAIRS];
	bool is_rated; /* has `rates`, of what its guest sends */
	struct source source[MAX_PAIRS];
	struct rates rates;
	struct rate answers;   /* bucket of answers to its packets (vswitch/reply.h), */
	struct rate questions; /* and of those to its questions about neighbours */

	/* Number of addresses learned behind the port. Workers count up and down; control corrects
	 * it from the table once a second, so it is exact again within that time. */
	_Atomic uint32_t macs;
	_Atomic uint32_t mac_limit;
	struct pps floods; /* its packets that are for all */

	_Atomic bool coalesces; /* packets from the wire may be merged for it. Control's */

	/* Mask of the additional stages for its packets: 1 << STAGE_GUARD and so on. Control's. */
	_Atomic uint32_t stages;
	/* What the guest may send from; NULL: no matter what. Replaced as a whole. */
	_Atomic(const struct guard *) guard;

	/* What its packets are judged by; NULL: all pass. Control's, replaced as a whole. */
	_Atomic(struct security *) security;

	/* The worker's. */
	bool is_rated_in;                     /* a queue of what its guest is sent is in use: */
	struct vqueue queue_in;               /* its own, */
	struct shared_rates *vm_queue_in;     /* its VM's, NULL: there is none, */
	struct shared_rates *tenant_queue_in; /* and its tenant's */
};

/* Whether a packet to a unicast address that is known nowhere may be for a port: it is not for one
 * whose guest has other addresses. [worker] */
static inline bool vport_may_have(const struct vport *port, uint64_t mac)
{
	const struct guard *g = atomic_load_explicit(&port->guard, memory_order_acquire);

	return !g || guard_has_mac(g, mac);
}

#endif
