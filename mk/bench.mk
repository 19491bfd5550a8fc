# SPDX-License-Identifier: BSD-3-Clause
# The load generator and the benchmarks that use it.

LOADGEN_SRCS := $(wildcard bench/loadgen/*.c) base/preempt.c $(addprefix tests/fake/,vhost_fe.c driver_ring.c bad_chain.c)
LOADGEN_OBJS := $(LOADGEN_SRCS:%.c=$(BUILD)/obj/%.o)
LOADGEN := $(BUILD)/bench/loadgen
SCENARIOS := switch tcp density latency idle integrity memory isolation shares overhead efficiency tunnel policy

$(LOADGEN): $(LOADGEN_OBJS)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -o $@ $^ $(SANFLAGS) $(shell pkg-config --libs libdpdk) -lm -pthread

TURN := $(BUILD)/bench/turn
# Calls that turn can leave out, to tell what they cost.
TURN_WRAPS := -Wl,--wrap=vxlan_encap,--wrap=origin_unwrap

$(TURN): bench/turn/main.c $(LIB) $(FAKES) | $(BUILD)/gen/rpc_schema.h
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -o $@ $< $(TURN_WRAPS) $(FAKES) $(LIB) $(LDLIBS) -lcmocka

SECURITY := $(BUILD)/bench/policy/security

.PHONY: bench-security
bench-security: $(SECURITY) ## Measure what judging a packet by security groups costs
	@$<

# What scenarios run beside the daemon.
.PHONY: loadgen
loadgen: $(LOADGEN) $(TURN) $(SECURITY)

.PHONY: bench-turn
bench-turn: $(TURN) ## Measure a packet in whole turns of one process, with everything in the cache
	@$(TURN)

# What decisions cost by themselves.
$(BUILD)/bench/policy/%: bench/policy/%.c $(LIB) $(FAKES) | $(BUILD)/gen/rpc_schema.h
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -o $@ $< $(FAKES) $(LIB) $(LDLIBS) -lcmocka

.PHONY: bench-filter
bench-filter: $(BUILD)/bench/policy/filter ## Measure compiled rules of security groups: cycles, bytes, time to make them
	@$<

# The loop tier tests them.
loop-bins: $(LOADGEN) $(TURN) $(SECURITY)

# A quick run's page stays in the build folder: docs/ has full ones only. What one scenario could not measure
# does not keep the others from being measured.
.PHONY: bench
bench: ## Measure beside the peers and write docs/benchmarks.md (QUICK=1: roughly, in build/bench/)
	@scripts/install-deps --bench
	@$(MAKE) --no-print-directory build loadgen
	@rm -f $(SCENARIOS:%=$(BUILD)/bench/%.json)
	@failed=; for s in $(SCENARIOS); do \
		bench/run $$s $(if $(QUICK),--quick) --build $(BUILD) >$(BUILD)/bench/$$s.txt; rc=$$?; \
		[ $$rc -ne 130 ] || exit 130; \
		[ $$rc -eq 0 ] || failed="$$failed $$s"; \
	done; \
	bench/report --build $(BUILD) $(if $(QUICK),$(BUILD)/bench,docs) || exit 1; \
	[ -z "$$failed" ] || { echo "bench: not measured:$$failed" >&2; exit 1; }
