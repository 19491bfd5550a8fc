/* SPDX-License-Identifier: BSD-3-Clause */
/* Network devices: queue pairs, which a worker serves. */
#ifndef VHOST_VDEV_NET_H
#define VHOST_VDEV_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vhost/gate.h"
#include "vhost/net_ring.h"
#include "vhost/vdev.h"

enum vdev_net_offloads {
#define X(name, text, features) VDEV_NET_OFFLOADS_##name,
#include "vhost/net_offloads.def"
#undef X
	VDEV_NET_OFFLOADS_COUNT
};

struct vdev_net_conf {
	struct gate_port_conf socket;
	enum vdev_net_offloads offloads;
	uint16_t max_pairs; /* queue pairs served; a front end is told so, and refused more */
};

/* One queue pair. The worker's, except within `change`. */
struct vdev_pair {
	struct net_ring tx; /* from the guest */
	struct net_ring rx; /* to the guest */
	bool tx_on;         /* tx is to be served */
	bool tx_discard;    /* and what it holds is to be dropped: the pair is disabled */
	bool rx_on;
	int tx_kick_fd; /* the guest's kicks of tx, -1 when it gave none */
};

/* Called on the gate's thread, unless it says otherwise; never two at once for one device. */
struct vdev_net_ops {
	/* Runs fn(arg) on the worker, after which the worker has these `n` pairs; 0 for none. They
	 * stay valid until `change` is called again. Returns when it is done. */
	void (*change)(void *ctx, void (*fn)(void *arg), void *arg, struct vdev_pair *pairs,
		       uint16_t n);
	/* The state or its text changed. Must not call back into the device. Also called on the
	 * control thread, by vdev_set_broken() and at creation. */
	void (*changed)(void *ctx, enum vdev_state state, const char *text);
};

/* Creates the socket and starts serving it. NULL with *e filled when the path cannot be used.
 * [control] */
struct vdev *vdev_net_create(struct gate *gate, const struct vdev_net_conf *conf,
			     const struct vdev_net_ops *ops, void *ctx, struct err *e);

/* The name of a virtio-net feature bit as the virtio specification's drivers print it, or NULL.
 * [any] */
const char *vdev_net_feature_text(unsigned bit);

/* What operators call the offloads that a device offers. [any] */
const char *vdev_net_offloads_text(enum vdev_net_offloads offloads);

#endif
