/* SPDX-License-Identifier: BSD-3-Clause */
/* VTEPs: addresses of this host, each with a UDP port, that packets of other hosts come to. What a
 * VTEP needs of others is held while it exists: the port in the kernel, and its uplink's taking of
 * packets to that port.
 *
 * Owns VTEPs and the table of them that workers see. Called by the control thread. Memory: VTEP_MAX
 * VTEPs. */
#include "control/tunnel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "control/switch.h"

struct vtep *vtep_find(struct vswitch *sw, const char *name)
{
	struct vtep *v;

	if (!sw->tunnel)
		return NULL;
	TAILQ_FOREACH (v, &sw->tunnel->vteps, link)
		if (strcmp(v->name, name) == 0)
			return v;
	return NULL;
}

uint32_t vtep_overhead(const struct vtep *v)
{
	const uint32_t udp = 8, vxlan = 8, inner_ethernet = 14;

	return (v->address.is_v6 ? 40 : 20) + udp + vxlan + inner_ethernet;
}

uint32_t vtep_mtu(const struct vtep *v)
{
	return v->uplink->mtu - vtep_overhead(v);
}

/* Publishes the table of all VTEPs. */
static int publish(struct vswitch *sw, struct err *e)
{
	struct vtep_table *t = calloc(1, sizeof(*t)), *old;
	const struct vtep *v;

	if (!t)
		return err_set(e, ERR_NO_SPACE, NULL, "out of memory");
	TAILQ_FOREACH (v, &sw->tunnel->vteps, link)
		t->at[t->n++] = (struct vtep_entry){.address = v->address,
						    .port = v->port,
						    .id = v->id,
						    .accept_zero_sum = v->accept_zero_sum,
						    .strict_reserved = v->strict_reserved};
	old = atomic_exchange(&sw->tunnel->tables->vteps, t);
	switch_quiesce(sw);
	free(old);
	return 0;
}

/* Has an uplink take packets to the ports of its VTEPs. */
static int take_ports(struct vswitch *sw, const struct uplink *u, struct err *e)
{
	uint16_t ports[VTEP_MAX];
	const struct vtep *v;
	unsigned n = 0;

	TAILQ_FOREACH (v, &sw->tunnel->vteps, link) {
		unsigned i = 0;

		while (i < n && ports[i] != v->port)
			i++;
		if (v->uplink == u && i == n)
			ports[n++] = v->port;
	}
	return uplink_set_ports(u->dev, ports, n, e);
}

/* Whether the address is another VTEP's, of this host or of another one. */
static int check_others(struct vswitch *sw, const struct vtep_params *p, const struct ip_addr *a,
			struct err *e)
{
	const struct remote *r;
	const struct vtep *v;

	TAILQ_FOREACH (v, &sw->tunnel->vteps, link)
		if (ip_addr_equal(&v->address, a) && v->port == p->port)
			return err_set(e, ERR_EXISTS, "address",
				       "address '%s', port %u is vtep '%s'", p->address, p->port,
				       v->name);
	TAILQ_FOREACH (r, &sw->tunnel->remotes, link)
		if (ip_addr_equal(&r->address, a))
			return err_set(e, ERR_INVALID, "address",
				       "address '%s': is a remote of vtep '%s'", p->address,
				       r->vtep->name);
	return 0;
}

static int check_address(struct vswitch *sw, const struct uplink *u, const struct vtep_params *p,
			 struct ip_addr *a, struct err *e)
{
	if (!ip_addr_parse(p->address, a) || !ip_addr_is_host(a))
		return err_set(e, ERR_INVALID, "address", "address '%s': not a host's IP address",
			       p->address);
	if (check_others(sw, p, a, e) < 0)
		return -EINVAL;
	if (!p->may_lack_address && underlay_find_address(sw->tunnel->underlay, a) == 0)
		return err_set(e, ERR_INVALID, "address",
			       "address '%s': no interface of this host has it (uplink '%s' is %s)",
			       p->address, u->name, u->interface);
	return 0;
}

static struct uplink *check(struct vswitch *sw, const struct vtep_params *p, struct ip_addr *a,
			    struct err *e)
{
	struct uplink *u;

	if (switch_check_name("name", p->name, e) < 0)
		return NULL;
	if (vtep_find(sw, p->name)) {
		err_set(e, ERR_EXISTS, "name", "vtep '%s' exists", p->name);
		return NULL;
	}
	u = uplink_find(sw, p->uplink);
	if (!u) {
		err_set(e, ERR_NOT_FOUND, "uplink", "uplink '%s' does not exist", p->uplink);
		return NULL;
	}
	return check_address(sw, u, p, a, e) < 0 ? NULL : u;
}

static struct vtep *vtep_alloc(struct vswitch *sw, const struct vtep_params *p, struct uplink *u,
			       const struct ip_addr *address, struct err *e)
{
	int slot = switch_free_slot((void *const *)sw->tunnel->vtep_slot, VTEP_MAX);
	struct vtep *v = slot < 0 ? NULL : calloc(1, sizeof(*v));

	if (!v) {
		err_set(e, ERR_NO_SPACE, "name", "vtep '%s': no room (at most %d)", p->name,
			VTEP_MAX);
		return NULL;
	}
	v->id = (uint8_t)slot;
	v->uplink = u;
	v->address = *address;
	v->port = p->port;
	v->ttl = p->ttl;
	v->dscp = p->dscp;
	v->sum = p->sum;
	v->accept_zero_sum = p->accept_zero_sum;
	v->strict_reserved = p->strict_reserved;
	snprintf(v->name, sizeof(v->name), "%s", p->name);
	return v;
}

struct vtep *vtep_create(struct vswitch *sw, const struct vtep_params *p, struct err *e)
{
	struct ip_addr address;
	struct uplink *u = check(sw, p, &address, e);
	struct vtep *v = u ? vtep_alloc(sw, p, u, &address, e) : NULL;

	if (!v)
		return NULL;
	if (underlay_hold_port(sw->tunnel->underlay, v->port, e) < 0) {
		err_name_field(e, "port");
		free(v);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&sw->tunnel->vteps, v, link);
	if (take_ports(sw, u, e) < 0 || publish(sw, e) < 0) {
		err_name_field(e, "uplink");
		TAILQ_REMOVE(&sw->tunnel->vteps, v, link);
		take_ports(sw, u, NULL);
		underlay_release_port(sw->tunnel->underlay, v->port);
		free(v);
		return NULL;
	}
	sw->tunnel->vtep_slot[v->id] = v;
	u->n_vteps++;
	return v;
}

int vtep_delete(struct vswitch *sw, struct vtep *v, struct err *e)
{
	if (v->n_networks)
		return err_set(e, ERR_BUSY, "name", "vtep '%s' still has %u network%s", v->name,
			       v->n_networks, v->n_networks == 1 ? "" : "s");
	TAILQ_REMOVE(&sw->tunnel->vteps, v, link);
	if (publish(sw, e) < 0) {
		TAILQ_INSERT_TAIL(&sw->tunnel->vteps, v, link);
		return -ENOMEM;
	}
	if (take_ports(sw, v->uplink, e) < 0)
		log_warn("vtep %s: uplink %s still takes packets to port %u", v->name,
			 v->uplink->name, v->port);
	remotes_forget_of(sw, v);
	underlay_release_port(sw->tunnel->underlay, v->port);
	sw->tunnel->vtep_slot[v->id] = NULL;
	v->uplink->n_vteps--;
	free(v);
	return 0;
}
