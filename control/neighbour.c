/* SPDX-License-Identifier: BSD-3-Clause */
/* Neighbours of networks. */
#include "control/neighbour.h"

#include <errno.h>

/* A network's table, which is made when it is first needed: few networks have one. NULL with *e
 * filled when memory is short. It is as large as the table of MAC addresses. */
static struct neigh_table *get_table(struct network *net, struct err *e)
{
	struct neigh_table *t = atomic_load(&net->bridge.neighbours);

	if (t)
		return t;
	t = neigh_table_create(fdb_capacity(net->bridge.fdb));
	if (!t)
		err_set(e, ERR_NO_SPACE, NULL, "network '%s': out of memory for neighbours",
			net->name);
	atomic_store(&net->bridge.neighbours, t);
	return t;
}

static bool is_learned(void *ctx, const struct neigh *n)
{
	(void)ctx;
	return !n->is_static;
}

int network_set_suppress(struct vswitch *sw, struct network *net, enum suppress_mode mode,
			 struct err *e)
{
	enum suppress_mode before = (enum suppress_mode)atomic_load(&net->bridge.suppress);
	struct port *port;

	if (mode != SUPPRESS_OFF && !get_table(net, e))
		return -ENOMEM;
	atomic_store(&net->bridge.suppress, mode);
	TAILQ_FOREACH (port, &sw->ports, link)
		if (port->net == net)
			port_set_stages(port);
	/* Nothing would tell what changes from now on, so what was learned is worth nothing. */
	if (before == SUPPRESS_LEARNED && mode != before) {
		switch_quiesce(sw);
		neighbour_each(net, is_learned, NULL);
	}
	return 0;
}

int neighbour_add(struct network *net, const struct neigh *n, struct err *e)
{
	struct neigh_table *t = get_table(net, e);
	char text[IP_ADDR_TEXT_SIZE];
	int ret;

	if (!t)
		return -ENOMEM;
	ip_addr_format(&n->address, text);
	ret = neigh_table_add(t, n);
	if (ret == -EEXIST)
		return err_set(e, ERR_EXISTS, "address",
			       "address '%s' is static in network '%s' already", text, net->name);
	if (ret < 0)
		return err_set(e, ERR_NO_SPACE, "address", "address '%s': no room in network '%s'",
			       text, net->name);
	return 0;
}

int neighbour_delete(struct network *net, const struct ip_addr *address, struct err *e)
{
	struct neigh_table *t = atomic_load(&net->bridge.neighbours);
	char text[IP_ADDR_TEXT_SIZE];

	if (t && neigh_table_remove(t, address) == 0)
		return 0;
	ip_addr_format(address, text);
	return err_set(e, ERR_NOT_FOUND, "address", "address '%s' is not known in network '%s'",
		       text, net->name);
}

void neighbour_each(struct network *net, bool (*fn)(void *ctx, const struct neigh *n), void *ctx)
{
	struct neigh_table *t = atomic_load(&net->bridge.neighbours);

	if (t)
		neigh_table_sweep(t, fn, ctx);
}

struct ageing {
	uint32_t now_s, most_s;
};

static bool is_old(void *ctx, const struct neigh *n)
{
	const struct ageing *a = ctx;

	return !n->is_static && a->now_s > n->seen_s && a->now_s - n->seen_s > a->most_s;
}

void neighbour_age(struct network *net, uint32_t now_s)
{
	struct ageing a = {now_s, net->mac_ageing_s};
	struct neigh_table *t = atomic_load(&net->bridge.neighbours);

	if (t && neigh_table_has_learned(t))
		neigh_table_sweep(t, is_old, &a);
}

void neighbour_forget(struct network *net, uint16_t origin)
{
	struct neigh_table *t = atomic_load(&net->bridge.neighbours);

	if (t)
		neigh_table_forget(t, origin);
}
