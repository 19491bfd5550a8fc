/* SPDX-License-Identifier: BSD-3-Clause */
/* Whom a worker serves next, and for how long. One scheduler per worker, used by that worker alone.
 * Times are TSC cycles that the caller read; nothing here reads a clock. */
#ifndef POLICY_SCHED_H
#define POLICY_SCHED_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/budget.h"

#define SCHED_MAX_VMS	       1024
#define SCHED_DEFAULT_SLICE_US 20
#define SCHED_DEFAULT_MODE     SCHED_MODE_NONE

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

/* In force from the next pick on. -ENOTSUP for a mode that is not there. [worker] */
int sched_set_conf(struct sched *s, enum sched_mode mode, uint32_t slice_us);

/* [worker] */
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
	bool funded;
};

/* Whom to serve now; false when nobody has work that may be done now. [worker] */
bool sched_pick(struct sched *s, uint64_t now, struct sched_grant *g);

/* What a service, flush included, used. [worker] */
void sched_charge(struct sched *s, uint16_t vm, uint64_t now, uint64_t used_tsc, uint32_t packets,
		  uint32_t bytes, uint32_t descs);

/* Time spent for a VM outside its services; the VM may be another worker's. [worker] */
void sched_charge_other(struct sched *s, uint16_t vm, uint64_t used_tsc);

/* The top of a turn. [worker] */
void sched_tick(struct sched *s, uint64_t now);

struct sched_limits {
	uint16_t packets;
	uint32_t bytes;
	uint32_t descs;
};

/* How much to take at once when `left_tsc` of the slice is left. [worker] */
struct sched_limits sched_burst(const struct sched *s, uint16_t vm, uint64_t left_tsc);

/* When somebody has work but nobody may do it now: when the first may. Else UINT64_MAX. [worker] */
uint64_t sched_next_tsc(const struct sched *s);

struct sched_vm_stats {
	uint64_t services;
	uint64_t used_tsc; /* in services and outside */
	uint64_t longest_service_tsc;
	uint64_t overruns; /* services longer than their slice */
	uint64_t longest_overrun_tsc;
	uint64_t waited_tsc; /* with work and not served */
	uint64_t longest_wait_tsc;
	int64_t balance_tsc; /* guaranteed time that it may still use; negative: its debt */
};

/* [worker] */
void sched_get_stats(const struct sched *s, uint16_t vm, struct sched_vm_stats *stats);

#endif
