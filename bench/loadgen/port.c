/* SPDX-License-Identifier: BSD-3-Clause */
/* Cards: virtio-user devices through ethdev, and dispatch to the ring driver of our own. */
#include "bench/loadgen/port.h"

#include <stdio.h>
#include <string.h>
#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_ethdev.h>

#include "bench/loadgen/fe_port.h"
#include "bench/loadgen/frame.h"

static int plug(const struct vm_spec *spec, uint16_t vm, char *name, size_t name_size)
{
	struct rte_ether_addr mac = frame_mac(vm);
	char mac_text[RTE_ETHER_ADDR_FMT_SIZE], args[512];

	rte_ether_format_addr(mac_text, sizeof(mac_text), &mac);
	snprintf(name, name_size, "net_virtio_user%u", vm);
	snprintf(args, sizeof(args),
		 "path=%s,queues=%u,queue_size=%u,packed_vq=%d,mrg_rxbuf=%d,in_order=%d,server=%d,"
		 "mac=%s",
		 spec->socket, spec->queues, spec->ring, spec->packed, spec->mergeable,
		 spec->in_order, spec->server, mac_text);
	return rte_eal_hotplug_add("vdev", name, args);
}

/* The slower it takes what comes in, the sooner the uplink is full. */
static void set_rate(struct port *p, const struct vm_spec *spec)
{
	p->is_wire = true;
	p->look_interval = (uint64_t)(spec->look_us * (double)rte_get_tsc_hz() / 1e6);
	p->rx_interval = spec->rx_rate > 0 ? (double)rte_get_tsc_hz() / spec->rx_rate : 0;
}

static int set_up_queues(struct port *p, const struct vm_spec *spec, struct rte_mempool *rx_pool)
{
	for (uint16_t q = 0; q < p->queues; q++) {
		if (rte_eth_rx_queue_setup(p->eth, q, spec->ring, SOCKET_ID_ANY, NULL, rx_pool) < 0)
			return -1;
		if (rte_eth_tx_queue_setup(p->eth, q, spec->ring, SOCKET_ID_ANY, NULL) < 0)
			return -1;
	}
	return rte_eth_dev_start(p->eth);
}

/* A virtio-user device, or the other end of one. */
static int open_eth(struct port *p, const struct vm_spec *spec, struct rte_mempool *rx_pool)
{
	bool is_plugged;
	struct rte_eth_conf conf = {0};
	char name[32];

	conf.txmode.offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	if (spec->tso) {
		conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO;
		conf.rxmode.offloads = RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_LRO;
	}
	if (spec->type == VM_WIRE)
		is_plugged = wire_plug(spec, p->vm, name, sizeof(name));
	else
		is_plugged = plug(spec, p->vm, name, sizeof(name)) == 0;
	if (!is_plugged || rte_eth_dev_get_port_by_name(name, &p->eth) < 0) {
		fprintf(stderr, "loadgen: no %s device on %s\n",
			spec->type == VM_WIRE ? "vhost" : "virtio-user", spec->socket);
		return -1;
	}
	if (rte_eth_dev_configure(p->eth, p->queues, p->queues, &conf) < 0 ||
	    set_up_queues(p, spec, rx_pool) < 0) {
		fprintf(stderr, "loadgen: %s does not start\n", spec->socket);
		return -1;
	}
	return 0;
}

int port_open(struct port *p, uint16_t vm, const struct vm_spec *spec, struct rte_mempool *rx_pool,
	      bool hugepages)
{
	memset(p, 0, sizeof(*p));
	p->vm = vm;
	p->queues = spec->queues;
	if (spec->type == VM_REMOTE)
		return 0;
	if (spec->type == VM_WIRE)
		set_rate(p, spec);
	if (spec->type != VM_FE)
		return open_eth(p, spec, rx_pool);
	p->fe = fe_port_open(spec, vm, rx_pool, hugepages);
	return p->fe ? 0 : -1;
}

bool port_is_up(const struct port *p)
{
	struct rte_eth_link link;

	if (p->fe || p->wire)
		return true;
	return rte_eth_link_get_nowait(p->eth, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

void port_close(struct port *p)
{
	if (p->fe) {
		fe_port_close(p->fe);
	} else if (!p->wire) {
		rte_eth_dev_stop(p->eth);
		rte_eth_dev_close(p->eth);
	}
}

uint16_t port_rx(struct port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	if (p->fe)
		return fe_port_rx(p->fe, queue, pkts, n);
	return p->is_wire ? wire_rx(p, pkts, n) : rte_eth_rx_burst(p->eth, queue, pkts, n);
}

uint16_t port_tx(struct port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	if (p->fe)
		return fe_port_tx(p->fe, queue, pkts, n);
	return p->wire ? wire_tx(p, pkts, n) : rte_eth_tx_burst(p->eth, queue, pkts, n);
}
