/* SPDX-License-Identifier: BSD-3-Clause */
/* What a worker serves: VMs, and the rings of their ports. */
#ifndef VSWITCH_ATTACH_H
#define VSWITCH_ATTACH_H

#include "vswitch/worker.h"

/* Adds a VM, and the pool for its packets, to the worker that is to serve it, or removes it. Its
 * ports must be removed before. [worker] */
void attach_vm(struct worker *w, uint16_t vm, struct rte_mempool *pool);
void detach_vm(struct worker *w, uint16_t vm);

/* Replaces a port's rings: takes out those it has, runs fn(arg) (where there is one), and puts in
 * these `n` pairs; 0 for none. No packet is taken or delivered meanwhile, so packets to the port
 * wait and are not lost. The VM pays. [worker] */
void attach_change(struct worker *w, struct vport *port, void (*fn)(void *arg), void *arg,
		   struct vdev_pair *pairs, uint16_t n);

/* Takes rings whose memory is gone out of service. [worker] */
void attach_lose_rings(struct worker *w);

/* Finds the rings of VMs with a guarantee. To be called when budgets changed. [worker] */
void attach_find_guaranteed(struct worker *w);

/* Frees a VM's backlog without doing its jobs. [worker] */
void detach_backlog(struct worker *w, uint16_t vm);

#endif
