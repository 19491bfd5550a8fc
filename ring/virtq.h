/* SPDX-License-Identifier: BSD-3-Clause */
/* The device's side of a virtqueue, split or packed (virtio 1.1, 2.6 and 2.7), of any kind of
 * device. The content of its chains is defined by the kind: for network devices see
 * vhost/net_ring.h.
 *
 * One thread owns a ring at a time; nothing here locks, sleeps or allocates. The guest is not
 * trusted: shared memory is read once, checked, and then used. A ring in an inconsistent state is
 * marked broken and not touched again until it is opened anew.
 *
 * Used descriptors become visible to the guest by virtq_publish, not before. */
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

/* The position of a packed ring, in memory that outlives the daemon (ring/ring_state.h). Positions
 * are avail | used << 16, both as in virtq_conf. One writer at a time: the ring's owner. */
struct ring_place {
	uint32_t is_valid;
	uint32_t given; /* the position that the front end gave */
	uint32_t at;    /* the position that the guest has seen */
	uint32_t next; /* the one being published; differs from `at` only inside of virtq_publish */
};

struct virtq_conf {
	void *desc;  /* split: descriptor table; packed: the ring */
	void *avail; /* split: available ring; packed: driver event suppression */
	void *used;  /* split: used ring; packed: device event suppression */
	uint16_t size;
	uint16_t last_avail; /* where to resume; packed: bit 15 is the wrap counter */
	uint16_t last_used;
	int call_fd; /* the guest's notification eventfd, -1 when there is none */
	uint64_t features;
	const struct guest_mem *mem; /* must outlive the ring's use */
	struct ring_place *place;    /* where a packed ring notes its position, or NULL */
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

	/* The owner's position. */
	bool avail_wrap; /* packed */
	uint16_t avail_at;
	uint16_t avail_seen; /* split: the guest's index as last read */
	uint16_t used_at;
	bool used_wrap;   /* packed */
	bool event_valid; /* the guest's event index was compared once since virtq_open */
	bool notifies;    /* the guest wanted a notification the last time that one was due */
	uint16_t held_at; /* packed: the first unpublished used descriptor, and its flags */
	uint16_t held_flags;
	uint32_t unpublished; /* ring slots used since the last virtq_publish */
	uint32_t unnotified;  /* ring slots published since the last virtq_notify */
	int call_fd;
	struct ring_place *place;
	struct guest_region near; /* region of the last address looked up */
	const struct guest_mem *mem;
	uint64_t features;
};

/* Starts using a ring whose parts are mapped. -EINVAL for an invalid ring (size, alignment, a call
 * descriptor that is no eventfd), -ENOTSUP with VIRTIO_F_ACCESS_PLATFORM or VHOST_F_LOG_ALL. Takes
 * no ownership of anything: a ring needs no closing. [control, vhost] */
int virtq_open(struct virtq *q, const struct virtq_conf *conf);

/* Changes the eventfd by which the guest is notified; -1: none. It must be an eventfd. [owner] */
void virtq_set_call(struct virtq *q, int call_fd);

/* Moves an open ring to other addresses: those of its parts, and the guest memory that it may point
 * to, are taken from conf. Its position is kept. [owner] */
void virtq_move(struct virtq *q, const struct virtq_conf *conf);

/* Marks a ring as broken because its memory is not there any more. [owner] */
void virtq_lose(struct virtq *q);

/* The position at which a later virtq_open can resume, in the form of virtq_conf. Complete the ring
 * first. [any owner] */
void virtq_get_base(const struct virtq *q, uint16_t *last_avail, uint16_t *last_used);

/* Why the ring is broken, VIRTQ_BREAK_NONE (0) when it is not; and the text for a reason. [any] */
enum virtq_break virtq_broken(const struct virtq *q);
const char *virtq_broken_text(enum virtq_break reason);

/* Makes the chains used since the last call visible to the guest. True when virtq_notify has become
 * due: the guest may wait for a notification. [worker] */
bool virtq_publish(struct virtq *q);

/* Notifies the guest of what was published since the last call, unless the guest suppresses that.
 * There must have been a full memory fence (virtq_fence) after virtq_publish; one serves for any
 * number of rings, and the later it comes, the less it costs. True when a system call was made.
 * Never blocks. [worker] */
bool virtq_notify(struct virtq *q);

/* The fence between writing the ring and reading the driver's notification suppression. The guest
 * has one between writing its suppression and reading the ring, so one of both sees the other's
 * write. */
static inline void virtq_fence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Publishes, fences and notifies. [worker] */
bool virtq_complete(struct virtq *q);

/* Whether the next publication will probably cost a system call: the guest wanted its last
 * notification, and none is due yet. [worker] */
static inline bool virtq_would_notify(const struct virtq *q)
{
	return q->notifies && q->unnotified == 0;
}

/* Enables or suppresses the guest's notifications of new chains (kicks). When enabling them, true
 * if chains are available already: the caller must not sleep then, for no kick will come for them.
 * [worker] */
bool virtq_kick_enable(struct virtq *q, bool on);

#define VIRTQ_PACKED_USED_AVAIL (1u << 15 | 1u << 7) /* flags; available if they differ */

/* Whether the descriptor at a place in a packed ring is available in the round `wrap`. [worker] */
static inline bool virtq_is_available(const struct virtq *q, uint32_t at, bool wrap)
{
	uint16_t flags = __atomic_load_n(q->avail_idx + at * 8u, __ATOMIC_RELAXED);

	return (flags & VIRTQ_PACKED_USED_AVAIL) == (wrap ? 1u << 7 : 1u << 15);
}

/* More than 0 when the ring holds available chains that were not taken (split: their number).
 * [worker] */
static inline uint32_t virtq_pending(const struct virtq *q)
{
	if (__builtin_expect(q->broken, 0))
		return 0;
	if (!q->packed)
		return (uint16_t)(__atomic_load_n(q->avail_idx, __ATOMIC_RELAXED) - q->avail_at);
	return virtq_is_available(q, q->avail_at, q->avail_wrap);
}

/* Whether `n` chains are available that were not taken, n > 0. In packed rings this is a guess: it
 * looks at descriptors, of which a chain may have several. [worker] */
static inline bool virtq_has(const struct virtq *q, uint16_t n)
{
	uint32_t at = (uint32_t)q->avail_at + n - 1;

	if (!q->packed || q->broken || n > q->size)
		return n <= q->size && virtq_pending(q) >= n;
	return at < q->size ? virtq_is_available(q, at, q->avail_wrap)
			    : virtq_is_available(q, at - q->size, !q->avail_wrap);
}

#endif
