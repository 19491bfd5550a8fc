/* SPDX-License-Identifier: BSD-3-Clause */
/* Uplinks: devices that lead to other hosts, as operators make and remove them while workers run.
 * The device itself is tunnel/uplink.c's; here it gets its name, its place among the workers'
 * queues, and the kernel's interface that its routes lead through.
 *
 * Owns uplinks, and each worker's part of the wire, which is made with the first uplink. Called by
 * the control thread. Memory: UPLINK_MAX uplinks. */
#include "control/tunnel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/core_list.h"
#include "base/log.h"
#include "control/switch.h"
#include "vswitch/ingress.h"
#include "vswitch/staging.h"

struct uplink *uplink_find(struct vswitch *sw, const char *name)
{
	struct uplink *u;

	if (!sw->tunnel)
		return NULL;
	TAILQ_FOREACH (u, &sw->tunnel->uplinks, link)
		if (strcmp(u->name, name) == 0)
			return u;
	return NULL;
}

/* --- workers' parts ----------------------------------------------------------------------------
 */

struct wire_call {
	struct wire *wire;
	const struct uplink *u;
	unsigned n_queues;
};

static void set_wire(struct worker *w, void *arg)
{
	const struct wire_call *c = arg;

	w->wire = c->wire;
}

/* Gives each worker its part of the wire, when the first uplink is created. */
static int make_wires(struct vswitch *sw, struct err *e)
{
	for (unsigned i = 0; i < sw->n_workers; i++) {
		struct wire_call c = {0};

		if (sw->worker[i]->wire)
			continue;
		c.wire = wire_create(i, sw->tunnel->tables);
		if (!c.wire)
			return err_set(e, ERR_NO_SPACE, NULL, "worker %u: out of memory", i);
		worker_call(sw->worker[i], set_wire, &c);
	}
	return 0;
}

/* Has the worker take packets from a queue. */
static void poll_queue(struct worker *w, struct uplink_queue *q)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = q->wait_fd};

	w->wire->rx[w->wire->n_rx++] = q;
	if (q->wait_fd < 0 || epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, q->wait_fd, &ev) < 0)
		w->wire->n_silent++;
}

static void enter(struct worker *w, void *arg)
{
	const struct wire_call *c = arg;

	w->wire->tx[c->u->id] = uplink_queue(c->u->dev, w->index);
	for (unsigned i = 0; i < c->n_queues; i++)
		if (uplink_rx_worker(c->u, i) == w->index)
			poll_queue(w, uplink_queue(c->u->dev, i));
}

/* Has the worker take no more packets from a queue, if it did. */
static void leave_queue(struct worker *w, struct uplink_queue *q)
{
	struct wire *wire = w->wire;
	uint16_t kept = 0;

	for (uint16_t i = 0; i < wire->n_rx; i++)
		if (wire->rx[i] != q)
			wire->rx[kept++] = wire->rx[i];
	if (kept == wire->n_rx)
		return;
	wire->n_rx = kept;
	wire->next_rx = 0;
	if (q->wait_fd < 0 || epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, q->wait_fd, NULL) < 0)
		wire->n_silent--;
	ingress_drop_polled(wire, q);
}

static void leave(struct worker *w, void *arg)
{
	const struct wire_call *c = arg;

	for (unsigned i = 0; i < c->n_queues; i++)
		leave_queue(w, uplink_queue(c->u->dev, i));
	w->wire->tx[c->u->id] = NULL;
}

static void purge_step(struct worker *w, void *arg)
{
	staging_purge(w, arg);
}

/* Lets a worker go of packets in the uplink's buffers. No worker takes in new ones by now. */
static void purge(struct worker *w, const struct uplink *u)
{
	struct staging_purge p = {.uplink = u->dev};

	while (!p.is_done)
		worker_call(w, purge_step, &p);
}

/* --- creation ----------------------------------------------------------------------------------
 */

static int check(struct vswitch *sw, const struct uplink_params *p, struct err *e)
{
	if (switch_check_name("name", p->name, e) < 0)
		return -EINVAL;
	if (!sw->tunnel)
		return err_set(e, ERR_WRONG_STATE, NULL, "uplinks need stintd --uplinks");
	if (uplink_find(sw, p->name))
		return err_set(e, ERR_EXISTS, "name", "uplink '%s' exists", p->name);
	if (strlen(p->device) >= UPLINK_DEVICE_SIZE)
		return err_set(e, ERR_INVALID, "device", "device '%.80s...': longer than %d bytes",
			       p->device, UPLINK_DEVICE_SIZE - 1);
	if (p->interface && !if_nametoindex(p->interface))
		return err_set(e, ERR_NOT_FOUND, "kernel_interface",
			       "kernel_interface '%s': there is no such interface", p->interface);
	return 0;
}

/* Finds the kernel's interface whose routes lead through the uplink. */
static int find_interface(struct uplink *u, const struct uplink_params *p, struct err *e)
{
	u->is_interface_given = p->interface != NULL;
	u->ifindex = p->interface ? if_nametoindex(p->interface) : u->status.ifindex;
	if (u->ifindex == 0 || !if_indextoname(u->ifindex, u->interface))
		return err_set(e, ERR_INVALID, "kernel_interface",
			       "kernel_interface: device '%s' has no interface in the kernel, so "
			       "one has to be named whose addresses and routes are meant",
			       u->device);
	return 0;
}

/* Workers that are being chosen to take packets from an uplink. */
struct choice {
	const struct vswitch *sw;
	struct uplink *u;
	bool may_lack_workers;
};

