/* SPDX-License-Identifier: BSD-3-Clause */
/* The scheduler: set-up, budgets and modes. */
#include "policy/sched_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MIN_DEBT_US 1000

/* A chunk of a shared rate is this part of what can be saved up, but not of more time than a
 * thousandth of a second: the rate is inexact by what workers have in hand. */
#define CHUNKS_PER_BURST  64
#define CHUNKS_PER_SECOND 1000

static const char *const mode_names[SCHED_MODE_COUNT] = {
#define X(name, text) [SCHED_MODE_##name] = text,
#include "policy/sched_modes.def"
#undef X
};

const char *sched_mode_text(enum sched_mode mode)
{
	return mode_names[mode];
}

static uint64_t us_to_tsc(const struct sched *s, uint64_t us)
{
	return us * s->tsc_hz / 1000000;
}

static void set_slice(struct sched *s, uint32_t slice_us)
{
	uint32_t debt_us = slice_us * 4 > MIN_DEBT_US ? slice_us * 4 : MIN_DEBT_US;

	s->slice_tsc = us_to_tsc(s, slice_us);
	s->debt_tsc = us_to_tsc(s, debt_us);
}

struct sched *sched_create(const struct sched_conf *conf)
{
	struct sched *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->tsc_hz = conf->tsc_hz;
	s->mode = conf->mode;
	set_slice(s, conf->slice_us);
	s->tenants = (struct heap){s->tenants_node, s->tenants_at, 0};
	s->events = (struct heap){s->events_node, s->events_at, 0};
	for (uint16_t i = 0; i < SCHED_MAX_TENANTS; i++)
		s->tenant[i].tree = (struct heap){s->tree_node[i], s->tree_at, 0};
	for (uint16_t i = 0; i <= RING_HEAD; i++)
		s->ring[i] = (struct link){i, i};
	return s;
}

void sched_destroy(struct sched *s)
{
	free(s);
}

static int64_t credit_cap(const struct allowance *p)
{
	return rate_in_use(&p->credit) ? p->credit.cap : 0;
}

/* Makes a worker's part of a rate, with nothing in hand. */
static void share_set(struct share *p, struct rate *r, uint64_t rate)
{
	uint64_t chunk = (uint64_t)r->cap / CHUNKS_PER_BURST;

	if (!p->of)
		return;
	if (chunk > rate / CHUNKS_PER_SECOND)
		chunk = rate / CHUNKS_PER_SECOND;
	p->chunk = chunk > 0 ? (int64_t)chunk : 1;
	r->level = 0;
}

static void allowance_set(struct sched *s, struct allowance *p, const struct budget *b)
{
	int64_t debt = (int64_t)s->debt_tsc;
	const struct rates_conf rates = {b->rate_bps, b->rate_pps};

	sched_give_back(s, p);
	s->credit_room -= credit_cap(p);
	s->n_guarantees -= rate_in_use(&p->credit);
	p->budget = *b;
	p->inv_weight = VTIME_ONE / b->weight;
	rate_set(&p->credit, b->guarantee_us, b->period_us, (int64_t)us_to_tsc(s, b->burst_us),
		 -debt, s->now);
	rate_set(&p->limit, b->limit_percent < 100 ? b->limit_percent : 0, 100,
		 (int64_t)s->slice_tsc, -debt, s->now);
	rates_set(&p->rates, &rates, s->tsc_hz, s->now);
	share_set(&p->bits, &p->rates.bits, b->rate_bps);
	share_set(&p->packets, &p->rates.packets, b->rate_pps);
	p->is_rated = rates_in_use(&p->rates);
	p->is_gated = p->is_rated || rate_in_use(&p->limit);
	s->credit_room += credit_cap(p);
	s->n_guarantees += rate_in_use(&p->credit);
}

static const struct budget no_budget = {
	.weight = 1, .limit_percent = 100, .period_us = 1000, .burst_us = 10};

/* Take the VMs with work of a tenant (-1: of all) out of their places, and put them back. */
static void unplace_all(struct sched *s, int tenant)
{
	for (uint16_t i = 0; i < SCHED_MAX_VMS; i++)
		if (s->vm[i].is_awake && (tenant < 0 || s->vm[i].tenant == tenant))
			sched_unplace(s, i);
}

static void place_all(struct sched *s, int tenant)
{
	for (uint16_t i = 0; i < SCHED_MAX_VMS; i++)
		if (s->vm[i].is_awake && (tenant < 0 || s->vm[i].tenant == tenant))
			sched_place(s, i);
}

void sched_replace_all(struct sched *s)
{
	unplace_all(s, -1);
	place_all(s, -1);
}

