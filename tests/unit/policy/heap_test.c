/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of policy/heap.h: any sequence of changes, with keys that wrap. */
#include "policy/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define IDS 100

struct rig {
	struct heap heap;
	struct heap_node node[IDS];
	uint16_t at[IDS];
	bool in[IDS]; /* what should be in it, with which key */
	uint64_t key[IDS];
};

static void check(struct rig *r)
{
	const struct heap *h = &r->heap;
	unsigned n = 0;

	for (uint16_t id = 0; id < IDS; id++) {
		assert_int_equal(heap_has(h, id), r->in[id]);
		if (!r->in[id])
			continue;
		n++;
		assert_int_equal(h->node[h->at[id] - 1].id, id);
		assert_true(h->node[h->at[id] - 1].key == r->key[id]);
		assert_false(heap_before(r->key[id], h->node[0].key));
	}
	assert_int_equal(h->n, n);
	for (unsigned i = 1; i < n; i++)
		assert_false(heap_before(h->node[i].key, h->node[(i - 1) / 2].key));
}

static void test_any_changes(void **state)
{
	(void)state;
	srand(1);
	for (unsigned k = 0; k < 20; k++) {
		/* Around the wrap in half of the runs; few different keys in some. */
		uint64_t base = k % 2 ? UINT64_MAX - 500 : 1000;
		unsigned range = k % 4 ? 1000 : 3;
		struct rig r = {0};

		r.heap = (struct heap){r.node, r.at, 0};
		for (unsigned i = 0; i < 20000; i++) {
			uint16_t id = (uint16_t)(rand() % IDS);
			uint64_t key = base + (unsigned)rand() % range;

			if (rand() % 3 == 0) {
				heap_remove(&r.heap, id);
				r.in[id] = false;
			} else {
				if (r.in[id] && i % 2)
					heap_move(&r.heap, id, key);
				else
					heap_set(&r.heap, id, key);
				r.in[id] = true;
				r.key[id] = key;
			}
			if (i % 16 == 0)
				check(&r);
		}
	}
}

/* Those with the same key take turns: who gets the key last does not come first. */
static void test_equals_take_turns(void **state)
{
	struct rig r = {0};
	unsigned turns[2] = {0};

	(void)state;
	r.heap = (struct heap){r.node, r.at, 0};
	heap_add(&r.heap, 0, 5);
	heap_add(&r.heap, 1, 5);
	for (int i = 0; i < 10; i++) {
		turns[r.node[0].id]++;
		heap_move(&r.heap, r.node[0].id, 5);
	}
	assert_int_equal(turns[0], 5);
	assert_int_equal(turns[1], 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_changes),
		cmocka_unit_test(test_equals_take_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
