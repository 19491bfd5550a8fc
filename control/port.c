/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports: one vhost-user device of a VM in a network. */
#include "control/switch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/ids.h"
#include "control/mailbox.h"
#include "control/security.h"
#include "vswitch/attach.h"
#include "vswitch/rate_hold.h"
#include "vswitch/stage.h"

struct port *port_find(struct vswitch *sw, const char *name)
{
	struct port *port;

	TAILQ_FOREACH (port, &sw->ports, link)
		if (strcmp(port->name, name) == 0)
			return port;
	return NULL;
}

/* --- rings to and from the worker --------------------------------------------------------------
 */

/* A change of the port's rings, made with its `handover` held. The worker changes the pairs in such
 * calls only, so control and the gate's thread may read them while they hold it. */
struct change_call {
	struct port *port;
	void (*fn)(void *arg);
	void *arg;
	struct vdev_pair *pairs;
	uint16_t n;
};

static void change(struct worker *w, void *arg)
{
	struct change_call *c = arg;

	attach_change(w, &c->port->vport, c->fn, c->arg, c->pairs, c->n);
}

static void change_rings(void *ctx, void (*fn)(void *arg), void *arg, struct vdev_pair *pairs,
			 uint16_t n)
{
	struct port *port = ctx;
	struct change_call c = {port, fn, arg, pairs, n};

	pthread_mutex_lock(&port->handover);
	worker_call(port->vport.worker, change, &c);
	pthread_mutex_unlock(&port->handover);
}

static void state_changed(void *ctx, enum vdev_state state, const char *text)
{
	struct port *port = ctx;

	mailbox_put(port->sw->mailbox, port->vport.id, state, text);
}

static const struct vdev_net_ops device_ops = {
	.change = change_rings,
	.changed = state_changed,
};

void port_leave_worker(struct port *port, struct worker *to)
{
	struct change_call c = {.port = port};

	pthread_mutex_lock(&port->handover);
	port->moving_pairs = port->vport.pairs;
	port->moving_n = port->vport.n_pairs;
	worker_call(port->vport.worker, change, &c);
	port->vport.worker = to;
}

void port_enter_worker(struct port *port)
{
	struct change_call c = {
		.port = port,
		.pairs = port->moving_pairs,
		.n = port->moving_n,
	};

	if (c.pairs)
		worker_call(port->vport.worker, change, &c);
	port->moving_pairs = NULL;
	pthread_mutex_unlock(&port->handover);
}

/* --- creation ----------------------------------------------------------------------------------
 */

/* A VM joins its own tenant's networks only. */
static int check_owner(const struct network *net, const struct vm *vm, struct err *e)
{
	if (net->tenant == vm->tenant)
		return 0;
	return err_set(e, ERR_INVALID, "network",
		       "network '%s' belongs to tenant '%s', vm '%s' to tenant '%s'", net->name,
		       net->tenant->name, vm->name, vm->tenant->name);
}

static int check_macs(const struct port_sources *s, struct err *e)
{
	for (unsigned i = 0; i < s->n_macs; i++) {
		const char *field = i == 0 ? "mac" : "guard_macs";

		if (fdb_mac_is_group(s->mac[i]))
			return err_set(e, ERR_INVALID, field, "%s: a group address", field);
		for (unsigned k = 0; k < i; k++)
			if (s->mac[k] == s->mac[i])
				return err_set(e, ERR_INVALID, field,
					       "%s: the same address twice, mac included", field);
	}
	if (s->mac_guard && s->n_macs == 0)
		return err_set(e, ERR_INVALID, "mac_guard",
			       "mac_guard: there is no mac that it could allow");
	return 0;
}

/* A prefix is refused where a host could have none of its addresses. */
static int check_address(const struct port_sources *s, unsigned i, struct err *e)
{
	const struct ip_prefix *p = &s->address[i];
	char text[IP_PREFIX_TEXT_SIZE];

	ip_prefix_format(p, text);
	if (ip_addr_is_group(&p->address) ||
	    (ip_prefix_is_address(p) && !ip_addr_is_host(&p->address)))
		return err_set(e, ERR_INVALID, "addresses", "addresses '%s': not a host's", text);
	for (unsigned k = 0; k < i; k++)
		if (ip_prefix_equal(&s->address[k], p))
			return err_set(e, ERR_INVALID, "addresses", "addresses '%s': there twice",
				       text);
	return 0;
}

static int check_addresses(const struct port_sources *s, struct err *e)
{
	unsigned n_v6 = 0;

	for (unsigned i = 0; i < s->n_addresses; i++) {
		if (check_address(s, i, e) < 0)
			return -EINVAL;
		n_v6 += s->address[i].address.is_v6;
	}
	if (n_v6 > GUARD_MAX_V6 || s->n_addresses - n_v6 > GUARD_MAX_V4)
		return err_set(e, ERR_INVALID, "addresses",
			       "addresses: more than %d of IPv4 or %d of IPv6", GUARD_MAX_V4,
			       GUARD_MAX_V6);
	return 0;
}

