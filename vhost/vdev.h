/* SPDX-License-Identifier: BSD-3-Clause */
/* A vhost-user device: one socket, at most one front end, its queue pairs.
 *
 * DPDK's vhost library does the socket, the protocol and the mapping of guest memory, on its own
 * event thread. The rings themselves belong to a worker (vhost/vring.h). Between the two stands one
 * rule: the library's thread asks the worker to let go (`pause`) before it handles a message that
 * could change memory, rings or file descriptors, and hands a fresh set over (`resume`) after it.
 * So a worker takes no lock of the library's and never waits for a device's control plane.
 *
 * state        what it means                                   rings with the worker
 * waiting      no front end is connected                       no
 * negotiating  connected, no queue pair is usable yet          no
 * up           at least one queue pair is usable               yes
 * down         connected, but the guest stopped its rings      no
 *              or a ring is broken, which is not touched       yes
 *              or the memory it shared is not there            no                              */
#ifndef VHOST_VDEV_H
#define VHOST_VDEV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "vhost/vring.h"

#define VDEV_MAX_PAIRS 16
#define VDEV_PATH_SIZE 108 /* sun_path's size */
#define VDEV_TEXT_SIZE 192

enum vdev_state {
#define X(name, text) VDEV_##name,
#include "vhost/vdev_states.def"
#undef X
	VDEV_STATE_COUNT
};

struct vdev_conf {
	char path[VDEV_PATH_SIZE];
	bool is_client;     /* connect to the front end's socket, rather than listen on ours */
	uid_t owner;        /* of the socket when listening; (uid_t)-1 leaves it */
	gid_t group;        /* likewise */
	mode_t mode;        /* likewise; 0 leaves it */
	uint16_t max_pairs; /* queue pairs served; a front end that enables more gets the rest
			       ignored */
};

/* One queue pair. Touched by the worker alone from `resume` to `pause`. */
struct vdev_pair {
	struct virtq tx; /* from the guest */
	struct virtq rx; /* to the guest */
	bool tx_on;
	bool rx_on;
	int tx_kick_fd; /* the guest's kicks of tx, -1 when it gave none */
};

struct vdev;

/* Called on the vhost library's thread or, from vdev_destroy and vdev_set_broken, on the control
 * thread; never by two threads at once for one device. */
struct vdev_ops {
	/* Returns once no worker touches the pairs any more. */
	void (*pause)(void *ctx);
	/* Hands `n` pairs to the worker; they stay valid until `pause` has returned. */
	void (*resume)(void *ctx, struct vdev_pair *pairs, uint16_t n);
	/* The state or its text changed. Must not call back. */
	void (*changed)(void *ctx, enum vdev_state state, const char *text);
};

struct vdev_status {
	enum vdev_state state;
	char text[VDEV_TEXT_SIZE]; /* the state in words, as shown to operators */
	uint64_t features;         /* negotiated virtio feature bits, 0 before */
	uint16_t pairs;            /* usable queue pairs */
	uint16_t mtu;              /* as the front end told it, 0 if it did not */
	bool is_broken;            /* down because of what is in its rings or memory */
	uint64_t connects;         /* front ends that ever connected */
	uint64_t refused;          /* further front ends turned away while one was connected */
	uint64_t messages; /* vhost-user messages that made the worker let go of the rings */
};

/* Creates the socket and starts serving it. NULL with *e filled when the path cannot be used. A
 * socket file that nobody listens on any more is replaced. [control] */
struct vdev *vdev_create(const struct vdev_conf *conf, const struct vdev_ops *ops, void *ctx,
			 struct err *e);

/* Disconnects the front end, removes the socket; `pause` is called first where needed. [control] */
void vdev_destroy(struct vdev *dev);

/* Fills *status. [any] */
void vdev_status(struct vdev *dev, struct vdev_status *status);

/* Marks the device as down because a ring is broken, with the reason in words. The worker has the
 * rings, and they must stay there until this returns: the next set is not broken. [control] */
void vdev_set_broken(struct vdev *dev, const char *why);

#endif
