/* SPDX-License-Identifier: BSD-3-Clause */
/* The device's side of a virtqueue, split or packed (virtio 1.1, 2.6 and 2.7): the rings
 * themselves, between a guest and mbufs.
 *
 * One thread owns a ring at a time; nothing here locks, sleeps or allocates, but for mbufs. The
 * guest is not trusted: whatever stands in shared memory is read once, checked, and then used. A
 * malformed chain is given back to the guest and counted; a ring whose state makes no sense is
 * marked broken and not touched again until it is opened anew.
 *
 * Work becomes visible to the guest with vring_publish, not before. */
#ifndef VHOST_VRING_H
#define VHOST_VRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vhost/guest_mem.h"

struct ring_place;
struct rte_mbuf;
struct rte_mempool;
struct vring_deadline;
struct vring_loan;

#define VRING_MAX_SIZE     32768
#define VRING_MAX_BURST    64  /* packets that one call takes at most */
#define VRING_MAX_CHAIN    257 /* descriptors of one packet: 256 and one for the header */
#define VRING_MAX_TOIL     512 /* descriptors of packets placed one by one, after which a call ends */
#define VRING_MISSING_TOIL VRING_MAX_TOIL /* of a ring that met a page which was not there */
#define VRING_MAX_PACKET \
	(65535 + 40 + 14 + 8) /* IPv6 without jumbograms, Ethernet, two VLAN tags */

enum vring_drop {
#define X(name, text) VRING_DROP_##name,
#include "vhost/vring_drops.def"
#undef X
	VRING_DROP_COUNT
};

enum vring_fate {
#define X(name, text) VRING_##name,
#include "vhost/vring_fates.def"
#undef X
	VRING_FATE_COUNT
};

enum vring_break {
#define X(name, text) VRING_BREAK_##name,
#include "vhost/vring_breaks.def"
#undef X
	VRING_BREAK_COUNT
};

struct vring_conf {
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

/* What one call of vring_dequeue may take. A packet that was begun is finished, and one is always
 * taken, so a call overruns by one packet at most. */
struct vring_limits {
	uint16_t packets; /* malformed chains count */
	uint32_t bytes;
	uint32_t descs;
	struct vring_deadline *deadline; /* NULL: none */
};

/* What was done; calls add to it. Chains consumed == packets returned + sum(drops). */
struct vring_work {
	uint32_t descs;   /* descriptors walked, those of indirect tables included */
	uint32_t bytes;   /* copied */
	uint32_t no_mbuf; /* calls that the empty pool stopped: the chain stays in the ring */
	uint32_t drops[VRING_DROP_COUNT];
};

/* struct vring is the kernel's name, in <linux/virtio_ring.h>. */
struct virtq {
	/* Set by vring_open. */
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
	uint8_t hdr_len; /* of the virtio_net_hdr */
	bool packed;
	bool mergeable;
	bool indirect;
	bool event_idx;
	bool reads_hdr; /* the guest may ask for offloads in the headers that it sends */
	uint8_t broken; /* enum vring_break; other threads may read it */

