/* SPDX-License-Identifier: BSD-3-Clause */
/* Which cores become workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <stdio.h>

#include "daemon/eal.h"

static void test_bad_lists_are_refused(void **state)
{
	static const char *const bad[] = {"",   "x",  "1,",  ",1",    "1-",  "-1",  "3-1",
					  "+1", "1 ", "0x1", "99999", "0,0", "1;2", "1-2-3"};
	struct eal_conf conf;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		e.text[0] = '\0';
		if (eal_parse_cores(bad[i], &conf, &e) >= 0)
			fail_msg("'%s' was taken", bad[i]);
		assert_string_equal(e.field, "workers");
	}
}

static void test_takes_cores_that_may_be_used(void **state)
{
	struct eal_conf conf;
	struct err e;
	cpu_set_t allowed;
	char text[64];
	unsigned core = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	while (!CPU_ISSET(core, &allowed))
		core++;
	snprintf(text, sizeof(text), "%u", core);
	assert_int_equal(eal_parse_cores(text, &conf, &e), 0);
	assert_int_equal(conf.n_workers, 1);
	assert_int_equal(conf.worker_core[0], core);
	snprintf(text, sizeof(text), "%u-%u", core, core);
	assert_int_equal(eal_parse_cores(text, &conf, &e), 0);
	assert_int_equal(conf.n_workers, 1);
}

static void test_default_is_one_core_that_may_be_used(void **state)
{
	struct eal_conf conf;
	cpu_set_t allowed;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	eal_default_core(&conf);
	assert_int_equal(conf.n_workers, 1);
	assert_true(CPU_ISSET(conf.worker_core[0], &allowed));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_lists_are_refused),
		cmocka_unit_test(test_takes_cores_that_may_be_used),
		cmocka_unit_test(test_default_is_one_core_that_may_be_used),
	};

	return cmocka_run_group_tests_name("eal", tests, NULL, NULL);
}
