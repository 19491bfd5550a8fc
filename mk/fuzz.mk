# SPDX-License-Identifier: BSD-3-Clause
# Fuzzing with libFuzzer. `make fuzz FUZZ_SECONDS=600` runs longer; what was found stays in $(BUILD)/fuzz.

FUZZ_SECONDS ?= 30
FUZZ_CFLAGS := -std=gnu11 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
	-I. -I$(BUILD)/gen
RPC_FUZZ_SRCS := tests/fuzz/rpc_fuzz.c rpc/scan.c rpc/decode.c rpc/dispatch.c base/err.c base/log.c \
	$(BUILD)/gen/rpc_params.c

$(BUILD)/fuzz/rpc_fuzz: $(RPC_FUZZ_SRCS) $(wildcard rpc/*.h) | $(BUILD)/gen/rpc_schema.h
	@mkdir -p $(@D)
	$(call say,FUZZ,$@)
	$(Q)clang $(FUZZ_CFLAGS) -o $@ $(RPC_FUZZ_SRCS) -ljansson -lm

.PHONY: fuzz
fuzz: $(BUILD)/fuzz/rpc_fuzz ## Fuzz what JSON-RPC clients can send (FUZZ_SECONDS=30)
	@mkdir -p $(BUILD)/fuzz/rpc
	@cd $(BUILD)/fuzz && ./rpc_fuzz -max_total_time=$(FUZZ_SECONDS) -max_len=8192 -timeout=5 -rss_limit_mb=1024 \
		-print_final_stats=1 rpc $(CURDIR)/tests/fuzz/seeds/rpc 2>rpc.log || { tail -40 rpc.log; exit 1; }
	@tail -8 $(BUILD)/fuzz/rpc.log
