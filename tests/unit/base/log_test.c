/* SPDX-License-Identifier: BSD-3-Clause */
/* The log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

/* What fn's log calls write to stderr. */
static void capture(void (*fn)(void), char *text, size_t size)
{
	int saved = dup(STDERR_FILENO), fds[2];
	ssize_t n;

	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	fn();
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = read(fds[0], text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	close(fds[0]);
}

static void hostile(void)
{
	log_warn("port %s", "a\nb\033[2J");
}

static void chatty(void)
{
	log_debug("not shown");
	log_error("shown");
}

static void test_control_bytes_are_escaped(void **state)
{
	char text[512];

	(void)state;
	unsetenv("JOURNAL_STREAM");
	capture(hostile, text, sizeof(text));
	assert_non_null(strstr(text, "warn: port a?b?[2J\n"));
}

static void test_level_filters(void **state)
{
	char text[512];

	(void)state;
	log_set_level(LOG_INFO);
	capture(chatty, text, sizeof(text));
	assert_null(strstr(text, "not shown"));
	assert_non_null(strstr(text, "error: shown"));
}

static void test_journald_gets_a_priority(void **state)
{
	char text[512];

	(void)state;
	setenv("JOURNAL_STREAM", "1:1", 1);
	capture(chatty, text, sizeof(text));
	unsetenv("JOURNAL_STREAM");
	assert_string_equal(text, "<3>shown\n");
}

static void test_levels_have_names(void **state)
{
	enum log_level level;

	(void)state;
	for (int i = 0; i < LOG_LEVEL_COUNT; i++) {
		assert_int_equal(log_level_parse(log_level_text(i), &level), 0);
		assert_int_equal(level, i);
	}
	assert_true(log_level_parse("loud", &level) < 0);
}

/* How many lines were written, and how many are said to be lost. */
static void count_lines(const char *text, size_t *lines, size_t *lost)
{
	const char *begin;

	*lines = *lost = 0;
	for (const char *at = text; (at = strstr(at, " of many\n")) != NULL; at++)
		++*lines;
	for (const char *at = text; (at = strstr(at, " log lines were lost")) != NULL; at++) {
		for (begin = at; begin[-1] != ' '; begin--)
			continue;
		*lost += strtoul(begin, NULL, 10);
	}
}

/* A full pipe that nobody reads: callers go on, and what was lost is counted. */
static void test_who_logs_waits_for_nobody(void **state)
{
	static char text[1 << 20];
	int saved = dup(STDERR_FILENO), fds[2];
	size_t used = 0, lines = 0, lost = 0;
	struct pollfd p;

	(void)state;
	unsetenv("JOURNAL_STREAM");
	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	assert_int_equal(log_start(), 0);
	for (int i = 0; i < 10000; i++)
		log_warn("a line that is longer than some others, number %d of many", i);
	/* Now somebody reads. */
	p = (struct pollfd){.fd = fds[0], .events = POLLIN};
	while (lines + lost < 10000 && poll(&p, 1, 20000) == 1) {
		ssize_t n = read(fds[0], text + used, sizeof(text) - used - 1);

		assert_true(n > 0);
		used += (size_t)n;
		count_lines(text, &lines, &lost);
	}
	log_stop();
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[0]);
	assert_int_equal(lines + lost, 10000);
	assert_true(lost > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_logs_waits_for_nobody),
		cmocka_unit_test(test_control_bytes_are_escaped),
		cmocka_unit_test(test_level_filters),
		cmocka_unit_test(test_journald_gets_a_priority),
		cmocka_unit_test(test_levels_have_names),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
