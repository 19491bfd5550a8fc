/* SPDX-License-Identifier: BSD-3-Clause */
/* Tells when a VM stays over its budget, from looks at its counters in regular intervals. */
#ifndef POLICY_WATCH_H
#define POLICY_WATCH_H

#include "policy/sched.h"

#define WATCH_INTERVAL_MS 250
#define WATCH_PATIENCE    6 /* looks in a row that make it so: five intervals at the least */

/* What a VM is over: how it came to be, in the words of X(name, text, help). */
#define WATCH_REASONS                                                \
	X(NONE, "none", "within its budget")                         \
	X(LIMIT, "limit", "held back by its limit, or its tenant's") \
	X(GUARANTEE, "guarantee", "needs more than its guarantee, and is served from spare time")

enum watch_reason {
#define X(name, text, help) WATCH_##name,
	WATCH_REASONS
#undef X
};

struct watch {
	struct sched_vm_stats seen; /* to be filled before each look */
	uint64_t used_tsc;          /* at the look before */
	uint64_t throttled;
	uint8_t streak; /* looks in a row that spoke against `reason` */
	enum watch_reason reason;
};

const char *watch_reason_text(enum watch_reason reason);
const char *watch_reason_help(enum watch_reason reason);

/* One look, `passed_tsc` after the one before. True when w->reason is another one now: the VM is
 * over its budget when it was throttled, or used a tenth more than its guarantee, in each of
 * WATCH_PATIENCE intervals, and within it again when it was in none of as many. [control] */
bool watch_look(struct watch *w, const struct budget *b, enum sched_mode mode, uint64_t passed_tsc);

#endif
