/* SPDX-License-Identifier: BSD-3-Clause */
/* Captured packets on their way to control. A record lies in one piece: when it does not fit before
 * the end of the ring, padding fills the rest. */
#include "vswitch/capture_ring.h"

#include <stdlib.h>
#include <string.h>

struct capture_ring *capture_ring_create(void)
{
	struct capture_ring *r = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*r));

	/* Its pages are touched here, so that no worker waits for them. */
	if (r)
		memset(r, 0, sizeof(*r));
	return r;
}

void capture_ring_destroy(struct capture_ring *r)
{
	free(r);
}

static struct capture_record *record_at(struct capture_ring *r, uint64_t position)
{
	return (struct capture_record *)&r->data[position % CAPTURE_RING_BYTES];
}

/* Bytes of padding before a record of this size, which does not fit before the end of the ring. */
static uint32_t padding_before(uint64_t head, uint32_t size)
{
	uint32_t left = CAPTURE_RING_BYTES - (uint32_t)(head % CAPTURE_RING_BYTES);

	return left < size ? left : 0;
}

/* The end of the ring may have room for the size and nothing else: a padding record is written only
 * as far as that goes. */
static void pad(struct capture_ring *r, uint64_t head, uint32_t size)
{
	struct capture_record padding = {.size = size, .is_padding = true};

	memcpy(record_at(r, head), &padding, RTE_MIN(size, (uint32_t)sizeof(padding)));
}

uint8_t *capture_ring_begin(struct capture_ring *r, const struct capture_record *rec)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	uint32_t size = RTE_ALIGN(rec->kept + (uint32_t)sizeof(*rec), 8);
	uint32_t padding = padding_before(head, size);
	struct capture_record *at;

	if (head + padding + size - tail > CAPTURE_RING_BYTES)
		return NULL;
	if (padding > 0) {
		pad(r, head, padding);
		head += padding;
		atomic_store_explicit(&r->head, head, memory_order_release);
	}
	at = record_at(r, head);
	*at = *rec;
	at->size = size;
	return (uint8_t *)(at + 1);
}

void capture_ring_end(struct capture_ring *r)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

	atomic_store_explicit(&r->head, head + record_at(r, head)->size, memory_order_release);
}

void capture_ring_pop(struct capture_ring *r)
{
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	atomic_store_explicit(&r->tail, tail + record_at(r, tail)->size, memory_order_release);
}

/* Whether this is padding. A place too small for a whole record is padding without saying so. */
static bool is_padding(struct capture_ring *r, uint64_t position)
{
	uint32_t left = CAPTURE_RING_BYTES - (uint32_t)(position % CAPTURE_RING_BYTES);

	return left < sizeof(struct capture_record) || record_at(r, position)->is_padding;
}

const struct capture_record *capture_ring_first(struct capture_ring *r)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire);
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	if (tail != head && is_padding(r, tail)) {
		capture_ring_pop(r);
		tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	}
	return tail != head ? record_at(r, tail) : NULL;
}
