/* SPDX-License-Identifier: BSD-3-Clause */
/* Captures: copies of packets' first bytes, for control to write out. Workers look for captures
 * once for each batch, ring or drop, and only while there are some (struct worker, captures). The
 * time that they take belongs to the system's row `capture`, and is a fiftieth of a worker's at
 * most: packets that there is no time for are counted as skipped. */
#ifndef VSWITCH_CAPTURE_H
#define VSWITCH_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "pkt/drops.h"
#include "policy/rate.h"
#include "tunnel/wire_drops.h"
#include "vswitch/capture_ring.h"
#include "vswitch/limits.h"

struct batch;
struct bpf_insn;
struct bridge;
struct rte_mbuf;
struct uplink_queue;
struct vport;
struct wire_frame;
struct worker;

#define CAPTURES_MAX 16 /* at once */

/* The part of a worker's time that all captures have, and how much of it they may save up. */
#define CAPTURE_PERCENT  2
#define CAPTURE_BURST_US 200

enum capture_point {
	CAPTURE_RX,   /* from a guest, or from the wire */
	CAPTURE_TX,   /* into a guest's ring, or to the wire */
	CAPTURE_DROP, /* dropped on its way from there or to there */
};

enum capture_kind {
	CAPTURE_OF_ALL, /* ports and uplinks */
	CAPTURE_OF_PORT,
	CAPTURE_OF_VM,
	CAPTURE_OF_NETWORK,
	CAPTURE_OF_UPLINK,
};

/* A capture as workers see it. Nothing of it changes meanwhile, but for the rings' contents. */
struct capture {
	enum capture_kind kind;
	/* What it is of, by kind. */
	const struct vport *port;
	const struct bridge *bridge;
	uint16_t vm;
	uint16_t device; /* ethdev of the uplink */

	uint32_t points;         /* mask, 1 << CAPTURE_RX and so on */
	uint64_t reasons;        /* mask of the drops of ports' packets that count, 1 << reason, */
	uint64_t wire_reasons;   /* and of drops of packets that came by uplinks */
	uint32_t snaplen;        /* bytes of a packet that are kept */
	struct bpf_insn *filter; /* NULL: all packets; was validated */
	uint32_t reach;          /* bytes that the filter may look at */
	struct capture_ring *ring[MAX_WORKERS];
};
_Static_assert(DROP_COUNT <= 64 && WIRE_DROP_COUNT <= 64, "reasons fit into masks");

/* A worker's captures. */
struct captures {
	uint16_t n;
	uint32_t points; /* of all of them */
	const struct capture *at[CAPTURES_MAX];
	struct rate time; /* in cycles */
};

/* Adds a capture to the worker's, and removes it: afterwards the worker has no pointer to it.
 * `list` is where the worker keeps them, the same for all its captures. [worker] */
void capture_add(struct worker *w, struct captures *list, const struct capture *c);
void capture_remove(struct worker *w, const struct capture *c);

/* What the capture points call; each does nothing without a capture of such packets, but must only
 * be called while the worker has captures. [worker]
 *   capture_batch     packets `first` to b->next, which a port sent
 *   capture_delivered packets that went into a port's ring: all, or those whose result says so
 *   capture_frames    outer frames about to be sent by an uplink
 *   capture_polled    packets that came by an uplink
 *   capture_drop      a packet that the port sent (or was to be sent) and that was dropped
 *   capture_wire_drop one that came by an uplink and was for nobody */
void capture_batch(struct worker *w, const struct batch *b, uint16_t first);
void capture_delivered(struct worker *w, const struct vport *to, struct rte_mbuf *const *m,
		       uint16_t n, const uint8_t *result);
void capture_frames(struct worker *w, const struct uplink_queue *q, struct wire_frame *const *f,
		    uint16_t n);
void capture_polled(struct worker *w, const struct uplink_queue *q, struct rte_mbuf *const *m,
		    uint16_t n);
void capture_drop(struct worker *w, const struct vport *port, bool is_sent, struct rte_mbuf *m,
		  enum drop_reason reason);
void capture_wire_drop(struct worker *w, const struct uplink_queue *q, struct rte_mbuf *m,
		       enum wire_drop reason);

#endif
