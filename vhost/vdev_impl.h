/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside vhost-user devices: vdev.c (life and state), vdev_protocol.c (what a front end says) and
 * vdev_rings.c (what becomes of its rings), which are the same for all kinds (vhost/vdev_kind.h).
 * All of it is the gate's thread's, but where it says otherwise. */
#ifndef VHOST_VDEV_IMPL_H
#define VHOST_VDEV_IMPL_H

#include <pthread.h>

#include "base/pace.h"
#include "ring/guest_mem.h"
#include "vhost/gate.h"
#include "vhost/vdev_kind.h"
#include "vhost/vhost_lib.h"

#define VDEV_MAX_RINGS 32

/* A ring as the front end told of it. */
struct vdev_ring {
	uint32_t num;                   /* entries, 0: not told */
	uint16_t last_avail, last_used; /* where to go on, as in virtq_conf */
	bool is_resumed; /* these are where we left it, not what the front end said */
	bool has_addr;
	bool has_moved;             /* told of another address since it was opened */
	uint64_t desc, avail, used; /* the front end's addresses */
	bool is_started;
	bool is_enabled;
	bool is_open; /* the worker's virtq is this ring, or was when it was closed */
	int kick_fd, call_fd;
};

/* The beginning of each kind's struct, so that a kind finds its own from it. */
struct vdev {
	/* Set by the kind. */
	const struct vdev_kind *kind;
	unsigned n_rings;
	void (*changed)(void *ctx, enum vdev_state state, const char *text);
	void *ctx;

	struct gate_port_conf socket;
	uint64_t withheld; /* features that are not offered, beside those that the kind has not */
	struct gate_port *port;
	struct ring_place *places; /* where packed rings stand, NULL when nobody keeps that */

	bool is_connected;
	bool was_up; /* since it connected */
	uint64_t features;
	bool has_features;
	uint64_t protocol;
	uint8_t driver_status; /* virtio 1.1, 2.1 */
	struct vdev_ring ring[VDEV_MAX_RINGS];
	struct vhost_lib *lib; /* NULL: no memory */
	struct vhost_lib_memory memory;
	struct guest_mem mem[2]; /* of the library's device now, and of the one before */
	unsigned mem_now;
	struct vdev_use use[VDEV_MAX_RINGS]; /* what the worker was told last */

	pthread_mutex_t lock; /* of what follows */
	struct vdev_status status;
	struct pace log_pace;                  /* refusals in the log */
	char broken[96];                       /* by what is in a ring */
	char misplaced[VDEV_TEXT_SIZE - 32];   /* ring, and why */
	char last_refused[VDEV_TEXT_SIZE / 2]; /* until such a request is done */
	uint32_t refused_request;
};

/* --- vdev.c --- */

/* A kind's struct of so many bytes, all of it zero: what the kind leaves is vdev_open()'s. NULL
 * with *e filled. [control] */
void *vdev_alloc(size_t bytes, struct err *e);

/* Creates the socket and starts serving it. What the kind sets must be set, for the front end may
 * come at once. Returns the device, or NULL with *e filled and the device freed when the path
 * cannot be used. [control] */
struct vdev *vdev_open(struct vdev *dev, struct gate *gate, const struct gate_port_conf *socket,
		       struct err *e);

/* Finds out what state the device is in, and tells it. */
void vdev_update_state(struct vdev *dev);

/* --- vdev_protocol.c --- */

/* What a request comes to: an answer, or a refusal with the reason. */
enum vdev_handled vdev_answer(struct message *m, uint64_t value);
enum vdev_handled vdev_refuse(struct err *e, const char *why);

/* Forgets everything that a front end said. The rings must be closed. */
void vdev_forget(struct vdev *dev);

/* Handles a message and answers it. False when the front end is to be hung up, with *e filled. */
bool vdev_message(struct vdev *dev, struct front_end *fe, struct err *e);

/* --- vdev_rings.c --- */

/* Brings the worker's rings in line with what the front end said so far: opens, moves and closes
 * them. */
void vdev_refresh(struct vdev *dev);

/* Takes over a new memory table; the rings move into it. What was mapped before is given up.
 * Negative with *e filled, and nothing changed, where it cannot be mapped. */
int vdev_set_memory(struct vdev *dev, const struct message *m, struct err *e);

/* Closes one ring, and notes where it stands. */
void vdev_stop_ring(struct vdev *dev, unsigned i);

/* Closes all rings and gives the memory up. */
void vdev_stop(struct vdev *dev);

/* Whether a worker could wait for the descriptor, or be made to wait by it. */
int vdev_check_eventfd(unsigned ring, const char *what, int fd, struct err *e);

#endif
