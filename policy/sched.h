/* SPDX-License-Identifier: BSD-3-Clause */
/* The scheduler: which VM a worker serves next, for how long, and how much it may take at once.
 * docs/budgets.md has the theory. Each worker has a scheduler that it alone uses, so there are no
 * locks. Times are TSC cycles that the caller read; nothing here reads a clock, does I/O, or
 * allocates after sched_create. */
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
struct shared_rates;

/* NULL when memory is short. [control] */
struct sched *sched_create(const struct sched_conf *conf);
void sched_destroy(struct sched *s);

const char *sched_mode_text(enum sched_mode mode);

/* Changes mode and slice, in force from the next pick on. -EINVAL for an unknown mode or a slice of
 * 0. [worker] */
int sched_set_conf(struct sched *s, enum sched_mode mode, uint32_t slice_us);

/* Tenants and VMs that the scheduler knows. Budgets must be valid (budget_validate). -EINVAL for an
 * id that is out of range, to be added and there already, or to be changed and not there, and for a
 * VM whose tenant is not there. Removing a tenant removes its VMs. [worker] */
int sched_add_tenant(struct sched *s, uint16_t tenant, const struct budget *b);
int sched_set_tenant(struct sched *s, uint16_t tenant, const struct budget *b);
void sched_remove_tenant(struct sched *s, uint16_t tenant);
int sched_add_vm(struct sched *s, uint16_t vm, uint16_t tenant, const struct budget *b);
int sched_set_vm(struct sched *s, uint16_t vm, const struct budget *b);
void sched_remove_vm(struct sched *s, uint16_t vm);

/* Makes a tenant's rates a part of those that all workers share, which the caller sets to the same.
 * They have to last until the tenant is removed. [worker] */
void sched_share_tenant(struct sched *s, uint16_t tenant, struct shared_rates *of);

/* Whether another worker serves the VM's rings, so that it has only packets here that it handed
 * over: rates do not hold those up. [worker] */
void sched_set_away(struct sched *s, uint16_t vm, bool is_away);

/* sched_wake: the VM has work; cheap and without effect when that is known. sched_sleep: it has
 * none any more. [worker] */
void sched_wake(struct sched *s, uint16_t vm, uint64_t now);
void sched_sleep(struct sched *s, uint16_t vm);

struct sched_grant {
	uint16_t vm;
	uint64_t slice_tsc;
	bool funded; /* served from a guarantee, the VM's own or its tenant's */
};

/* Chooses the VM to serve now; false when no VM has work that may be done now. A sched_charge must
 * follow: a pick does not change the order, so without it the next pick gives the same VM.
 * [worker] */
bool sched_pick(struct sched *s, uint64_t now, struct sched_grant *g);

/* The kernel preempted the worker, at some time between the last sched_charge and `now`. To be
 * called at the start of a service, and at its end before sched_charge. The lengths of a service,
 * of the pause before it and of a funded wait are not recorded if they include that time, and the
 * cost model learns nothing from such a service. [worker] */
void sched_interrupted(struct sched *s, uint64_t now);

/* Charges the VM for the service that just ended, notifications included. The VM goes to sleep
 * unless it has `more` work. [worker] */
void sched_charge(struct sched *s, uint16_t vm, uint64_t now, const struct use *use, bool more);

/* Parks a VM whose work cannot be done before `until`. Others are served meanwhile, and the time
 * does not count as waiting. To be called after sched_charge. False, and nothing is done, for one
 * that has no work, or that a limit holds back already. [worker] */
bool sched_hold(struct sched *s, uint16_t vm, uint64_t until);

/* Ends what sched_hold began, since the VM has other work now. [worker] */
void sched_release(struct sched *s, uint16_t vm, uint64_t now);

/* Bills a part of the service in progress to another VM, `vm`. The VM that is being served does not
 * pay for that part, and its cost model does not learn from it. [worker] */
void sched_charge_instead(struct sched *s, uint16_t vm, uint64_t used_tsc);

/* Bills time spent for a VM outside its services. For a VM of another worker it only goes into the
 * statistics. [worker] */
