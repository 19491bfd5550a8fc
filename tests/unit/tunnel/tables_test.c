/* SPDX-License-Identifier: BSD-3-Clause */
/* What workers look up about the tunnel. */
#include "tunnel/tables.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define MANY 5000

static struct ip_addr address(unsigned i, bool is_v6)
{
	struct ip_addr a = {.bytes = {10, 0, (uint8_t)(i >> 8), (uint8_t)i}, .is_v6 = is_v6};

	if (is_v6)
		a.bytes[15] = 1;
	return a;
}

static void test_new_tables_are_empty(void **state)
{
	struct tunnel_tables *t = tunnel_tables_create();
	struct ip_addr a = address(1, false);

	(void)state;
	assert_non_null(t);
	for (unsigned i = 0; i < REMOTE_MAX; i++)
		assert_null(atomic_load(&t->adjacency[i]));
	assert_null(vtep_table_find(atomic_load(&t->vteps), &a, VXLAN_PORT));
	assert_null(vni_table_find(atomic_load(&t->vnis), 0));
	assert_null(vni_table_find(atomic_load(&t->vnis), VXLAN_MAX_VNI));
	assert_int_equal(source_table_find(atomic_load(&t->sources), &a, 0), REMOTE_NONE);
	tunnel_tables_destroy(t);
	tunnel_tables_destroy(NULL);
}

/* The tables that were published go with the rest. */
static void test_what_is_published_is_freed(void **state)
{
	struct tunnel_tables *t = tunnel_tables_create();

	(void)state;
	assert_non_null(t);
	atomic_store(&t->adjacency[0], calloc(1, sizeof(struct adjacency)));
	atomic_store(&t->adjacency[REMOTE_MAX - 1], calloc(1, sizeof(struct adjacency)));
	free(atomic_exchange(&t->vnis, vni_table_create(100)));
	free(atomic_exchange(&t->sources, source_table_create(100)));
	tunnel_tables_destroy(t);
}

/* VNIs 3, 6, 9 and so on, with 0 and the highest one. */
static void test_networks_are_found_by_vni(void **state)
{
	static char network[MANY + 2];
	struct vni_table *t = vni_table_create(MANY + 2);

	(void)state;
	assert_non_null(t);
	for (uint32_t i = 0; i < MANY; i++)
		vni_table_add(t, 3 * (i + 1), &network[i]);
	vni_table_add(t, 0, &network[MANY]);
	vni_table_add(t, VXLAN_MAX_VNI, &network[MANY + 1]);
	for (uint32_t i = 0; i < MANY; i++) {
		assert_ptr_equal(vni_table_find(t, 3 * (i + 1)), &network[i]);
		assert_null(vni_table_find(t, 3 * i + 1));
		assert_null(vni_table_find(t, 3 * i + 2));
	}
	assert_ptr_equal(vni_table_find(t, 0), &network[MANY]);
	assert_ptr_equal(vni_table_find(t, VXLAN_MAX_VNI), &network[MANY + 1]);
	free(t);
}

/* At most half of its places are used, so that a search ends, and soon. */
static void test_tables_are_half_full_at_most(void **state)
{
	(void)state;
	for (uint32_t n = 0; n < 100; n++) {
		struct source_table *sources = source_table_create(n);
		struct vni_table *vnis = vni_table_create(n);

		assert_non_null(sources);
		assert_non_null(vnis);
		assert_true(sources->mask + 1 >= 2 * n && vnis->mask + 1 >= 2 * n);
		assert_int_equal(sources->mask & (sources->mask + 1), 0);
		assert_int_equal(vnis->mask & (vnis->mask + 1), 0);
		free(sources);
		free(vnis);
	}
}

static void test_remotes_are_found_by_address_and_vtep(void **state)
{
	struct source_table *t = source_table_create(3 * MANY);

	(void)state;
	assert_non_null(t);
	for (unsigned i = 0; i < MANY; i++) {
		struct ip_addr v4 = address(i, false), v6 = address(i, true);

		source_table_add(t, &v4, 0, (uint16_t)i);
		source_table_add(t, &v4, 1, (uint16_t)(MANY + i));
		source_table_add(t, &v6, 0, (uint16_t)(2 * MANY + i));
	}
	for (unsigned i = 0; i < MANY; i++) {
		struct ip_addr v4 = address(i, false), v6 = address(i, true);
		struct ip_addr none = address(MANY + i, false);

		assert_int_equal(source_table_find(t, &v4, 0), i);
		assert_int_equal(source_table_find(t, &v4, 1), MANY + i);
		assert_int_equal(source_table_find(t, &v6, 0), 2 * MANY + i);
		assert_int_equal(source_table_find(t, &v6, 1), REMOTE_NONE);
		assert_int_equal(source_table_find(t, &none, 0), REMOTE_NONE);
	}
	free(t);
}

/* The same bytes are another address in the other version. */
static void test_versions_are_told_apart(void **state)
{
	struct source_table *t = source_table_create(2);
	struct ip_addr v4 = address(1, false), v6 = v4;

	(void)state;
	assert_non_null(t);
	v6.is_v6 = true;
	source_table_add(t, &v4, 0, 1);
	assert_int_equal(source_table_find(t, &v6, 0), REMOTE_NONE);
	source_table_add(t, &v6, 0, 2);
	assert_int_equal(source_table_find(t, &v4, 0), 1);
	assert_int_equal(source_table_find(t, &v6, 0), 2);
	free(t);
}

static void test_vteps_are_found_by_address_and_port(void **state)
{
	struct vtep_table t = {.n = 0};
	struct ip_addr none = address(VTEP_MAX, false);

	(void)state;
	for (unsigned i = 0; i < VTEP_MAX; i++)
		t.at[t.n++] = (struct vtep_entry){address(i, i % 2), VXLAN_PORT, (uint8_t)i, false,
						  false};
	for (unsigned i = 0; i < VTEP_MAX; i++) {
		struct ip_addr a = address(i, i % 2), other = address(i, i % 2 == 0);

		assert_ptr_equal(vtep_table_find(&t, &a, VXLAN_PORT), &t.at[i]);
		assert_null(vtep_table_find(&t, &a, VXLAN_PORT + 1));
		assert_null(vtep_table_find(&t, &other, VXLAN_PORT));
	}
	assert_null(vtep_table_find(&t, &none, VXLAN_PORT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_tables_are_empty),
		cmocka_unit_test(test_what_is_published_is_freed),
		cmocka_unit_test(test_networks_are_found_by_vni),
		cmocka_unit_test(test_tables_are_half_full_at_most),
		cmocka_unit_test(test_remotes_are_found_by_address_and_vtep),
		cmocka_unit_test(test_versions_are_told_apart),
		cmocka_unit_test(test_vteps_are_found_by_address_and_port),
	};

	return cmocka_run_group_tests_name("tables", tests, NULL, NULL);
}
