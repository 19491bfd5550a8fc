/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages to the control thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>

#include "vswitch/limits.h"
#include "control/mailbox.h"

static bool readable(const struct mailbox *m)
{
	struct pollfd p = {.fd = mailbox_fd(m), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void test_keeps_order_and_tells(void **state)
{
	struct mailbox *m = mailbox_create();
	struct mail mail;

	(void)state;
	assert_false(readable(m));
	mailbox_put(m, 2, VDEV_NEGOTIATING, "one");
	mailbox_put(m, 1, VDEV_UP, "two");
	mailbox_put(m, 2, VDEV_UP, "three");
	assert_true(readable(m));
	assert_true(mailbox_take(m, &mail));
	assert_int_equal(mail.port, 2);
	assert_int_equal(mail.state, VDEV_UP);
	assert_string_equal(mail.text, "three");
	assert_true(mailbox_take(m, &mail));
	assert_string_equal(mail.text, "two");
	assert_false(mailbox_take(m, &mail));
	assert_false(readable(m));
	mailbox_destroy(m);
}

/* A device that changes for ever fills no more than its own places. */
static void test_is_bounded(void **state)
{
	struct mailbox *m = mailbox_create();
	struct mail mail;
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		for (uint16_t port = 0; port < MAX_PORTS; port++)
			mailbox_put(m, port, (enum vdev_state)(i % VDEV_STATE_COUNT), "x");
	while (mailbox_take(m, &mail))
		n++;
	assert_int_equal(n, MAX_PORTS);
	mailbox_destroy(m);
}

static void test_forgets_a_port(void **state)
{
	struct mailbox *m = mailbox_create();
	struct mail mail;

	(void)state;
	mailbox_put(m, 1, VDEV_UP, "one");
	mailbox_put(m, 2, VDEV_UP, "two");
	mailbox_put(m, 1, VDEV_DOWN, "three");
	mailbox_forget(m, 1);
	assert_true(mailbox_take(m, &mail));
	assert_int_equal(mail.port, 2);
	assert_false(mailbox_take(m, &mail));
	mailbox_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keeps_order_and_tells),
		cmocka_unit_test(test_is_bounded),
		cmocka_unit_test(test_forgets_a_port),
	};

	return cmocka_run_group_tests_name("mailbox", tests, NULL, NULL);
}
