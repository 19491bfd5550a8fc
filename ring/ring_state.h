/* SPDX-License-Identifier: BSD-3-Clause */
/* Positions of packed rings, kept in a file across the daemon's death.
 *
 * A split ring contains the device's position (used->idx). A packed ring does not (virtio 1.1,
 * 2.7), and QEMU repeats the position that it gave at first when it connects again. So workers note
 * positions in a file that is mapped shared: what they wrote is in it even if they are killed right
 * after. */
#ifndef RING_RING_STATE_H
#define RING_RING_STATE_H

#include <stdint.h>

#include "base/err.h"
#include "ring/virtq.h"

#define RING_STATE_RINGS 32 /* rings of a port */

/* Maps the file, and creates it anew if it is missing or has another layout. Unless this was done,
 * nothing is kept and ring_state_claim returns NULL. Negative errno with *e filled. [control,
 * once] */
int ring_state_open(const char *path, struct err *e);

/* Claims the places of the RING_STATE_RINGS rings of the device at `socket`: those kept for that
 * socket, however old, else empty ones. When the file is full, these replace those of a device that
 * is gone. NULL when nothing is kept or all are claimed. [control] */
struct ring_place *ring_state_claim(const char *socket);

/* Releases places. Their content is kept until that socket is served again. NULL is fine.
 * [control] */
void ring_state_release(struct ring_place *places);

/* Sets the position in *conf at which a packed ring resumes: the one kept, if this is the same
 * ring, else the one already in *conf. Notes it in *place, and makes the ring note its position
 * there from now on. Does nothing for NULL and for split rings. [vhost] */
void ring_state_resume(struct ring_place *place, struct virtq_conf *conf);

#endif
