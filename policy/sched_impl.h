/* SPDX-License-Identifier: BSD-3-Clause */
/* The scheduler's inside, for policy/sched*.c only.
 *
 * A VM that has work is in one place:
 * - the ring: those with a positive balance of their own guarantee, first come first served. In the
 *   modes none and rate everybody with work is in it;
 * - its tenant's tree: the others, by virtual time. A tenant with a tree that is not empty is in
 * the ring itself while its own guarantee has a positive balance, else among the tenants, by
 * virtual time;
 * - parked: those whose limit is used up, until their event.
 * An event is also due when a balance turns positive again. All memory is allocated at creation;
 * what is not used is never touched. */
#ifndef POLICY_SCHED_IMPL_H
#define POLICY_SCHED_IMPL_H

#include "policy/cost.h"
#include "policy/heap.h"
#include "policy/rate.h"
#include "policy/sched.h"

/* Ids in the ring and among the events: VMs, then tenants. */
#define TENANT_ID(t) ((uint16_t)(SCHED_MAX_VMS + (t)))
#define ID_COUNT     (SCHED_MAX_VMS + SCHED_MAX_TENANTS)
#define RING_HEAD    ID_COUNT

/* Virtual time moves by this over the weight for each cycle used. */
#define VTIME_ONE ((uint64_t)1 << 24)

/* By how much virtual time a VM goes after others of the same virtual time for each cycle that its
 * services typically take: the same for all weights. */
#define VTIME_PER_TYPICAL (VTIME_ONE / 50)

/* The clock of whoever sleeps stands still while those of others move on, and would seem to be
 * ahead of theirs once they are half a round away: two minutes at 5 GHz and weight 1. */
#define VTIME_LIFE_S 10

enum place { PLACE_NONE, PLACE_RING, PLACE_TREE, PLACE_PARKED };

/* The budget of a VM or a tenant at work. */
struct allowance {
	struct budget budget;
	uint64_t inv_weight; /* VTIME_ONE / weight */
	uint64_t vtime;
	uint64_t vtime_tsc; /* when it was last set */
	bool is_gated;      /* has any of the last three */
	bool is_rated;      /* has one of the last two */
	struct rate credit;
	struct rate limit;
	struct rate bits;
	struct rate packets;
};

struct account {
	bool is_used;
	bool is_awake;
	uint8_t place;
	uint16_t tenant;
	uint64_t waiting_since;
	uint64_t funded_since;
	uint64_t typical_tsc; /* what its services took of late, a slice at most */
	struct allowance allowance;
	struct cost cost;
	struct sched_vm_stats stats;
};

struct tenant_account {
	bool is_used;
	struct allowance allowance;
	uint16_t n_awake;
	uint64_t held_until; /* by its limits, the last time that they held it */
	uint64_t clock;      /* virtual times within the tenant, as those among tenants below */
	uint64_t floor;
	struct heap tree;
};

struct link {
	uint16_t next;
	uint16_t prev;
};

struct sched {
	uint64_t tsc_hz;
	uint64_t slice_tsc;
	uint64_t debt_tsc;     /* debt beyond this is forgiven */
	int64_t credit_room;   /* the sum of all credit caps */
	uint32_t n_guarantees; /* VMs and tenants that have one */
	enum sched_mode mode;
	uint64_t now;
	uint64_t served_until; /* the end of the last service */
	uint64_t longest_overrun_tsc;
	uint64_t longest_pause_tsc; /* between it and the next one, while that one was waited for */
	uint64_t instead_tsc;       /* of the service under way, paid by others */
	bool has_interrupt;
	uint64_t interrupt_tsc; /* when the kernel last took the core away, or later */
	/* Virtual times among tenants: that of who was served last, where those who wake up begin;
	 * and the least that anybody who goes on can have, where those who were held back do. */
	uint64_t clock;
	uint64_t floor;
	struct heap tenants;
	struct heap events;
	struct link ring[ID_COUNT + 1];
	struct account vm[SCHED_MAX_VMS];
	struct tenant_account tenant[SCHED_MAX_TENANTS];

	/* The heaps' memory. A VM is in one tree at most: trees share the positions. */
	uint16_t tree_at[SCHED_MAX_VMS];
	uint16_t tenants_at[SCHED_MAX_TENANTS];
	uint16_t events_at[ID_COUNT];
	struct heap_node tenants_node[SCHED_MAX_TENANTS];
	struct heap_node events_node[ID_COUNT];
	struct heap_node tree_node[SCHED_MAX_TENANTS][SCHED_MAX_VMS];
	struct hist hist[SCHED_MAX_VMS][SCHED_HIST_COUNT];
};

/* How far the allowance is ahead of a clock, which is what it owes those who follow the clock:
 * never more than the clamp, and nothing that is older than VTIME_LIFE_S. */
static inline uint64_t allowance_ahead(const struct sched *s, const struct allowance *p,
				       uint64_t clock)
{
	uint64_t most = s->debt_tsc * p->inv_weight;
	int64_t ahead = (int64_t)(p->vtime - clock);

	if (ahead < 0 || s->now - p->vtime_tsc > VTIME_LIFE_S * s->tsc_hz)
		return 0;
	return (uint64_t)ahead < most ? (uint64_t)ahead : most;
}

/* Puts a VM that has work where it belongs now, takes it out of where it is, does both. */
void sched_place(struct sched *s, uint16_t vm);
void sched_unplace(struct sched *s, uint16_t vm);
void sched_place_tenant(struct sched *s, uint16_t tenant);

/* After the clock has jumped back. */
void sched_replace_all(struct sched *s);

#endif