int port_make_guard(const struct port_sources *s, struct guard **guard, struct err *e)
{
	struct guard *g;

	*guard = NULL;
	if (check_macs(s, e) < 0 || check_addresses(s, e) < 0)
		return -EINVAL;
	if (!s->mac_guard)
		return 0;
	g = calloc(1, sizeof(*g));
	if (!g)
		return err_set(e, ERR_NO_SPACE, NULL, "out of memory");
	for (unsigned i = 0; i < s->n_macs; i++)
		guard_add_mac(g, s->mac[i]);
	for (unsigned i = 0; i < s->n_addresses; i++)
		guard_add_prefix(g, &s->address[i]);
	g->allow = s->allow;
	*guard = g;
	return 0;
}

void port_set_stages(struct port *port)
{
	uint32_t stages = port->sources.mac_guard ? 1u << STAGE_GUARD : 0;

	if (port->rule_set)
		stages |= 1u << STAGE_POLICY;
	if (atomic_load(&port->net->bridge.suppress) != SUPPRESS_OFF)
		stages |= 1u << STAGE_SUPPRESS;
	atomic_store(&port->vport.stages, stages);
}

/* The guard is there before its stage runs: without one, the stage would let everything pass. */
void port_set_sources(struct vswitch *sw, struct port *port, const struct port_sources *s,
		      struct guard *guard)
{
	const struct guard *old = atomic_exchange(&port->vport.guard, guard);

	port->sources = *s;
	port_set_stages(port);
	if (!old && !guard)
		return;
	switch_quiesce(sw);
	free((void *)(uintptr_t)old);
	if (guard)
		network_forget_foreign(port->net, port->vport.id, guard);
}

static int check_socket(struct vswitch *sw, const char *socket, struct err *e)
{
	const struct port *port;

	if (socket[0] != '/')
		return err_set(e, ERR_INVALID, "socket", "socket '%s': not an absolute path",
			       socket);
	if (strlen(socket) >= GATE_PATH_SIZE)
		return err_set(e, ERR_INVALID, "socket", "socket '%s': longer than %d bytes",
			       socket, GATE_PATH_SIZE - 1);
	TAILQ_FOREACH (port, &sw->ports, link)
		if (strcmp(port->conf.socket.path, socket) == 0)
			return err_set(e, ERR_EXISTS, "socket", "socket '%s' is port '%s'", socket,
				       port->name);
	return 0;
}

static int check(struct vswitch *sw, const struct port_conf *conf, struct err *e)
{
	const struct network *net = network_find(sw, conf->network);
	const struct vm *vm = vm_find(sw, conf->vm);

	if (switch_check_name("name", conf->name, e) < 0)
		return -EINVAL;
	if (port_find(sw, conf->name))
		return err_set(e, ERR_EXISTS, "name", "port '%s' exists", conf->name);
	if (!vm)
		return err_set(e, ERR_NOT_FOUND, "vm", "vm '%s' does not exist", conf->vm);
	if (!net)
		return err_set(e, ERR_NOT_FOUND, "network", "network '%s' does not exist",
			       conf->network);
	if (check_owner(net, vm, e) < 0)
		return -EINVAL;
	return check_socket(sw, conf->socket, e);
}

static void clear_counters(struct worker *w, void *arg)
{
	const struct port *port = arg;

	memset(&w->counters[port->vport.id], 0, sizeof(w->counters[0]));
}

static struct shared_rates *if_set(struct shared_rates *r)
{
	return shared_rates_in_use(r) ? r : NULL;
}

/* Finds which queues of what the port's guest is sent are in use. */
static void find_queues_in(struct port *port)
{
	struct vport *v = &port->vport;

	v->vm_queue_in = if_set(&port->vm->rates_in);
	v->tenant_queue_in = if_set(&port->vm->tenant->rates_in);
	v->is_rated_in = rates_in_use(&v->queue_in.rates) || v->vm_queue_in || v->tenant_queue_in;
}

static void put_rates(struct port *port, const struct rates_conf *rates,
		      const struct rates_conf *rates_in, uint64_t tsc_hz, uint64_t now)
{
	struct vport *v = &port->vport;

	port->rates = *rates;
	port->rates_in = *rates_in;
	rates_set(&v->rates, rates, tsc_hz, now);
	v->is_rated = rates_in_use(&v->rates);
	vqueue_set(&v->queue_in, rates_in, tsc_hz, now);
	find_queues_in(port);
}

