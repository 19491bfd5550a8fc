/* SPDX-License-Identifier: BSD-3-Clause */
/* One run of the simulation.
 *
 * Whether a VM is funded is measured by a reference that no scheduler knows: a bucket per VM which
 * fills with nine tenths of the VM's share, up to 100 us, and from which all its time is taken. A
 * VM with work and a positive reference has used less than its due: how long it waits then is what
 * the schedulers are compared by. Arrivals and the costs of packets come from generators of each
 * VM's own, so they are the same under each scheduler. */
#include "bench/sim/sim.h"

#include <stdlib.h>
#include <string.h>

#define TAIL_NS    40000
#define REF_CAP    ((int64_t)(100 * SIM_US))
#define REF_FLOOR  (-(int64_t)SIM_HZ)
#define MILLION    1000000
#define PART       32 /* packets of a burst between two looks at the clock */
#define N_WINDOWS  2
#define SKIP_FIRST (100 * 1000 * SIM_US) /* while costs are learned and caps used up */

struct vm {
	struct sim_vm_spec spec;
	uint64_t arrivals; /* generators */
	uint64_t costs;
	uint64_t packet; /* number of the next one */
	uint64_t backlog;
	uint64_t next_burst;
	bool is_awake;
	uint64_t since; /* with work, unserved */
	uint64_t funded_since;
	struct rate ref;
};

struct window {
	uint64_t length;
	uint64_t start;
	uint64_t used[SIM_MAX_VMS];
	bool is_partial[SIM_MAX_VMS]; /* had nothing to do for a while */
	double error;                 /* the worst so far, percent */
	double guarantee;             /* the lowest so far, percent */
};

struct run {
	const struct sim_workload *w;
	const struct sim_algo *a;
	void *algo;
	struct sim_result *result;
	uint64_t now;
	double share[SIM_MAX_VMS];
	struct vm vm[SIM_MAX_VMS];
	struct window window[N_WINDOWS];
};

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* As likely in each octave. */
static uint64_t log_between(uint64_t *seed, uint64_t low, uint64_t high)
{
	unsigned octaves = 0;
	uint64_t base, x;

	while (low << (octaves + 1) <= high)
		octaves++;
	base = low << next(seed) % (octaves + 1);
	x = base + next(seed) % (base + 1);
	return x < high ? x : high;
}

static uint64_t packet_cost(struct vm *v)
{
	const struct sim_vm_spec *s = &v->spec;
	uint64_t cost = SIM_NS(s->cost_ns);

	if (s->run && v->packet % (s->run + s->between) >= s->between)
		cost = SIM_NS(s->dear_ns);
	v->packet++;
	cost += cost * (next(&v->costs) % 64) / 256; /* no two are quite alike */
	if (s->tail && next(&v->costs) % s->tail == 0)
		return log_between(&v->costs, cost, SIM_NS(TAIL_NS));
	return cost;
}

static void wake(struct run *r, unsigned i, uint64_t since)
{
	struct vm *v = &r->vm[i];

	v->is_awake = true;
	v->since = since;
	r->a->ops->wake(r->algo, i, r->now);
}

/* Packets come; `urgent`: they are seen of VMs with a guarantee only. */
static void arrive(struct run *r, bool urgent)
{
	for (unsigned i = 0; i < r->w->n_vms; i++) {
		struct vm *v = &r->vm[i];

		if (urgent && v->spec.guarantee_us == 0)
			continue;
		while (v->spec.demand != SIM_BACKLOGGED && v->next_burst <= r->now) {
			uint64_t gap = v->spec.gap_us * SIM_US;

			v->backlog += 1 + next(&v->arrivals) % v->spec.packets_max;
			if (!v->is_awake)
				wake(r, i, v->next_burst);
			v->next_burst += v->spec.demand == SIM_TOGETHER
						 ? gap
						 : gap / 2 + next(&v->arrivals) % gap;
		}
	}
}

static uint64_t next_arrival(const struct run *r)
{
	uint64_t first = UINT64_MAX;

	for (unsigned i = 0; i < r->w->n_vms; i++)
		if (r->vm[i].spec.demand != SIM_BACKLOGGED && r->vm[i].next_burst < first)
			first = r->vm[i].next_burst;
	return first;
}

