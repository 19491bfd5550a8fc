/* SPDX-License-Identifier: BSD-3-Clause */
/* Translation of guest addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ring/guest_mem.h"

static uint8_t low[4096], high[2 * 4096];

/* Two regions with a gap in our addresses, then one right behind the second, then a hole, and one
 * that ends where the address space does. */
static const struct guest_mem mem = {
	.n = 4,
	.r =
		{
			{0x1000, 4096, low},
			{0x2000, 4096, high},
			{0x3000, 4096, high + 4096},
			{UINT64_MAX - 4095, 4096, low},
		},
};

static void check(uint64_t gpa, uint64_t len, const void *at, uint64_t contiguous)
{
	uint64_t got = len;

	assert_ptr_equal(guest_mem_at(&mem, gpa, &got), at);
	if (at)
		assert_int_equal(got, contiguous);
}

static void test_translates(void **state)
{
	(void)state;
	check(0x1000, 1, low, 1);
	check(0x1000, 4096, low, 4096);
	check(0x1fff, 1, low + 4095, 1);
	check(0x1fff, 2, low + 4095, 1);
	check(0x1000, UINT64_MAX, low, 4096);
	check(0x2000, 8192, high, 8192);
	check(0x2001, 8192, high + 1, 8191);
	check(0x2fff, 2, high + 4095, 2);
	check(0x3fff, 2, high + 8191, 1);
	check(0x2000, UINT64_MAX, high, 8192);
}

static void test_finds_nothing_outside(void **state)
{
	(void)state;
	check(0, 1, NULL, 0);
	check(0xfff, 1, NULL, 0);
	check(0xfff, 4096, NULL, 0);
	check(0x4000, 1, NULL, 0);
	check(0x1000, 0, NULL, 0);
	check(UINT64_MAX - 4096, 1, NULL, 0);
	assert_null(guest_mem_find(&(const struct guest_mem){.n = 0}, 0));
}

static void test_does_not_wrap(void **state)
{
	(void)state;
	check(UINT64_MAX, 1, low + 4095, 1);
	check(UINT64_MAX, 2, low + 4095, 1);
	check(UINT64_MAX - 4095, UINT64_MAX, low, 4096);
}

static void test_knows_what_is_guest_memory(void **state)
{
	(void)state;
	assert_true(guest_mem_holds(&mem, low));
	assert_true(guest_mem_holds(&mem, low + 4095));
	assert_true(guest_mem_holds(&mem, high + 8191));
	assert_false(guest_mem_holds(&mem, &mem));
	assert_false(guest_mem_holds(&mem, NULL));
	assert_false(guest_mem_holds(&(const struct guest_mem){.n = 0}, low));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_translates),
		cmocka_unit_test(test_finds_nothing_outside),
		cmocka_unit_test(test_does_not_wrap),
		cmocka_unit_test(test_knows_what_is_guest_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
