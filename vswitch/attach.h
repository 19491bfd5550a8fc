/* SPDX-License-Identifier: BSD-3-Clause */
/* What a worker serves: VMs, and the rings of their ports. */
#ifndef VSWITCH_ATTACH_H
#define VSWITCH_ATTACH_H

#include "vswitch/worker.h"

/* Makes a VM, with the buffers for its packets, known to the worker that is to serve it, or
 * forgotten by it. Its ports must be gone then. [worker] */
void attach_vm(struct worker *w, uint16_t vm, struct rte_mempool *pool);
void detach_vm(struct worker *w, uint16_t vm);

/* Takes a port's rings out of the loop, runs fn(arg) (where there is one), and puts these in; 0 for
 * none. What others send to the port meanwhile waits: no packet is taken or delivered before this
 * is done. The VM pays. [worker] */
void attach_change(struct worker *w, struct vport *port, void (*fn)(void *arg), void *arg,
		   struct vdev_pair *pairs, uint16_t n);

/* Takes rings out of service whose memory is not there any more. [worker] */
void attach_lose_rings(struct worker *w);

/* To be called when budgets changed: finds out which rings are of VMs with a guarantee. [worker] */
void attach_find_guaranteed(struct worker *w);

/* Lets go of a VM's backlog, undone. [worker] */
void detach_backlog(struct worker *w, uint16_t vm);

#endif
