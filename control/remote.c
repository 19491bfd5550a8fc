/* SPDX-License-Identifier: BSD-3-Clause */
/* Remotes: other hosts' VTEPs, and how the underlay gets to them. Workers see a remote as a number,
 * as an adjacency, and by its address in the table of sources.
 *
 * Owns remotes, from the first network or static address that needs one, or the first packet of a
 * host that may be learned, to the last. Changes are gathered, and remotes_publish() makes them
 * known to the workers together, since each wait for the workers, and each table of all sources,
 * takes its time. Called by the control thread. Memory: REMOTE_MAX remotes, of which LEARN_UP_TO
 * can be made by packets of others. */
#include "control/tunnel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_tailq.h>

#include "base/counter.h"
#include "base/log.h"
#include "control/switch.h"
#include "pkt/drops.h"
#include "vswitch/batch.h"

/* Adjacencies that are published at once, with one wait for the workers. */
#define PUBLISH_AT_ONCE 256

/* Hosts that are learned while there are so many remotes at most: anybody on the wire can invent
 * some. */
#define LEARN_UP_TO  1024
#define FORGET_AFTER 60 /* seconds */

static const uint8_t reason_of[UNDERLAY_STATE_COUNT] = {
	[UNDERLAY_UP] = DROP_COUNT,
	[UNDERLAY_NO_ADDRESS] = DROP_TUNNEL_NO_ROUTE,
	[UNDERLAY_NO_ROUTE] = DROP_TUNNEL_NO_ROUTE,
	[UNDERLAY_OTHER_DEVICE] = DROP_TUNNEL_NO_ROUTE,
	[UNDERLAY_UNRESOLVED] = DROP_UNRESOLVED,
	[UNDERLAY_LINK_DOWN] = DROP_UPLINK_DOWN,
};

static bool fills_sum(const struct vtep *v)
{
	return v->sum == VTEP_SUM_ON || (v->sum == VTEP_SUM_AUTO && v->address.is_v6);
}

/* The remote as workers see it; NULL when memory is short. */
static struct adjacency *make_adjacency(const struct remote *r, uint16_t generation)
{
	const struct underlay_way *way = underlay_way_of(r->path);
	const struct vtep *v = r->vtep;
	struct vxlan_conf conf = {
		.vlan = way->vlan,
		.src = v->address,
		.dst = r->address,
		.port = v->port,
		.ttl = v->ttl,
		.dscp = v->dscp < 0 ? 0 : (uint8_t)v->dscp,
		.inherit_dscp = v->dscp < 0,
		.sum = fills_sum(v),
	};
	struct adjacency *a = aligned_alloc(64, (sizeof(*a) + 63) / 64 * 64);

	if (!a)
		return NULL;
	memcpy(conf.src_mac, way->src_mac, sizeof(conf.src_mac));
	memcpy(conf.dst_mac, way->dst_mac, sizeof(conf.dst_mac));
	memset(a, 0, sizeof(*a));
	vxlan_template_init(&a->t, &conf);
	a->mtu = way->mtu > vtep_overhead(v) ? way->mtu - vtep_overhead(v) : 0;
	if (a->mtu > vtep_mtu(v))
		a->mtu = vtep_mtu(v);
	a->generation = generation;
	a->uplink = v->uplink->id;
	a->reason = v->uplink->status.is_up ? reason_of[way->state] : DROP_UPLINK_DOWN;
	return a;
}

void remote_mark(struct vswitch *sw, struct remote *r)
{
	r->is_changed = true;
	sw->tunnel->has_changes = true;
}

static void free_later(struct vswitch *sw, struct adjacency **old, unsigned *n)
{
	switch_quiesce(sw);
	while (*n > 0)
		free(old[--*n]);
}

