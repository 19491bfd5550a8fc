# SPDX-License-Identifier: BSD-3-Clause
# Tests: unit (cmocka), loop (virtio-user against stintd), guest (libvirt domains).

.PHONY: test
test: deps ## Build and run every tier of tests
	@$(MAKE) --no-print-directory build unit-tests loop-bins images
	@scripts/run-tests --build $(BUILD) unit loop guest

.PHONY: test-unit
test-unit: unit-tests ## Only the unit tests
	@scripts/run-tests --build $(BUILD) unit

.PHONY: test-loop
test-loop: build loop-bins ## Only the loop tier: virtio-user front ends against stintd
	@scripts/run-tests --build $(BUILD) loop

.PHONY: test-guest
test-guest: build images ## Only the guest tier: libvirt domains in QEMU
	@scripts/run-tests --build $(BUILD) guest

# Freed memory is kept from use for a while, but less of it than tests of a limit allow stintd to grow.
ASAN_ENV := ASAN_OPTIONS=detect_leaks=1:halt_on_error=1:quarantine_size_mb=8 UBSAN_OPTIONS=print_stacktrace=1 \
	LSAN_OPTIONS="suppressions=$(CURDIR)/tests/lsan.supp print_suppressions=0"

.PHONY: asan
asan: ## Unit and loop tiers under ASan and UBSan
	@$(MAKE) --no-print-directory SAN=1 build unit-tests loop-bins
	@$(ASAN_ENV) scripts/run-tests --build build/asan unit loop

# Reports become the exit status of what was run, stintd's too.
# With the longest history: where it has forgotten a stack, no line of tests/tsan.supp can match.
TSAN_ENV := TSAN_OPTIONS="suppressions=$(CURDIR)/tests/tsan.supp exitcode=66 history_size=7"

.PHONY: tsan
tsan: ## Unit and loop tiers under ThreadSanitizer
	@$(MAKE) --no-print-directory TSAN=1 build unit-tests loop-bins
	@$(TSAN_ENV) scripts/run-tests --build build/tsan unit loop

.PHONY: tsan-short
tsan-short: ## Under ThreadSanitizer, only those tests in which threads meet
	@$(MAKE) --no-print-directory TSAN=1 build unit-tests loop-bins
	@$(TSAN_ENV) scripts/run-tests --build build/tsan \
		--only '/(log|gate|vdev|vdev_rings|net_random|fdb|worker|switch|boundary|workers)_test' unit loop

.PHONY: check-fresh
check-fresh: ## Prove the set-up: a clone of HEAD in a fresh Debian 12 folder
	@scripts/check-fresh

# This test decides which allocations fail.
$(BUILD)/tests/unit/policy/filter_memory_test: LDLIBS += -Wl,--wrap=aligned_alloc,--wrap=reallocarray

# The loop tier's own front ends: no DPDK in them.
LOOP_BINS := $(addprefix $(BUILD)/tests/loop/,fe_hostile fe_bystanders fe_setup)
FRONT_END_OBJS := $(addprefix $(BUILD)/obj/tests/fake/,vhost_fe.o driver_ring.o bad_chain.o)
$(BUILD)/tests/loop/fe_hostile: $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/loop/fe_hostile*.c)) $(FRONT_END_OBJS)
$(BUILD)/tests/loop/fe_bystanders: $(addprefix $(BUILD)/obj/tests/loop/,fe_bystanders.o fe_misdeeds.o) $(FRONT_END_OBJS)
$(BUILD)/tests/loop/fe_setup: $(BUILD)/obj/tests/loop/fe_setup.o $(FRONT_END_OBJS)
$(LOOP_BINS):
	@mkdir -p $(@D)
	$(call say,TEST,$@)
	$(Q)$(CC) -o $@ $^ $(SANFLAGS)

.PHONY: loop-bins
loop-bins: $(LOOP_BINS)
