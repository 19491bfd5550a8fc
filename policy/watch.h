/* SPDX-License-Identifier: BSD-3-Clause */
/* Detection of VMs that stay over their budgets, from their counters in regular intervals. */
#ifndef POLICY_WATCH_H
#define POLICY_WATCH_H

#include "policy/sched.h"

#define WATCH_INTERVAL_MS 250
#define WATCH_PATIENCE    6 /* consecutive looks that make a change: five intervals at the least */

/* Why a VM is over its budget, as X(name, text, help). */
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
	uint64_t used_tsc;          /* counters at the look before */
	uint64_t throttled;
	uint8_t streak; /* consecutive looks that contradicted `reason` */
	enum watch_reason reason;
};

const char *watch_reason_text(enum watch_reason reason);
const char *watch_reason_help(enum watch_reason reason);

/* One look, `passed_tsc` after the one before. True when the VM went over its budget or came back
 * within it; w->reason is the new state. It is over its budget when it was throttled, or in mode
 * time used a tenth more than its guarantee, in each of WATCH_PATIENCE intervals, and within it
 * again when in none of as many. [control] */
bool watch_look(struct watch *w, const struct budget *b, enum sched_mode mode, uint64_t passed_tsc);

#endif
