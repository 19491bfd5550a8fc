/* SPDX-License-Identifier: BSD-3-Clause */
/* The device's side of a virtqueue, split or packed (virtio 1.1, 2.6 and 2.7), of any kind of
 * device. What its chains mean is the kind's: for network devices see vhost/net_ring.h.
 *
 * One thread owns a ring at a time; nothing here locks, sleeps or allocates. The guest is not
 * trusted: whatever stands in shared memory is read once, checked, and then used. A ring whose
 * state makes no sense is marked broken and not touched again until it is opened anew.
 *
 * Work becomes visible to the guest with virtq_publish, not before. */
#ifndef RING_VIRTQ_H
#define RING_VIRTQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ring/guest_mem.h"

#define VIRTQ_MAX_SIZE  32768
#define VIRTQ_MAX_CHAIN 257 /* descriptors of one chain: 256 and one for a header */

enum virtq_break {
#define X(name, text) VIRTQ_BREAK_##name,
#include "ring/virtq_breaks.def"
#undef X
	VIRTQ_BREAK_COUNT
};

/* Where a packed ring stands, in memory that outlives the daemon (ring/ring_state.h). Positions are
 * avail | used << 16, both as in virtq_conf. One writer at a time: who owns the ring.
 */
struct ring_place {
	uint32_t is_valid;
	uint32_t given; /* where the front end had the ring begin */
	uint32_t at;    /* what the guest has seen */
	uint32_t next; /* what it is about to see; differs from `at` only inside of virtq_publish */
};

struct virtq_conf {
	void *desc;  /* split: descriptor table; packed: the ring */
	void *avail; /* split: available ring; packed: driver event suppression */
	void *used;  /* split: used ring; packed: device event suppression */
	uint16_t size;
	uint16_t last_avail; /* where to go on; packed: bit 15 is the wrap counter */
	uint16_t last_used;
	int call_fd; /* the guest's notification eventfd, -1 when there is none */
	uint64_t features;
	const struct guest_mem *mem; /* must outlive the ring's use */
	struct ring_place *place;    /* where a packed ring notes how far it came, or NULL */
};

/* struct vring is the kernel's name, in <linux/virtio_ring.h>. */
struct virtq {
	/* Set by virtq_open. */
	union {
		struct vring_desc *desc;
		struct vring_packed_desc *packed_desc;
	};
	union {
		struct vring_avail *avail;
		struct vring_packed_desc_event *driver_event;
	};
	union {
		struct vring_used *used;
		struct vring_packed_desc_event *device_event;
	};
	const uint16_t *avail_idx; /* split: the guest's index; packed: flags of descriptor 0 */
	uint16_t size;
	bool packed;
	bool indirect;
	bool event_idx;
	uint8_t broken; /* enum virtq_break; other threads may read it */

	/* Where the owner stands. */
	bool avail_wrap; /* packed */
	uint16_t avail_at;
	uint16_t avail_seen; /* split: the guest's index as last read */
	uint16_t used_at;
	bool used_wrap;   /* packed */
	bool event_valid; /* the guest's event index was compared once since virtq_open */
	bool notifies;    /* the guest wanted the last notification that was due */
	uint16_t held_at; /* packed: the first used descriptor not yet published, and its flags */
	uint16_t held_flags;
	uint32_t unpublished; /* ring slots used since the last virtq_publish */
	uint32_t unnotified;  /* ring slots published since the last virtq_notify */
	int call_fd;
	struct ring_place *place;
	struct guest_region near; /* of the last address looked up */
	const struct guest_mem *mem;
	uint64_t features;
};

/* Starts using a ring whose parts are mapped. -EINVAL when it cannot be one (size, alignment, a
 * call descriptor that is no eventfd), -ENOTSUP with VIRTIO_F_ACCESS_PLATFORM or VHOST_F_LOG_ALL.
 * Takes no ownership of anything: a ring needs no closing. [control, vhost] */
int virtq_open(struct virtq *q, const struct virtq_conf *conf);

/* Changes where the guest is notified; -1: nowhere. An eventfd, or -1. [owner] */
void virtq_set_call(struct virtq *q, int call_fd);

/* Moves an open ring into other memory: its parts, which conf says, and what it may point to. It
 * goes on where it stands. [owner] */
void virtq_move(struct virtq *q, const struct virtq_conf *conf);

/* Takes a ring out of service: its memory is not there any more. [owner] */
void virtq_lose(struct virtq *q);

/* Where a later virtq_open can go on, in the form of virtq_conf. Complete the ring first. [any
 * owner] */
void virtq_get_base(const struct virtq *q, uint16_t *last_avail, uint16_t *last_used);

/* Why the ring is broken, VIRTQ_BREAK_NONE (0) when it is not; and names. [any] */
enum virtq_break virtq_broken(const struct virtq *q);
const char *virtq_broken_text(enum virtq_break reason);

/* Shows the guest what was done since the last call. True when virtq_notify has become due: the
 * guest may wait for a notification. [worker] */
bool virtq_publish(struct virtq *q);

/* Notifies the guest if it wants that for what was published since the last call. There must have
 * been a full memory fence (virtq_fence) after virtq_publish; one serves for any number of rings,
 * and costs the less the later it comes. True when a system call was made. Never blocks. [worker]
 */
bool virtq_notify(struct virtq *q);

/* The guest writes what it waits for, then looks at the ring; we write the ring, then look at what
 * it waits for. */
static inline void virtq_fence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* All three. [worker] */
bool virtq_complete(struct virtq *q);

/* Whether what is published next will probably cost a system call: the guest wanted its last
 * notification, and none is due yet. [worker] */
static inline bool virtq_would_notify(const struct virtq *q)
{
	return q->notifies && q->unnotified == 0;
}

/* Asks the guest to notify us of new chains, or not to. With on, true when there is something in
 * the ring already: the caller must not sleep then, for no kick is due. [worker] */
bool virtq_kick_enable(struct virtq *q, bool on);

#define VIRTQ_PACKED_USED_AVAIL (1u << 15 | 1u << 7) /* flags; available: they differ */

/* More than 0 when the ring holds chains that were not taken (split: their number). [worker] */
static inline uint32_t virtq_pending(const struct virtq *q)
{
	uint16_t flags;

	if (__builtin_expect(q->broken, 0))
		return 0;
	if (!q->packed)
		return (uint16_t)(__atomic_load_n(q->avail_idx, __ATOMIC_RELAXED) - q->avail_at);
	flags = __atomic_load_n(q->avail_idx + q->avail_at * 8u, __ATOMIC_RELAXED);
	return (flags & VIRTQ_PACKED_USED_AVAIL) == (q->avail_wrap ? 1u << 7 : 1u << 15);
}

#endif
