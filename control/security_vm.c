/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs' tables of connections, and the memory that they may take.
 *
 * Owns the tables; the VM's worker uses them. Called by the control thread. */
#include "control/security_impl.h"

#include <errno.h>
#include <stdlib.h>

#include "policy/conntrack.h"
#include "vswitch/groups.h"

/* Places of a table that are looked at in a second: a table for a million connections is through in
 * an hour, and the worker is held up for some microseconds. */
#define SWEPT_PER_S 512

struct table_call {
	uint16_t vm;
	struct conntrack *table;
};

static void set_table(struct worker *w, void *arg)
{
	struct table_call *c = arg;

	w->service[c->vm].connections = c->table;
}

/* Gives a VM's worker another table; NULL for none. */
static void hand_table(const struct vm *vm, struct worker *w, struct conntrack *table)
{
	struct table_call c = {vm->id, table};

	worker_call(w, set_table, &c);
}

/* Refuses a table for which there is no memory. */
static int check_memory(const struct vswitch *sw, const struct vm *vm, uint32_t max,
			const char *field, struct err *e)
{
	const struct vswitch_security *s = sw->security;
	size_t others = s->connections_bytes - (vm->connections ? vm->connections_bytes : 0);

	if (conntrack_size(max) <= s->connections_limit - others)
		return 0;
	return err_set(e, ERR_NO_SPACE, field,
		       "vm '%s': %u connections take %zu KiB, of the %zu MiB for all VMs %zu KiB "
		       "are left (--connections-memory)",
		       vm->name, max, conntrack_size(max) >> 10, s->connections_limit >> 20,
		       (s->connections_limit - others) >> 10);
}

/* Makes a table for `max` connections; `field` is the parameter that asks for it. */
static struct conntrack *make_table(const struct vswitch *sw, const struct vm *vm, uint32_t max,
				    const char *field, struct err *e)
{
	struct conntrack *table;

	if (check_memory(sw, vm, max, field, e) < 0)
		return NULL;
	table = conntrack_create(max);
	if (!table)
		err_set(e, ERR_NO_SPACE, field, "vm '%s': out of memory for %u connections",
			vm->name, max);
	return table;
}

/* Replaces a VM's table by one for `max` connections; NULL and 0 for none. */
static void replace_table(struct vswitch *sw, struct vm *vm, uint32_t max, struct conntrack *table)
{
	struct conntrack *old = vm->connections;

	hand_table(vm, vm->worker, table);
	vm->connections = table;
	if (old)
		sw->security->connections_bytes -= vm->connections_bytes;
	vm->connections_bytes = max ? conntrack_size(max) : 0;
	sw->security->connections_bytes += vm->connections_bytes;
	conntrack_destroy(old);
}

int connections_make(struct vswitch *sw, struct vm *vm, struct err *e)
{
	struct conntrack *table;

	if (vm->connections)
		return 0;
	table = make_table(sw, vm, vm->max_connections, "security_groups", e);
	if (!table)
		return -ENOMEM;
	replace_table(sw, vm, vm->max_connections, table);
	return 0;
}

void connections_release(struct vswitch *sw, struct vm *vm)
{
	if (vm->connections && vm->n_group_ports == 0)
		replace_table(sw, vm, 0, NULL);
}

int vm_prepare_connections(struct vswitch *sw, const struct vm *vm, uint32_t max,
			   struct conntrack **table, struct err *e)
{
	*table = NULL;
	if (!vm->connections || max == vm->max_connections)
		return 0;
	*table = make_table(sw, vm, max, "max_connections", e);
	return *table ? 0 : -ENOMEM;
}

void vm_set_connections(struct vswitch *sw, struct vm *vm, uint32_t max, struct conntrack *table)
{
	if (table)
		replace_table(sw, vm, max, table);
	vm->max_connections = max;
}

void security_set_memory(struct vswitch *sw, size_t bytes)
{
	sw->security->connections_limit = bytes;
}

static void sweep_table(struct worker *w, void *arg)
{
	const struct table_call *c = arg;

	conntrack_sweep(c->table, SWEPT_PER_S, groups_now_ms(w));
}

void connections_sweep(struct vswitch *sw)
{
	const struct vm *vm;

	TAILQ_FOREACH (vm, &sw->vms, link) {
		struct table_call c = {vm->id, vm->connections};

		if (c.table)
			worker_call(vm->worker, sweep_table, &c);
	}
}

void vm_move_connections(struct vm *vm, struct worker *from, struct worker *to)
{
	hand_table(vm, from, NULL);
	hand_table(vm, to, vm->connections);
}
