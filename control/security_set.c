/* SPDX-License-Identifier: BSD-3-Clause */
/* Sets of security groups that ports are in: their rules, compiled, and who the members of a
 * tenant's groups are. Workers find both by pointers that are swapped while traffic flows.
 *
 * Owns the sets, the filters, and what ports and tenants have of them. Called by the control
 * thread. Memory: a set for each different list of groups, with two filters of 0.7 MiB at most. */
#include "control/security_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "policy/security.h"

/* --- rules -------------------------------------------------------------------------------------
 */

void security_rule_compile(const struct security_rule *r, struct filter_rule *compiled)
{
	*compiled = (struct filter_rule){
		.is_v6 = r->is_v6,
		.is_allow = r->is_allow,
		.protocol = r->protocol,
		.first = r->first,
		.last = r->last,
		.remote_bits = r->remote_bits,
		.group = r->members ? r->members->id : FILTER_NO_GROUP,
	};
	memcpy(compiled->remote, r->remote.bytes, sizeof(compiled->remote));
}

/* By priority, the highest first; of equal ones those first that drop. */
static int compare_rules(const void *a, const void *b)
{
	const struct security_rule *const *x = a, *const *y = b;

	if ((*x)->priority != (*y)->priority)
		return (*x)->priority > (*y)->priority ? -1 : 1;
	return (*x)->is_allow - (*y)->is_allow;
}

/* Collects a set's rules for one direction, sorted. Returns their number. */
static unsigned collect_rules(const struct rule_set *set, bool is_ingress,
			      struct security_rule **rule)
{
	struct security_rule *r;
	unsigned n = 0;

	for (unsigned i = 0; i < set->n; i++)
		TAILQ_FOREACH (r, &set->group[i]->rules, link)
			if (r->is_ingress == is_ingress)
				rule[n++] = r;
	qsort(rule, n, sizeof(struct security_rule *), compare_rules);
	return n;
}

/* Compiles a set's rules for one direction. */
static struct filter *compile_rules(const struct rule_set *set, bool is_ingress, struct err *e)
{
	unsigned most = 0, n;
	struct security_rule **rule;
	struct filter_rule *compiled;
	struct filter *f = NULL;

	for (unsigned i = 0; i < set->n; i++)
		most += set->group[i]->n_rules;
	rule = calloc(most + 1, sizeof(struct security_rule *));
	compiled = calloc(most + 1, sizeof(*compiled));
	if (rule && compiled) {
		n = collect_rules(set, is_ingress, rule);
		for (unsigned i = 0; i < n; i++) {
			security_rule_compile(rule[i], &compiled[i]);
			compiled[i].id = rule[i]->number;
		}
		f = filter_create(compiled, n, e);
	} else {
		err_set(e, ERR_NO_SPACE, NULL, "out of memory");
	}
	free(rule);
	free(compiled);
	return f;
}

/* Compiles what will replace a set's filters. */
static int compile_next(struct rule_set *set, struct err *e)
{
	set->next_egress = compile_rules(set, false, e);
	set->next_ingress = set->next_egress ? compile_rules(set, true, e) : NULL;
	return set->next_ingress ? 0 : -ENOMEM;
}

static void forget_next(struct rule_set *set)
{
	filter_destroy(set->next_egress);
	filter_destroy(set->next_ingress);
	set->next_egress = set->next_ingress = NULL;
}

/* --- sets --------------------------------------------------------------------------------------
 */

static bool has_group(const struct rule_set *set, const struct security_group *g)
{
	for (unsigned i = 0; i < set->n; i++)
		if (set->group[i] == g)
			return true;
	return false;
}

static struct rule_set *set_find(struct vswitch *sw, const struct rule_set *like)
{
	struct rule_set *set;

	TAILQ_FOREACH (set, &sw->security->sets, link)
		if (set->n == like->n &&
		    memcmp(set->group, like->group, like->n * sizeof(struct security_group *)) == 0)
			return set;
	return NULL;
}

static void set_free(struct vswitch *sw, struct rule_set *set)
{
	TAILQ_REMOVE(&sw->security->sets, set, link);
	filter_destroy(set->egress);
	filter_destroy(set->ingress);
	free(set);
}

/* The set of these groups, which is made when no port has it yet. */
static struct rule_set *set_acquire(struct vswitch *sw, const struct rule_set *like, struct err *e)
{
	struct rule_set *set = set_find(sw, like);

