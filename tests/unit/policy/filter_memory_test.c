/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of policy/filter*.c: memory that is short, at each allocation in turn. The linker makes the
 * calls of the code under test ours (mk/test.mk). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/filter.h"

#define ENOUGH UINT32_MAX

static uint32_t n_left = ENOUGH; /* allocations that succeed before one fails */

static bool fails(void)
{
	return n_left != ENOUGH && n_left-- == 0;
}

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return fails() ? NULL : __real_reallocarray(p, n, size);
}

static void check_error(const struct err *e)
{
	assert_int_equal(e->code, ERR_NO_SPACE);
	assert_non_null(strstr(e->text, "out of memory"));
}

static void test_filter(void **state)
{
	const struct filter_rule r = {.is_allow = true, .last = UINT16_MAX, .group = 1};
	uint32_t most = 0;
	struct filter *f;

	(void)state;
	for (;; most++) {
		struct err e = {0};

		n_left = most;
		f = filter_create(&r, 1, &e);
		n_left = ENOUGH;
		if (f)
			break;
		check_error(&e);
	}
	assert_int_equal(most, 2);
	filter_destroy(f);
}

/* So many members that the sets need more room than there is at first. */
static void test_groups(void **state)
{
	static struct filter_member m[1000];
	struct filter_groups *g;
	uint32_t most = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		m[i] = (struct filter_member){.bits = 32, .group = (uint16_t)i};
		m[i].address.bytes[2] = (uint8_t)(i >> 8);
		m[i].address.bytes[3] = (uint8_t)i;
	}
	for (;; most++) {
		struct err e = {0};

		n_left = most;
		g = filter_groups_create(m, 1000, &e);
		n_left = ENOUGH;
		if (g)
			break;
		check_error(&e);
	}
	assert_int_equal(most, 5); /* to work with, for sets three times, for the table */
	filter_groups_destroy(g);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_groups),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}
