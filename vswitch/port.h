/* SPDX-License-Identifier: BSD-3-Clause */
/* What workers know of VMs, networks and ports. Control's own view of them is in switch.h. */
#ifndef VSWITCH_PORT_H
#define VSWITCH_PORT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/pace.h"
#include "policy/budget.h"
#include "policy/hostile.h"
#include "policy/watch.h"
#include "vhost/vdev.h"
#include "vswitch/fdb.h"
#include "vswitch/limits.h"

struct rte_mempool;
struct tenant;
struct vswitch;
struct worker;

struct vm {
	uint16_t id; /* slot in ledgers and schedulers */
	struct tenant *tenant;
	struct worker *_Atomic worker; /* serves all ports of the VM */
	struct rte_mempool *pool;      /* this VM's packets; nobody else's can exhaust it */
	char name[NAME_SIZE];
	char uuid[37];
	struct budget budget;
	uint32_t n_ports;   /* control's */
	int pinned_core;    /* of the worker that the operator chose, -1 when none */
	struct watch watch; /* control's */
	TAILQ_ENTRY(vm) link;
};

/* The ports of a network, by their ids; replaced whole by control. */
struct members {
	uint32_t n;
	struct port *port[];
};

struct network {
	uint16_t id;
	uint32_t vni;
	_Atomic uint32_t mtu;              /* bytes of layer 3 */
	_Atomic(struct members *) members; /* never NULL while a port is attached */
	struct fdb *fdb;
	struct tenant *tenant;
	uint32_t mac_ageing_s;
	char name[NAME_SIZE];
	TAILQ_ENTRY(network) link;
};

/* A transmit ring to serve. */
struct tap {
	struct virtq *tx;
	struct port *port;
	uint16_t pair;
	TAILQ_ENTRY(tap) link;
};

struct port {
	/* Changed only while no worker can be using the port: see port_set_network, vm_move. */
	uint16_t id;
	struct vm *vm;
	struct network *_Atomic net;
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
	struct tap tap[MAX_PAIRS];

	/* How many addresses are learned behind it. The worker counts up, control corrects it from
	 * the table once a second: exact again within that time. */
	_Atomic uint32_t macs;
	_Atomic uint32_t mac_limit;

	/* Held while rings go to or from a worker: the vhost thread and control both do that. */
	pthread_mutex_t handover;
	struct vdev_pair *moving_pairs; /* between two workers */
	uint16_t moving_n;

	/* Control's. */
	struct vswitch *sw;
	struct vdev *dev;
	struct vdev_conf conf;
	enum vdev_state told; /* the last state that an event told of */
	struct pace changes;  /* of the state, in events */
	bool is_untold;       /* the last one was one too many */
	struct pace breaks;   /* of its rings, in events */
	bool was_broken;
	uint64_t not_ready_since; /* of the state that was told of as lasting long */
	struct hostile hostile;
	char owner[32], group[32];
	uint64_t mac; /* noted by the operator, 0 when none; not enforced */
	char name[NAME_SIZE];
	TAILQ_ENTRY(port) link;
};

#endif
