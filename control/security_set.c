/* SPDX-License-Identifier: BSD-3-Clause */
/* Sets of security groups that ports are in: their rules, compiled, and swapped while traffic
 * flows.
 *
 * Owns the sets, their filters, and what ports have of them. Called by the control thread. Memory:
 * a set for each different list of groups, with two filters of 0.7 MiB at most. */
#include "control/security_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

bool rule_set_has(const struct rule_set *set, const struct security_group *g)
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

struct rule_set *rule_set_acquire(struct vswitch *sw, const struct rule_set *like, struct err *e)
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

void rule_set_release(struct vswitch *sw, struct rule_set *set)
{
	if (--set->n_users == 0)
		set_free(sw, set);
}

struct security *security_make(const struct rule_set *set, struct tenant *tenant, uint32_t epoch)
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
		if (rule_set_has(set, g) && compile_next(set, e) < 0)
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

void sets_forget_next(struct vswitch *sw)
{
	struct rule_set *set;

	TAILQ_FOREACH (set, &sw->security->sets, link) {
		forget_next(set);
		set->is_changed = false;
	}
}

int sets_prepare_ports(struct vswitch *sw, struct err *e)
{
	struct port *port;

	TAILQ_FOREACH (port, &sw->ports, link) {
		if (!port->rule_set || !port->rule_set->is_changed)
			continue;
		port->next_security = security_make(port->rule_set, port->vm->tenant,
						    atomic_load(&port->vport.epoch));
		if (!port->next_security)
			return err_set(e, ERR_NO_SPACE, NULL, "out of memory");
	}
	return 0;
}

void sets_finish_ports(struct vswitch *sw, bool is_published)
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
		ret = sets_prepare_ports(sw, e);
		if (ret < 0)
			exchange_filters(sw);
		sets_finish_ports(sw, ret == 0);
	}
	sets_forget_next(sw);
	return ret;
}
