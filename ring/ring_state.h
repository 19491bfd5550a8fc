/* SPDX-License-Identifier: BSD-3-Clause */
/* Where packed rings stand, kept in a file over the daemon's death.
 *
 * A split ring says itself how far its device came (used->idx). A packed ring does not (virtio 1.1,
 * 2.7), and QEMU repeats the position that it gave at first when it connects again. So the workers
 * note positions in a file that is mapped: a write of theirs is in it at once, also when they are
 * killed right after. */
#ifndef RING_RING_STATE_H
#define RING_RING_STATE_H

#include <stdint.h>

#include "base/err.h"
#include "ring/virtq.h"

#define RING_STATE_RINGS 32 /* of a port */

/* Maps the file, making it where it is missing or of another layout. Without it nothing is kept and
 * ring_state_of answers NULL. Negative errno with *e filled. [control, once] */
int ring_state_open(const char *path, struct err *e);

/* Claims the places of the rings of the device at `socket`, RING_STATE_RINGS of them, kept since
 * whenever; empty ones where it has none, those of a device that is gone where the file is full.
 * NULL when nothing is kept or all are claimed. [control] */
struct ring_place *ring_state_claim(const char *socket);

/* Gives places back; they stay as they are, for the day when that socket is served again. NULL is
 * fine. [control] */
void ring_state_release(struct ring_place *places);

/* Puts into *conf where a packed ring goes on: as kept, if this is the ring that was left,
 * otherwise as *conf says. Notes the choice, and has the ring keep its place from now on. NULL and
 * split rings are left alone. [vhost] */
void ring_state_resume(struct ring_place *place, struct virtq_conf *conf);

#endif
