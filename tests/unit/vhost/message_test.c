/* SPDX-License-Identifier: BSD-3-Clause */
/* What can be judged of a vhost-user message by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "vhost/message.h"

static struct message good(uint32_t request, uint32_t size)
{
	return (struct message){.request = request, .flags = MESSAGE_VERSION, .size = size};
}

/* The shortest descriptor that can be: one that is closed. */
static void add_fds(struct message *m, int n)
{
	m->n_fds = n;
	for (int i = 0; i < n; i++)
		m->fds[i] = -1;
}

static void expect_refused(const struct message *m, const char *words)
{
	struct err e = {0};

	assert_true(message_check(m, &e) < 0);
	if (!strstr(e.text, words))
		fail_msg("'%s' does not say '%s'", e.text, words);
}

static void expect_passed(const struct message *m)
{
	struct err e = {0};

	if (message_check(m, &e) < 0)
		fail_msg("%s", e.text);
}

/* Numbers as in QEMU's docs/interop/vhost-user.rst. */
static void requests_have_their_names(void **state)
{
	(void)state;
	assert_string_equal(message_name(1), "GET_FEATURES");
	assert_string_equal(message_name(9), "SET_VRING_ADDR");
	assert_string_equal(message_name(32), "SET_INFLIGHT_FD");
	assert_string_equal(message_name(40), "GET_STATUS");
	assert_null(message_name(0));
	assert_null(message_name(44));
	assert_null(message_name(UINT32_MAX));
}

static void unknown_requests_are_refused_by_number(void **state)
{
	struct message m = good(0, 0);

	(void)state;
	expect_refused(&m, "request 0,");
	m.request = 4711;
	expect_refused(&m, "request 4711,");
}

static void what_is_not_offered_is_refused_by_name(void **state)
{
	static const uint32_t not_offered[] = {6,  7,  21, 22, 23, 24, 25, 26, 27, 28, 29, 30,
					       31, 32, 33, 34, 35, 36, 37, 38, 41, 42, 43};

	(void)state;
	for (size_t i = 0; i < sizeof(not_offered) / sizeof(not_offered[0]); i++) {
		struct message m = good(not_offered[i], 20);

		add_fds(&m, 1);
		expect_refused(&m, "which is not offered");
		expect_refused(&m, message_name(not_offered[i]));
	}
}

static void lengths_are_exact(void **state)
{
	static const struct {
		uint32_t request, size;
	} due[] = {{1, 0},  {2, 8},  {3, 0},  {4, 0},  {8, 8},  {9, 40}, {10, 8}, {11, 8},
		   {15, 0}, {16, 8}, {17, 0}, {18, 8}, {19, 8}, {20, 8}, {39, 8}, {40, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(due) / sizeof(due[0]); i++) {
		struct message m = good(due[i].request, due[i].size);

		expect_passed(&m);
		m.size = due[i].size + 1;
		expect_refused(&m, message_name(due[i].request));
		m.size = due[i].size - 1; /* or 4 GiB */
		expect_refused(&m, "bytes of payload");
		m.size = due[i].size;
		add_fds(&m, 1);
		expect_refused(&m, "with 1 descriptor, not 0");
		add_fds(&m, 8);
		expect_refused(&m, "with 8 descriptors, not 0");
	}
}

static void flags_are_those_of_a_request(void **state)
{
	struct message m = good(REQUEST_SET_OWNER, 0);

	(void)state;
	m.flags = MESSAGE_VERSION | MESSAGE_NEED_REPLY;
	expect_passed(&m);
	m.flags = 0;
	expect_refused(&m, "SET_OWNER with flags 0x0");
	m.flags = 2;
	expect_refused(&m, "flags 0x2");
	m.flags = MESSAGE_VERSION | MESSAGE_REPLY;
	expect_refused(&m, "flags 0x5");
}

static void memory_tables_hold_what_they_say(void **state)
{
	struct message m = good(REQUEST_SET_MEM_TABLE, 8 + 32);

	(void)state;
	m.payload.memory.n = 1;
	add_fds(&m, 1);
	expect_passed(&m);
	m.payload.memory.n = 8;
	m.size = 8 + 8 * 32;
	add_fds(&m, 8);
	expect_passed(&m);
	add_fds(&m, 7);
	expect_refused(&m, "SET_MEM_TABLE with 7 descriptors, not 8");
	m.size -= 1;
	expect_refused(&m, "bytes of payload, not 264");
	m.payload.memory.n = 9;
	expect_refused(&m, "SET_MEM_TABLE with 9 regions, not 1 to 8");
	m.payload.memory.n = 0;
	expect_refused(&m, "0 regions");
	m.payload.memory.n = UINT32_MAX;
	expect_refused(&m, "regions");
	m.size = 7;
	expect_refused(&m, "7 bytes of payload");
}

static void ring_descriptors_are_one_or_none(void **state)
{
	static const uint32_t requests[] = {REQUEST_SET_VRING_KICK, REQUEST_SET_VRING_CALL,
					    REQUEST_SET_VRING_ERR};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct message m = good(requests[i], 8);

		m.payload.u64 = 1;
		expect_refused(&m, "0 descriptors, not 1");
		add_fds(&m, 1);
		expect_passed(&m);
		add_fds(&m, 2);
		expect_refused(&m, "2 descriptors, not 1");
		m.payload.u64 = MESSAGE_NO_FD | 1;
		expect_refused(&m, "2 descriptors, not 0");
		add_fds(&m, 0);
		expect_passed(&m);
		m.payload.u64 = 0x201;
		expect_refused(&m, "unknown flags 0x201");
	}
}

static void descriptors_are_closed_once(void **state)
{
	struct message m = good(REQUEST_SET_VRING_CALL, 8);
	int fds[2], kept;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	m.n_fds = 2;
	m.fds[0] = fds[0];
	m.fds[1] = fds[1];
	kept = message_take_fd(&m, 0);
	assert_int_equal(kept, fds[0]);
	message_close_fds(&m);
	assert_int_equal(close(fds[1]), -1);
	assert_int_equal(close(kept), 0);
	message_close_fds(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_have_their_names),
		cmocka_unit_test(unknown_requests_are_refused_by_number),
		cmocka_unit_test(what_is_not_offered_is_refused_by_name),
		cmocka_unit_test(lengths_are_exact),
		cmocka_unit_test(flags_are_those_of_a_request),
		cmocka_unit_test(memory_tables_hold_what_they_say),
		cmocka_unit_test(ring_descriptors_are_one_or_none),
		cmocka_unit_test(descriptors_are_closed_once),
	};

	return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
