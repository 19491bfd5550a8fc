/* SPDX-License-Identifier: BSD-3-Clause */
/* The way of a path: what the kernel's routes, links and neighbours mean for tunnel packets, which
 * leave by our own uplink and not by the kernel. Owns nothing. [control] */
#include "tunnel/underlay_impl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <linux/rtnetlink.h>

bool underlay_same_way(const struct underlay_way *a, const struct underlay_way *b)
{
	return a->state == b->state && a->vlan == b->vlan &&
	       memcmp(a->src_mac, b->src_mac, sizeof(a->src_mac)) == 0 &&
	       memcmp(a->dst_mac, b->dst_mac, sizeof(a->dst_mac)) == 0 &&
	       ip_addr_equal(&a->next_hop, &b->next_hop) && a->mtu == b->mtu &&
	       strcmp(a->text, b->text) == 0;
}

static void __attribute__((format(printf, 3, 4)))
say(struct underlay_way *w, enum underlay_state state, const char *fmt, ...)
{
	va_list ap;

	w->state = state;
	va_start(ap, fmt);
	vsnprintf(w->text, sizeof(w->text), fmt, ap);
	va_end(ap);
}

/* Whether the path has a chance: the uplink's link and the source address. */
static bool has_begin(struct underlay *u, const struct underlay_path *p, struct underlay_way *w)
{
	char text[IP_ADDR_TEXT_SIZE];
	struct netlink_link link;

	if (!underlay_find_link(u, p->conf.ifindex, &link)) {
		say(w, UNDERLAY_LINK_DOWN, "the uplink's device is gone");
		return false;
	}
	if (!link.running) {
		say(w, UNDERLAY_LINK_DOWN, "link of %s is down", link.name);
		return false;
	}
	if (p->origin->ifindex)
		return true;
	ip_addr_format(&p->conf.src, text);
	say(w, UNDERLAY_NO_ADDRESS, "%s is no address of this host", text);
	return false;
}

/* Whether packets out of a device leave by the uplink: it is the uplink's, or a VLAN device that is
 * on it. */
static bool is_on_uplink(const struct underlay_path *p, const struct netlink_link *out)
{
	return out->ifindex == p->conf.ifindex || out->lower == p->conf.ifindex;
}

/* Fills in what the outgoing device says. False when it is not to be used. */
static bool take_device(const struct underlay_path *p, const struct netlink_link *out,
			struct underlay_way *w)
{
	if (!is_on_uplink(p, out)) {
		say(w, UNDERLAY_OTHER_DEVICE, "the route leaves by %s, which is no uplink",
		    out->name);
		return false;
	}
	if (!out->running) {
		say(w, UNDERLAY_LINK_DOWN, "link of %s is down", out->name);
		return false;
	}
	w->vlan = out->ifindex == p->conf.ifindex ? 0 : out->vlan;
	memcpy(w->src_mac, out->mac, sizeof(w->src_mac));
	w->mtu = out->mtu;
	return true;
}

/* What is wrong with a route that is none for packets. */
static void refuse_route(const struct underlay_path *p, uint8_t type, struct underlay_way *w)
{
	char text[IP_ADDR_TEXT_SIZE];

	ip_addr_format(&p->conf.dst, text);
	if (type == RTN_LOCAL || type == RTN_ANYCAST)
		say(w, UNDERLAY_NO_ROUTE, "no route: %s is an address of this host", text);
	else if (type == RTN_BROADCAST)
		say(w, UNDERLAY_NO_ROUTE, "no route: %s is a broadcast address", text);
	else
		say(w, UNDERLAY_NO_ROUTE, "no route");
}

static void refuse_error(int error, struct underlay_way *w)
{
	if (error == -ENETUNREACH || error == -EHOSTUNREACH)
		say(w, UNDERLAY_NO_ROUTE, "no route");
	else
		say(w, UNDERLAY_NO_ROUTE, "no route: %s", strerror(-error));
}

/* Errors that say nothing about routes. */
static bool is_trouble(int ret)
{
	return ret == -EAGAIN || ret == -ENOMEM || ret == -ENOBUFS;
}

static int get_route(struct underlay *u, const struct underlay_path *p, unsigned ifindex,
		     struct netlink_route *r)
{
	const struct netlink_query q = {
		.src = p->conf.src, .dst = p->conf.dst, .port = p->conf.port, .ifindex = ifindex};

