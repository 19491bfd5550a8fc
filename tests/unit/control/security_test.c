/* SPDX-License-Identifier: BSD-3-Clause */
/* Security groups as control sees them: what ports get to be judged by, and what is refused. */
#include "control/security.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>

#include "tests/fake/eal.h"
#include "pkt/flow.h"
#include "policy/conntrack.h"
#include "policy/security.h"

#define N_PORTS         3
#define MAX_CONNECTIONS 64

static struct vswitch sw;
static struct tenant acme, rival;
static struct network net;
static struct vm vm[N_PORTS];
static struct port port[N_PORTS];
static struct vport *vports[MAX_PORTS];

static int set_up(void **state)
{
	struct worker_conf conf = {.core = 1, .ports = vports, .sched = {.tsc_hz = 1000000000}};
	struct err e;

	(void)state;
	sw = (struct vswitch){.n_workers = 1, .worker = {worker_create(&conf, &e)}};
	sw.security = security_create();
	acme = (struct tenant){.name = "acme"};
	rival = (struct tenant){.name = "rival"};
	net = (struct network){.tenant = &acme};
	TAILQ_INIT(&sw.tenants);
	TAILQ_INSERT_TAIL(&sw.tenants, &acme, link);
	TAILQ_INIT(&sw.ports);
	TAILQ_INIT(&sw.vms);
	for (uint16_t i = 0; i < N_PORTS; i++) {
		vm[i] = (struct vm){.id = i,
				    .tenant = &acme,
				    .worker = sw.worker[0],
				    .max_connections = MAX_CONNECTIONS};
		port[i] = (struct port){
			.vm = &vm[i], .net = &net, .vport = {.id = i, .epoch = 100u + i}};
		TAILQ_INSERT_TAIL(&sw.vms, &vm[i], link);
		TAILQ_INSERT_TAIL(&sw.ports, &port[i], link);
	}
	return sw.worker[0] && sw.security ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	for (unsigned i = 0; i < N_PORTS; i++)
		port_leave_groups(&sw, &port[i]);
	assert_true(TAILQ_EMPTY(&sw.security->sets));
	assert_int_equal(sw.security->connections_bytes, 0);
	security_destroy(&sw);
	filter_groups_destroy(acme.members);
	filter_groups_destroy(rival.members);
	worker_destroy(sw.worker[0]);
	return 0;
}

static struct security_group *make_group(const char *name, struct tenant *t)
{
	struct err e;
	struct security_group *g = security_group_create(&sw, name, t, &e);

	assert_non_null(g);
	return g;
}

/* A rule about TCP to a port. */
static struct security_rule tcp(uint16_t to, bool is_allow, uint16_t priority)
{
	return (struct security_rule){
		.is_ingress = true,
		.is_allow = is_allow,
		.protocol = IPPROTO_TCP,
		.first = to,
		.last = to,
		.priority = priority,
	};
}

static struct security_rule *add(struct security_group *g, struct security_rule rule)
{
	struct err e;
	struct security_rule *r = security_rule_add(&sw, g, &rule, &e);

	if (!r)
		fail_msg("%s", e.text);
	return r;
}

static int enter(unsigned i, const char *names, struct err *e)
{
	struct groups_change c;
	int ret = port_prepare_groups(&sw, &port[i], names, &port[i].sources, &c, e);

	if (ret == 0)
		port_set_groups(&sw, &port[i], &c);
	return ret;
}

static struct security *security_of(unsigned i)
{
	return atomic_load(&port[i].vport.security);
}

/* Whether a port's rules allow TCP that comes to this port of its VM from 10.0.0.host. */
static bool allows(unsigned i, uint8_t host, uint16_t to)
{
	const struct security *s = security_of(i);
	struct flow f = {
		.key = {.remote = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = host},
			.lport = to,
			.rport = 40000,
			.proto = IPPROTO_TCP},
		.kind = FLOW_PACKET,
		.side = FLOW_RECEIVED,
	};
	struct filter_groups *members = atomic_load(s->groups);

	return filter_allows(s->ingress, filter_match(s->ingress, members, &f));
}

