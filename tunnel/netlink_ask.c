/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests of rtnetlink: what is asked of the kernel and what it is told to do. Built on
 * the stack; nothing is kept. [control] */
#include "tunnel/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "tunnel/netlink_impl.h"

#define REQUEST_BYTES 512 /* ten attributes, of which the longest are names and addresses */

/* A request under construction. */
struct request {
	_Alignas(NLMSG_ALIGNTO) char bytes[REQUEST_BYTES];
};

static struct nlmsghdr *begin(struct request *r, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *m = mnl_nlmsg_put_header(r->bytes);

	m->nlmsg_type = type;
	m->nlmsg_flags = flags;
	return m;
}

static uint8_t family_of(const struct ip_addr *a)
{
	return a->is_v6 ? AF_INET6 : AF_INET;
}

static void put_addr(struct nlmsghdr *m, uint16_t type, const struct ip_addr *a)
{
	mnl_attr_put(m, type, ip_addr_len(a), a->bytes);
}

/* An answer to a request, as a struct of its kind. */
struct answer {
	void *out;
	bool found;
};

static void keep_route(void *ctx, const struct nlmsghdr *m)
{
	struct answer *a = ctx;

	a->found = netlink_parse_route(m, a->out);
}

static void keep_neigh(void *ctx, const struct nlmsghdr *m)
{
	struct answer *a = ctx;

	a->found = netlink_parse_neigh(m, a->out);
}

static void keep_link(void *ctx, const struct nlmsghdr *m)
{
	struct answer *a = ctx;

	a->found = netlink_parse_link(m, a->out);
}

static int ask(struct netlink *n, struct nlmsghdr *m,
	       void (*keep)(void *ctx, const struct nlmsghdr *m), void *out)
{
	struct answer a = {.out = out};
	int ret = netlink_exchange(n, m, NETLINK_UNTIL_ANSWER, keep, &a);

	if (ret < 0)
		return ret;
	return a.found ? 0 : -EPROTO;
}

static int tell(struct netlink *n, struct nlmsghdr *m)
{
	return netlink_exchange(n, m, NETLINK_UNTIL_ACK, NULL, NULL);
}

int netlink_get_route(struct netlink *n, const struct netlink_query *q, struct netlink_route *r)
{
	struct request buf;
	struct nlmsghdr *m = begin(&buf, RTM_GETROUTE, 0);
	struct rtmsg *rt = mnl_nlmsg_put_extra_header(m, sizeof(*rt));

	rt->rtm_family = family_of(&q->dst);
	rt->rtm_dst_len = (uint8_t)(8 * ip_addr_len(&q->dst));
	rt->rtm_src_len = rt->rtm_dst_len;
	put_addr(m, RTA_DST, &q->dst);
	put_addr(m, RTA_SRC, &q->src);
	mnl_attr_put_u8(m, RTA_IP_PROTO, IPPROTO_UDP);
	if (q->port)
		mnl_attr_put_u16(m, RTA_DPORT, htons(q->port));
	if (q->ifindex)
		mnl_attr_put_u32(m, RTA_OIF, q->ifindex);
	return ask(n, m, keep_route, r);
}

static struct nlmsghdr *begin_neigh(struct request *r, uint16_t type, uint16_t flags,
				    unsigned ifindex, const struct ip_addr *a, uint8_t neigh_flags)
{
	struct nlmsghdr *m = begin(r, type, flags);
	struct ndmsg *nd = mnl_nlmsg_put_extra_header(m, sizeof(*nd));

	nd->ndm_family = family_of(a);
	nd->ndm_ifindex = (int)ifindex;
	nd->ndm_flags = neigh_flags;
	put_addr(m, NDA_DST, a);
	return m;
}

int netlink_get_neigh(struct netlink *n, unsigned ifindex, const struct ip_addr *a,
		      struct netlink_neigh *out)
{
	struct request buf;

	return ask(n, begin_neigh(&buf, RTM_GETNEIGH, 0, ifindex, a, 0), keep_neigh, out);
}

int netlink_manage_neigh(struct netlink *n, unsigned ifindex, const struct ip_addr *a,
			 uint8_t protocol)
{
	struct request buf;
	/* NTF_USE is for kernels that ignore the other flag: they resolve the address once. */
	struct nlmsghdr *m = begin_neigh(&buf, RTM_NEWNEIGH, NLM_F_CREATE, ifindex, a, NTF_USE);

	mnl_attr_put_u32(m, NDA_FLAGS_EXT, NTF_EXT_MANAGED);
	mnl_attr_put_u8(m, NDA_PROTOCOL, protocol);
	return tell(n, m);
}

int netlink_delete_neigh(struct netlink *n, unsigned ifindex, const struct ip_addr *a)
{
	struct request buf;

	return tell(n, begin_neigh(&buf, RTM_DELNEIGH, 0, ifindex, a, 0));
}

static struct nlmsghdr *begin_link(struct request *r, uint16_t type, uint16_t flags,
				   unsigned ifindex, unsigned link_flags)
{
	struct nlmsghdr *m = begin(r, type, flags);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(m, sizeof(*ifi));

	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = (int)ifindex;
	ifi->ifi_flags = link_flags;
	ifi->ifi_change = link_flags;
	return m;
}

int netlink_get_link(struct netlink *n, unsigned ifindex, const char *name,
		     struct netlink_link *out)
{
	struct request buf;
	struct nlmsghdr *m = begin_link(&buf, RTM_GETLINK, 0, ifindex, 0);

	if (!ifindex)
		mnl_attr_put_strz(m, IFLA_IFNAME, name);
	return ask(n, m, keep_link, out);
}

int netlink_add_vxlan(struct netlink *n, const char *name, uint16_t port)
{
	struct request buf;
	struct nlmsghdr *m = begin_link(&buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, 0);
	struct nlattr *info, *data;

	mnl_attr_put_strz(m, IFLA_IFNAME, name);
	info = mnl_attr_nest_start(m, IFLA_LINKINFO);
	mnl_attr_put_strz(m, IFLA_INFO_KIND, "vxlan");
	data = mnl_attr_nest_start(m, IFLA_INFO_DATA);
	mnl_attr_put_u8(m, IFLA_VXLAN_COLLECT_METADATA, 1);
	mnl_attr_put_u8(m, IFLA_VXLAN_LEARNING, 0);
	mnl_attr_put_u16(m, IFLA_VXLAN_PORT, htons(port));
	mnl_attr_put_u8(m, IFLA_VXLAN_UDP_ZERO_CSUM6_RX, 1);
	mnl_attr_nest_end(m, data);
	mnl_attr_nest_end(m, info);
	return tell(n, m);
}

int netlink_set_up(struct netlink *n, unsigned ifindex)
{
	struct request buf;

	return tell(n, begin_link(&buf, RTM_NEWLINK, 0, ifindex, IFF_UP));
}

int netlink_delete_link(struct netlink *n, unsigned ifindex)
{
	struct request buf;

	return tell(n, begin_link(&buf, RTM_DELLINK, 0, ifindex, 0));
}

int netlink_dump(struct netlink *n, uint16_t get, void (*f)(void *ctx, const struct nlmsghdr *m),
		 void *ctx)
{
	struct request buf;
	struct nlmsghdr *m = begin(&buf, get, 0);

	/* As long as the longest of the three kinds' structs, which begin with the family. */
	mnl_nlmsg_put_extra_header(m, sizeof(struct ifinfomsg));
	return netlink_exchange(n, m, NETLINK_UNTIL_DONE, f, ctx);
}
