/* SPDX-License-Identifier: BSD-3-Clause */
/* The XDP program of uplinks: packets to the UDP ports of our VTEPs go to the AF_XDP socket of the
 * queue that they came by, everything else to the kernel. */
#include "tunnel/xdp/uplink.h"

#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define IP_FRAGMENT 0x3fff /* more fragments, or an offset */

struct vlan_tag {
	__be16 tci, type;
};

/* The sockets by receive queue, filled by DPDK's driver, which knows the map by this name. */
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, XDP_QUEUES);
	__type(key, __u32);
	__type(value, __u32);
} xsks_map SEC(".maps");

/* The ports, filled by xdp_set_ports(). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct xdp_ports);
} vxlan_ports SEC(".maps");

/* The UDP header behind an IPv4 header, NULL when there is none. Fragments are left to the kernel,
 * which can put them together. */
static __always_inline const struct udphdr *udp_of_ipv4(const struct iphdr *ip, const void *end)
{
	if ((const void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5 ||
	    ip->protocol != IPPROTO_UDP || (ip->frag_off & bpf_htons(IP_FRAGMENT)))
		return NULL;
	return (const void *)ip + ip->ihl * 4;
}

/* The UDP header behind an IPv6 header. What has extension headers, as fragments do, is passed. */
static __always_inline const struct udphdr *udp_of_ipv6(const struct ipv6hdr *ip, const void *end)
{
	if ((const void *)(ip + 1) > end || ip->version != 6 || ip->nexthdr != IPPROTO_UDP)
		return NULL;
	return (const void *)(ip + 1);
}

static __always_inline bool is_vxlan_port(__be16 port)
{
	const __u32 key = 0;
	const struct xdp_ports *ports = bpf_map_lookup_elem(&vxlan_ports, &key);

	if (!ports || port == 0)
		return false;
	for (int i = 0; i < XDP_MAX_PORTS; i++)
		if (ports->port[i] == port)
			return true;
	return false;
}

SEC("xdp")
int stint_uplink(struct xdp_md *ctx)
{
	const void *at = (const void *)(long)ctx->data, *end = (const void *)(long)ctx->data_end;
	const struct ethhdr *eth = at;
	const struct udphdr *udp = NULL;
	__be16 type;

	if ((const void *)(eth + 1) > end)
		return XDP_PASS;
	type = eth->h_proto;
	at = eth + 1;
	if (type == bpf_htons(ETH_P_8021Q)) {
		const struct vlan_tag *tag = at;

		if ((const void *)(tag + 1) > end)
			return XDP_PASS;
		type = tag->type;
		at = tag + 1;
	}
	if (type == bpf_htons(ETH_P_IP))
		udp = udp_of_ipv4(at, end);
	else if (type == bpf_htons(ETH_P_IPV6))
		udp = udp_of_ipv6(at, end);
	if (!udp || (const void *)(udp + 1) > end || !is_vxlan_port(udp->dest))
		return XDP_PASS;
	return bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_PASS);
}

char program_license[] SEC("license") = "Dual BSD/GPL";
