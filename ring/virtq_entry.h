/* SPDX-License-Identifier: BSD-3-Clause */
/* Internals of the ring engine: reading one entry of a ring, and giving it back.
 *
 * Functions that take `packed` are called with a constant, so that each ring format gets its own
 * code from one source. A cursor is a position up to which the owner has read the ring; q->avail_at
 * moves only when what was read is consumed. */
#ifndef RING_VIRTQ_ENTRY_H
#define RING_VIRTQ_ENTRY_H

#include <string.h>
#include <linux/virtio_ring.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_memcpy.h>
#include <rte_prefetch.h>

#include "ring/guest_mem.h"
#include "ring/virtq.h"
#include "ring/deadline.h"

/* A deadline that never comes. Nobody changes it. */
extern struct deadline deadline_none;

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rings are little-endian");

#define PACKED_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define PACKED_USED  (1u << VRING_PACKED_DESC_F_USED)

#define ENTRY_FLAGS (VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT)
#define ENTRY_BAD   8u /* the guest named a descriptor that does not exist */

/* Half a descriptor. The guest may change it at any time, so each half is loaded once, as a whole.
 * Indirect tables may be unaligned. */
typedef uint64_t virtq_word __attribute__((may_alias, aligned(1)));

/* A copy of a descriptor. */
struct virtq_entry {
	uint64_t addr;
	uint32_t len;
	uint16_t flags; /* ENTRY_FLAGS or ENTRY_BAD */
	uint16_t id;    /* split: head of the chain; packed: buffer id */
	uint16_t next;  /* split */
};

struct virtq_cursor {
	uint16_t at;
	bool wrap;
};

static inline void virtq_break(struct virtq *q, enum virtq_break reason)
{
	__atomic_store_n(&q->broken, (uint8_t)reason, __ATOMIC_RELAXED);
}

/* Loads half a descriptor. The load is volatile rather than __atomic_load_n, after which the
 * compiler would reload all of *q for each packet. */
static inline uint64_t virtq_load(const void *half)
{
	return *(const volatile virtq_word *)half;
}

/* Loads the head of a chain from a split ring. */
static inline uint16_t virtq_load_head(const struct vring_avail *avail, uint16_t at)
{
	return *(const volatile uint16_t *)&avail->ring[at];
}

/* Reads a descriptor of a split ring, or of an indirect table of one. */
static inline void virtq_read_split(const void *desc, struct virtq_entry *e)
{
	uint64_t rest = virtq_load((const uint8_t *)desc + 8);

	e->addr = virtq_load(desc);
	e->len = (uint32_t)rest;
	e->flags = (rest >> 32) & ENTRY_FLAGS;
	e->next = (uint16_t)(rest >> 48);
}

static inline void virtq_decode_packed(uint64_t rest, uint64_t addr, struct virtq_entry *e)
{
	e->addr = addr;
	e->len = (uint32_t)rest;
	e->id = (uint16_t)(rest >> 32);
	e->flags = (rest >> 48) & ENTRY_FLAGS;
}

/* Reads the available index of a split ring. False when there are no new chains. The index may only
 * grow, and by no more than the ring holds; else the ring is broken. */
static inline bool virtq_look(struct virtq *q)
{
	uint16_t idx = __atomic_load_n(q->avail_idx, __ATOMIC_ACQUIRE);
	uint16_t there = (uint16_t)(idx - q->avail_at);

	if (unlikely(there > q->size || there < (uint16_t)(q->avail_seen - q->avail_at))) {
		virtq_break(q, VIRTQ_BREAK_AVAIL_JUMP);
		return false;
	}
	if (idx == q->avail_seen)
		return false;
	q->avail_seen = idx;
	return true;
}

/* Reads the first descriptor of the chain at the cursor. False when there is none. */
static __rte_always_inline bool virtq_peek(struct virtq *q, const struct virtq_cursor *c,
					   struct virtq_entry *e, const bool packed)
{
	const uint8_t *d;
	uint64_t rest;
	uint16_t head;

	if (packed) {
		d = (const uint8_t *)&q->packed_desc[c->at];
		/* One load gives length, id and flags; the address is loaded after it. */
		rest = __atomic_load_n((const uint64_t *)(const void *)(d + 8), __ATOMIC_ACQUIRE);
		if (((rest >> 48) & (PACKED_AVAIL | PACKED_USED)) !=
		    (c->wrap ? PACKED_AVAIL : PACKED_USED))
			return false;
		virtq_decode_packed(rest, virtq_load(d), e);
		return true;
	}
	if (unlikely(c->at == q->avail_seen) && !virtq_look(q))
		return false;
	head = virtq_load_head(q->avail, c->at & (q->size - 1));
	e->id = head;
	if (unlikely(head >= q->size))
		e->flags = ENTRY_BAD;
	else
		virtq_read_split(&q->desc[head], e);
	return true;
}

/* Prefetches the descriptors of up to `n` chains from the cursor on, and their entries of the used
 * ring (split rings): the guest's core had these cache lines last. */
static __rte_always_inline void virtq_prefetch(struct virtq *q, const struct virtq_cursor *c,
					       uint16_t n, const bool packed)
{
	const uint16_t mask = q->size - 1;

	if (packed) {
		for (uint16_t i = 0; i < n; i += 4)
			rte_prefetch0(&q->packed_desc[(c->at + i) % q->size]);
		return;
	}
	n = RTE_MIN(n, (uint16_t)(q->avail_seen - c->at));
	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(&q->desc[virtq_load_head(q->avail, (c->at + i) & mask)]);
	for (uint16_t i = 0; i < n; i += 8)
		__builtin_prefetch(&q->used->ring[(q->used_at + i) & mask], 1);
}