void sched_charge_other(struct sched *s, uint16_t vm, uint64_t used_tsc);

/* Begins a turn: handles the events that are due. [worker] */
void sched_tick(struct sched *s, uint64_t now);

struct sched_limits {
	uint64_t packets; /* words: see struct cost_limits */
	uint64_t bytes;
	uint64_t descs;
};

/* The limits of a burst when `left_tsc` of the slice is left: at least one packet. [worker] */
struct sched_limits sched_burst(const struct sched *s, uint16_t vm, uint64_t left_tsc);

/* Whether a service should go on when `left_tsc` of its slice is left: not when the next packet is
 * predicted to exceed that, or when it is too little to be worth a burst. [worker] */
bool sched_fits(const struct sched *s, uint16_t vm, uint64_t left_tsc);

/* Whether the VM has rates, its own or its tenant's. [worker] */
bool sched_is_rated(const struct sched *s, uint16_t vm);

/* Whether the VM has a guarantee, its own or its tenant's, from which it is served while the
 * balance is positive. [worker] */
bool sched_has_guarantee(const struct sched *s, uint16_t vm);

/* Whether a VM or a tenant waits to be served from its guarantee. [worker] */
bool sched_funded_waits(const struct sched *s);

/* The time when the first VM may be served, if VMs have work but none may be served now. Else
 * UINT64_MAX. [worker] */
uint64_t sched_next_tsc(const struct sched *s);

struct sched_vm_stats {
	uint64_t services;
	uint64_t used_tsc;   /* in its services and outside */
	uint64_t funded_tsc; /* the part of used_tsc that was paid from guarantees */
	uint64_t longest_service_tsc;
	uint64_t overruns;    /* services longer than the slice */
	uint64_t interrupted; /* services that were interrupted, see sched_interrupted */
	uint64_t longest_overrun_tsc;
	uint64_t waited_tsc; /* time with work and within its and its tenant's limits, but not
				served */
	uint64_t longest_wait_tsc;
	uint64_t longest_funded_wait_tsc; /* while its guarantee's balance was positive; interrupted
					     waits are left out */
	uint64_t throttled;  /* times that a limit held it back, its own or its tenant's */
	int64_t balance_tsc; /* what is left of its guarantee, else of its limit, else how far it is
				ahead of its fair share, as a debt; negative: debt */
};

/* [worker] */
void sched_get_stats(const struct sched *s, uint16_t vm, struct sched_vm_stats *stats);

/* Resets the longest times: those of a VM, and the longest pause and overrun of the worker (below).
 * Counters, sums and histograms are kept. [worker] */
void sched_reset_vm_peaks(struct sched *s, uint16_t vm);
void sched_reset_peaks(struct sched *s);

enum sched_hist_kind { SCHED_HIST_SERVICE, SCHED_HIST_WAIT, SCHED_HIST_COUNT };

/* Adds another worker's statistics of the same VM: counters are summed, of longest times the longer
 * is kept. The balance is left out, since it is one worker's. [any] */
void sched_add_stats(struct sched_vm_stats *to, const struct sched_vm_stats *other);

/* Histograms of how long the VM's services, and its waits for them, took; NULL for a VM that is not
 * there. [worker] */
const struct hist *sched_hist(const struct sched *s, uint16_t vm, enum sched_hist_kind kind);

/* The longest pause so far between two services, of which the second was waited for: what the
 * worker does between services, and what the machine takes away from it there. [worker] */
uint64_t sched_longest_pause_tsc(const struct sched *s);

/* The longest time so far by which a service of any VM exceeded its slice. [worker] */
uint64_t sched_longest_overrun_tsc(const struct sched *s);

/* The number of services that the bound below counts: one for each guarantee. [worker] */
unsigned sched_bound_services(const struct sched *s);

/* The longest that the VM can wait for a service, from sched_wake on, while its own guarantee has a
 * positive balance and no limit holds it back. `packet_tsc` is the longest that a service can
 * exceed its slice by. UINT64_MAX for a VM without a guarantee of its own. [worker] */
uint64_t sched_bound_tsc(const struct sched *s, uint16_t vm, uint64_t packet_tsc);

#endif
