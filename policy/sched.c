/* SPDX-License-Identifier: BSD-3-Clause */
/* The scheduler: the part that runs for every service. */
#include "policy/sched_impl.h"

/* A service ends when less than this part of its slice is left: bursts get small towards the end,
 * and each has a fixed cost of some packets. */
#define LAST_BURST 16

static bool ring_is_empty(const struct sched *s)
{
	return s->ring[RING_HEAD].next == RING_HEAD;
}

static bool ring_has(const struct sched *s, uint16_t id)
{
	return s->ring[id].next != id;
}

static void ring_add(struct sched *s, uint16_t id)
{
	uint16_t last = s->ring[RING_HEAD].prev;

	s->ring[id] = (struct link){RING_HEAD, last};
	s->ring[last].next = id;
	s->ring[RING_HEAD].prev = id;
}

static void ring_remove(struct sched *s, uint16_t id)
{
	struct link l = s->ring[id];

	s->ring[l.prev].next = l.next;
	s->ring[l.next].prev = l.prev;
	s->ring[id] = (struct link){id, id};
}

/* Advances the scheduler's time. It goes back only when the clock itself jumped, by more than a
 * second. */
static void advance(struct sched *s, uint64_t now)
{
	int64_t passed = (int64_t)(now - s->now);

	if (passed > 0) {
		s->now = now;
	} else if (passed < -(int64_t)s->tsc_hz) {
		s->now = now;
		sched_replace_all(s);
	}
}

/* As rate_wait(). Of a rate that all workers share, another chunk is taken when the last one is
 * used up, and what was used beyond that is paid with it. */
static uint64_t wait_for(struct share *p, struct rate *r, uint64_t now, uint64_t ready)
{
	if (!p->of || !rate_in_use(r))
		return rate_wait(r, now, ready);
	if (r->level <= 0) {
		p->since = shared_rate_take(p->of, (uint64_t)(p->chunk - r->level), now);
		r->level = p->chunk;
	}
	if (!heap_before(now, p->since))
		return ready;
	return ready == 0 || heap_before(ready, p->since) ? p->since : ready;
}

/* The time when the allowance's limits allow a service; 0: now. Rates do not hold up VMs that are
 * away: their packets were counted where they were sent. */
static uint64_t gate(const struct sched *s, struct allowance *p, bool is_home)
{
	uint64_t ready = 0;

	if (!p->is_gated || s->mode == SCHED_MODE_NONE)
		return 0;
	if (s->mode == SCHED_MODE_TIME)
		ready = rate_wait(&p->limit, s->now, ready);
	if (!is_home)
		return ready;
	ready = wait_for(&p->bits, &p->rates.bits, s->now, ready);
	return wait_for(&p->packets, &p->rates.packets, s->now, ready);
}

/* Sets the virtual time of a VM or tenant that joins others, whose virtual time is `clock`. It
 * brings neither saved-up time nor more debt than the clamp. */
static void come_to(const struct sched *s, struct allowance *p, uint64_t clock)
{
	p->vtime = clock + allowance_ahead(s, p, clock);
	p->vtime_tsc = s->now;
}

static void clamp_debt(const struct sched *s, struct allowance *p, uint64_t clock)
{
	if (heap_before(clock, p->vtime))
		p->vtime = clock + allowance_ahead(s, p, clock);
}

static void move_vtime(const struct sched *s, struct allowance *p, uint64_t used)
{
	p->vtime += used * p->inv_weight;
	p->vtime_tsc = s->now;
}

static uint16_t tree_top(const struct tenant_account *t)
{
	return t->tree.node[0].id;
}

/* Keys of a VM in its tenant's tree, and of a tenant in the heap of tenants. Virtual time alone
 * would be fair. The length of the next service is predicted and added so that, of VMs that have
 * used no more than their share, the one that keeps others waiting the least goes first. */
static uint64_t vm_key(const struct account *a)
{
	return a->allowance.vtime + a->typical_tsc * VTIME_PER_TYPICAL;
}

static uint64_t tenant_key(const struct sched *s, const struct tenant_account *t)
{
	return t->allowance.vtime + s->vm[tree_top(t)].typical_tsc * VTIME_PER_TYPICAL;
}