static struct port *port_alloc(struct vswitch *sw, const struct port_conf *conf, struct err *e)
{
	int slot = switch_free_slot((void *const *)sw->port_slot, MAX_PORTS);
	struct port *port = slot < 0 ? NULL : calloc(1, sizeof(*port));
	struct guard *guard;

	if (!port) {
		err_set(e, ERR_NO_SPACE, "name", "port '%s': no room (at most %d)", conf->name,
			MAX_PORTS);
		return NULL;
	}
	if (ids_find_user(conf->owner, &port->conf.socket.owner, e) < 0 ||
	    ids_find_group(conf->group, &port->conf.socket.group, e) < 0 ||
	    port_make_guard(&conf->sources, &guard, e) < 0) {
		free(port);
		return NULL;
	}
	port->vport.id = (uint16_t)slot;
	port->vport.first_epoch = ++sw->epochs;
	atomic_store(&port->vport.epoch, port->vport.first_epoch);
	port->sw = sw;
	port->vm = vm_find(sw, conf->vm);
	port->net = network_find(sw, conf->network);
	port->vport.vm = port->vm->id;
	port->vport.bridge = &port->net->bridge;
	port->vport.worker = port->vm->worker;
	atomic_store(&port->vport.mac_limit, conf->mac_limit);
	pps_set(&port->vport.floods, conf->bum_pps);
	put_rates(port, &conf->rates, &conf->rates_in, sw->sched.tsc_hz, 0);
	port->sources = conf->sources;
	atomic_store(&port->vport.guard, guard);
	port_set_stages(port);
	port->reported = VDEV_STATE_COUNT;
	pthread_mutex_init(&port->handover, NULL);
	snprintf(port->name, sizeof(port->name), "%s", conf->name);
	snprintf(port->owner, sizeof(port->owner), "%s", conf->owner ? conf->owner : "");
	snprintf(port->group, sizeof(port->group), "%s", conf->group ? conf->group : "");
	snprintf(port->conf.socket.path, sizeof(port->conf.socket.path), "%s", conf->socket);
	port->conf.socket.is_client = conf->is_client;
	port->conf.socket.mode = conf->mode;
	port->conf.max_pairs = conf->queue_pairs;
	port->conf.offloads = conf->offloads;
	atomic_store(&port->vport.coalesces, conf->coalesces);
	return port;
}

static void port_free(struct port *port)
{
	pthread_mutex_destroy(&port->handover);
	free((void *)(uintptr_t)atomic_load(&port->vport.guard));
	free(port);
}

/* Makes sure that no worker holds or will find the port. */
static void withdraw(struct vswitch *sw, struct port *port)
{
	switch_set_port(sw, port->vport.id, NULL);
	switch_quiesce(sw);
	for (unsigned i = 0; i < sw->n_workers; i++)
		worker_call(sw->worker[i], clear_counters, port);
	mailbox_forget(sw->mailbox, port->vport.id);
}

/* Puts a new port into its groups, before anything can be sent to it or by it. */
static int enter_groups(struct vswitch *sw, struct port *port, const char *names, struct err *e)
{
	struct groups_change c;

	if (port_prepare_groups(sw, port, names ? names : "", &port->sources, &c, e) < 0)
		return -EINVAL;
	port_set_groups(sw, port, &c);
	return 0;
}

struct port *port_create(struct vswitch *sw, const struct port_conf *conf, struct err *e)
{
	struct port *port;

	if (check(sw, conf, e) < 0)
		return NULL;
	port = port_alloc(sw, conf, e);
	if (!port)
		return NULL;
	if (enter_groups(sw, port, conf->security_groups, e) < 0) {
		port_free(port);
		return NULL;
	}
	switch_set_port(sw, port->vport.id, port);
	if (network_add_port(sw, port->net, port) < 0) {
		err_set(e, ERR_NO_SPACE, "name", "port '%s': out of memory", conf->name);
		switch_set_port(sw, port->vport.id, NULL);
		port_leave_groups(sw, port);
		port_free(port);
		return NULL;
	}
	port->dev = vdev_net_create(sw->gate, &port->conf, &device_ops, port, e);
	if (!port->dev) {
		network_remove_port(sw, port->net, port);
		withdraw(sw, port);
		port_leave_groups(sw, port);
		port_free(port);
		return NULL;
	}
	port->vm->n_ports++;
	TAILQ_INSERT_TAIL(&sw->ports, port, link);
	if (port->rule_set && port->sources.n_addresses > 0)
		port_publish_addresses(sw, port);
	return port;
}

int port_delete(struct vswitch *sw, struct port *port, struct err *e)
{
	if (network_remove_port(sw, port->net, port) < 0)
		return err_set(e, ERR_NO_SPACE, NULL, "out of memory");
	vdev_destroy(port->dev);
	recordings_forget(sw, port);
	withdraw(sw, port);
	network_forget_port(port->net, port->vport.id);
	port_leave_groups(sw, port);
	port->vm->n_ports--;
	TAILQ_REMOVE(&sw->ports, port, link);
	port_free(port);
	return 0;
}

