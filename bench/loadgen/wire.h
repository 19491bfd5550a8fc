/* SPDX-License-Identifier: BSD-3-Clause */
/* The other end of a switch's uplink, and VMs of other hosts, which are reached through it by VXLAN
 * over IPv4. The end is a vhost device of DPDK's, to which the switch connects by virtio-user. */
#ifndef LOADGEN_WIRE_H
#define LOADGEN_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>
#include <rte_vxlan.h>

#include "bench/loadgen/spec.h"

/* What is around the frames of a VM of another host. */
struct wire_header {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	struct rte_udp_hdr udp;
	struct rte_vxlan_hdr vxlan;
} __attribute__((packed, aligned(2)));

struct port;

/* Opens the other end of an uplink; false where DPDK has no such device. */
bool wire_plug(const struct vm_spec *spec, uint16_t number, char *name, size_t name_size);

/* The header of VM number `vm`, whose packets go to the VTEP that `wire` leads to. */
void wire_header_init(struct wire_header *h, const struct vm_spec *vm, const struct vm_spec *wire,
		      uint16_t number);

/* Sends packets of a VM of another host, as port_tx() does. */
uint16_t wire_tx(struct port *p, struct rte_mbuf **pkts, uint16_t n);

/* Takes what has come in, at most n, and no more than the wire's rate allows. */
uint16_t wire_rx(struct port *wire, struct rte_mbuf **pkts, uint16_t n);

/* Takes the header off. Returns the number of the VM that the frame is for, or UINT16_MAX when it
 * is for none: it is no VXLAN packet, or has a group's address. */
uint16_t wire_unwrap(struct rte_mbuf *m);

#endif
