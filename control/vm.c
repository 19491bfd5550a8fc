/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs: the accounts that time is billed to. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mempool.h>
#include <rte_ring.h>

#include "pkt/pool.h"
#include "control/security.h"
#include "vswitch/attach.h"
#include "vswitch/backlog.h"

/* Enough for the packets that a VM may have put off and handed over. When the pool is empty, the
 * VM's packets wait in its own ring. */
#define POOL_PACKETS 2047

/* Jobs that a worker accepts in one message while a VM is deleted. Other VMs wait meanwhile. */
#define ACCEPT_PER_MESSAGE 64

struct vm_call {
	struct vm *vm;
	struct budget budget;
	unsigned left; /* to accept */
	int ret;
};

struct vm *vm_find(struct vswitch *sw, const char *name)
{
	struct vm *vm;

	TAILQ_FOREACH (vm, &sw->vms, link)
		if (strcmp(vm->name, name) == 0)
			return vm;
	return NULL;
}

/* The part of a VM's budget that counts on worker `w`. On workers other than its own a VM has only
 * the packets that it hands over. They have its weight and its limit there, but no guarantee, which
 * is admitted for one worker, and no rates: they were counted against those when they were sent. */
static struct budget budget_on(const struct worker *w, const struct vm *vm)
{
	struct budget b = vm->budget;

	if (vm->worker != w) {
		b.guarantee_us = 0;
		b.rate_bps = 0;
		b.rate_pps = 0;
	}
	return b;
}

static void add(struct worker *w, void *arg)
{
	struct vm_call *c = arg;

	c->ret = sched_add_vm(w->sched, c->vm->id, c->vm->tenant->id, &c->budget);
	sched_set_away(w->sched, c->vm->id, c->vm->worker != w);
}

static void set(struct worker *w, void *arg)
{
	struct vm_call *c = arg;

	c->ret = sched_set_vm(w->sched, c->vm->id, &c->budget);
	sched_set_away(w->sched, c->vm->id, c->vm->worker != w);
	attach_find_guaranteed(w);
}

static void enter(struct worker *w, void *arg)
{
	struct vm_call *c = arg;

	attach_vm(w, c->vm->id, c->vm->pool);
}

static void leave(struct worker *w, void *arg)
{
	struct vm_call *c = arg;

	detach_vm(w, c->vm->id);
}

/* Removes the VM from a worker. It has no ports any more, so it hands over nothing new. */
static void forget(struct worker *w, void *arg)
{
	struct vm_call *c = arg;
	unsigned n = backlog_accept(w, ACCEPT_PER_MESSAGE);

	/* Fewer than asked for were all there was: the worker also takes some itself between two
	 * messages. */
	c->left = n == ACCEPT_PER_MESSAGE && n < c->left ? c->left - n : 0;
	if (c->left > 0)
		return;
	detach_backlog(w, c->vm->id);
	sched_remove_vm(w->sched, c->vm->id);
	ledger_depart(&w->ledger, c->vm->id);
}

static void forget_vm(struct vswitch *sw, struct vm *vm)
{
	struct vm_call c = {.vm = vm};

	worker_call(vm->worker, leave, &c);
	for (unsigned i = 0; i < sw->n_workers; i++) {
		struct worker *w = sw->worker[i];

		c.left = rte_ring_count(w->jobs);
		do {
			worker_call(w, forget, &c);
		} while (c.left > 0);
	}
}

/* Sets the VM's budget in the schedulers of all workers. */
static int set_budget_on_all(struct vswitch *sw, struct vm *vm,
			     void (*fn)(struct worker *w, void *vm_call))
{
	struct vm_call c = {.vm = vm};

	for (unsigned i = 0; i < sw->n_workers && c.ret == 0; i++) {
		c.budget = budget_on(sw->worker[i], vm);
		worker_call(sw->worker[i], fn, &c);
	}
	return c.ret;
}