/* Moves the cursor over a chain that takes up `slots` of the ring. */
static __rte_always_inline void virtq_advance(const struct virtq *q, struct virtq_cursor *c,
					      uint16_t slots, const bool packed)
{
	if (!packed) {
		c->at++;
		return;
	}
	c->at += slots;
	if (c->at >= q->size) {
		c->at -= q->size;
		c->wrap = !c->wrap;
	}
}

/* Consumes `chains` chains, which take up `slots` of the ring: the owner's position moves behind
 * them. */
static __rte_always_inline void virtq_consume(struct virtq *q, uint16_t chains, uint16_t slots,
					      const bool packed)
{
	struct virtq_cursor c = {q->avail_at, q->avail_wrap};

	if (packed)
		virtq_advance(q, &c, slots, true);
	else
		c.at += chains;
	q->avail_at = c.at;
	q->avail_wrap = c.wrap;
}

/* Fills the used ring's entry of a chain. */
static __rte_always_inline void virtq_set_used(struct vring_used_elem *e, uint16_t id, uint32_t len)
{
	*e = (struct vring_used_elem){.id = id, .len = len};
}

/* Gives a chain back, with `len` bytes written into it. The guest sees it after virtq_publish. In a
 * packed ring the guest looks at used descriptors in order, so withholding the flags of the first
 * one withholds all. */
static __rte_always_inline void virtq_give_back(struct virtq *q, uint16_t id, uint32_t len,
						uint16_t slots, const bool packed)
{
	uint16_t flags;
	uint8_t *d;

	if (!packed) {
		virtq_set_used(&q->used->ring[q->used_at & (q->size - 1)], id, len);
		q->used_at++;
		q->unpublished++;
		return;
	}
	d = (uint8_t *)&q->packed_desc[q->used_at];
	flags = (q->used_wrap ? PACKED_AVAIL | PACKED_USED : 0) | (len ? VRING_DESC_F_WRITE : 0);
	if (q->unpublished == 0) {
		__atomic_store_n(&q->packed_desc[q->used_at].len, len, __ATOMIC_RELAXED);
		__atomic_store_n(&q->packed_desc[q->used_at].id, id, __ATOMIC_RELAXED);
		q->held_at = q->used_at;
		q->held_flags = flags;
	} else {
		__atomic_store_n((uint64_t *)(void *)(d + 8),
				 (uint64_t)flags << 48 | (uint64_t)id << 32 | len,
				 __ATOMIC_RELEASE);
	}
	q->unpublished += slots;
	q->used_at += slots;
	if (q->used_at >= q->size) {
		q->used_at -= q->size;
		q->used_wrap = !q->used_wrap;
	}
}

/* Gives `n` chains of one slot each back. */
static __rte_always_inline void virtq_give_back_all(struct virtq *q,
						    const struct vring_used_elem *used, uint16_t n,
						    const bool packed)
{
	uint16_t at = q->used_at & (q->size - 1);
	uint16_t first = RTE_MIN(n, (uint16_t)(q->size - at));

	if (packed) {
		for (uint16_t i = 0; i < n; i++)
			virtq_give_back(q, (uint16_t)used[i].id, used[i].len, 1, true);
		return;
	}
	memcpy(&q->used->ring[at], used, first * sizeof(used[0]));
	memcpy(&q->used->ring[0], used + first, (n - first) * sizeof(used[0]));
	q->used_at += n;
	q->unpublished += n;
}

/* Copies packet data. DPDK's inlined copy is faster for small packets, and libc's, which is chosen
 * for this CPU at start-up, for long ones (by a fifth at 1500 bytes). */
static __rte_always_inline void virtq_copy(void *to, const void *from, uint32_t len)
{
	if (len <= 512)
		rte_memcpy(to, from, len);
	else
		memcpy(to, from, len);
}

/* Prefetches memory to be read. Every second cache line is enough, as the hardware prefetches its
 * neighbour. To be called two packets ahead of the copy. */
static __rte_always_inline void virtq_prefetch_read(const uint8_t *at, uint32_t len)
{
	for (uint32_t o = 0; o < len; o += 128)
		rte_prefetch0(at + o);
}

/* Prefetches memory to be written. Here every cache line has to be requested. */
static __rte_always_inline void virtq_prefetch_write(const uint8_t *at, uint32_t len)
{
	for (uint32_t o = 0; o < len; o += 64)
		__builtin_prefetch(at + o, 1);
}

/* The process's address of `len` bytes of guest memory within one region, NULL when they are not in
 * one. */
static __rte_always_inline uint8_t *virtq_at(struct virtq *q, uint64_t gpa, uint64_t len)
{
	uint64_t offset = gpa - q->near.gpa;
	const struct guest_region *r;

	if (unlikely(offset >= q->near.size)) {
		r = guest_mem_find(q->mem, gpa);
		if (!r)
			return NULL;
		q->near = *r;
		offset = gpa - r->gpa;
	}
	return likely(len <= q->near.size - offset) ? q->near.hva + offset : NULL;
}

#endif
