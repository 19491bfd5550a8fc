/* SPDX-License-Identifier: BSD-3-Clause */
/* What this host has: its links, and the addresses that paths begin at.
 *
 * Owns a table of all links, kept by notifications, and the few source addresses of paths. Other
 * addresses are not kept. Memory: a struct for each link of the host. [control] */
#include "tunnel/underlay_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

/* --- links -------------------------------------------------------------------------------------*/

/* The position of a link, or where it would be. */
static size_t place_of(const struct underlay *u, unsigned ifindex)
{
	size_t low = 0, high = u->n_links;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (u->links[middle].ifindex < ifindex)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_at(const struct underlay *u, size_t place, unsigned ifindex)
{
	return place < u->n_links && u->links[place].ifindex == ifindex;
}

static bool is_same_link(const struct netlink_link *a, const struct netlink_link *b)
{
	return a->up == b->up && a->running == b->running && a->mtu == b->mtu &&
	       a->lower == b->lower && a->vlan == b->vlan && strcmp(a->name, b->name) == 0 &&
	       memcmp(a->mac, b->mac, sizeof(a->mac)) == 0;
}

/* Adds a link or replaces it. Without memory it stays unknown, and is asked for when needed. */
static void put_link(struct underlay *u, const struct netlink_link *link)
{
	size_t at = place_of(u, link->ifindex);

	if (is_at(u, at, link->ifindex)) {
		if (!is_same_link(&u->links[at], link))
			underlay_ask_all(u);
		u->links[at] = *link;
		return;
	}
	if (u->n_links == u->room) {
		size_t room = u->room ? 2 * u->room : 16;
		struct netlink_link *links = realloc(u->links, room * sizeof(*links));

		if (!links)
			return;
		u->links = links;
		u->room = room;
	}
	memmove(&u->links[at + 1], &u->links[at], (u->n_links - at) * sizeof(*link));
	u->links[at] = *link;
	u->n_links++;
}

/* A link's ways out change with it, also those of routes through other devices, which then count
 * or count no more: the kernel tells of no route that lost or regained its device. A new link has
 * no routes yet. */
void underlay_heard_link(struct underlay *u, const struct nlmsghdr *m)
{
	struct netlink_link link;
	size_t at;

	if (!netlink_parse_link(m, &link))
		return;
	if (m->nlmsg_type == RTM_NEWLINK) {
		put_link(u, &link);
		return;
	}
	at = place_of(u, link.ifindex);
	if (!is_at(u, at, link.ifindex))
		return;
	u->n_links--;
	memmove(&u->links[at], &u->links[at + 1], (u->n_links - at) * sizeof(link));
	underlay_ask_all(u);
}

static void load_link(void *ctx, const struct nlmsghdr *m)
{
	struct netlink_link link;

	if (netlink_parse_link(m, &link))
		put_link(ctx, &link);
}

int underlay_load_links(struct underlay *u)
{
	int ret = -EINTR;

	underlay_ask_all(u);
	for (int i = 0; i < DUMP_TRIES && ret == -EINTR; i++) {
		u->n_links = 0;
		ret = netlink_dump(u->requests, RTM_GETLINK, load_link, u);
	}
	return ret;
}

bool underlay_find_link(struct underlay *u, unsigned ifindex, struct netlink_link *out)
{
	size_t at = place_of(u, ifindex);

	if (is_at(u, at, ifindex)) {
		*out = u->links[at];
		return true;
	}
	/* The kernel's answer about a route can be newer than its last notification. */
	if (ifindex == 0 || netlink_get_link(u->requests, ifindex, NULL, out) < 0)
		return false;
	put_link(u, out);
	return true;
}

/* --- addresses ---------------------------------------------------------------------------------*/

/* A search for an address in a dump. */
struct search {
	const struct ip_addr *wanted;
	unsigned ifindex;
};

static void compare_addr(void *ctx, const struct nlmsghdr *m)
{
	struct search *s = ctx;
	struct netlink_addr a;

	if (netlink_parse_addr(m, &a) && a.usable && ip_addr_equal(&a.addr, s->wanted))
		s->ifindex = a.ifindex;
}

static int search_addr(struct underlay *u, const struct ip_addr *wanted, unsigned *ifindex)
{
	struct search s = {.wanted = wanted};
	int ret = -EINTR;

	for (int i = 0; i < DUMP_TRIES && ret == -EINTR; i++) {
		s.ifindex = 0;
		ret = netlink_dump(u->requests, RTM_GETADDR, compare_addr, &s);
	}
	if (ret == 0)
		*ifindex = s.ifindex;
	return ret;
}

unsigned underlay_find_address(struct underlay *u, const struct ip_addr *a)
{
	unsigned ifindex = 0;

	return search_addr(u, a, &ifindex) < 0 ? 0 : ifindex;
}

/* Looks for the device of an origin. Its paths are asked again when it is another. */
static int load_origin(struct underlay *u, struct origin *s)
{
	unsigned before = s->ifindex;
	int ret = search_addr(u, &s->addr, &s->ifindex);

	if (s->ifindex != before)
		underlay_ask_all(u);
	return ret;
}

int underlay_load_origins(struct underlay *u)
{
	struct origin *s;

	LIST_FOREACH (s, &u->origins, chain) {
		int ret = load_origin(u, s);

		if (ret < 0)
			return ret;
	}
	return 0;
}

void underlay_heard_addr(struct underlay *u, const struct nlmsghdr *m)
{
	struct netlink_addr a;
	struct origin *s;

	if (!netlink_parse_addr(m, &a))
		return;
	LIST_FOREACH (s, &u->origins, chain)
		if (ip_addr_equal(&s->addr, &a.addr) && load_origin(u, s) < 0)
			u->lost = true;
}

struct origin *underlay_get_origin(struct underlay *u, const struct ip_addr *a)
{
	struct origin *s;

	LIST_FOREACH (s, &u->origins, chain)
		if (ip_addr_equal(&s->addr, a)) {
			s->refs++;
			return s;
		}
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->addr = *a;
	s->refs = 1;
	s->ifindex = underlay_find_address(u, a);
	LIST_INSERT_HEAD(&u->origins, s, chain);
	return s;
}

void underlay_put_origin(struct origin *s)
{
	if (--s->refs > 0)
		return;
	LIST_REMOVE(s, chain);
	free(s);
}
