/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs whose packets all wait for the rates of their ports. */
#include "vswitch/rate_hold.h"

#include "vswitch/stage.h"

void rate_hold(struct worker *w, uint16_t vm, uint64_t until)
{
	if (!sched_hold(w->sched, vm, until))
		return;
	w->service[vm].is_rate_held = true;
	w->n_rate_held++;
}

void rate_forget_hold(struct worker *w, uint16_t vm)
{
	w->n_rate_held -= w->service[vm].is_rate_held;
	w->service[vm].is_rate_held = false;
}

void rate_release(struct worker *w, uint16_t vm)
{
	if (!w->service[vm].is_rate_held)
		return;
	rate_forget_hold(w, vm);
	sched_release(w->sched, vm, worker_now(w));
}

void rate_release_ready(struct worker *w, uint16_t vm)
{
	const struct source *src;

	if (!w->service[vm].is_rate_held)
		return;
	TAILQ_FOREACH (src, &w->service[vm].sources, link) {
		if (virtq_pending(&src->tx->q) == 0)
			continue;
		if (rates_wait(&src->port->rates, worker_now(w), 0) == 0) {
			rate_release(w, vm);
			return;
		}
	}
}
