/* SPDX-License-Identifier: BSD-3-Clause */
/* Notifications of a service, gathered. */
#include "vswitch/notify.h"

#include "base/counter.h"
#include "vhost/vring.h"
#include "vswitch/worker.h"

void notify_later(struct worker *w, struct virtq *q, uint64_t *count)
{
	if (!vring_publish(q))
		return;
	w->notice[w->n_notices++] = (struct notice){q, count};
	if (w->n_notices == NOTIFY_MAX)
		notify_all(w);
}

void notify_all(struct worker *w)
{
	if (w->n_notices == 0)
		return;
	vring_fence();
	for (uint16_t i = 0; i < w->n_notices; i++)
		counter_add(w->notice[i].count, vring_notify(w->notice[i].q));
	w->n_notices = 0;
}
