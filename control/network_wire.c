/* SPDX-License-Identifier: BSD-3-Clause */
/* Networks that span hosts: their VTEP, and the remotes that their floods go to. Apart from
 * network.c, because all of it is about the tunnel, which most switches do without.
 *
 * Owns the lists of remotes, each of which keeps its remotes known, and the table by VNI. Each is
 * replaced as a whole and freed when no worker can see it any more. Called by the control thread.
 * Memory: a number for each remote of a network, and two tables of MAX_NETWORKS networks. */
#include "control/tunnel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/neighbour.h"
#include "control/switch.h"
#include "vswitch/batch.h"
#include "vswitch/neigh_table.h"

/* Whether the MTU of a network fits its VTEP. */
static int check_mtu(const struct vtep *v, uint32_t mtu, struct err *e)
{
	if (!v || mtu <= vtep_mtu(v))
		return 0;
	return err_set(e, ERR_INVALID, "mtu",
		       "mtu %u: uplink '%s' has %u, of which IPv%d, UDP, VXLAN and Ethernet take "
		       "%u: %u at most",
		       mtu, v->uplink->name, v->uplink->mtu, v->address.is_v6 ? 6 : 4,
		       vtep_overhead(v), vtep_mtu(v));
}

/* Publishes the networks that have a VTEP, by VNI. The table that workers had before is the next
 * one, so this cannot fail: a network has to go also when memory is short. */
static void publish_vnis(struct vswitch *sw)
{
	struct vni_table *t = sw->tunnel->spare_vnis;
	struct network *net;

	memset(t->at, 0, (t->mask + 1) * sizeof(t->at[0]));
	TAILQ_FOREACH (net, &sw->networks, link)
		if (net->vtep)
			vni_table_add(t, net->vni, &net->bridge);
	sw->tunnel->spare_vnis = atomic_exchange(&sw->tunnel->tables->vnis, t);
	switch_quiesce(sw);
}

/* --- the list of remotes -----------------------------------------------------------------------
 */

static bool lists(const struct remotes *list, uint16_t dest)
{
	for (uint32_t i = 0; list && i < list->n; i++)
		if (list->dest[i] == dest)
			return true;
	return false;
}

static void publish_list(struct vswitch *sw, struct network *net, struct remotes *list)
{
	struct remotes *old = atomic_exchange(&net->bridge.remotes, list);

	switch_quiesce(sw);
	free(old);
}

/* A copy of the list with one entry more (sorted), or without one. NULL when memory is short. */
static struct remotes *changed(const struct remotes *old, uint16_t dest, bool add)
{
	uint32_t n = old ? old->n : 0;
	struct remotes *list = malloc(sizeof(*list) + (n + 1) * sizeof(list->dest[0]));
	bool is_in = !add;

	if (!list)
		return NULL;
	list->n = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (!is_in && old->dest[i] > dest) {
			list->dest[list->n++] = dest;
			is_in = true;
		}
		if (add || old->dest[i] != dest)
			list->dest[list->n++] = old->dest[i];
	}
	if (!is_in)
		list->dest[list->n++] = dest;
	return list;
}

int network_add_remote(struct vswitch *sw, struct network *net, const char *address, struct err *e)
{
	const struct remotes *old = atomic_load(&net->bridge.remotes);
	struct remotes *list;
	struct remote *r;

	if (!net->vtep)
		return err_set(e, ERR_WRONG_STATE, "network", "network '%s' has no vtep",
			       net->name);
	r = remote_get(sw, net->vtep, "address", address, e);
	if (!r)
		return -EINVAL;
	if (lists(old, DEST_FIRST_REMOTE + r->id)) {
		remote_put(sw, r);
		return err_set(e, ERR_EXISTS, "address", "network '%s' has remote '%s' already",
			       net->name, address);
	}
	list = changed(old, DEST_FIRST_REMOTE + r->id, true);
	if (!list) {
		remote_put(sw, r);
		remotes_publish(sw);
		return err_set(e, ERR_NO_SPACE, "address", "out of memory");
	}
	publish_list(sw, net, list);
	return 0;
}