/* The VM waited until now; counts if it was funded. */
static void count_wait(struct run *r, unsigned i)
{
	struct vm *v = &r->vm[i];
	uint64_t from = v->since > v->funded_since ? v->since : v->funded_since;

	rate_refill(&v->ref, r->now, v->ref.cap);
	if (v->ref.level <= 0 || r->now < SKIP_FIRST || (r->w->light >= 0 && r->w->light != (int)i))
		return;
	hist_record(&r->result->wait, r->now > from ? r->now - from : 0);
}

/* What the VMs that had work all the time should have used. Tenants with such VMs divide what they
 * all used by their shares; what a tenant's other VMs used of that is not there for these. */
static void wanted(const struct run *r, const struct window *win, double *want)
{
	double share[SIM_MAX_VMS] = {0}, full[SIM_MAX_VMS] = {0};
	double used[SIM_MAX_VMS] = {0}, others[SIM_MAX_VMS] = {0};
	double all_share = 0, all_used = 0;

	for (unsigned i = 0; i < r->w->n_vms; i++) {
		unsigned t = r->w->vm[i].tenant;

		share[t] += r->share[i];
		full[t] += win->is_partial[i] ? 0 : r->share[i];
		used[t] += (double)win->used[i];
		others[t] += win->is_partial[i] ? (double)win->used[i] : 0;
	}
	for (unsigned t = 0; t < SIM_MAX_VMS; t++) {
		all_share += full[t] > 0 ? share[t] : 0;
		all_used += full[t] > 0 ? used[t] : 0;
	}
	for (unsigned i = 0; i < r->w->n_vms; i++) {
		unsigned t = r->w->vm[i].tenant;

		if (!win->is_partial[i])
			want[i] = (all_used * share[t] / all_share - others[t]) * r->share[i] /
				  full[t];
	}
}

static void close_window(struct run *r, struct window *win)
{
	double want[SIM_MAX_VMS] = {0};

	wanted(r, win, want);
	for (unsigned i = 0; i < r->w->n_vms && win->start >= SKIP_FIRST; i++) {
		uint64_t grant = win->length / 1000 * r->vm[i].spec.guarantee_us;
		double off;

		if (win->is_partial[i])
			continue;
		off = ((double)win->used[i] - want[i]) / want[i] * 100;
		off = off < 0 ? -off : off;
		win->error = off > win->error ? off : win->error;
		if (grant && 100.0 * (double)win->used[i] / (double)grant < win->guarantee)
			win->guarantee = 100.0 * (double)win->used[i] / (double)grant;
	}
	win->start += win->length;
	memset(win->used, 0, sizeof(win->used));
	for (unsigned i = 0; i < r->w->n_vms; i++)
		win->is_partial[i] = !r->vm[i].is_awake;
}

/* The clock moves on, with `who` being served (-1: nobody). */
static void pass(struct run *r, uint64_t to, int who)
{
	for (unsigned k = 0; k < N_WINDOWS; k++) {
		struct window *win = &r->window[k];
		uint64_t from = r->now;

		while (from < to) {
			uint64_t end = win->start + win->length;
			uint64_t until = end < to ? end : to;

			if (who >= 0)
				win->used[who] += until - from;
			from = until;
			if (until == end)
				close_window(r, win);
		}
	}
	r->now = to;
}

/* Whether the service goes on after a burst. */
static bool goes_on(struct run *r, const struct sim_grant *g, uint64_t used)
{
	if (r->vm[g->vm].backlog == 0 || used >= g->slice_tsc)
		return false;
	if (!r->a->ops->yields)
		return true;
	arrive(r, true);
	return !r->a->ops->yields(r->algo);
}

/* What a burst of `n` packets takes. It ends sooner where it takes more than is left. */
static uint64_t burst(struct vm *v, unsigned n, uint64_t left, uint32_t *packets)
{
	uint64_t cost = 0;

	for (unsigned i = 0; i < n && v->backlog; i++) {
		if (i > 0 && i % PART == 0 && cost >= left)
			break;
		cost += packet_cost(v);
		(*packets)++;
		if (v->spec.demand != SIM_BACKLOGGED)
			v->backlog--;
	}
	return cost;
}

