/* SPDX-License-Identifier: BSD-3-Clause */
/* A vhost-user device: one socket, at most one front end, its queue pairs.
 *
 * What a front end sends comes through the gate (vhost/gate.h), whole, and is judged in full before
 * anything is done: a message that is refused changes nothing. The vhost library maps its memory
 * (vhost/vhost_lib.h). The rings belong to a worker while they are used; they are changed by one
 * rule: the gate's thread prepares everything, then a function of it runs on the worker between two
 * services
 * (`change`) and does the rest, which is a few stores. So the worker takes no lock and waits for no
 * front end, and a message costs no packet.
 *
 * state        what it means                                   rings with the worker
 * waiting      no front end is connected                       no
 * negotiating  connected, no queue pair is usable yet          no
 * up           at least one queue pair is usable               yes
 * down         connected, but the guest stopped its rings      no
 *              or what it takes to have them was refused       no
 *              or a ring is broken, which is not touched       yes
 *              or a ring is not in the memory that is shared   the others                       */
#ifndef VHOST_VDEV_H
#define VHOST_VDEV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "vhost/gate.h"
#include "vhost/net_ring.h"

#define VDEV_MAX_PAIRS 16
#define VDEV_TEXT_SIZE 256

enum vdev_state {
#define X(name, text) VDEV_##name,
#include "vhost/vdev_states.def"
#undef X
	VDEV_STATE_COUNT
};

struct vdev_conf {
	struct gate_port_conf socket;
	uint16_t max_pairs; /* queue pairs served; a front end is told so, and refused more */
};

/* One queue pair. The worker's, but within `change`. */
struct vdev_pair {
	struct net_ring tx; /* from the guest */
	struct net_ring rx; /* to the guest */
	bool tx_on;         /* tx is to be served */
	bool tx_discard;    /* and what it holds is to be thrown away: the pair is disabled */
	bool rx_on;
	int tx_kick_fd; /* the guest's kicks of tx, -1 when it gave none */
};

struct vdev;

/* Called on the gate's thread; never two at once for one device. */
struct vdev_ops {
	/* Runs fn(arg) on the worker, after which the device has these `n` pairs; 0 for none. They
	 * stay valid until `change` is called again. Returns when it is done. */
	void (*change)(void *ctx, void (*fn)(void *arg), void *arg, struct vdev_pair *pairs,
		       uint16_t n);
	/* The state changed, or its text. Must not call back. Also from vdev_set_broken. */
	void (*changed)(void *ctx, enum vdev_state state, const char *text);
};

struct vdev_status {
	enum vdev_state state;
	char text[VDEV_TEXT_SIZE]; /* the state in words, as shown to operators */
	uint64_t since_ns;         /* when the state began, on clock_now_ns() */
	uint64_t features;         /* negotiated virtio feature bits, 0 before */
	uint16_t pairs;            /* usable queue pairs */
	uint16_t mtu;              /* as the front end told it, 0 if it did not */
	bool is_broken;            /* down because of what is in its rings */
	bool is_refused;           /* down because of where its rings are */
	bool has_memory;           /* the front end shared some */
	uint64_t connects;         /* front ends that ever connected */
	uint64_t turned_away;      /* further front ends while one was connected */
	uint64_t refused;          /* messages */
	uint64_t changes;          /* messages that changed what the worker has */
};

/* Creates the socket and starts serving it. NULL with *e filled when the path cannot be used.
 * [control] */
struct vdev *vdev_create(struct gate *gate, const struct vdev_conf *conf,
			 const struct vdev_ops *ops, void *ctx, struct err *e);

/* Disconnects the front end, removes the socket; the worker has no rings after. [control] */
void vdev_destroy(struct vdev *dev);

/* Fills *status. [any] */
void vdev_status(struct vdev *dev, struct vdev_status *status);

/* Marks the device as down because a ring is broken, with the reason in words. The worker has the
 * rings, and they must stay there until this returns: the next set is not broken. [control] */
void vdev_set_broken(struct vdev *dev, const char *why);

/* The virtio features that are offered, and the protocol's. [any] */
uint64_t vdev_offered_features(void);
uint64_t vdev_offered_protocol(void);

#endif
