/* SPDX-License-Identifier: BSD-3-Clause */
/* Budgets: the part of a worker's time that an operator grants a tenant or a VM. */
#ifndef POLICY_BUDGET_H
#define POLICY_BUDGET_H

#include <stdint.h>

#include "base/err.h"

struct budget {
	uint32_t weight;        /* share of spare time, 1 to 10000 */
	uint32_t limit_percent; /* hard ceiling, 100: none */
	uint32_t guarantee_us;  /* granted in each period, 0: none */
	uint32_t period_us;
	uint32_t burst_us;    /* unused time of the guarantee that may be saved up */
	uint64_t rate_bps;    /* bits sent per second, 0: no limit */
	uint64_t rate_pps;    /* packets sent per second, 0: no limit */
	uint64_t rate_in_bps; /* the same of what the guests are sent; not for the scheduler */
	uint64_t rate_in_pps;
};

/* The budget of a tenant or VM for which none was set. [any] */
struct budget budget_default(void);

/* Checks the budget's numbers, each alone and together. Negative errno with the field named.
 * [any] */
int budget_validate(const struct budget *b, struct err *e);

/* The part of its time that a worker guarantees to nobody: it is for the switch itself, and for
 * taking in packets where a worker receives from uplinks. */
#define BUDGET_SPARE_PERCENT    10u
#define BUDGET_SPARE_RX_PERCENT 20u

/* Whether a worker can keep the guarantees of all `others` and of `b`, and spare so much of its
 * time. -ENOSPC, with what is left to grant in the text. [control] */
int budget_admit(const struct budget *const *others, unsigned n, const struct budget *b,
		 unsigned spare_percent, struct err *e);

/* The part of a worker's time that these guarantees are, in percent, rounded up. [control] */
unsigned budget_granted_percent(const struct budget *const *all, unsigned n);

#endif