/* Updates the tenant's key after a change of its tree's top or of its virtual time. */
static void rekey_tenant(struct sched *s, uint16_t tenant)
{
	if (heap_has(&s->tenants, tenant))
		heap_move(&s->tenants, tenant, tenant_key(s, &s->tenant[tenant]));
}

void sched_place_tenant(struct sched *s, uint16_t tenant)
{
	struct tenant_account *t = &s->tenant[tenant];
	uint16_t id = TENANT_ID(tenant);
	uint64_t ready;

	if (ring_has(s, id))
		ring_remove(s, id);
	heap_remove(&s->events, id);
	ready = t->tree.n ? gate(s, &t->allowance, t->n_home > 0) : 0;
	if (t->tree.n == 0 || ready != 0) {
		heap_remove(&s->tenants, tenant);
		if (ready != 0) {
			s->vm[tree_top(t)].stats.throttled++;
			heap_add(&s->events, id, ready);
		}
		return;
	}
	if (rate_in_use(&t->allowance.credit)) {
		rate_refill(&t->allowance.credit, s->now, t->allowance.credit.cap);
		if (t->allowance.credit.level > 0) {
			heap_remove(&s->tenants, tenant);
			ring_add(s, id);
			return;
		}
		heap_add(&s->events, id, rate_ready_tsc(&t->allowance.credit));
	}
	come_to(s, &t->allowance, s->floor);
	heap_set(&s->tenants, tenant, tenant_key(s, t));
}

static void park(struct sched *s, uint16_t vm, uint64_t until)
{
	s->vm[vm].place = PLACE_PARKED;
	s->vm[vm].stats.throttled++;
	heap_add(&s->events, vm, until);
}

static void place_in_tree(struct sched *s, uint16_t vm)
{
	struct account *a = &s->vm[vm];
	struct tenant_account *t = &s->tenant[a->tenant];

	a->place = PLACE_TREE;
	come_to(s, &a->allowance, t->floor);
	heap_add(&t->tree, vm, vm_key(a));
	if (rate_in_use(&a->allowance.credit))
		heap_add(&s->events, vm, rate_ready_tsc(&a->allowance.credit));
	if (t->tree.n == 1)
		sched_place_tenant(s, a->tenant);
	else
		rekey_tenant(s, a->tenant);
}

void sched_place(struct sched *s, uint16_t vm)
{
	struct account *a = &s->vm[vm];
	struct rate *credit = &a->allowance.credit;
	uint64_t ready = gate(s, &a->allowance, !a->is_away);

	if (ready != 0) {
		park(s, vm, ready);
		return;
	}
	if (s->mode == SCHED_MODE_TIME) {
		/* A VM that waits for its turn cannot use its credit, so the credit is not capped
		 * at the VM's own burst meanwhile. */
		if (rate_in_use(credit))
			rate_refill(credit, s->now, s->credit_room);
		if (credit->level <= 0) {
			place_in_tree(s, vm);
			return;
		}
	}
	a->place = PLACE_RING;
	a->funded_since = s->now;
	ring_add(s, vm);
}

void sched_unplace(struct sched *s, uint16_t vm)
{
	struct account *a = &s->vm[vm];
	struct tenant_account *t = &s->tenant[a->tenant];

	if (a->place == PLACE_RING)
		ring_remove(s, vm);
	heap_remove(&s->events, vm);
	if (a->place == PLACE_TREE) {
		heap_remove(&t->tree, vm);
		if (t->tree.n == 0)
			sched_place_tenant(s, a->tenant);
		else
			rekey_tenant(s, a->tenant);
	}
	a->place = PLACE_NONE;
}

/* Credit that accrues while the VM has no work, or a limit holds it back, is capped at the VM's own
 * burst. */
static void refill_capped(struct sched *s, struct account *a)
{
	struct rate *credit = &a->allowance.credit;

	if (!rate_in_use(credit))
		return;
	if (credit->level > credit->cap)
		credit->level = credit->cap;
	rate_refill(credit, s->now, credit->cap);
}

static void on_event(struct sched *s, uint16_t id, uint64_t due)
{
	struct account *a;

	if (id >= SCHED_MAX_VMS) {
		uint16_t tenant = (uint16_t)(id - SCHED_MAX_VMS);

		/* Otherwise its guarantee has a balance again, and its VMs waited all the time. */
		if (!heap_has(&s->tenants, tenant))
			s->tenant[tenant].held_until = due;
		sched_place_tenant(s, tenant);
		return;
	}
	a = &s->vm[id];
	if (a->place == PLACE_PARKED) {
		refill_capped(s, a);
		a->waiting_since = due;
	}
	sched_unplace(s, id);
	sched_place(s, id);
	if (a->place == PLACE_RING)
		a->funded_since = due;
}

