/* SPDX-License-Identifier: BSD-3-Clause */
/* Budgets. */
#include "policy/budget.h"

#define MILLION 1000000u /* guarantees are counted in millionths of a worker */

struct budget budget_default(void)
{
	return (struct budget){
		.weight = 100,
		.limit_percent = 100,
		.period_us = 1000,
		.burst_us = 1000,
	};
}

int budget_validate(const struct budget *b, struct err *e)
{
	if (b->weight < 1 || b->weight > 10000)
		return err_set(e, ERR_INVALID, "weight", "weight %u: must be 1 to 10000",
			       b->weight);
	if (b->limit_percent < 1 || b->limit_percent > 100)
		return err_set(e, ERR_INVALID, "limit_percent",
			       "limit_percent %u: must be 1 to 100", b->limit_percent);
	if (b->period_us < 100 || b->period_us > MILLION)
		return err_set(e, ERR_INVALID, "period_us", "period_us %u: must be 100 to 1000000",
			       b->period_us);
	if (b->burst_us < 10 || b->burst_us > MILLION)
		return err_set(e, ERR_INVALID, "burst_us", "burst_us %u: must be 10 to 1000000",
			       b->burst_us);
	if (b->guarantee_us > b->period_us)
		return err_set(e, ERR_INVALID, "guarantee_us",
			       "guarantee_us %u: more than its period of %u us", b->guarantee_us,
			       b->period_us);
	if ((uint64_t)b->guarantee_us * 100 > (uint64_t)b->period_us * b->limit_percent)
		return err_set(e, ERR_INVALID, "guarantee_us",
			       "guarantee_us %u in %u us: more than limit_percent %u allows",
			       b->guarantee_us, b->period_us, b->limit_percent);
	return 0;
}

static uint64_t grant_of(const struct budget *b)
{
	return (uint64_t)b->guarantee_us * MILLION / b->period_us;
}

static uint64_t sum_grants(const struct budget *const *all, unsigned n)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += grant_of(all[i]);
	return sum;
}

int budget_admit(const struct budget *const *others, unsigned n, const struct budget *b,
		 unsigned spare_percent, struct err *e)
{
	uint64_t most = (uint64_t)(100 - spare_percent) * (MILLION / 100);
	uint64_t sum = sum_grants(others, n);

	if (grant_of(b) == 0 || sum + grant_of(b) <= most)
		return 0;
	return err_set(
		e, ERR_NO_SPACE, "guarantee_us",
		"guarantee_us %u in %u us is %.1f %% of a worker, %.1f %% of it is left to grant",
		b->guarantee_us, b->period_us, (double)grant_of(b) / 1e4,
		sum < most ? (double)(most - sum) / 1e4 : 0.0);
}

unsigned budget_granted_percent(const struct budget *const *all, unsigned n)
{
	return (unsigned)((sum_grants(all, n) + MILLION / 100 - 1) / (MILLION / 100));
}
