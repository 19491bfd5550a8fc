/* SPDX-License-Identifier: BSD-3-Clause */
/* The workloads of the simulation. */
#include "bench/sim/sim.h"

#include <stdio.h>
#include <string.h>

static struct sim_vm_spec backlogged(uint32_t weight, uint32_t cost_ns)
{
	return (struct sim_vm_spec){.weight = weight, .cost_ns = cost_ns};
}

static void add(struct sim_workload *w, struct sim_vm_spec vm)
{
	w->vm[w->n_vms++] = vm;
}

static void equal(struct sim_workload *w)
{
	w->text = "8 VMs of equal weight, packets of 0.1 to 12.8 us";
	for (unsigned i = 0; i < 8; i++)
		add(w, backlogged(100, 100u << i));
}

static void weighted(struct sim_workload *w)
{
	w->text = "weights 1:2:4, two VMs each, cheap and dear packets";
	for (unsigned i = 0; i < 6; i++)
		add(w, backlogged(100u << i / 2, i % 2 ? 5000 : 200));
}

static void tails(struct sim_workload *w)
{
	w->text = "8 VMs of equal weight, one packet in 20 to 1000 costs up to 40 us";
	for (unsigned i = 0; i < 8; i++) {
		struct sim_vm_spec vm = backlogged(100, 200 + 200 * i);

		vm.tail = 20u << (i % 4) << (i / 4 * 2);
		add(w, vm);
	}
}

static void bursts(struct sim_workload *w)
{
	w->text = "8 VMs that come and go, 90 % of the worker wanted on average";
	for (unsigned i = 0; i < 8; i++)
		add(w, (struct sim_vm_spec){
			       .weight = 100,
			       .demand = SIM_BURSTS,
			       .cost_ns = 250u << (i % 4),
			       .tail = 200,
			       .packets_max = 3200u >> (i % 4),
			       .gap_us = 4000,
		       });
}

static void guaranteed_bursts(struct sim_workload *w)
{
	bursts(w);
	w->text = "the same VMs, with a guarantee of 10 % each";
	for (unsigned i = 0; i < w->n_vms; i++)
		w->vm[i].guarantee_us = 100;
}

static void fooling(struct sim_workload *w)
{
	w->text = "one VM turns from 0.1 us to 20 us a packet and back, 64 in a row, against 7 "
		  "steady";
	add(w, backlogged(100, 100));
	w->vm[0].dear_ns = 20000;
	w->vm[0].run = w->vm[0].between = 64;
	for (unsigned i = 0; i < 7; i++)
		add(w, backlogged(100, 500));
}

static void turning(struct sim_workload *w)
{
	w->text = "one VM sends 64 packets of 5 us after each 100,000 of 0.1 us, against 7 steady";
	add(w, backlogged(100, 100));
	w->vm[0].dear_ns = 5000;
	w->vm[0].run = 64;
	w->vm[0].between = 100000;
	for (unsigned i = 0; i < 7; i++)
		add(w, backlogged(100, 500));
}

/* Begins with a VM that sends a packet now and then. */
static void add_light(struct sim_workload *w)
{
	w->light = 0;
	add(w, (struct sim_vm_spec){
		       .weight = 100,
		       .demand = SIM_BURSTS,
		       .cost_ns = 500,
		       .packets_max = 1,
		       .gap_us = 200,
	       });
}

static void together(struct sim_workload *w)
{
	w->text = "a VM with a packet now and then among 15 that wake up together, for 10 us each";
	add_light(w);
	for (unsigned i = 0; i < 15; i++)
		add(w, (struct sim_vm_spec){
			       .weight = 100,
			       .demand = SIM_TOGETHER,
			       .cost_ns = 500,
			       .packets_max = 40,
			       .gap_us = 1000,
		       });
}

static void sibling(struct sim_workload *w)
{
	w->text = "a VM with a packet now and then and a backlogged one in one tenant, against 15 "
		  "tenants with one each";
	add_light(w);
	for (unsigned i = 0; i < 16; i++) {
		struct sim_vm_spec vm = backlogged(100, 300 + 100 * (i % 8));

		vm.tenant = i;
		add(w, vm);
	}
}

static void light(struct sim_workload *w, unsigned others)
{
	w->text = "a VM with a packet now and then against backlogged ones";
	snprintf(w->name, sizeof(w->name), "light-%u", others);
	add_light(w);
	for (unsigned i = 0; i < others; i++)
		add(w, backlogged(100, 300 + 100 * (i % 8)));
}

/* Everyone wants everything; four may count on half of the worker together. */
static void guarantees(struct sim_workload *w)
{
	w->text = "guarantees of 20, 15, 10 and 5 % among 12 more, all backlogged and erratic";
	for (unsigned i = 0; i < 16; i++) {
		struct sim_vm_spec vm = backlogged(100, 200 + 100 * i);

		vm.tail = 50;
		vm.guarantee_us = i < 4 ? 200 - 50 * i : 0;
		if (i % 4 == 3) {
			vm.dear_ns = 20000;
			vm.run = vm.between = 64;
		}
		add(w, vm);
	}
}

bool sim_workload(unsigned i, struct sim_workload *w)
{
	static const struct {
		const char *name;
		void (*fill)(struct sim_workload *w);
	} all[] = {
		{"equal", equal},
		{"weighted", weighted},
		{"tails", tails},
		{"bursts", bursts},
		{"bursts-guaranteed", guaranteed_bursts},
		{"fooling", fooling},
		{"turning", turning},
		{"guarantees", guarantees},
		{"together", together},
		{"sibling", sibling},
	};
	const unsigned n = sizeof(all) / sizeof(all[0]);

	memset(w, 0, sizeof(*w));
	w->light = -1;
	if (i < n) {
		snprintf(w->name, sizeof(w->name), "%s", all[i].name);
		all[i].fill(w);
		return true;
	}
	if (i - n > 5)
		return false;
	light(w, (2u << (i - n)) - 1);
	return true;
}

double sim_share(const struct sim_workload *w, unsigned vm)
{
	double granted = 0, weights = 0;
	unsigned tenants = 0;

	for (unsigned i = 0; i < w->n_vms; i++) {
		granted += w->vm[i].guarantee_us / 1000.0;
		if (w->vm[i].tenant == w->vm[vm].tenant)
			weights += w->vm[i].weight;
		if (w->vm[i].tenant >= tenants)
			tenants = w->vm[i].tenant + 1;
	}
	return w->vm[vm].guarantee_us / 1000.0 +
	       (1 - granted) / tenants * w->vm[vm].weight / weights;
}
