# SPDX-License-Identifier: BSD-3-Clause
# The simulation that compares schedulers (docs/budgets.md), and its plots.

SIM_OBJS := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard bench/sim/*.c) $(wildcard policy/sched*.c) policy/budget.c policy/cost.c \
	policy/rate.c base/err.c base/hist.c)
SIM := $(BUILD)/bench/sim

$(SIM): $(SIM_OBJS)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -o $@ $^ $(SANFLAGS)

.PHONY: sim
sim: $(SIM) ## Compare ways to schedule by CPU time, in a simulation
	@$(SIM)

.PHONY: sim-plots
sim-plots: $(SIM) ## Make docs/plots/sim-*.svg and the tables of docs/budgets.md anew (python3-matplotlib)
	@$(SIM) --json | bench/sim/plot.py docs/plots docs/budgets.md
