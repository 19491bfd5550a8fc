/* SPDX-License-Identifier: BSD-3-Clause */
/* Whom a worker serves next: round robin over the VMs that have work. */
#include "policy/sched.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BURST_PACKETS 32
#define BURST_BYTES   (256u << 10)
#define BURST_DESCS   1024

struct account {
	bool runnable;
	uint16_t next; /* in the circle of runnable VMs */
	uint16_t prev;
	uint64_t waiting_since;
	struct sched_vm_stats stats;
};

struct sched {
	uint64_t slice_tsc;
	uint64_t tsc_hz;
	uint16_t n_runnable;
	uint16_t turn; /* whose turn it is, when there is one */
	struct account vm[SCHED_MAX_VMS];
};

static const char *const mode_names[SCHED_MODE_COUNT] = {
#define X(name, text) [SCHED_MODE_##name] = text,
#include "policy/sched_modes.def"
#undef X
};

const char *sched_mode_text(enum sched_mode mode)
{
	return mode_names[mode];
}

struct sched *sched_create(const struct sched_conf *conf)
{
	struct sched *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->tsc_hz = conf->tsc_hz;
	if (sched_set_conf(s, conf->mode, conf->slice_us) < 0) {
		free(s);
		return NULL;
	}
	return s;
}

void sched_destroy(struct sched *s)
{
	free(s);
}

int sched_set_conf(struct sched *s, enum sched_mode mode, uint32_t slice_us)
{
	if (mode != SCHED_MODE_NONE)
		return -ENOTSUP;
	s->slice_tsc = s->tsc_hz * slice_us / 1000000;
	return 0;
}

/* Tenants share nothing in this mode. */
int sched_add_tenant(struct sched *s, uint16_t tenant, const struct budget *b)
{
	(void)s;
	(void)tenant;
	(void)b;
	return 0;
}

int sched_set_tenant(struct sched *s, uint16_t tenant, const struct budget *b)
{
	return sched_add_tenant(s, tenant, b);
}

void sched_remove_tenant(struct sched *s, uint16_t tenant)
{
	(void)s;
	(void)tenant;
}

int sched_add_vm(struct sched *s, uint16_t vm, uint16_t tenant, const struct budget *b)
{
	(void)tenant;
	(void)b;
	memset(&s->vm[vm], 0, sizeof(s->vm[vm]));
	return 0;
}

int sched_set_vm(struct sched *s, uint16_t vm, const struct budget *b)
{
	(void)s;
	(void)vm;
	(void)b;
	return 0;
}

void sched_remove_vm(struct sched *s, uint16_t vm)
{
	sched_sleep(s, vm);
}

void sched_wake(struct sched *s, uint16_t vm, uint64_t now)
{
	struct account *a = &s->vm[vm];

	if (a->runnable)
		return;
	a->runnable = true;
	a->waiting_since = now;
	if (s->n_runnable++ == 0) {
		a->next = a->prev = vm;
		s->turn = vm;
		return;
	}
	/* Last in the circle: just before whose turn it is. */
	a->next = s->turn;
	a->prev = s->vm[s->turn].prev;
	s->vm[a->prev].next = vm;
	s->vm[s->turn].prev = vm;
}

void sched_sleep(struct sched *s, uint16_t vm)
{
	struct account *a = &s->vm[vm];

	if (!a->runnable)
		return;
	a->runnable = false;
	s->n_runnable--;
	s->vm[a->prev].next = a->next;
	s->vm[a->next].prev = a->prev;
	if (s->turn == vm)
		s->turn = a->next;
}

bool sched_pick(struct sched *s, uint64_t now, struct sched_grant *g)
{
	struct account *a;
	uint64_t waited;

	if (s->n_runnable == 0)
		return false;
	g->vm = s->turn;
	g->slice_tsc = s->slice_tsc;
	g->funded = false;
	a = &s->vm[g->vm];
	s->turn = a->next;
	waited = now > a->waiting_since ? now - a->waiting_since : 0;
	a->stats.waited_tsc += waited;
	if (waited > a->stats.longest_wait_tsc)
		a->stats.longest_wait_tsc = waited;
	return true;
}

void sched_charge(struct sched *s, uint16_t vm, uint64_t now, uint64_t used_tsc, uint32_t packets,
		  uint32_t bytes, uint32_t descs)
{
	struct account *a = &s->vm[vm];

	(void)packets;
	(void)bytes;
	(void)descs;
	a->waiting_since = now;
	a->stats.services++;
	a->stats.used_tsc += used_tsc;
	if (used_tsc > a->stats.longest_service_tsc)
		a->stats.longest_service_tsc = used_tsc;
	if (used_tsc > s->slice_tsc) {
		a->stats.overruns++;
		if (used_tsc - s->slice_tsc > a->stats.longest_overrun_tsc)
			a->stats.longest_overrun_tsc = used_tsc - s->slice_tsc;
	}
}

void sched_charge_other(struct sched *s, uint16_t vm, uint64_t used_tsc)
{
	s->vm[vm].stats.used_tsc += used_tsc;
}

void sched_tick(struct sched *s, uint64_t now)
{
	(void)s;
	(void)now;
}

struct sched_limits sched_burst(const struct sched *s, uint16_t vm, uint64_t left_tsc)
{
	(void)s;
	(void)vm;
	(void)left_tsc;
	return (struct sched_limits){ BURST_PACKETS, BURST_BYTES, BURST_DESCS };
}

uint64_t sched_next_tsc(const struct sched *s)
{
	(void)s;
	return UINT64_MAX;
}

void sched_get_stats(const struct sched *s, uint16_t vm, struct sched_vm_stats *stats)
{
	*stats = s->vm[vm].stats;
}