static void publish_adjacencies(struct vswitch *sw)
{
	struct tunnel *t = sw->tunnel;
	struct adjacency *old[PUBLISH_AT_ONCE];
	struct remote *r;
	unsigned n = 0;

	TAILQ_FOREACH (r, &t->remotes, link) {
		const struct adjacency *before = atomic_load(&t->tables->adjacency[r->id]);
		struct adjacency *a;

		if (!r->is_changed)
			continue;
		a = make_adjacency(r, before->generation);
		r->is_changed = !a;
		t->has_changes |= !a;
		if (!a)
			continue;
		old[n++] = atomic_exchange(&t->tables->adjacency[r->id], a);
		if (n == PUBLISH_AT_ONCE)
			free_later(sw, old, &n);
	}
	if (n > 0)
		free_later(sw, old, &n);
}

/* Publishes by which addresses workers know remotes, and frees those that are gone. On lack of
 * memory the table before has their numbers still, which lead to nothing. */
static void publish_sources(struct vswitch *sw)
{
	struct tunnel *t = sw->tunnel;
	struct source_table *table = source_table_create(t->n_remotes), *old = NULL;
	struct remote *r;

	if (table) {
		TAILQ_FOREACH (r, &t->remotes, link)
			source_table_add(table, &r->address, r->vtep->id, r->id);
		old = atomic_exchange(&t->tables->sources, table);
	}
	t->has_new_sources = !table;
	t->has_changes |= !table;
	switch_quiesce(sw);
	free(old);
	while ((r = TAILQ_FIRST(&t->gone))) {
		TAILQ_REMOVE(&t->gone, r, link);
		free(r->withdrawn);
		free(r);
	}
}

struct remote *remote_find(struct vswitch *sw, const struct vtep *v, const struct ip_addr *a)
{
	struct remote *r;

	TAILQ_FOREACH (r, &sw->tunnel->remotes, link)
		if (r->vtep == v && ip_addr_equal(&r->address, a))
			return r;
	return NULL;
}

struct remote *remote_at(const struct vswitch *sw, uint16_t dest)
{
	return sw->tunnel ? sw->tunnel->remote_slot[dest - DEST_FIRST_REMOTE] : NULL;
}

static int check(struct vswitch *sw, const struct vtep *v, const struct ip_addr *a,
		 const char *field, struct err *e)
{
	char text[IP_ADDR_TEXT_SIZE];
	const struct vtep *own;

	ip_addr_format(a, text);
	if (a->is_v6 != v->address.is_v6)
		return err_set(e, ERR_INVALID, field, "%s '%s': vtep '%s' is of IPv%d", field, text,
			       v->name, v->address.is_v6 ? 6 : 4);
	TAILQ_FOREACH (own, &sw->tunnel->vteps, link)
		if (ip_addr_equal(&own->address, a))
			return err_set(e, ERR_INVALID, field, "%s '%s': is vtep '%s'", field, text,
				       own->name);
	return 0;
}

/* The next id that is free, or -1. */
static int free_id(struct tunnel *t)
{
	for (unsigned i = 0; i < REMOTE_MAX; i++) {
		uint16_t id = t->next_remote;

		t->next_remote = (uint16_t)((t->next_remote + 1) % REMOTE_MAX);
		if (!t->remote_slot[id])
			return id;
	}
	return -1;
}

static void counters_clear(struct worker *w, void *arg)
{
	const struct remote *r = arg;

	w->wire->remote[r->id] = (struct remote_counters){0};
}

/* --- groups ------------------------------------------------------------------------------------
 */

/* The interface on which the host is a member of a VTEP's groups: the one with its address. */
static unsigned group_interface(struct vswitch *sw, const struct vtep *v)
{
	unsigned ifindex = underlay_find_address(sw->tunnel->underlay, &v->address);

	return ifindex ? ifindex : v->uplink->ifindex;
}

/* Makes the host a member of the group that a remote stands for. */
static int join(struct vswitch *sw, struct remote *r, struct err *e)
{
	if (!ip_addr_is_group(&r->address))
		return 0;
	r->group_ifindex = group_interface(sw, r->vtep);
	if (underlay_join(sw->tunnel->underlay, &r->address, r->group_ifindex, e) < 0)
		return -EIO;
	r->vtep->n_groups++;
	/* The kernel tells the device which groups it wants, where it has the device. */
	uplink_set_multicast(r->vtep->uplink->dev, true);
	return 0;
}

