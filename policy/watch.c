/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs that stay over their budgets. */
#include "policy/watch.h"

const char *watch_reason_text(enum watch_reason reason)
{
	static const char *const texts[] = {
#define X(name, text, help) text,
		WATCH_REASONS
#undef X
	};

	return texts[reason];
}

const char *watch_reason_help(enum watch_reason reason)
{
	static const char *const helps[] = {
#define X(name, text, help) help,
		WATCH_REASONS
#undef X
	};

	return helps[reason];
}

/* The increase of a counter; 0 when it restarted, on another worker. */
static uint64_t advance(uint64_t *before, uint64_t now)
{
	uint64_t passed = now > *before ? now - *before : 0;

	*before = now;
	return passed;
}

bool watch_look(struct watch *w, const struct budget *b, enum sched_mode mode, uint64_t passed_tsc)
{
	uint64_t throttled = advance(&w->throttled, w->seen.throttled);
	uint64_t used = advance(&w->used_tsc, w->seen.used_tsc);
	double granted = (double)passed_tsc * b->guarantee_us / b->period_us;
	enum watch_reason now = WATCH_NONE;

	if (throttled)
		now = WATCH_LIMIT;
	else if (mode == SCHED_MODE_TIME && granted > 0 && (double)used > 1.1 * granted)
		now = WATCH_GUARANTEE;
	/* A VM that is over for another reason stays over: only going over and coming back are
	 * reported. */
	if ((now == WATCH_NONE) == (w->reason == WATCH_NONE)) {
		w->streak = 0;
		return false;
	}
	if (++w->streak < WATCH_PATIENCE)
		return false;
	w->streak = 0;
	w->reason = now;
	return true;
}
