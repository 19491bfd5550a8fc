/* SPDX-License-Identifier: BSD-3-Clause */
/* A scheduler with VMs that it serves, on a clock of the test's: what the loop does, without
 * packets. A VM has work without end unless its backlog says otherwise, and its packets cost what
 * the test says. All fields are public; the test sets costs and sizes, and looks at what was used.
 */
#ifndef FAKE_SCHED_RIG_H
#define FAKE_SCHED_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/sched.h"

#define HZ    2000000000ull
#define US    (HZ / 1000000)
#define SLICE (SCHED_DEFAULT_SLICE_US * US)
#define DEBT  (1000 * US) /* the most that a VM can owe */

#define SCHED_RIG_VMS     24
#define SCHED_RIG_ENDLESS UINT32_MAX

struct sched_rig {
	struct sched *s;
	uint64_t now;
	uint64_t seed;

	/* What the VMs send; packet() tells what the next one costs, NULL: cost[vm]. */
	uint64_t (*packet)(struct sched_rig *r, uint16_t vm);
	uint64_t cost[SCHED_RIG_VMS]; /* cycles of a packet */
	uint64_t dear[SCHED_RIG_VMS]; /* 0, or what packets cost for a while */
	uint32_t bytes[SCHED_RIG_VMS];
	uint32_t backlog[SCHED_RIG_VMS]; /* packets; at 0 the VM sleeps */
	uint64_t sent[SCHED_RIG_VMS];    /* packets ever */

	/* What came of it. */
	uint64_t used[SCHED_RIG_VMS];
	uint64_t packets[SCHED_RIG_VMS];
	uint32_t longest[SCHED_RIG_VMS]; /* packets in one service */
	uint64_t idle;
	uint64_t longest_overrun; /* of a service, beyond SLICE */
};

/* All packets cost 200 cycles and have 64 bytes. The clock may start anywhere. */
void sched_rig_open(struct sched_rig *r, enum sched_mode mode);
void sched_rig_open_at(struct sched_rig *r, enum sched_mode mode, uint64_t now);

/* In the mode time, from `now` on: VM i's packets cost 200 + 150 * i cycles, those of one with
 * dear[i] set by turns of 50 that much; and one in 200 takes as long as a slice or two. */
void sched_rig_open_erratic(struct sched_rig *r, uint64_t now);
void sched_rig_close(struct sched_rig *r);

/* Adds a VM that has work, and its tenant with a default budget when that is not there. */
void sched_rig_add(struct sched_rig *r, uint16_t vm, uint16_t tenant, struct budget b);

struct budget sched_rig_budget(uint32_t weight, uint32_t guarantee_us, uint32_t burst_us);

/* One service as the loop does it, of which `gap` cycles are lost. */
void sched_rig_serve(struct sched_rig *r, const struct sched_grant *g, uint64_t gap);

/* One service of whoever is picked (somebody has to be) that takes `used` cycles, whatever its
 * packets cost. */
struct sched_grant sched_rig_step(struct sched_rig *r, uint64_t used, uint32_t packets);

/* Services, and rests until somebody may be served again. */
void sched_rig_run(struct sched_rig *r, uint64_t tsc);

/* Forgets what was used, sent and idle so far. */
void sched_rig_forget(struct sched_rig *r);

struct sched_vm_stats sched_rig_stats(const struct sched_rig *r, uint16_t vm);

/* The next of a sequence of random numbers. */
uint64_t sched_rig_random(uint64_t *seed);

#endif
