/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver's side of a virtqueue. What the device wrote is read once and checked.
 *
 * Unit tests and fuzzers call it, and the front ends of the loop tier and the load generator, one
 * thread per ring; memory is bounded by the ring's size. The load generator adds, publishes and
 * polls once per packet. */
#include "tests/fake/driver_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/virtio_config.h>

#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED  (1u << VRING_PACKED_DESC_F_USED)

/* --- the ring's life ------------------------------------------------------------------------- */

int driver_ring_init(struct driver_ring *r, void *at, size_t align, uint16_t size,
		     uint64_t features, uint16_t start)
{
	struct vring parts;

	memset(r, 0, sizeof(*r));
	r->kickfd = r->callfd = -1;
	r->size = size;
	r->features = features;
	r->start = start;
	r->packed = features >> VIRTIO_F_RING_PACKED & 1;
	r->event_idx = features >> VIRTIO_RING_F_EVENT_IDX & 1;
	/* A packed ring takes less room, in the same places. */
	vring_init(&parts, size, at, align);
	r->desc = parts.desc;
	r->avail = parts.avail;
	r->used = parts.used;
	r->bytes = vring_size(size, align);
	r->next = calloc(size, sizeof(*r->next));
	r->count = calloc(size, sizeof(*r->count));
	if (!r->next || !r->count)
		return -ENOMEM;
	driver_ring_reset(r);
	return 0;
}

void driver_ring_free(struct driver_ring *r)
{
	if (r->size && r->kickfd >= 0)
		close(r->kickfd);
	if (r->size && r->callfd >= 0)
		close(r->callfd);
	free(r->next);
	free(r->count);
	memset(r, 0, sizeof(*r));
}

void driver_ring_reset(struct driver_ring *r)
{
	memset(r->desc, 0, r->bytes);
	memset(r->count, 0, r->size * sizeof(*r->count));
	for (uint16_t i = 0; i < r->size; i++)
		r->next[i] = (uint16_t)(i + 1);
	r->n_free = r->size;
	r->free_id = 0;
	r->event_from = r->start;
	r->held = false;
	r->avail_at = r->used_at = r->packed ? r->start & 0x7fff : r->start;
	r->avail_wrap = r->used_wrap = r->start & 0x8000;
	if (!r->packed) {
		r->avail->idx = r->used->idx = r->start;
		return;
	}
	/* In a ring that has gone round, what lies ahead was used in the round before. */
	for (uint16_t i = 0; i < r->size; i++)
		r->pdesc[i].flags = (i < r->avail_at) == r->avail_wrap ? AVAIL | USED : 0;
}

struct virtq_conf driver_ring_conf(const struct driver_ring *r, const struct guest_mem *mem,
				   int call_fd)
{
	return (struct virtq_conf){
		.desc = r->desc,
		.avail = r->avail,
		.used = r->used,
		.size = r->size,
		.last_avail = r->start,
		.last_used = r->start,
		.call_fd = call_fd,
		.features = r->features,
		.mem = mem,
	};
}

/* --- to the device --------------------------------------------------------------------------- */

static uint16_t buf_flags(const struct driver_buf *b, bool more)
{
	return (uint16_t)((b->device_writes ? VRING_DESC_F_WRITE : 0) |
			  (more ? VRING_DESC_F_NEXT : 0));
}

/* Notes that n descriptors are the chain `id`, and what is free behind them. */
static int take(struct driver_ring *r, uint16_t id, unsigned n, uint16_t free_id)
{
	r->free_id = free_id;
	r->count[id] = (uint16_t)n;
	r->n_free = (uint16_t)(r->n_free - n);
	return id;
}

static int take_split(struct driver_ring *r, unsigned n, uint16_t free_id)
{
	uint16_t head = r->free_id;

	r->avail->ring[r->avail_at++ & (r->size - 1)] = head;
	return take(r, head, n, free_id);
}

static int add_split(struct driver_ring *r, const struct driver_buf *bufs, unsigned n,
		     uint16_t extra)
{
	uint16_t at = r->free_id;

	for (unsigned i = 0; i < n; i++, at = r->next[at])
		r->desc[at] = (struct vring_desc){
			.addr = bufs[i].gpa,
			.len = bufs[i].len,
			.flags = buf_flags(&bufs[i], i + 1 < n) | extra,
			.next = r->next[at],
		};
	return take_split(r, n, at);
}

/* Fills the next slot. The first one that was not published yet keeps its old flags until
 * driver_ring_publish: the device stops there and sees nothing of what follows. */
static inline void put_packed(struct driver_ring *r, uint64_t addr, uint32_t len, uint16_t flags)
{
	struct vring_packed_desc *d = &r->pdesc[r->avail_at];

	flags |= r->avail_wrap ? AVAIL : USED;
	d->addr = addr;
	d->len = len;
	d->id = r->free_id;
	if (r->held) {
		d->flags = flags;
	} else {
		r->held = true;
		r->held_at = r->avail_at;
		r->held_flags = flags;
	}
	if (++r->avail_at == r->size) {
		r->avail_at = 0;
		r->avail_wrap = !r->avail_wrap;
	}
}

