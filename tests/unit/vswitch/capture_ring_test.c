/* SPDX-License-Identifier: BSD-3-Clause */
/* The ring of captured packets: what goes in comes out, in order, across its end. */
#include "vswitch/capture_ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define MOST 70000

static int setup(void **state)
{
	*state = capture_ring_create();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	capture_ring_destroy(*state);
	return 0;
}

/* Writes a record whose bytes say its number. False when there is no room. */
static bool put(struct capture_ring *r, uint32_t number, uint32_t kept)
{
	const struct capture_record rec = {.len = number, .kept = kept, .tsc = number * 3ull};
	uint8_t *to = capture_ring_begin(r, &rec);

	if (!to)
		return false;
	memset(to, (int)number, kept);
	capture_ring_end(r);
	return true;
}

static void assert_next(struct capture_ring *r, uint32_t number, uint32_t kept)
{
	const struct capture_record *rec = capture_ring_first(r);
	const uint8_t *bytes = (const uint8_t *)(rec + 1);

	assert_non_null(rec);
	assert_false(rec->is_padding);
	assert_int_equal(rec->len, number);
	assert_int_equal(rec->kept, kept);
	assert_int_equal(rec->tsc, number * 3ull);
	for (uint32_t i = 0; i < kept; i++)
		assert_int_equal(bytes[i], (uint8_t)number);
	capture_ring_pop(r);
}

static void test_an_empty_ring_has_nothing(void **state)
{
	assert_null(capture_ring_first(*state));
}

/* Records of all lengths go around the ring many times. */
static void test_order_is_kept_across_the_end(void **state)
{
	struct capture_ring *r = *state;
	static uint32_t kept[4096];
	uint32_t written = 0, taken = 0;
	unsigned seed = 7;

	while (taken < sizeof(kept) / sizeof(kept[0])) {
		uint32_t n = (uint32_t)rand_r(&seed) % 40;

		for (; n > 0 && written < sizeof(kept) / sizeof(kept[0]); n--) {
			bool is_long = rand_r(&seed) % 4 == 0;

			kept[written] = (uint32_t)rand_r(&seed) % (is_long ? MOST : 200);
			if (!put(r, written, kept[written]))
				break;
			written++;
		}
		for (n = (uint32_t)rand_r(&seed) % 40; n > 0 && taken < written; n--, taken++)
			assert_next(r, taken, kept[taken]);
	}
	assert_null(capture_ring_first(r));
}

/* The end of the ring is left with each number of bytes that can be. */
static void test_any_rest_can_be_left_at_the_end(void **state)
{
	struct capture_ring *r = *state;

	for (uint32_t rest = 8; rest <= 3 * sizeof(struct capture_record); rest += 8) {
		uint64_t tail = atomic_load(&r->tail), at = tail % CAPTURE_RING_BYTES;
		uint32_t first =
			(uint32_t)(CAPTURE_RING_BYTES - at - sizeof(struct capture_record) - rest);

		assert_true(put(r, 1, first));
		assert_next(r, 1, first);
		assert_true(put(r, 2, 100));
		assert_next(r, 2, 100);
		assert_null(capture_ring_first(r));
		assert_true(put(r, 3, 8));
		assert_next(r, 3, 8);
	}
}

static void test_a_full_ring_takes_nothing_and_loses_nothing(void **state)
{
	struct capture_ring *r = *state;
	uint32_t n = 0;

	while (put(r, n, 1000))
		n++;
	/* Each takes 1,032 bytes. */
	assert_int_equal(n, CAPTURE_RING_BYTES / 1032);
	assert_false(put(r, n, 1000));
	assert_next(r, 0, 1000);
	for (uint32_t i = 1; i < n; i++)
		assert_next(r, i, 1000);
	assert_null(capture_ring_first(r));
	assert_true(put(r, 5, 1000));
	assert_next(r, 5, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_an_empty_ring_has_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order_is_kept_across_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_any_rest_can_be_left_at_the_end, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_full_ring_takes_nothing_and_loses_nothing,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
