# SPDX-License-Identifier: BSD-3-Clause
# Fuzzing with libFuzzer. `make fuzz FUZZ_SECONDS=600` runs longer, FUZZ=net_ring only one of them; what was found
# stays in build/fuzz.

FUZZ_SECONDS ?= 30
FUZZERS := $(sort $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c)))
FUZZ ?= $(FUZZERS)
FUZZ_BINS := $(patsubst %,$(BUILD)/fuzz/%_fuzz,$(FUZZERS))

$(BUILD)/fuzz/%_fuzz: $(BUILD)/obj/tests/fuzz/%_fuzz.o $(FAKES) $(LIB)
	@mkdir -p $(@D)
	$(call say,FUZZ,$@)
	$(Q)$(CC) -fsanitize=fuzzer -o $@ $< $(FAKES) $(LIB) $(LDLIBS) -lcmocka

.PHONY: fuzz-bins
fuzz-bins: $(FUZZ_BINS)

# Built in a folder of their own, with clang, all of the project's code being watched.
.PHONY: fuzz
fuzz: ## Fuzz what guests, front ends and JSON-RPC clients can send (FUZZ_SECONDS=30)
	@$(MAKE) --no-print-directory FUZZING=1 fuzz-bins
	@scripts/run-fuzzers --seconds $(FUZZ_SECONDS) $(FUZZ)
