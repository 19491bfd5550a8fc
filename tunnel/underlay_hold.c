/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel does for the tunnel while it holds something for us: UDP ports, by a vxlan
 * device, and multicast groups, by sockets.
 *
 * Owns both, each counted, while the caller uses them. [control] */
#include "tunnel/underlay_impl.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_common.h>

#include "base/log.h"
#include "tunnel/xdp.h"

/* Ticks between attempts to hold a port, at most. */
#define MAX_PAUSE 16u

/* A UDP port and the device that holds it. */
struct holder {
	LIST_ENTRY(holder) chain;
	uint16_t port;
	unsigned refs;
	unsigned ifindex; /* 0: none at the moment */
	bool ours;
	unsigned pause; /* ticks between attempts to hold the port again, 0: it is held, */
	unsigned ticks; /* and until the next one */
};

/* --- ports -------------------------------------------------------------------------------------*/

static int fail(struct err *e, int ret, const char *what, uint16_t port)
{
	return err_set(e, ret == -EPERM ? ERR_PERMISSION : ERR_INTERNAL, NULL,
		       "%s for UDP port %u: %s", what, port, strerror(-ret));
}

static bool is_for_port(const struct netlink_link *link, uint16_t port)
{
	return strcmp(link->kind, "vxlan") == 0 && link->vxlan_port == port;
}

/* Another's vxlan device that is up and has the port does the same service. */
static int use_other(struct underlay *u, struct holder *h, struct err *e)
{
	const struct netlink_link *down = NULL;
	int ret = underlay_load_links(u);

	if (ret < 0)
		return fail(e, ret, "list of links", h->port);
	for (size_t i = 0; i < u->n_links; i++) {
		if (!is_for_port(&u->links[i], h->port))
			continue;
		if (u->links[i].up) {
			h->ifindex = u->links[i].ifindex;
			h->ours = false;
			return 0;
		}
		down = &u->links[i];
	}
	if (down)
		return err_set(e, ERR_WRONG_STATE, NULL,
			       "vxlan device '%s' has UDP port %u, but is down", down->name,
			       h->port);
	return err_set(e, ERR_BUSY, NULL, "UDP port %u is used by a program of this host", h->port);
}

/* Finds the device that was made, or is left from a process that was killed. */
static int find_ours(struct underlay *u, struct holder *h, const char *name, struct err *e)
{
	struct netlink_link link;
	int ret = netlink_get_link(u->requests, 0, name, &link);

	if (ret < 0)
		return ret;
	if (!is_for_port(&link, h->port) || !link.vxlan_external)
		return err_set(e, ERR_EXISTS, NULL,
			       "device '%s' is none for tunnels by UDP port %u", name, h->port);
	h->ifindex = link.ifindex;
	h->ours = true;
	return 0;
}

static int hold(struct underlay *u, struct holder *h, struct err *e)
{
	char name[16];
	int ret, found;

	snprintf(name, sizeof(name), "st%u", h->port);
	h->ifindex = 0;
	ret = netlink_add_vxlan(u->requests, name, h->port);
	if (ret < 0 && ret != -EEXIST)
		return fail(e, ret, "vxlan device", h->port);
	found = find_ours(u, h, name, e);
	if (found == -ENODEV && ret == -EEXIST)
		return use_other(u, h, e); /* of the same kind, with a name of its own */
	if (found < 0)
		return found == -EEXIST ? found : fail(e, found, "vxlan device", h->port);
	/* Frames of tenants are not to get into the host by it. The kernel still hears of ICMP
	 * errors, which it would not if the device filtered VNIs. */
	ret = xdp_drop_all(h->ifindex);
	if (ret == 0)
		ret = netlink_set_up(u->requests, h->ifindex);
	if (ret == 0)
		return 0;
	netlink_delete_link(u->requests, h->ifindex);
	h->ifindex = 0;
	return ret == -EADDRINUSE ? use_other(u, h, e) : fail(e, ret, "vxlan device", h->port);
}

static struct holder *find_holder(struct underlay *u, uint16_t port)
{
	struct holder *h;

	LIST_FOREACH (h, &u->holders, chain)
		if (h->port == port)
			return h;
	return NULL;
}

int underlay_hold_port(struct underlay *u, uint16_t port, struct err *e)
{
	struct holder *h = find_holder(u, port);
	int ret;

	if (h) {
		h->refs++;
		return 0;
	}
	h = calloc(1, sizeof(*h));
	if (!h)
		return err_set(e, ERR_NO_SPACE, NULL, "no memory");
	h->port = port;
	h->refs = 1;
	ret = hold(u, h, e);
	if (ret < 0) {
		free(h);
		return ret;
	}
	LIST_INSERT_HEAD(&u->holders, h, chain);
	return 0;
}

