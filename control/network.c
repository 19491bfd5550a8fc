/* SPDX-License-Identifier: BSD-3-Clause */
/* Networks: one layer 2 segment each. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/neighbour.h"
#include "control/switch.h"
#include "control/tunnel.h"
#include "tunnel/tables.h"
#include "vswitch/neigh_table.h"

struct network *network_find(struct vswitch *sw, const char *name)
{
	struct network *net;

	TAILQ_FOREACH (net, &sw->networks, link)
		if (strcmp(net->name, name) == 0)
			return net;
	return NULL;
}

struct network *network_get(struct vswitch *sw, const char *field, const char *name, struct err *e)
{
	struct network *net = network_find(sw, name);

	if (!net)
		err_set(e, ERR_NOT_FOUND, field, "network '%s' does not exist", name);
	return net;
}

static int check(struct vswitch *sw, const struct network_conf *conf, struct err *e)
{
	struct network *net;

	if (switch_check_name("name", conf->name, e) < 0)
		return -EINVAL;
	if (network_find(sw, conf->name))
		return err_set(e, ERR_EXISTS, "name", "network '%s' exists", conf->name);
	if (!tenant_find(sw, conf->tenant))
		return err_set(e, ERR_NOT_FOUND, "tenant", "tenant '%s' does not exist",
			       conf->tenant);
	TAILQ_FOREACH (net, &sw->networks, link)
		if (net->vni == conf->vni)
			return err_set(e, ERR_EXISTS, "vni", "vni %u is network '%s'", conf->vni,
				       net->name);
	return 0;
}

static void network_free(struct network *net)
{
	fdb_destroy(net->bridge.fdb);
	neigh_table_destroy(atomic_load(&net->bridge.neighbours));
	free(atomic_load(&net->bridge.members));
	free(net);
}

struct network *network_create(struct vswitch *sw, const struct network_conf *conf, struct err *e)
{
	int slot = switch_free_slot((void *const *)sw->network_slot, MAX_NETWORKS);
	struct members *members;
	struct network *net;

	if (check(sw, conf, e) < 0)
		return NULL;
	net = slot < 0 ? NULL : calloc(1, sizeof(*net));
	members = calloc(1, sizeof(*members));
	if (net) {
		atomic_store(&net->bridge.members, members);
		net->bridge.fdb = fdb_create(conf->mac_table_size);
	}
	if (!net || !members || !net->bridge.fdb) {
		err_set(e, ERR_NO_SPACE, "name", "network '%s': no room (at most %d)", conf->name,
			MAX_NETWORKS);
		if (net)
			network_free(net);
		else
			free(members);
		return NULL;
	}
	net->id = (uint16_t)slot;
	net->vni = conf->vni;
	net->bridge.vni = conf->vni;
	atomic_store(&net->bridge.vtep, VTEP_NONE);
	net->mac_ageing_s = conf->mac_ageing_s;
	atomic_store(&net->bridge.mtu, conf->mtu);
	net->tenant = tenant_find(sw, conf->tenant);
	net->tenant->n_networks++;
	snprintf(net->name, sizeof(net->name), "%s", conf->name);
	sw->network_slot[slot] = net;
	TAILQ_INSERT_TAIL(&sw->networks, net, link);
	return net;
}

void network_set(struct network *net, uint32_t mtu, uint32_t mac_ageing_s)
{
	atomic_store(&net->bridge.mtu, mtu);
	net->mac_ageing_s = mac_ageing_s;
}

int network_delete(struct vswitch *sw, struct network *net, struct err *e)
{
	const struct members *members = atomic_load(&net->bridge.members);

	if (members->n)
		return err_set(e, ERR_BUSY, "name",
			       "network '%s' still has %u port%s, '%s' among them", net->name,
			       members->n, members->n == 1 ? "" : "s",
			       sw->port_slot[members->port[0]->id]->name);
	recordings_forget(sw, net);
	network_leave_vtep(sw, net);
	net->tenant->n_networks--;
	TAILQ_REMOVE(&sw->networks, net, link);
	sw->network_slot[net->id] = NULL;
	network_free(net);
	return 0;
}

/* Publishes a new list of members and frees the old one when no worker can see it any more. */
static void publish(struct vswitch *sw, struct network *net, struct members *members)
{
	struct members *old = atomic_exchange(&net->bridge.members, members);

	switch_quiesce(sw);
	free(old);
}

int network_add_port(struct vswitch *sw, struct network *net, struct port *port)
{
	const struct members *old = atomic_load(&net->bridge.members);
	struct members *members = malloc(sizeof(*members) + (old->n + 1) * sizeof(struct vport *));
	uint32_t at = 0;

	if (!members)
		return -ENOMEM;
	/* Sorted by id. */
	while (at < old->n && old->port[at]->id < port->vport.id)
		at++;
	memcpy(members->port, old->port, at * sizeof(struct vport *));
	members->port[at] = &port->vport;
	memcpy(&members->port[at + 1], &old->port[at], (old->n - at) * sizeof(struct vport *));
	members->n = old->n + 1;
	publish(sw, net, members);
	return 0;
}

int network_remove_port(struct vswitch *sw, struct network *net, struct port *port)
{
	const struct members *old = atomic_load(&net->bridge.members);
	struct members *members = malloc(sizeof(*members) + old->n * sizeof(struct vport *));

	if (!members)
		return -ENOMEM;
	members->n = 0;
	for (uint32_t i = 0; i < old->n; i++)
		if (old->port[i] != &port->vport)
			members->port[members->n++] = old->port[i];
	publish(sw, net, members);
	return 0;
}

static bool is_behind(void *ctx, const struct fdb_entry *entry)
{
	return entry->port == *(const uint16_t *)ctx;
}

void network_forget_port(struct network *net, uint16_t id)
{
	fdb_sweep(net->bridge.fdb, is_behind, &id);
	neighbour_forget(net, id);
}

struct foreign {
	uint16_t id;
	const struct guard *guard;
};

static bool is_foreign(void *ctx, const struct fdb_entry *entry)
{
	const struct foreign *f = ctx;

	return entry->port == f->id && !entry->is_static && !guard_has_mac(f->guard, entry->mac);
}

/* IP addresses are all forgotten: which MAC address one was learned with matters as well. */
void network_forget_foreign(struct network *net, uint16_t id, const struct guard *guard)
{
	struct foreign f = {id, guard};

	fdb_sweep(net->bridge.fdb, is_foreign, &f);
	neighbour_forget(net, id);
}