static int add_packed(struct driver_ring *r, const struct driver_buf *bufs, unsigned n,
		      uint16_t extra)
{
	for (unsigned i = 0; i < n; i++)
		put_packed(r, bufs[i].gpa, bufs[i].len, buf_flags(&bufs[i], i + 1 < n) | extra);
	return take(r, r->free_id, n, r->next[r->free_id]);
}

static int ring_add(struct driver_ring *r, const struct driver_buf *bufs, unsigned n,
		    uint16_t extra)
{
	if (n == 0 || n > r->n_free)
		return -ENOSPC;
	return r->packed ? add_packed(r, bufs, n, extra) : add_split(r, bufs, n, extra);
}

int driver_ring_add(struct driver_ring *r, const struct driver_buf *bufs, unsigned n)
{
	return ring_add(r, bufs, n, 0);
}

int driver_ring_add_indirect(struct driver_ring *r, void *table, uint64_t table_gpa,
			     const struct driver_buf *bufs, unsigned n)
{
	const struct driver_buf ref = {table_gpa, n * (uint32_t)sizeof(struct vring_desc), false};
	struct vring_packed_desc *packed = table;
	struct vring_desc *split = table;

	for (unsigned i = 0; i < n; i++) {
		const struct driver_buf *b = &bufs[i];

		if (r->packed)
			packed[i] =
				(struct vring_packed_desc){b->gpa, b->len, 0, buf_flags(b, false)};
		else
			split[i] = (struct vring_desc){b->gpa, b->len, buf_flags(b, i + 1 < n),
						       (uint16_t)(i + 1)};
	}
	return ring_add(r, &ref, 1, VRING_DESC_F_INDIRECT);
}

int driver_ring_add_raw(struct driver_ring *r, const struct vring_desc *descs, unsigned n)
{
	uint16_t head = r->free_id, at = head;

	if (n == 0 || n > r->n_free)
		return -ENOSPC;
	for (unsigned i = 0; i < n; i++) {
		if (r->packed) {
			put_packed(r, descs[i].addr, descs[i].len, descs[i].flags);
			continue;
		}
		r->desc[at] = descs[i];
		r->desc[at].next = (uint16_t)(head + descs[i].next);
		at = r->next[at];
	}
	return r->packed ? take(r, head, n, r->next[head]) : take_split(r, n, at);
}

void driver_ring_publish(struct driver_ring *r)
{
	if (!r->packed) {
		__atomic_store_n(&r->avail->idx, r->avail_at, __ATOMIC_RELEASE);
	} else if (r->held) {
		__atomic_store_n(&r->pdesc[r->held_at].flags, r->held_flags, __ATOMIC_RELEASE);
		r->held = false;
	}
}

bool driver_ring_wants_kick(struct driver_ring *r)
{
	uint16_t from = r->event_from, event;

	/* What was published must be seen before the device's wish is read, or both sides sleep. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	r->event_from = r->avail_at;
	if (r->packed)
		return r->device->flags != VRING_PACKED_EVENT_FLAG_DISABLE;
	if (!r->event_idx)
		return !(r->used->flags & VRING_USED_F_NO_NOTIFY);
	event = __atomic_load_n((uint16_t *)&r->used->ring[r->size], __ATOMIC_RELAXED);
	return vring_need_event(event, r->avail_at, from);
}

void driver_ring_kick(struct driver_ring *r)
{
	uint64_t one = 1;
	ssize_t done = write(r->kickfd, &one, sizeof(one));

	(void)done; /* a full eventfd already holds a kick */
}

/* --- and back -------------------------------------------------------------------------------- */

/* Returns what a chain took to the free list, which goes on behind `last`. */
static int give_back(struct driver_ring *r, uint16_t id, uint16_t last)
{
	r->n_free = (uint16_t)(r->n_free + r->count[id]);
	r->count[id] = 0;
	r->next[last] = r->free_id;
	r->free_id = id;
	return id;
}

static int poll_split(struct driver_ring *r, uint32_t *len)
{
	struct vring_used_elem e;
	uint16_t last;

	if (__atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) == r->used_at)
		return -EAGAIN;
	e = r->used->ring[r->used_at++ & (r->size - 1)];
	if (e.id >= r->size || r->count[e.id] == 0)
		return -EPROTO;
	*len = e.len;
	last = (uint16_t)e.id;
	for (uint16_t n = r->count[e.id]; n > 1; n--)
		last = r->next[last];
	return give_back(r, (uint16_t)e.id, last);
}

static int poll_packed(struct driver_ring *r, uint32_t *len)
{
	const struct vring_packed_desc *d = &r->pdesc[r->used_at];
	uint16_t flags = __atomic_load_n(&d->flags, __ATOMIC_ACQUIRE), id;

	if ((flags & (AVAIL | USED)) != (r->used_wrap ? AVAIL | USED : 0))
		return -EAGAIN;
	id = d->id;
	*len = d->len;
	if (id >= r->size || r->count[id] == 0)
		return -EPROTO;
	r->used_at = (uint16_t)(r->used_at + r->count[id]);
	if (r->used_at >= r->size) {
		r->used_at = (uint16_t)(r->used_at - r->size);
		r->used_wrap = !r->used_wrap;
	}
	return give_back(r, id, id);
}

int driver_ring_poll(struct driver_ring *r, uint32_t *len)
{
	return r->packed ? poll_packed(r, len) : poll_split(r, len);
}
