/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver's side of a virtqueue, split or packed (virtio 1.1, 2.6 and 2.7), one step at a time.
 * No DPDK, since front ends in processes of their own use it too. Everything is public, so that a
 * test can also write what no driver would. No function aborts. */
#ifndef FAKE_DRIVER_RING_H
#define FAKE_DRIVER_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/virtio_ring.h>

#include "ring/virtq.h"

struct driver_buf {
	uint64_t gpa;
	uint32_t len;
	bool device_writes;
};

struct driver_ring {
	union {
		struct vring_desc *desc;
		struct vring_packed_desc *pdesc;
	};
	union {
		struct vring_avail *avail;
		struct vring_packed_desc_event *driver;
	};
	union {
		struct vring_used *used;
		struct vring_packed_desc_event *device;
	};
	uint16_t *next; /* the free list, and the links of chains: the shared ones are not read back
			 */
	uint16_t *count; /* ring descriptors of the chain with this id */
	bool packed, event_idx;
	bool avail_wrap, used_wrap; /* packed */
	bool held; /* packed: a descriptor that is not published yet, and its flags */
	uint16_t held_at, held_flags;
	uint16_t size;
	uint16_t n_free;     /* descriptors */
	uint16_t free_id;    /* head of the free list; split: of descriptors, packed: of ids */
	uint16_t avail_at;   /* split: index, published or not; packed: the next slot to fill */
	uint16_t used_at;    /* split: index; packed: the next slot to look at */
	uint16_t event_from; /* split: index at the last question whether to kick */
	uint16_t start;
	int kickfd, callfd; /* eventfds, -1 when there are none */
	uint64_t features;
	size_t bytes; /* of shared memory, from desc on */
};

/* Lays a ring out at `at`, in vring_size(size, align) bytes, empty. `start` is where both sides
 * begin: a split ring's index, or a packed ring's position with the wrap counter in bit 15. 0 or
 * -ENOMEM. */
int driver_ring_init(struct driver_ring *r, void *at, size_t align, uint16_t size,
		     uint64_t features, uint16_t start);

/* Closes its eventfds and frees what is private; the shared memory is the caller's. A struct of
 * zeros may be freed too. */
void driver_ring_free(struct driver_ring *r);

/* Empties a ring in place, as after a reconnect. */
void driver_ring_reset(struct driver_ring *r);

/* The device's configuration for it. */
struct virtq_conf driver_ring_conf(const struct driver_ring *r, const struct guest_mem *mem,
				   int call_fd);

/* Adds a chain of n buffers, which is not visible until driver_ring_publish. Returns its id (split:
 * its head), which comes back from driver_ring_poll, or -ENOSPC. */
int driver_ring_add(struct driver_ring *r, const struct driver_buf *bufs, unsigned n);

/* The same through an indirect table, which it writes at `table`. */
int driver_ring_add_indirect(struct driver_ring *r, void *table, uint64_t table_gpa,
			     const struct driver_buf *bufs, unsigned n);

/* The same with descriptors as they are. A split ring's links count from the head: they mean what
 * they say while the free list is in order, as it is when chains come back one by one. */
int driver_ring_add_raw(struct driver_ring *r, const struct vring_desc *descs, unsigned n);

/* Shows the device all that was added. */
void driver_ring_publish(struct driver_ring *r);

/* True when the device wants a kick for what was published since the last question. */
bool driver_ring_wants_kick(struct driver_ring *r);

/* Writes the kick eventfd, wanted or not. */
void driver_ring_kick(struct driver_ring *r);

/* Takes one used chain: returns its id and its length in *len, -EAGAIN when there is none, -EPROTO
 * when the device returned something that it was not given. */
int driver_ring_poll(struct driver_ring *r, uint32_t *len);

#endif
