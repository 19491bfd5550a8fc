/* SPDX-License-Identifier: BSD-3-Clause */
/* Compares ways to schedule by CPU time: the same VMs with the same packets, served one service
 * after the other on a clock that only moves when somebody works. Nothing depends on the machine:
 * every run prints the same numbers. */
#ifndef BENCH_SIM_H
#define BENCH_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hist.h"
#include "policy/rate.h"

#define SIM_HZ       2000000000ull
#define SIM_US       (SIM_HZ / 1000000)
#define SIM_NS(ns)   ((uint64_t)(ns)*SIM_US / 1000)
#define SIM_SLICE_US 20
#define SIM_SLICE    (SIM_SLICE_US * SIM_US)
#define SIM_MAX_VMS  64

/* --- workloads --- */

enum sim_demand {
	SIM_BACKLOGGED, /* always has more */
	SIM_BURSTS,     /* so many packets at once, then a pause */
	SIM_TOGETHER,   /* the same, all of this kind at the same times */
};

struct sim_vm_spec {
	unsigned tenant; /* all tenants have the same weight */
	uint32_t weight;
	uint32_t guarantee_us; /* in each millisecond */
	enum sim_demand demand;
	uint32_t cost_ns;     /* of a packet */
	uint32_t tail;        /* one packet in so many costs up to 40 us; 0: none */
	uint32_t dear_ns;     /* what others cost, `run` in a row */
	uint32_t run;         /* 0: all are ordinary */
	uint32_t between;     /* ordinary ones between two runs */
	uint32_t packets_max; /* in a burst */
	uint32_t gap_us;      /* between the starts of bursts, on average */
};

struct sim_workload {
	char name[24];
	const char *text;
	unsigned n_vms;
	int light; /* the VM whose waits are shown by themselves; -1: all that are funded */
	struct sim_vm_spec vm[SIM_MAX_VMS];
};

/* Fills *w with the i-th workload; false when there is none. */
bool sim_workload(unsigned i, struct sim_workload *w);

/* A VM's part of the worker when all have work: its guarantee, and its weight's part of its
 * tenant's part of the rest. */
double sim_share(const struct sim_workload *w, unsigned vm);

/* --- schedulers --- */

struct sim_grant {
	unsigned vm;
	uint64_t slice_tsc;
};

struct sim_ops {
	void (*close)(void *self);
	void (*wake)(void *self, unsigned vm, uint64_t now);
	void (*sleep)(void *self, unsigned vm);
	bool (*pick)(void *self, uint64_t now, struct sim_grant *g);
	/* Packets to take at once when so much of the slice is left; 0 ends the service, but not
	 * before the first. */
	unsigned (*burst)(void *self, unsigned vm, uint64_t left_tsc);
	/* Whether a service has to end between two bursts, now that VMs with guarantees were looked
	 * at; NULL: it never has to, and they are not. */
	bool (*yields)(void *self);
	void (*charge)(void *self, unsigned vm, uint64_t now, uint64_t used, uint32_t packets);
};

/* Two that differ in a detail have the same operations, and the detail in what open gives. */
struct sim_algo {
	const char *name;
	const char *text;
	void *(*open)(const struct sim_workload *w);
	const struct sim_ops *ops;
};

extern const struct sim_algo sim_replenish;       /* batches of 16 */
extern const struct sim_algo sim_replenish_sized; /* bursts sized by learned cost */
extern const struct sim_algo sim_drr;
extern const struct sim_algo sim_sfq;
extern const struct sim_algo sim_eevdf;
extern const struct sim_algo sim_stint; /* policy/sched.c */

/* --- a run --- */

struct sim_result {
	struct hist wait; /* of funded VMs */
	uint64_t services;
	uint64_t used_tsc;
	uint64_t idle_tsc; /* while somebody had work */
	uint64_t longest_overrun_tsc;
	double share_error_10ms; /* percent, the worst VM in the worst window */
	double share_error_100ms;
	double lowest_guarantee; /* percent of it got by who wanted it all, in 10 ms; 0: none has
				    one */
};

/* Simulates `ms` milliseconds. */
void sim_run(const struct sim_workload *w, const struct sim_algo *a, unsigned ms,
	     struct sim_result *r);

#endif
