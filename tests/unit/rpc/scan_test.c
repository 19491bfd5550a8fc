/* SPDX-License-Identifier: BSD-3-Clause */
/* Framing: where values end, however the stream is cut. */
#include "rpc/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Feeds a text in pieces of `piece` bytes; returns how many values ended, or minus the result that
 * stopped it. *end is where the last one ended. */
static int feed(const char *text, size_t len, size_t piece, size_t *end)
{
	struct rpc_scan s = {0};
	size_t at = 0;
	int values = 0;

	while (at < len) {
		size_t n = len - at < piece ? len - at : piece, used = 0;
		enum rpc_scan_result r = rpc_scan(&s, text + at, n, &used);

		assert_true(used > 0 && used <= n);
		at += used;
		if (r == RPC_SCAN_END) {
			values++;
			*end = at;
			assert_false(rpc_scan_inside(&s));
			s = (struct rpc_scan){0};
		} else if (r != RPC_SCAN_MORE) {
			return -(int)r;
		}
	}
	return values;
}

static void finds_ends(void **state)
{
	static const struct {
		const char *text;
		int want;
		size_t end;
	} cases[] = {
		{"{}", 1, 2},
		{" \t\r\n{}", 1, 6},
		{"{}{}", 2, 4},
		{"[]\n[1,{\"a\":[2]}]  ", 2, 16},
		{"{\"a\":\"}\"}", 1, 9},
		{"{\"a\":\"\\\"}\"}", 1, 11},
		{"{\"a\":\"\\\\\"}", 1, 10},
		{"{\"a\":", 0, 0},
		{"{\"a\":\"\\", 0, 0},
		{"", 0, 0},
		{"1", -RPC_SCAN_SCALAR, 0},
		{"\"x\"", -RPC_SCAN_SCALAR, 0},
		{"null", -RPC_SCAN_SCALAR, 0},
		{"{}x", -RPC_SCAN_BAD, 2},
		{"}", -RPC_SCAN_BAD, 0},
		{"GET / HTTP/1.1", -RPC_SCAN_BAD, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t piece = 1; piece <= 7; piece++) {
			size_t end = 0;

			assert_int_equal(feed(cases[i].text, strlen(cases[i].text), piece, &end),
					 cases[i].want);
			assert_int_equal(end, cases[i].end);
		}
}

static void nul_begins_nothing(void **state)
{
	size_t end = 0;

	(void)state;
	assert_int_equal(feed("\0", 1, 1, &end), -RPC_SCAN_BAD);
}

static void bounds_depth(void **state)
{
	char text[2 * RPC_MAX_DEPTH + 2];
	size_t end = 0;

	(void)state;
	memset(text, '[', RPC_MAX_DEPTH);
	memset(text + RPC_MAX_DEPTH, ']', RPC_MAX_DEPTH);
	assert_int_equal(feed(text, 2 * RPC_MAX_DEPTH, 3, &end), 1);
	memset(text, '[', RPC_MAX_DEPTH + 1);
	assert_int_equal(feed(text, RPC_MAX_DEPTH + 1, 3, &end), -RPC_SCAN_DEEP);
}

static void bounds_values(void **state)
{
	size_t len = 2 * RPC_MAX_VALUES + 3, end = 0;
	char *text = malloc(len + 1);
	size_t at = 0;

	(void)state;
	text[at++] = '[';
	for (int i = 0; i < RPC_MAX_VALUES; i++) {
		text[at++] = '1';
		text[at++] = ',';
	}
	assert_int_equal(feed(text, at, 4096, &end), -RPC_SCAN_MANY);
	at -= 3;
	text[at++] = ']';
	assert_int_equal(feed(text, at, 4096, &end), 1);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_ends),
		cmocka_unit_test(nul_begins_nothing),
		cmocka_unit_test(bounds_depth),
		cmocka_unit_test(bounds_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
