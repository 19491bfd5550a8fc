/* SPDX-License-Identifier: BSD-3-Clause */
/* DPDK's vhost library behind the gate.
 *
 * The library negotiates with front ends and maps their memory, and trusts them in both. It handles
 * messages that were never negotiated, and a memory table that it cannot map leaves its device half
 * dismantled. So no front end talks to it. For each memory table that passed our checks, a new
 * device of the library is brought up: we play its front end over a socket of our own, with the
 * negotiated features and that table. The device before is given up only when the new one has
 * mapped all of it, so a table that fails changes nothing. The library is not told of rings: their
 * place and size are checked, and kept, by vhost/vdev_rings.c. */
#ifndef VHOST_VHOST_LIB_H
#define VHOST_VHOST_LIB_H

#include <stdint.h>

#include "base/err.h"
#include "vhost/message.h"

struct vhost_lib;

struct vhost_lib_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t user; /* in the front end's address space */
	uint8_t *hva;  /* in ours */
	void *mapped;  /* its mapping, which begins at the file's beginning */
	uint64_t mapped_size;
	int fd; /* the library's */
};

struct vhost_lib_memory {
	uint32_t n;
	struct vhost_lib_region region[MESSAGE_MAX_REGIONS];
};

/* Creates the socket between the library and us, beside `path`; its file is unlinked again.
 * Negative with *e filled. [control, once, after EAL] */
int vhost_lib_init(const char *path, struct err *e);
void vhost_lib_uninit(void);

/* The virtio features that the library offers to net devices. [any] */
uint64_t vhost_lib_net_features(void);

/* Brings up a device with these features and the memory table *m, whose descriptors stay the
 * caller's. Fills *memory. NULL with *e filled when the library refuses. Waits for the library's
 * thread. [gate] */
struct vhost_lib *vhost_lib_open(uint64_t features, const struct message *m,
				 struct vhost_lib_memory *memory, struct err *e);

/* Gives the device up and unmaps its memory. NULL is fine. [gate] */
void vhost_lib_close(struct vhost_lib *lib);

#endif
