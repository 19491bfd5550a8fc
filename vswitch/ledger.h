/* SPDX-License-Identifier: BSD-3-Clause */
/* The ledger: where a worker's time went, in TSC cycles, by (VM, stage) and by system row. Its rows
 * sum to the time that passed since it was opened: each billing closes one stretch of time and
 * opens the next, so no cycle is left out or counted twice. One writer, the worker. */
#ifndef VSWITCH_LEDGER_H
#define VSWITCH_LEDGER_H

#include <stdint.h>

#include "base/counter.h"
#include "vswitch/limits.h"

enum stage {
#define X(name, text, help)          STAGE_##name,
#define DECIDE(name, text, help, fn) STAGE_##name,
#include "vswitch/stages.def"
#undef DECIDE
#undef X
	STAGE_COUNT
};

enum sysrow {
#define X(name, text, help) SYSROW_##name,
#include "vswitch/sysrows.def"
#undef X
	SYSROW_COUNT
};

struct ledger {
	uint64_t opened_tsc;
	uint64_t last_tsc; /* time up to here is billed */
	uint64_t sys[SYSROW_COUNT];
	uint64_t vm[MAX_VMS][STAGE_COUNT];
};

/* Starts a ledger at `now`. [worker] */
static inline void ledger_open(struct ledger *l, uint64_t now)
{
	l->opened_tsc = now;
	l->last_tsc = now;
}

/* Bills the time since the last billing and returns it. A clock that went backwards bills nothing.
 * [worker] */
static inline uint64_t ledger_elapse(struct ledger *l, uint64_t now)
{
	uint64_t spent = now > l->last_tsc ? now - l->last_tsc : 0;

	counter_add(&l->last_tsc, spent);
	return spent;
}

static inline uint64_t ledger_bill_vm(struct ledger *l, uint16_t vm, enum stage stage, uint64_t now)
{
	uint64_t spent = ledger_elapse(l, now);

	counter_add(&l->vm[vm][stage], spent);
	return spent;
}

static inline uint64_t ledger_bill_sys(struct ledger *l, enum sysrow row, uint64_t now)
{
	uint64_t spent = ledger_elapse(l, now);

	counter_add(&l->sys[row], spent);
	return spent;
}

/* Moves cycles from a row of the system to one of a VM. [worker] */
static inline void ledger_move(struct ledger *l, enum sysrow row, uint16_t vm, enum stage stage,
			       uint64_t cycles)
{
	counter_add(&l->sys[row], 0 - cycles);
	counter_add(&l->vm[vm][stage], cycles);
}

/* Bills `cycles` of the time that is not billed yet to a row of the system: the stretch that is
 * open goes on without them. [worker] */
static inline void ledger_take_out(struct ledger *l, enum sysrow row, uint64_t cycles)
{
	counter_add(&l->last_tsc, cycles);
	counter_add(&l->sys[row], cycles);
}

/* Moves the cycles of a VM that goes to the system row DEPARTED, so that the next VM with its id
 * starts at zero. [worker] */
void ledger_depart(struct ledger *l, uint16_t vm);

/* The sum of all rows: equals last_tsc - opened_tsc. [worker] */
uint64_t ledger_sum(const struct ledger *l);

/* The sum of a VM's rows. [any] */
uint64_t ledger_vm_sum(const struct ledger *l, uint16_t vm);

const char *stage_text(enum stage stage);
const char *sysrow_text(enum sysrow row);

#endif
