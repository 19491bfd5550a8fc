/* SPDX-License-Identifier: BSD-3-Clause */
/* Security groups, their rules and addresses. Owns them. Called by the control thread. Memory:
 * MAX_SECURITY_GROUPS groups, with FILTER_MAX_RULES rules and FILTER_MAX_MEMBERS addresses each. */
#include "control/security_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_tailq.h>

struct vswitch_security *security_create(void)
{
	struct vswitch_security *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	TAILQ_INIT(&s->groups);
	TAILQ_INIT(&s->sets);
	s->connections_limit = SIZE_MAX;
	return s;
}

struct security_group *security_group_find(struct vswitch *sw, const char *name)
{
	struct security_group *g;

	TAILQ_FOREACH (g, &sw->security->groups, link)
		if (strcmp(g->name, name) == 0)
			return g;
	return NULL;
}

struct security_group *security_group_get(struct vswitch *sw, const char *field, const char *name,
					  struct err *e)
{
	struct security_group *g = security_group_find(sw, name);

	if (!g)
		err_set(e, ERR_NOT_FOUND, field, "security group '%s' does not exist", name);
	return g;
}

struct security_group *security_group_create(struct vswitch *sw, const char *name,
					     struct tenant *tenant, struct err *e)
{
	struct vswitch_security *s = sw->security;
	struct security_group *g;
	int slot;

	if (switch_check_name("name", name, e) < 0)
		return NULL;
	if (security_group_find(sw, name)) {
		err_set(e, ERR_EXISTS, "name", "security group '%s' exists", name);
		return NULL;
	}
	slot = switch_free_slot((void *const *)s->slot, MAX_SECURITY_GROUPS);
	g = slot < 0 ? NULL : calloc(1, sizeof(*g));
	if (!g) {
		err_set(e, ERR_NO_SPACE, "name", "security group '%s': no room (at most %d)", name,
			MAX_SECURITY_GROUPS);
		return NULL;
	}
	g->id = (uint16_t)slot;
	g->tenant = tenant;
	TAILQ_INIT(&g->rules);
	TAILQ_INIT(&g->addresses);
	snprintf(g->name, sizeof(g->name), "%s", name);
	tenant->n_security_groups++;
	s->slot[slot] = g;
	TAILQ_INSERT_TAIL(&s->groups, g, link);
	return g;
}

/* Frees a rule, which no set of rules has any more. */
static void rule_free(struct security_group *g, struct security_rule *r)
{
	TAILQ_REMOVE(&g->rules, r, link);
	g->n_rules--;
	if (r->members && r->members != g)
		r->members->n_named--;
	free(r);
}

static void free_rules(struct security_group *g)
{
	struct security_rule *r;
	void *next;

	RTE_TAILQ_FOREACH_SAFE (r, &g->rules, link, next)
		rule_free(g, r);
}

static void group_free(struct vswitch *sw, struct security_group *g)
{
	struct security_address *a;
	void *next;

	free_rules(g);
	RTE_TAILQ_FOREACH_SAFE (a, &g->addresses, link, next)
		free(a);
	TAILQ_REMOVE(&sw->security->groups, g, link);
	sw->security->slot[g->id] = NULL;
	g->tenant->n_security_groups--;
	free(g);
}

int security_group_delete(struct vswitch *sw, struct security_group *g, struct err *e)
{
	struct security_groups *groups = &sw->security->groups;

	if (g->n_ports)
		return err_set(e, ERR_BUSY, "name", "security group '%s' still has %u port%s",
			       g->name, g->n_ports, g->n_ports == 1 ? "" : "s");
	if (g->n_named)
		return err_set(e, ERR_BUSY, "name",
			       "security group '%s' is named by %u rule%s of other groups", g->name,
			       g->n_named, g->n_named == 1 ? "" : "s");
	/* Its id may be given to another group, whose members its own would be. */
	TAILQ_REMOVE(groups, g, link);
	if (g->n_addresses > 0 && tenant_publish_members(sw, g->tenant, e) < 0) {
		TAILQ_INSERT_TAIL(groups, g, link);
		return -ENOMEM;
	}
	TAILQ_INSERT_TAIL(groups, g, link);
	group_free(sw, g);
	return 0;
}

void security_destroy(struct vswitch *sw)
{
	struct security_group *g;
	void *next;

	if (!sw->security)
		return;
	/* Rules name other groups. */
	TAILQ_FOREACH (g, &sw->security->groups, link)
		free_rules(g);
	RTE_TAILQ_FOREACH_SAFE (g, &sw->security->groups, link, next)
		group_free(sw, g);
	free(sw->security);
	sw->security = NULL;
}

/* --- rules -------------------------------------------------------------------------------------
 */

static struct security_rule *rule_find(struct security_group *g, const char *id)
{
	struct security_rule *r;

	TAILQ_FOREACH (r, &g->rules, link)
		if (strcmp(r->id, id) == 0)
			return r;
	return NULL;
}

const struct security_rule *security_rule_find_number(struct vswitch *sw, uint32_t number,
						      const struct security_group **group)
{
	const struct security_group *g;
	const struct security_rule *r;

	TAILQ_FOREACH (g, &sw->security->groups, link) {
		TAILQ_FOREACH (r, &g->rules, link) {
			if (r->number == number) {
				*group = g;
				return r;
			}
		}
	}
	return NULL;
}

/* Gives a rule an id that no other rule of the group has. */
static void make_id(struct security_group *g, char id[NAME_SIZE])
{
	do {
		snprintf(id, NAME_SIZE, "r%u", ++g->last_id);
	} while (rule_find(g, id));
}

