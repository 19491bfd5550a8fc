/* SPDX-License-Identifier: BSD-3-Clause */
/* The switch as control sees it: its creation, workers and once-a-second chores. */
#include "control/switch.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_tailq.h>

#include "base/log.h"
#include "vhost/gate.h"
#include "control/mailbox.h"
#include "vswitch/batch.h"
#include "vswitch/loop.h"

int switch_free_slot(void *const *slots, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!slots[i])
			return (int)i;
	return -1;
}

int switch_check_name(const char *field, const char *name, struct err *e)
{
	size_t len = strlen(name);

	if (len == 0 || len >= NAME_SIZE)
		return err_set(e, ERR_INVALID, field, "%s '%.80s': must have 1 to %d characters",
			       field, name, NAME_SIZE - 1);
	if (name[0] == '-')
		return err_set(e, ERR_INVALID, field, "%s '%s': may not begin with '-'", field,
			       name);
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("._-", *c))
			return err_set(e, ERR_INVALID, field,
				       "%s '%s': only letters, digits, '.', '_' and '-'", field,
				       name);
	return 0;
}

/* The guarantees that count at a worker: of its VMs, and of all tenants, but for these two. Returns
 * their number. */
static unsigned find_guarantees(struct vswitch *sw, const struct worker *w, const struct vm *vm,
				const struct tenant *tenant,
				const struct budget *all[MAX_VMS + MAX_TENANTS])
{
	const struct tenant *t;
	const struct vm *v;
	unsigned n = 0;

	TAILQ_FOREACH (v, &sw->vms, link)
		if (v != vm && v->worker == w)
			all[n++] = &v->budget;
	TAILQ_FOREACH (t, &sw->tenants, link)
		if (t != tenant)
			all[n++] = &t->budget;
	return n;
}

int switch_admit(struct vswitch *sw, const struct worker *w, const struct vm *vm,
		 const struct tenant *tenant, const struct budget *budget, struct err *e)
{
	const struct budget *all[MAX_VMS + MAX_TENANTS];
	unsigned n = find_guarantees(sw, w, vm, tenant, all);

	return budget_admit(
		all, n, budget,
		switch_receives(sw, w->index) ? BUDGET_SPARE_RX_PERCENT : BUDGET_SPARE_PERCENT, e);
}

unsigned switch_granted_percent(struct vswitch *sw, const struct worker *w)
{
	const struct budget *all[MAX_VMS + MAX_TENANTS];

	return budget_granted_percent(all, find_guarantees(sw, w, NULL, NULL, all));
}

static void stop_workers(struct vswitch *sw)
{
	for (unsigned i = 0; i < sw->n_workers; i++) {
		atomic_store(&sw->worker[i]->stop, true);
		worker_wake(sw->worker[i]);
	}
	for (unsigned i = 0; i < sw->n_workers; i++) {
		while (sw->worker[i]->is_started && !atomic_load(&sw->worker[i]->ended))
			usleep(100);
		rte_eal_wait_lcore(i + 1);
	}
}

void switch_set_port(struct vswitch *sw, uint16_t id, struct port *port)
{
	sw->port_slot[id] = port;
	__atomic_store_n(&sw->vport_slot[id], port ? &port->vport : NULL, __ATOMIC_RELEASE);
}

struct vswitch *switch_create(const unsigned *cores, unsigned n_cores,
			      const struct sched_conf *sched, struct err *e)
{
	struct vswitch *sw = calloc(1, sizeof(*sw));

	if (!sw) {
		err_set(e, ERR_NO_SPACE, NULL, "out of memory");
		return NULL;
	}
	TAILQ_INIT(&sw->tenants);
	TAILQ_INIT(&sw->vms);
	TAILQ_INIT(&sw->networks);
	TAILQ_INIT(&sw->ports);
	sw->sched = *sched;
	sw->security = security_create();
	sw->mailbox = sw->security ? mailbox_create() : NULL;
	if (!sw->mailbox) {
		err_set(e, ERR_NO_SPACE, NULL, "cannot make a mailbox: %s", strerror(errno));
		switch_destroy(sw);
		return NULL;
	}
	for (unsigned i = 0; i < n_cores; i++) {
		struct worker_conf conf = {
			.index = i,
			.core = cores[i],
			.ports = sw->vport_slot,
			.sched = *sched,
		};
		struct worker *w = worker_create(&conf, e);

		if (!w) {
			switch_destroy(sw);
			return NULL;
		}
		sw->worker[sw->n_workers++] = w;
	}
	return sw;
}

