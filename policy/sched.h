/* SPDX-License-Identifier: BSD-3-Clause */
/* Whom a worker serves next, for how long, and how much it may take at once. docs/budgets.md has
 * the theory. One scheduler per worker, used by that worker alone, so without locks. Times are TSC
 * cycles that the caller read; nothing here reads a clock, allocates after sched_create or does
 * I/O. */
#ifndef POLICY_SCHED_H
#define POLICY_SCHED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hist.h"
#include "policy/budget.h"
#include "policy/use.h"

#define SCHED_MAX_VMS          1024
#define SCHED_MAX_TENANTS      256
#define SCHED_DEFAULT_SLICE_US 20
#define SCHED_DEFAULT_MODE     SCHED_MODE_TIME

enum sched_mode {
#define X(name, text) SCHED_MODE_##name,
#include "policy/sched_modes.def"
#undef X
	SCHED_MODE_COUNT
};

struct sched_conf {
	uint64_t tsc_hz;
	uint32_t slice_us;
	enum sched_mode mode;
};

struct sched;

/* NULL when memory is short. [control] */
struct sched *sched_create(const struct sched_conf *conf);
void sched_destroy(struct sched *s);

const char *sched_mode_text(enum sched_mode mode);

/* In force from the next pick on. -EINVAL for a mode that is not there. [worker] */
int sched_set_conf(struct sched *s, enum sched_mode mode, uint32_t slice_us);

/* Budgets must be valid. -EINVAL for an id out of range or, for a VM, a tenant that is not there. A
 * tenant goes after its VMs. [worker] */
int sched_add_tenant(struct sched *s, uint16_t tenant, const struct budget *b);
int sched_set_tenant(struct sched *s, uint16_t tenant, const struct budget *b);
void sched_remove_tenant(struct sched *s, uint16_t tenant);
int sched_add_vm(struct sched *s, uint16_t vm, uint16_t tenant, const struct budget *b);
int sched_set_vm(struct sched *s, uint16_t vm, const struct budget *b);
void sched_remove_vm(struct sched *s, uint16_t vm);

/* The VM has work; cheap and without effect when that is known. It has none any more. [worker] */
void sched_wake(struct sched *s, uint16_t vm, uint64_t now);
void sched_sleep(struct sched *s, uint16_t vm);

struct sched_grant {
	uint16_t vm;
	uint64_t slice_tsc;
	bool funded; /* served from a guarantee, its own or its tenant's */
};

/* Whom to serve now; false when nobody has work that may be done now. To be followed by
 * sched_charge; without it the next pick gives the same VM. [worker] */
bool sched_pick(struct sched *s, uint64_t now, struct sched_grant *g);

/* Starts loading what the charge of a service that begins now will touch. A hint, which changes
 * nothing. [worker] */
void sched_expect_charge(const struct sched *s, uint16_t vm, uint64_t now);

/* The kernel took the core away, at some time between the last sched_charge and `now`. To be said
 * at the start of a service, and at its end before the charge. How long that service, the pause
 * before it or a funded wait took is not kept then, and nothing is learned of what packets cost.
 * [worker] */
void sched_interrupted(struct sched *s, uint64_t now);

/* What the service that just ended, flush included, used, and whether the VM has more work; without
 * it sleeps. [worker] */
void sched_charge(struct sched *s, uint16_t vm, uint64_t now, const struct use *use, bool more);

/* A VM has work that cannot be done before `until`: others go on meanwhile, and it does not count
 * as waiting. To be said after sched_charge. [worker] */
void sched_hold(struct sched *s, uint16_t vm, uint64_t until);

/* Time of the service under way that another VM pays: it is no part of what who is served pays, and
 * nothing of it is learned. [worker] */
void sched_charge_instead(struct sched *s, uint16_t vm, uint64_t used_tsc);

/* Time spent for a VM outside its services; another worker's VM is only counted. [worker] */
void sched_charge_other(struct sched *s, uint16_t vm, uint64_t used_tsc);

/* The top of a turn. [worker] */
void sched_tick(struct sched *s, uint64_t now);

struct sched_limits {
	uint64_t packets; /* words: see struct cost_limits */
	uint64_t bytes;
	uint64_t descs;
};

/* How much to take at once when `left_tsc` of the slice is left: at least one packet. [worker] */
struct sched_limits sched_burst(const struct sched *s, uint16_t vm, uint64_t left_tsc);

/* Whether a service should go on when `left_tsc` of its slice is left: not when the next packet
 * would probably exceed it, or when that is too little to be worth a burst. [worker] */
bool sched_fits(const struct sched *s, uint16_t vm, uint64_t left_tsc);

/* Whether the VM is served from a guarantee, its own or its tenant's, while that has a balance.
 * [worker] */
bool sched_has_guarantee(const struct sched *s, uint16_t vm);

/* Whether somebody waits who is to be served from a guarantee. [worker] */
bool sched_funded_waits(const struct sched *s);

/* When somebody has work but nobody may do it now: when the first may. Else UINT64_MAX. [worker] */
uint64_t sched_next_tsc(const struct sched *s);

struct sched_vm_stats {
	uint64_t services;
	uint64_t used_tsc;   /* in services and outside */
	uint64_t funded_tsc; /* of that, paid from guarantees */
	uint64_t longest_service_tsc;
	uint64_t overruns;    /* services longer than the slice */
	uint64_t interrupted; /* services that were, see sched_interrupted */
	uint64_t longest_overrun_tsc;
	uint64_t waited_tsc; /* with work, within its and its tenant's limits, and not served */
	uint64_t longest_wait_tsc;
	uint64_t longest_funded_wait_tsc; /* while its guarantee's balance was positive, without
					     those that were interrupted */
	uint64_t throttled;  /* times it was held back by a limit, its own or its tenant's */
	int64_t balance_tsc; /* time that it may still use before others go first; negative: its
				debt */
};

/* [worker] */
void sched_get_stats(const struct sched *s, uint16_t vm, struct sched_vm_stats *stats);

/* Begins anew with the longest times: those of a VM, and the longest pause and overrun below.
 * Counters, sums and histograms go on. [worker] */
void sched_reset_vm_peaks(struct sched *s, uint16_t vm);
void sched_reset_peaks(struct sched *s);

enum sched_hist_kind { SCHED_HIST_SERVICE, SCHED_HIST_WAIT, SCHED_HIST_COUNT };

/* Adds what another worker's scheduler knows of a VM: sums, and the longest of both. Not the
 * balance, which is one worker's. [any] */
void sched_add_stats(struct sched_vm_stats *to, const struct sched_vm_stats *other);

/* How long services, and the waits for them, took; NULL for a VM that is not there. [worker] */
const struct hist *sched_hist(const struct sched *s, uint16_t vm, enum sched_hist_kind kind);

/* The longest that went by between two services, of which the second was waited for, so far: what
 * the worker does between services, and what the machine takes away from it there. [worker] */
uint64_t sched_longest_pause_tsc(const struct sched *s);

/* The longest that a service of any VM exceeded its slice by, so far. [worker] */
uint64_t sched_longest_overrun_tsc(const struct sched *s);

/* How many services the bound below counts: one for each guarantee. [worker] */
unsigned sched_bound_services(const struct sched *s);

/* The longest that the VM can wait for a service, from when the scheduler knows of its work, while
 * it has a positive balance of its own guarantee and no limit holds it back; `packet_tsc` is the
 * longest that a service can exceed its slice by. UINT64_MAX for a VM without a guarantee of its
 * own. [worker] */
uint64_t sched_bound_tsc(const struct sched *s, uint16_t vm, uint64_t packet_tsc);

#endif