int sched_set_conf(struct sched *s, enum sched_mode mode, uint32_t slice_us)
{
	if ((unsigned)mode >= SCHED_MODE_COUNT || slice_us == 0)
		return -EINVAL;
	unplace_all(s, -1);
	s->mode = mode;
	set_slice(s, slice_us);
	/* Caps and floors in the allowances depend on the slice. */
	for (uint16_t i = 0; i < SCHED_MAX_TENANTS; i++)
		if (s->tenant[i].is_used)
			allowance_set(s, &s->tenant[i].allowance, &s->tenant[i].allowance.budget);
	for (uint16_t i = 0; i < SCHED_MAX_VMS; i++)
		if (s->vm[i].is_used)
			allowance_set(s, &s->vm[i].allowance, &s->vm[i].allowance.budget);
	place_all(s, -1);
	return 0;
}

int sched_add_tenant(struct sched *s, uint16_t tenant, const struct budget *b)
{
	struct tenant_account *t;

	if (tenant >= SCHED_MAX_TENANTS || s->tenant[tenant].is_used)
		return -EINVAL;
	t = &s->tenant[tenant];
	t->is_used = true;
	t->n_awake = t->n_home = 0;
	t->held_until = s->now;
	t->clock = t->floor = 0;
	t->allowance.vtime = s->clock;
	allowance_set(s, &t->allowance, b);
	return 0;
}

int sched_set_tenant(struct sched *s, uint16_t tenant, const struct budget *b)
{
	if (tenant >= SCHED_MAX_TENANTS || !s->tenant[tenant].is_used)
		return -EINVAL;
	unplace_all(s, tenant);
	allowance_set(s, &s->tenant[tenant].allowance, b);
	place_all(s, tenant);
	return 0;
}

void sched_share_tenant(struct sched *s, uint16_t tenant, struct shared_rates *of)
{
	struct allowance *p = &s->tenant[tenant].allowance;

	unplace_all(s, tenant);
	p->bits.of = &of->bits;
	p->packets.of = &of->packets;
	share_set(&p->bits, &p->rates.bits, p->budget.rate_bps);
	share_set(&p->packets, &p->rates.packets, p->budget.rate_pps);
	place_all(s, tenant);
}

void sched_set_away(struct sched *s, uint16_t vm, bool is_away)
{
	struct account *a = &s->vm[vm];
	struct tenant_account *t = &s->tenant[a->tenant];

	if (!a->is_used || a->is_away == is_away)
		return;
	a->is_away = is_away;
	if (!a->is_awake)
		return;
	sched_unplace(s, vm);
	t->n_home += is_away ? -1 : 1;
	if (t->n_home == 0)
		sched_give_back(s, &t->allowance);
	sched_place(s, vm);
}

void sched_remove_tenant(struct sched *s, uint16_t tenant)
{
	struct tenant_account *t;

	if (tenant >= SCHED_MAX_TENANTS || !s->tenant[tenant].is_used)
		return;
	t = &s->tenant[tenant];
	for (uint16_t i = 0; i < SCHED_MAX_VMS; i++)
		if (s->vm[i].is_used && s->vm[i].tenant == tenant)
			sched_remove_vm(s, i);
	allowance_set(s, &t->allowance, &no_budget);
	t->allowance.bits.of = t->allowance.packets.of = NULL;
	t->is_used = false;
}

int sched_add_vm(struct sched *s, uint16_t vm, uint16_t tenant, const struct budget *b)
{
	struct account *a;

	if (vm >= SCHED_MAX_VMS || s->vm[vm].is_used || tenant >= SCHED_MAX_TENANTS ||
	    !s->tenant[tenant].is_used)
		return -EINVAL;
	a = &s->vm[vm];
	memset(a, 0, sizeof(*a));
	for (int kind = 0; kind < SCHED_HIST_COUNT; kind++)
		if (s->hist[vm][kind].count)
			hist_reset(&s->hist[vm][kind]);
	a->is_used = true;
	a->tenant = tenant;
	a->allowance.vtime = s->tenant[tenant].clock;
	cost_reset(&a->cost);
	a->typical_tsc = s->slice_tsc;
	allowance_set(s, &a->allowance, b);
	return 0;
}

int sched_set_vm(struct sched *s, uint16_t vm, const struct budget *b)
{
	if (vm >= SCHED_MAX_VMS || !s->vm[vm].is_used)
		return -EINVAL;
	if (s->vm[vm].is_awake)
		sched_unplace(s, vm);
	allowance_set(s, &s->vm[vm].allowance, b);
	if (s->vm[vm].is_awake)
		sched_place(s, vm);
	return 0;
}

void sched_remove_vm(struct sched *s, uint16_t vm)
{
	if (vm >= SCHED_MAX_VMS || !s->vm[vm].is_used)
		return;
	sched_sleep(s, vm);
	allowance_set(s, &s->vm[vm].allowance, &no_budget);
	s->vm[vm].is_used = false;
}