static void test_ports_share_what_their_groups_say(void **state)
{
	struct security_group *web = make_group("web", &acme);
	struct err e;

	(void)state;
	make_group("app", &acme);
	add(web, tcp(80, true, 1000));
	assert_int_equal(enter(0, "web,app", &e), 0);
	assert_int_equal(enter(1, "app,web", &e), 0);
	assert_int_equal(enter(2, "web", &e), 0);
	assert_ptr_equal(security_of(0)->ingress, security_of(1)->ingress);
	assert_ptr_not_equal(security_of(0)->ingress, security_of(2)->ingress);
	assert_int_equal(security_of(1)->port, 101);
	assert_int_equal(web->n_ports, 3);
	for (unsigned i = 0; i < N_PORTS; i++) {
		assert_true(allows(i, 1, 80));
		assert_false(allows(i, 1, 81));
		assert_true(atomic_load(&port[i].vport.stages) & 1u << STAGE_POLICY);
	}
	assert_int_equal(enter(0, "", &e), 0);
	assert_null(security_of(0));
	assert_int_equal(atomic_load(&port[0].vport.stages), 0);
	assert_int_equal(web->n_ports, 2);
}

static void test_priorities(void **state)
{
	struct security_group *web = make_group("web", &acme), *bad = make_group("bad", &acme);
	struct security_rule *r;
	struct err e;

	(void)state;
	assert_int_equal(enter(0, "web,bad", &e), 0);
	add(web, tcp(80, true, 1000));
	assert_true(allows(0, 1, 80));
	/* Of equal ones, that which drops, whichever group it is of. */
	r = add(bad, tcp(80, false, 1000));
	assert_false(allows(0, 1, 80));
	add(web, tcp(80, true, 1001));
	assert_true(allows(0, 1, 80));
	add(bad, tcp(80, false, 2000));
	assert_false(allows(0, 1, 80));
	assert_int_equal(security_rule_delete(&sw, bad, r->id, &e), 0);
	assert_int_equal(security_rule_delete(&sw, bad, "r2", &e), 0);
	assert_true(allows(0, 1, 80));
}

static void test_only_ports_in_the_group_change(void **state)
{
	struct security_group *web = make_group("web", &acme);
	struct security *before[2];
	uint32_t generation;
	struct err e;

	(void)state;
	make_group("app", &acme);
	assert_int_equal(enter(0, "web", &e), 0);
	assert_int_equal(enter(1, "app", &e), 0);
	for (unsigned i = 0; i < 2; i++)
		before[i] = security_of(i);
	generation = before[0]->generation;
	add(web, tcp(80, true, 1000));
	assert_ptr_equal(security_of(1), before[1]);
	assert_int_not_equal(security_of(0)->generation, generation);
}

static void test_members(void **state)
{
	struct security_group *web = make_group("web", &acme), *app = make_group("app", &acme);
	struct security_rule rule = tcp(80, true, 1000);
	const struct ip_addr five = {.bytes = {10, 0, 0, 5}}, eight = {.bytes = {10, 0, 0, 8}};
	const struct filter *filter;
	uint32_t generation, others;
	struct err e;

	(void)state;
	rule.members = app;
	add(web, rule);
	assert_int_equal(app->n_named, 1);
	assert_int_equal(enter(0, "web", &e), 0);
	assert_int_equal(enter(1, "app", &e), 0);
	filter = security_of(0)->ingress;
	generation = security_of(0)->generation;
	others = security_of(1)->generation;
	assert_false(allows(0, 5, 80));
	assert_int_equal(security_group_add_address(&sw, app, &five, 32, &e), 0);
	assert_int_equal(security_group_add_address(&sw, app, &eight, 29, &e), 0);
	assert_true(allows(0, 5, 80));
	assert_true(allows(0, 15, 80));
	assert_false(allows(0, 16, 80));
	assert_int_equal(security_group_add_address(&sw, app, &five, 32, &e), -EEXIST);
	assert_int_equal(security_group_remove_address(&sw, app, &five, 32, &e), 0);
	assert_false(allows(0, 5, 80));
	assert_int_equal(security_group_remove_address(&sw, app, &five, 32, &e), -ENOENT);
	/* Connections are judged again by who the members are now, of this port only. */
	assert_int_not_equal(security_of(0)->generation, generation);
	assert_int_equal(security_of(1)->generation, others);
	/* Many at once are published together. */
	security_defer_members(&sw, true);
	assert_int_equal(security_group_add_address(&sw, app, &five, 32, &e), 0);
	assert_false(allows(0, 5, 80));
	security_defer_members(&sw, false);
	assert_true(allows(0, 5, 80));
	assert_int_equal(security_group_remove_address(&sw, app, &five, 32, &e), 0);
	/* No rule was compiled anew for that. */
	assert_ptr_equal(security_of(0)->ingress, filter);
	assert_int_equal(enter(1, "", &e), 0);
	assert_int_equal(security_group_delete(&sw, app, &e), -EBUSY);
	assert_int_equal(security_rule_delete(&sw, web, "r1", &e), 0);
	assert_int_equal(security_group_delete(&sw, app, &e), 0);
	assert_null(security_group_find(&sw, "app"));
}

