/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of a stage: the only place where a worker reads its clock. */
#ifndef VSWITCH_STAGE_H
#define VSWITCH_STAGE_H

#include "vswitch/worker.h"

/* Bills the time since the last end of a stage to a VM, and returns it. The next stage begins here.
 * [worker] */
static inline uint64_t stage_end(struct worker *w, uint16_t vm, enum stage stage)
{
	return ledger_bill_vm(&w->ledger, vm, stage, w->clock());
}

/* The same, to a row of the system. [worker] */
static inline uint64_t stage_end_sys(struct worker *w, enum sysrow row)
{
	return ledger_bill_sys(&w->ledger, row, w->clock());
}

/* A part of a stage that belongs to a row of the system, whatever the stage is: begins, and ends
 * with what the first call returned. Returns the time it took. The stage goes on without it.
 * [worker] */
static inline uint64_t stage_begin_part(const struct worker *w)
{
	return w->clock();
}

static inline uint64_t stage_end_part(struct worker *w, enum sysrow row, uint64_t since)
{
	uint64_t now = w->clock(), spent = now > since ? now - since : 0;

	ledger_take_out(&w->ledger, row, spent);
	return spent;
}

/* The time on the worker's clock: when the last stage ended. [worker] */
static inline uint64_t worker_now(const struct worker *w)
{
	return w->ledger.last_tsc;
}

#endif