	return netlink_get_route(u->requests, &q, r);
}

static void limit_mtu(struct underlay_way *w, const struct netlink_route *r)
{
	if (r->mtu && r->mtu < w->mtu)
		w->mtu = r->mtu;
}

/* The way to a group: by the device that has the source address, if that is on the uplink, as the
 * kernel does it for IPv4 (ip_route_output_key_hash_rcu); else by the uplink's own. Routes are of
 * no use, since with IPv6 each device has one for all groups. */
static int find_group_way(struct underlay *u, const struct underlay_path *p, struct underlay_way *w)
{
	const uint8_t *group = p->conf.dst.bytes;
	char text[IP_ADDR_TEXT_SIZE];
	struct netlink_link out;
	struct netlink_route r;
	int ret;

	if (!underlay_find_link(u, p->origin->ifindex, &out) || !is_on_uplink(p, &out))
		if (!underlay_find_link(u, p->conf.ifindex, &out))
			return -EAGAIN;
	if (!take_device(p, &out, w))
		return 0;
	ret = get_route(u, p, out.ifindex, &r);
	if (is_trouble(ret))
		return ret;
	if (ret == 0)
		limit_mtu(w, &r);
	w->next_hop = p->conf.dst;
	if (p->conf.dst.is_v6) { /* RFC 2464, 7 */
		memset(w->dst_mac, 0x33, 2);
		memcpy(w->dst_mac + 2, group + 12, 4);
	} else { /* RFC 1112, 6.4 */
		memcpy(w->dst_mac, (uint8_t[]){0x01, 0x00, 0x5e, group[1] & 0x7f}, 4);
		memcpy(w->dst_mac + 4, group + 2, 2);
	}
	ip_addr_format(&p->conf.dst, text);
	say(w, UNDERLAY_UP, "up to group %s dev %s", text, out.name);
	return 0;
}

/* The next hop's state as the path's. */
static void take_neigh(const struct neighbour *n, const char *dev, struct underlay_way *w)
{
	char text[IP_ADDR_TEXT_SIZE];

	ip_addr_format(&n->addr, text);
	if (underlay_neigh_resolved(n)) {
		memcpy(w->dst_mac, n->mac, sizeof(w->dst_mac));
		say(w, UNDERLAY_UP, "up via %s dev %s", text, dev);
	} else if (n->error) {
		say(w, UNDERLAY_UNRESOLVED, "neighbour %s cannot be asked: %s", text,
		    strerror(-n->error));
	} else {
		say(w, UNDERLAY_UNRESOLVED, "neighbour %s does not answer", text);
	}
}

/* The way to a host. *w is UP or UNRESOLVED only when the path has a next hop. */
static int find_host_way(struct underlay *u, struct underlay_path *p, struct underlay_way *w)
{
	struct netlink_route r;
	struct netlink_link out;
	int ret = get_route(u, p, 0, &r);

	if (is_trouble(ret))
		return ret;
	if (ret < 0) {
		refuse_error(ret, w);
		return 0;
	}
	if (r.type != RTN_UNICAST) {
		refuse_route(p, r.type, w);
		return 0;
	}
	if (!underlay_find_link(u, r.ifindex, &out)) {
		say(w, UNDERLAY_NO_ROUTE, "no route: its device is gone");
		return 0;
	}
	if (!take_device(p, &out, w))
		return 0;
	limit_mtu(w, &r);
	w->next_hop = r.has_gateway ? r.gateway : p->conf.dst;
	ret = underlay_attach_neigh(u, p, out.ifindex, &w->next_hop);
	if (ret < 0)
		return ret;
	take_neigh(p->neigh, out.name, w);
	return 0;
}

int underlay_find_way(struct underlay *u, struct underlay_path *p, struct underlay_way *w)
{
	bool is_group = ip_addr_is_group(&p->conf.dst);
	int ret = 0;

	*w = (struct underlay_way){0};
	if (has_begin(u, p, w))
		ret = is_group ? find_group_way(u, p, w) : find_host_way(u, p, w);
	if (ret == 0 && (is_group || (w->state != UNDERLAY_UP && w->state != UNDERLAY_UNRESOLVED)))
		underlay_detach_neigh(u, p);
	return ret;
}
