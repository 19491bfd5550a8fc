/* SPDX-License-Identifier: BSD-3-Clause */
/* Kinds of vhost-user devices: what differs between a network device and others.
 *
 * A kind is one file, vhost/vdev_<kind>.c: a struct that begins with the struct vdev of
 * vhost/vdev_impl.h, this table, and a function that creates such a device by vdev_open().
 * Messages, the place of rings and the handover to the worker are the same for all kinds, and their
 * code knows none of them. */
#ifndef VHOST_VDEV_KIND_H
#define VHOST_VDEV_KIND_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/virtq.h"
#include "vhost/message.h"
#include "vhost/vdev.h"

/* A ring as the worker is to use it. Without `is_on` the worker does not have the ring, and the
 * other members mean nothing. */
struct vdev_use {
	bool is_on;
	bool is_enabled; /* otherwise it is processed without effects (vhost-user, ring states) */
	int kick_fd, call_fd; /* -1: none */
};

/* The outcome of a message, which decides what the front end is told. */
enum vdev_handled {
	VDEV_REFUSED = -1, /* with *e filled */
	VDEV_DONE,
	VDEV_ANSWER, /* the message now holds the answer */
};

/* What differs. All of it is called on the gate's thread, but `apply` and, within `change`, `queue`
 * on the worker. */
struct vdev_kind {
	const char *driver; /* the guest's, as people call it */

	/* The features of the kind. Those of virtio are a function, since the vhost library's are
	 * known at run time only. */
	uint64_t (*features)(void);
	uint64_t protocol;

	/* The number of rings, from the first, that may be used with the negotiated features. The
	 * front end may set up more. */
	unsigned (*usable_rings)(const struct vdev *dev);

	/* The worker's virtqueue of ring `i`, and virtq_open() for it. Each kind keeps its
	 * virtqueues in structs with what else its worker needs, which `open` prepares too. */
	struct virtq *(*queue)(struct vdev *dev, unsigned i);
	int (*open)(struct vdev *dev, unsigned i, const struct virtq_conf *conf);

	/* The handover: runs fn(arg) on the worker, which then has the rings of dev->use. Returns
	 * when that is done, since what the rings used before is freed then. */
	void (*change)(struct vdev *dev, void (*fn)(void *arg), void *arg);

	/* The end of such an fn, on the worker: sets what the worker reads, from dev->use. Only the
	 * worker may touch that. */
	void (*apply)(struct vdev *dev);

	/* Handles the requests that only this kind has. */
	enum vdev_handled (*request)(struct vdev *dev, struct message *m, struct err *e);

	/* Writes the text for a device that is up. Returns the number of its usable parts, which
	 * becomes vdev_status.usable; with 0 it is not up, and the text is not used. */
	uint16_t (*describe)(struct vdev *dev, char text[VDEV_TEXT_SIZE]);
};

#endif
