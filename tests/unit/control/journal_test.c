/* SPDX-License-Identifier: BSD-3-Clause */
/* The journal of configuration changes. */
#include "control/journal.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"

static char folder[32], config[64], path[64];

static int set_up(void **state)
{
	(void)state;
	log_set_level(LOG_ERROR);
	strcpy(folder, "/tmp/journalXXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(config, sizeof(config), "%s/c", folder);
	snprintf(path, sizeof(path), "%s/c.journal", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	rmdir(folder);
	return 0;
}

static struct journal *reopen(struct journal *j)
{
	struct err e = {0};

	journal_close(j);
	j = journal_open(config, &e);
	assert_non_null(j);
	return j;
}

static void add(struct journal *j, int n)
{
	assert_int_equal(journal_add(j, json_pack("{s:i}", "n", n)), 0);
}

static void sum(void *ctx, const json_t *record)
{
	*(int *)ctx = *(int *)ctx * 10 + (int)json_integer_value(json_object_get(record, "n"));
}

/* The records' numbers, one digit each. */
static int read_sum(struct journal *j, json_int_t generation)
{
	struct err e = {0};
	int n = 0;

	return journal_read(j, generation, sum, &n, &e) == 0 ? n : -1;
}

static void append_text(const char *text)
{
	int fd = open(path, O_WRONLY | O_APPEND);

	assert_true(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void records_come_back_in_order(void **state)
{
	struct journal *j = reopen(NULL);
	struct err e = {0};

	(void)state;
	assert_int_equal(journal_begin(j, 3, &e), 0);
	add(j, 1);
	add(j, 2);
	assert_int_equal(journal_commit(j, &e), 0);
	add(j, 3); /* not committed */
	j = reopen(j);
	assert_int_equal(read_sum(j, 3), 12);
	add(j, 4);
	assert_int_equal(journal_commit(j, &e), 0);
	j = reopen(j);
	assert_int_equal(read_sum(j, 3), 124);
	journal_close(j);
}

static void those_of_another_file_are_left_aside(void **state)
{
	struct journal *j = reopen(NULL);
	struct err e = {0};

	(void)state;
	assert_int_equal(read_sum(j, 1), 0); /* empty: made just now */
	assert_int_equal(journal_begin(j, 3, &e), 0);
	add(j, 1);
	assert_int_equal(journal_commit(j, &e), 0);
	assert_int_equal(read_sum(j, 4), 0);
	assert_int_equal(journal_begin(j, 4, &e), 0);
	assert_int_equal(read_sum(j, 4), 0);
	journal_close(j);
}

static void a_last_line_that_is_not_whole_is_left_out(void **state)
{
	struct journal *j = reopen(NULL);
	struct err e = {0};

	(void)state;
	assert_int_equal(journal_begin(j, 1, &e), 0);
	add(j, 1);
	assert_int_equal(journal_commit(j, &e), 0);
	append_text("{\"n\": 2");
	j = reopen(j);
	assert_int_equal(read_sum(j, 1), 1);
	journal_close(j);
}

static void a_damaged_line_is_named(void **state)
{
	struct journal *j = reopen(NULL);
	struct err e = {0};
	int n = 0;

	(void)state;
	assert_int_equal(journal_begin(j, 1, &e), 0);
	append_text("{\"n\": 1}\n{\"n\": \n{\"n\": 3}\n");
	j = reopen(j);
	assert_true(journal_read(j, 1, sum, &n, &e) < 0);
	assert_non_null(strstr(e.text, "line 3"));
	assert_non_null(strstr(e.text, path));
	journal_close(j);
}

/* As on a disk that is full. */
static void a_write_that_fails_leaves_nothing(void **state)
{
	struct journal *j = reopen(NULL);
	struct rlimit before, small;
	struct err e = {0};

	(void)state;
	assert_int_equal(journal_begin(j, 1, &e), 0);
	add(j, 1);
	assert_int_equal(journal_commit(j, &e), 0);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	small = before;
	small.rlim_cur = 40;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (int i = 2; i < 9; i++)
		add(j, i);
	assert_true(journal_commit(j, &e) < 0);
	assert_non_null(strstr(e.text, path));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(read_sum(j, 1), 1);
	add(j, 9);
	assert_int_equal(journal_commit(j, &e), 0);
	j = reopen(j);
	assert_int_equal(read_sum(j, 1), 19);
	journal_close(j);
}

static void it_gets_long(void **state)
{
	struct journal *j = reopen(NULL);
	struct err e = {0};

	(void)state;
	assert_int_equal(journal_begin(j, 1, &e), 0);
	for (int i = 0; i < 1000000 && !journal_is_long(j); i++) {
		add(j, i);
		if (i % 1000 == 0)
			assert_int_equal(journal_commit(j, &e), 0);
	}
	assert_true(journal_is_long(j));
	assert_int_equal(journal_begin(j, 2, &e), 0);
	assert_false(journal_is_long(j));
	journal_close(j);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(records_come_back_in_order),
		TEST(those_of_another_file_are_left_aside),
		TEST(a_last_line_that_is_not_whole_is_left_out),
		TEST(a_damaged_line_is_named),
		TEST(a_write_that_fails_leaves_nothing),
		TEST(it_gets_long),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
