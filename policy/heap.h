/* SPDX-License-Identifier: BSD-3-Clause */
/* A binary min-heap of 16-bit ids, each with a key.
 *
 * Keys are times, real or virtual, and wrap: they are compared by their signed distance, so keys in
 * one heap must be less than half the range apart. The caller provides the memory: an array of
 * nodes and one of positions, indexed by id and all zero at first. Heaps that have no id in common
 * may share the latter. */
#ifndef POLICY_HEAP_H
#define POLICY_HEAP_H

#include <stdbool.h>
#include <stdint.h>

struct heap_node {
	uint64_t key;
	uint16_t id;
};

struct heap {
	struct heap_node *node;
	uint16_t *at; /* positions by id, counted from 1; 0: not in the heap */
	unsigned n;
};

static inline bool heap_before(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b) < 0;
}

static inline bool heap_has(const struct heap *h, uint16_t id)
{
	return h->at[id] != 0;
}

static inline void heap_put(struct heap *h, unsigned i, struct heap_node x)
{
	h->node[i] = x;
	h->at[x.id] = (uint16_t)(i + 1);
}

static inline void heap_up(struct heap *h, unsigned i, struct heap_node x)
{
	while (i > 0) {
		unsigned parent = (i - 1) / 2;

		if (!heap_before(x.key, h->node[parent].key))
			break;
		heap_put(h, i, h->node[parent]);
		i = parent;
	}
	heap_put(h, i, x);
}

/* A node sinks below those with an equal key, so that equals take turns. */
static inline void heap_down(struct heap *h, unsigned i, struct heap_node x)
{
	for (;;) {
		unsigned child = 2 * i + 1;

		if (child >= h->n)
			break;
		if (child + 1 < h->n && heap_before(h->node[child + 1].key, h->node[child].key))
			child++;
		if (heap_before(x.key, h->node[child].key))
			break;
		heap_put(h, i, h->node[child]);
		i = child;
	}
	heap_put(h, i, x);
}

static inline void heap_add(struct heap *h, uint16_t id, uint64_t key)
{
	heap_up(h, h->n++, (struct heap_node){key, id});
}

/* Gives an id that is in the heap a new key. */
static inline void heap_move(struct heap *h, uint16_t id, uint64_t key)
{
	unsigned i = h->at[id] - 1u;
	struct heap_node x = {key, id};

	if (heap_before(key, h->node[i].key))
		heap_up(h, i, x);
	else
		heap_down(h, i, x);
}

/* Adds the id, or gives it a new key. */
static inline void heap_set(struct heap *h, uint16_t id, uint64_t key)
{
	if (heap_has(h, id))
		heap_move(h, id, key);
	else
		heap_add(h, id, key);
}

static inline void heap_remove(struct heap *h, uint16_t id)
{
	unsigned i;
	struct heap_node last;

	if (!heap_has(h, id))
		return;
	i = h->at[id] - 1u;
	h->at[id] = 0;
	last = h->node[--h->n];
	if (i == h->n)
		return;
	if (i > 0 && heap_before(last.key, h->node[(i - 1) / 2].key))
		heap_up(h, i, last);
	else
		heap_down(h, i, last);
}

#endif