static unsigned vms_of(struct vswitch *sw, const struct worker *w)
{
	const struct vm *vm;
	unsigned n = 0;

	TAILQ_FOREACH (vm, &sw->vms, link)
		n += vm->worker == w;
	return n;
}

static struct worker *worker_on(struct vswitch *sw, int core)
{
	for (unsigned i = 0; i < sw->n_workers; i++)
		if (sw->worker[i]->core == (unsigned)core)
			return sw->worker[i];
	return NULL;
}

static struct worker *find_worker(struct vswitch *sw, unsigned core, struct err *e)
{
	struct worker *w = worker_on(sw, (int)core);

	if (!w)
		err_set(e, ERR_NOT_FOUND, "worker", "worker %u: no worker runs on that core", core);
	return w;
}

/* The worker with the fewest VMs, of those that can admit the budget's guarantee. */
static struct worker *least_loaded(struct vswitch *sw, const struct budget *budget, struct err *e)
{
	struct worker *best = NULL;

	for (unsigned i = 0; i < sw->n_workers; i++) {
		struct worker *w = sw->worker[i];

		if (switch_admit(sw, w, NULL, NULL, budget, e) == 0 &&
		    (!best || vms_of(sw, w) < vms_of(sw, best)))
			best = w;
	}
	return best;
}

static struct worker *choose_worker(struct vswitch *sw, const struct vm_conf *conf, struct err *e)
{
	struct worker *w;

	if (conf->worker_core < 0 || (conf->may_displace && !worker_on(sw, conf->worker_core)))
		return least_loaded(sw, &conf->budget, e);
	w = find_worker(sw, (unsigned)conf->worker_core, e);
	return w && switch_admit(sw, w, NULL, NULL, &conf->budget, e) == 0 ? w : NULL;
}

static int check_uuid(const char *uuid, struct err *e)
{
	static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	size_t i;

	for (i = 0; shape[i]; i++)
		if (shape[i] == '-' ? uuid[i] != '-' : !isxdigit((unsigned char)uuid[i]))
			break;
	if (shape[i] || uuid[i])
		return err_set(e, ERR_INVALID, "uuid", "uuid '%.80s': not a UUID", uuid);
	return 0;
}

static int check(struct vswitch *sw, const struct vm_conf *conf, struct err *e)
{
	if (switch_check_name("name", conf->name, e) < 0 || budget_validate(&conf->budget, e) < 0)
		return -EINVAL;
	if (conf->uuid && conf->uuid[0] && check_uuid(conf->uuid, e) < 0)
		return -EINVAL;
	if (vm_find(sw, conf->name))
		return err_set(e, ERR_EXISTS, "name", "vm '%s' exists", conf->name);
	if (!tenant_find(sw, conf->tenant))
		return err_set(e, ERR_NOT_FOUND, "tenant", "tenant '%s' does not exist",
			       conf->tenant);
	return 0;
}

/* Creates the VM's own pool; an error names the VM. */
static struct rte_mempool *make_pool(uint16_t id, const char *vm, struct err *e)
{
	char name[RTE_MEMPOOL_NAMESIZE];
	struct rte_mempool *pool;
	struct err why;

	snprintf(name, sizeof(name), "vm%u", id);
	pool = pool_create(name, POOL_PACKETS, &why);
	if (!pool)
		err_set(e, why.code, "name", "vm '%s': no room for its packets, %.120s", vm,
			why.text);
	return pool;
}

struct vm *vm_create(struct vswitch *sw, const struct vm_conf *conf, struct err *e)
{
	int slot = switch_free_slot((void *const *)sw->vm_slot, MAX_VMS);
	struct vm_call c;
	struct worker *w;
	struct vm *vm;

