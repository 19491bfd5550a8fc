/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of rtnetlink as plain structs. The kernel is trusted, but not to be of a certain
 * version: attributes that are missing, unknown or of another length are as if they were not there,
 * and nothing outside the message is read. Nothing is kept. [any] */
#include "tunnel/netlink.h"

#include <arpa/inet.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

static void clear(const struct nlattr **tb, unsigned max)
{
	for (unsigned i = 0; i <= max; i++)
		tb[i] = NULL;
}

/* Sorts attributes by type; of several the last one counts. */
static void sort_attrs(const void *first, size_t len, const struct nlattr **tb, unsigned max)
{
	const struct nlattr *a = first;
	int left = (int)len;

	clear(tb, max);
	while (mnl_attr_ok(a, left)) {
		if (mnl_attr_get_type(a) <= max)
			tb[mnl_attr_get_type(a)] = a;
		left -= (int)MNL_ALIGN(a->nla_len);
		a = mnl_attr_next(a);
	}
}

/* The message's own struct, with its attributes sorted; NULL when it is too short for it. */
static const void *open_message(const struct nlmsghdr *m, size_t size, const struct nlattr **tb,
				unsigned max)
{
	size_t len = mnl_nlmsg_get_payload_len(m);

	if (m->nlmsg_len < sizeof(*m) || len < MNL_ALIGN(size))
		return NULL;
	sort_attrs(mnl_nlmsg_get_payload_offset(m, size), len - MNL_ALIGN(size), tb, max);
	return mnl_nlmsg_get_payload(m);
}

static void open_nested(const struct nlattr *a, const struct nlattr **tb, unsigned max)
{
	if (a)
		sort_attrs(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a), tb, max);
	else
		clear(tb, max);
}

/* Copies an attribute of exactly this size. */
static bool copy_attr(const struct nlattr *a, void *to, size_t size)
{
	if (!a || mnl_attr_get_payload_len(a) != size)
		return false;
	memcpy(to, mnl_attr_get_payload(a), size);
	return true;
}

static uint32_t u32_of(const struct nlattr *a)
{
	uint32_t n = 0;

	copy_attr(a, &n, sizeof(n));
	return n;
}

static uint16_t u16_of(const struct nlattr *a)
{
	uint16_t n = 0;

	copy_attr(a, &n, sizeof(n));
	return n;
}

static uint8_t u8_of(const struct nlattr *a)
{
	uint8_t n = 0;

	copy_attr(a, &n, sizeof(n));
	return n;
}

/* Copies text, which is cut to the size. */
static void copy_text(const struct nlattr *a, char *to, size_t size)
{
	size_t len = a ? mnl_attr_get_payload_len(a) : 0;

	if (len > size - 1)
		len = size - 1;
	memset(to, 0, size);
	if (len > 0)
		memcpy(to, mnl_attr_get_payload(a), len);
}

static bool addr_of(const struct nlattr *a, bool is_v6, struct ip_addr *out)
{
	*out = (struct ip_addr){.is_v6 = is_v6};
	return copy_attr(a, out->bytes, ip_addr_len(out));
}

static bool is_ip(unsigned family)
{
	return family == AF_INET || family == AF_INET6;
}

/* A gateway of another family than the route's. */
static bool via_of(const struct nlattr *a, struct ip_addr *out)
{
	struct rtvia via;
	size_t len = a ? mnl_attr_get_payload_len(a) : 0;

	if (len < sizeof(via))
		return false;
	memcpy(&via, mnl_attr_get_payload(a), sizeof(via));
	*out = (struct ip_addr){.is_v6 = via.rtvia_family == AF_INET6};
	if (!is_ip(via.rtvia_family) || len != sizeof(via) + ip_addr_len(out))
		return false;
	memcpy(out->bytes, (const uint8_t *)mnl_attr_get_payload(a) + sizeof(via),
	       ip_addr_len(out));
	return true;
}

bool netlink_parse_route(const struct nlmsghdr *m, struct netlink_route *out)
{
	const struct nlattr *tb[RTA_MAX + 1], *metrics[RTAX_MAX + 1];
	const struct rtmsg *rt;

	*out = (struct netlink_route){0};
	if (m->nlmsg_type != RTM_NEWROUTE && m->nlmsg_type != RTM_DELROUTE)
		return false;
	rt = open_message(m, sizeof(*rt), tb, RTA_MAX);
	if (!rt || !is_ip(rt->rtm_family))
		return false;
	out->type = rt->rtm_type;
	out->is_v6 = rt->rtm_family == AF_INET6;
	out->dst_len = rt->rtm_dst_len;
	if (!addr_of(tb[RTA_DST], out->is_v6, &out->dst) && out->dst_len > 0)
		return false;
	if (out->dst_len > 8 * ip_addr_len(&out->dst))
		return false;
	out->ifindex = u32_of(tb[RTA_OIF]);
	out->has_gateway = addr_of(tb[RTA_GATEWAY], out->is_v6, &out->gateway) ||
			   via_of(tb[RTA_VIA], &out->gateway);
	open_nested(tb[RTA_METRICS], metrics, RTAX_MAX);
	out->mtu = u32_of(metrics[RTAX_MTU]);
	return true;
}