static bool is_behind(void *ctx, const struct fdb_entry *entry)
{
	return entry->port == *(const uint16_t *)ctx && !entry->is_static;
}

/* Takes a remote off the list, and forgets addresses that were learned behind it. */
static int remove_remote(struct vswitch *sw, struct network *net, struct remote *r, struct err *e)
{
	uint16_t dest = DEST_FIRST_REMOTE + r->id;
	struct remotes *list = changed(atomic_load(&net->bridge.remotes), dest, false);

	if (!list)
		return err_set(e, ERR_NO_SPACE, NULL, "out of memory");
	if (list->n == 0) {
		free(list);
		list = NULL;
	}
	publish_list(sw, net, list);
	fdb_sweep(net->bridge.fdb, is_behind, &dest);
	remote_put(sw, r);
	remotes_publish(sw);
	return 0;
}

int network_remove_remote(struct vswitch *sw, struct network *net, const char *address,
			  struct err *e)
{
	struct remote *r = NULL;
	struct ip_addr a;

	if (!ip_addr_parse(address, &a))
		return err_set(e, ERR_INVALID, "address", "address '%s': not an IP address",
			       address);
	if (net->vtep)
		r = remote_find(sw, net->vtep, &a);
	if (!r || !lists(atomic_load(&net->bridge.remotes), DEST_FIRST_REMOTE + r->id))
		return err_set(e, ERR_NOT_FOUND, "address", "network '%s' has no remote '%s'",
			       net->name, address);
	return remove_remote(sw, net, r, e);
}

/* --- the VTEP ----------------------------------------------------------------------------------
 */

/* Addresses behind remotes go with the VTEP. */
static bool forget_remote(void *ctx, const struct fdb_entry *entry)
{
	struct vswitch *sw = ctx;

	if (!dest_is_remote(entry->port))
		return false;
	if (entry->is_static)
		remote_put(sw, remote_at(sw, entry->port));
	return true;
}

void network_leave_vtep(struct vswitch *sw, struct network *net)
{
	struct remotes *list;

	if (!net->vtep)
		return;
	net->vtep->n_networks--;
	net->vtep = NULL;
	atomic_store(&net->bridge.vtep, VTEP_NONE);
	list = atomic_exchange(&net->bridge.remotes, NULL);
	publish_vnis(sw);
	fdb_sweep(net->bridge.fdb, forget_remote, sw);
	neighbour_forget(net, NEIGH_FROM_WIRE);
	for (uint32_t i = 0; list && i < list->n; i++)
		remote_put(sw, remote_at(sw, list->dest[i]));
	free(list);
	remotes_publish(sw);
}

static void join_vtep(struct vswitch *sw, struct network *net, struct vtep *v)
{
	v->n_networks++;
	net->vtep = v;
	atomic_store(&net->bridge.vtep, v->id);
	publish_vnis(sw);
}

int network_set_wire(struct vswitch *sw, struct network *net, const struct network_wire *p,
		     struct err *e)
{
	struct vtep *v = p->vtep[0] ? vtep_find(sw, p->vtep) : NULL;

	if (p->vtep[0] && !v)
		return err_set(e, ERR_NOT_FOUND, "vtep", "vtep '%s' does not exist", p->vtep);
	if (check_mtu(v, p->mtu, e) < 0)
		return -EINVAL;
	if (v != net->vtep)
		network_leave_vtep(sw, net);
	/* They are in force before any packet comes by the new VTEP. */
	atomic_store(&net->bridge.known_vteps_only, p->known_vteps_only);
	atomic_store(&net->bridge.learn_from_wire, p->learn);
	atomic_store(&net->bridge.flood_unknown, p->flood_unknown);
	atomic_store(&net->bridge.drop_inner_vlan, p->drop_inner_vlan);
	atomic_store(&net->bridge.clamps_mss, p->clamps_mss);
	pps_set(&net->bridge.floods, p->flood_pps);
	if (v && v != net->vtep)
		join_vtep(sw, net, v);
	return 0;
}
