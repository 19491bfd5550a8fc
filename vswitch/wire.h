/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker's part of the wire: its queues of the uplinks, the packets of a batch for other hosts,
 * and those from other hosts that wait for their VM's service. Exists while there are uplinks. */
#ifndef VSWITCH_WIRE_H
#define VSWITCH_WIRE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "tunnel/tables.h"
#include "tunnel/uplink.h"
#include "vswitch/batch.h"
#include "vswitch/limits.h"

struct rte_ring;
struct worker;

/* A VM whose uplink takes nothing is not served for this long. Its packets wait in its ring. */
#define WIRE_HOLD_US 10

/* Packets from the wire that wait for one VM at one worker, at most and at least; and once more on
 * their way there from other workers. In between, the
 * limit is the number of free buffers in the receive pool, or of free places for packets where that
 * is less (dynamic threshold, Choudhury and Hahne 1998), so that as much stays free as one flooded
 * VM takes. */
#define WIRE_MAX_STAGED 256
#define WIRE_MIN_STAGED 8

#define WIRE_NODES 16384 /* packets staged at one worker */
#define WIRE_INBOX 4096  /* packets on their way to one worker */

#define WIRE_UNKNOWN_HOSTS 64 /* unknown hosts that are noted at once */

/* Packets of a batch for one uplink. */
struct wire_out {
	uint16_t n;
	struct rte_mbuf *pkt[BATCH_MAX];
	uint8_t index[BATCH_MAX];              /* of each packet in the batch */
	uint16_t remote[BATCH_MAX];            /* where it goes, */
	const struct adjacency *to[BATCH_MAX]; /* as it was when that was decided */
};

/* A packet from the wire, or a reference to it, for one port. */
struct staged {
	struct rte_mbuf *m;
	uint32_t epoch;       /* of the port, as in struct job, */
	uint32_t first_epoch; /* and the first of it */
	uint16_t port;
	uint16_t vm;
	uint16_t flow;  /* the same for all packets of a flow */
	uint16_t limit; /* how many of its VM's may wait */
};
_Static_assert(sizeof(struct staged) == 24, "elements of a ring are whole words");

/* Packets staged for a VM: a list of nodes. */
struct staging {
	uint16_t first, last;
	uint16_t n;
	bool had_turn; /* its own rings are next */
};

/* Packets that were polled from an uplink, and the first of them that was not looked at yet. */
struct intake {
	struct uplink_queue *q;
	uint16_t next, n;
	struct rte_mbuf *m[UPLINK_BURST];
};

/* A host that packets came from, and that is not known as a remote. */
struct unknown_host {
	struct ip_addr address;
	uint8_t vtep; /* that they came to */
};

struct remote_counters {
	uint64_t packets;
	uint64_t bytes;
	uint64_t drops;
};

struct wire {
	struct tunnel_tables *tables;
	struct uplink_queue *tx[UPLINK_MAX]; /* by uplink, NULL where there is none */
	/* Those that this worker polls: of each uplink, any number. */
	struct uplink_queue *rx[UPLINK_MAX * UPLINK_MAX_QUEUES];
	uint16_t n_rx;
	uint16_t next_rx;
	uint16_t n_silent; /* of those, the ones that wake nobody up */

	struct intake intake;
	int32_t budget; /* references to packets that may be staged in this turn still */

	struct wire_out out[UPLINK_MAX]; /* of the part that is being committed */
	uint16_t n_out;                  /* packets in all of them */
	struct remote_counters *remote;  /* [REMOTE_MAX] */

	struct staging *staging; /* [MAX_VMS] */
	struct {
		struct staged s;
		uint16_t next;
	} * node;          /* [WIRE_NODES] */
	uint16_t free;     /* the first free node */
	uint32_t n_staged; /* in all lists */

	/* Of the burst that is being taken in: packets for each VM, and the VMs that have some. */
	uint16_t *share; /* [MAX_VMS] */
	uint16_t *sharer;
	uint16_t n_sharers;

	struct worker *to_wake[MAX_WORKERS]; /* they were handed packets over */
	uint16_t n_to_wake;

	/* Hosts to get to know. Control takes them once a second, so their number is limited. */
	struct unknown_host unknown[WIRE_UNKNOWN_HOSTS];
	_Atomic uint16_t n_unknown;

	/* Written by other workers too. */
	struct rte_ring *inbox;         /* struct staged, for this worker's VMs */
	_Atomic uint16_t *on_their_way; /* [MAX_VMS]: of a VM, in the inbox */
};

/* NULL when memory is short. [control] */
struct wire *wire_create(unsigned worker, struct tunnel_tables *tables);
/* Its lists must be empty. NULL is fine. [control] */
void wire_destroy(struct wire *wire);

#endif
