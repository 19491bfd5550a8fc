/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of a network's ports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "control/switch.h"

/* Floods that are cut go on by port id. */
static void test_members_are_ordered_by_id(void **state)
{
	static const uint16_t ids[] = {5, 2, 9, 3, 0}, sorted[] = {0, 2, 3, 5, 9};
	static struct vswitch no_workers;
	static struct port port[5];
	struct network net = {.bridge.fdb = fdb_create(16)};
	const struct members *m;

	(void)state;
	assert_non_null(net.bridge.fdb);
	atomic_store(&net.bridge.members, calloc(1, sizeof(struct members)));
	for (unsigned i = 0; i < 5; i++) {
		port[i].vport.id = ids[i];
		assert_int_equal(network_add_port(&no_workers, &net, &port[i]), 0);
	}
	m = atomic_load(&net.bridge.members);
	assert_int_equal(m->n, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(m->port[i]->id, sorted[i]);

	assert_int_equal(network_remove_port(&no_workers, &net, &port[3]), 0);
	m = atomic_load(&net.bridge.members);
	assert_int_equal(m->n, 4);
	assert_int_equal(m->port[2]->id, 5);
	free(atomic_load(&net.bridge.members));
	fdb_destroy(net.bridge.fdb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members_are_ordered_by_id),
	};

	return cmocka_run_group_tests_name("network", tests, NULL, NULL);
}