	if (!set) {
		set = calloc(1, sizeof(*set));
		if (!set) {
			err_set(e, ERR_NO_SPACE, NULL, "out of memory");
			return NULL;
		}
		memcpy(set->group, like->group, sizeof(set->group));
		set->n = like->n;
		if (compile_next(set, e) < 0) {
			err_name_field(e, "security_groups");
			forget_next(set);
			free(set);
			return NULL;
		}
		set->egress = set->next_egress;
		set->ingress = set->next_ingress;
		set->next_egress = set->next_ingress = NULL;
		set->generation = ++sw->security->generations;
		TAILQ_INSERT_TAIL(&sw->security->sets, set, link);
	}
	set->n_users++;
	return set;
}

/* Lets a set go that no worker uses for this port any more. */
static void set_release(struct vswitch *sw, struct rule_set *set)
{
	if (--set->n_users == 0)
		set_free(sw, set);
}

/* What judges the packets of a port in a set's groups. Its epoch is another one in each network, so
 * connections do not go along. */
static struct security *make_security(const struct rule_set *set, struct tenant *tenant,
				      uint32_t epoch)
{
	struct security *s = calloc(1, sizeof(*s));

	if (s)
		*s = (struct security){
			.egress = set->egress,
			.ingress = set->ingress,
			.groups = &tenant->members,
			.generation = set->generation,
			.port = (uint16_t)epoch,
		};
	return s;
}

/* --- rules that change -------------------------------------------------------------------------
 */

/* Compiles what all sets with this group will have. */
static int prepare_sets(struct vswitch *sw, const struct security_group *g, struct err *e)
{
	struct rule_set *set;

	TAILQ_FOREACH (set, &sw->security->sets, link)
		if (has_group(set, g) && compile_next(set, e) < 0)
			return -ENOMEM;
	return 0;
}

/* Exchanges the filters of the sets that have new ones with those: what they had is next. */
static void exchange_filters(struct vswitch *sw)
{
	struct rule_set *set;

	TAILQ_FOREACH (set, &sw->security->sets, link) {
		struct filter *egress = set->egress, *ingress = set->ingress;

		if (!set->next_egress)
			continue;
		set->egress = set->next_egress;
		set->ingress = set->next_ingress;
		set->next_egress = egress;
		set->next_ingress = ingress;
		set->is_changed = true;
		set->generation = ++sw->security->generations;
	}
}

static void forget_all_next(struct vswitch *sw)
{
	struct rule_set *set;

	TAILQ_FOREACH (set, &sw->security->sets, link) {
		forget_next(set);
		set->is_changed = false;
	}
}

/* Makes what the ports in sets that have changed will use. */
static int prepare_ports(struct vswitch *sw, struct err *e)
{
	struct port *port;

	TAILQ_FOREACH (port, &sw->ports, link) {
		if (!port->rule_set || !port->rule_set->is_changed)
			continue;
		port->next_security = make_security(port->rule_set, port->vm->tenant,
						    atomic_load(&port->vport.epoch));
		if (!port->next_security)
			return err_set(e, ERR_NO_SPACE, NULL, "out of memory");
	}
	return 0;
}

/* Publishes it, or forgets it. */
static void finish_ports(struct vswitch *sw, bool is_published)
{
	struct port *port;

	TAILQ_FOREACH (port, &sw->ports, link)
		if (is_published && port->next_security)
			port->next_security =
				atomic_exchange(&port->vport.security, port->next_security);
	if (is_published)
		switch_quiesce(sw);
	TAILQ_FOREACH (port, &sw->ports, link) {
		free(port->next_security);
		port->next_security = NULL;
	}
}

int rules_publish(struct vswitch *sw, struct security_group *g, struct err *e)
{
	int ret;

	if (g->n_ports == 0)
		return 0;
	ret = prepare_sets(sw, g, e);
	if (ret == 0) {
		exchange_filters(sw);
		ret = prepare_ports(sw, e);
		if (ret < 0)
			exchange_filters(sw);
		finish_ports(sw, ret == 0);
	}
	forget_all_next(sw);
	return ret;
}

/* --- members -----------------------------------------------------------------------------------
 */

/* A list of members that grows. */
struct member_list {
	struct filter_member *at;
	unsigned n, room;
};

static int list_add(struct member_list *l, const struct filter_member *m)
{
	if (l->n == l->room) {
		unsigned room = l->room ? 2 * l->room : 64;
		struct filter_member *at = realloc(l->at, room * sizeof(*at));

		if (!at)
			return -ENOMEM;
		l->at = at;
		l->room = room;
	}
	l->at[l->n++] = *m;
	return 0;
}

