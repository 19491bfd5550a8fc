/* SPDX-License-Identifier: BSD-3-Clause */
/* Budgets: what an operator grants a tenant or a VM of a worker's time. */
#ifndef POLICY_BUDGET_H
#define POLICY_BUDGET_H

#include <stdint.h>

#include "base/err.h"

struct budget {
	uint32_t weight;        /* share of spare time, 1 to 10000 */
	uint32_t limit_percent; /* hard ceiling, 100: none */
	uint32_t guarantee_us;  /* granted in each period, 0: none */
	uint32_t period_us;
	uint32_t burst_us; /* unused time that may be saved up */
	uint64_t rate_bps; /* of what is sent, 0: none */
	uint64_t rate_pps; /* 0: none */
};

/* What a tenant or VM has when nothing is said. [any] */
struct budget budget_default(void);

/* Whether the numbers make sense, by themselves and together. Negative errno with the field named.
 * [any] */
int budget_validate(const struct budget *b, struct err *e);

/* Whether a worker can keep the guarantees of all `others` and of `b`: their sum must leave a tenth
 * of its time for the switch itself. -ENOSPC with what is left in words. [control] */
int budget_admit(const struct budget *const *others, unsigned n, const struct budget *b,
		 struct err *e);

#endif
