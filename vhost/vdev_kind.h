/* SPDX-License-Identifier: BSD-3-Clause */
/* Kinds of vhost-user devices: what differs between a network device and others.
 *
 * A kind is one file, vhost/vdev_<kind>.c: a struct that begins with the struct vdev of
 * vhost/vdev_impl.h, this table, and a function that creates such a device by vdev_open(). What
 * front ends say, where rings lie and when the worker's rings change is the same for all kinds, and
 * the code for it knows none of them. */
#ifndef VHOST_VDEV_KIND_H
#define VHOST_VDEV_KIND_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/virtq.h"
#include "vhost/message.h"
#include "vhost/vdev.h"

/* A ring as the worker is to use it. Nothing but `is_on` means anything while that is false, for
 * then the worker does not have the ring. */
struct vdev_use {
	bool is_on;
	bool is_enabled; /* otherwise it is served, without effects (vhost-user, ring states) */
	int kick_fd, call_fd; /* -1: none */
};

/* What became of a message. It says what the front end is told. */
enum vdev_handled {
	VDEV_REFUSED = -1, /* with *e filled */
	VDEV_DONE,
	VDEV_ANSWER, /* the message is the answer now */
};

/* What differs. All of it is the gate's thread's, but for `apply`. */
struct vdev_kind {
	const char *driver; /* the guest's, as people call it */

	/* The features that there are. Those of virtio are a function, for what the vhost library
	 * has is known at run time only. */
	uint64_t (*features)(void);
	uint64_t protocol;

	/* The number of rings, from the first, that may be used. It depends on what was agreed on:
	 * the front end may tell of more. */
	unsigned (*usable_rings)(const struct vdev *dev);

	/* The worker's virtqueue of ring `i`, and virtq_open for it. Each kind keeps virtqueues
	 * among what else its worker needs, and prepares that when a ring is opened. */
	struct virtq *(*queue)(struct vdev *dev, unsigned i);
	int (*open)(struct vdev *dev, unsigned i, const struct virtq_conf *conf);

	/* The handover: fn(arg) runs on the worker, which then has the rings that dev->use says. It
	 * is done when this returns, for what the rings were before is then freed. */
	void (*change)(struct vdev *dev, void (*fn)(void *arg), void *arg);

	/* The end of such an fn, on the worker: what the worker reads is set by dev->use. Nobody
	 * else may touch it, so it is not done before. */
	void (*apply)(struct vdev *dev);

	/* The requests that only this kind has. A request that all kinds have does not come here.
	 */
	enum vdev_handled (*request)(struct vdev *dev, struct message *m, struct err *e);

	/* The words for a device that is up, and the number of its usable parts, which is what
	 * vdev_status.pairs is. With 0 the words are not used, for it is not up. */
	uint16_t (*describe)(struct vdev *dev, char text[VDEV_TEXT_SIZE]);
};

#endif