	if (check(sw, conf, e) < 0)
		return NULL;
	w = choose_worker(sw, conf, e);
	if (!w)
		return NULL;
	vm = slot < 0 ? NULL : calloc(1, sizeof(*vm));
	if (!vm) {
		err_set(e, ERR_NO_SPACE, "name", "vm '%s': no room (at most %d)", conf->name,
			MAX_VMS);
		return NULL;
	}
	vm->pool = make_pool((uint16_t)slot, conf->name, e);
	if (!vm->pool) {
		free(vm);
		return NULL;
	}
	vm->id = (uint16_t)slot;
	vm->worker = w;
	vm->pinned_core = conf->worker_core;
	vm->budget = conf->budget;
	vm->max_connections = conf->max_connections;
	shared_rates_init(&vm->rates_in, sw->sched.tsc_hz);
	vm_set_rates_in(sw, vm);
	vm->tenant = tenant_find(sw, conf->tenant);
	snprintf(vm->name, sizeof(vm->name), "%s", conf->name);
	snprintf(vm->uuid, sizeof(vm->uuid), "%s", conf->uuid ? conf->uuid : "");
	if (set_budget_on_all(sw, vm, add) < 0) {
		forget_vm(sw, vm);
		pool_destroy(vm->pool);
		free(vm);
		err_set(e, ERR_NO_SPACE, "name", "vm '%s': the scheduler has no room", conf->name);
		return NULL;
	}
	c.vm = vm;
	worker_call(w, enter, &c);
	vm->tenant->n_vms++;
	sw->vm_slot[slot] = vm;
	TAILQ_INSERT_TAIL(&sw->vms, vm, link);
	return vm;
}

int vm_set_budget(struct vswitch *sw, struct vm *vm, const struct budget *budget, struct err *e)
{
	int ret = budget_validate(budget, e);

	if (ret == 0)
		ret = switch_admit(sw, vm->worker, vm, NULL, budget, e);
	if (ret < 0)
		return ret;
	vm->budget = *budget;
	vm_set_rates_in(sw, vm);
	return set_budget_on_all(sw, vm, set);
}

int vm_move(struct vswitch *sw, struct vm *vm, unsigned core, const struct budget *budget,
	    struct err *e)
{
	struct worker *from = vm->worker, *to = find_worker(sw, core, e);
	struct vm_call c = {.vm = vm};
	struct port *port;
	int ret;

	if (!to)
		return -ENOENT;
	ret = budget_validate(budget, e);
	if (ret == 0)
		ret = switch_admit(sw, to, vm, NULL, budget, e);
	if (ret < 0)
		return ret;
	vm->budget = *budget;
	vm_set_rates_in(sw, vm);
	vm->pinned_core = (int)core;
	if (to == from)
		return set_budget_on_all(sw, vm, set);
	worker_call(to, enter, &c);
	TAILQ_FOREACH (port, &sw->ports, link)
		if (port->vm == vm)
			port_leave_worker(port, to);
	vm->worker = to;
	ret = set_budget_on_all(sw, vm, set);
	/* From here on no worker takes the old one for the rings' owner. */
	switch_quiesce(sw);
	vm_move_connections(vm, from, to);
	TAILQ_FOREACH (port, &sw->ports, link)
		if (port->vm == vm)
			port_enter_worker(port);
	worker_call(from, leave, &c);
	if (ret < 0)
		return err_set(e, ERR_NO_SPACE, "worker", "vm '%s': the scheduler has no room",
			       vm->name);
	return 0;
}

bool vm_is_displaced(const struct vm *vm)
{
	return vm->pinned_core >= 0 &&
	       ((struct worker *)vm->worker)->core != (unsigned)vm->pinned_core;
}

int vm_delete(struct vswitch *sw, struct vm *vm, struct err *e)
{
	if (vm->n_ports)
		return err_set(e, ERR_BUSY, "name", "vm '%s' still has %u port%s", vm->name,
			       vm->n_ports, vm->n_ports == 1 ? "" : "s");
	recordings_forget(sw, vm);
	forget_vm(sw, vm);
	vm->tenant->n_vms--;
	TAILQ_REMOVE(&sw->vms, vm, link);
	sw->vm_slot[vm->id] = NULL;
	pool_destroy(vm->pool);
	free(vm);
	return 0;
}
