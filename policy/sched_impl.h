/* SPDX-License-Identifier: BSD-3-Clause */
/* The scheduler's internals, for policy/sched*.c only.
 *
 * A VM that has work is in one place:
 * - the ring: VMs with a positive balance of their own guarantee, in FIFO order. In the modes none
 *   and rate every VM with work is in it;
 * - its tenant's tree: the other VMs, ordered by virtual time. A tenant whose tree is not empty is
 *   in the ring itself while its own guarantee has a positive balance, else in the heap of tenants,
 *   ordered by virtual time, and in neither while its limit is used up;
 * - parked: VMs whose limit is used up or whose work has to wait, until their event.
 * Another event is due when the balance of a guarantee turns positive again. All memory is
 * allocated at creation; unused parts are never touched. */
#ifndef POLICY_SCHED_IMPL_H
#define POLICY_SCHED_IMPL_H

#include "policy/cost.h"
#include "policy/heap.h"
#include "policy/rate.h"
#include "policy/rates.h"
#include "policy/sched.h"
#include "policy/shared_rate.h"

/* Ids in the ring and in the heap of events: VMs, then tenants. */
#define TENANT_ID(t) ((uint16_t)(SCHED_MAX_VMS + (t)))
#define ID_COUNT     (SCHED_MAX_VMS + SCHED_MAX_TENANTS)
#define RING_HEAD    ID_COUNT

/* Virtual time advances by VTIME_ONE / weight for each cycle used. */
#define VTIME_ONE ((uint64_t)1 << 24)

/* Virtual time that is added to a VM's key for each cycle that its services typically take: the
 * same for all weights. Of VMs with the same virtual time, the one with the shortest services goes
 * first. */
#define VTIME_PER_TYPICAL (VTIME_ONE / 50)

/* Virtual times older than this are ignored. A sleeping VM's virtual time stands still while the
 * others advance; after half of the 64-bit range (two minutes at 5 GHz and weight 1) it would
 * compare as later than theirs. */
#define VTIME_LIFE_S 10

enum place { PLACE_NONE, PLACE_RING, PLACE_TREE, PLACE_PARKED };

/* A worker's part of a rate that all workers share. Its bucket is not refilled as time passes: it
 * has what is left of the chunk that was taken last. */
struct share {
	struct shared_rate *of; /* NULL: the rate is this worker's alone */
	int64_t chunk;
	uint64_t since; /* the last chunk may be used from then on */
};

/* A budget at work: the virtual time and token buckets of a VM or a tenant. */
struct allowance {
	struct budget budget;
	uint64_t inv_weight; /* VTIME_ONE / weight */
	uint64_t vtime;
	uint64_t vtime_tsc; /* when it was last set */
	bool is_gated;      /* has `limit` or `rates` in use */
	bool is_rated;      /* has `rates` in use */
	struct rate credit;
	struct rate limit;
	struct rates rates;
	struct share bits; /* of `rates` */
	struct share packets;
};

struct account {
	bool is_used;
	bool is_awake;
	bool is_away; /* another worker serves its rings */
	uint8_t place;
	uint16_t tenant;
	uint64_t waiting_since;
	uint64_t funded_since;
	uint64_t typical_tsc; /* length of its recent services, a slice at most */
	struct allowance allowance;
	struct cost cost;
	struct sched_vm_stats stats;
};

struct tenant_account {
	bool is_used;
	struct allowance allowance;
	uint16_t n_awake;
	uint16_t n_home;     /* of those, the ones that are not away */
	uint64_t held_until; /* when one of its limits last let it go */
	uint64_t clock;      /* virtual times within the tenant; see those among tenants below */
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
	uint32_t n_guarantees; /* VMs and tenants that have a guarantee */
	enum sched_mode mode;
	uint64_t now;
	uint64_t served_until; /* the end of the last service */
	uint64_t longest_overrun_tsc;
	uint64_t longest_pause_tsc; /* between two services, of which the second was waited for */
	uint64_t instead_tsc;       /* part of the service in progress that other VMs pay */
	bool has_interrupt;
	uint64_t interrupt_tsc; /* when the worker's last preemption was reported */
	/* Virtual times among tenants. `clock` is that of the tenant served last from the heap,
	 * where tenants that wake up begin. `floor` is the least that any waiting tenant can have,
	 * where tenants begin that a limit or a guarantee kept out of the heap. */
	uint64_t clock;
	uint64_t floor;
	struct heap tenants;
	struct heap events;
	struct link ring[ID_COUNT + 1];
	struct account vm[SCHED_MAX_VMS];
	struct tenant_account tenant[SCHED_MAX_TENANTS];

	/* The heaps' memory. A VM is in one tree at most, so trees share the array of positions. */
	uint16_t tree_at[SCHED_MAX_VMS];
	uint16_t tenants_at[SCHED_MAX_TENANTS];
	uint16_t events_at[ID_COUNT];
	struct heap_node tenants_node[SCHED_MAX_TENANTS];
	struct heap_node events_node[ID_COUNT];
	struct heap_node tree_node[SCHED_MAX_TENANTS][SCHED_MAX_VMS];
	struct hist hist[SCHED_MAX_VMS][SCHED_HIST_COUNT];
};

/* How far the allowance's virtual time is ahead of `clock`, which is its debt to those that the
 * clock stands for. Never more than the clamp (debt_tsc), and 0 when it is older than
 * VTIME_LIFE_S. */
static inline uint64_t allowance_ahead(const struct sched *s, const struct allowance *p,
				       uint64_t clock)
{
	uint64_t most = s->debt_tsc * p->inv_weight;
	int64_t ahead = (int64_t)(p->vtime - clock);

	if (ahead < 0 || s->now - p->vtime_tsc > VTIME_LIFE_S * s->tsc_hz)
		return 0;
	return (uint64_t)ahead < most ? (uint64_t)ahead : most;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Whether the worker was preempted after `since`. */
static inline bool sched_was_interrupted(const struct sched *s, uint64_t since)
{
	return s->has_interrupt && heap_before(since, s->interrupt_tsc);
}

/* Counts a service that took `used` cycles until `now`, and the wait before it. */
void sched_count_service(struct sched *s, uint16_t vm, uint64_t now, uint64_t used);

/* Put a VM with work into its place (ring, tree or parked), take it out of its place, and do both
 * for a tenant. */
void sched_place(struct sched *s, uint16_t vm);
void sched_unplace(struct sched *s, uint16_t vm);
void sched_place_tenant(struct sched *s, uint16_t tenant);

/* Gives back what is in hand of rates that all workers share. */
void sched_give_back(const struct sched *s, struct allowance *p);

/* Places all VMs with work anew, after the clock has jumped back. */
void sched_replace_all(struct sched *s);

#endif
