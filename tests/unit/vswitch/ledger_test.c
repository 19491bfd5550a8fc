/* SPDX-License-Identifier: BSD-3-Clause */
/* The ledger: its rows sum to the time that passed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "vswitch/ledger.h"

static struct ledger *l;

static int setup(void **state)
{
	(void)state;
	l = calloc(1, sizeof(*l));
	return l ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(l);
	return 0;
}

static void test_rows_sum_to_the_time_passed(void **state)
{
	uint64_t now = 1000;
	unsigned seed = 1;

	(void)state;
	ledger_open(l, now);
	for (int i = 0; i < 100000; i++) {
		now += (uint64_t)rand_r(&seed) % 5000;
		if (rand_r(&seed) % 4 == 0)
			ledger_bill_sys(l, (enum sysrow)(rand_r(&seed) % SYSROW_COUNT), now);
		else
			ledger_bill_vm(l, (uint16_t)(rand_r(&seed) % MAX_VMS),
				       (enum stage)(rand_r(&seed) % STAGE_COUNT), now);
	}
	assert_int_equal(ledger_sum(l), now - 1000);
	assert_int_equal(l->last_tsc - l->opened_tsc, now - 1000);
}

static void test_a_clock_that_goes_back_bills_nothing(void **state)
{
	(void)state;
	ledger_open(l, 1000);
	assert_int_equal(ledger_bill_vm(l, 1, STAGE_DEQUEUE, 2000), 1000);
	assert_int_equal(ledger_bill_vm(l, 1, STAGE_DEQUEUE, 1500), 0);
	assert_int_equal(ledger_bill_sys(l, SYSROW_IDLE, 2500), 500);
	assert_int_equal(ledger_sum(l), 1500);
}

static void test_a_departing_vm_leaves_its_time_behind(void **state)
{
	(void)state;
	ledger_open(l, 0);
	ledger_bill_vm(l, 5, STAGE_DELIVER, 100);
	ledger_bill_vm(l, 5, STAGE_NOTIFY, 130);
	ledger_depart(l, 5);
	assert_int_equal(ledger_vm_sum(l, 5), 0);
	assert_int_equal(l->sys[SYSROW_DEPARTED], 130);
	assert_int_equal(ledger_sum(l), 130);
}

static void test_rows_have_names(void **state)
{
	(void)state;
	for (int i = 0; i < STAGE_COUNT; i++)
		assert_true(strlen(stage_text(i)) > 0);
	for (int i = 0; i < SYSROW_COUNT; i++)
		assert_true(strlen(sysrow_text(i)) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rows_sum_to_the_time_passed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_clock_that_goes_back_bills_nothing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_departing_vm_leaves_its_time_behind, setup,
						teardown),
		cmocka_unit_test(test_rows_have_names),
	};

	return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