static void leave(struct vswitch *sw, struct remote *r)
{
	if (!ip_addr_is_group(&r->address))
		return;
	underlay_leave(sw->tunnel->underlay, &r->address, r->group_ifindex);
	r->vtep->n_groups--;
}

/* The membership goes on where it was if the new interface refuses it, and is tried there again. */
static void rejoin(struct vswitch *sw, struct remote *r, unsigned ifindex)
{
	struct underlay *u = sw->tunnel->underlay;
	struct err e;

	if (r->group_ifindex == ifindex) {
		r->group_failed = false;
		return;
	}
	if (underlay_join(u, &r->address, ifindex, &e) < 0) {
		if (!r->group_failed)
			log_warn("vtep %s: %s", r->vtep->name, e.text);
		r->group_failed = true;
		return;
	}
	underlay_leave(u, &r->address, r->group_ifindex);
	r->group_ifindex = ifindex;
	r->group_failed = false;
}

void remotes_rejoin(struct vswitch *sw)
{
	const struct vtep *v;
	struct remote *r;

	TAILQ_FOREACH (v, &sw->tunnel->vteps, link) {
		unsigned ifindex = v->n_groups ? group_interface(sw, v) : 0;

		if (!ifindex)
			continue;
		TAILQ_FOREACH (r, &sw->tunnel->remotes, link)
			if (r->vtep == v && ip_addr_is_group(&r->address))
				rejoin(sw, r, ifindex);
	}
}

/* --- coming and going --------------------------------------------------------------------------
 */

/* Withdraws a remote. Workers may use it until remotes_publish(). */
static void take_out(struct vswitch *sw, struct remote *r)
{
	struct tunnel *t = sw->tunnel;

	r->withdrawn = atomic_exchange(&t->tables->adjacency[r->id], NULL);
	t->remote_slot[r->id] = NULL;
	leave(sw, r);
	underlay_remove(t->underlay, r->path);
	r->vtep->n_remotes--;
	t->n_remotes--;
	TAILQ_REMOVE(&t->remotes, r, link);
	TAILQ_INSERT_TAIL(&t->gone, r, link);
	t->has_changes = t->has_new_sources = true;
}

static int put_in(struct vswitch *sw, struct remote *r)
{
	struct tunnel *t = sw->tunnel;
	struct adjacency *a = make_adjacency(r, ++t->generations);

	if (!a)
		return -ENOMEM;
	for (unsigned i = 0; i < sw->n_workers; i++)
		worker_call(sw->worker[i], counters_clear, r);
	t->remote_slot[r->id] = r;
	r->vtep->n_remotes++;
	t->n_remotes++;
	r->known_s = switch_now_s();
	TAILQ_INSERT_TAIL(&t->remotes, r, link);
	atomic_store(&t->tables->adjacency[r->id], a);
	t->has_changes = t->has_new_sources = true;
	return 0;
}

/* Makes a remote, which workers know after remotes_publish(). */
static struct remote *make(struct vswitch *sw, struct vtep *v, const struct ip_addr *a,
			   const char *field, struct err *e)
{
	struct tunnel *t = sw->tunnel;
	struct underlay_conf conf = {
		.src = v->address, .dst = *a, .port = v->port, .ifindex = v->uplink->ifindex};
	int id = free_id(t);
	struct remote *r = id < 0 ? NULL : calloc(1, sizeof(*r));

	if (!r) {
		err_set(e, ERR_NO_SPACE, field, "no room for another remote (at most %d)",
			REMOTE_MAX);
		return NULL;
	}
	r->id = (uint16_t)id;
	r->vtep = v;
	r->address = *a;
	conf.owner = r;
	r->path = underlay_add(t->underlay, &conf, e);
	if (r->path && join(sw, r, e) == 0) {
		if (put_in(sw, r) == 0)
			return r;
		err_set(e, ERR_NO_SPACE, field, "out of memory");
		leave(sw, r);
	}
	err_name_field(e, field);
	if (r->path)
		underlay_remove(t->underlay, r->path);
	free(r);
	return NULL;
}

