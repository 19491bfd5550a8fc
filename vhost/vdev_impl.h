/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside vhost-user devices: vdev.c (life and state), vdev_protocol.c (messages) and vdev_rings.c
 * (rings and memory), which are the same for all kinds (vhost/vdev_kind.h). All of it runs on the
 * gate's thread, unless it says otherwise. */
#ifndef VHOST_VDEV_IMPL_H
#define VHOST_VDEV_IMPL_H

#include <pthread.h>

#include "base/pace.h"
#include "ring/guest_mem.h"
#include "vhost/gate.h"
#include "vhost/vdev_kind.h"
#include "vhost/vhost_lib.h"

#define VDEV_MAX_RINGS 32

/* A ring as the front end set it up. */
struct vdev_ring {
	uint32_t num;                   /* entries, 0: not told */
	uint16_t last_avail, last_used; /* where to go on, as in virtq_conf */
	bool is_resumed;                /* the two are where we stopped it, not the front end's */
	bool has_addr;
	bool has_moved;             /* got another address since it was opened */
	uint64_t desc, avail, used; /* the front end's addresses */
	bool is_started;
	bool is_enabled;
	bool is_open; /* the worker's virtq is this ring */
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
	uint64_t withheld; /* features that the kind has, but are not offered */
	struct gate_port *port;
	struct ring_place *places; /* positions of packed rings, NULL when they are not kept */

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
	char broken[96];                       /* why a ring is broken, "" when none is */
	char misplaced[VDEV_TEXT_SIZE - 32];   /* why a ring is not where it may be, likewise */
	char last_refused[VDEV_TEXT_SIZE / 2]; /* until such a request is done */
	uint32_t refused_request;
};

/* --- vdev.c --- */

/* Allocates a kind's struct, of `bytes` bytes, zeroed; vdev_open() sets what the kind does not.
 * NULL with *e filled. [control] */
void *vdev_alloc(size_t bytes, struct err *e);

/* Creates the socket and starts serving it. The members of the kind must be set, since a front end
 * may connect at once. Returns the device, or NULL with *e filled and the device freed when the
 * path cannot be used. [control] */
struct vdev *vdev_open(struct vdev *dev, struct gate *gate, const struct gate_port_conf *socket,
		       struct err *e);

/* Determines the device's state, and reports it. */
void vdev_update_state(struct vdev *dev);

/* --- vdev_protocol.c --- */

/* Outcomes of a request: an answer, or a refusal with its reason. */
enum vdev_handled vdev_answer(struct message *m, uint64_t value);
enum vdev_handled vdev_refuse(struct err *e, const char *why);

/* Resets everything that a front end set. The rings must be closed. */
void vdev_forget(struct vdev *dev);

/* Handles a message and answers it. False when the front end is to be hung up, with *e filled. */
bool vdev_message(struct vdev *dev, struct front_end *fe, struct err *e);

/* --- vdev_rings.c --- */

/* Brings the worker's rings in line with what the front end said so far: opens, moves and closes
 * them. */
void vdev_refresh(struct vdev *dev);

/* Maps a new memory table, moves the rings into it, and gives up what was mapped before. Negative
 * with *e filled, and nothing changed, when it cannot be mapped. */
int vdev_set_memory(struct vdev *dev, const struct message *m, struct err *e);

/* Closes one ring, and notes where it stands. */
void vdev_stop_ring(struct vdev *dev, unsigned i);

/* Closes all rings and gives the memory up. */
void vdev_stop(struct vdev *dev);

/* Checks that the descriptor is an eventfd: any other could make a worker wait, or could not be
 * waited for. Negative with *e filled. */
int vdev_check_eventfd(unsigned ring, const char *what, int fd, struct err *e);

#endif
