/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver's side of a virtqueue in plain memory: what a guest does with a split or packed ring,
 * one step at a time. Everything is public, so that a test can also write what no driver would.
 *
 * Guest memory is cut into regions with guard bytes around each; they are poisoned under ASan and
 * compared otherwise. */
#ifndef FAKE_DRIVER_RING_H
#define FAKE_DRIVER_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/virtio_ring.h>

#include "ring/guest_mem.h"
#include "ring/virtq.h"

#define DRIVER_GPA   0x100000000ULL /* of the first region */
#define DRIVER_GUARD 4096

struct driver_mem {
	struct guest_mem map;
	uint8_t *all;
	size_t all_size;
	size_t used[GUEST_MEM_MAX_REGIONS];
};

/* n regions of `size` bytes; their guest addresses follow each other. With `adjacent` our addresses
 * do too, so that only the outer ends have guards. */
void driver_mem_init(struct driver_mem *m, unsigned n, size_t size, bool adjacent);
void driver_mem_free(struct driver_mem *m);

/* A piece of region r, zeroed, and its guest address. Aborts when the region is used up. */
void *driver_mem_alloc(struct driver_mem *m, unsigned r, size_t len, size_t align);
uint64_t driver_mem_gpa(const struct driver_mem *m, const void *p);

/* Whether nobody wrote into the guards. */
bool driver_mem_guards_ok(const struct driver_mem *m);

struct driver_buf {
	uint64_t gpa;
	uint32_t len;
	bool device_writes;
};

struct driver_ring {
	bool packed;
	uint16_t size;
	uint64_t features;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	struct vring_packed_desc *pdesc;
	struct vring_packed_desc_event *driver;
	struct vring_packed_desc_event *device;
	struct driver_mem *mem;
	void *tables; /* one indirect table of DRIVER_TABLE entries per id */
	uint16_t start;

	/* What the driver remembers. */
	uint16_t avail_at, used_at;
	bool avail_wrap, used_wrap;
	uint16_t n_free;   /* descriptors */
	uint16_t *free_id; /* split: descriptors; packed: ids; a stack */
	uint16_t n_free_id;
	uint16_t *count; /* ring descriptors of the chain with this id */
	uint16_t *next;  /* split: the driver's own copy of the links */
};

#define DRIVER_TABLE 300

/* Lays a ring out in region 0. `start` is where both sides begin: a split ring's index, or a packed
 * ring's position with the wrap counter in bit 15. */
void driver_ring_init(struct driver_ring *r, struct driver_mem *mem, uint16_t size,
		      uint64_t features, uint16_t start);
void driver_ring_free(struct driver_ring *r);

/* The device's configuration for it. */
struct virtq_conf driver_ring_conf(const struct driver_ring *r, int call_fd);

/* Makes a chain of n buffers available, through an indirect table if asked. Returns its id, or -1
 * when the ring has no room. */
int driver_ring_add(struct driver_ring *r, const struct driver_buf *bufs, unsigned n,
		    bool indirect);

/* Takes the next used chain: true with its id and length. */
bool driver_ring_poll(struct driver_ring *r, uint16_t *id, uint32_t *len);

#endif
