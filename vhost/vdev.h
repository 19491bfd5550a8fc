/* SPDX-License-Identifier: BSD-3-Clause */
/* A vhost-user device: one socket, at most one front end, its rings. Its creator chooses its kind
 * (vhost/vdev_net.h).
 *
 * A front end's messages come through the gate (vhost/gate.h), whole, and are checked in full
 * before anything is done: a refused message changes nothing. The vhost library maps the memory
 * (vhost/vhost_lib.h). The rings belong to a worker while they are used. They are changed by one
 * rule: the gate's thread prepares everything, then a function of it runs on the worker between two
 * services (`change`) and does the rest, which is a few stores. So the worker takes no lock and
 * waits for no front end, and no message costs a packet.
 *
 * state        what it means                                   rings with the worker
 * waiting      no front end is connected                       no
 * negotiating  connected, not usable yet                       no
 * up           usable: at least one queue pair of it is        yes
 * down         connected, but the guest stopped its rings      no
 *              or what it takes to have them was refused       no
 *              or a ring is broken, which is not touched       yes
 *              or a ring is not in the memory that is shared   the others                       */
#ifndef VHOST_VDEV_H
#define VHOST_VDEV_H

#include <stdbool.h>
#include <stdint.h>

#define VDEV_TEXT_SIZE 256

enum vdev_state {
#define X(name, text) VDEV_##name,
#include "vhost/vdev_states.def"
#undef X
	VDEV_STATE_COUNT
};

struct vdev;

struct vdev_status {
	enum vdev_state state;
	char text[VDEV_TEXT_SIZE]; /* the state in words, as shown to operators */
	uint64_t since_ns;         /* when the state began, on clock_now_ns() */
	uint64_t features;         /* negotiated virtio feature bits, 0 before */
	uint16_t usable;           /* parts in use: queue pairs of a network device */
	uint16_t mtu;              /* as a network device's front end told it, or 0 */
	bool is_broken;            /* down because of what is in its rings */
	bool is_refused;           /* down because of where its rings are */
	bool has_memory;           /* the front end shared some */
	uint64_t connects;         /* front ends that ever connected */
	uint64_t turned_away;      /* front ends: one was connected, or no descriptor to spare */
	uint64_t refused;          /* messages */
	uint64_t changes;          /* messages that changed what the worker has */
};

/* Disconnects the front end, removes the socket; the worker has no rings after. [control] */
void vdev_destroy(struct vdev *dev);

/* Fills *status. [any] */
void vdev_status(struct vdev *dev, struct vdev_status *status);

/* Marks the device as down because a ring is broken, with the reason in words. The rings must stay
 * with the worker until this returns: the next set of rings is not broken. [control] */
void vdev_set_broken(struct vdev *dev, const char *why);

#endif