/* Ports and the gate go first, while the workers run: after that only control calls workers. Each
 * object is tried once: one that cannot be deleted, for lack of memory, goes with the process. */
void switch_destroy(struct vswitch *sw)
{
	struct network *net;
	struct tenant *t;
	struct port *port;
	struct vm *vm;
	void *next;

	if (!sw)
		return;
	recordings_destroy(sw);
	RTE_TAILQ_FOREACH_SAFE (port, &sw->ports, link, next)
		port_delete(sw, port, NULL);
	gate_destroy(sw->gate);
	stop_workers(sw);
	RTE_TAILQ_FOREACH_SAFE (net, &sw->networks, link, next)
		network_delete(sw, net, NULL);
	tunnel_destroy(sw);
	RTE_TAILQ_FOREACH_SAFE (vm, &sw->vms, link, next)
		vm_delete(sw, vm, NULL);
	security_destroy(sw);
	RTE_TAILQ_FOREACH_SAFE (t, &sw->tenants, link, next)
		tenant_delete(sw, t, NULL);
	for (unsigned i = 0; i < sw->n_workers; i++)
		worker_destroy(sw->worker[i]);
	mailbox_destroy(sw->mailbox);
	free(sw);
}

int switch_start(struct vswitch *sw, struct err *e)
{
	for (unsigned i = 0; i < sw->n_workers; i++) {
		struct worker *w = sw->worker[i];

		worker_start(w);
		if (rte_eal_remote_launch(loop_main, w, i + 1) < 0) {
			worker_not_started(w);
			return err_set(e, ERR_INTERNAL, "workers",
				       "cannot start the worker on core %u", w->core);
		}
		log_info("worker %u: running on core %u", i, w->core);
	}
	return 0;
}

uint32_t switch_now_s(void)
{
	return (uint32_t)(rte_rdtsc() / rte_get_tsc_hz());
}

static void nothing(struct worker *w, void *arg)
{
	(void)w;
	(void)arg;
}

void switch_quiesce(struct vswitch *sw)
{
	for (unsigned i = 0; i < sw->n_workers; i++)
		worker_call(sw->worker[i], nothing, NULL);
}

/* --- once a second -----------------------------------------------------------------------------
 */

struct sweep {
	struct vswitch *sw;
	const struct network *net;
	uint32_t now_s;
	uint32_t *macs; /* [MAX_PORTS] */
	uint32_t wire_macs;
};

static bool is_old(const struct sweep *s, const struct fdb_entry *entry)
{
	return s->now_s > entry->seen_s && s->now_s - entry->seen_s > s->net->mac_ageing_s;
}

/* An address behind another host, which may be gone. */
static bool sweep_remote(struct sweep *s, const struct fdb_entry *entry)
{
	if (entry->is_static)
		return false;
	if (is_old(s, entry) || !remote_refresh(s->sw, s->net, entry->port))
		return true;
	s->wire_macs++;
	return false;
}

static bool sweep_entry(void *ctx, const struct fdb_entry *entry)
{
	struct sweep *s = ctx;
	const struct port *port;

	if (dest_is_remote(entry->port))
		return sweep_remote(s, entry);
	port = s->sw->port_slot[entry->port];
	if (!port || port->net != s->net)
		return true;
	if (entry->is_static)
		return false;
	if (is_old(s, entry))
		return true;
	s->macs[entry->port]++;
	return false;
}

static void age_addresses(struct vswitch *sw)
{
	uint32_t *macs = calloc(MAX_PORTS, sizeof(*macs));
	struct network *net;
	struct port *port;

	if (!macs)
		return;
	TAILQ_FOREACH (net, &sw->networks, link) {
		struct sweep s = {sw, net, switch_now_s(), macs, 0};

		fdb_sweep(net->bridge.fdb, sweep_entry, &s);
		neighbour_age(net, s.now_s);
		atomic_store_explicit(&net->bridge.wire_macs, s.wire_macs, memory_order_relaxed);
	}
	TAILQ_FOREACH (port, &sw->ports, link)
		atomic_store_explicit(&port->vport.macs, macs[port->vport.id],
				      memory_order_relaxed);
	free(macs);
}

void switch_tick(struct vswitch *sw)
{
	struct port *port;

	age_addresses(sw);
	connections_sweep(sw);
	TAILQ_FOREACH (port, &sw->ports, link)
		port_notice_broken(port);
}
