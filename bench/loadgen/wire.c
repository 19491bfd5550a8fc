/* SPDX-License-Identifier: BSD-3-Clause */
/* The other end of uplinks. */
#include "bench/loadgen/wire.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_ethdev.h>

#include "bench/loadgen/frame.h"
#include "bench/loadgen/port.h"

#define VXLAN_PORT    4789
#define VXLAN_HAS_VNI 0x08000000
#define FIRST_PORT    49152
#define TTL           64

bool wire_plug(const struct vm_spec *spec, uint16_t number, char *name, size_t name_size)
{
	char args[160];

	snprintf(name, name_size, "net_vhost%u", number);
	snprintf(args, sizeof(args), "iface=%s,queues=%u", spec->socket, spec->queues);
	return rte_eal_hotplug_add("vdev", name, args) == 0;
}

void wire_header_init(struct wire_header *h, const struct vm_spec *vm, const struct vm_spec *wire,
		      uint16_t number)
{
	/* Its host's address: any that is not a VM's. */
	const struct rte_ether_addr host = {{0x02, 0x53, 0xff, 0, 0, 1}};

	*h = (struct wire_header){
		.eth = {.src_addr = host, .ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4)},
		.ip = {.version_ihl = RTE_IPV4_VHL_DEF,
		       .fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
		       .time_to_live = TTL,
		       .next_proto_id = IPPROTO_UDP},
		.udp = {.src_port = rte_cpu_to_be_16((uint16_t)(FIRST_PORT + number)),
			.dst_port = RTE_BE16(VXLAN_PORT)},
		.vxlan = {.vx_flags = RTE_BE32(VXLAN_HAS_VNI),
			  .vx_vni = rte_cpu_to_be_32(vm->vni << 8)},
	};
	/* spec_check() has seen that they are addresses. */
	rte_ether_unformat_addr(wire->mac, &h->eth.dst_addr);
	inet_pton(AF_INET, vm->address, &h->ip.src_addr);
	inet_pton(AF_INET, wire->address, &h->ip.dst_addr);
}

static void wrap(const struct wire_header *with, struct rte_mbuf *m)
{
	uint16_t len = (uint16_t)(m->pkt_len + sizeof(*with) - sizeof(with->eth));
	struct wire_header *h = (void *)rte_pktmbuf_prepend(m, sizeof(*h));

	*h = *with;
	h->ip.total_length = rte_cpu_to_be_16(len);
	h->ip.hdr_checksum = rte_ipv4_cksum(&h->ip);
	h->udp.dgram_len = rte_cpu_to_be_16((uint16_t)(len - sizeof(h->ip)));
}

uint16_t wire_tx(struct port *p, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t sent;

	for (uint16_t i = 0; i < n; i++)
		wrap(&p->header, pkts[i]);
	sent = rte_eth_tx_burst(p->wire->eth, 0, pkts, n);
	/* What did not fit stays as it was. */
	for (uint16_t i = sent; i < n; i++)
		rte_pktmbuf_adj(pkts[i], sizeof(struct wire_header));
	return sent;
}

uint16_t wire_rx(struct port *wire, struct rte_mbuf **pkts, uint16_t n)
{
	double now = (double)rte_rdtsc();
	uint16_t got;

	if (wire->rx_interval > 0 && now < wire->next_rx)
		return 0;
	got = rte_eth_rx_burst(wire->eth, 0, pkts, n);
	/* A late reader makes up for a burst, and not for more. */
	if (wire->next_rx < now - n * wire->rx_interval)
		wire->next_rx = now - n * wire->rx_interval;
	wire->next_rx += got * wire->rx_interval;
	return got;
}

uint16_t wire_unwrap(struct rte_mbuf *m)
{
	const struct wire_header *h = rte_pktmbuf_mtod(m, const struct wire_header *);
	const struct rte_ether_hdr *inner = (const void *)(h + 1);
	struct rte_ether_addr to;

	if (m->data_len < sizeof(*h) + sizeof(*inner) ||
	    h->eth.ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4) ||
	    h->ip.next_proto_id != IPPROTO_UDP || h->udp.dst_port != RTE_BE16(VXLAN_PORT))
		return UINT16_MAX;
	to = inner->dst_addr;
	rte_pktmbuf_adj(m, sizeof(*h));
	return frame_vm(&to);
}