static void test_what_is_refused_changes_nothing(void **state)
{
	struct security_group *web = make_group("web", &acme), *theirs = make_group("r", &rival);
	struct security_rule bad = tcp(80, true, 1000);
	struct security *before;
	struct err e;

	(void)state;
	assert_int_equal(enter(0, "web", &e), 0);
	before = security_of(0);
	assert_true(enter(0, "web,ghost", &e) < 0);
	assert_string_equal(e.field, "security_groups");
	assert_true(enter(0, "r", &e) < 0);
	assert_true(enter(0, "web,,web", &e) < 0);
	assert_true(enter(0, "web,", &e) < 0);
	assert_ptr_equal(security_of(0), before);
	assert_int_equal(web->n_ports, 1);
	bad.members = theirs;
	assert_null(security_rule_add(&sw, web, &bad, &e));
	assert_string_equal(e.field, "remote_group");
	add(web, tcp(80, true, 1000));
	assert_null(security_rule_add(&sw, web, &(struct security_rule){.id = "r1"}, &e));
	bad = tcp(80, true, 1000);
	assert_null(security_rule_add(&sw, web, &bad, &e));
	assert_int_equal(e.code, ERR_EXISTS);
	assert_int_equal(web->n_rules, 1);
	assert_int_equal(security_group_delete(&sw, web, &e), -EBUSY);
}

/* An address that is in as many groups as one may be in: what would be one more is refused. */
static void test_an_address_in_too_many_groups(void **state)
{
	const struct ip_addr five = {.bytes = {10, 0, 0, 5}};
	struct port_sources sources = {.n_addresses = 1, .address = {{five, 32}}};
	struct security *before;
	char name[NAME_SIZE];
	struct err e;

	(void)state;
	for (unsigned i = 0; i < FILTER_MAX_MEMBERSHIPS; i++) {
		snprintf(name, sizeof(name), "g%u", i);
		assert_int_equal(
			security_group_add_address(&sw, make_group(name, &acme), &five, 32, &e), 0);
	}
	make_group("more", &acme);
	assert_int_equal(enter(0, "more", &e), 0);
	before = security_of(0);
	assert_true(port_check_addresses(&sw, &port[0], &sources, &e) < 0);
	assert_string_equal(e.field, "addresses");
	port[1].sources = sources;
	assert_true(enter(1, "more", &e) < 0);
	assert_string_equal(e.field, "security_groups");
	assert_null(security_of(1));
	assert_int_equal(enter(1, "g0,g1", &e), 0);
	assert_ptr_equal(security_of(0), before);
}

/* In another network a port has other connections. */
static void test_a_port_in_another_network(void **state)
{
	struct security *there;
	struct err e;

	(void)state;
	make_group("web", &acme);
	assert_int_equal(port_renew_security(&port[0], 200, &there, &e), 0);
	assert_null(there);
	assert_int_equal(enter(0, "web", &e), 0);
	assert_int_equal(port_renew_security(&port[0], 65536 + 200, &there, &e), 0);
	assert_int_equal(there->port, 200);
	assert_int_equal(there->generation, security_of(0)->generation);
	assert_ptr_equal(there->ingress, security_of(0)->ingress);
	free(there);
}

static void test_connections_have_limits(void **state)
{
	struct conntrack *table;
	struct err e;

	(void)state;
	make_group("web", &acme);
	security_set_memory(&sw, 2 * conntrack_size(MAX_CONNECTIONS));
	assert_int_equal(enter(0, "web", &e), 0);
	assert_non_null(sw.worker[0]->service[0].connections);
	assert_int_equal(enter(1, "web", &e), 0);
	assert_true(enter(2, "web", &e) < 0);
	assert_string_equal(e.field, "security_groups");
	assert_null(security_of(2));
	assert_true(vm_prepare_connections(&sw, &vm[0], 4 * MAX_CONNECTIONS, &table, &e) < 0);
	assert_int_equal(vm[0].max_connections, MAX_CONNECTIONS);
	/* The last port that leaves its groups gives the memory back. */
	assert_int_equal(enter(1, "", &e), 0);
	assert_null(sw.worker[0]->service[1].connections);
	assert_int_equal(enter(2, "web", &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ports_share_what_their_groups_say, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_priorities, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_only_ports_in_the_group_change, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_members, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_refused_changes_nothing, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_an_address_in_too_many_groups, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_port_in_another_network, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_connections_have_limits, set_up, tear_down),
	};

	if (fake_eal_init("control_security_test") < 0)
		return 1;
	return cmocka_run_group_tests_name("control_security", tests, NULL, NULL);
}