static bool is_same_rule(const struct security_rule *a, const struct security_rule *b)
{
	return a->is_ingress == b->is_ingress && a->is_v6 == b->is_v6 &&
	       a->is_allow == b->is_allow && a->protocol == b->protocol && a->first == b->first &&
	       a->last == b->last && a->priority == b->priority &&
	       ip_addr_equal(&a->remote, &b->remote) && a->remote_bits == b->remote_bits &&
	       a->members == b->members;
}

static int rule_check(struct security_group *g, const struct security_rule *rule, struct err *e)
{
	struct filter_rule compiled;
	struct security_rule *r;

	if (rule->id[0] && switch_check_name("id", rule->id, e) < 0)
		return -EINVAL;
	if (rule->members && rule->members->tenant != g->tenant)
		return err_set(e, ERR_INVALID, "remote_group",
			       "security group '%s' belongs to tenant '%s', group '%s' to '%s'",
			       rule->members->name, rule->members->tenant->name, g->name,
			       g->tenant->name);
	security_rule_compile(rule, &compiled);
	if (filter_rule_check(&compiled, e) < 0)
		return -EINVAL;
	TAILQ_FOREACH (r, &g->rules, link) {
		if (strcmp(r->id, rule->id) == 0)
			return err_set(e, ERR_EXISTS, "id", "rule '%s' of group '%s' exists",
				       rule->id, g->name);
		if (is_same_rule(r, rule))
			return err_set(e, ERR_EXISTS, NULL, "rule '%s' of group '%s' is the same",
				       r->id, g->name);
	}
	if (g->n_rules >= FILTER_MAX_RULES)
		return err_set(e, ERR_NO_SPACE, "group", "group '%s': at most %d rules", g->name,
			       FILTER_MAX_RULES);
	return 0;
}

struct security_rule *security_rule_add(struct vswitch *sw, struct security_group *g,
					const struct security_rule *rule, struct err *e)
{
	struct security_rule *r;

	if (rule_check(g, rule, e) < 0)
		return NULL;
	r = malloc(sizeof(*r));
	if (!r) {
		err_set(e, ERR_NO_SPACE, NULL, "out of memory");
		return NULL;
	}
	*r = *rule;
	r->number = ++sw->security->numbers;
	if (!r->id[0])
		make_id(g, r->id);
	TAILQ_INSERT_TAIL(&g->rules, r, link);
	g->n_rules++;
	if (r->members && r->members != g)
		r->members->n_named++;
	if (rules_publish(sw, g, e) < 0) {
		err_name_field(e, "group");
		rule_free(g, r);
		return NULL;
	}
	return r;
}

int security_rule_delete(struct vswitch *sw, struct security_group *g, const char *id,
			 struct err *e)
{
	struct security_rule *r = rule_find(g, id), *before;

	if (!r)
		return err_set(e, ERR_NOT_FOUND, "id", "group '%s' has no rule '%s'", g->name, id);
	before = TAILQ_PREV(r, security_rules, link);
	TAILQ_REMOVE(&g->rules, r, link);
	if (rules_publish(sw, g, e) < 0) {
		if (before)
			TAILQ_INSERT_AFTER(&g->rules, before, r, link);
		else
			TAILQ_INSERT_HEAD(&g->rules, r, link);
		return -ENOMEM;
	}
	TAILQ_INSERT_TAIL(&g->rules, r, link);
	rule_free(g, r);
	return 0;
}

/* --- addresses ---------------------------------------------------------------------------------
 */

static struct security_address *address_find(struct security_group *g,
					     const struct ip_addr *address, uint8_t bits)
{
	struct security_address *a;

	TAILQ_FOREACH (a, &g->addresses, link)
		if (a->bits == bits && ip_addr_equal(&a->address, address))
			return a;
	return NULL;
}

int security_group_add_address(struct vswitch *sw, struct security_group *g,
			       const struct ip_addr *address, uint8_t bits, struct err *e)
{
	char text[IP_ADDR_TEXT_SIZE];
	struct security_address *a;
	int ret;

	ip_addr_format(address, text);
	if (address_find(g, address, bits))
		return err_set(e, ERR_EXISTS, "address", "address '%s/%u' is in group '%s' already",
			       text, bits, g->name);
	a = calloc(1, sizeof(*a));
	if (!a)
		return err_set(e, ERR_NO_SPACE, NULL, "out of memory");
	a->address = *address;
	a->bits = bits;
	TAILQ_INSERT_TAIL(&g->addresses, a, link);
	g->n_addresses++;
	ret = tenant_publish_members(sw, g->tenant, e);
	if (ret < 0) {
		TAILQ_REMOVE(&g->addresses, a, link);
		g->n_addresses--;
		free(a);
	}
	return ret;
}

int security_group_remove_address(struct vswitch *sw, struct security_group *g,
				  const struct ip_addr *address, uint8_t bits, struct err *e)
{
	struct security_address *a = address_find(g, address, bits);
	char text[IP_ADDR_TEXT_SIZE];
	int ret;

	if (!a) {
		ip_addr_format(address, text);
		return err_set(e, ERR_NOT_FOUND, "address", "address '%s/%u' is not in group '%s'",
			       text, bits, g->name);
	}
	TAILQ_REMOVE(&g->addresses, a, link);
	g->n_addresses--;
	ret = tenant_publish_members(sw, g->tenant, e);
	if (ret < 0) {
		TAILQ_INSERT_TAIL(&g->addresses, a, link);
		g->n_addresses++;
		return ret;
	}
	free(a);
	return 0;
}
