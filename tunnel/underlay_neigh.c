/* SPDX-License-Identifier: BSD-3-Clause */
/* Next hops.
 *
 * The kernel resolves them and keeps them resolved ("managed" entries, Linux 5.16);
 * older kernels are asked to look again every REQUEST_NS. Entries that somebody deletes (the kernel
 * itself, when its table is full) are asked for again by ticks, so that this ends. Static entries
 * and those that others have the kernel manage are used as they are. Our own bear our protocol
 * number, so that those of a process that was killed are known as ours too.
 *
 * Owns a hash table of next hops, each of which exists while a path uses it. [control] */
#include "tunnel/underlay_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "base/clock.h"

#define PROTOCOL     0x53 /* 'S'; not in iproute2's rt_protos */
#define REQUEST_NS   (30 * CLOCK_NS_PER_S)
#define MAX_REQUESTS 256 /* of a tick */
#define STATIC       (NUD_PERMANENT | NUD_NOARP)
#define USABLE       (STATIC | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)

static unsigned bucket_of(unsigned ifindex, const struct ip_addr *a)
{
	uint32_t hash = 2166136261u ^ ifindex; /* FNV-1a */

	for (size_t i = 0; i < sizeof(a->bytes); i++)
		hash = (hash ^ a->bytes[i]) * 16777619u;
	return (hash ^ hash >> 16) % NEIGH_BUCKETS;
}

static struct neighbour *find(struct underlay *u, unsigned ifindex, const struct ip_addr *a)
{
	struct neighbour *n;

	LIST_FOREACH (n, &u->neighs[bucket_of(ifindex, a)], chain)
		if (n->ifindex == ifindex && ip_addr_equal(&n->addr, a))
			return n;
	return NULL;
}

bool underlay_neigh_resolved(const struct neighbour *n)
{
	return n->state & USABLE && n->has_mac;
}

/* What the kernel says of an entry. NULL: it has none. */
static void apply(struct neighbour *n, const struct netlink_neigh *m)
{
	n->state = m ? m->state : NUD_NONE;
	n->managed = m && m->managed;
	n->protocol = m ? m->protocol : 0;
	if (!m || !(m->state & USABLE) || !m->has_mac)
		return;
	n->has_mac = true;
	memcpy(n->mac, m->mac, sizeof(n->mac));
}

static void set_unasked(struct underlay *u, struct neighbour *n, bool is_unasked)
{
	if (n->is_unasked)
		TAILQ_REMOVE(&u->unasked, n, unasked);
	if (is_unasked)
		TAILQ_INSERT_TAIL(&u->unasked, n, unasked);
	n->is_unasked = is_unasked;
}

static int look(struct underlay *u, struct neighbour *n)
{
	struct netlink_neigh m;
	int ret = netlink_get_neigh(u->requests, n->ifindex, &n->addr, &m);

	if (ret == 0)
		apply(n, &m);
	else if (ret != -EAGAIN)
		apply(n, NULL);
	return ret == -EAGAIN ? ret : 0;
}

static bool is_kept_resolved(const struct neighbour *n)
{
	return n->state & STATIC || n->managed;
}

/* Has the kernel resolve a next hop, if it does not by itself. -EAGAIN when it did not answer. */
static int request(struct underlay *u, struct neighbour *n)
{
	/* The request would make a static entry a dynamic one. */
	int ret = look(u, n);

	if (ret == 0 && !is_kept_resolved(n)) {
		ret = netlink_manage_neigh(u->requests, n->ifindex, &n->addr, PROTOCOL);
		n->requested_ns = clock_now_ns();
		n->error = ret;
		if (ret == 0 && n->state == NUD_NONE)
			n->state = NUD_INCOMPLETE;
	}
	set_unasked(u, n, ret < 0);
	return ret == -EAGAIN ? ret : 0;
}

