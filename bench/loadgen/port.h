/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM's network card, as the generator drives it: a DPDK virtio-user device, or a ring driver of
 * our own on the hand-made front end (DPDK is built for 32 devices, a switch for more), or, for VMs
 * of other hosts, the other end of the switch's uplink, which is a port too. */
#ifndef LOADGEN_PORT_H
#define LOADGEN_PORT_H

#include <stdbool.h>
#include <stdint.h>
#include <rte_mbuf.h>

#include "bench/loadgen/spec.h"
#include "bench/loadgen/wire.h"

#define BURST       32
#define MAX_QUEUES  8
#define MAX_REPLIES 128

struct fe_port;

struct port {
	uint16_t vm;
	uint16_t queues;
	uint16_t eth;
	struct fe_port *fe; /* NULL: a virtio-user device, or as follows */
	bool is_wire;       /* the other end of an uplink: no VM's */
	struct port *wire;  /* a VM of another host: that it is behind */
	struct wire_header header;
	double rx_interval, next_rx; /* cycles; of the wire, which takes a packet in so many */
	uint64_t look_interval, next_look; /* the same for looks, at each of which it takes all */
	bool inspect;                      /* look into what arrives; else count it only */

	/* Closed loops: packets that may be sent now. What arrives gives one back. */
	uint32_t credits, window;
	uint64_t last_rx_tsc;
	uint64_t reinjected;

	/* Replies that are to be sent. On a wire they wait until there is room, since requests that
	 * nobody answers would end the measurement. */
	uint16_t n_replies;
	struct rte_mbuf *reply[MAX_REPLIES];

	uint64_t rx_packets, rx_bytes;
	uint64_t rx_polls, rx_empty;
	uint64_t foreign;      /* frames that were not ours */
	uint64_t echo_dropped; /* replies that did not fit the ring */
};

/* Creates the card of VM `vm`; the back end must listen already unless the card is the server.
 * That of a VM of another host is of use once it is told its wire. Returns 0 or -1 with the reason
 * on standard error. */
int port_open(struct port *p, uint16_t vm, const struct vm_spec *spec, struct rte_mempool *rx_pool,
	      bool hugepages);
bool port_is_up(const struct port *p);
void port_close(struct port *p);

/* Takes what has arrived, at most n. */
uint16_t port_rx(struct port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);

/* Sends what fits; the rest stays the caller's. */
uint16_t port_tx(struct port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);

#endif