static void drop_holder(struct underlay *u, struct holder *h)
{
	struct netlink_link link;

	if (h->ours && netlink_get_link(u->requests, h->ifindex, NULL, &link) == 0 &&
	    is_for_port(&link, h->port))
		netlink_delete_link(u->requests, h->ifindex);
	LIST_REMOVE(h, chain);
	free(h);
}

void underlay_release_port(struct underlay *u, uint16_t port)
{
	struct holder *h = find_holder(u, port);

	if (h && --h->refs == 0)
		drop_holder(u, h);
}

/* Another's device holds the port only while it is up. One of ours that is down has been set so. An
 * attempt makes a device, and routes are asked for anew when it goes again: attempts get rarer. */
void underlay_check_holders(struct underlay *u)
{
	struct holder *h;

	LIST_FOREACH (h, &u->holders, chain) {
		struct netlink_link link;
		struct err e;

		if (underlay_find_link(u, h->ifindex, &link) && (h->ours || link.up))
			continue;
		if (h->ticks > 0 && h->ticks-- > 1)
			continue;
		if (hold(u, h, &e) == 0) {
			h->pause = 0;
			continue;
		}
		if (h->pause == 0)
			log_warn("underlay: %s", e.text);
		h->pause = h->pause == 0 ? 1 : RTE_MIN(2 * h->pause, MAX_PAUSE);
		h->ticks = h->pause;
	}
}

/* --- groups ------------------------------------------------------------------------------------*/

/* A membership, which lasts as long as its socket. */
struct group {
	LIST_ENTRY(group) chain;
	struct ip_addr addr;
	unsigned ifindex;
	unsigned refs;
	int fd;
};

static struct group *find_group(struct underlay *u, const struct ip_addr *a, unsigned ifindex)
{
	struct group *g;

	LIST_FOREACH (g, &u->groups, chain)
		if (g->ifindex == ifindex && ip_addr_equal(&g->addr, a))
			return g;
	return NULL;
}

/* A socket that is a member. It is bound to no port, so it receives nothing. */
static int open_member(const struct ip_addr *a, unsigned ifindex)
{
	int fd = socket(a->is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret;

	if (fd < 0)
		return -errno;
	if (a->is_v6) {
		struct ipv6_mreq req = {.ipv6mr_interface = ifindex};

		memcpy(&req.ipv6mr_multiaddr, a->bytes, sizeof(req.ipv6mr_multiaddr));
		ret = setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &req, sizeof(req));
	} else {
		struct ip_mreqn req = {.imr_ifindex = (int)ifindex};

		memcpy(&req.imr_multiaddr, a->bytes, sizeof(req.imr_multiaddr));
		ret = setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &req, sizeof(req));
	}
	if (ret == 0)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

int underlay_join(struct underlay *u, const struct ip_addr *group, unsigned ifindex, struct err *e)
{
	struct group *g = find_group(u, group, ifindex);
	char text[IP_ADDR_TEXT_SIZE];
	int fd;

	if (g) {
		g->refs++;
		return 0;
	}
	fd = open_member(group, ifindex);
	if (fd < 0) {
		ip_addr_format(group, text);
		return err_set(e, ERR_INTERNAL, NULL, "group %s on device %u: %s", text, ifindex,
			       strerror(-fd));
	}
	g = calloc(1, sizeof(*g));
	if (!g) {
		close(fd);
		return err_set(e, ERR_NO_SPACE, NULL, "no memory");
	}
	*g = (struct group){.addr = *group, .ifindex = ifindex, .refs = 1, .fd = fd};
	LIST_INSERT_HEAD(&u->groups, g, chain);
	return 0;
}

static void drop_group(struct group *g)
{
	close(g->fd);
	LIST_REMOVE(g, chain);
	free(g);
}

void underlay_leave(struct underlay *u, const struct ip_addr *group, unsigned ifindex)
{
	struct group *g = find_group(u, group, ifindex);

	if (g && --g->refs == 0)
		drop_group(g);
}

void underlay_drop_holders(struct underlay *u)
{
	struct holder *h, *next_holder;
	struct group *g, *next_group;

	for (h = LIST_FIRST(&u->holders); h; h = next_holder) {
		next_holder = LIST_NEXT(h, chain);
		drop_holder(u, h);
	}
	for (g = LIST_FIRST(&u->groups); g; g = next_group) {
		next_group = LIST_NEXT(g, chain);
		drop_group(g);
	}
}
