/* SPDX-License-Identifier: BSD-3-Clause */
/* Notifications of a service, gathered: a guest sees what is published at once, but asking whether
 * it waits for a notification takes a full fence, and that stalls for as long as stores to other
 * cores' cache lines are under way. So one fence serves several rings, a little later. */
#ifndef VSWITCH_NOTIFY_H
#define VSWITCH_NOTIFY_H

#include <stdint.h>

struct virtq;

/* Rings that may wait. So few, because each may cost a system call when its time comes, and the
 * service that caused them has a slice to keep. */
#define NOTIFY_MAX 8

struct notifications {
	uint16_t n;
	struct {
		struct virtq *q;
		uint64_t *count; /* of system calls made */
	} due[NOTIFY_MAX];
};

/* Publishes what was done in the ring; its guest is notified by notify_all at the latest. [worker]
 */
void notify_later(struct notifications *l, struct virtq *q, uint64_t *count);

/* Notifies all guests that wait. Nothing may be left over when a service ends. [worker] */
void notify_all(struct notifications *l);

#endif