static void run_events(struct sched *s)
{
	while (s->events.n > 0 && !heap_before(s->now, s->events.node[0].key)) {
		struct heap_node e = s->events.node[0];

		heap_remove(&s->events, e.id);
		on_event(s, e.id, e.key);
	}
}

void sched_wake(struct sched *s, uint16_t vm, uint64_t now)
{
	struct account *a = &s->vm[vm];
	struct tenant_account *t = &s->tenant[a->tenant];

	if (a->is_awake || !a->is_used)
		return;
	advance(s, now);
	a->is_awake = true;
	come_to(s, &a->allowance, t->clock);
	if (t->n_awake++ == 0)
		come_to(s, &t->allowance, s->clock);
	t->n_home += !a->is_away;
	a->waiting_since = s->now;
	refill_capped(s, a);
	sched_place(s, vm);
}

static void give_back(const struct share *p, struct rate *r, uint64_t now)
{
	if (!p->of || !rate_in_use(r))
		return;
	if (r->level > 0)
		shared_rate_give(p->of, (uint64_t)r->level);
	else if (r->level < 0)
		shared_rate_take(p->of, (uint64_t)-r->level, now);
	r->level = 0;
}

void sched_give_back(const struct sched *s, struct allowance *p)
{
	give_back(&p->bits, &p->rates.bits, s->now);
	give_back(&p->packets, &p->rates.packets, s->now);
}

void sched_sleep(struct sched *s, uint16_t vm)
{
	struct account *a = &s->vm[vm];
	struct tenant_account *t = &s->tenant[a->tenant];

	if (!a->is_awake)
		return;
	a->is_awake = false;
	t->n_awake--;
	t->n_home -= !a->is_away;
	sched_unplace(s, vm);
	refill_capped(s, a);
	if (t->n_home == 0)
		sched_give_back(s, &t->allowance);
}

/* The first VM in the ring whose tenant's limits allow a service; VMs before it are parked. -1:
 * none. */
static int ring_first(struct sched *s)
{
	while (!ring_is_empty(s)) {
		uint16_t id = s->ring[RING_HEAD].next;
		uint64_t ready;

		if (id >= SCHED_MAX_VMS)
			return tree_top(&s->tenant[id - SCHED_MAX_VMS]);
		ready = gate(s, &s->tenant[s->vm[id].tenant].allowance, !s->vm[id].is_away);
		if (ready == 0)
			return id;
		sched_unplace(s, id);
		park(s, id, ready);
	}
	return -1;
}

bool sched_pick(struct sched *s, uint64_t now, struct sched_grant *g)
{
	struct tenant_account *t;
	int vm;

	advance(s, now);
	run_events(s);
	vm = ring_first(s);
	g->funded = vm >= 0 && s->mode == SCHED_MODE_TIME;
	if (vm < 0) {
		if (s->tenants.n == 0)
			return false;
		t = &s->tenant[s->tenants.node[0].id];
		vm = tree_top(t);
		s->clock = t->allowance.vtime;
		s->floor = s->tenants.node[0].key - s->slice_tsc * VTIME_PER_TYPICAL;
	}
	t = &s->tenant[s->vm[vm].tenant];
	if (s->vm[vm].place == PLACE_TREE) {
		t->clock = s->vm[vm].allowance.vtime;
		t->floor = t->tree.node[0].key - s->slice_tsc * VTIME_PER_TYPICAL;
	}
	g->vm = (uint16_t)vm;
	g->slice_tsc = s->slice_tsc;
	/* Packets are counted after a service, so this one is a single burst, sized by what the
	 * rates allow. */
	if (s->mode != SCHED_MODE_NONE && (s->vm[vm].allowance.is_rated || t->allowance.is_rated))
		g->slice_tsc = 1;
	return true;
}

/* A long service is remembered at once, and forgotten over some short ones. A service that took no
 * packets does not count as short. */