static uint64_t work(struct run *r, const struct sim_grant *g, uint32_t *packets)
{
	struct vm *v = &r->vm[g->vm];
	uint64_t start = r->now, used = 0, cost;

	do {
		unsigned n = r->a->ops->burst(r->algo, g->vm, g->slice_tsc - used);

		if (n == 0 && used > 0)
			break;
		cost = burst(v, n ? n : 1, g->slice_tsc - used, packets);
		pass(r, r->now + cost, (int)g->vm);
		used = r->now - start;
	} while (goes_on(r, g, used));
	return used;
}

static void serve(struct run *r, const struct sim_grant *g)
{
	struct vm *v = &r->vm[g->vm];
	bool counts = r->now >= SKIP_FIRST;
	uint32_t packets = 0;
	uint64_t used;

	count_wait(r, g->vm);
	used = work(r, g, &packets);
	if (counts && used > SIM_SLICE && used - SIM_SLICE > r->result->longest_overrun_tsc)
		r->result->longest_overrun_tsc = used - SIM_SLICE;
	r->result->services++;
	r->result->used_tsc += used;
	rate_refill(&v->ref, r->now, v->ref.cap);
	rate_take(&v->ref, used);
	v->since = r->now;
	v->funded_since = v->ref.level > 0 ? r->now : rate_ready_tsc(&v->ref);
	r->a->ops->charge(r->algo, g->vm, r->now, used, packets);
	if (v->backlog)
		return;
	v->is_awake = false;
	r->a->ops->sleep(r->algo, g->vm);
	for (unsigned k = 0; k < N_WINDOWS; k++)
		r->window[k].is_partial[g->vm] = true;
}

static void rest(struct run *r, uint64_t end)
{
	uint64_t until = next_arrival(r);

	until = until < end ? until : end;
	for (unsigned i = 0; i < r->w->n_vms; i++) {
		if (!r->vm[i].is_awake)
			continue;
		/* A scheduler that lets somebody wait is asked again a little later. */
		until = until < r->now + SIM_US ? until : r->now + SIM_US;
		r->result->idle_tsc += until - r->now;
		break;
	}
	pass(r, until, -1);
}

static void open_run(struct run *r)
{
	static const unsigned window_ms[N_WINDOWS] = {10, 100};

	r->algo = r->a->open(r->w);
	for (unsigned k = 0; k < N_WINDOWS; k++) {
		r->window[k].length = window_ms[k] * 1000 * SIM_US;
		r->window[k].guarantee = 1e9;
	}
	for (unsigned i = 0; i < r->w->n_vms; i++) {
		struct vm *v = &r->vm[i];

		v->spec = r->w->vm[i];
		v->arrivals = (i + 1) * 0x9e3779b97f4a7c15ull;
		v->costs = (i + 1) * 0xd1b54a32d192ed03ull;
		r->share[i] = sim_share(r->w, i);
		rate_set(&v->ref, (uint64_t)(r->share[i] * 0.9 * MILLION), MILLION, REF_CAP,
			 REF_FLOOR, 0);
		v->ref.level = 0;
		if (v->spec.demand == SIM_BURSTS)
			v->next_burst = next(&v->arrivals) % (v->spec.gap_us * SIM_US + 1);
		if (v->spec.demand != SIM_BACKLOGGED)
			continue;
		v->backlog = 1;
		wake(r, i, 0);
	}
}

void sim_run(const struct sim_workload *w, const struct sim_algo *a, unsigned ms,
	     struct sim_result *result)
{
	struct run *r = calloc(1, sizeof(*r));
	uint64_t end = ms * 1000 * SIM_US;
	struct sim_grant g;

	if (!r)
		abort();
	memset(result, 0, sizeof(*result));
	r->w = w;
	r->a = a;
	r->result = result;
	open_run(r);
	while (r->now < end) {
		arrive(r, false);
		if (a->ops->pick(r->algo, r->now, &g))
			serve(r, &g);
		else
			rest(r, end);
	}
	for (unsigned i = 0; i < w->n_vms; i++)
		if (r->vm[i].is_awake)
			count_wait(r, i); /* who was never served again waited too */
	result->share_error_10ms = r->window[0].error;
	result->share_error_100ms = r->window[1].error;
	result->lowest_guarantee = r->window[0].guarantee < 1e9 ? r->window[0].guarantee : 0;
	a->ops->close(r->algo);
	free(r);
}