static int list_addresses(struct member_list *l, const struct security_group *g)
{
	const struct security_address *a;

	TAILQ_FOREACH (a, &g->addresses, link)
		if (list_add(l, &(struct filter_member){a->address, a->bits, g->id}) < 0)
			return -ENOMEM;
	return 0;
}

/* A port as it is going to be. */
struct coming_member {
	const struct port *port;
	const struct rule_set *set;
	const struct port_sources *sources;
};

/* A port is a member of its groups with all its addresses. */
static int list_port(struct member_list *l, const struct rule_set *set,
		     const struct port_sources *s)
{
	for (unsigned i = 0; i < set->n; i++) {
		uint16_t group = set->group[i]->id;

		for (unsigned k = 0; k < s->n_addresses; k++)
			if (list_add(l, &(struct filter_member){s->address[k].address,
								s->address[k].bits, group}) < 0)
				return -ENOMEM;
	}
	return 0;
}

/* Lists all members, with a port as it is going to be, unless `coming` is NULL. */
static int list_members(struct vswitch *sw, const struct tenant *t,
			const struct coming_member *coming, struct member_list *l)
{
	const struct security_group *g;
	const struct port *port;

	TAILQ_FOREACH (port, &sw->ports, link)
		if (port->rule_set && port->vm->tenant == t && (!coming || port != coming->port) &&
		    list_port(l, port->rule_set, &port->sources) < 0)
			return -ENOMEM;
	if (coming && list_port(l, coming->set, coming->sources) < 0)
		return -ENOMEM;
	TAILQ_FOREACH (g, &sw->security->groups, link)
		if (g->tenant == t && list_addresses(l, g) < 0)
			return -ENOMEM;
	return 0;
}

static bool names_members(const struct rule_set *set)
{
	const struct security_rule *r;

	for (unsigned i = 0; i < set->n; i++)
		TAILQ_FOREACH (r, &set->group[i]->rules, link)
			if (r->members)
				return true;
	return false;
}

/* Gives sets whose rules name a tenant's groups another generation: connections are judged again by
 * who the members are now. */
static void change_sets_with_members(struct vswitch *sw, const struct tenant *t)
{
	struct rule_set *set;

	TAILQ_FOREACH (set, &sw->security->sets, link) {
		if (set->group[0]->tenant != t || !names_members(set))
			continue;
		set->is_changed = true;
		set->generation = ++sw->security->generations;
	}
}

/* Makes the table of a tenant's members; *made is NULL when there are none. */
static int make_members(struct vswitch *sw, const struct tenant *t,
			const struct coming_member *coming, struct filter_groups **made,
			struct err *e)
{
	struct member_list l = {0};
	int ret = 0;

	*made = NULL;
	if (list_members(sw, t, coming, &l) < 0)
		ret = err_set(e, ERR_NO_SPACE, NULL, "out of memory");
	if (ret == 0 && l.n > 0) {
		*made = filter_groups_create(l.at, l.n, e);
		ret = *made ? 0 : -EINVAL;
	}
	free(l.at);
	return ret;
}

int tenant_publish_members(struct vswitch *sw, struct tenant *t, struct err *e)
{
	struct filter_groups *made, *old;
	int ret = make_members(sw, t, NULL, &made, e);

	if (ret < 0)
		return ret;
	change_sets_with_members(sw, t);
	ret = prepare_ports(sw, e);
	old = ret == 0 ? atomic_exchange(&t->members, made) : made;
	finish_ports(sw, ret == 0);
	forget_all_next(sw);
	filter_groups_destroy(old);
	return ret;
}

/* --- ports -------------------------------------------------------------------------------------
 */

static int compare_groups(const void *a, const void *b)
{
	const struct security_group *const *x = a, *const *y = b;

	return (int)(*x)->id - (int)(*y)->id;
}

/* Adds a group to a list by its name. */
static int list_group(struct vswitch *sw, const struct tenant *tenant, const char *name,
		      struct rule_set *list, struct err *e)
{
	struct security_group *g = security_group_get(sw, "security_groups", name, e);

	if (!g)
		return -ENOENT;
	if (g->tenant != tenant)
		return err_set(e, ERR_INVALID, "security_groups",
			       "security group '%s' belongs to tenant '%s', the port to '%s'", name,
			       g->tenant->name, tenant->name);
	if (has_group(list, g))
		return err_set(e, ERR_INVALID, "security_groups",
			       "security_groups: '%s' is there twice", name);
	if (list->n == MAX_PORT_GROUPS)
		return err_set(e, ERR_INVALID, "security_groups",
			       "security_groups: more than %d groups", MAX_PORT_GROUPS);
	list->group[list->n++] = g;
	return 0;
}

