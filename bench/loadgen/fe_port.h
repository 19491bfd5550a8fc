/* SPDX-License-Identifier: BSD-3-Clause */
/* A small poll-mode driver on the hand-made vhost-user front end: one buffer of 2 KiB per slot, one
 * copy in and one out. It serves VMs beyond DPDK's 32 devices, and those that kick more than asked.
 */
#ifndef LOADGEN_FE_PORT_H
#define LOADGEN_FE_PORT_H

#include <stdbool.h>
#include <stdint.h>
#include <rte_mbuf.h>

#include "bench/loadgen/spec.h"

struct fe_port;

/* Connects and starts all rings of VM number `vm`; NULL with the reason on standard error. */
struct fe_port *fe_port_open(const struct vm_spec *spec, uint16_t vm, struct rte_mempool *rx_pool,
			     bool hugepages);
void fe_port_close(struct fe_port *p);

uint16_t fe_port_rx(struct fe_port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);
uint16_t fe_port_tx(struct fe_port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);

#endif