/* --- changes -----------------------------------------------------------------------------------
 */

struct rates_call {
	struct port *port;
	const struct rates_conf *rates;
	const struct rates_conf *rates_in;
};

/* Runs between services. A VM that the rates of before held back looks at the new ones. */
static void change_rates(struct worker *w, void *arg)
{
	struct rates_call *c = arg;

	put_rates(c->port, c->rates, c->rates_in, w->tsc_hz, worker_now(w));
	rate_release(w, c->port->vport.vm);
}

void port_set_rates(struct port *port, const struct rates_conf *rates,
		    const struct rates_conf *rates_in)
{
	struct rates_call c = {port, rates, rates_in};

	worker_call(port->vport.worker, change_rates, &c);
}

static void change_queues_in(struct worker *w, void *arg)
{
	(void)w;
	find_queues_in(arg);
}

void vm_set_rates_in(struct vswitch *sw, struct vm *vm)
{
	bool was_used = shared_rates_in_use(&vm->rates_in);
	struct port *port;

	shared_rates_set(&vm->rates_in, vm->budget.rate_in_bps, vm->budget.rate_in_pps);
	if (was_used == shared_rates_in_use(&vm->rates_in))
		return;
	TAILQ_FOREACH (port, &sw->ports, link)
		if (port->vm == vm)
			worker_call(port->vport.worker, change_queues_in, port);
}

void tenant_set_rates_in(struct vswitch *sw, struct tenant *t)
{
	bool was_used = shared_rates_in_use(&t->rates_in);
	struct port *port;

	shared_rates_set(&t->rates_in, t->budget.rate_in_bps, t->budget.rate_in_pps);
	if (was_used == shared_rates_in_use(&t->rates_in))
		return;
	TAILQ_FOREACH (port, &sw->ports, link)
		if (port->vm->tenant == t)
			worker_call(port->vport.worker, change_queues_in, port);
}

struct move_call {
	struct port *port;
	struct network *net;
	uint32_t epoch;
	struct security *security; /* for there, then what was for here */
};

/* Runs between services, when a worker holds nothing of the port but jobs, which know the epoch. */
static void change_network(struct worker *w, void *arg)
{
	struct move_call *c = arg;

	(void)w;
	c->port->vport.bridge = &c->net->bridge;
	atomic_store(&c->port->vport.epoch, c->epoch);
	c->security = atomic_exchange(&c->port->vport.security, c->security);
}

int port_set_network(struct vswitch *sw, struct port *port, struct network *net, struct err *e)
{
	struct network *old = port->net;
	struct move_call c = {.port = port, .net = net, .epoch = ++sw->epochs};

	if (net == old)
		return 0;
	if (check_owner(net, port->vm, e) < 0 ||
	    port_renew_security(port, c.epoch, &c.security, e) < 0)
		return -EINVAL;
	if (network_add_port(sw, net, port) < 0) {
		free(c.security);
		return err_set(e, ERR_NO_SPACE, NULL, "out of memory");
	}
	worker_call(port->vport.worker, change_network, &c);
	free(c.security);
	port->net = net;
	port_set_stages(port);
	network_forget_port(old, port->vport.id);
	if (network_remove_port(sw, old, port) < 0)
		return err_set(e, ERR_NO_SPACE, NULL, "out of memory");
	return 0;
}

static enum virtq_break find_broken(const struct vdev_pair *pairs, uint16_t n)
{
	enum virtq_break why = VIRTQ_BREAK_NONE;

	for (uint16_t i = 0; i < n && why == VIRTQ_BREAK_NONE; i++) {
		if (pairs[i].tx_on)
			why = virtq_broken(&pairs[i].tx.q);
		if (why == VIRTQ_BREAK_NONE && pairs[i].rx_on)
			why = virtq_broken(&pairs[i].rx.q);
	}
	return why;
}

void port_notice_broken(struct port *port)
{
	enum virtq_break why;

	/* The rings stay with the worker meanwhile: the reason is about these rings, not about
	 * those that the front end made since. */
	pthread_mutex_lock(&port->handover);
	why = find_broken(port->vport.pairs, port->vport.n_pairs);
	if (why != VIRTQ_BREAK_NONE)
		vdev_set_broken(port->dev, virtq_broken_text(why));
	pthread_mutex_unlock(&port->handover);
}

void port_count(struct vswitch *sw, const struct port *port, struct port_counters *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (unsigned i = 0; i < sw->n_workers; i++)
		port_counters_add(sum, &sw->worker[i]->counters[port->vport.id]);
}