	/* Where the owner stands. */
	bool avail_wrap; /* packed */
	uint16_t avail_at;
	uint16_t avail_seen; /* split: the guest's index as last read */
	uint16_t used_at;
	bool used_wrap;   /* packed */
	bool event_valid; /* the guest's event index was compared once since vring_open */
	bool notifies;    /* the guest wanted the last notification that was due */
	uint16_t held_at; /* packed: the first used descriptor not yet published, and its flags */
	uint16_t held_flags;
	uint16_t toil; /* how laborious the ring was of late: descriptors of the packet last placed
			  by itself beyond one for each 512 bytes; VRING_MISSING_TOIL when one met
			  a page that was not there; halved by each call */
	uint32_t unpublished; /* ring slots used since the last vring_publish */
	uint32_t unnotified;  /* ring slots published since the last vring_notify */
	int call_fd;
	struct ring_place *place;
	struct guest_region near; /* of the last address looked up */
	const struct guest_mem *mem;
	uint64_t features;
};

/* Starts using a ring whose parts are mapped. -EINVAL when it cannot be one (size, alignment, a
 * call descriptor that is no eventfd), -ENOTSUP with VIRTIO_F_ACCESS_PLATFORM or VHOST_F_LOG_ALL.
 * Takes no ownership of anything: a ring needs no closing. [control, vhost] */
int vring_open(struct virtq *q, const struct vring_conf *conf);

/* Changes where the guest is notified; -1: nowhere. An eventfd, or -1. [owner] */
void vring_set_call(struct virtq *q, int call_fd);

/* Moves an open ring into other memory: its parts, which conf says, and what it may point to. It
 * goes on where it stands. [owner] */
void vring_move(struct virtq *q, const struct vring_conf *conf);

/* Takes a ring out of service: its memory is not there any more. [owner] */
void vring_lose(struct virtq *q);

/* Where a later vring_open can go on, in the form of vring_conf. Complete the ring first. [any
 * owner] */
void vring_get_base(const struct virtq *q, uint16_t *last_avail, uint16_t *last_used);

/* Why the ring is broken, VRING_BREAK_NONE (0) when it is not; and names. [any] */
enum vring_break vring_broken(const struct virtq *q);
const char *vring_broken_text(enum vring_break reason);
const char *vring_fate_text(enum vring_fate fate);
const char *vring_drop_text(enum vring_drop drop);

/* Takes packets that the guest sent, within the limits (limits->packets may exceed VRING_MAX_BURST,
 * pkts needs no more room than that). Packets in a few pieces that ask for nothing are
 * lent (vhost/vring_loan.h) if there is a loan, which must have been settled; all others are copied
 * to mbufs from the pool, of POOL_MBUF_ROOM, which are the caller's. ol_flags and tx_offload
 * follow vhost/net_hdr.h. Malformed chains are dropped and counted in *work. Returns the number of
 * packets. [worker] */
uint16_t vring_dequeue(struct virtq *q, struct rte_mempool *pool, struct vring_loan *loan,
		       struct rte_mbuf **pkts, const struct vring_limits *limits,
		       struct vring_work *work);

/* Puts the last `n` packets of the loan back into the ring, as if they had not been taken. Their
 * mbufs, where they are not views, are the caller's to free. Returns their number of descriptors.
 * [worker]
 */
uint32_t vring_return(struct virtq *q, struct vring_loan *loan, uint16_t n);

/* Gives back what was lent, and ends the use of its views. To be called for each vring_dequeue with
 * a loan, before the next one and before anything else can happen to the ring. [worker] */
void vring_settle(struct virtq *q, struct vring_loan *loan);

/* Copies packets into the guest's buffers, in order. The mbufs stay the caller's and are not
 * changed. fate[i] tells what became of pkts[i]; when the ring is full, its buffers are in so many
 * pieces that it takes too long, or pages of the guest's are not there and the deadline (NULL for
 * none) is over, the rest are not tried. Returns the number delivered. [worker] */
uint16_t vring_enqueue(struct virtq *q, struct rte_mbuf *const *pkts, uint16_t n, uint8_t *fate,
		       struct vring_deadline *deadline);

/* For who is about to enqueue to rings whose cache lines have to come from elsewhere: each step
 * starts loading what the next one reads, and takes effect some hundred cycles later. They change
 * nothing, but a ring that turns out to be broken is. [worker]
 *   vring_expect_ring     the guest's entry for the next buffer, and ours
 *   vring_expect_entry    the buffer's descriptor
 *   vring_expect_buffers  the buffers for m, and m itself */
void vring_expect_ring(const struct virtq *q);
void vring_expect_entry(struct virtq *q);
void vring_expect_buffers(struct virtq *q, const struct rte_mbuf *m);

/* Shows the guest what was done since the last call. True when vring_notify has become due: the
 * guest may wait for a notification. [worker] */
bool vring_publish(struct virtq *q);

/* Notifies the guest if it wants that for what was published since the last call. There must have
 * been a full memory fence (vring_fence) after vring_publish; one serves for any number of rings,
 * and costs the less the later it comes. True when a system call was made. Never blocks. [worker]
 */
bool vring_notify(struct virtq *q);

/* The guest writes what it waits for, then looks at the ring; we write the ring, then look at what
 * it waits for. */
static inline void vring_fence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* All three. [worker] */
bool vring_complete(struct virtq *q);

/* Asks the guest to notify us of new chains, or not to. With on, true when there is something in
 * the ring already: the caller must not sleep then, for no kick is due. [worker] */
bool vring_kick_enable(struct virtq *q, bool on);

#define VRING_PACKED_USED_AVAIL (1u << 15 | 1u << 7) /* flags; available: they differ */

/* More than 0 when a call of vring_dequeue is worth it (split: the number of chains). [worker] */
static inline uint32_t vring_pending(const struct virtq *q)
{
	uint16_t flags;

	if (__builtin_expect(q->broken, 0))
		return 0;
	if (!q->packed)
		return (uint16_t)(__atomic_load_n(q->avail_idx, __ATOMIC_RELAXED) - q->avail_at);
	flags = __atomic_load_n(q->avail_idx + q->avail_at * 8u, __ATOMIC_RELAXED);
	return (flags & VRING_PACKED_USED_AVAIL) == (q->avail_wrap ? 1u << 7 : 1u << 15);
}

#endif