/* Reads a list of groups' names with commas between them. */
static int parse_groups(struct vswitch *sw, const struct tenant *tenant, const char *names,
			struct rule_set *list, struct err *e)
{
	while (*names) {
		size_t n = strcspn(names, ",");
		char name[NAME_SIZE] = {0};

		if (n == 0 || n >= sizeof(name))
			return err_set(e, ERR_INVALID, "security_groups",
				       "security_groups '%.80s': not names with commas between",
				       names);
		memcpy(name, names, n);
		if (list_group(sw, tenant, name, list, e) < 0)
			return -EINVAL;
		names += n;
		if (*names == ',' && !*++names)
			return err_set(e, ERR_INVALID, "security_groups",
				       "security_groups: ends with a comma");
	}
	qsort(list->group, list->n, sizeof(struct security_group *), compare_groups);
	return 0;
}

int port_renew_security(const struct port *port, uint32_t epoch, struct security **made,
			struct err *e)
{
	*made = port->rule_set ? make_security(port->rule_set, port->vm->tenant, epoch) : NULL;
	return *made || !port->rule_set ? 0 : err_set(e, ERR_NO_SPACE, NULL, "out of memory");
}

/* Whether the tenant's members can be published once a port is in these groups with these
 * addresses. Names the parameter that is at fault. */
static int check_members(struct vswitch *sw, const struct port *port, const struct rule_set *set,
			 const struct port_sources *sources, const char *field, struct err *e)
{
	const struct coming_member coming = {port, set, sources};
	struct filter_groups *made;
	int ret = make_members(sw, port->vm->tenant, &coming, &made, e);

	if (ret < 0)
		err_name_field(e, field);
	filter_groups_destroy(made);
	return ret;
}

int port_check_addresses(struct vswitch *sw, const struct port *port,
			 const struct port_sources *sources, struct err *e)
{
	return port->rule_set ? check_members(sw, port, port->rule_set, sources, "addresses", e)
			      : 0;
}

int port_prepare_groups(struct vswitch *sw, const struct port *port, const char *names,
			const struct port_sources *sources, struct groups_change *c, struct err *e)
{
	struct vm *vm = port->vm;
	struct rule_set list = {0};

	*c = (struct groups_change){0};
	if (parse_groups(sw, vm->tenant, names, &list, e) < 0)
		return -EINVAL;
	if (list.n == 0)
		return 0;
	c->set = set_acquire(sw, &list, e);
	if (!c->set)
		return -ENOMEM;
	c->security = make_security(c->set, vm->tenant, atomic_load(&port->vport.epoch));
	if (!c->security)
		err_set(e, ERR_NO_SPACE, NULL, "out of memory");
	else if (check_members(sw, port, c->set, sources, "security_groups", e) == 0 &&
		 connections_make(sw, vm, e) == 0)
		return 0;
	port_cancel_groups(sw, vm, c);
	return -ENOMEM;
}

void port_cancel_groups(struct vswitch *sw, struct vm *vm, const struct groups_change *c)
{
	if (c->set)
		set_release(sw, c->set);
	free(c->security);
	connections_release(sw, vm);
}

static void count_port(const struct rule_set *set, int n)
{
	for (unsigned i = 0; set && i < set->n; i++)
		set->group[i]->n_ports += (unsigned)n;
}

void port_publish_addresses(struct vswitch *sw, const struct port *port)
{
	struct err e;

	if (tenant_publish_members(sw, port->vm->tenant, &e) < 0)
		log_error("port %s: its groups do not know its addresses: %s", port->name, e.text);
}

void port_set_groups(struct vswitch *sw, struct port *port, const struct groups_change *c)
{
	struct rule_set *old_set = port->rule_set;
	struct security *old;

	/* The port may have moved since that was prepared. */
	if (c->security)
		c->security->port = (uint16_t)atomic_load(&port->vport.epoch);
	old = atomic_exchange(&port->vport.security, c->security);

	port->rule_set = c->set;
	port->vm->n_group_ports += (c->set != NULL) - (old_set != NULL);
	count_port(c->set, 1);
	count_port(old_set, -1);
	port_set_stages(port);
	if (old)
		switch_quiesce(sw);
	free(old);
	if (old_set)
		set_release(sw, old_set);
	connections_release(sw, port->vm);
	/* The addresses may be others, too. */
	if (old_set || c->set)
		port_publish_addresses(sw, port);
}

void port_leave_groups(struct vswitch *sw, struct port *port)
{
	const struct groups_change none = {0};

	if (port->rule_set)
		port_set_groups(sw, port, &none);
}