static void learn_typical(const struct sched *s, struct account *a, uint64_t used, uint32_t packets)
{
	used = used < s->slice_tsc ? used : s->slice_tsc;
	if (used > a->typical_tsc)
		a->typical_tsc = used;
	else if (packets)
		a->typical_tsc -= (a->typical_tsc - used + 7) / 8;
}

/* Refills the bucket, then charges it. In the other order, tokens that accrued during the service
 * would repay debt that the clamp has already cut. */
static void spend(const struct sched *s, struct rate *r, int64_t cap, uint64_t used)
{
	if (!rate_in_use(r))
		return;
	rate_refill(r, s->now, cap);
	rate_take(r, used);
}

/* Bills time. The VM's guarantee pays; else the VM's virtual time and its tenant's guarantee; else
 * the virtual times of both. Limits are charged in any case. */
static void pay(struct sched *s, struct account *a, bool by_vm, bool by_tenant, uint64_t used)
{
	struct tenant_account *t = &s->tenant[a->tenant];
	uint64_t bounded = used < s->debt_tsc ? used + 1 : s->debt_tsc;

	spend(s, &a->allowance.limit, a->allowance.limit.cap, used);
	spend(s, &t->allowance.limit, t->allowance.limit.cap, used);
	if (by_vm || by_tenant)
		a->stats.funded_tsc += used;
	if (by_vm) {
		spend(s, &a->allowance.credit, s->credit_room, used);
		return;
	}
	move_vtime(s, &a->allowance, bounded);
	if (by_tenant)
		spend(s, &t->allowance.credit, t->allowance.credit.cap, used);
	else
		move_vtime(s, &t->allowance, bounded);
}

static void count_rates(struct allowance *p, const struct use *use)
{
	rates_take(&p->rates, use->packets - use->unrated_packets,
		   ((uint64_t)use->bytes - use->unrated_bytes + use->header_bytes) * 8);
}

/* Moves a VM that was charged to its new place. */
static void replace_vm(struct sched *s, uint16_t vm)
{
	struct account *a = &s->vm[vm];

	/* The most common case by far: the VM only moves within its tree. */
	if (a->place == PLACE_TREE && !a->allowance.is_gated &&
	    !rate_in_use(&a->allowance.credit)) {
		heap_move(&s->tenant[a->tenant].tree, vm, vm_key(a));
	} else {
		sched_unplace(s, vm);
		sched_place(s, vm);
	}
}

/* The same for its tenant, whose tree may have changed too. */
static void replace_tenant(struct sched *s, uint16_t tenant)
{
	struct tenant_account *t = &s->tenant[tenant];

	if (t->tree.n == 0)
		return;
	if (!t->allowance.is_gated && !rate_in_use(&t->allowance.credit))
		heap_move(&s->tenants, tenant, tenant_key(s, t));
	else
		sched_place_tenant(s, tenant);
}

void sched_interrupted(struct sched *s, uint64_t now)
{
	s->has_interrupt = true;
	s->interrupt_tsc = now;
}

void sched_charge(struct sched *s, uint16_t vm, uint64_t now, const struct use *use, bool more)
{
	struct account *a = &s->vm[vm];
	struct tenant_account *t = &s->tenant[a->tenant];
	bool in_ring = a->place == PLACE_RING;
	uint64_t own_tsc = use->tsc > s->instead_tsc ? use->tsc - s->instead_tsc : 0;

	s->instead_tsc = 0;
	if (!a->is_used)
		return;
	advance(s, now);
	sched_count_service(s, vm, s->now, use->tsc);
	a->stats.used_tsc += own_tsc;
	a->waiting_since = s->now;
	learn_typical(s, a, use->tsc, use->packets);
	if (!sched_was_interrupted(s, s->now - use->tsc))
		cost_learn(&a->cost, own_tsc, use->packets, use->bytes, use->descs);
	if (s->mode != SCHED_MODE_NONE) {
		count_rates(&a->allowance, use);
		count_rates(&t->allowance, use);
	}
	if (s->mode == SCHED_MODE_TIME)
		pay(s, a, in_ring, ring_has(s, TENANT_ID(a->tenant)), own_tsc);
	if (!more)
		sched_sleep(s, vm);
	else if (a->is_awake)
		replace_vm(s, vm);
	replace_tenant(s, a->tenant);
}

