/* SPDX-License-Identifier: BSD-3-Clause */
/* Tenants: the owners of VMs and networks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/switch.h"
#include "policy/filter_groups.h"
#include "vswitch/attach.h"

struct tenant_call {
	struct tenant *tenant;
	const struct budget *budget;
	int ret;
};

struct tenant *tenant_find(struct vswitch *sw, const char *name)
{
	struct tenant *t;

	TAILQ_FOREACH (t, &sw->tenants, link)
		if (strcmp(t->name, name) == 0)
			return t;
	return NULL;
}

static void add(struct worker *w, void *arg)
{
	struct tenant_call *c = arg;

	c->ret = sched_add_tenant(w->sched, c->tenant->id, c->budget);
	if (c->ret == 0)
		sched_share_tenant(w->sched, c->tenant->id, &c->tenant->rates);
}

static void set(struct worker *w, void *arg)
{
	struct tenant_call *c = arg;

	c->ret = sched_set_tenant(w->sched, c->tenant->id, c->budget);
	attach_find_guaranteed(w);
}

static void drop(struct worker *w, void *arg)
{
	struct tenant_call *c = arg;

	sched_remove_tenant(w->sched, c->tenant->id);
}

static void on_all(struct vswitch *sw, void (*fn)(struct worker *, void *), struct tenant_call *c)
{
	for (unsigned i = 0; i < sw->n_workers && c->ret == 0; i++)
		worker_call(sw->worker[i], fn, c);
}

/* Admits a tenant's budget on all workers, since its guarantee holds on each. */
static int admit(struct vswitch *sw, const struct tenant *t, const struct budget *budget,
		 struct err *e)
{
	int ret = 0;

	for (unsigned i = 0; i < sw->n_workers && ret == 0; i++)
		ret = switch_admit(sw, sw->worker[i], NULL, t, budget, e);
	return ret;
}

/* Takes over the rates of the tenant's budget. */
static void take_rates(struct vswitch *sw, struct tenant *t)
{
	shared_rates_set(&t->rates, t->budget.rate_bps, t->budget.rate_pps);
	tenant_set_rates_in(sw, t);
}

struct tenant *tenant_create(struct vswitch *sw, const char *name, const struct budget *budget,
			     struct err *e)
{
	int slot = switch_free_slot((void *const *)sw->tenant_slot, MAX_TENANTS);
	struct tenant_call c = {.budget = budget};
	struct tenant *t;

	if (switch_check_name("name", name, e) < 0 || budget_validate(budget, e) < 0)
		return NULL;
	if (tenant_find(sw, name)) {
		err_set(e, ERR_EXISTS, "name", "tenant '%s' exists", name);
		return NULL;
	}
	if (admit(sw, NULL, budget, e) < 0)
		return NULL;
	t = slot < 0 ? NULL : calloc(1, sizeof(*t));
	if (!t) {
		err_set(e, ERR_NO_SPACE, "name", "tenant '%s': no room (at most %d)", name,
			MAX_TENANTS);
		return NULL;
	}
	t->id = (uint16_t)slot;
	t->budget = *budget;
	snprintf(t->name, sizeof(t->name), "%s", name);
	shared_rates_init(&t->rates, sw->sched.tsc_hz);
	shared_rates_init(&t->rates_in, sw->sched.tsc_hz);
	take_rates(sw, t);
	c.tenant = t;
	on_all(sw, add, &c);
	if (c.ret < 0) {
		c.ret = 0;
		on_all(sw, drop, &c);
		free(t);
		err_set(e, ERR_NO_SPACE, "name", "tenant '%s': the scheduler has no room", name);
		return NULL;
	}
	sw->tenant_slot[slot] = t;
	TAILQ_INSERT_TAIL(&sw->tenants, t, link);
	return t;
}

int tenant_set_budget(struct vswitch *sw, struct tenant *t, const struct budget *budget,
		      struct err *e)
{
	struct tenant_call c = {.tenant = t, .budget = budget};
	int ret = budget_validate(budget, e);

	if (ret == 0)
		ret = admit(sw, t, budget, e);
	if (ret < 0)
		return ret;
	t->budget = *budget;
	take_rates(sw, t);
	on_all(sw, set, &c);
	return 0;
}

int tenant_delete(struct vswitch *sw, struct tenant *t, struct err *e)
{
	struct tenant_call c = {.tenant = t};

	if (t->n_security_groups)
		return err_set(e, ERR_BUSY, "name", "tenant '%s' still has %u security group%s",
			       t->name, t->n_security_groups, t->n_security_groups == 1 ? "" : "s");
	if (t->n_vms || t->n_networks)
		return err_set(e, ERR_BUSY, "name", "tenant '%s' still has %u VMs and %u networks",
			       t->name, t->n_vms, t->n_networks);
	on_all(sw, drop, &c);
	TAILQ_REMOVE(&sw->tenants, t, link);
	sw->tenant_slot[t->id] = NULL;
	filter_groups_destroy(t->members);
	free(t);
	return 0;
}
