/* SPDX-License-Identifier: BSD-3-Clause */
/* Notifications of a service, gathered: a guest sees what is published at once, but asking whether
 * it waits to be told takes a full fence, and that stalls for as long as stores to other cores'
 * cache lines are under way. So one fence serves several rings, a little later. */
#ifndef VSWITCH_NOTIFY_H
#define VSWITCH_NOTIFY_H

#include <stdint.h>

struct virtq;
struct worker;

/* Rings that may wait. So few, because each may cost a system call when its time comes, and the
 * service that caused them has a slice to keep. */
#define NOTIFY_MAX 8

struct notice {
	struct virtq *q;
	uint64_t *count; /* of system calls made */
};

/* Publishes what was done in the ring; its guest is told by notify_all at the latest. [worker] */
void notify_later(struct worker *w, struct virtq *q, uint64_t *count);

/* Tells all guests that wait. Nothing may be left over when a service ends. [worker] */
void notify_all(struct worker *w);

#endif
