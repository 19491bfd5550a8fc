/* SPDX-License-Identifier: BSD-3-Clause */
/* Batched notifications. */
#include "vswitch/notify.h"

#include "base/counter.h"
#include "ring/virtq.h"

void notify_later(struct notifications *l, struct virtq *q, uint64_t *count)
{
	if (!virtq_publish(q))
		return;
	l->due[l->n].q = q;
	l->due[l->n].count = count;
	if (++l->n == NOTIFY_MAX)
		notify_all(l);
}

void notify_all(struct notifications *l)
{
	if (l->n == 0)
		return;
	virtq_fence();
	for (uint16_t i = 0; i < l->n; i++)
		counter_add(l->due[i].count, virtq_notify(l->due[i].q));
	l->n = 0;
}
