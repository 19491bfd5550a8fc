/* SPDX-License-Identifier: BSD-3-Clause */
/* Batched notifications. A guest sees published buffers at once, but asking whether it waits for a
 * notification takes a full memory fence, which stalls until stores to other cores' cache lines are
 * done. So one fence serves several rings, a little later. */
#ifndef VSWITCH_NOTIFY_H
#define VSWITCH_NOTIFY_H

#include <stdint.h>

struct virtq;

/* The most rings that may wait for their notification. Each may cost a system call in the end, and
 * all of them must fit into the slice of the service that caused them. */
#define NOTIFY_MAX 8

struct notifications {
	uint16_t n;
	struct {
		struct virtq *q;
		uint64_t *count; /* of system calls made */
	} due[NOTIFY_MAX];
};

/* Publishes what was done in the ring. Its guest is notified by notify_all() at the latest.
 * [worker] */
void notify_later(struct notifications *l, struct virtq *q, uint64_t *count);

/* Notifies all guests that wait. To be called before a service ends, so that none is left over.
 * [worker] */
void notify_all(struct notifications *l);

#endif
