/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/page_faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGES 1000

static size_t page;
static volatile uint8_t *memory;

/* Not everywhere may a process see its own. */
static bool may(struct page_faults *f)
{
	int rc = page_faults_open(f);

	if (rc < 0)
		print_message("not seen here: %s\n", strerror(-rc));
	return rc == 0;
}

/* Pages that are not there. */
static int take_away(void **state)
{
	(void)state;
	page = (size_t)sysconf(_SC_PAGESIZE);
	memory =
		mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return memory == MAP_FAILED ? -1 : 0;
}

static int give_back(void **state)
{
	(void)state;
	return munmap((void *)(uintptr_t)memory, PAGES * page);
}

static void test_each_first_touch_is_seen(void **state)
{
	struct page_faults f;
	const void *at;

	(void)state;
	if (!may(&f))
		skip();
	/* More than the records have room for, one for each page or for some around it. */
	for (size_t i = 0; i < PAGES; i++) {
		page_faults_happened(&f);
		if (madvise((void *)(uintptr_t)(memory + i * page), page, MADV_REMOVE) < 0)
			fail_msg("MADV_REMOVE");
		memory[i * page + 7] = 1;
		/* Now and then there is one of this program's own. */
		while ((at = page_faults_next(&f)) && at != memory + i * page + 7)
			continue;
		assert_non_null(at);
	}
	page_faults_close(&f);
}

/* Of those that nobody looked at, the last are there. */
static void test_very_many_are_forgotten_in_order(void **state)
{
	const void *at, *last = NULL;
	struct page_faults f;
	unsigned n = 0;

	(void)state;
	if (!may(&f))
		skip();
	page_faults_happened(&f);
	for (size_t i = 0; i < PAGES; i++) {
		madvise((void *)(uintptr_t)(memory + i * page), page, MADV_REMOVE);
		memory[i * page] = 1;
	}
	for (; (at = page_faults_next(&f)); n++)
		if (at == memory + (PAGES - 1) * page)
			last = at;
	assert_in_range(n, 100, PAGES - 1);
	assert_non_null(last);
	assert_false(page_faults_happened(&f));
	page_faults_close(&f);
}

static void test_what_is_there_is_no_fault(void **state)
{
	struct page_faults f;
	unsigned n = 0;

	(void)state;
	if (!may(&f))
		skip();
	memory[0] = 1;
	page_faults_happened(&f);
	for (unsigned i = 0; i < 100000; i++) {
		memory[0] = 1;
		n += page_faults_happened(&f);
	}
	assert_true(n < 100);
	page_faults_close(&f);
}

static void test_none_sees_none(void **state)
{
	struct page_faults f;

	(void)state;
	page_faults_none(&f);
	memory[page] = 1;
	assert_false(page_faults_happened(&f));
	assert_null(page_faults_next(&f));
	page_faults_close(&f);
	assert_false(page_faults_happened(&f));
}

static void test_closed_is_none(void **state)
{
	struct page_faults f;

	(void)state;
	if (!may(&f))
		skip();
	page_faults_close(&f);
	memory[page] = 1;
	assert_false(page_faults_happened(&f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_first_touch_is_seen, take_away,
						give_back),
		cmocka_unit_test_setup_teardown(test_very_many_are_forgotten_in_order, take_away,
						give_back),
		cmocka_unit_test_setup_teardown(test_what_is_there_is_no_fault, take_away,
						give_back),
		cmocka_unit_test_setup_teardown(test_none_sees_none, take_away, give_back),
		cmocka_unit_test_setup_teardown(test_closed_is_none, take_away, give_back),
	};

	return cmocka_run_group_tests_name("page_faults", tests, NULL, NULL);
}