struct remote *remote_get(struct vswitch *sw, struct vtep *v, const char *field,
			  const char *address, struct err *e)
{
	struct ip_addr a;
	struct remote *r;

	if (!ip_addr_parse(address, &a) || !(ip_addr_is_host(&a) || ip_addr_is_group(&a))) {
		err_set(e, ERR_INVALID, field, "%s '%s': not the IP address of a host or a group",
			field, address);
		return NULL;
	}
	r = remote_find(sw, v, &a);
	if (!r && check(sw, v, &a, field, e) == 0)
		r = make(sw, v, &a, field, e);
	if (!r)
		return NULL;
	r->refs++;
	r->is_released = false;
	remotes_publish(sw);
	return r;
}

void remote_learn(struct vswitch *sw, struct vtep *v, const struct ip_addr *a)
{
	if (sw->tunnel->n_remotes < LEARN_UP_TO && ip_addr_is_host(a) && !remote_find(sw, v, a) &&
	    check(sw, v, a, "address", NULL) == 0)
		make(sw, v, a, "address", NULL);
}

bool remote_refresh(struct vswitch *sw, const struct network *net, uint16_t dest)
{
	struct remote *r = net->vtep ? remote_at(sw, dest) : NULL;

	if (r)
		r->known_s = switch_now_s();
	return r;
}

void remotes_forget(struct vswitch *sw)
{
	struct remote *r;
	void *next;

	RTE_TAILQ_FOREACH_SAFE (r, &sw->tunnel->remotes, link, next)
		if (r->refs == 0 && switch_now_s() - r->known_s > FORGET_AFTER)
			take_out(sw, r);
}

void remotes_forget_of(struct vswitch *sw, const struct vtep *v)
{
	struct remote *r;
	void *next;

	RTE_TAILQ_FOREACH_SAFE (r, &sw->tunnel->remotes, link, next)
		if (r->vtep == v)
			take_out(sw, r);
	remotes_publish(sw);
}

void remote_put(struct vswitch *sw, struct remote *r)
{
	/* Addresses may be known behind it still. */
	r->known_s = switch_now_s();
	if (--r->refs > 0)
		return;
	r->is_released = true;
	sw->tunnel->has_changes = sw->tunnel->has_released = true;
}

static bool keep(void *ctx, const struct fdb_entry *entry)
{
	struct remote *r = dest_is_remote(entry->port) ? remote_at(ctx, entry->port) : NULL;

	if (r)
		r->is_released = false;
	return false;
}

/* Takes out remotes that were put back, unless addresses are known behind them. */
static void take_out_released(struct vswitch *sw)
{
	struct tunnel *t = sw->tunnel;
	const struct network *net;
	struct remote *r;
	void *next;

	if (!t->has_released)
		return;
	t->has_released = false;
	TAILQ_FOREACH (net, &sw->networks, link)
		if (net->vtep)
			fdb_sweep(net->bridge.fdb, keep, sw);
	RTE_TAILQ_FOREACH_SAFE (r, &t->remotes, link, next)
		if (r->is_released)
			take_out(sw, r);
}

/* What cannot be published for lack of memory stays marked, and is tried again. */
void remotes_publish(struct vswitch *sw)
{
	struct tunnel *t = sw->tunnel;

	if (!t->has_changes)
		return;
	t->has_changes = false;
	take_out_released(sw);
	if (t->has_new_sources)
		publish_sources(sw);
	publish_adjacencies(sw);
}

struct remote_counters remote_count(const struct vswitch *sw, const struct remote *r)
{
	struct remote_counters sum = {0};

	for (unsigned i = 0; i < sw->n_workers; i++) {
		const struct remote_counters *c = &sw->worker[i]->wire->remote[r->id];

		sum.packets += counter_read(&c->packets);
		sum.bytes += counter_read(&c->bytes);
		sum.drops += counter_read(&c->drops);
	}
	return sum;
}
