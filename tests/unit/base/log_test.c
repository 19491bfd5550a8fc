/* SPDX-License-Identifier: BSD-3-Clause */
/* The log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

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

static void test_pace(void **state)
{
	const uint64_t s = 1000000000u;
	struct log_pace pace = {0};
	uint64_t left_out;

	(void)state;
	assert_true(log_pace_allows(&pace, 5, &left_out));
	assert_int_equal(left_out, 0);
	for (uint64_t i = 1; i <= 1000; i++)
		assert_false(log_pace_allows(&pace, 5 + i * (s / 1001), &left_out));
	assert_true(log_pace_allows(&pace, 5 + s, &left_out));
	assert_int_equal(left_out, 1000);
	assert_false(log_pace_allows(&pace, 4 + 2 * s, &left_out));
	assert_true(log_pace_allows(&pace, 9 * s, &left_out));
	assert_int_equal(left_out, 1);
	assert_true(log_pace_allows(&pace, 10 * s, &left_out));
	assert_int_equal(left_out, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pace),
		cmocka_unit_test(test_control_bytes_are_escaped),
		cmocka_unit_test(test_level_filters),
		cmocka_unit_test(test_journald_gets_a_priority),
		cmocka_unit_test(test_levels_have_names),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
