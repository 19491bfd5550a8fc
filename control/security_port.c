/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports that enter security groups, leave them, and change meanwhile. Called by the control
 * thread. */
#include "control/security_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "policy/security.h"

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
	if (rule_set_has(list, g))
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
	*made = port->rule_set ? security_make(port->rule_set, port->vm->tenant, epoch) : NULL;
	return *made || !port->rule_set ? 0 : err_set(e, ERR_NO_SPACE, NULL, "out of memory");
}

int port_check_addresses(struct vswitch *sw, const struct port *port,
			 const struct port_sources *sources, struct err *e)
{
	const struct coming_member coming = {port, port->rule_set, sources};

	return port->rule_set ? members_check(sw, &coming, "addresses", e) : 0;
}

int port_prepare_groups(struct vswitch *sw, const struct port *port, const char *names,
			const struct port_sources *sources, struct groups_change *c, struct err *e)
{
	struct coming_member coming = {port, NULL, sources};
	struct vm *vm = port->vm;
	struct rule_set list = {0};

	*c = (struct groups_change){0};
	if (parse_groups(sw, vm->tenant, names, &list, e) < 0)
		return -EINVAL;
	if (list.n == 0)
		return 0;
	c->set = rule_set_acquire(sw, &list, e);
	if (!c->set)
		return -ENOMEM;
	coming.set = c->set;
	c->security = security_make(c->set, vm->tenant, atomic_load(&port->vport.epoch));
	if (!c->security)
		err_set(e, ERR_NO_SPACE, NULL, "out of memory");
	else if (members_check(sw, &coming, "security_groups", e) == 0 &&
		 connections_make(sw, vm, e) == 0)
		return 0;
	port_cancel_groups(sw, vm, c);
	return -ENOMEM;
}

void port_cancel_groups(struct vswitch *sw, struct vm *vm, const struct groups_change *c)
{
	if (c->set)
		rule_set_release(sw, c->set);
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
		rule_set_release(sw, old_set);
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
