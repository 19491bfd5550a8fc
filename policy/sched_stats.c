/* SPDX-License-Identifier: BSD-3-Clause */
/* The scheduler: statistics, and the bound that follows from them. */
#include "policy/sched_impl.h"

#include <stddef.h>

static uint64_t later(uint64_t a, uint64_t b)
{
	return heap_before(a, b) ? b : a;
}

/* The time from `since` to `now`; 0 when `since` is later. */
static uint64_t passed(uint64_t since, uint64_t now)
{
	return heap_before(since, now) ? now - since : 0;
}

/* The time when the VM began to wait for its next service, or for the one in progress. */
static uint64_t waits_since(const struct sched *s, const struct account *a)
{
	return later(a->waiting_since, s->tenant[a->tenant].held_until);
}

/* Records the longest of the times that the bound is computed from or compared with. Times in which
 * the worker was preempted are left out. */
static void keep_longest(const struct sched *s, uint64_t *longest, uint64_t since, uint64_t until)
{
	uint64_t took = passed(since, until);

	if (took > *longest && !sched_was_interrupted(s, since))
		*longest = took;
}

static void count_used(struct sched *s, uint16_t vm, uint64_t start, uint64_t used)
{
	struct sched_vm_stats *stats = &s->vm[vm].stats;

	if (sched_was_interrupted(s, start)) {
		stats->interrupted++;
		return;
	}
	hist_record(&s->hist[vm][SCHED_HIST_SERVICE], used);
	if (used > stats->longest_service_tsc)
		stats->longest_service_tsc = used;
	if (used > s->slice_tsc) {
		stats->overruns++;
		if (used - s->slice_tsc > stats->longest_overrun_tsc)
			stats->longest_overrun_tsc = used - s->slice_tsc;
		if (used - s->slice_tsc > s->longest_overrun_tsc)
			s->longest_overrun_tsc = used - s->slice_tsc;
	}
}

void sched_count_service(struct sched *s, uint16_t vm, uint64_t now, uint64_t used)
{
	struct account *a = &s->vm[vm];
	uint64_t start = now - used;
	uint64_t since = waits_since(s, a);
	uint64_t waited = passed(since, start);

	keep_longest(s, &s->longest_pause_tsc, later(since, s->served_until), start);
	s->served_until = now;
	a->stats.services++;
	a->stats.waited_tsc += waited;
	hist_record(&s->hist[vm][SCHED_HIST_WAIT], waited);
	if (waited > a->stats.longest_wait_tsc)
		a->stats.longest_wait_tsc = waited;
	if (s->mode == SCHED_MODE_TIME && a->place == PLACE_RING)
		keep_longest(s, &a->stats.longest_funded_wait_tsc, a->funded_since, start);
	count_used(s, vm, start, used);
}

/* What is left of a guarantee, else of a ceiling; without either how far the VM is ahead of its
 * fair share, as a debt. */
static int64_t balance(const struct sched *s, const struct account *a)
{
	struct rate r = rate_in_use(&a->allowance.credit) ? a->allowance.credit
							  : a->allowance.limit;

	if (rate_in_use(&r)) {
		rate_refill(&r, s->now, r.cap);
		return r.level;
	}
	if (!a->is_used)
		return 0;
	return -(int64_t)(allowance_ahead(s, &a->allowance, s->tenant[a->tenant].clock) /
			  a->allowance.inv_weight);
}

void sched_get_stats(const struct sched *s, uint16_t vm, struct sched_vm_stats *stats)
{
	*stats = s->vm[vm].stats;
	stats->balance_tsc = balance(s, &s->vm[vm]);
}

void sched_reset_vm_peaks(struct sched *s, uint16_t vm)
{
	struct sched_vm_stats *st = &s->vm[vm].stats;

	st->longest_service_tsc = 0;
	st->longest_overrun_tsc = 0;
	st->longest_wait_tsc = 0;
	st->longest_funded_wait_tsc = 0;
}

void sched_reset_peaks(struct sched *s)
{
	s->longest_pause_tsc = 0;
	s->longest_overrun_tsc = 0;
}

uint64_t sched_longest_overrun_tsc(const struct sched *s)
{
	return s->longest_overrun_tsc;
}

void sched_add_stats(struct sched_vm_stats *to, const struct sched_vm_stats *other)
{
	to->services += other->services;
	to->used_tsc += other->used_tsc;
	to->funded_tsc += other->funded_tsc;
	to->overruns += other->overruns;
	to->interrupted += other->interrupted;
	to->waited_tsc += other->waited_tsc;
	to->throttled += other->throttled;
	to->longest_service_tsc = max_u64(to->longest_service_tsc, other->longest_service_tsc);
	to->longest_overrun_tsc = max_u64(to->longest_overrun_tsc, other->longest_overrun_tsc);
	to->longest_wait_tsc = max_u64(to->longest_wait_tsc, other->longest_wait_tsc);
	to->longest_funded_wait_tsc =
		max_u64(to->longest_funded_wait_tsc, other->longest_funded_wait_tsc);
}

const struct hist *sched_hist(const struct sched *s, uint16_t vm, enum sched_hist_kind kind)
{
	return vm < SCHED_MAX_VMS && s->vm[vm].is_used ? &s->hist[vm][kind] : NULL;
}

uint64_t sched_longest_pause_tsc(const struct sched *s)
{
	return s->longest_pause_tsc;
}

unsigned sched_bound_services(const struct sched *s)
{
	return s->n_guarantees;
}

/* The bound: the service in progress, then one of each other VM or tenant that may be in the ring,
 * each followed by a pause; docs/budgets.md. */
uint64_t sched_bound_tsc(const struct sched *s, uint16_t vm, uint64_t packet_tsc)
{
	if (vm >= SCHED_MAX_VMS || !rate_in_use(&s->vm[vm].allowance.credit))
		return UINT64_MAX;
	return s->n_guarantees * (s->slice_tsc + packet_tsc + s->longest_pause_tsc);
}
