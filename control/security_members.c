/* SPDX-License-Identifier: BSD-3-Clause */
/* Who the members of a tenant's security groups are: addresses that were given to them, and those
 * of their ports. Workers have a table of them, which is replaced as a whole.
 *
 * Owns the tables. Called by the control thread. Memory: FILTER_MAX_MEMBERS members for each
 * tenant. */
#include "control/security_impl.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"

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
	int ret;

	if (sw->security->is_deferring) {
		t->has_stale_members = true;
		return 0;
	}
	ret = make_members(sw, t, NULL, &made, e);
	if (ret < 0)
		return ret;
	change_sets_with_members(sw, t);
	ret = sets_prepare_ports(sw, e);
	old = ret == 0 ? atomic_exchange(&t->members, made) : made;
	sets_finish_ports(sw, ret == 0);
	sets_forget_next(sw);
	filter_groups_destroy(old);
	return ret;
}

int members_check(struct vswitch *sw, const struct coming_member *coming, const char *field,
		  struct err *e)
{
	struct filter_groups *made;
	int ret = make_members(sw, coming->port->vm->tenant, coming, &made, e);

	if (ret < 0)
		err_name_field(e, field);
	filter_groups_destroy(made);
	return ret;
}

void security_defer_members(struct vswitch *sw, bool is_deferring)
{
	struct tenant *t;
	struct err e;

	if (sw->security->is_deferring == is_deferring)
		return;
	sw->security->is_deferring = is_deferring;
	TAILQ_FOREACH (t, &sw->tenants, link) {
		if (is_deferring || !t->has_stale_members)
			continue;
		t->has_stale_members = false;
		if (tenant_publish_members(sw, t, &e) < 0)
			log_error("tenant %s: the members of its security groups are not known: %s",
				  t->name, e.text);
	}
}