bool sched_hold(struct sched *s, uint16_t vm, uint64_t until)
{
	struct account *a = &s->vm[vm];

	if (!a->is_awake || a->place == PLACE_PARKED)
		return false;
	sched_unplace(s, vm);
	a->place = PLACE_PARKED;
	heap_add(&s->events, vm, until);
	return true;
}

void sched_release(struct sched *s, uint16_t vm, uint64_t now)
{
	if (s->vm[vm].place != PLACE_PARKED)
		return;
	advance(s, now);
	refill_capped(s, &s->vm[vm]);
	s->vm[vm].waiting_since = s->now;
	sched_unplace(s, vm);
	sched_place(s, vm);
}

void sched_charge_instead(struct sched *s, uint16_t vm, uint64_t used_tsc)
{
	s->instead_tsc += used_tsc;
	sched_charge_other(s, vm, used_tsc);
}

void sched_charge_other(struct sched *s, uint16_t vm, uint64_t used_tsc)
{
	struct account *a = &s->vm[vm];
	struct tenant_account *t = &s->tenant[a->tenant];

	a->stats.used_tsc += used_tsc;
	if (!a->is_used || s->mode != SCHED_MODE_TIME)
		return;
	/* Virtual times of a VM or tenant that is not queued may be from long ago. */
	if (a->place != PLACE_TREE)
		come_to(s, &a->allowance, a->is_awake ? t->floor : t->clock);
	if (!heap_has(&s->tenants, a->tenant))
		come_to(s, &t->allowance, t->n_awake ? s->floor : s->clock);
	pay(s, a, a->allowance.credit.level > 0, ring_has(s, TENANT_ID(a->tenant)), used_tsc);
	clamp_debt(s, &a->allowance, t->clock);
	clamp_debt(s, &t->allowance, s->clock);
	/* A funded VM keeps its position in the ring: what others cause must not move it to the
	 * end. */
	if (a->place == PLACE_RING && a->allowance.credit.level > 0 &&
	    gate(s, &a->allowance, !a->is_away) == 0)
		return;
	if (a->is_awake) {
		replace_vm(s, vm);
		replace_tenant(s, a->tenant);
	} else {
		rekey_tenant(s, a->tenant);
	}
}

void sched_tick(struct sched *s, uint64_t now)
{
	advance(s, now);
	run_events(s);
}

struct sched_limits sched_burst(const struct sched *s, uint16_t vm, uint64_t left_tsc)
{
	const struct account *a = &s->vm[vm];
	const struct allowance *t = &s->tenant[a->tenant].allowance;
	struct sched_limits l = {COST_MAX_PACKETS, COST_MAX_BYTES, COST_MAX_DESCS};
	bool is_rated = a->allowance.is_rated || t->is_rated;

	if (s->mode == SCHED_MODE_TIME) {
		struct cost_limits c = cost_limits(&a->cost, is_rated ? s->slice_tsc : left_tsc);

		l = (struct sched_limits){c.packets, c.bytes, c.descs};
	}
	if (is_rated && s->mode != SCHED_MODE_NONE) {
		rates_cut(&a->allowance.rates, &l.packets, &l.bytes);
		rates_cut(&t->rates, &l.packets, &l.bytes);
	}
	return l;
}

bool sched_fits(const struct sched *s, uint16_t vm, uint64_t left_tsc)
{
	if (s->mode != SCHED_MODE_TIME)
		return true;
	return left_tsc >= s->slice_tsc / LAST_BURST && cost_fits(&s->vm[vm].cost, left_tsc);
}

bool sched_is_rated(const struct sched *s, uint16_t vm)
{
	const struct account *a = &s->vm[vm];

	return a->allowance.is_rated || s->tenant[a->tenant].allowance.is_rated;
}

bool sched_has_guarantee(const struct sched *s, uint16_t vm)
{
	const struct account *a = &s->vm[vm];

	return a->is_used && (rate_in_use(&a->allowance.credit) ||
			      rate_in_use(&s->tenant[a->tenant].allowance.credit));
}

bool sched_funded_waits(const struct sched *s)
{
	return s->mode == SCHED_MODE_TIME && !ring_is_empty(s);
}

uint64_t sched_next_tsc(const struct sched *s)
{
	if (!ring_is_empty(s) || s->tenants.n > 0 || s->events.n == 0)
		return UINT64_MAX;
	return s->events.node[0].key;
}