static int add_rx_worker(void *ctx, unsigned core, struct err *e)
{
	const struct choice *c = ctx;
	struct uplink *u = c->u;
	unsigned index = 0;

	while (index < c->sw->n_workers && c->sw->worker[index]->core != core)
		index++;
	if (index == c->sw->n_workers && c->may_lack_workers)
		return 0;
	if (index == c->sw->n_workers)
		return err_set(e, ERR_INVALID, "rx_workers", "rx_workers: core %u has no worker",
			       core);
	for (unsigned i = 0; i < u->n_rx_workers; i++)
		if (u->rx_worker[i] == index)
			return err_set(e, ERR_INVALID, "rx_workers", "rx_workers: core %u twice",
				       core);
	u->rx_worker[u->n_rx_workers++] = (uint16_t)index;
	return 0;
}

static int choose_rx_workers(const struct vswitch *sw, struct uplink *u,
			     const struct uplink_params *p, struct err *e)
{
	struct choice c = {sw, u, p->may_lack_workers};
	const char *text = p->rx_workers;

	if (text && strlen(text) >= sizeof(u->rx_workers))
		return err_set(e, ERR_INVALID, "rx_workers",
			       "rx_workers '%.80s...': longer than %zu bytes", text,
			       sizeof(u->rx_workers) - 1);
	if (text) {
		snprintf(u->rx_workers, sizeof(u->rx_workers), "%s", text);
		if (core_list_parse(text, "rx_workers", add_rx_worker, &c, e) < 0)
			return -EINVAL;
		if (u->n_rx_workers > 0)
			return 0;
		log_warn("uplink %s: none of rx_workers '%s' is there, so all workers receive",
			 u->name, text);
	}
	for (unsigned i = 0; i < sw->n_workers; i++)
		u->rx_worker[u->n_rx_workers++] = (uint16_t)i;
	return 0;
}

/* Whether each of the workers that the uplink's packets come to has time for them, beside what it
 * has guaranteed to VMs. */
static int check_guarantees(struct vswitch *sw, const struct uplink *u, struct err *e)
{
	for (unsigned i = 0; i < u->n_rx_workers; i++) {
		const struct worker *w = sw->worker[u->rx_worker[i]];
		unsigned granted = switch_granted_percent(sw, w);

		if (granted > 100 - BUDGET_SPARE_RX_PERCENT)
			return err_set(e, ERR_NO_SPACE, "rx_workers",
				       "rx_workers: the worker on core %u guarantees %u %% of its "
				       "time to VMs, and one that receives keeps %u %%",
				       w->core, granted, BUDGET_SPARE_RX_PERCENT);
	}
	return 0;
}

bool switch_receives(const struct vswitch *sw, unsigned worker)
{
	const struct uplink *u;

	if (!sw->tunnel)
		return false;
	TAILQ_FOREACH (u, &sw->tunnel->uplinks, link)
		for (unsigned i = 0; i < u->n_rx_workers; i++)
			if (u->rx_worker[i] == worker)
				return true;
	return false;
}

struct uplink *uplink_create(struct vswitch *sw, const struct uplink_params *p, struct err *e)
{
	struct wire_call c = {.n_queues = sw->n_workers};
	struct uplink *u;
	int slot;

	if (check(sw, p, e) < 0 || make_wires(sw, e) < 0)
		return NULL;
	slot = switch_free_slot((void *const *)sw->tunnel->uplink_slot, UPLINK_MAX);
	u = slot < 0 ? NULL : calloc(1, sizeof(*u));
	if (!u) {
		err_set(e, ERR_NO_SPACE, "name", "uplink '%s': no room (at most %d)", p->name,
			UPLINK_MAX);
		return NULL;
	}
	u->id = (uint8_t)slot;
	u->mtu = p->mtu;
	u->tx_wait_us = p->tx_wait_us;
	snprintf(u->name, sizeof(u->name), "%s", p->name);
	snprintf(u->device, sizeof(u->device), "%s", p->device);
	if (choose_rx_workers(sw, u, p, e) < 0 || check_guarantees(sw, u, e) < 0) {
		free(u);
		return NULL;
	}
	u->dev = uplink_open(&(struct uplink_conf){.device = u->device,
						   .n_queues = (uint16_t)sw->n_workers,
						   .mtu = u->mtu,
						   .tx_wait_us = u->tx_wait_us,
						   .may_block = sw->tunnel->may_block,
						   .tsc_hz = sw->sched.tsc_hz},
			     e);
	if (u->dev)
		uplink_look(u->dev, &u->status);
	if (!u->dev || find_interface(u, p, e) < 0) {
		uplink_close(u->dev);
		free(u);
		err_name_field(e, "device");
		return NULL;
	}
	c.u = u;
	for (unsigned i = 0; i < sw->n_workers; i++)
		worker_call(sw->worker[i], enter, &c);
	sw->tunnel->uplink_slot[slot] = u;
	TAILQ_INSERT_TAIL(&sw->tunnel->uplinks, u, link);
	return u;
}

int uplink_delete(struct vswitch *sw, struct uplink *u, struct err *e)
{
	struct wire_call c = {.u = u, .n_queues = sw->n_workers};

	if (u->n_vteps)
		return err_set(e, ERR_BUSY, "name", "uplink '%s' still has %u VTEP%s", u->name,
			       u->n_vteps, u->n_vteps == 1 ? "" : "s");
	recordings_forget(sw, u);
	for (unsigned i = 0; i < sw->n_workers; i++)
		worker_call(sw->worker[i], leave, &c);
	for (unsigned i = 0; i < sw->n_workers; i++)
		purge(sw->worker[i], u);
	uplink_close(u->dev);
	TAILQ_REMOVE(&sw->tunnel->uplinks, u, link);
	sw->tunnel->uplink_slot[u->id] = NULL;
	free(u);
	return 0;
}