static bool is_due(const struct neighbour *n)
{
	if (is_kept_resolved(n) || n->is_unasked)
		return false;
	return n->requested_ns == 0 || clock_now_ns() - n->requested_ns >= REQUEST_NS;
}

void underlay_check_neighs(struct underlay *u)
{
	for (int i = 0; i < MAX_REQUESTS && !TAILQ_EMPTY(&u->unasked); i++)
		if (request(u, TAILQ_FIRST(&u->unasked)) < 0)
			return;
}

/* Deletes the entry if it is ours, unless an operator has made it a static one since. */
static void give_up(struct underlay *u, struct neighbour *n)
{
	if (look(u, n) == 0 && n->protocol == PROTOCOL && !(n->state & STATIC))
		netlink_delete_neigh(u->requests, n->ifindex, &n->addr);
	set_unasked(u, n, false);
	LIST_REMOVE(n, chain);
	free(n);
}

void underlay_detach_neigh(struct underlay *u, struct underlay_path *p)
{
	struct neighbour *n = p->neigh;

	if (!n)
		return;
	p->neigh = NULL;
	LIST_REMOVE(p, sharing);
	if (LIST_EMPTY(&n->paths))
		give_up(u, n);
}

int underlay_attach_neigh(struct underlay *u, struct underlay_path *p, unsigned ifindex,
			  const struct ip_addr *a)
{
	struct neighbour *n = find(u, ifindex, a);
	int ret;

	if (!n) {
		n = calloc(1, sizeof(*n));
		if (!n)
			return -ENOMEM;
		n->ifindex = ifindex;
		n->addr = *a;
		LIST_INSERT_HEAD(&u->neighs[bucket_of(ifindex, a)], n, chain);
	}
	ret = is_due(n) ? request(u, n) : 0;
	if (ret < 0) {
		if (LIST_EMPTY(&n->paths))
			give_up(u, n);
		return ret;
	}
	if (p->neigh == n)
		return 0;
	underlay_detach_neigh(u, p);
	p->neigh = n;
	LIST_INSERT_HEAD(&n->paths, p, sharing);
	return 0;
}

void underlay_heard_neigh(struct underlay *u, const struct nlmsghdr *m)
{
	struct neighbour *n, before;
	struct underlay_path *p;
	struct netlink_neigh said;

	if (!netlink_parse_neigh(m, &said))
		return;
	n = find(u, said.ifindex, &said.addr);
	if (!n)
		return;
	before = *n;
	apply(n, m->nlmsg_type == RTM_NEWNEIGH ? &said : NULL);
	if (m->nlmsg_type == RTM_DELNEIGH)
		set_unasked(u, n, true);
	if (underlay_neigh_resolved(n) == underlay_neigh_resolved(&before) &&
	    memcmp(n->mac, before.mac, sizeof(n->mac)) == 0)
		return;
	LIST_FOREACH (p, &n->paths, sharing)
		underlay_ask_soon(u, p);
}

static void load_neigh(void *ctx, const struct nlmsghdr *m)
{
	struct neighbour *n;
	struct netlink_neigh said;

	if (!netlink_parse_neigh(m, &said))
		return;
	n = find(ctx, said.ifindex, &said.addr);
	if (!n)
		return;
	apply(n, &said);
	n->seen = true;
}

int underlay_load_neighs(struct underlay *u)
{
	struct neighbour *n;
	int ret = -EINTR;

	for (unsigned i = 0; i < NEIGH_BUCKETS; i++)
		LIST_FOREACH (n, &u->neighs[i], chain)
			n->seen = false;
	for (int i = 0; i < DUMP_TRIES && ret == -EINTR; i++)
		ret = netlink_dump(u->requests, RTM_GETNEIGH, load_neigh, u);
	if (ret < 0)
		return ret;
	for (unsigned i = 0; i < NEIGH_BUCKETS; i++)
		LIST_FOREACH (n, &u->neighs[i], chain)
			if (!n->seen) {
				apply(n, NULL);
				set_unasked(u, n, true);
			}
	return 0;
}