bool netlink_parse_neigh(const struct nlmsghdr *m, struct netlink_neigh *out)
{
	const struct nlattr *tb[NDA_MAX + 1];
	const struct ndmsg *nd;

	*out = (struct netlink_neigh){0};
	if (m->nlmsg_type != RTM_NEWNEIGH && m->nlmsg_type != RTM_DELNEIGH)
		return false;
	nd = open_message(m, sizeof(*nd), tb, NDA_MAX);
	/* Those of a bridge are of the same type. */
	if (!nd || !is_ip(nd->ndm_family) || nd->ndm_flags & NTF_PROXY)
		return false;
	if (!addr_of(tb[NDA_DST], nd->ndm_family == AF_INET6, &out->addr))
		return false;
	out->ifindex = (unsigned)nd->ndm_ifindex;
	out->state = nd->ndm_state;
	out->managed = u32_of(tb[NDA_FLAGS_EXT]) & NTF_EXT_MANAGED;
	out->protocol = u8_of(tb[NDA_PROTOCOL]);
	out->has_mac = copy_attr(tb[NDA_LLADDR], out->mac, sizeof(out->mac));
	return true;
}

/* What kind of device it is, and what only that kind has. */
static void parse_link_info(const struct nlattr *info, struct netlink_link *out)
{
	const struct nlattr *tb[IFLA_INFO_MAX + 1];
	const struct nlattr *vlan[IFLA_VLAN_MAX + 1], *vxlan[IFLA_VXLAN_MAX + 1];

	open_nested(info, tb, IFLA_INFO_MAX);
	copy_text(tb[IFLA_INFO_KIND], out->kind, sizeof(out->kind));
	if (strcmp(out->kind, "vlan") == 0) {
		open_nested(tb[IFLA_INFO_DATA], vlan, IFLA_VLAN_MAX);
		if (u16_of(vlan[IFLA_VLAN_PROTOCOL]) == htons(ETH_P_8021Q))
			out->vlan = u16_of(vlan[IFLA_VLAN_ID]);
	} else if (strcmp(out->kind, "vxlan") == 0) {
		open_nested(tb[IFLA_INFO_DATA], vxlan, IFLA_VXLAN_MAX);
		out->vxlan_port = ntohs(u16_of(vxlan[IFLA_VXLAN_PORT]));
		out->vxlan_external = u8_of(vxlan[IFLA_VXLAN_COLLECT_METADATA]);
	}
}

bool netlink_parse_link(const struct nlmsghdr *m, struct netlink_link *out)
{
	const struct nlattr *tb[IFLA_MAX + 1];
	const struct ifinfomsg *ifi;

	*out = (struct netlink_link){0};
	if (m->nlmsg_type != RTM_NEWLINK && m->nlmsg_type != RTM_DELLINK)
		return false;
	ifi = open_message(m, sizeof(*ifi), tb, IFLA_MAX);
	/* A bridge tells of its ports in messages of the same type. */
	if (!ifi || ifi->ifi_family != AF_UNSPEC || ifi->ifi_index <= 0)
		return false;
	out->ifindex = (unsigned)ifi->ifi_index;
	copy_text(tb[IFLA_IFNAME], out->name, sizeof(out->name));
	out->up = ifi->ifi_flags & IFF_UP;
	out->running = out->up && ifi->ifi_flags & IFF_RUNNING;
	out->mtu = u32_of(tb[IFLA_MTU]);
	copy_attr(tb[IFLA_ADDRESS], out->mac, sizeof(out->mac));
	parse_link_info(tb[IFLA_LINKINFO], out);
	if (out->vlan && !tb[IFLA_LINK_NETNSID])
		out->lower = u32_of(tb[IFLA_LINK]);
	else
		out->vlan = 0;
	return true;
}

bool netlink_parse_addr(const struct nlmsghdr *m, struct netlink_addr *out)
{
	const struct nlattr *tb[IFA_MAX + 1];
	const struct ifaddrmsg *ifa;
	uint32_t flags;
	bool is_v6;

	*out = (struct netlink_addr){0};
	if (m->nlmsg_type != RTM_NEWADDR && m->nlmsg_type != RTM_DELADDR)
		return false;
	ifa = open_message(m, sizeof(*ifa), tb, IFA_MAX);
	if (!ifa || !is_ip(ifa->ifa_family))
		return false;
	is_v6 = ifa->ifa_family == AF_INET6;
	/* IFA_ADDRESS is the other end's on point-to-point devices, where IFA_LOCAL is there. */
	if (!addr_of(tb[IFA_LOCAL], is_v6, &out->addr) &&
	    !addr_of(tb[IFA_ADDRESS], is_v6, &out->addr))
		return false;
	flags = tb[IFA_FLAGS] ? u32_of(tb[IFA_FLAGS]) : ifa->ifa_flags;
	out->usable = !(flags & IFA_F_DADFAILED);
	out->ifindex = ifa->ifa_index;
	return true;
}
